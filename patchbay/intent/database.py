"""The intent database as model values: what there is, by id and by index; what changed; how to change it.

The service opens it whole, each agent with an ``AgentScope``. Mappings are live and change only between two steps of
the event loop, all of a transaction at once. ``transact`` returns when the change is durable and visible here.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import resources
from typing import Any, Self

import msgspec

from patchbay.intent.columns import MODELS, Model
from patchbay.intent.commit import CommitQueue
from patchbay.intent.errors import (
    Duplicate,
    NotPermitted,
    Refused,
    SchemaMismatch,
    Stale,
    StillReferenced,
    Unavailable,
    duplicate_from,
)
from patchbay.intent.rows import Delete, Insert, OperationList, Reader, Update, Write, is_same, join_addresses, reader
from patchbay.intent.scope import AGENT_COLUMNS, ALL_COLUMNS, AgentScope
from patchbay.intent.tables import Tables
from patchbay.model import Port
from patchbay.ovsdb import (
    Connection,
    ConnectionLost,
    ConstraintViolation,
    Credentials,
    DuplicateUUID,
    Inexpressible,
    OvsdbError,
    ReferentialIntegrityViolation,
    Replica,
    RowChange,
    TransactionError,
    UnknownOutcome,
    WaitFailed,
)

logger = logging.getLogger(__name__)

DATABASE = "Patchbay"
FIRST_PAUSE_S = 0.05
PATIENCE_S = 15.0
"""How long a write waits for a server, or for the truth about a write whose answer was lost."""

_BAD_VALUES = ("syntax error", "range error", "domain error")
_ORDER = {table: number for number, table in enumerate(MODELS)}


class Change(msgspec.Struct, frozen=True, gc=False):
    """An object before and after; ``old`` is None for a new one, ``new`` for one that has gone (or left the scope)."""

    old: Model | None
    new: Model | None


Subscriber = Callable[[list[Change]], None]


def schema_text() -> str:
    """The schema of this version of Patchbay, as JSON."""
    return resources.files("patchbay.intent").joinpath("patchbay.ovsschema").read_text("utf-8")


class IntentDatabase(Tables):
    """See the module. ``open`` makes one."""

    def __init__(self, connection: Connection, scope: AgentScope | None) -> None:
        self.connection = connection
        super().__init__(is_whole=scope is None)
        self._scope = scope
        self._columns = ALL_COLUMNS if scope is None else AGENT_COLUMNS
        self._replica = Replica(connection, self._columns, scope.conditions() if scope else None)
        self._queue = CommitQueue(connection, may_count=scope is None)
        self._subscribers: list[Subscriber] = []
        self._unjoined: set[str] = set()
        self._readers: dict[str, Reader] = {table: reader(table, self._columns[table]) for table in MODELS}

    @classmethod
    async def open(
        cls,
        remotes: Sequence[str],
        scope: AgentScope | None = None,
        *,
        timeout_s: float | None = None,
        leader_only: bool | None = None,
        credentials: Credentials | None = None,
    ) -> Self:
        """Connects to one of ``remotes`` and returns when the scope's content is here.

        Without a scope (the service), upgrades the schema when the database's is older, and follows the leader of a
        cluster. Waits for a server, ``timeout_s`` seconds at most: then raises Unavailable. Raises SchemaMismatch when
        the database was made by a newer Patchbay, or waits for an upgrade that an agent may not make.
        """
        only = scope is None if leader_only is None else leader_only
        try:
            connection = await Connection.open(
                remotes, DATABASE, leader_only=only, timeout_s=timeout_s, credentials=credentials
            )
        except ConnectionLost as error:
            raise Unavailable(error.message, "Is 'patchbay serve' running?") from error
        database = cls(connection, scope)
        try:
            await database._begin()
        except BaseException:
            await connection.close()
            raise
        return database

    @property
    def is_connected(self) -> bool:
        """Whether a server is connected now."""
        return self.connection.is_connected

    @property
    def in_sync(self) -> asyncio.Event:
        """Set while a server is connected and everything that it has in scope is here."""
        return self._replica.in_sync

    def on_state(self, callback: Callable[[bool], None]) -> None:
        """Calls ``callback(True)`` whenever a server is connected, ``callback(False)`` whenever it was lost."""
        self.connection.on_state(callback)

    def subscribe(self, callback: Subscriber) -> None:
        """``callback`` hears every change from now on: once for each update message, synchronously."""
        self._subscribers.append(callback)

    async def watch(
        self,
        networks: Collection[str] | AgentScope,
        ports: Collection[str] = (),
        routers: Collection[str] = (),
        interfaces: Collection[str] = (),
    ) -> None:
        """Agents: watch these networks, these ports besides one's own, these routers, and ports by interface name; or
        all that a scope says.

        Returns when their content is here. See ``AgentScope``.
        """
        assert self._scope is not None, "only an agent's scope can change"
        if isinstance(networks, AgentScope):
            scope = networks
        else:
            watched = (frozenset(ids) for ids in (networks, ports, routers, interfaces))
            scope = AgentScope(self._scope.host, *watched)
        if scope != self._scope:
            self._scope = scope
            await self._replica.set_conditions(scope.conditions())

    async def transact(self, *writes: Write) -> None:
        """Makes all the changes or none, durably. When it returns they show here.

        Raises Duplicate (an index), StillReferenced (references), Stale (changed meanwhile), NotPermitted (an agent's
        role), or Unavailable: no server within ``PATIENCE_S``, so that for a write that was under way its outcome is
        not known. A write whose answer is lost is looked up, and repeated only if it did not happen.
        """
        if not writes:
            return
        sent = in_doubt = False
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await self._replica.in_sync.wait()
                    if in_doubt and self._shows(writes):
                        await self._queue.flush()
                        break
                    operations = self._operations(writes)
                    try:
                        sent = True
                        await self._queue.commit(operations)
                        break
                    except UnknownOutcome:
                        in_doubt = True
                    except ConnectionLost:
                        sent = in_doubt
                    except (WaitFailed, DuplicateUUID, ConstraintViolation) as error:
                        if in_doubt and self._shows(writes):
                            continue
                        raise _explained(error) from error
        except TimeoutError:
            doubt = "whether the change was made is not known" if sent else "nothing was changed"
            raise Unavailable(f"No server of the intent database answered in {PATIENCE_S:.0f} s; {doubt}.") from None
        except TransactionError as error:
            raise _explained(error) from error
        except Inexpressible as error:
            raise Refused(error.message) from error

    async def close(self) -> None:
        """Ends the connection."""
        await self.connection.close()

    async def _begin(self) -> None:
        if self._scope is None:
            await self._prepare()
        self._replica.subscribe(self._follow)
        try:
            await self._replica.start()
        except OvsdbError as error:
            raise SchemaMismatch(error.message, "Start 'patchbay serve' of this version first: it upgrades.") from error

    async def _prepare(self) -> None:
        """Converts the database online when its schema is older than this Patchbay's; makes its first row."""
        schema = msgspec.json.decode(schema_text())
        ours = schema["version"]
        while True:
            with contextlib.suppress(ConnectionLost):
                await self.connection.wait_connected()
                theirs = self.connection.schema_version
                if version_number(theirs) > version_number(ours):
                    raise newer_schema(theirs, ours)
                if version_number(theirs) == version_number(ours):
                    return await self._queue.ensure_row()
                logger.info("converting the intent database from schema %s to %s", theirs, ours)
                await self.connection.request("convert", [DATABASE, schema])
                self.connection.reconnect("its schema was converted")
            await asyncio.sleep(FIRST_PAUSE_S)

    def _operations(self, writes: Sequence[Write]) -> list[dict[str, Any]]:
        operations = OperationList(self._columns, self._replica.rows)
        for write in writes:
            operations.add(write)
        return operations.operations

    def _shows(self, writes: Sequence[Write]) -> bool:
        """Whether the database is as if all of ``writes`` had happened."""
        for write in writes:
            value = write.new if isinstance(write, Update) else write.value
            table = self._tables[type(value).__name__]
            shown = table.get(value.id)
            if isinstance(write, Delete):
                if shown is not None:
                    return False
            elif shown is None or (isinstance(write, Update) and not is_same(shown, value)):
                return False
        return True

    def _follow(self, row_changes: list[RowChange]) -> None:
        ports: set[str] = set()
        changes: list[Change] = []
        if len(row_changes) > 1:
            row_changes.sort(key=lambda change: _ORDER.get(change.table, -1))
        for change in row_changes:
            if change.table == "Address":
                if change.new is not None and self._unjoined:
                    ports |= self._unjoined
            else:
                ports.discard(change.uuid)
                self._take_in(change.table, change.uuid, change.new, changes)
        rows = self._replica.rows("Port")
        for port_id in ports:
            if port_id in self._unjoined:
                self._take_in("Port", port_id, rows.get(port_id), changes)
        if changes:
            for subscriber in self._subscribers:
                try:
                    subscriber(changes)
                except Exception:  # a subscriber's fault must not end the feed of the others
                    logger.exception("a subscriber of the intent database failed")

    def _take_in(self, table: str, row_id: str, row: Mapping[str, Any] | None, changes: list[Change]) -> None:
        old, new = self._tables[table].get(row_id), None
        if table == "Port":
            self._unjoined.discard(row_id)
        if row is not None:
            new = self._readers[table](row_id, row)
            if isinstance(new, Port):
                new, complete = join_addresses(new, row, self._replica.rows("Address"))
                if not complete:
                    self._unjoined.add(row_id)
        if new == old:
            return
        self._put(table, old, new)
        changes.append(Change(old, new))


def version_number(version: str) -> tuple[int, ...]:
    """``1.2.0`` as (1, 2, 0); versions of schemas compare like that."""
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def newer_schema(theirs: str, ours: str) -> SchemaMismatch:
    """The error for a database that this Patchbay is too old for."""
    return SchemaMismatch(
        f"The intent database has schema version {theirs}, and this Patchbay knows versions up to {ours}.",
        "Install the newer Patchbay that made it, or a later one.",
    )


def _explained(error: TransactionError) -> Exception:  # noqa: PLR0911  # one for each kind
    """The intent layer's word for a refused transaction."""
    if isinstance(error, ConstraintViolation):
        return duplicate_from(error) or Refused(f"The intent database refused the change: {error.details}.")
    if isinstance(error, ReferentialIntegrityViolation):
        return StillReferenced(f"The change breaks a reference: {error.details}")
    if isinstance(error, WaitFailed):
        return Stale("The object was changed or deleted in the meantime.")
    if isinstance(error, DuplicateUUID):
        return Duplicate("object", ("id",), error.details)
    if error.error == "permission error":
        return NotPermitted(f"The intent database refused the change: {error.details}.")
    if error.error in _BAD_VALUES:
        return Refused(f"The intent database refused the change: {error.message}.")
    return Unavailable(f"The intent database failed: {error.message}.")


__all__ = [
    "AgentScope",
    "Change",
    "Delete",
    "Duplicate",
    "Insert",
    "IntentDatabase",
    "Model",
    "NotPermitted",
    "Refused",
    "SchemaMismatch",
    "Stale",
    "StillReferenced",
    "Unavailable",
    "Update",
    "Write",
]
