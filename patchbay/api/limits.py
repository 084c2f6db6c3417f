"""How often one client may ask: a bucket of requests for each, which fills again at a steady rate.

Who has emptied his bucket is answered 429 with Retry-After; it costs the others nothing. Clients are told apart by
address (IPv6: by /64, for a machine has a whole one); after authentication the same buckets serve for users.
"""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from patchbay.api.asgi import ASGIApp, Message, Receive, Send

REMEMBERED = 10000
URL_BYTES = 16384
"""The longest path and query together."""


class Buckets:
    """Buckets by key; full ones, and those not asked for in a long time, are forgotten."""

    def __init__(self, per_s: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Take one request from the bucket of ``key``: 0, or the seconds until there is one."""
        now_s = self._clock()
        level, since_s = self._levels.pop(key, (self._burst, now_s))
        level = min(self._burst, level + (now_s - since_s) * self._per_s)
        wait_s = 0.0 if level >= 1 else (1 - level) / self._per_s
        self._levels[key] = (level - 1 if not wait_s else level, now_s)
        if len(self._levels) > REMEMBERED:
            self._levels.popitem(last=False)
        return wait_s


def limited(app: ASGIApp, buckets: Buckets | None) -> ASGIApp:
    """The application for clients that do not ask too much: length of the URL, and rate where there are buckets."""

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if len(scope.get("raw_path", b"")) + len(scope["query_string"]) > URL_BYTES:
                await _refuse(send, 414, "HTTPRequestURITooLong", f"The URL is longer than {URL_BYTES} bytes.", 0)
                return
            wait_s = buckets.take(client_of(scope)) if buckets is not None else 0.0
            if wait_s:
                message = f"Too many requests from this client; the next may come in {wait_s:.2f} s."
                await _refuse(send, 429, "TooManyRequests", message, math.ceil(wait_s))
                return
        await app(scope, receive, send)

    return answer


def client_of(scope: Message) -> str:
    """Whose bucket a request is taken from: the client's address, or its /64."""
    client = scope.get("client")
    if not client:
        return ""
    try:
        address = ipaddress.ip_address(client[0].partition("%")[0])
    except ValueError:
        return str(client[0])
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


async def _refuse(send: Send, status: int, kind: str, message: str, retry_s: int) -> None:
    body = msgspec.json.encode({"NeutronError": {"type": kind, "message": message, "detail": ""}})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if retry_s:
        headers.append((b"retry-after", str(retry_s).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
