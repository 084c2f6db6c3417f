"""Containers of IP leases that lease policies fill, and of addresses that they keep for a while.

A retention belongs to a lease and a container; it goes with either. While a lease is there its address is in use, also
when no interface has it: so a lease that was released keeps its address until it is deleted.
"""

from patchbay.intent.database import Insert, Write
from patchbay.model import VnetObject
from patchbay.service.access import now
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet.kept import new_relation, related
from patchbay.service.vnet.kinds import IP_LEASE, IP_LEASE_CONTAINER, IP_RETENTION, IP_RETENTION_CONTAINER
from patchbay.service.vnet.objects import changed, data_of, rows, update
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
