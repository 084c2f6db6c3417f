"""What routes of OpenVNet are in the model: the interface that they attach to a router, and the extra route they are.

A route over a simulated interface attaches the interface's port to the router of its route link; if it leads elsewhere
than to the interface's own subnet, it is also an extra route of that router whose next hop is the interface's own
address: straight onto the interface's network. A route over another interface, or over one that has no address yet, is
only kept. Reads the intent; changes nothing.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, ip_network

import msgspec

from patchbay.model import HostRoute, Port, Router, Subnet, VnetObject
from patchbay.service.service import Service
from patchbay.service.vnet.kinds import INTERFACE, NETWORK, ROUTE, ROUTE_LINK
from patchbay.service.vnet.leases import ports_of
from patchbay.service.vnet.objects import data_of, face_of, find, owner_row
from patchbay.service.vnet.simulated import is_simulated

DEFAULT_PREFIX = 24


class Way(msgspec.Struct, frozen=True):
    """What a route does: ``port`` is an interface of ``router``; ``extra`` None leads to the interface's own subnet."""

    router: Router
    port: Port
    extra: HostRoute | None


def ports_named(service: Service, interface: str) -> list[Port]:
    """The ports of the interface with this uuid, if there is one: one for each MAC lease and network."""
    face = find(service, INTERFACE, interface)
    return [] if face is None else ports_of(service, face)


def interface_row(service: Service, port: Port) -> VnetObject | None:
    """The row of the interface that has the port, if OpenVNet made it."""
    face = face_of(service, INTERFACE, port.id)
    return face.row or owner_row(service.db, port.id)


def ipv4_subnet(service: Service, port: Port) -> tuple[Subnet, str] | None:
    """The port's first IPv4 subnet, with its address there."""
    for ip in port.fixed_ips:
        subnet = service.db.subnets.get(ip.subnet_id)
        if subnet is not None and subnet.ip_version == 4:
            return subnet, ip.ip_address
    return None


def chosen_port(
    service: Service, interface: str, network: str | None, ports: Iterable[Port] | None = None
) -> Port | None:
    """The interface's port on the OpenVNet network, or its first port with an IPv4 address.

    ``ports`` are those that it will have, instead of those that it has.
    """
    wanted = None
    if network is not None:
        face = find(service, NETWORK, network)
        wanted = "" if face is None else face.object_id
    for port in ports_named(service, interface) if ports is None else ports:
        found = ipv4_subnet(service, port)
        if found is not None and wanted in (None, found[0].id):
            return port
    return None


def way_of(service: Service, row: VnetObject) -> Way | None:
    """What the route does, or would do; None when it is only kept."""
    data = data_of(row)
    link = find(service, ROUTE_LINK, data["route_link_uuid"])
    port = chosen_port(service, data["interface_uuid"], data["network_uuid"])
    if link is None or port is None or link.object_id not in service.db.routers:
        return None
    router = service.db.routers[link.object_id]
    if not is_simulated(port):
        return None
    return Way(router, port, extra_route(service, port, destination(data["ipv4_network"], data["ipv4_prefix"])))


def destination(network: str, prefix: int) -> IPv4Network:
    """The prefix that a route is for; bits behind it are left out."""
    found = ip_network((network, prefix), strict=False)
    assert isinstance(found, IPv4Network)
    return found


def extra_route(service: Service, port: Port, wanted: IPv4Network) -> HostRoute | None:
    """The extra route straight onto the port's network; None when that is the port's own subnet."""
    found = ipv4_subnet(service, port)
    if found is None or ip_network(found[0].cidr) == wanted:
        return None
    return HostRoute(str(wanted), found[1])


def default_prefix(service: Service, interface: str, network: str | None, ipv4_network: str) -> int:
    """The prefix length that is meant when none is given: the interface's own network has its own."""
    port = chosen_port(service, interface, network)
    found = ipv4_subnet(service, port) if port is not None else None
    if found is not None and (own := ip_network(found[0].cidr)).network_address.compressed == ipv4_network:
        return own.prefixlen
    return DEFAULT_PREFIX


def is_done(service: Service, row: VnetObject) -> bool:
    """Whether a route with an effect has it still: Neutron's API may have taken it back."""
    if not row.object_id:
        return True
    way = way_of(service, row)
    if way is None or way.port.device_id != way.router.id:
        return False
    return way.extra is None or way.extra in way.router.routes


def effective(service: Service, router_id: str) -> list[VnetObject]:
    """The routes that are in effect in a router."""
    db = service.db
    found = (db.vnet_objects[id_] for id_ in db.vnet_objects_by_object.get(router_id, ()))
    return [row for row in found if row.kind == ROUTE.name and is_done(service, row)]


def with_extra(routes: Iterable[HostRoute], more: Sequence[HostRoute]) -> tuple[HostRoute, ...]:
    """The routes and these, in the order in which the database gives them back."""
    return tuple(sorted({*routes, *more}, key=lambda route: (route.destination, route.nexthop)))
