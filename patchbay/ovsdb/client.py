"""A connection to one OVSDB database that repairs itself: transactions, locks, and the sessions that replicas live on.

Used by the intent layer and by the host layer. It goes through its remotes until one serves the database (with
``leader_only``: leads it), tells its replicas, and starts again when the session ends: at once at the next remote,
after a round through all of them with a pause that grows from 50 ms to 2 s. A transaction that was under way when the
session broke is never sent again by itself: it raises ``UnknownOutcome``.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self

import msgspec

from patchbay.ovsdb.errors import ConnectionLost, OvsdbError, RemoteError, raise_for
from patchbay.ovsdb.remote import Remote, parse_remote, short_path
from patchbay.ovsdb.session import STRANGE, Session
from patchbay.ovsdb.tls import Credentials, client_context
from patchbay.ovsdb.values import Schema, parse_schema

logger = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S, ELECTION_PAUSE_S = 0.05, 2.0, 0.4
CONNECT_TIMEOUT_S = 5.0
PROBE_S = 5.0

Operation = dict[str, Any]
Result = dict[str, Any]

ABSENT = msgspec.Raw()


class RowUpdate(msgspec.Struct, gc=False):
    """What happened to one row (ovsdb-server(7), 4.1.14), undecoded; a deleted row has none of the three.

    Undecoded, because thousands of decoded rows at once take several times the memory of their text.
    """

    initial: msgspec.Raw = ABSENT
    insert: msgspec.Raw = ABSENT
    modify: msgspec.Raw = ABSENT


TableUpdates = dict[str, dict[str, RowUpdate]]


class Monitor(Protocol):
    """What lives on the sessions of a connection: a replica."""

    monitor_id: int

    def begin(self, session: Session) -> None:
        """A session has begun; send the monitor request now."""

    def update(self, transaction_id: str, updates: TableUpdates) -> None:
        """The server tells changes."""

    def end(self) -> None:
        """The session has ended."""


class _ServerDatabase(msgspec.Struct):
    """The row of a database in ``_Server`` (ovsdb-server(5))."""

    model: str = "standalone"
    connected: bool = True
    leader: bool = True


_IDENTIFIER = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_decode_update3 = msgspec.json.Decoder(tuple[int, str, TableUpdates]).decode
_decode_any = msgspec.json.Decoder().decode


class Connection:
    """See the module. ``schema`` and ``is_clustered`` are those that the server told last."""

    def __init__(
        self,
        remotes: Sequence[str],
        database: str,
        *,
        leader_only: bool,
        probe_s: float,
        credentials: Credentials | None = None,
    ) -> None:
        self.database = database
        self._credentials = credentials
        self.schema: Schema = {}
        self.schema_version = ""
        self.is_clustered = False
        self._remotes = [parse_remote(remote) for remote in remotes]
        self._leader_only = leader_only
        self._probe_s = probe_s
        self._session: Session | None = None
        self._connected = asyncio.Event()
        self._monitors: dict[int, Monitor] = {}
        self._locks: dict[str, Callable[[bool], None]] = {}
        self._state_callbacks: list[Callable[[bool], None]] = []
        self._last_failure = "no server was tried yet"
        self._row = _ServerDatabase()
        self._schema: dict[str, Any] = {}
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        remotes: Sequence[str],
        database: str,
        *,
        leader_only: bool = False,
        probe_s: float = PROBE_S,
        timeout_s: float | None = None,
        credentials: Credentials | None = None,
    ) -> Self:
        """Connects to the first of ``remotes`` (``unix:PATH``, ``tcp:…``, ``ssl:ADDRESS:PORT``) with ``database``.

        Waits until one does, or ``timeout_s`` seconds and then raises ConnectionLost. ``probe_s``: seconds of silence
        after which the server is asked for a sign of life. ``credentials`` are read again for every session with
        an ``ssl:`` remote.
        """
        connection = cls(remotes, database, leader_only=leader_only, probe_s=probe_s, credentials=credentials)
        connection._task = asyncio.create_task(connection._run(), name=f"ovsdb {database}")
        try:
            await connection.wait_connected(timeout_s)
        except BaseException:
            await connection.close()
            raise
        return connection

    @property
    def is_connected(self) -> bool:
        """Whether a session with a suitable server exists."""
        return self._connected.is_set()

    @property
    def last_failure(self) -> str:
        """Why the last session ended, or could not begin."""
        return self._last_failure

    async def wait_connected(self, timeout_s: float | None = None) -> None:
        """Returns when connected; raises ConnectionLost after ``timeout_s`` seconds."""
        if self._task is None:
            raise ConnectionLost(f"The connection to {self.database} was closed.")
        if self._connected.is_set():
            return
        try:
            async with asyncio.timeout(timeout_s):
                await self._connected.wait()
        except TimeoutError:
            raise ConnectionLost(f"No server for the database {self.database}: {self._last_failure}.") from None

    def on_state(self, callback: Callable[[bool], None]) -> None:
        """Calls ``callback(True)`` whenever connected, ``callback(False)`` whenever the session has ended."""
        self._state_callbacks.append(callback)

    async def transact(self, operations: Sequence[Operation], timeout_s: float = 10.0) -> list[Result]:
        """Executes operations (RFC 7047, 5.2) atomically; returns one result for each.

        Waits up to ``timeout_s`` for a connection. Raises TransactionError when nothing of it happened, ConnectionLost
        when it was not sent, UnknownOutcome when the connection broke meanwhile. Replicas show the result when this
        returns.
        """
        if self._session is None:
            await self.wait_connected(timeout_s)
        return await self.submit([operations])[0]

    def submit(self, transactions: Sequence[Sequence[Operation]]) -> list[asyncio.Future[list[Result]]]:
        """Sends several transactions at once; the server executes them in this order. For errors see ``transact``."""
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[list[Result]]] = [loop.create_future() for _ in transactions]
        if self._session is None:
            for future in futures:
                future.set_exception(ConnectionLost(f"Not connected to {self.database}: {self._last_failure}."))
            return futures
        self._session.send(
            [
                ("transact", [self.database, *operations], _settle(future))
                for operations, future in zip(transactions, futures, strict=True)
            ]
        )
        return futures

    async def request(self, method: str, params: list[Any]) -> Any:
        """Any other method of the server, sent once. Raises RemoteError or ConnectionLost."""
        await self.wait_connected(CONNECT_TIMEOUT_S)
        assert self._session is not None
        return await self._session.request(method, params)

    async def lock(self, name: str, callback: Callable[[bool], None]) -> None:
        """Asks for a lock (RFC 7047, 4.1.8), on every later session too; ``callback`` hears when it is had or lost."""
        if not _IDENTIFIER.fullmatch(name):
            raise OvsdbError(f"{name!r} is no name for a lock.", "Use letters, digits and underscores (RFC 7047, 3.1).")
        self._locks[name] = callback
        if self._session is not None:
            self._request_lock(self._session, name)

    async def unlock(self, name: str) -> None:
        """Gives a lock back."""
        if self._locks.pop(name, None) is not None and self._session is not None:
            await self._session.request("unlock", [name])

    def attach(self, monitor: Monitor) -> None:
        """``monitor`` takes part in this session, if there is one, and in every later one."""
        monitor.monitor_id = max(self._monitors, default=0) + 1
        self._monitors[monitor.monitor_id] = monitor
        if self._session is not None:
            monitor.begin(self._session)

    def reconnect(self, reason: str) -> None:
        """Ends the session and begins another, which learns the schema anew."""
        if self._session is not None:
            self._session.close(reason)

    async def close(self) -> None:
        """Ends the session for good."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        loop, pause_s = asyncio.get_running_loop(), FIRST_PAUSE_S
        while True:
            longest_s = LONGEST_PAUSE_S
            for remote in self._remotes:
                try:
                    session = await self._connect(remote)
                    since = loop.time()
                    await self._serve(session, remote)
                    if loop.time() - since > LONGEST_PAUSE_S:
                        pause_s = FIRST_PAUSE_S
                except (OSError, OvsdbError, TimeoutError) as error:
                    self._last_failure = f"{remote}: {str(error) or 'no answer in time'}".rstrip(".")
                    if isinstance(error, (_Unsuitable, RemoteError)):
                        longest_s = ELECTION_PAUSE_S
                    logger.debug("OVSDB %s: %s", self.database, self._last_failure)
                except Exception:  # a fault of ours must not end the connection
                    logger.exception("OVSDB %s: cannot use %s", self.database, remote)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, longest_s)

    async def _connect(self, remote: Remote) -> Session:
        """A session with a server that serves the database, or an error why not."""
        loop = asyncio.get_running_loop()

        def protocol() -> Session:
            return Session(self._notified, self._ended, self._probe_s)

        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            if remote.port:
                context = client_context(self._credentials, remote) if remote.is_tls else None
                _, session = await loop.create_connection(
                    protocol, remote.address, remote.port, ssl=context, server_hostname="" if context else None
                )
            else:
                with short_path(remote.address) as path:
                    _, session = await loop.create_unix_connection(protocol, path)
            try:
                await self._inspect(session)
            except BaseException:
                session.close("unsuitable")
                raise
        return session

    async def _inspect(self, session: Session) -> None:
        self._row = _ServerDatabase()
        columns = ["model", "connected", "leader"]
        table = {"Database": [{"columns": columns, "where": [["name", "==", self.database]]}]}
        # Asked for by itself: the schema in _Server stays the old one when a database was converted (seen in 3.1).
        reply, schema = await asyncio.gather(
            session.request("monitor_cond", ["_Server", "_Server", table]),
            session.request("get_schema", [self.database]),
        )
        if not reply:
            raise _Unsuitable(f"the server has no database {self.database}")
        try:
            self._take_over(reply, schema)
        except STRANGE as error:
            if isinstance(error, OvsdbError):
                raise
            raise OvsdbError(
                f"What the server says of itself cannot be read: {type(error).__name__}: {error}"
            ) from error

    def _take_over(self, reply: dict[str, Any], schema: dict[str, Any]) -> None:
        self._server_update(reply)
        problem = self._problem()
        if problem:
            raise _Unsuitable(problem)
        self.is_clustered = self._row.model == "clustered"
        if schema != self._schema:
            self.schema = parse_schema(schema)
            self._schema, self.schema_version = schema, str(schema.get("version", ""))

    async def _serve(self, session: Session, remote: Remote) -> None:
        if session.closed.done():
            return
        logger.info("OVSDB %s: connected to %s", self.database, remote)
        self._session = session
        self._connected.set()
        for monitor in self._monitors.values():
            monitor.begin(session)
        for name in self._locks:
            self._request_lock(session, name)
        if self._session is session:
            self._tell(self._state_callbacks, True)
        try:
            reason = await asyncio.shield(session.closed)
            self._last_failure = f"{remote}: {reason}"
            logger.info("OVSDB %s: disconnected from %s", self.database, self._last_failure)
        finally:
            session.close("closed by this client")

    def _ended(self) -> None:
        """Called by a session the moment it closes. One that was never served is not this connection's."""
        if self._session is None or not self._session.closed.done():
            return
        self._session = None
        self._connected.clear()
        for monitor in self._monitors.values():
            monitor.end()
        self._tell([*self._locks.values(), *self._state_callbacks], False)

    def _tell(self, callbacks: Sequence[Callable[[bool], None]], value: bool) -> None:
        for callback in callbacks:
            try:
                callback(value)
            except Exception:  # a listener's fault must not end the connection
                logger.exception("OVSDB %s: a listener failed", self.database)

    def _notified(self, method: str, params: msgspec.Raw) -> None:
        if method == "update3":
            monitor_id, transaction_id, updates = _decode_update3(params)
            self._monitors[monitor_id].update(transaction_id, updates)
        elif method == "update2":
            self._server_update(_decode_any(params)[1])
            problem = self._problem()
            if problem and self._session is not None:
                self._session.close(problem)
        elif method in ("locked", "stolen"):
            callback = self._locks.get(_decode_any(params)[0])
            if callback is not None:
                self._tell([callback], method == "locked")
        elif method == "monitor_canceled" and self._session is not None:
            self._session.close("the server ended a monitor, because its schema changes")

    def _server_update(self, updates: dict[str, Any]) -> None:
        for update in updates.get("Database", {}).values():
            changed = update.get("initial") or update.get("insert") or update.get("modify")
            if changed is None:
                self._row.connected = False
            elif "initial" in update or "insert" in update:
                # Columns with default values are left out.
                values = {"connected": False, "leader": False} | changed
                self._row = msgspec.convert(values, _ServerDatabase)
            else:
                self._row = msgspec.convert(msgspec.structs.asdict(self._row) | changed, _ServerDatabase)

    def _problem(self) -> str:
        """Why the server cannot serve this connection; "" when it can."""
        if not self._row.connected:
            return "the server is not part of a cluster with a majority"
        if self._leader_only and not self._row.leader:
            return "the server does not lead its cluster"
        return ""

    def _request_lock(self, session: Session, name: str) -> None:
        def reply(result: msgspec.Raw | None, _error: Exception | None) -> None:
            callback = self._locks.get(name)
            if result is not None and callback is not None and _decode_any(result)["locked"]:
                self._tell([callback], True)

        session.send([("lock", [name], reply)])


class _Unsuitable(OvsdbError):
    """The server answers but does not serve (or lead) the database, now."""


def _settle(future: asyncio.Future[list[Result]]) -> Callable[[msgspec.Raw | None, Exception | None], None]:
    def reply(result: msgspec.Raw | None, error: Exception | None) -> None:
        if future.done():
            return
        try:
            if error is not None:
                raise error
            results = _decode_any(result or b"[]")
            raise_for(results)
        except OvsdbError as failure:
            future.set_exception(failure)
        else:
            future.set_result(results)

    return reply


__all__ = ["Connection", "ConnectionLost", "Monitor", "Operation", "RemoteError", "Result", "RowUpdate", "TableUpdates"]
