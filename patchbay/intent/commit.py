"""Makes acknowledged transactions durable at the price of as few disk syncs as possible.

Used by ``database``. A transaction that is alone asks for its own sync. Those that arrive while another is under way
are sent together, not durable each, with one small durable write behind them: its sync covers them all, and only then
are they acknowledged. (A durable transaction that changes nothing would not sync, hence
``Patchbay.durable_sequence``.) A cluster agrees on one transaction after the other and syncs each, so there those that
wait become one, and only if that one is refused each goes for itself.
"""

import asyncio
import contextlib
from typing import Any

from patchbay.ovsdb import Connection, OvsdbError, TransactionError

Operation = dict[str, Any]

_COMMIT: Operation = {"op": "commit", "durable": True}
_DURABLE_WRITE: list[Operation] = [
    {"op": "mutate", "table": "Patchbay", "where": [], "mutations": [["durable_sequence", "+=", 1]]},
    _COMMIT,
]


class CommitQueue:
    """Transactions on their way to a connection.

    ``may_count``: false for an agent, whose role lets it write nothing but its own rows. Each of its transactions asks
    for its own sync.
    """

    def __init__(self, connection: Connection, *, may_count: bool = True) -> None:
        self._connection = connection
        self._may_count = may_count
        self._waiting: list[tuple[list[Operation], asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def commit(self, operations: list[Operation]) -> None:
        """Returns when the transaction is durable. Raises as ``Connection.transact`` does."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((operations, future))
        if self._task is None:
            self._task = asyncio.create_task(self._drain(), name="intent commits")
        await future

    async def flush(self) -> None:
        """Returns when everything that the server has executed is durable."""
        if self._may_count:
            await self.commit(list(_DURABLE_WRITE[:1]))

    async def ensure_row(self) -> None:
        """Makes the row that durable writes go to, in a new database."""
        absent: Operation = {"op": "wait", "table": "Patchbay", "timeout": 0, "where": [], "until": "==", "rows": []}
        found = await self._connection.transact([{"op": "select", "table": "Patchbay", "where": [], "columns": []}])
        if not found[0]["rows"]:
            with contextlib.suppress(TransactionError):  # another client was quicker
                await self._connection.transact([absent, {"op": "insert", "table": "Patchbay", "row": {}}, _COMMIT])

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._send(batch)
        finally:
            self._task = None

    async def _send(self, batch: list[tuple[list[Operation], asyncio.Future[None]]]) -> None:
        clustered = self._connection.is_clustered
        if clustered and len(batch) > 1 and await self._send_merged(batch):
            return
        each_durable = clustered or len(batch) == 1 or not self._may_count
        transactions = [[*operations, _COMMIT] if each_durable else operations for operations, _ in batch]
        if not each_durable:
            transactions.append(_DURABLE_WRITE)
        outcomes = await asyncio.gather(*self._connection.submit(transactions), return_exceptions=True)
        durable = None if each_durable else outcomes[-1]
        for (_, future), outcome in zip(batch, outcomes, strict=False):
            error = outcome if isinstance(outcome, BaseException) else durable
            if future.done():
                continue
            if isinstance(error, BaseException):
                future.set_exception(error)
            else:
                future.set_result(None)

    async def _send_merged(self, batch: list[tuple[list[Operation], asyncio.Future[None]]]) -> bool:
        """All as one transaction; False when that was refused, which says nothing about most of them."""
        merged = [operation for operations, _ in batch for operation in operations]
        try:
            await self._connection.transact([*merged, _COMMIT])
        except TransactionError:
            return False
        except OvsdbError as error:
            _settle(batch, error)
        else:
            _settle(batch, None)
        return True


def _settle(batch: list[tuple[list[Operation], asyncio.Future[None]]], error: OvsdbError | None) -> None:
    for _, future in batch:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
