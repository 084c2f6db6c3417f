"""Another uuid for an interface (OpenVNet had this in 2014, and its ``vnctl`` asks for it still)."""

import msgspec

from patchbay.intent.database import Update, Write
from patchbay.model import VnetObject
from patchbay.service.access import Attempt, carry_out, revised
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet.cascade import distinct, left_behind, referring
from patchbay.service.vnet.draft import Draft
from patchbay.service.vnet.kinds import INTERFACE, INTERFACE_PORT_NAME
from patchbay.service.vnet.objects import Face, changed, check_fresh, get


async def rename_interface(service: Service, context: RequestContext, uuid: str, new_uuid: str) -> Face:
    """The interface under its new uuid, with all that refers to it; attached by its uuid, it is so by the new one.

    Raises UnknownUUIDResource, DuplicateUUID, or ArgumentError when a port of a bridge with this name is another's.
    """

    def plan(attempt: Attempt) -> tuple[None, list[Write]]:
        draft = Draft(service, context, attempt, get(service, INTERFACE, uuid))
        if new_uuid == uuid:
            return None, []
        check_fresh(service, INTERFACE, {"uuid": new_uuid})
        draft.rename_uuid(new_uuid)
        assert draft.row is not None
        writes = [*left_behind(service, draft.row), *draft.writes()]
        for row in referring(service, INTERFACE, uuid):
            if row.kind != INTERFACE_PORT_NAME.name:  # the draft has written that
                writes.append(Update(row, _referring_to(row, uuid, new_uuid)))
        return None, distinct(writes)

    await carry_out(service, f"interface {uuid}", plan)
    return get(service, INTERFACE, new_uuid)


def _referring_to(row: VnetObject, uuid: str, new_uuid: str) -> VnetObject:
    """The row with the other uuid, also in its own if it is a relation."""
    ends = [new_uuid if end == uuid else end for end in row.uuid.split("/")]
    new = msgspec.structs.replace(changed(row, interface_uuid=new_uuid), revision_number=row.revision_number)
    return revised(row, msgspec.structs.replace(new, uuid="/".join(ends)))
