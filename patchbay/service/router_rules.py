"""What the interfaces, gateway and routes of a router may look like together: Neutron's ``l3_db`` checks, which raise.

Reads the intent; changes nothing.
"""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

import msgspec

from patchbay.model import HostRoute, Port, Router, Subnet
from patchbay.model.router import FLOATING_GATEWAY, ROUTER_INTERFACE, ROUTER_INTERFACE_DISTRIBUTED, ROUTER_INTERFACES
from patchbay.service.addresses import parse_cidr
from patchbay.service.errors import BadRequestFor
from patchbay.service.router_errors import (
    InvalidRoutes,
    RouterInterfaceInUseByFloatingIP,
    RouterInterfaceInUseByRoute,
)
from patchbay.service.service import Service


def interfaces(service: Service, router_id: str) -> list[Port]:
    """The router's ports on its internal networks, in the order of their ids."""
    found = (service.db.ports[id_] for id_ in service.db.ports_by_device.get(router_id, ()))
    return sorted((port for port in found if port.device_owner in ROUTER_INTERFACES), key=lambda port: port.id)


def as_interface(router: Router, port: Port) -> Port:
    """The port with the owner and host that an interface of this router has: a distributed one's is bound nowhere.

    Ports of the network itself have no port security and are in no group.
    """
    port = msgspec.structs.replace(port, port_security_enabled=False, security_groups=())
    if router.distributed:
        return msgspec.structs.replace(port, device_owner=ROUTER_INTERFACE_DISTRIBUTED, host="")
    return msgspec.structs.replace(port, device_owner=ROUTER_INTERFACE, host=router.host)


def gateway_port(service: Service, router: Router) -> Port | None:
    """The router's port on its external network."""
    return service.db.ports.get(router.gateway_port_id or "")


def floating_gateways(service: Service, router_id: str) -> list[Port]:
    """The router's ways out on hosts that carry floating IPs themselves, in the order of their ids."""
    found = (service.db.ports[id_] for id_ in service.db.ports_by_device.get(router_id, ()))
    return sorted((port for port in found if port.device_owner == FLOATING_GATEWAY), key=lambda port: port.id)


def subnets_of(service: Service, port: Port) -> list[Subnet]:
    """The subnets that the port has addresses in, one for each address."""
    return [service.db.subnets[ip.subnet_id] for ip in port.fixed_ips]


def network_subnets(service: Service, network_id: str) -> list[Subnet]:
    """All subnets of a network."""
    return [service.db.subnets[id_] for id_ in service.db.subnets_by_network.get(network_id, ())]


def check_new_subnets(service: Service, attached: Iterable[Port], gateway: Port | None, new: Sequence[Subnet]) -> None:
    """Raises BadRequest when a router that has these ports has one of the subnets, or one that overlaps.

    All subnets of the gateway's network count, as a packet could be meant for each.
    """
    ids = {subnet.id for subnet in new}
    present: dict[str, Subnet] = {}
    for port in attached:
        for subnet in subnets_of(service, port):
            if subnet.id in ids:
                raise BadRequestFor("router", f"Router already has a port on subnet {subnet.id}")
            present[subnet.id] = subnet
    if gateway is not None:
        for subnet in subnets_of(service, gateway):
            if subnet.id in ids:
                raise BadRequestFor("router", f"Router already has a port on subnet {subnet.id}")
        present |= {subnet.id: subnet for subnet in network_subnets(service, gateway.network_id)}
    for one in present.values():
        for other in new:
            _check_apart(one, other)


def _check_apart(one: Subnet, other: Subnet) -> None:
    if one.ip_version == other.ip_version and parse_cidr(one.cidr).overlaps(parse_cidr(other.cidr)):
        raise BadRequestFor(
            "router",
            f"Cidr {other.cidr} of subnet {other.id} overlaps with cidr {one.cidr} of subnet {one.id}",
        )


def has_ipv6(port: Port) -> bool:
    """Whether the port has an IPv6 address."""
    return any(":" in ip.ip_address for ip in port.fixed_ips)


def check_routes(
    routes: Sequence[HostRoute], subnets: Iterable[Subnet], own: Iterable[str], held: Sequence[HostRoute] = ()
) -> None:
    """Raises InvalidRoutes unless every next hop is on a subnet and is none of the router's ``own`` addresses.

    Routes that it has (``held``) may be such: OpenVNet's lead straight onto a network.
    """
    prefixes = [parse_cidr(subnet.cidr) for subnet in subnets]
    mine = {ip_address(text) for text in own}
    for route in routes:
        shown = [{"destination": one.destination, "nexthop": one.nexthop} for one in routes]
        nexthop = ip_address(route.nexthop)
        if not any(nexthop.version == prefix.version and nexthop in prefix for prefix in prefixes):
            raise InvalidRoutes(shown, "the nexthop is not connected with router")
        if nexthop in mine and route not in held:
            raise InvalidRoutes(shown, "the nexthop is used by router")


def check_routes_of(service: Service, router: Router, routes: Sequence[HostRoute]) -> None:
    """``check_routes`` with the router's ports as they are."""
    gateway = gateway_port(service, router)
    ports = [*interfaces(service, router.id), *([] if gateway is None else [gateway])]
    subnets = [subnet for port in ports for subnet in subnets_of(service, port)]
    check_routes(routes, subnets, [ip.ip_address for port in ports for ip in port.fixed_ips], router.routes)


def check_interface_unused(service: Service, router: Router, subnet: Subnet) -> None:
    """Raises when a floating IP, a port forwarding or a route needs the router's interface on the subnet."""
    db = service.db
    for floatingip_id in db.floatingips_by_router.get(router.id, ()):
        floatingip = db.floatingips[floatingip_id]
        leads_to = {(one.internal_port_id, one.internal_ip_address) for one in floatingip.port_forwardings}
        if floatingip.port_id is not None and floatingip.fixed_ip_address is not None:
            leads_to.add((floatingip.port_id, floatingip.fixed_ip_address))
        for port_id, address in leads_to:
            port = db.ports.get(port_id)
            if port is not None and any(
                ip.subnet_id == subnet.id and ip.ip_address == address for ip in port.fixed_ips
            ):
                raise RouterInterfaceInUseByFloatingIP(router.id, subnet.id)
    prefix = parse_cidr(subnet.cidr)
    for route in router.routes:
        nexthop = ip_address(route.nexthop)
        if nexthop.version == prefix.version and nexthop in prefix:
            raise RouterInterfaceInUseByRoute(router.id, subnet.id)
