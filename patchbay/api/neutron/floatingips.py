"""/v2.0/floatingips: attributes as in the API reference, "Floating IPs", with fip-port-details and dns-integration."""

from collections.abc import Iterable, Sequence

import msgspec

from patchbay.api.neutron import checks
from patchbay.api.neutron.attributes import (
    READ_ONLY,
    STANDARD,
    Attribute,
    Attributes,
    Body,
    spec_fields,
    writable,
)
from patchbay.api.neutron.resource import Collection, Filters, View, narrowed
from patchbay.model import FloatingIP
from patchbay.service.access import is_visible
from patchbay.service.context import RequestContext
from patchbay.service.floatingips import create_floatingips, delete_floatingip, get_floatingip, update_floatingip
from patchbay.service.router_errors import QosPolicyNotFound
from patchbay.service.router_specs import FloatingIPSpec
from patchbay.service.service import Service
from patchbay.service.status import floatingip_status, port_status

SHOWN_ONLY = Attribute(is_filter=False, is_sort_key=False)

ATTRIBUTES: Attributes = {
    **{name: attribute for name, attribute in STANDARD.items() if name != "name"},
    "floating_network_id": Attribute(field="floating_network_id", post=True, is_required=True, check=checks.uuid),
    "floating_ip_address": Attribute(
        field="floating_ip_address", post=True, convert=checks.to_address, check=checks.or_none(checks.address)
    ),
    "subnet_id": Attribute(
        field="subnet_id", post=True, check=checks.or_none(checks.uuid), is_filter=False, is_sort_key=False
    ),
    "port_id": writable("port_id", check=checks.or_none(checks.uuid)),
    "fixed_ip_address": writable("fixed_ip_address", convert=checks.to_address, check=checks.or_none(checks.address)),
    "router_id": Attribute(field="router_id"),
    "status": READ_ONLY,
    "dns_name": Attribute(field="dns_name", post=True, convert=checks.none_to_text, check=checks.text(255)),
    "dns_domain": Attribute(field="dns_domain", post=True, convert=checks.none_to_text, check=checks.text(255)),
    "qos_policy_id": writable(check=checks.or_none(checks.uuid)),
    "port_details": SHOWN_ONLY,
    "port_forwardings": SHOWN_ONLY,
}


def view_floatingip(service: Service, floatingip: FloatingIP) -> View:
    """The floating IP as the API shows it."""
    return {
        "id": floatingip.id,
        "tenant_id": floatingip.project_id,
        "project_id": floatingip.project_id,
        "floating_network_id": floatingip.floating_network_id,
        "floating_ip_address": floatingip.floating_ip_address,
        "port_id": floatingip.port_id,
        "fixed_ip_address": floatingip.fixed_ip_address,
        "router_id": floatingip.router_id,
        "status": floatingip_status(service, floatingip),
        "port_details": _port_details(service, floatingip),
        "port_forwardings": [
            {
                "id": one.id,
                "protocol": one.protocol,
                "external_port": one.external_ports[0] if len(set(one.external_ports)) == 1 else None,
                "internal_port": one.internal_ports[0] if len(set(one.internal_ports)) == 1 else None,
                "internal_ip_address": one.internal_ip_address,
                "internal_port_id": one.internal_port_id,
            }
            for one in floatingip.port_forwardings
        ],
        "dns_name": floatingip.dns_name,
        "dns_domain": floatingip.dns_domain,
        "qos_policy_id": None,
        "description": floatingip.description,
        "tags": floatingip.tags,
        "created_at": floatingip.created_at,
        "updated_at": floatingip.updated_at,
        "revision_number": floatingip.revision_number,
    }


def _port_details(service: Service, floatingip: FloatingIP) -> View | None:
    port = service.db.ports.get(floatingip.port_id or "")
    if port is None:
        return None
    return {
        "name": port.name,
        "network_id": port.network_id,
        "mac_address": port.mac_address,
        "admin_state_up": port.admin_state_up,
        "status": port_status(service, port),
        "device_id": port.device_id,
        "device_owner": port.device_owner,
    }


def _encoded(service: Service, floatingip: FloatingIP) -> bytes:
    return msgspec.json.encode(view_floatingip(service, floatingip))


def _candidates(service: Service, context: RequestContext, filters: Filters) -> Iterable[FloatingIP]:
    db = service.db
    indexes = {
        "port_id": db.floatingips_by_port,
        "router_id": db.floatingips_by_router,
        "floating_network_id": db.floatingips_by_network,
    }
    # The empty text asks for floating IPs without port or router, which are in no index and have null there.
    named = {key: values for key, values in filters.items() if "" not in values}
    found = narrowed(named, db.floatingips, indexes)
    for key in indexes:
        if key in filters and key not in named:
            found = [one for one in found if (getattr(one, key) or "") in filters[key]]
    return [floatingip for floatingip in found if is_visible(context, floatingip)]


def _spec(item: Body) -> FloatingIPSpec:
    if item.get("qos_policy_id") is not None:
        raise QosPolicyNotFound(str(item["qos_policy_id"]))
    return msgspec.convert(spec_fields(ATTRIBUTES, item), FloatingIPSpec)


async def _create(service: Service, context: RequestContext, items: list[Body]) -> Sequence[FloatingIP]:
    return await create_floatingips(service, context, [_spec(item) for item in items])


async def _update(service: Service, context: RequestContext, id_: str, item: Body, if_match: int | None) -> FloatingIP:
    # Of old, a floating IP had nothing to change but its port: an empty request takes it away, as in Neutron.
    item = item or {"port_id": None}
    return await update_floatingip(service, context, id_, _spec(item), if_match)


FLOATINGIPS = Collection(
    name="floatingips",
    member="floatingip",
    attributes=ATTRIBUTES,
    indexed=frozenset(("port_id", "router_id", "floating_network_id")),
    candidates=_candidates,
    get=get_floatingip,
    view=view_floatingip,
    encoded=_encoded,
    create=_create,
    update=_update,
    delete=delete_floatingip,
)
