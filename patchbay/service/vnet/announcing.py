"""What DHCP tells the clients of a network about a route link: the routes to where it leads (RFC 3442, option 121).

OpenVNet's networks have no gateway; its DHCP announces, for each route into a route link (``ingress``), the routes out
of it (``egress``) by way of the interface on the client's network. Here these are host routes of the subnet; a subnet
with a gateway has none of them.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from patchbay.intent.database import Update, Write
from patchbay.model import HostRoute, Port, Subnet, VnetObject
from patchbay.service.access import revised
from patchbay.service.service import Service
from patchbay.service.vnet.objects import data_of
from patchbay.service.vnet.route_rules import Way, ipv4_subnet


class Leg(msgspec.Struct, frozen=True):
    """One route of a route link: ``prefix`` is reached by ``port``."""

    port: Port
    prefix: str
    ingress: bool
    egress: bool


def leg_of(service: Service, row: VnetObject, way: Way) -> Leg | None:
    """The route with the port that it will have; None when that has no IPv4 address."""
    found, data = ipv4_subnet(service, way.port), data_of(row)
    if found is None:
        return None
    prefix = found[0].cidr if way.extra is None else way.extra.destination
    return Leg(way.port, prefix, data["ingress"], data["egress"])


def announced(service: Service, links: Mapping[str, Sequence[Leg]], parted: Iterable[Port] = ()) -> list[Write]:
    """The subnets of these route links (legs by router) as they should be; ``parted`` are in none any more."""
    after: dict[str, Subnet] = {}
    for port in parted:
        _announce(service, after, port, set())
    for legs in links.values():
        for port in {leg.port.id: leg.port for leg in legs}.values():
            enters = any(leg.ingress for leg in legs if leg.port.id == port.id)
            far = {leg.prefix for leg in legs if leg.egress and leg.port.id != port.id}
            _announce(service, after, port, far if enters else set())
    olds = service.db.subnets
    return [Update(olds[id_], revised(olds[id_], new)) for id_, new in after.items() if new != olds[id_]]


def _announce(service: Service, after: dict[str, Subnet], port: Port, prefixes: set[str]) -> None:
    found = ipv4_subnet(service, port)
    if found is None or found[0].gateway_ip is not None:
        return
    subnet, address = after.get(found[0].id, found[0]), found[1]
    stay = [route for route in subnet.host_routes if route.nexthop != address]
    routes = [*stay, *(HostRoute(prefix, address) for prefix in prefixes)]
    ordered = tuple(sorted(routes, key=lambda route: (route.destination, route.nexthop)))
    after[subnet.id] = msgspec.structs.replace(subnet, host_routes=ordered)
