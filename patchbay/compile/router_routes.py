"""The routes of a router: out by the gateway, its extra routes, and the other subnets of the external network."""

import ipaddress
from collections.abc import Iterator, Sequence

from patchbay.compile.instance import IPV6_METRIC, Interface
from patchbay.compile.router_ports import RouterPort, floatingips, gateway
from patchbay.compile.view import HostView
from patchbay.hoststate import Route
from patchbay.model import HostRoute, Router, Subnet
from patchbay.model.router import FLOATING_GATEWAY

EVERYTHING = {4: "0.0.0.0/0", 6: "::/0"}


def compile_routes(view: HostView, namespace: str, router: Router, ports: Sequence[RouterPort]) -> list[Route]:
    """One route for each destination and IP version; an extra route goes before a route of the same destination."""
    routes: dict[tuple[str, ...], Route] = {}
    connected = {str(own.network) for port in ports for own, _ in port.addresses}
    for route, port in extra_routes(router, ports):
        is_own = any(route.nexthop == str(each.ip) for each, _ in port.addresses)
        _add(routes, namespace, route.destination, "" if is_own else route.nexthop, port.device)
    outside = gateway(ports)
    if outside is not None:
        for subnet in view.subnets_of(outside.network.id):
            is_carried = outside.port.device_owner != FLOATING_GATEWAY or subnet.ip_version == 4
            if subnet.cidr not in connected and _is_network(subnet.cidr) and is_carried:
                _add(routes, namespace, subnet.cidr, "", outside.device)
        for own, subnet in outside.addresses:
            _add_default(routes, namespace, outside, own, subnet.gateway_ip)
        for route in behind_floating_gateway(view, router, outside):
            _add(routes, namespace, route.destination, route.nexthop, outside.device)
        for subnet in carrying_subnets(view, router, outside):
            _add(routes, namespace, EVERYTHING[4], subnet.gateway_ip or "", outside.device)
    return [route for route in routes.values() if route.destination not in connected]


def behind_floating_gateway(view: HostView, router: Router, outside: RouterPort) -> Iterator[HostRoute]:
    """The router's own routes by a neighbour on the external network, which a floating gateway has no address in."""
    if outside.port.device_owner != FLOATING_GATEWAY:
        return
    cidrs = [subnet.cidr for subnet in view.subnets_of(outside.network.id) if subnet.ip_version == 4]
    networks = [ipaddress.ip_network(cidr) for cidr in cidrs if _is_network(cidr)]
    for route in sorted(router.routes, key=lambda route: (route.destination, route.nexthop)):
        if not _is_network(route.destination) or not _is_address(route.nexthop) or ":" in route.destination:
            continue
        if any(ipaddress.ip_address(route.nexthop) in network for network in networks):
            yield route


def carrying_subnets(view: HostView, router: Router, outside: RouterPort) -> Iterator[Subnet]:
    """Subnets of the floating IPs on a floating gateway: it has no address, but only what has one of these comes there.

    Their routes lead straight onto the network, so that the gateway of one is a neighbour.
    """
    if outside.port.device_owner != FLOATING_GATEWAY:
        return
    led = [subnet for subnet in view.subnets_of(outside.network.id) if subnet.gateway_ip and _is_network(subnet.cidr)]
    networks = [(ipaddress.ip_network(subnet.cidr), subnet) for subnet in led]
    for floatingip in floatingips(view, router, [outside]):
        address = ipaddress.ip_address(floatingip.floating_ip_address)
        yield from (subnet for network, subnet in networks if address in network)


def extra_routes(router: Router, ports: Sequence[RouterPort]) -> Iterator[tuple[HostRoute, RouterPort]]:
    """The router's own routes that can work, each with the port that leads to its next hop.

    A next hop that is the port's own address means straight onto its network.
    """
    for route in sorted(router.routes, key=lambda route: (route.destination, route.nexthop)):
        if not _is_network(route.destination) or not _is_address(route.nexthop):
            continue
        nexthop = ipaddress.ip_address(route.nexthop)
        for port in ports:
            on_link = any(nexthop in own.network for own, _ in port.addresses)
            if on_link and ipaddress.ip_network(route.destination).version == nexthop.version:
                yield route, port
                break


def _add_default(
    routes: dict[tuple[str, ...], Route], namespace: str, outside: RouterPort, own: Interface, nexthop: str | None
) -> None:
    """By the subnet's gateway; one outside every subnet of the link gets a route of its own first."""
    if not nexthop or not _is_address(nexthop):
        return
    address = ipaddress.ip_address(nexthop)
    if address.version != own.version or address == own.ip:
        return
    if not address.is_link_local and not any(address in each.network for each in outside.own(own.version)):
        _add(routes, namespace, f"{nexthop}/{own.max_prefixlen}", "", outside.device)
    _add(routes, namespace, EVERYTHING[own.version], nexthop, outside.device)


def _add(routes: dict[tuple[str, ...], Route], namespace: str, destination: str, nexthop: str, device: str) -> None:
    metric = IPV6_METRIC if ":" in destination else 0
    route = Route(namespace=namespace, destination=destination, gateway=nexthop, link=device, metric=metric)
    routes.setdefault(route.key, route)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True
