"""One stream to one OVSDB server, from connect to close: JSON-RPC requests, replies and notifications.

``Connection`` opens sessions. Replies and notifications are delivered synchronously in the order in which they arrive,
so whoever reads the reply of a transaction has already seen the monitor updates that the server sent before it.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any, cast

import msgspec

from patchbay.ovsdb.errors import ConnectionLost, Inexpressible, OvsdbError, RemoteError, UnknownOutcome
from patchbay.ovsdb.framing import Framer

logger = logging.getLogger(__name__)

Reply = Callable[[msgspec.Raw | None, Exception | None], None]
Notification = Callable[[str, msgspec.Raw], None]

STRANGE = (
    OvsdbError,
    msgspec.DecodeError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What reading raises when a server says JSON that is not what RFC 7047 has in that place."""
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_NOTHING = msgspec.Raw(b"null")


class _Message(msgspec.Struct, gc=False):
    """A JSON-RPC 1.0 request, reply or notification; the bulky members stay undecoded."""

    id: Any = None
    method: str | None = None
    params: msgspec.Raw = _NOTHING
    result: msgspec.Raw = _NOTHING
    error: Any = None


_decode_message = msgspec.json.Decoder(_Message).decode
_encode = msgspec.json.Encoder().encode


class Session(asyncio.Protocol):
    """A stream of JSON-RPC messages. ``closed`` is done when it has ended; its result says why.

    ``on_close`` is called at that very moment, before any request under way fails.
    """

    def __init__(self, on_notification: Notification, on_close: Callable[[], None], probe_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[str] = self._loop.create_future()
        self._on_notification = on_notification
        self._on_close = on_close
        self._framer = Framer()
        self._pending: dict[int, Reply] = {}
        self._last_id = 0
        self._transport: asyncio.Transport | None = None
        self._probe_s = probe_s
        self._heard_at = self._loop.time()
        self._probing = False
        self._probe: asyncio.TimerHandle | None = None

    def send(self, requests: list[tuple[str, list[Any], Reply]]) -> None:
        """Sends requests in one write; each ``Reply`` is called once, with a result or an error."""
        if self._transport is None or self.closed.done():
            for _, _, reply in requests:
                reply(None, ConnectionLost("The OVSDB server is not connected."))
            return
        output = bytearray()
        for method, params, reply in requests:
            self._last_id += 1
            try:
                output += _request_text(method, params, self._last_id)
            except (TypeError, ValueError, OverflowError) as error:
                reply(None, Inexpressible(f"The request {method} cannot be sent: {error}."))
            else:
                self._pending[self._last_id] = reply
        self._transport.write(output)

    async def request(self, method: str, params: list[Any]) -> Any:
        """Sends one request and returns its decoded result. Raises RemoteError or ConnectionLost."""
        future: asyncio.Future[Any] = self._loop.create_future()

        def reply(result: msgspec.Raw | None, error: Exception | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(msgspec.json.decode(result or b"null"))

        self.send([(method, params, reply)])
        return await future

    def close(self, reason: str) -> None:
        """Ends the session; ``reason`` is for the log."""
        self._ended(reason)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are no subclasses of it
        self._probe = self._loop.call_later(self._probe_s, self._probe_peer)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        self._probing = False
        try:
            for message in self._framer.feed(data):
                self._receive(_decode_message(message))
        except STRANGE as error:
            logger.warning("%s; the message does not fit: %s", error, data[:200])
            self.close(f"the peer does not speak OVSDB: {type(error).__name__}: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(str(exc) if exc else "the server closed the connection")
        if self._probe is not None:
            self._probe.cancel()
        pending, self._pending = self._pending, {}
        for reply in pending.values():
            reply(None, UnknownOutcome(f"The connection to the OVSDB server broke: {self.closed.result()}."))

    def _ended(self, reason: str) -> None:
        if not self.closed.done():
            self.closed.set_result(reason)
            self._on_close()

    def _receive(self, message: _Message) -> None:
        if message.method is None:
            reply = self._pending.pop(message.id, None)
            if reply is None:
                logger.warning("OVSDB server answered an unknown request %r", message.id)
            elif message.error is not None:
                reply(None, RemoteError(f"The OVSDB server refused the request: {_text(message.error)}."))
            else:
                self._answered(reply, message.result)
        elif message.method == "echo":
            self._write({"result": message.params, "error": None, "id": message.id})
        elif message.id is None:
            self._on_notification(message.method, message.params)
        else:
            self._write({"result": None, "error": "unknown method", "id": message.id})

    def _answered(self, reply: Reply, result: msgspec.Raw) -> None:
        """Hands a result over; who cannot read it is told so, and does not wait for another."""
        try:
            reply(result, None)
        except STRANGE as error:
            reply(None, UnknownOutcome(f"The OVSDB server's answer cannot be read: {error}."))
            raise

    def _write(self, message: dict[str, Any]) -> None:
        if self._transport is not None:
            self._transport.write(_encode(message))

    def _probe_peer(self) -> None:
        """After ``probe_s`` of silence asks for an echo; after as much again gives up."""
        silence = self._loop.time() - self._heard_at
        if silence < self._probe_s:
            self._probe = self._loop.call_later(self._probe_s - silence, self._probe_peer)
        elif self._probing:
            self.close(f"no answer for {silence:.0f} s")
        else:
            self._probing = True
            self.send([("echo", [], lambda _result, _error: None)])
            self._probe = self._loop.call_later(self._probe_s, self._probe_peer)


def _request_text(method: str, params: list[Any], request_id: int) -> bytes:
    """A request as JSON. Raises ValueError for a NUL character: servers end the connection when they meet one."""
    text = _encode({"method": method, "params": params, "id": request_id})
    if b"\\u0000" in text and _NUL.search(text):
        raise ValueError("a text contains the character U+0000")
    return text


def _text(error: Any) -> str:
    if isinstance(error, dict):
        return ": ".join(str(error[key]) for key in ("error", "details") if key in error)
    return str(error)
