"""Objects and relations that have no counterpart in the model and are only rows: create, change, delete, find.

What a row holds is what OpenVNet's tables hold, with uuids in the place of its integer keys. References are members
``<kind>_uuid``; ``described`` shows them as OpenVNet does: the integer ``<kind>_id``, and the uuid beside it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from patchbay.intent.database import Insert, Update, Write
from patchbay.model import VnetObject
from patchbay.service.access import Attempt, carry_out
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet import kinds
from patchbay.service.vnet.cascade import distinct, removal
from patchbay.service.vnet.errors import RelationAlreadyExists, UnknownUUIDResource
from patchbay.service.vnet.kinds import Kind
from patchbay.service.vnet.objects import (
    ORDER,
    Data,
    Face,
    changed,
    common,
    common_of_row,
    data_of,
    find,
    get,
    insertion,
    new_row,
    number_or_none,
    relation_uuid,
    rows,
    update,
)

TAGGED: dict[str, Kind] = {each.name: each for each in vars(kinds).values() if isinstance(each, Kind) and each.prefix}
"""Kinds with uuids, by name."""

REFERENCE = "_uuid"


def row_of(service: Service, kind: Kind, uuid: str, parameter: str = "uuid") -> VnetObject:
    """The row of an object that is only a row. Raises InvalidUUID or UnknownUUIDResource."""
    row = get(service, kind, uuid, parameter).row
    if row is None or not is_whole(service, row):
        raise UnknownUUIDResource(kind, uuid, parameter)
    return row


def is_whole(service: Service, row: VnetObject) -> bool:
    """Whether everything that the row refers to is there still: Neutron's API takes objects away without a word."""
    return all(
        find(service, TAGGED[name.removesuffix(REFERENCE)], value) is not None
        for name, value in data_of(row).items()
        if value and name.endswith(REFERENCE) and name.removesuffix(REFERENCE) in TAGGED
    )


def all_of(service: Service, kind: Kind) -> list[VnetObject]:
    """All objects of a kind that is only rows, in the order of their creation."""
    return [row for row in rows(service, kind) if is_whole(service, row)]


def check_references(service: Service, references: Mapping[Kind, str | None]) -> None:
    """Raises InvalidUUID or UnknownUUIDResource unless every object named is there."""
    for kind, uuid in references.items():
        if uuid is not None:
            get(service, kind, uuid, kind.name + REFERENCE)


def given(references: Mapping[Kind, str | None]) -> dict[Kind, str]:
    """Those of the references that name something."""
    return {kind: uuid for kind, uuid in references.items() if uuid is not None}


def described(service: Service, kind: Kind, row: VnetObject) -> Data:
    """The row as an answer: what every object has, its own attributes, and for each reference the integer as well."""
    shown = common(service, Face(kind, row.uuid, row.object_id, row)) if kind.prefix else common_of_row(kind, row)
    for name, value in data_of(row).items():
        if name == ORDER:
            continue
        referred = TAGGED.get(name.removesuffix(REFERENCE)) if name.endswith(REFERENCE) else None
        if referred is not None:
            shown[f"{referred.name}_id"] = number_or_none(service, referred, value)
        shown[name] = value
    return shown


Check = Callable[[VnetObject], None]


def unchecked(_row: VnetObject) -> None:
    """Allows every row."""


class NewRow(msgspec.Struct, frozen=True, kw_only=True):
    """A kept object as asked for: ``uuid`` "" makes one up."""

    kind: Kind
    uuid: str = ""
    name: str = ""
    values: Mapping[str, Any] = {}
    references: Mapping[Kind, str | None] = {}

    def row(self, context: RequestContext) -> VnetObject:
        """The row that it begins as."""
        members: dict[str, Any] = {kind.name + REFERENCE: uuid for kind, uuid in self.references.items()}
        return new_row(context, self.kind, self.uuid, name=self.name, **members, **self.values)


async def create(service: Service, context: RequestContext, new: NewRow, check: Check = unchecked) -> VnetObject:
    """The object. Raises DuplicateUUID, UnknownUUIDResource for what it refers to, and what ``check`` raises."""

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        check_references(service, new.references)
        row = new.row(context)
        check(row)
        return row, [*inserting(service, new.kind, row), *holding(service, given(new.references))]

    return await carry_out(service, f"{new.kind.words} {new.uuid}", plan)


def inserting(service: Service, kind: Kind, row: VnetObject) -> list[Write]:
    """The writes of a new object; it takes the place of one that refers to something gone. Raises DuplicateUUID."""
    face = find(service, kind, row.uuid)
    if face is not None and face.row is not None and not is_whole(service, face.row):
        return distinct([*removal(service, face.row), Insert(row)])
    return insertion(service, row)


async def change(
    service: Service, kind: Kind, uuid: str, values: Mapping[str, Any], check: Check = unchecked
) -> VnetObject:
    """The object with these values. Raises InvalidUUID, UnknownUUIDResource, and what ``check`` raises."""

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        old = row_of(service, kind, uuid)
        new = changed(old, **values)
        check(new)
        return new, update(old, new)

    return await carry_out(service, f"{kind.words} {uuid}", plan)


async def delete(service: Service, kind: Kind, uuid: str) -> None:
    """The object goes, with everything that refers to it. Raises InvalidUUID or UnknownUUIDResource."""

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        return None, distinct(removal(service, row_of(service, kind, uuid)))

    await carry_out(service, f"{kind.words} {uuid}", plan)


def new_relation(
    context: RequestContext, kind: Kind, ends: Mapping[Kind, str], values: Mapping[str, Any] | None = None
) -> VnetObject:
    """The row of a relation between these objects."""
    members: dict[str, Any] = {end.name + REFERENCE: uuid for end, uuid in ends.items()}
    return new_row(context, kind, relation_uuid(*ends.values()), **members, **(values or {}))


def relation(service: Service, kind: Kind, *ends: str) -> VnetObject | None:
    """The relation of the kind between these objects, if there is one."""
    uuid = relation_uuid(*ends)
    found = (service.db.vnet_objects[id_] for id_ in service.db.vnet_objects_by_uuid.get(uuid, ()))
    return next((row for row in found if row.kind == kind.name), None)


async def relate(
    service: Service,
    context: RequestContext,
    kind: Kind,
    ends: Mapping[Kind, str],
    values: Mapping[str, Any] | None = None,
) -> VnetObject:
    """A new relation. Raises InvalidUUID, UnknownUUIDResource, RelationAlreadyExists."""

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        check_ends(service, ends)
        row = new_relation(context, kind, ends, values)
        return row, [*relating(service, kind, row), *holding(service, ends)]

    return await carry_out(service, f"{kind.words} {'/'.join(ends.values())}", plan)


def check_ends(service: Service, ends: Mapping[Kind, str]) -> None:
    """Raises InvalidUUID or UnknownUUIDResource unless both ends of a relation are there; the first is the owner."""
    for number, (kind, uuid) in enumerate(ends.items()):
        get(service, kind, uuid, "uuid" if number == 0 else kind.name + REFERENCE)


def relating(service: Service, kind: Kind, row: VnetObject) -> list[Write]:
    """The write of a new relation. Raises RelationAlreadyExists."""
    ends = row.uuid.split("/")
    if relation(service, kind, *ends) is not None:
        raise RelationAlreadyExists(
            f"{ends[0]} <=> {ends[-1]}. The two are related already.",
            "Remove the relation first to give it new values.",
        )
    return [Insert(row)]


def holding(service: Service, objects: Mapping[Kind, str]) -> list[Write]:
    """Writes that fail, so that the plan is made anew, when one of these objects went meanwhile."""
    held = (get(service, kind, uuid).row for kind, uuid in objects.items())
    return [Update(row, row) for row in held if row is not None]


async def unrelate(service: Service, kind: Kind, ends: Mapping[Kind, str]) -> None:
    """The relation goes, if there is one. Raises InvalidUUID or UnknownUUIDResource."""

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        check_ends(service, ends)
        row = relation(service, kind, *ends.values())
        return None, [] if row is None else distinct(removal(service, row))

    await carry_out(service, f"{kind.words} {'/'.join(ends.values())}", plan)


def related(service: Service, owner_kind: Kind, owner: str, kind: Kind) -> list[VnetObject]:
    """The relations of one kind, or objects, that belong to an object, in the order of their creation."""
    get(service, owner_kind, owner)
    found = rows(service, kind, **{owner_kind.name + REFERENCE: owner})
    return [row for row in found if is_whole(service, row)]
