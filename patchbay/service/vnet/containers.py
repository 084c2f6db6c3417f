"""Containers of IP leases that lease policies fill, and of addresses that they keep for a while.

A retention belongs to a lease and a container; it goes with either. While a lease is there its address is in use, also
when no interface has it: so a lease that was released keeps its address until it is deleted.
"""

import datetime

from patchbay.intent.database import Insert, Write
from patchbay.model import VnetObject
from patchbay.service.access import Attempt, carry_out, now
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet.cascade import distinct, removal
from patchbay.service.vnet.kept import is_whole, new_relation, related
from patchbay.service.vnet.kinds import IP_LEASE, IP_LEASE_CONTAINER, IP_RETENTION, IP_RETENTION_CONTAINER
from patchbay.service.vnet.objects import changed, data_of, find, rows, update
from patchbay.service.vnet.relation_kinds import IP_LEASE_CONTAINER_IP_LEASE


def leases(service: Service, container: str) -> list[str]:
    """The uuids of the IP leases in a container. Raises InvalidUUID or UnknownUUIDResource."""
    found = related(service, IP_LEASE_CONTAINER, container, IP_LEASE_CONTAINER_IP_LEASE)
    return [data_of(row)["ip_lease_uuid"] for row in found]


def retentions(service: Service, container: str) -> list[VnetObject]:
    """The retentions of a container. Raises InvalidUUID or UnknownUUIDResource."""
    return related(service, IP_RETENTION_CONTAINER, container, IP_RETENTION)


def contained(context: RequestContext, container: str, lease: str) -> Write:
    """Puts a new lease into a container."""
    return Insert(new_relation(context, IP_LEASE_CONTAINER_IP_LEASE, {IP_LEASE_CONTAINER: container, IP_LEASE: lease}))


def retained(context: RequestContext, container: str, lease: str) -> Write:
    """Has a container keep the address of a new lease."""
    ends = {IP_RETENTION_CONTAINER: container, IP_LEASE: lease}
    return Insert(new_relation(context, IP_RETENTION, ends, {"leased_at": now(), "released_at": None}))


def released(service: Service, lease: str, *, is_released: bool) -> list[Write]:
    """What the retentions of a lease note when it is released, or attached again."""
    writes: list[Write] = []
    for row in rows(service, IP_RETENTION, ip_lease_uuid=lease):
        writes += update(row, changed(row, released_at=now() if is_released else None))
    return writes


def overdue(service: Service) -> list[VnetObject]:
    """The IP leases of nobody that no container keeps any longer: their grace time has passed since the release."""
    db, moment = service.db, datetime.datetime.now(datetime.UTC)
    grace = {row.uuid: data_of(row).get("grace_time") for row in rows(service, IP_RETENTION_CONTAINER)}
    ends: dict[str, list[datetime.datetime | None]] = {}
    for row in rows(service, IP_RETENTION):
        data = data_of(row)
        seconds, released_at = grace.get(data["ip_retention_container_uuid"]), data.get("released_at")
        end = None
        if seconds is not None and released_at is not None and is_whole(service, row):
            end = datetime.datetime.fromisoformat(released_at) + datetime.timedelta(seconds=seconds)
        ends.setdefault(data["ip_lease_uuid"], []).append(end)
    faces = [
        find(service, IP_LEASE, lease) for lease, all_ in ends.items() if all(end and end <= moment for end in all_)
    ]
    return [face.row for face in faces if face is not None and face.row is not None and face.object_id not in db.ports]


async def reclaim(service: Service) -> None:
    """Leases of nobody go whose addresses were kept for long enough."""
    if not overdue(service):
        return

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        return None, distinct([write for row in overdue(service) for write in removal(service, row)])

    await carry_out(service, "leases that are kept no longer", plan)
