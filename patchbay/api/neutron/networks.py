"""/v2.0/networks: attributes as in the API reference, "Networks", with provider, external-net and net-mtu."""

from collections.abc import Iterable, Sequence

import msgspec

from patchbay.api.neutron import checks, names
from patchbay.api.neutron.attributes import (
    LIST,
    READ_ONLY,
    STANDARD,
    Attributes,
    Body,
    spec_fields,
    writable,
)
from patchbay.api.neutron.resource import Collection, Filters, View, narrowed
from patchbay.model import Network
from patchbay.service.access import is_visible
from patchbay.service.context import RequestContext
from patchbay.service.networks import create_networks, delete_network, get_network, update_network
from patchbay.service.service import Service
from patchbay.service.specs import NetworkSpec

ATTRIBUTES: Attributes = {
    **STANDARD,
    "subnets": LIST,
    "admin_state_up": writable("admin_state_up", convert=checks.to_bool),
    "status": READ_ONLY,
    "shared": writable("shared", convert=checks.to_bool, is_sort_key=False),
    "router:external": writable("external", convert=checks.to_bool, is_sort_key=False),
    "mtu": writable("mtu", convert=checks.to_int, check=checks.non_negative),
    "provider:network_type": writable("network_type", check=checks.text(32)),
    "provider:physical_network": writable("physical_network", check=checks.text(64)),
    "provider:segmentation_id": writable("segmentation_id", convert=checks.to_int, check=checks.int64),
    "ipv4_address_scope": LIST,
    "ipv6_address_scope": LIST,
    "dns_domain": writable("dns_domain", convert=names.to_lower, check=names.domain),
    "is_default": writable("is_default", convert=checks.to_bool, is_sort_key=False),
    "port_security_enabled": writable("port_security_enabled", convert=checks.to_bool, is_sort_key=False),
}


def _scopes(service: Service, network: Network) -> View:
    """The address scopes that the network's subnets have by their pools."""
    db = service.db
    subnets = [db.subnets[id_] for id_ in db.subnets_by_network.get(network.id, ())]
    scopes = {s.ip_version: db.subnetpools[s.subnetpool_id].address_scope_id for s in subnets if s.subnetpool_id}
    return {"ipv4_address_scope": scopes.get(4), "ipv6_address_scope": scopes.get(6)}


def view_network(service: Service, network: Network) -> View:
    """The network as the API shows it."""
    return {
        "id": network.id,
        "name": network.name,
        "tenant_id": network.project_id,
        "project_id": network.project_id,
        "admin_state_up": network.admin_state_up,
        "mtu": network.mtu,
        "status": "ACTIVE",
        "subnets": sorted(service.db.subnets_by_network.get(network.id, ())),
        "shared": network.shared,
        "router:external": network.external,
        "provider:network_type": network.network_type,
        "provider:physical_network": network.physical_network,
        "provider:segmentation_id": network.segmentation_id,
        "dns_domain": network.dns_domain,
        **_scopes(service, network),
        "is_default": network.is_default,
        "port_security_enabled": network.port_security_enabled,
        "description": network.description,
        "tags": network.tags,
        "created_at": network.created_at,
        "updated_at": network.updated_at,
        "revision_number": network.revision_number,
    }


def _encoded(service: Service, network: Network) -> bytes:
    return msgspec.json.encode(view_network(service, network))


def _candidates(service: Service, context: RequestContext, filters: Filters) -> Iterable[Network]:
    networks = narrowed(filters, service.db.networks, {"name": service.db.networks_by_name})
    return [network for network in networks if is_visible(context, network)]


async def _create(service: Service, context: RequestContext, items: list[Body]) -> Sequence[Network]:
    specs = [msgspec.convert(spec_fields(ATTRIBUTES, item), NetworkSpec) for item in items]
    return await create_networks(service, context, specs)


async def _update(service: Service, context: RequestContext, id_: str, item: Body, if_match: int | None) -> Network:
    spec = msgspec.convert(spec_fields(ATTRIBUTES, item), NetworkSpec)
    return await update_network(service, context, id_, spec, if_match)


NETWORKS = Collection(
    name="networks",
    member="network",
    attributes=ATTRIBUTES,
    indexed=frozenset(("name",)),
    candidates=_candidates,
    get=get_network,
    view=view_network,
    encoded=_encoded,
    create=_create,
    update=_update,
    delete=delete_network,
)
