"""Quotas: how many networks, ports, … a project may have (Neutron API reference, "Quotas").

The limit is checked in the transaction that makes the object: with it the project's Quota row gets its next revision,
so that of two requests which both take the last place one is refused by the database, and asked again. A project whose
limit is -1 pays nothing for it. As in Neutron, what the service itself makes (DHCP ports, interfaces and gateways of
routers) counts but is never refused.
"""

import asyncio
import functools
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec

from patchbay.intent.database import Change, Insert, IntentDatabase, Update, Write
from patchbay.model import (
    AddressGroup,
    AddressScope,
    FloatingIP,
    Instance,
    Network,
    Port,
    Quota,
    RBACPolicy,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    SubnetPool,
)
from patchbay.service.policy_errors import OverQuota

UNLIMITED = -1
NAMESPACE = uuid.UUID("0f3b4a57-6d1e-4a8c-9a7e-0d7c7d6f2b11")

KINDS: Mapping[type, str] = {
    Network: "network",
    Subnet: "subnet",
    Port: "port",
    Router: "router",
    FloatingIP: "floatingip",
    SecurityGroup: "security_group",
    SecurityGroupRule: "security_group_rule",
    SubnetPool: "subnetpool",
    RBACPolicy: "rbac_policy",
    AddressGroup: "address_group",
    AddressScope: "address_scope",
    Instance: "instance",
}
DEFAULTS: Mapping[str, int] = {
    "network": 100,
    "subnet": 100,
    "port": 500,
    "router": 10,
    "floatingip": 50,
    "security_group": 10,
    "security_group_rule": 100,
    "subnetpool": UNLIMITED,
    "rbac_policy": 10,
    "address_group": 100,
    "address_scope": 100,
    "instance": 100,
}
"""Neutron's resources and limits (``neutron.conf``, [quotas]); the last three, which Neutron does not limit, are ours:
whatever a member creates takes room somewhere."""

ALONG: Mapping[str, Sequence[str]] = {"security_group": ("security_group_rule",)}
"""What is made along with an object for a user, and limited as if the user had made it: a new group's first rules."""

Claims = Mapping[str, Counter[str]]
"""How many objects of each limited kind a request makes, by project."""
NOTHING: Claims = {}
NOTHING_PENDING: Mapping[str, int] = {}
_limited: ContextVar[str] = ContextVar("limited", default="")
"""The kind of resource that the request of this task creates; "" when nothing that it makes is refused."""


@contextmanager
def creating(kind: str) -> Iterator[None]:
    """Within the block, objects of that kind are made for a user: no more of them than the project's quota allows."""
    before = _limited.set(kind if kind in DEFAULTS else "")
    try:
        yield
    finally:
        _limited.reset(before)


class Usage:
    """How many objects of each kind each project has; follows the database."""

    def __init__(self, db: IntentDatabase) -> None:
        tables: Sequence[Mapping[str, Any]] = (
            db.networks,
            db.subnets,
            db.ports,
            db.routers,
            db.floatingips,
            db.security_groups,
            db.security_group_rules,
            db.subnetpools,
            db.rbac_policies,
            db.address_groups,
            db.address_scopes,
            db.instances,
        )
        self._counts = Counter((KINDS[type(value)], value.project_id) for table in tables for value in table.values())
        db.subscribe(self._follow)

    def of(self, kind: str, project_id: str) -> int:
        """The number of the project's objects of that kind."""
        return self._counts[kind, project_id]

    def _follow(self, changes: Iterable[Change]) -> None:
        for change in changes:
            for value, step in ((change.old, -1), (change.new, 1)):
                kind = KINDS.get(type(value))
                if kind is not None:
                    self._counts[kind, getattr(value, "project_id", "")] += step


class Lane:
    """The creations of one project that are under way here, one behind the other without waiting for each other.

    ``ahead`` is the project's row as it will be when they are through. When one fails those behind it fail as well
    (``broken``), and take their ``turn`` alone.
    """

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.idle = asyncio.Event()
        self.idle.set()
        self.under_way = 0
        self.pending: Counter[str] = Counter()
        self.ahead: Quota | None = None
        self.broken = False

    @property
    def is_open(self) -> bool:
        """Whether one more may go behind the others."""
        return not self.broken and not self.turn.locked()


class Quotas:
    """The limits of all projects; ``defaults`` None: nothing is limited, unless a project has limits of its own."""

    def __init__(self, db: IntentDatabase, defaults: Mapping[str, int] | None) -> None:
        self._db = db
        self.defaults: Mapping[str, int] = (
            dict.fromkeys(DEFAULTS, UNLIMITED) if defaults is None else {**DEFAULTS, **defaults}
        )
        self._usage: Usage | None = None
        self._lanes: dict[str, Lane] = {}

    @property
    def usage(self) -> Usage:
        """What projects have; counted when it is asked for first."""
        if self._usage is None:
            self._usage = Usage(self._db)
        return self._usage

    def row(self, project_id: str) -> Quota | None:
        """The project's own limits, if it has any."""
        return self._db.quotas.get(row_id(project_id))

    def limits(self, project_id: str) -> dict[str, int]:
        """The limits of a project, by resource."""
        row = self.row(project_id)
        return {**self.defaults, **({} if row is None else row.limits)}

    def limit(self, kind: str, project_id: str) -> int:
        """The limit of a project for one kind of resource."""
        row = self.row(project_id) if self._db.quotas else None
        return self.defaults[kind] if row is None else row.limits.get(kind, self.defaults[kind])

    def claims(self, writes: Iterable[Write]) -> Claims:
        """How many objects of the kind that is being created the writes make, by project, where there is a limit."""
        kind = _limited.get()
        kinds = (kind, *ALONG.get(kind, ())) if kind else ()
        if not (kinds and (self._db.quotas or any(self.defaults[one] != UNLIMITED for one in kinds))):
            return NOTHING
        wanted: dict[str, Counter[str]] = {}
        for write in writes:
            if isinstance(write, Insert) and (made := KINDS.get(type(write.value))) in kinds:
                project_id = getattr(write.value, "project_id", "")
                if self.limit(made, project_id) != UNLIMITED:
                    wanted.setdefault(project_id, Counter())[made] += 1
        return wanted

    def enter(self, wanted: Claims) -> list[Write] | None:
        """What is written along by a creation that goes behind those under way; None when it must take its turn.

        After it, ``leave`` says how it went.
        """
        lanes = {project_id: self._lanes.setdefault(project_id, Lane()) for project_id in wanted}
        for project_id, lane in lanes.items():
            if not lane.is_open or self._excess(project_id, wanted[project_id], lane.pending):
                return None
        guards: list[Write] = []
        for project_id, lane in lanes.items():
            before = lane.ahead or self.row(project_id)
            lane.ahead = counted(project_id, before)
            guards.append(guard_of(before, lane.ahead))
            lane.under_way += 1
            lane.pending.update(wanted[project_id])
            lane.idle.clear()
        return guards

    def _excess(
        self, project_id: str, wanted: Mapping[str, int], pending: Mapping[str, int] = NOTHING_PENDING
    ) -> dict[str, int]:
        """The limits of the kinds of which the project would have more than it may."""
        limits = {kind: self.limit(kind, project_id) for kind in wanted}
        return {
            kind: limit
            for kind, limit in limits.items()
            if limit != UNLIMITED and self.usage.of(kind, project_id) + pending.get(kind, 0) + wanted[kind] > limit
        }

    def leave(self, wanted: Claims, *, failed: bool) -> None:
        """A creation that entered is through, or has failed."""
        for project_id, number in wanted.items():
            lane = self._lanes[project_id]
            lane.under_way -= 1
            lane.pending.subtract(number)
            lane.broken = lane.broken or failed
            if not lane.under_way:
                lane.ahead, lane.broken = None, False
                lane.idle.set()

    @asynccontextmanager
    async def turn(self, wanted: Claims) -> AsyncIterator[None]:
        """Within the block nothing else of these projects is counted and made here."""
        async with AsyncExitStack() as stack:
            for project_id in sorted(wanted):
                lane = self._lanes.setdefault(project_id, Lane())
                await stack.enter_async_context(lane.turn)
                await lane.idle.wait()
            yield

    def guards(self, wanted: Claims) -> list[Write]:
        """What is written along, so that nothing else is counted at the same time. Raises OverQuota."""
        for project_id, numbers in wanted.items():
            if excess := self._excess(project_id, numbers):
                raise OverQuota(excess)
        rows = {project_id: self.row(project_id) for project_id in wanted}
        return [guard_of(row, counted(project_id, row)) for project_id, row in rows.items()]


@functools.lru_cache(maxsize=4096)
def row_id(project_id: str) -> str:
    """The id of a project's row, which follows from the project: no two servers make two."""
    return str(uuid.uuid5(NAMESPACE, project_id))


def new_quota(project_id: str, limits: Mapping[str, int] | None = None) -> Quota:
    """A project's first row."""
    return Quota(id=row_id(project_id), project_id=project_id, limits=dict(limits or {}))


def counted(project_id: str, row: Quota | None) -> Quota:
    """The project's row after one more creation."""
    return new_quota(project_id) if row is None else next_revision(row)


def guard_of(before: Quota | None, after: Quota) -> Write:
    """The write that makes ``after`` of ``before``, and fails when somebody else was quicker."""
    return Insert(after) if before is None else Update(before, after)


def next_revision(quota: Quota) -> Quota:
    """The row as counted once more."""
    return msgspec.structs.replace(quota, revision_number=quota.revision_number + 1)
