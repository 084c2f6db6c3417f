"""What follows when an interface gets or loses addresses: routes and services over it take effect, or wait again.

So the order of interface, addresses, routes and services makes no difference.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from patchbay.intent.database import Update, Write
from patchbay.model import HostRoute, Port, Router, VnetObject
from patchbay.service.access import revised, touched
from patchbay.service.service import Service
from patchbay.service.vnet import network_services, simulated
from patchbay.service.vnet.announcing import Leg, announced, leg_of
from patchbay.service.vnet.cascade import distinct
from patchbay.service.vnet.kinds import ROUTE, ROUTE_LINK
from patchbay.service.vnet.objects import changed, data_of, find, rows, update
from patchbay.service.vnet.route_rules import (
    Way,
    chosen_port,
    destination,
    effective,
    extra_route,
    ipv4_subnet,
    is_done,
    way_of,
    with_extra,
)
from patchbay.service.vnet.routes import legs_of


class Settled(msgspec.Struct, frozen=True):
    """The ports of an interface as they are written in the end, and the writes besides."""

    ports: dict[str, Port]
    writes: list[Write]


def settle(service: Service, interface: str, old: Mapping[str, Port], new: Mapping[str, Port]) -> Settled:
    """An interface that stays has the ports ``new`` in the place of ``old``. Raises ArgumentError for an overlap."""
    of_interface = [row for row in rows(service, ROUTE, interface_uuid=interface) if is_done(service, row)]
    lost = [row for row in of_interface if row.object_id and not _stays(service, row, new)]
    routes = {
        id_: set(service.db.routers[id_].routes) - _only_of(service, id_, lost)
        for id_ in dict.fromkeys(row.object_id for row in lost)
    }
    ports, writes = dict(new), list[Write]()
    taken: list[tuple[VnetObject, Way]] = []
    for row in of_interface:
        if row.object_id and row not in lost:
            continue
        found = _taking_effect(service, row, ports.values())
        if found is None:
            writes += update(row, changed(row, object_id=""))
            continue
        ports[found.port.id] = found.port
        extra = [] if found.extra is None else [found.extra]
        routes.setdefault(found.router.id, set(found.router.routes)).update(extra)
        writes += update(row, changed(row, object_id=found.router.id))
        taken.append((row, found))
    writes += [_rerouted(service.db.routers[id_], wanted) for id_, wanted in routes.items()]
    for id_, port in old.items():
        if id_ in ports and ports[id_].device_id != port.device_id:
            writes += simulated.without_own_router(service, port)
    writes += _announced(service, routes, lost, taken)
    return Settled(ports, distinct([*writes, *_serving(service, interface, old, ports)]))


def _announced(
    service: Service, routers: Iterable[str], lost: Sequence[VnetObject], taken: Sequence[tuple[VnetObject, Way]]
) -> list[Write]:
    """What DHCP announces of these routers, without the routes that are lost and with those taken in."""
    ids = {row.id for row in lost}
    links: dict[str, list[Leg]] = {}
    for router_id in routers:
        stay = legs_of(service, [row for row in effective(service, router_id) if row.id not in ids])
        more = [leg_of(service, row, way) for row, way in taken if way.router.id == router_id]
        links[router_id] = [*stay, *(leg for leg in more if leg is not None)]
    return announced(service, links, [way.port for row in lost if (way := way_of(service, row)) is not None])


def _stays(service: Service, row: VnetObject, new: Mapping[str, Port]) -> bool:
    """Whether a route that is in effect is so with the new ports."""
    way = way_of(service, row)
    port = None if way is None else new.get(way.port.id)
    return way is not None and port is not None and ipv4_subnet(service, port) == ipv4_subnet(service, way.port)


def _only_of(service: Service, router_id: str, lost: Iterable[VnetObject]) -> set[HostRoute]:
    """The extra routes of a router that no other route wants."""
    ids = {row.id for row in lost}
    theirs: set[HostRoute] = set()
    others: set[HostRoute] = set()
    for row in effective(service, router_id):
        way = way_of(service, row)
        if way is not None and way.extra is not None:
            (theirs if row.id in ids else others).add(way.extra)
    return theirs - others


def _taking_effect(service: Service, row: VnetObject, ports: Iterable[Port]) -> Way | None:
    """The port as an interface of the route link's router, and the extra route; None when the route waits on."""
    data, link = data_of(row), find(service, ROUTE_LINK, data_of(row)["route_link_uuid"])
    port = chosen_port(service, data["interface_uuid"], data["network_uuid"], list(ports))
    if link is None or port is None or not simulated.is_simulated(port):
        return None
    router = service.db.routers[link.object_id]
    if port.device_id != router.id:
        others = service.db.routers.get(port.device_id)
        if others is not None and not simulated.has_own_router(service, port):
            return None
        simulated.check_apart(service, port, router.id)
        port = simulated.interface_of(port, router.id)
    extra = extra_route(service, port, destination(data["ipv4_network"], data["ipv4_prefix"]))
    return Way(router, port, extra)


def _rerouted(router: Router, routes: Iterable[HostRoute]) -> Write:
    new = msgspec.structs.replace(router, routes=with_extra(routes, ()))
    return Update(router, revised(router, new) if new != router else touched(router))


def _serving(service: Service, interface: str, old: Mapping[str, Port], new: Mapping[str, Port]) -> list[Write]:
    """Services over the interface have their effect in a subnet where it gets its first address."""
    before = {found[0].id for port in old.values() if (found := ipv4_subnet(service, port)) is not None}
    added = {found[0].id: found[0] for port in new.values() if (found := ipv4_subnet(service, port)) is not None}
    fresh = [subnet for id_, subnet in added.items() if id_ not in before]
    return network_services.settled(service, interface, fresh[0]) if fresh else []
