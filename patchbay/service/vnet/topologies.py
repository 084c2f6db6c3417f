"""Topologies: what shares an underlay, and which topology lies on which. Kept and shown.

On our bridges every host reaches every other by its tunnel address, so there is nothing left for them to decide.
"""

from collections.abc import Mapping
from typing import Any

from patchbay.intent.database import Delete, Insert, Write
from patchbay.model import VnetObject
from patchbay.service.access import Attempt, carry_out
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet.errors import ArgumentError, RelationAlreadyExists
from patchbay.service.vnet.kept import (
    holding,
    is_whole,
    new_relation,
    related,
    relating,
    relation,
    row_of,
)
from patchbay.service.vnet.kinds import (
    DATAPATH,
    INTERFACE,
    IP_LEASE,
    TOPOLOGY,
    Kind,
)
from patchbay.service.vnet.objects import data_of, find, get, new_row, relation_uuid, rows
from patchbay.service.vnet.relation_kinds import OF_TOPOLOGY, TOPOLOGY_LAYER

SIMPLE_OVERLAY, SIMPLE_UNDERLAY = "simple_overlay", "simple_underlay"
MODES = (SIMPLE_OVERLAY, SIMPLE_UNDERLAY)

OVERLAY, UNDERLAY = "overlay_uuid", "underlay_uuid"


def relation_with_topology(
    service: Service, context: RequestContext, values: Mapping[str, Any], other: Kind, uuid: str
) -> list[Write]:
    """What puts a new object of another kind into the topology ``topology_uuid``, if the values name one.

    Raises UnknownUUIDResource for the topology.
    """
    topology = values.get("topology_uuid")
    if topology is None:
        return []
    get(service, TOPOLOGY, topology, "topology_uuid")
    row = new_relation(context, OF_TOPOLOGY[other], {TOPOLOGY: topology, other: uuid})
    return [Insert(row), *holding(service, {TOPOLOGY: topology})]


async def add(
    service: Service, context: RequestContext, topology: str, member: tuple[Kind, str], values: Mapping[str, Any]
) -> VnetObject:
    """The topology gets the object.

    ``values`` of a datapath: ``interface_uuid``, and ``ip_lease_uuid`` or the first lease of that interface.
    Raises InvalidUUID, UnknownUUIDResource, RelationAlreadyExists.
    """
    other, uuid = member

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        row_of(service, TOPOLOGY, topology)
        get(service, other, uuid, f"{other.name}_uuid")
        more = _underlay_members(service, values) if other is DATAPATH else {}
        row = new_relation(context, OF_TOPOLOGY[other], {TOPOLOGY: topology, other: uuid}, more)
        return row, [*relating(service, OF_TOPOLOGY[other], row), *holding(service, {TOPOLOGY: topology, other: uuid})]

    return await carry_out(service, f"topology {topology}", plan)


def _underlay_members(service: Service, values: Mapping[str, Any]) -> dict[str, Any]:
    interface, lease = values["interface_uuid"], values.get("ip_lease_uuid")
    get(service, INTERFACE, interface, "interface_uuid")
    if lease is not None:
        get(service, IP_LEASE, lease, "ip_lease_uuid")
    else:
        lease = next((row.uuid for row in rows(service, IP_LEASE, interface_uuid=interface)), None)
    return {"interface_uuid": interface, "ip_lease_uuid": lease}


async def remove(service: Service, topology: str, other: Kind, uuid: str) -> None:
    """The topology has the object no more, if it had. Raises InvalidUUID or UnknownUUIDResource."""

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        row_of(service, TOPOLOGY, topology)
        get(service, other, uuid, f"{other.name}_uuid")
        row = relation(service, OF_TOPOLOGY[other], topology, uuid)
        return None, [] if row is None else [Delete(row)]

    await carry_out(service, f"topology {topology}", plan)


def members(service: Service, topology: str, other: Kind) -> list[VnetObject]:
    """The topology's relations with objects of the kind. Raises InvalidUUID or UnknownUUIDResource."""
    return related(service, TOPOLOGY, topology, OF_TOPOLOGY[other])


async def add_underlay(service: Service, context: RequestContext, overlay: str, underlay: str) -> VnetObject:
    """The one topology lies on the other. Raises InvalidUUID, UnknownUUIDResource, RelationAlreadyExists."""

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        row_of(service, TOPOLOGY, overlay)
        row_of(service, TOPOLOGY, underlay, UNDERLAY)
        if overlay == underlay:
            raise ArgumentError(f"{overlay} cannot lie on itself.", "Name another topology as underlay.")
        row = new_row(
            context, TOPOLOGY_LAYER, relation_uuid(overlay, underlay), **{OVERLAY: overlay, UNDERLAY: underlay}
        )
        if relation(service, TOPOLOGY_LAYER, overlay, underlay) is not None:
            raise RelationAlreadyExists(f"{overlay} <=> {underlay}. It lies on the other already.")
        held = [*holding(service, {TOPOLOGY: overlay}), *holding(service, {TOPOLOGY: underlay})]
        return row, [Insert(row), *held]

    return await carry_out(service, f"topology {overlay}", plan)


async def remove_underlay(service: Service, overlay: str, underlay: str) -> None:
    """The one topology lies on the other no more, if it did. Raises InvalidUUID or UnknownUUIDResource."""

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        row_of(service, TOPOLOGY, overlay)
        row_of(service, TOPOLOGY, underlay, UNDERLAY)
        row = relation(service, TOPOLOGY_LAYER, overlay, underlay)
        return None, [] if row is None else [Delete(row)]

    await carry_out(service, f"topology {overlay}", plan)


def underlays(service: Service, overlay: str) -> list[VnetObject]:
    """The topologies that a topology lies on. Raises InvalidUUID or UnknownUUIDResource."""
    row_of(service, TOPOLOGY, overlay)
    found = (
        find(service, TOPOLOGY, data_of(row)[UNDERLAY]) for row in rows(service, TOPOLOGY_LAYER, **{OVERLAY: overlay})
    )
    return [face.row for face in found if face is not None and face.row is not None and is_whole(service, face.row)]
