"""Monitored tables of a database, kept in memory, and a feed of what changed.

Used by the intent layer and by the host layer. A replica survives reconnection: it resumes after the last transaction
that it has seen, or, when the server does not know that one any more, takes all rows anew and tells only what differs.
Subscribers are called once for each update message, synchronously; what they see in ``rows`` is then already the new
state.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from patchbay.ovsdb.client import ABSENT, Connection, RowUpdate, TableUpdates
from patchbay.ovsdb.errors import ConnectionLost, OvsdbError
from patchbay.ovsdb.session import Session
from patchbay.ovsdb.values import NO_UUID, Column, Row, columns_of

logger = logging.getLogger(__name__)

Clause = Sequence[Any] | bool
Conditions = Mapping[str, Sequence[Clause]]


class RowChange(msgspec.Struct, frozen=True, gc=False):
    """A row before and after; ``old`` is None for a new row, ``new`` for one that has gone (or left the conditions)."""

    table: str
    uuid: str
    old: Row | None
    new: Row | None


Subscriber = Callable[[list[RowChange]], None]
_decode_row = msgspec.json.Decoder(dict[str, Any]).decode
_decode_reply = msgspec.json.Decoder(tuple[bool, str, TableUpdates]).decode


class Replica:
    """See the module. ``tables`` names the columns that it holds, of each table."""

    def __init__(
        self, connection: Connection, tables: Mapping[str, Sequence[str]], conditions: Conditions | None = None
    ) -> None:
        self.monitor_id = 0
        self.in_sync = asyncio.Event()
        self._connection = connection
        self._tables = {table: tuple(columns) for table, columns in tables.items()}
        self._columns: dict[str, dict[str, Column]] = {}
        self._defaults: dict[str, Row] = {}
        self._rows: dict[str, dict[str, Row]] = {table: {} for table in tables}
        self._subscribers: list[Subscriber] = []
        self._wanted: dict[str, Sequence[Clause]] = dict(conditions or {})
        self._asked = self._acknowledged = self._wanted
        self._transaction_id = NO_UUID
        self._session: Session | None = None
        self._started: asyncio.Future[None] | None = None
        self._answer: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        """Returns when the replica holds the database's content. Raises OvsdbError for an unknown table or column."""
        self._started = asyncio.get_running_loop().create_future()
        self._connection.attach(self)
        await self._started

    def rows(self, table: str) -> Mapping[str, Row]:
        """Rows by UUID; the mapping is live, the rows never change."""
        return self._rows[table]

    def subscribe(self, callback: Subscriber) -> None:
        """``callback`` hears every change from now on."""
        self._subscribers.append(callback)

    async def set_conditions(self, conditions: Conditions) -> None:
        """Watches only rows for which one of the clauses of their table holds (ovsdb-server(7), 4.1.12).

        A table without an entry is watched whole; ``[False]`` means none of its rows. When this returns, the replica
        holds the rows. While disconnected it takes effect with the next session, and this returns then.
        """
        self._wanted = dict(conditions)
        while self._acknowledged != self._wanted:
            await self.in_sync.wait()
            if self._asked != self._wanted:
                self._ask_conditions()
            error = await asyncio.shield(self._answer)
            if error is not None and not isinstance(error, ConnectionLost):
                raise error
        await self.in_sync.wait()

    def begin(self, session: Session) -> None:
        """Sends the monitor request; called by the connection."""
        self._session = session
        schema = self._connection.schema
        try:
            self._columns = {
                table: columns_of({column: schema[table][column] for column in columns})
                for table, columns in self._tables.items()
            }
        except KeyError as error:
            self._fail(OvsdbError(f"The database {self._connection.database} has no table or column {error}."))
            return
        self._defaults = {
            table: {name: column.default for name, column in columns.items()}
            for table, columns in self._columns.items()
        }
        if self._acknowledged != self._wanted or self._acknowledged != self._asked:
            # Rows that the new conditions let in or out may not have been told yet: begin anew.
            self._transaction_id = NO_UUID
        self._asked = self._acknowledged = conditions = self._wanted
        request = {
            table: [{"columns": columns, **_where(conditions, table)}] for table, columns in self._tables.items()
        }
        parameters = [self._connection.database, self.monitor_id, request, self._transaction_id]
        session.send([("monitor_cond_since", parameters, self._begun)])

    def update(self, transaction_id: str, updates: TableUpdates) -> None:
        """Takes in one update message; called by the connection."""
        changes: list[RowChange] = []
        for table, rows in updates.items():
            self._take_in(table, rows, changes)
        self._transaction_id = transaction_id
        self._tell(changes)

    def end(self) -> None:
        """The session has ended; called by the connection."""
        self._session = None
        self.in_sync.clear()

    def _begun(self, result: msgspec.Raw | None, error: Exception | None) -> None:
        if result is None:
            if not isinstance(error, ConnectionLost):
                self._fail(error or OvsdbError("The server gave no answer to monitor_cond_since."))
            return
        found, transaction_id, updates = _decode_reply(result)
        changes: list[RowChange] = []
        for table in self._tables:
            rows = updates.pop(table, {})
            if not found:
                self._drop_absent(table, rows, changes)
            self._take_in(table, rows, changes)
        self._transaction_id = transaction_id
        self.in_sync.set()
        self._tell(changes)
        if self._started is not None and not self._started.done():
            self._started.set_result(None)

    def _fail(self, error: Exception) -> None:
        if self._started is not None and not self._started.done():
            self._started.set_exception(error)
        elif self._session is not None:
            self._session.close(f"monitor refused: {error}")

    def _take_in(self, table: str, updates: dict[str, RowUpdate], changes: list[RowChange]) -> None:
        rows, columns, defaults = self._rows[table], self._columns[table], self._defaults[table]
        for uuid, update in updates.items():
            old = rows.get(uuid)
            content = update.insert if update.initial is ABSENT else update.initial
            new: Row | None
            if content is not ABSENT:
                new = dict(defaults)
                for name, value in _decode_row(content).items():
                    new[name] = columns[name].decode(value)
            elif update.modify is not ABSENT:
                new = dict(old or defaults)
                for name, value in _decode_row(update.modify).items():
                    new[name] = columns[name].update(new[name], value)
            else:
                rows.pop(uuid, None)
                new = None
            if new != old:
                changes.append(RowChange(table, uuid, old, new))
                if new is not None:
                    rows[uuid] = new

    def _drop_absent(self, table: str, updates: dict[str, RowUpdate], changes: list[RowChange]) -> None:
        rows = self._rows[table]
        for uuid in [uuid for uuid in rows if uuid not in updates]:
            changes.append(RowChange(table, uuid, rows.pop(uuid), None))

    def _tell(self, changes: list[RowChange]) -> None:
        if changes:
            for subscriber in self._subscribers:
                try:
                    subscriber(changes)
                except Exception:  # a subscriber's fault must not end the feed of the others
                    logger.exception("a subscriber of %s failed", self._connection.database)

    def _ask_conditions(self) -> None:
        """Sends what differs from the conditions asked for last; who asked need not wait for the answer."""
        assert self._session is not None, "a replica in sync has a session"
        wanted = self._wanted
        changed = {
            table: [_where(wanted, table) or {"where": [True]}]
            for table in self._tables
            if wanted.get(table) != self._asked.get(table)
        }
        self._asked = wanted
        self._answer = answer = asyncio.get_running_loop().create_future()

        def answered(_result: msgspec.Raw | None, error: Exception | None) -> None:
            if error is None:
                self._acknowledged = wanted
            answer.set_result(error)

        self._session.send([("monitor_cond_change", [self.monitor_id, self.monitor_id, changed], answered)])


def _where(conditions: Conditions, table: str) -> dict[str, Any]:
    return {"where": list(conditions[table])} if table in conditions else {}
