"""What goes with an object: rows that refer to it, as OpenVNet's ``association_dependencies`` say.

A row refers to an object by a member ``<kind>_uuid`` of its data. A kind whose removal must change more than its row
(a route changes a router) says so in ``REMOVERS``.
"""

from collections.abc import Callable, Sequence

from patchbay.intent.database import Delete, Write
from patchbay.model import VnetObject
from patchbay.service.service import Service
from patchbay.service.vnet.kinds import Kind
from patchbay.service.vnet.objects import data_of

Remover = Callable[[Service, VnetObject], Sequence[Write]]
REMOVERS: dict[str, Remover] = {}
"""By name of kind: the writes that remove a row and what hangs on it. Modules of kinds put theirs here."""


def referring(service: Service, kind: Kind, uuid: str) -> list[VnetObject]:
    """The rows that refer to the object."""
    member, quoted = f"{kind.name}_uuid", f'"{uuid}"'
    return [
        row
        for row in service.db.vnet_objects.values()
        if quoted in row.data and data_of(row).get(member) == uuid and row.uuid != uuid
    ]


def removal(service: Service, row: VnetObject) -> list[Write]:
    """The writes that remove the row with all that goes along."""
    remover = REMOVERS.get(row.kind)
    return [Delete(row)] if remover is None else list(remover(service, row))


def removal_of_referring(service: Service, kind: Kind, uuid: str) -> list[Write]:
    """The writes that remove everything that refers to the object, each row once."""
    writes: list[Write] = []
    for row in referring(service, kind, uuid):
        writes += removal(service, row)
    return distinct(writes)


def distinct(writes: Sequence[Write]) -> list[Write]:
    """The writes, with each row deleted once, and not changed if it is deleted too."""
    deleted = {write.value.id for write in writes if isinstance(write, Delete)}
    found: list[Write] = []
    seen: set[str] = set()
    for write in writes:
        if isinstance(write, Delete):
            if write.value.id in seen:
                continue
            seen.add(write.value.id)
        elif (write.new.id if hasattr(write, "new") else write.value.id) in deleted:
            continue
        found.append(write)
    return found
