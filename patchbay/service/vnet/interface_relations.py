"""What an interface is related to: networks, segments and route links (``vnet/node_api/interface_assoc.rb``).

A relation follows from the interface's leases and routes, or is *static*: kept until it is said not to be.
"""

import uuid
from typing import Any

from patchbay.intent.database import Delete, Insert, Write
from patchbay.model import VnetObject
from patchbay.service.access import Attempt, carry_out
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet.errors import UnknownResource
from patchbay.service.vnet.kinds import (
    INTERFACE,
    INTERFACE_NETWORK,
    INTERFACE_ROUTE_LINK,
    INTERFACE_SEGMENT,
    NETWORK,
    ROUTE,
    ROUTE_LINK,
    SEGMENT,
    Kind,
)
from patchbay.service.vnet.leases import ip_leases_of, mac_leases_of
from patchbay.service.vnet.networks import segment_of
from patchbay.service.vnet.objects import (
    Data,
    Face,
    data_of,
    find,
    get,
    new_row,
    number_of,
    number_or_none,
    relation_uuid,
    rows,
    uuid_of,
)

RELATIONS = {NETWORK: INTERFACE_NETWORK, SEGMENT: INTERFACE_SEGMENT, ROUTE_LINK: INTERFACE_ROUTE_LINK}
"""What an interface may be related to, and the kind of that relation."""


def related(service: Service, interface: Face, other: Kind) -> list[tuple[str, VnetObject | None]]:
    """The uuids of what the interface is related to, each with its row if it is static."""
    static = {
        data_of(row)[f"{other.name}_uuid"]: row
        for row in rows(service, RELATIONS[other], interface_uuid=interface.uuid)
        if find(service, other, data_of(row)[f"{other.name}_uuid"]) is not None
    }
    found: dict[str, VnetObject | None] = dict.fromkeys(_followed(service, interface, other))
    return list((found | static).items())


def _followed(service: Service, interface: Face, other: Kind) -> list[str]:
    """The uuids that follow from leases and routes."""
    if other is ROUTE_LINK:
        routes = rows(service, ROUTE, interface_uuid=interface.uuid)
        return [data_of(row)["route_link_uuid"] for row in routes]
    mac_leases = mac_leases_of(service, interface)
    ip_leases = [lease for mac_lease in mac_leases for lease in ip_leases_of(service, mac_lease)]
    networks = [uuid_of(service, NETWORK, lease.subnet_id) for lease in ip_leases]
    if other is NETWORK:
        return networks
    segments = [segment_of(service, network) for network in networks]
    named = [lease.segment_uuid for lease in mac_leases if lease.segment_uuid is not None]
    return [*named, *(segment.uuid for segment in segments if segment is not None)]


async def set_static(
    service: Service, context: RequestContext, interface_uuid: str, other: Kind, other_uuid: str, *, static: bool
) -> Data:
    """The relation, static or not; one that is neither static nor follows from anything goes.

    Raises InvalidUUID, UnknownUUIDResource, or UnknownResource when one that is not there is to be static no longer.
    """

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        interface = get(service, INTERFACE, interface_uuid)
        get(service, other, other_uuid, f"{other.name}_uuid")
        there = dict(related(service, interface, other))
        row = there.get(other_uuid)
        if static:
            members: dict[str, Any] = {"interface_uuid": interface.uuid, f"{other.name}_uuid": other_uuid}
            name = relation_uuid(interface.uuid, other_uuid)
            stale: list[Write] = [
                Delete(service.db.vnet_objects[id_]) for id_ in service.db.vnet_objects_by_uuid.get(name, ())
            ]
            return None, [] if row is not None else [
                *stale,
                Insert(new_row(context, RELATIONS[other], name, **members)),
            ]
        if other_uuid not in there:
            raise UnknownResource(
                f"{RELATIONS[other].class_name} {interface_uuid} <=> {other_uuid}", "The two are not related."
            )
        return None, [] if row is None else [Delete(row)]

    await carry_out(service, f"interface {interface_uuid}", plan)
    return relation_view(service, get(service, INTERFACE, interface_uuid), other, other_uuid, static=static)


def relation_view(service: Service, interface: Face, other: Kind, other_uuid: str, *, static: bool) -> Data:
    """The relation as OpenVNet shows it."""
    name = relation_uuid(interface.uuid, other_uuid)
    return {
        "id": number_of(str(uuid.uuid5(uuid.NAMESPACE_URL, name))),
        "class_name": RELATIONS[other].class_name,
        "interface_id": number_or_none(service, INTERFACE, interface.uuid),
        "interface_uuid": interface.uuid,
        f"{other.name}_id": number_or_none(service, other, other_uuid),
        f"{other.name}_uuid": other_uuid,
        "static": static,
    }
