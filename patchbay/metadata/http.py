"""HTTP/1.1 as far as instances speak it with a metadata service: GET and HEAD, kept-alive connections, pipelining.

Whatever bytes come, the client gets an answer of one line or a closed connection. Bodies are read over and ignored.
A connection has ``PATIENCE_S`` for each request, answer included, and then ends.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import cast
from urllib.parse import unquote

import httptools

from patchbay.intent.errors import Unavailable
from patchbay.metadata.limits import Limits
from patchbay.metadata.lookup import Place
from patchbay.metadata.tree import TEXT, Trees, find

logger = logging.getLogger(__name__)

HEAD_BYTES, REQUEST_BYTES, WAITING_REQUESTS = 16384, 131072, 64
PATIENCE_S = 10.0
STATUS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_EXTRA = {405: "Allow: GET, HEAD\r\n", 429: "Retry-After: 1\r\n", 503: "Retry-After: 1\r\n"}

FindTrees = Callable[[Place, str], Awaitable[Trees | None]]


class Request:
    """One request, in the making while its bytes come."""

    __slots__ = ("is_kept", "method", "url")

    def __init__(self) -> None:
        self.method, self.url, self.is_kept = "", b"", False

    def path(self) -> str:
        """What it asks for, unquoted. Raises ValueError."""
        try:
            path = httptools.parse_url(self.url).path
        except httptools.HttpParserInvalidURLError as error:
            raise ValueError("not a URL") from error
        return unquote((path or b"/").decode("latin-1"), "utf-8", "replace")


class GuestConnection(asyncio.Protocol):
    """One connection of an instance. The parser calls its ``on_…`` methods."""

    def __init__(self, place: Place, find_trees: FindTrees, limits: Limits) -> None:
        self._place = place
        self._find_trees = find_trees
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._request = Request()
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._address = ""
        self._unfinished = 0
        self._is_head = True
        self._is_over = self._is_half_closed = False
        self._can_write = asyncio.Event()
        self._can_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        address = str(peer[0]).partition("%")[0] if peer else ""
        if not address or not self._limits.admit(self._place, address):
            self._is_over = True
            self._transport.abort()
            return
        self._address = address
        self._wait_again()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        if self._address:
            self._limits.release(self._place, self._address)
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        self._unfinished += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(400)
        else:
            if self._unfinished > (HEAD_BYTES if self._is_head else REQUEST_BYTES):
                self._refuse(431 if self._is_head else 413)
            elif len(self._waiting) > WAITING_REQUESTS:
                self._refuse(429)

    def eof_received(self) -> bool:
        self._is_half_closed = True
        return self._task is not None

    def pause_writing(self) -> None:
        self._can_write.clear()

    def resume_writing(self) -> None:
        self._can_write.set()

    def end(self) -> None:
        """No more, at once."""
        self._is_over = True
        if self._transport is not None:
            self._transport.abort()

    # --- what the parser tells --------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        self._request, self._is_head = Request(), True

    def on_url(self, url: bytes) -> None:
        """A part of what it asks for."""
        self._request.url += url

    def on_headers_complete(self) -> None:
        """What follows is its body."""
        self._is_head = False

    def on_message_complete(self) -> None:
        """It is whole."""
        self._request.method = self._parser.get_method().decode("latin-1")
        self._request.is_kept = self._parser.should_keep_alive()
        self._is_head, self._unfinished = True, 0
        if self._is_over:
            return
        self._waiting.append(self._request)
        if self._task is None:
            self._task = self._loop.create_task(self._answer_all())

    # --- answers ----------------------------------------------------------------------------------------------------

    async def _answer_all(self) -> None:
        while self._waiting and not self._is_over:
            request = self._waiting.popleft()
            status, body, media_type = await self._answer(request)
            self._send(status, body, media_type, request)
            # Who does not read gets no more, and in the end no patience.
            await self._can_write.wait()
        self._task = None
        if self._is_half_closed:
            self._finish()

    async def _answer(self, request: Request) -> tuple[int, bytes, str]:
        if not self._limits.spend(self._place, self._address, self._loop.time()):
            return _sentence(429)
        if request.method not in ("GET", "HEAD"):
            return _sentence(405)
        try:
            path = request.path()
            trees = await self._find_trees(self._place, self._address)
            document = None if trees is None else find(trees, path)
        except ValueError:
            return _sentence(400)
        except Unavailable as error:
            logger.debug("not answered: %s", error.message, extra={"peer": self._address})
            return _sentence(503)
        except Exception:  # a fault of ours is for the log, and none of the instance's business
            logger.exception("not answered", extra={"peer": self._address})
            return _sentence(500)
        logger.debug("%s %s: %s", request.method, path, "404" if document is None else "200")
        return _sentence(404) if document is None else (200, document.body, document.media_type)

    def _send(self, status: int, body: bytes, media_type: str, request: Request) -> None:
        if self._is_over or self._transport is None:
            return
        head = (
            f"HTTP/1.1 {status} {STATUS[status]}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n"
            f"{_EXTRA.get(status, '')}Connection: {'keep-alive' if request.is_kept else 'close'}\r\n\r\n"
        ).encode()
        self._transport.write(head if request.method == "HEAD" else head + body)
        if not request.is_kept:
            self._finish()
        if self._can_write.is_set():
            self._wait_again()

    def _refuse(self, status: int) -> None:
        """Say what is wrong, and no more."""
        self._waiting.clear()
        self._send(*_sentence(status), Request())
        self._finish()

    def _finish(self) -> None:
        self._is_over = True
        if self._transport is not None:
            self._transport.close()

    def _wait_again(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(PATIENCE_S, self.end)


def _sentence(status: int) -> tuple[int, bytes, str]:
    return status, f"{status} {STATUS[status]}\n".encode(), TEXT
