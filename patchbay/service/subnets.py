"""Subnets: create, change, delete, show (Neutron API reference, "Subnets")."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET

from patchbay.intent.database import Delete, Insert, Update, Write
from patchbay.model import FixedIP, HostRoute, Network, Port, Subnet, SubnetPool
from patchbay.service.access import (
    Attempt,
    beginning,
    carry_out,
    check_revision,
    is_visible,
    revise,
    revised,
    touched,
)
from patchbay.service.addresses import (
    check_gateway_outside_pools,
    check_pools,
    default_pools,
    eui64_address,
    first_host,
    in_order,
    is_automatic,
    is_router_port,
    parse_address,
    parse_cidr,
)
from patchbay.service.context import RequestContext
from patchbay.service.dhcp_ranges import check_ranges_apart, checked_ranges, without_ranges
from patchbay.service.errors import SubnetInUse, SubnetNotFound, TooMuchContention
from patchbay.service.gateways import address_gateways
from patchbay.service.networks import AUTO_DELETE_OWNERS, get_network
from patchbay.service.service import Service
from patchbay.service.specs import SubnetSpec
from patchbay.service.subnet_allocation import check_affinity, from_pool, pool_of, turns
from patchbay.service.subnet_rules import check_cidr, check_gateway_change, check_new_subnet, check_options


def get_subnet(service: Service, context: RequestContext, subnet_id: str) -> Subnet:
    """The subnet, or SubnetNotFound. Who sees a network sees its subnets."""
    subnet = service.db.subnets.get(subnet_id)
    if subnet is None or not (
        is_visible(context, subnet) or is_visible(context, service.db.networks[subnet.network_id])
    ):
        raise SubnetNotFound(subnet_id)
    return subnet


async def create_subnets(service: Service, context: RequestContext, specs: Sequence[SubnetSpec]) -> list[Subnet]:
    """New subnets, all or none.

    The networks' revision numbers grow with them (as in Neutron), which also keeps two servers from adding
    overlapping subnets at the same time. Ports get an address in new subnets with automatic addresses, and gateways of
    routers one in the first subnet of an IP version.
    """
    async with turns(service, specs):
        subnets = await _create_subnets(service, context, specs)
    await address_gateways(service, {subnet.network_id: None for subnet in subnets})
    return subnets


async def _create_subnets(service: Service, context: RequestContext, specs: Sequence[SubnetSpec]) -> list[Subnet]:
    def plan(_attempt: Attempt) -> tuple[list[Subnet], list[Write]]:
        subnets: list[Subnet] = []
        networks: dict[str, Network] = {}
        pools: dict[str, SubnetPool] = {}
        for spec in specs:
            pool = pool_of(service, context, spec)
            network = networks.setdefault(spec.network_id, get_network(service, context, spec.network_id))
            siblings = [subnet for subnet in subnets if subnet.network_id == network.id]
            check_affinity(service, network, pool, spec.ip_version, siblings)
            if pool is not None:
                pools[pool.id] = pool
            chosen = spec if pool is None else from_pool(service, context, pool, spec, subnets)
            subnets.append(new_subnet(service, context, chosen, network, siblings))
        return subnets, [
            *(Insert(subnet) for subnet in subnets),
            *(Update(network, touched(network)) for network in networks.values()),
            *(Update(pool, touched(pool)) for pool in pools.values()),
            *_with_automatic_addresses(service, subnets),
        ]

    return await carry_out(service, "network " + ", ".join(sorted({spec.network_id for spec in specs})), plan)


def new_subnet(
    service: Service, context: RequestContext, spec: SubnetSpec, network: Network, siblings: Sequence[Subnet]
) -> Subnet:
    """A subnet of the network as asked for, besides new ``siblings``; not yet in the database."""
    cidr = parse_cidr(spec.cidr or "")
    gateway_ip = first_host(cidr) if spec.gateway_ip is UNSET else spec.gateway_ip
    subnet = Subnet(
        **beginning(context, spec),
        network_id=network.id,
        ip_version=spec.ip_version,
        cidr=str(cidr),
        gateway_ip=None if gateway_ip is None else str(parse_address(gateway_ip)),
        enable_dhcp=True if spec.enable_dhcp is UNSET else spec.enable_dhcp,
        dns_nameservers=() if spec.dns_nameservers is UNSET else spec.dns_nameservers,
        host_routes=() if spec.host_routes is UNSET else _sorted_routes(spec.host_routes),
        ipv6_ra_mode=None if spec.ipv6_ra_mode is UNSET else spec.ipv6_ra_mode,
        ipv6_address_mode=None if spec.ipv6_address_mode is UNSET else spec.ipv6_address_mode,
        service_types=() if spec.service_types is UNSET else tuple(sorted(spec.service_types)),
        subnetpool_id=spec.subnetpool_id,
    )
    check_new_subnet(service.settings, subnet, network)
    existing = [service.db.subnets[id_] for id_ in service.db.subnets_by_network.get(network.id, ())]
    check_cidr(subnet, [*existing, *siblings])
    return _with_pools(service, subnet, spec)


def _with_pools(service: Service, subnet: Subnet, spec: SubnetSpec) -> Subnet:
    """The new subnet with its allocation pools and DHCP ranges."""
    cidr = parse_cidr(subnet.cidr)
    ranges = checked_ranges(spec.dhcp_ranges or (), subnet)
    if spec.allocation_pools is UNSET:
        pools = without_ranges(default_pools(cidr, subnet.gateway_ip), ranges)
    else:
        pools = check_pools(spec.allocation_pools, cidr)
        if subnet.gateway_ip is not None:
            check_gateway_outside_pools(subnet.gateway_ip, pools)
    subnet = msgspec.structs.replace(subnet, allocation_pools=pools, dhcp_ranges=ranges)
    check_ranges_apart(service.db, subnet)
    return subnet


def _sorted_routes(routes: Iterable[HostRoute]) -> tuple[HostRoute, ...]:
    """The routes as the database gives them back."""
    return tuple(sorted(routes, key=lambda route: (route.destination, route.nexthop)))


def _with_automatic_addresses(service: Service, subnets: Iterable[Subnet]) -> list[Write]:
    """Updates that give the networks' ports their address in new SLAAC and stateless DHCPv6 subnets."""
    db = service.db
    changed: dict[str, Port] = {}
    for subnet in subnets:
        if is_automatic(subnet):
            for port_id in db.ports_by_network.get(subnet.network_id, ()):
                port = changed.get(port_id, db.ports[port_id])
                if not is_router_port(port):
                    address = FixedIP(subnet.id, eui64_address(subnet.cidr, port.mac_address))
                    changed[port_id] = msgspec.structs.replace(port, fixed_ips=in_order((*port.fixed_ips, address)))
    return [Update(db.ports[port_id], revised(db.ports[port_id], port)) for port_id, port in changed.items()]


async def update_subnet(
    service: Service, context: RequestContext, subnet_id: str, spec: SubnetSpec, if_match: int | None = None
) -> Subnet:
    """The subnet as changed. Its network, IP version and CIDR cannot change.

    Raises SubnetNotFound, InvalidInput, GatewayIpInUse, GatewayConflictWithAllocationPools, the errors of
    ``check_pools`` or RevisionNumberConstraintFailed.
    """
    return await revise(
        service,
        f"subnet {subnet_id}",
        lambda: get_subnet(service, context, subnet_id),
        lambda old: _changed(service, old, spec),
        if_match,
    )


def _changed(service: Service, old: Subnet, spec: SubnetSpec) -> Subnet:
    new = msgspec.structs.replace(
        old,
        name=old.name if spec.name is UNSET else spec.name,
        description=old.description if spec.description is UNSET else spec.description,
        gateway_ip=old.gateway_ip if spec.gateway_ip is UNSET else spec.gateway_ip,
        enable_dhcp=old.enable_dhcp if spec.enable_dhcp is UNSET else spec.enable_dhcp,
        dns_nameservers=old.dns_nameservers if spec.dns_nameservers is UNSET else spec.dns_nameservers,
        host_routes=old.host_routes if spec.host_routes is UNSET else _sorted_routes(spec.host_routes),
        service_types=old.service_types if spec.service_types is UNSET else tuple(sorted(spec.service_types)),
    )
    if new.gateway_ip is not None:
        new = msgspec.structs.replace(new, gateway_ip=str(parse_address(new.gateway_ip)))
    check_options(service.settings, new, old)
    check_gateway_change(service.db, old, new)
    if spec.allocation_pools is not UNSET:
        new = msgspec.structs.replace(new, allocation_pools=check_pools(spec.allocation_pools, parse_cidr(old.cidr)))
    if new.gateway_ip is not None and (new.gateway_ip != old.gateway_ip or spec.allocation_pools is not UNSET):
        check_gateway_outside_pools(new.gateway_ip, new.allocation_pools)
    if spec.dhcp_ranges is not UNSET:
        new = msgspec.structs.replace(new, dhcp_ranges=checked_ranges(spec.dhcp_ranges, new))
    if new != old:
        check_ranges_apart(service.db, new)
    return new


async def delete_subnet(service: Service, context: RequestContext, subnet_id: str, if_match: int | None = None) -> None:
    """The subnet goes, and with it the automatic addresses and those of ports that serve the network itself.

    Of the latter, those that are left without any address go as well.

    Raises SubnetNotFound, or SubnetInUse while a port has an address in it.
    """

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        subnet = get_subnet(service, context, subnet_id)
        check_revision(subnet, if_match)
        return None, subnet_deletion(service, subnet)

    try:
        await carry_out(service, f"subnet {subnet_id}", plan)
    except TooMuchContention as error:
        raise SubnetInUse(subnet_id) from error


def subnet_deletion(service: Service, subnet: Subnet) -> list[Write]:
    """The writes that delete the subnet with what goes along. Raises SubnetInUse."""
    network = service.db.networks[subnet.network_id]
    return [*_without_addresses(service, subnet), Delete(subnet), Update(network, touched(network))]


def _without_addresses(service: Service, subnet: Subnet) -> list[Write]:
    db = service.db
    writes: list[Write] = []
    for port_id in dict.fromkeys(db.addresses(subnet.id).values()):
        port = db.ports[port_id]
        kept = tuple(fixed_ip for fixed_ip in port.fixed_ips if fixed_ip.subnet_id != subnet.id)
        goes_along = is_automatic(subnet) or port.device_owner in AUTO_DELETE_OWNERS
        if is_router_port(port) or not goes_along:
            raise SubnetInUse(subnet.id)
        if not kept and port.device_owner in AUTO_DELETE_OWNERS:
            writes.append(Delete(port))
        else:
            writes.append(Update(port, revised(port, msgspec.structs.replace(port, fixed_ips=kept))))
    return writes
