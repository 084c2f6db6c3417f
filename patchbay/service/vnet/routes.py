"""Routes: they attach simulated interfaces to the routers of route links (``vnet/models/route.rb``).

Router interfaces and extra routes that Neutron's API made are shown as routes too, with derived uuids.
"""

import uuid as uuids
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import msgspec

from patchbay.errors import Conflict
from patchbay.intent.database import Update, Write
from patchbay.model import HostRoute, Port, Router, VnetObject
from patchbay.service.access import Attempt, carry_out, revised, touched
from patchbay.service.context import RequestContext
from patchbay.service.router_interfaces import remove_interface
from patchbay.service.router_rules import interfaces, subnets_of
from patchbay.service.routers import remove_routes
from patchbay.service.service import Service
from patchbay.service.vnet import kept, simulated
from patchbay.service.vnet.announcing import Leg, announced, leg_of
from patchbay.service.vnet.cascade import UNDOERS, removal
from patchbay.service.vnet.errors import ArgumentError, DeleteRestrictionError, InvalidUUID, UnknownUUIDResource
from patchbay.service.vnet.kinds import INTERFACE, NETWORK, ROUTE, ROUTE_LINK, Kind
from patchbay.service.vnet.objects import (
    Data,
    changed,
    common,
    data_of,
    derived_uuid,
    face_of,
    faces,
    find,
    number_of,
    uuid_of,
)
from patchbay.service.vnet.route_rules import (
    Way,
    chosen_port,
    default_prefix,
    effective,
    ipv4_subnet,
    is_done,
    way_of,
    with_extra,
)

GATEWAY = "gateway"
"""``mode`` of every route."""


class Shown(msgspec.Struct, frozen=True):
    """A route of the model that has no row: an interface of a router, or with ``extra`` one of its extra routes."""

    uuid: str
    router: Router
    port: Port | None
    extra: HostRoute | None = None


async def create(service: Service, context: RequestContext, values: Mapping[str, Any]) -> VnetObject:
    """A new route.

    ``values``: uuid, interface_uuid, network_uuid, route_link_uuid, ipv4_network, ipv4_prefix, ingress, egress.
    Raises UnknownUUIDResource, DuplicateUUID, or ArgumentError when the interface is in another route link, or overlaps
    with one in this.
    """
    interface, network = values["interface_uuid"], values.get("network_uuid")
    references = {INTERFACE: interface, NETWORK: network, ROUTE_LINK: values["route_link_uuid"]}

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        kept.check_references(service, references)
        prefix = values.get("ipv4_prefix")
        if prefix is None:
            prefix = default_prefix(service, interface, network, values["ipv4_network"])
        attributes = {
            "mode": GATEWAY,
            "ipv4_network": values["ipv4_network"],
            "ipv4_prefix": prefix,
            "ingress": values.get("ingress", True),
            "egress": values.get("egress", True),
        }
        new = kept.NewRow(kind=ROUTE, uuid=values.get("uuid", ""), values=attributes, references=references)
        row = new.row(context)
        row, writes = _with_effect(service, row)
        return row, [*kept.inserting(service, ROUTE, row), *kept.holding(service, kept.given(references)), *writes]

    return await carry_out(service, f"route {values.get('uuid', '')}", plan)


async def change(service: Service, uuid: str, values: Mapping[str, Any]) -> VnetObject | Shown:
    """The route with another ``ingress`` or ``egress``, and so what DHCP announces.

    Raises UnknownUUIDResource, or ArgumentError for another of its attributes, and for routes that Neutron made.
    """
    said = {name: values[name] for name in ("ingress", "egress") if name in values}

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        old = get_route(service, uuid)
        shown = route_view(service, old)
        own = () if isinstance(old, Shown) else said
        for name in values:
            if name in shown and name not in own and values[name] != shown[name]:
                raise ArgumentError(
                    f"Unsupported update key: {name}", f"Route {uuid} has {shown[name]}: delete it and make another."
                )
        if isinstance(old, Shown) or (new := changed(old, **said)) is old:
            return None, []
        way = way_of(service, new) if new.object_id else None
        if way is None:
            return None, [Update(old, new)]
        others = [row for row in effective(service, way.router.id) if row.id != old.id]
        legs = legs_of(service, [*others, new])
        return None, [
            Update(old, new),
            Update(way.router, touched(way.router)),
            *announced(service, {way.router.id: legs}),
        ]

    await carry_out(service, f"route {uuid}", plan)
    return get_route(service, uuid)


def _with_effect(service: Service, row: VnetObject) -> tuple[VnetObject, list[Write]]:
    """The row with what it stands for, and the writes that make it so."""
    way = way_of(service, row)
    if way is None:
        return row, []
    if way.port.device_id != way.router.id and not simulated.has_own_router(service, way.port):
        other = uuid_of(service, ROUTE_LINK, way.port.device_id)
        raise ArgumentError(
            f"interface_uuid: {data_of(row)['interface_uuid']} is in route link {other} already.",
            "Delete its routes there first, or make another interface.",
        )
    row = msgspec.structs.replace(row, object_id=way.router.id)
    legs = [*legs_of(service, effective(service, way.router.id)), *legs_of(service, [row])]
    announcements = announced(service, {way.router.id: legs})
    return row, [*simulated.join(service, way.port, way.router.id), _rerouted(way.router, [way]), *announcements]


def legs_of(service: Service, found: Iterable[VnetObject]) -> list[Leg]:
    """The routes as DHCP announces them."""
    ways = [(row, way_of(service, row)) for row in found]
    legs = [leg_of(service, row, way) for row, way in ways if way is not None]
    return [leg for leg in legs if leg is not None]


def _rerouted(router: Router, ways: Sequence[Way]) -> Write:
    """The router with the extra routes of these ways, and its next revision in any case."""
    extra = [way.extra for way in ways if way.extra is not None]
    new = msgspec.structs.replace(router, routes=with_extra(router.routes, extra))
    return Update(router, revised(router, new) if new != router else touched(router))


def _undo(service: Service, gone: Sequence[VnetObject], going: Kind | None) -> list[Write]:
    """What changes when these routes go: extra routes, and interfaces without any route leave the route link.

    Interfaces that go themselves leave nothing, and with a route link goes its router: see ``route_links``.
    """
    ids = {row.id for row in gone}
    in_effect = [row for row in gone if row.kind == ROUTE.name and row.object_id and is_done(service, row)]
    writes: list[Write] = []
    for router_id in dict.fromkeys(row.object_id for row in in_effect):
        stay = [row for row in effective(service, router_id) if row.id not in ids]
        left = [way for row in stay if (way := way_of(service, row))]
        going_ways = [way for row in in_effect if row.object_id == router_id and (way := way_of(service, row))]
        writes.append(_without(service.db.routers[router_id], going_ways, left))
        held = {way.port.id for way in left}
        parted = [way.port for way in going_ways if way.port.id not in held]
        writes += announced(service, {router_id: legs_of(service, stay)}, parted)
        if going is None:
            writes += _left(service, in_effect, held, router_id)
    return writes


def _without(router: Router, going: Sequence[Way], left: Sequence[Way]) -> Write:
    extra = {way.extra for way in going} - {way.extra for way in left}
    new = msgspec.structs.replace(router, routes=tuple(one for one in router.routes if one not in extra))
    return Update(router, revised(router, new) if new != router else touched(router))


def _left(service: Service, gone: Sequence[VnetObject], stay: set[str], router_id: str) -> list[Write]:
    """Interfaces of OpenVNet leave the router when no route holds them there; Neutron's stay."""
    writes: list[Write] = []
    for row in gone:
        interface, way = find(service, INTERFACE, data_of(row)["interface_uuid"]), way_of(service, row)
        if way is None or interface is None or interface.row is None or way.port.id in stay:
            continue
        if way.router.id == router_id:
            stay = {*stay, way.port.id}
            context = RequestContext(project_id=interface.row.project_id)
            writes += simulated.leave(service, context, way.port, interface.uuid)
    return writes


UNDOERS.append(_undo)


def all_routes(service: Service) -> list[VnetObject | Shown]:
    """The routes that OpenVNet made, in the order of their creation, and then those of Neutron's routers."""
    made = [row for row in kept.all_of(service, ROUTE) if is_done(service, row)]
    return [*made, *(one for router in _links(service) for one in _of_neutron(service, router))]


def _links(service: Service) -> list[Router]:
    return [service.db.routers[face.object_id] for face in faces(service, ROUTE_LINK) if face.object_id]


def _of_neutron(service: Service, router: Router) -> list[Shown]:
    """The router's interfaces and extra routes that are no row's."""
    ways = [way for row in effective(service, router.id) if (way := way_of(service, row))]
    ports, extra = {way.port.id for way in ways}, {way.extra for way in ways}
    found = [
        Shown(derived_uuid(ROUTE, port.id), router, port)
        for port in interfaces(service, router.id)
        if port.id not in ports and ipv4_subnet(service, port) is not None
    ]
    for route in router.routes:
        if route not in extra and ip_address(route.nexthop).version == 4:
            uuid = derived_uuid(ROUTE, str(uuids.uuid5(uuids.UUID(router.id), f"{route.destination} {route.nexthop}")))
            found.append(Shown(uuid, router, _towards(service, router, route), route))
    return found


def _towards(service: Service, router: Router, route: HostRoute) -> Port | None:
    """The router's port on whose subnet the next hop is."""
    gateway = service.db.ports.get(router.gateway_port_id or "")
    nexthop = ip_address(route.nexthop)
    for port in [*interfaces(service, router.id), *([] if gateway is None else [gateway])]:
        if any(nexthop in ip_network(subnet.cidr) for subnet in subnets_of(service, port)):
            return port
    return None


def get_route(service: Service, uuid: str) -> VnetObject | Shown:
    """The route. Raises InvalidUUID or UnknownUUIDResource."""
    if not uuid.startswith(f"{ROUTE.prefix}-"):
        raise InvalidUUID(ROUTE, uuid)
    face = find(service, ROUTE, uuid)
    if face is not None and face.row is not None and kept.is_whole(service, face.row) and is_done(service, face.row):
        return face.row
    shown = (route for router in _links(service) for route in _of_neutron(service, router))
    found = next((route for route in shown if route.uuid == uuid), None)
    if found is None:
        raise UnknownUUIDResource(ROUTE, uuid)
    return found


async def delete(service: Service, uuid: str) -> None:
    """The route goes, and what it did.

    Raises InvalidUUID, UnknownUUIDResource, or DeleteRestrictionError when Neutron needs the router's interface.
    """
    route = get_route(service, uuid)
    if isinstance(route, Shown):
        await _delete_of_neutron(service, route)
        return

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        row = get_route(service, uuid)
        return None, removal(service, row) if isinstance(row, VnetObject) else []

    await carry_out(service, f"route {uuid}", plan)


async def _delete_of_neutron(service: Service, route: Shown) -> None:
    context = RequestContext()
    if route.extra is not None:
        await remove_routes(service, context, route.router.id, [route.extra])
        return
    assert route.port is not None
    try:
        await remove_interface(service, context, route.router.id, port_id=route.port.id, subnet_id=None)
    except Conflict as error:
        raise DeleteRestrictionError(f"{route.uuid}. {error.message}", error.remedy) from error


def route_view(service: Service, route: VnetObject | Shown) -> Data:
    """The route as OpenVNet shows it."""
    if isinstance(route, VnetObject):
        shown = kept.described(service, ROUTE, route)
        if shown["network_uuid"] is None:
            port = chosen_port(service, shown["interface_uuid"], None)
            shown["network_uuid"] = None if port is None else _network_uuid(service, port)
        return shown
    prefix = _destination(service, route)
    return {
        **_common(service, route),
        "mode": GATEWAY,
        "interface_uuid": None if route.port is None else uuid_of(service, INTERFACE, route.port.id),
        "network_uuid": None if route.port is None else _network_uuid(service, route.port),
        "route_link_uuid": uuid_of(service, ROUTE_LINK, route.router.id),
        "ipv4_network": prefix.partition("/")[0],
        "ipv4_prefix": int(prefix.partition("/")[2]),
        "ingress": True,
        "egress": True,
    }


def _common(service: Service, route: Shown) -> Data:
    shown = common(service, face_of(service, ROUTE_LINK, route.router.id))
    number = number_of(route.port.id) if route.port is not None and route.extra is None else None
    of_uuid = int(route.uuid.partition("-")[2], 36) >> 16
    return {**shown, "id": of_uuid if number is None else number, "uuid": route.uuid, "class_name": ROUTE.class_name}


def _destination(service: Service, route: Shown) -> str:
    if route.extra is not None:
        return route.extra.destination
    found = ipv4_subnet(service, route.port) if route.port is not None else None
    assert found is not None
    return found[0].cidr


def _network_uuid(service: Service, port: Port) -> str | None:
    found = ipv4_subnet(service, port)
    return None if found is None else uuid_of(service, NETWORK, found[0].id)
