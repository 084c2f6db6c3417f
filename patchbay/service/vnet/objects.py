"""Finds objects by their OpenVNet uuid, whichever API made them, and makes and reads their rows.

A *face* is an object as OpenVNet sees it: a uuid, and the network, subnet, port or router that it stands for, or only a
row. What Neutron's API made has no row: its uuid follows from its id.

=============  ======================================================================================================
network        an IPv4 subnet (with the network that it is in)
segment        a network that has a row as segment, or that has not exactly one IPv4 subnet
interface      a port (the first, if it has several: one for each MAC lease and network)
route_link     a distributed router
=============  ======================================================================================================

Rows of other kinds have no object, or name one of any kind; they are there as long as it is.
"""

import secrets
import string
import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from patchbay.intent.database import Delete, Insert, IntentDatabase, Update, Write
from patchbay.model import Resource, VnetObject
from patchbay.model.router import OF_ONE_INTERFACE
from patchbay.service.access import FIRST_REVISION, new_id, now, revised
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet.errors import DuplicateUUID, InvalidUUID, UnknownUUIDResource
from patchbay.service.vnet.kinds import INTERFACE, IP_LEASE, MAC_LEASE, NETWORK, ROUTE_LINK, SEGMENT, Kind

Data = dict[str, Any]

ALPHABET = string.ascii_lowercase + string.digits
GENERATED = 8
"""Characters of a uuid that OpenVNet makes up."""

DERIVED = 13
"""Characters that 64 bits have in base 36."""

FURTHER_PORTS = "ports"
"""In an interface's data: ids of its ports but the first."""

ORDER = "order"
"""In ``VnetObject.data``: microseconds since 1970, to tell what was made in one second apart."""


class Face(msgspec.Struct, frozen=True):
    """An object as OpenVNet sees it. ``row`` is None for what has no row, ``object_id`` "" for what is only a row."""

    kind: Kind
    uuid: str
    object_id: str
    row: VnetObject | None = None

    @property
    def data(self) -> Data:
        """What the row keeps ({} without one)."""
        return data_of(self.row) if self.row is not None else {}


def is_network(db: IntentDatabase, object_id: str) -> bool:
    """Whether this is the id of what OpenVNet calls a network."""
    return object_id in db.subnets and db.subnets[object_id].ip_version == 4


def is_segment(db: IntentDatabase, object_id: str) -> bool:
    """Whether this is the id of what OpenVNet calls a segment."""
    if object_id not in db.networks:
        return False
    subnets = (db.subnets[id_] for id_ in db.subnets_by_network.get(object_id, ()))
    return _row_of(db, SEGMENT, object_id) is not None or sum(one.ip_version == 4 for one in subnets) != 1


def is_interface(db: IntentDatabase, object_id: str) -> bool:
    """Whether this is the id of a port that an interface begins with."""
    return object_id in db.ports and not _is_further(db, object_id)


def is_route_link(db: IntentDatabase, object_id: str) -> bool:
    """Whether this is the id of what OpenVNet calls a route link; the routers of single interfaces are not."""
    router = db.routers.get(object_id)
    return router is not None and router.distributed and OF_ONE_INTERFACE not in router.tags


Finder = Callable[[IntentDatabase, str], str]
FINDERS: dict[str, Finder] = {}
"""By name of kind: finds the id of the port that an object without a row is an aspect of (""  if there is none)."""

Belongs = Callable[[IntentDatabase, str], bool]
OBJECTS: Mapping[str, tuple[Callable[[IntentDatabase], Mapping[str, Resource]], Belongs]] = {
    NETWORK.name: (lambda db: db.subnets, is_network),
    SEGMENT.name: (lambda db: db.networks, is_segment),
    INTERFACE.name: (lambda db: db.ports, is_interface),
    ROUTE_LINK.name: (lambda db: db.routers, is_route_link),
}


def find(service: Service, kind: Kind, uuid: str) -> Face | None:
    """The object of the kind with this uuid, if there is one."""
    db = service.db
    for row_id in db.vnet_objects_by_uuid.get(uuid, ()):
        row = db.vnet_objects[row_id]
        if row.kind == kind.name and is_there(db, row):
            return Face(kind, uuid, row.object_id, row)
    object_id = FINDERS[kind.name](db, uuid) if kind.name in FINDERS else _underived(db, kind, uuid)
    return Face(kind, uuid, object_id) if object_id else None


def get(service: Service, kind: Kind, uuid: object, parameter: str = "uuid") -> Face:
    """The object of the kind with this uuid, which came as ``parameter``. Raises InvalidUUID or UnknownUUIDResource."""
    if not isinstance(uuid, str) or not uuid.startswith(f"{kind.prefix}-"):
        raise InvalidUUID(kind, uuid, parameter)
    face = find(service, kind, uuid)
    if face is None:
        raise UnknownUUIDResource(kind, uuid, parameter)
    return face


def uuid_of(service: Service, kind: Kind, object_id: str) -> str:
    """The uuid of an object that there is."""
    row = _row_of(service.db, kind, object_id)
    return derived_uuid(kind, object_id) if row is None else row.uuid


def face_of(service: Service, kind: Kind, object_id: str) -> Face:
    """An object that there is, by its id."""
    row = _row_of(service.db, kind, object_id)
    return Face(kind, derived_uuid(kind, object_id) if row is None else row.uuid, object_id, row)


def faces(service: Service, kind: Kind) -> list[Face]:
    """All objects of the kind, in the order of their creation."""
    db = service.db
    found = [Face(kind, row.uuid, row.object_id, row) for row in _rows(service, kind, {})]
    table, belongs = OBJECTS.get(kind.name, (None, None))
    if table is not None and belongs is not None:
        with_row = {face.object_id for face in found}
        found += [
            Face(kind, derived_uuid(kind, object_id), object_id)
            for object_id in table(db)
            if object_id not in with_row and belongs(db, object_id)
        ]
    return sorted(found, key=lambda face: _order(db, face))


def rows(service: Service, kind: Kind, **wanted: str) -> list[VnetObject]:
    """The rows of the kind whose data have these uuids, ids or addresses, in the order of their creation."""
    return sorted(_rows(service, kind, wanted), key=age)


def _rows(service: Service, kind: Kind, wanted: Mapping[str, str]) -> list[VnetObject]:
    db = service.db
    ids = min((db.vnet_objects_by_mention.get(text, ()) for text in wanted.values()), key=len, default=None)
    found = [db.vnet_objects[id_] for id_ in (db.vnet_objects_by_kind.get(kind.name, ()) if ids is None else ids)]
    return [row for row in found if row.kind == kind.name and _has(row, wanted) and is_there(db, row)]


def _has(row: VnetObject, wanted: Mapping[str, str]) -> bool:
    """Whether the row's data have the values."""
    if not wanted:
        return True
    data = data_of(row)
    return all(data.get(name) == value for name, value in wanted.items())


def age(row: VnetObject) -> tuple[str, int, str]:
    """Sorts rows by when they were made."""
    return row.created_at, msgspec.json.decode(row.data, type=_Ordered).order, row.id


class _Ordered(msgspec.Struct):
    """What of a row's data tells when it was made; the rest is not decoded."""

    order: int = 0


def is_there(db: IntentDatabase, row: VnetObject) -> bool:
    """Whether the object that the row is the face of is there still; a row without one is."""
    if not row.object_id:
        return _is_held(db, row)
    if row.kind == SEGMENT.name:
        return row.object_id in db.networks
    if row.kind == INTERFACE.name:
        return row.object_id in db.ports
    if row.kind == IP_LEASE.name and row.object_id in db.ports:
        return data_of(row).get("ipv4_address") in {ip.ip_address for ip in db.ports[row.object_id].fixed_ips}
    if row.kind in OBJECTS:
        return OBJECTS[row.kind][1](db, row.object_id)
    return any(row.object_id in table for table in (db.networks, db.subnets, db.ports, db.routers, db.floatingips))


def _is_held(db: IntentDatabase, row: VnetObject) -> bool:
    """Whether what a row without an object belongs to is there: the interface of a MAC lease, an IP lease's subnet."""
    if row.kind == MAC_LEASE.name:
        owners = db.vnet_objects_by_uuid.get(data_of(row).get("interface_uuid", ""), ())
        return any(is_there(db, db.vnet_objects[id_]) for id_ in owners)
    return row.kind != IP_LEASE.name or data_of(row).get("subnet_id") in db.subnets


def _row_of(db: IntentDatabase, kind: Kind, object_id: str) -> VnetObject | None:
    for row_id in db.vnet_objects_by_object.get(object_id, ()):
        if db.vnet_objects[row_id].kind == kind.name:
            return db.vnet_objects[row_id]
    return None


def _is_further(db: IntentDatabase, port_id: str) -> bool:
    """Whether the port is one more of an interface that begins with another."""
    of_port = [db.vnet_objects[id_] for id_ in db.vnet_objects_by_object.get(port_id, ())]
    if any(row.kind == INTERFACE.name for row in of_port):
        return False
    return owner_row(db, port_id) is not None


def owner_row(db: IntentDatabase, port_id: str) -> VnetObject | None:
    """The row of the interface that has the port besides its first."""
    for row_id in db.vnet_objects_by_object.get(port_id, ()):
        for owner_id in db.vnet_objects_by_uuid.get(data_of(db.vnet_objects[row_id]).get("interface_uuid") or "", ()):
            owner = db.vnet_objects[owner_id]
            if port_id in data_of(owner).get(FURTHER_PORTS, ()) and is_there(db, owner):
                return owner
    return None


def _order(db: IntentDatabase, face: Face) -> tuple[str, int, str]:
    if face.row is not None:
        return age(face.row)
    created_at = OBJECTS[face.kind.name][0](db)[face.object_id].created_at
    return created_at, 0, face.object_id


@lru_cache(maxsize=1 << 14)
def derived_uuid(kind: Kind, object_id: str) -> str:
    """The uuid of an object without a row: the first half of its id in base 36."""
    return f"{kind.prefix}-{base36(int(object_id.replace('-', '')[:16], 16), DERIVED)}"


def base36(number: int, width: int) -> str:
    """The number in digits and small letters, with zeros before it."""
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = (string.digits + string.ascii_lowercase)[digit] + digits
    return digits.zfill(width)


def _underived(db: IntentDatabase, kind: Kind, uuid: str) -> str:
    """The id of the object without a row that has this uuid, or ""."""
    tail = uuid.removeprefix(f"{kind.prefix}-")
    if kind.name not in OBJECTS or len(tail) != DERIVED or not (tail.isascii() and tail.isalnum()):
        return ""
    beginning = f"{int(tail, 36):016x}"
    beginning = f"{beginning[:8]}-{beginning[8:12]}-{beginning[12:]}"
    table, belongs = OBJECTS[kind.name]
    ids: Iterable[str] = table(db)
    if kind == INTERFACE:
        ids = [port.id for port in db.ports_beginning(beginning)]
    for object_id in ids:
        if object_id.startswith(beginning) and derived_uuid(kind, object_id) == uuid:
            has_row = _row_of(db, kind, object_id) is not None
            return object_id if belongs(db, object_id) and not has_row else ""
    return ""


def data_of(row: VnetObject) -> Data:
    """What the row keeps beyond the model."""
    data: Data = msgspec.json.decode(row.data)
    return data


def new_row(
    context: RequestContext,
    kind: Kind,
    uuid: str = "",
    *,
    object_id: str = "",
    name: str = "",
    dpid: str = "",
    **data: Any,
) -> VnetObject:
    """A new row; ``uuid`` "" makes one up. Relations name their uuid (``relation_uuid``)."""
    moment = now()
    return VnetObject(
        id=new_id(),
        project_id=context.project_id,
        name=name,
        revision_number=FIRST_REVISION,
        created_at=moment,
        updated_at=moment,
        kind=kind.name,
        uuid=uuid or new_uuid(kind),
        object_id=object_id,
        dpid=dpid,
        data=msgspec.json.encode({ORDER: time.time_ns() // 1000, **data}).decode(),
    )


def new_uuid(kind: Kind) -> str:
    """A uuid as OpenVNet makes them up."""
    return f"{kind.prefix}-" + "".join(secrets.choice(ALPHABET) for _ in range(GENERATED))


def relation_uuid(*uuids: str) -> str:
    """What stands in a relation's row for the uuid that it has not."""
    return "/".join(uuids)


def check_fresh(service: Service, kind: Kind, values: Mapping[str, Any]) -> None:
    """Raises DuplicateUUID when an object of the kind has the wanted ``uuid``: a repeated request is told just that."""
    if "uuid" in values and find(service, kind, values["uuid"]) is not None:
        raise DuplicateUUID(kind, values["uuid"])


def insertion(service: Service, *new: VnetObject) -> list[Write]:
    """Writes for new rows; they take the place of rows whose object has gone.

    Raises DuplicateUUID when something has the uuid.
    """
    db = service.db
    writes: list[Write] = []
    for row in new:
        kind = Kind(row.kind, row.kind, row.uuid.partition("-")[0])
        if find(service, kind, row.uuid) is not None:
            raise DuplicateUUID(kind, row.uuid)
        writes += [Delete(db.vnet_objects[id_]) for id_ in db.vnet_objects_by_uuid.get(row.uuid, ())]
        writes.append(Insert(row))
    return writes


def changed(
    row: VnetObject, *, object_id: str | None = None, name: str | None = None, dpid: str | None = None, **data: Any
) -> VnetObject:
    """The next revision of the row with these values, or the row itself when nothing differs."""
    new = msgspec.structs.replace(
        row,
        object_id=row.object_id if object_id is None else object_id,
        name=row.name if name is None else name,
        dpid=row.dpid if dpid is None else dpid,
    )
    kept = data_of(row)
    if any(kept.get(key, msgspec.UNSET) != value for key, value in data.items()):
        new = msgspec.structs.replace(new, data=msgspec.json.encode({**kept, **data}).decode())
    return revised(row, new)


def update(old: VnetObject, new: VnetObject) -> list[Write]:
    """The write that makes the one the other, if they differ."""
    return [] if new is old else [Update(old, new)]


def number_of(object_id: str) -> int:
    """The integer that OpenVNet's answers call ``id``: positive, below 2^53, always the same for one object."""
    return int(object_id.replace("-", "")[:12], 16) + 1


def common(service: Service, face: Face) -> Data:
    """The attributes that every object's answer has."""
    shown = _shown(service.db, face)
    return {
        "id": number_of(shown.id),
        "uuid": face.uuid,
        "class_name": face.kind.class_name,
        "created_at": shown.created_at,
        "updated_at": shown.updated_at,
        "deleted_at": None,
        "is_deleted": 0,
    }


def common_of_row(kind: Kind, row: VnetObject) -> Data:
    """The attributes that every answer has, of a relation or another object that is only a row and has no uuid."""
    face = {"id": number_of(row.id), "class_name": kind.class_name}
    return {**face, "created_at": row.created_at, "updated_at": row.updated_at, "deleted_at": None, "is_deleted": 0}


def _shown(db: IntentDatabase, face: Face) -> Resource:
    """What an answer takes id and times from: the row, so that they stay when the object comes later, or the object."""
    if face.row is not None:
        return face.row
    table = OBJECTS[face.kind.name][0](db) if face.kind.name in OBJECTS else db.ports
    return table[face.object_id]


def number_or_none(service: Service, kind: Kind, uuid: str | None) -> int | None:
    """The integer ``id`` of the object with this uuid, for attributes like ``network_id``; None without one."""
    face = find(service, kind, uuid) if uuid else None
    return number_of(_shown(service.db, face).id) if face is not None else None
