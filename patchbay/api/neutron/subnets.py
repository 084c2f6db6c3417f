"""/v2.0/subnets: attributes as in the API reference, "Subnets"."""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

import msgspec

from patchbay.api.neutron import checks
from patchbay.api.neutron.attributes import STANDARD, Attribute, Attributes, Body, spec_fields, writable
from patchbay.api.neutron.resource import Collection, Filters, View, narrowed
from patchbay.model import AllocationPool, Subnet
from patchbay.service.access import is_visible
from patchbay.service.addresses import IPV6_MODES
from patchbay.service.context import RequestContext
from patchbay.service.errors import InvalidInput, InvalidInputSubnetServiceType
from patchbay.service.service import Service
from patchbay.service.sharing import is_shared
from patchbay.service.specs import SubnetSpec
from patchbay.service.subnets import create_subnets, delete_subnet, get_subnet, update_subnet


def canonical_pools(value: object) -> object:
    """Allocation pools with addresses in canonical spelling."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(pool, dict) for pool in value):
        raise InvalidInput("Invalid data format for allocation pools")
    return [{key: checks.to_address(item) for key, item in pool.items()} for pool in value]


MAX_POOLS = 100
"""Allocation pools of a subnet, and DHCP ranges."""


def pools(value: object) -> str | None:
    """A list of ``{"start": address, "end": address}``."""
    assert isinstance(value, list)
    if len(value) > MAX_POOLS:
        return f"more than {MAX_POOLS} pools"
    for pool in value:
        reason = (
            checks.exact_keys(("start", "end"), pool) or checks.address(pool["start"]) or checks.address(pool["end"])
        )
        if reason:
            return reason
    return None


def name_servers(value: object) -> str | None:
    """A list of different addresses."""
    if not isinstance(value, list):
        return f"Invalid data format for nameserver: '{value}'"
    seen: set[str] = set()
    for server in value:
        reason = checks.address(server)
        if reason:
            return f"'{server}' is not a valid nameserver. {reason}"
        if server in seen:
            return f"Duplicate nameserver '{server}'"
        seen.add(server)
    return None


def host_routes(value: object) -> str | None:
    """A list of different ``{"destination": CIDR, "nexthop": address}``."""
    if not isinstance(value, list):
        return f"Invalid data format for hostroute: '{value}'"
    seen: set[tuple[str, str]] = set()
    for route in value:
        reason = (
            checks.exact_keys(("destination", "nexthop"), route)
            or checks.route_cidr(route["destination"])
            or checks.address(route["nexthop"])
        )
        if reason:
            return reason
        if (pair := (route["destination"], route["nexthop"])) in seen:
            return f"Duplicate hostroute '{route}'"
        seen.add(pair)
    return None


def service_types(value: object) -> str | None:
    """A list of different device owners."""
    for service_type in value if isinstance(value, list) else ():
        if not isinstance(service_type, str):
            raise InvalidInputSubnetServiceType(service_type)
    return checks.unique_texts(255)(value)


SHARED = "shared"
"""Whether the network is shared with the caller: no attribute that subnets show, only a filter, as in Neutron."""

ATTRIBUTES: Attributes = {
    **STANDARD,
    "network_id": Attribute(field="network_id", post=True, is_required=True, check=checks.uuid),
    "ip_version": Attribute(
        field="ip_version", post=True, is_required=True, convert=checks.to_int, check=checks.one_of((4, 6))
    ),
    "subnetpool_id": Attribute(field="subnetpool_id", post=True, check=checks.or_none(checks.uuid)),
    "use_default_subnetpool": Attribute(
        field="use_default_subnetpool", post=True, convert=checks.to_bool, is_filter=False, is_sort_key=False
    ),
    "prefixlen": Attribute(
        field="prefixlen",
        post=True,
        convert=checks.to_int,
        check=checks.non_negative,
        is_filter=False,
        is_sort_key=False,
    ),
    "cidr": Attribute(field="cidr", post=True, convert=checks.to_cidr, check=checks.or_none(checks.subnet)),
    "gateway_ip": writable("gateway_ip", convert=checks.to_address, check=checks.or_none(checks.address)),
    "allocation_pools": writable("allocation_pools", convert=canonical_pools, check=pools, is_sort_key=False),
    "dns_nameservers": writable("dns_nameservers", convert=checks.none_to_list, check=name_servers, is_sort_key=False),
    "host_routes": writable("host_routes", convert=checks.none_to_list, check=host_routes, is_sort_key=False),
    "enable_dhcp": writable("enable_dhcp", convert=checks.to_bool),
    "ipv6_ra_mode": Attribute(field="ipv6_ra_mode", post=True, check=checks.one_of(IPV6_MODES)),
    "ipv6_address_mode": Attribute(field="ipv6_address_mode", post=True, check=checks.one_of(IPV6_MODES)),
    "service_types": writable("service_types", check=service_types, is_sort_key=False),
    "dhcp_ranges": writable("dhcp_ranges", convert=canonical_pools, check=pools, is_sort_key=False),
    "router:external": Attribute(convert=checks.to_bool, is_sort_key=False),
    SHARED: Attribute(convert=checks.to_bool, is_sort_key=False),
}


def _ranges(ranges: Iterable[AllocationPool]) -> list[dict[str, str]]:
    ordered = sorted(ranges, key=lambda pool: int(ip_address(pool.start)))
    return [{"start": pool.start, "end": pool.end} for pool in ordered]


def view_subnet(service: Service, subnet: Subnet) -> View:
    """The subnet as the API shows it."""
    return {
        "id": subnet.id,
        "name": subnet.name,
        "tenant_id": subnet.project_id,
        "project_id": subnet.project_id,
        "network_id": subnet.network_id,
        "ip_version": subnet.ip_version,
        "subnetpool_id": subnet.subnetpool_id,
        "enable_dhcp": subnet.enable_dhcp,
        "ipv6_ra_mode": subnet.ipv6_ra_mode,
        "ipv6_address_mode": subnet.ipv6_address_mode,
        "gateway_ip": subnet.gateway_ip,
        "cidr": subnet.cidr,
        "allocation_pools": _ranges(subnet.allocation_pools),
        "dhcp_ranges": _ranges(subnet.dhcp_ranges),
        "host_routes": [{"destination": route.destination, "nexthop": route.nexthop} for route in subnet.host_routes],
        "dns_nameservers": subnet.dns_nameservers,
        "description": subnet.description,
        "service_types": subnet.service_types,
        "router:external": service.db.networks[subnet.network_id].external,
        "tags": subnet.tags,
        "created_at": subnet.created_at,
        "updated_at": subnet.updated_at,
        "revision_number": subnet.revision_number,
    }


def _encoded(service: Service, subnet: Subnet) -> bytes:
    return msgspec.json.encode(view_subnet(service, subnet))


def _candidates(service: Service, context: RequestContext, filters: Filters) -> Iterable[Subnet]:
    db = service.db
    indexes = {
        "name": db.subnets_by_name,
        "network_id": db.subnets_by_network,
        "subnetpool_id": db.subnets_by_pool,
    }
    subnets = narrowed(filters, db.subnets, indexes)
    if SHARED in filters:
        wanted = {checks.to_bool(value) for value in filters[SHARED]}
        subnets = [s for s in subnets if is_shared(db, context, db.networks[s.network_id]) in wanted]
    if context.is_admin:
        return subnets
    return [s for s in subnets if is_visible(context, s) or is_visible(context, db.networks[s.network_id])]


def _spec(item: Body) -> SubnetSpec:
    return msgspec.convert(spec_fields(ATTRIBUTES, item), SubnetSpec)


async def _create(service: Service, context: RequestContext, items: list[Body]) -> Sequence[Subnet]:
    return await create_subnets(service, context, [_spec(item) for item in items])


async def _update(service: Service, context: RequestContext, id_: str, item: Body, if_match: int | None) -> Subnet:
    return await update_subnet(service, context, id_, _spec(item), if_match)


SUBNETS = Collection(
    name="subnets",
    member="subnet",
    attributes=ATTRIBUTES,
    indexed=frozenset(("name", "network_id", "subnetpool_id", SHARED)),
    candidates=_candidates,
    get=get_subnet,
    view=view_subnet,
    encoded=_encoded,
    create=_create,
    update=_update,
    delete=delete_subnet,
)
