"""What goes with an object: rows that refer to it, as OpenVNet's ``association_dependencies`` say.

A row refers to an object by a member ``<kind>_uuid`` of its data. What refers to a row that goes, goes too. A kind
whose row is not simply deleted says so in ``REMOVERS``; what several rows did to one object of the model is taken back
at once by ``UNDOERS``.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from patchbay.intent.database import Delete, Update, Write
from patchbay.model import VnetObject
from patchbay.service.service import Service
from patchbay.service.vnet import kinds
from patchbay.service.vnet.kinds import TOPOLOGY, Kind
from patchbay.service.vnet.objects import data_of

Remover = Callable[[Service, VnetObject], Sequence[Write]]
REMOVERS: dict[str, Remover] = {}
"""By name of kind: the writes that remove a row. Modules of kinds put theirs here."""

Undoer = Callable[[Service, Sequence[VnetObject], Kind | None], Sequence[Write]]
UNDOERS: list[Undoer] = []
"""Given all rows that go, and the kind of the object that they go with (None: one goes by itself): what changes."""

_KINDS = {each.name: each for each in vars(kinds).values() if isinstance(each, Kind)}
_FURTHER_MEMBERS = {TOPOLOGY.name: ("overlay_uuid", "underlay_uuid")}


def referring(service: Service, kind: Kind, uuid: str) -> list[VnetObject]:
    """The rows that refer to the object."""
    db, members = service.db, (f"{kind.name}_uuid", *_FURTHER_MEMBERS.get(kind.name, ()))
    mentioning = (db.vnet_objects[id_] for id_ in db.vnet_objects_by_mention.get(uuid, ()))
    return [row for row in mentioning if row.uuid != uuid and _refers(row, members, uuid)]


def _refers(row: VnetObject, members: Iterable[str], uuid: str) -> bool:
    data = data_of(row)
    return any(data.get(member) == uuid for member in members)


def removal(service: Service, row: VnetObject) -> list[Write]:
    """The writes that remove the row with all that goes along."""
    return _removal(service, _with_referring(service, [row]), None)


def removal_of_referring(service: Service, kind: Kind, uuid: str) -> list[Write]:
    """The writes that remove everything that refers to the object, each row once."""
    return _removal(service, _with_referring(service, referring(service, kind, uuid)), kind)


def left_behind(service: Service, new: VnetObject) -> list[Write]:
    """The writes that remove what refers to an object that has gone, before a new one gets its uuid.

    Neutron's API takes objects away without a word to what refers to them.
    """
    if new.uuid not in service.db.vnet_objects_by_uuid:
        return []
    return removal_of_referring(service, _KINDS[new.kind], new.uuid)


def _with_referring(service: Service, first: Iterable[VnetObject]) -> list[VnetObject]:
    """The rows, and all that refer to them, directly or not."""
    found = {row.id: row for row in first}
    waiting = list(found.values())
    while waiting:
        row = waiting.pop()
        kind = _KINDS.get(row.kind)
        if kind is None or not kind.prefix:
            continue
        more = [one for one in referring(service, kind, row.uuid) if one.id not in found]
        found |= {one.id: one for one in more}
        waiting += more
    return list(found.values())


def _removal(service: Service, gone: Sequence[VnetObject], going: Kind | None) -> list[Write]:
    writes: list[Write] = []
    for row in gone:
        remover = REMOVERS.get(row.kind)
        writes += [Delete(row)] if remover is None else remover(service, row)
    for undo in UNDOERS:
        writes += undo(service, gone, going)
    return distinct(writes)


def distinct(writes: Sequence[Write]) -> list[Write]:
    """The writes, with each row deleted once, not changed if it is deleted too, and else changed at most once."""
    deleted = {write.value.id for write in writes if isinstance(write, Delete)}
    found: dict[tuple[str, str], Write] = {}
    for write in writes:
        id_ = write.new.id if isinstance(write, Update) else write.value.id
        if id_ in deleted and not isinstance(write, Delete):
            continue
        key = (type(write).__name__, id_)
        earlier = found.get(key)
        if isinstance(write, Update) and isinstance(earlier, Update):
            found[key] = _both(earlier, write)
        else:
            found[key] = write
    return list(found.values())


def _both(one: Update, other: Update) -> Update:
    """One change of a row with what two of them say; both began with the same."""
    if other.new is other.old:
        return one
    if one.new is one.old:
        return other
    names = [name for name in other.new.__struct_fields__ if name not in ("revision_number", "updated_at")]
    said = {name: getattr(other.new, name) for name in names if getattr(other.new, name) != getattr(other.old, name)}
    return Update(one.old, msgspec.structs.replace(one.new, **said))
