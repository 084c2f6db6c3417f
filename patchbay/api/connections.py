"""Connections of HTTP clients, each with a share of time, memory and number.

uvicorn's own protocol waits for ever for a request that does not come whole, and for a client that does not read its
answer. Here a client has ``HEAD_S`` for the head of a request, ``BODY_S`` for its body and ``WRITE_S`` to go on
reading; a head is no larger than ``HEAD_BYTES``; one address has no more than ``OF_ADDRESS`` connections.
"""

import asyncio
from collections import Counter
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S, BODY_S, WRITE_S = 15.0, 60.0, 60.0
HEAD_BYTES = 65536
OF_ADDRESS, OF_ALL = 1024, 8192

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Patience:
    """How long and how much clients may take; and who is connected, for all connections of one service."""

    def __init__(
        self,
        *,
        head_s: float = HEAD_S,
        body_s: float = BODY_S,
        write_s: float = WRITE_S,
        of_address: int = OF_ADDRESS,
        of_all: int = OF_ALL,
    ) -> None:
        self.head_s, self.body_s, self.write_s = head_s, body_s, write_s
        self.of_address, self.of_all = of_address, of_all
        self.connected: Counter[str] = Counter()

    def admit(self, address: str) -> bool:
        """Count a connection, unless there are enough."""
        if self.connected[address] >= self.of_address or self.connected.total() >= self.of_all:
            return False
        self.connected[address] += 1
        return True

    def release(self, address: str) -> None:
        """A connection that was admitted has ended."""
        self.connected[address] -= 1
        if not self.connected[address]:
            del self.connected[address]


class BoundedConnection(HttpToolsProtocol):
    """See the module. ``connection_class`` binds it to a service's ``patience``."""

    patience = Patience()

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._admitted: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._is_head = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        address = self.client[0] if self.client else ""
        if not self.patience.admit(address):
            self.transport.abort()
            return
        self._admitted = address
        self._wait(self.patience.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._admitted is not None:
            self.patience.release(self._admitted)
            self._admitted = None
        for timer in (self._timer, self._writing):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._is_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._is_head and self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_head = True
        self._wait(self.patience.head_s)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._is_head, self._head_bytes = False, 0
        self._wait(self.patience.body_s)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_head, self._head_bytes = True, 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._writing = self.loop.call_later(self.patience.write_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self.transport.abort)


def connection_class(patience: Patience) -> type[BoundedConnection]:
    """The class of a service's connections, as uvicorn's ``http`` takes it."""
    return type("BoundedConnection", (BoundedConnection,), {"patience": patience})
