"""One OpenFlow 1.4 session over one socket: framing, handshake, requests and their answers.

Used by ``openflow``, which keeps a session alive and knows what the messages are for. A session lives from connection
to loss; whatever waits on it then gets BridgeUnreachable.
"""

import asyncio
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from patchbay.errors import HostError
from patchbay.host import openflow_messages as of
from patchbay.host.flow_errors import BridgeUnreachable
from patchbay.host.openflow_messages import MonitorEvent, SwitchError

_REPLY_S = 30.0
_REPLIES = frozenset((of.BARRIER_REPLY, of.BUNDLE_CONTROL, of.MULTIPART_REPLY))
_HEADER = struct.Struct(">BBHI")


class SwitchRefused(HostError):
    """The switch answered a request (not a flow) with an error."""

    def __init__(self, error: SwitchError) -> None:
        super().__init__(f"The switch refused a request: {error.reason}.", error.remedy)
        self.error = error


class OpenFlowWire(asyncio.Protocol):
    """One session. ``on_events`` is called with what the flow monitor reports, at most once per arrival of data."""

    def __init__(self, bridge: str, on_events: Callable[[Sequence[MonitorEvent]], None]) -> None:
        self._bridge = bridge
        self._on_events = on_events
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._xid = 0
        self._bundle_id = 0
        self._hello: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting: dict[int, asyncio.Future[list[bytes]]] = {}
        self._parts: dict[int, list[bytes]] = {}
        self._watched = range(0)
        self._refused: dict[int, SwitchError] = {}
        self._writable = asyncio.Event()
        self._writable.set()
        self.lost = asyncio.Event()

    async def handshake(self) -> None:
        """Agree on OpenFlow 1.4 and start the flow monitor. Raises BridgeUnreachable when the switch declines."""
        self._write(of.hello(self._new_xid()))
        try:
            async with asyncio.timeout(_REPLY_S):
                await self._hello
            await self.request(of.flow_monitor_request)
        except SwitchRefused as refusal:
            reason, remedy = refusal.error.reason, refusal.error.remedy
            raise BridgeUnreachable(f"Bridge {self._bridge} declined the connection: {reason}.", remedy) from None
        except TimeoutError:
            raise BridgeUnreachable(f"Bridge {self._bridge} does not answer.", "Is ovs-vswitchd well?") from None

    async def request(self, build: Callable[[int], bytes]) -> list[bytes]:
        """Send the message that ``build`` makes for a transaction id, and wait for all parts of the answer.

        Raises SwitchRefused, or BridgeUnreachable when the session is lost or the switch is silent for 30 s.
        """
        xid = self._new_xid()
        answer: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()
        self._waiting[xid] = answer
        try:
            self._write(build(xid))
            async with asyncio.timeout(_REPLY_S):
                return await answer
        except TimeoutError:
            # What it did with the request is unknown: end the session, so that flows are observed anew.
            self.close()
            raise BridgeUnreachable(f"Bridge {self._bridge} does not answer.", "Is ovs-vswitchd well?") from None
        finally:
            self._waiting.pop(xid, None)
            self._parts.pop(xid, None)

    async def flow_mods(self, bodies: Sequence[bytes]) -> dict[int, SwitchError]:
        """Send flow_mods one by one and wait until they are in the tables. Returns the errors by position."""
        return await self.mods(of.FLOW_MOD, bodies)

    async def mods(self, kind: int, bodies: Sequence[bytes]) -> dict[int, SwitchError]:
        """As ``flow_mods``, for messages of any kind that are answered by errors only."""
        first = self._watch(len(bodies))
        self._write(b"".join(of.message(kind, xid, body) for xid, body in enumerate(bodies, first)))
        await self.request(lambda xid: of.message(of.BARRIER_REQUEST, xid))
        return self._refused

    async def bundle(self, chunks: Iterable[Sequence[bytes]], limit: int) -> dict[int, SwitchError]:
        """Send flow_mods as one atomic, ordered bundle of at most ``limit`` messages, a chunk at a time, and commit it.

        Returns {} when all is in the tables; otherwise nothing was changed, and the errors by position of the message.
        """
        self._bundle_id += 1
        bundle_id = self._bundle_id
        first = self._watch(limit)
        sent = 0
        self._write(of.bundle_control(self._new_xid(), bundle_id, of.BUNDLE_OPEN))
        for bodies in chunks:
            self._write(of.bundled_flow_mods(first + sent, bundle_id, bodies))
            sent += len(bodies)
            await self._drain()
        # The answer to the close comes after every error that the messages before it caused.
        await self.request(lambda xid: of.bundle_control(xid, bundle_id, of.BUNDLE_CLOSE))
        if self._refused:
            await self.request(lambda xid: of.bundle_control(xid, bundle_id, of.BUNDLE_DISCARD))
            return self._refused
        try:
            await self.request(lambda xid: of.bundle_control(xid, bundle_id, of.BUNDLE_COMMIT))
        except SwitchRefused:
            if not self._refused:
                raise
        return self._refused

    def close(self) -> None:
        """End the session."""
        if self._transport is not None:
            self._transport.abort()

    def _watch(self, count: int) -> int:
        """Reserve transaction ids for ``count`` flow_mods and collect the errors that answer them."""
        first = self._xid + 1
        self._xid += count
        self._watched = range(first, first + count)
        self._refused = {}
        return first

    def _new_xid(self) -> int:
        self._xid += 1
        if self._xid >> 31:
            self._xid = 1
        return self._xid

    def _write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise BridgeUnreachable(
                f"The OpenFlow connection to {self._bridge} was lost.", "It is opened again by itself."
            )
        self._transport.write(data)

    async def _drain(self) -> None:
        """Wait until the switch has taken most of what was written; let others have a turn in any case."""
        await asyncio.sleep(0)
        await self._writable.wait()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but descent
        self._transport.set_write_buffer_limits(high=1 << 20)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- the reason does not matter
        gone = BridgeUnreachable(
            f"The OpenFlow connection to {self._bridge} was lost.", "It is opened again by itself."
        )
        waiting: list[asyncio.Future[Any]] = [self._hello, *self._waiting.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(gone)
                future.exception()  # seen: nobody may be waiting any more
        self._writable.set()
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        events: list[MonitorEvent] = []
        while end - at >= 8:
            _, kind, length, xid = _HEADER.unpack_from(data, at)
            if length < 8:
                self.close()
                return
            if end - at < length:
                break
            try:
                self._receive(kind, xid, data[at : at + length], events)
            except (struct.error, IndexError, BridgeUnreachable):  # a message that is shorter than it must be
                self.close()
                return
            at += length
        self._rest = data[at:]
        if events:
            self._on_events(events)

    def _receive(self, kind: int, xid: int, frame: bytes, events: list[MonitorEvent]) -> None:
        if kind in _REPLIES and xid in self._waiting:
            self._answer(kind, xid, frame)
        elif kind == of.MULTIPART_REPLY and of.multipart_head(frame)[0] == of.FLOW_MONITOR:
            events.extend(of.monitor_events(frame))
        elif kind == of.ERROR:
            self._refuse(xid, of.switch_error(frame))
        elif kind == of.ECHO_REQUEST:
            self._write(of.message(of.ECHO_REPLY, xid, frame[8:]))
        elif kind == of.HELLO and not self._hello.done():
            self._greet(frame)

    def _greet(self, frame: bytes) -> None:
        if of.offers_our_version(frame):
            self._hello.set_result(None)
        else:
            self._hello.set_exception(SwitchRefused(SwitchError(0, 0)))

    def _answer(self, kind: int, xid: int, frame: bytes) -> None:
        parts = self._parts.setdefault(xid, [])
        parts.append(frame)
        if kind == of.MULTIPART_REPLY and of.multipart_head(frame)[1]:
            return
        if not self._waiting[xid].done():
            self._waiting[xid].set_result(parts)

    def _refuse(self, xid: int, error: SwitchError) -> None:
        waiting = self._waiting.get(xid)
        if xid in self._watched:
            self._refused[xid - self._watched.start] = error
        elif waiting is not None and not waiting.done():
            waiting.set_exception(SwitchRefused(error))
        elif not self._hello.done():
            self._hello.set_exception(SwitchRefused(error))
