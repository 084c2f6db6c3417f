"""Bytes on a connection that should speak HTTP/1.1: whole, torn, contradictory, slow, or something else altogether."""

import asyncio
import contextlib
import random
import ssl

import msgspec

TLS_ALERT = b"\x15\x03"
EVIL_HEADERS = [
    *(
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Content-Length: -1",
    ),
    *(
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 99999999999999999999",
        b"Content-Length: 0x5",
        b"Content-Length: +5",
    ),
    *(
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding:\x0bchunked",
        b"Transfer-Encoding: gzip, chunked",
    ),
    *(
        b"Transfer-Encoding: identity",
        b"Expect: 100-continue",
        b"Expect: 200-ok",
        b"Upgrade: h2c\r\nConnection: Upgrade",
        b"Connection: close",
    ),
    *(
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x",
        b"X: " + b"y" * 70000,
        b"X: a\r\n b",
        b"X: a\nY: b",
        b"X\x00: a",
    ),
    *(
        b": empty",
        b"no colon",
        b"X: \xff\xfe",
        b"Host: a\r\nHost: b",
        b"Host:",
        b"Host: [::",
        b"X-Auth-Token: \xff",
        b"Authorization: Basic \xff",
    ),
    *(
        b"Content-Type: application/json; charset=utf-7",
        b"Accept-Encoding: gzip",
        b"Range: bytes=0-0",
        b"If-Match: *",
        b"Content-Encoding: gzip",
    ),
]
LINES = [
    *(
        b"GET / HTTP/1.1",
        b"GET / HTTP/1.0",
        b"GET / HTTP/0.9",
        b"GET / HTTP/2.0",
        b"GET / HTTP/1.9",
        b"GET /",
        b"GET",
        b" GET / HTTP/1.1",
        b"\r\nGET / HTTP/1.1",
    ),
    *(
        b"get / HTTP/1.1",
        b"G\0T / HTTP/1.1",
        b"GET  /  HTTP/1.1",
        b"GET /%zz HTTP/1.1",
        b"GET /\xff HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET * HTTP/1.1",
    ),
    *(
        b"OPTIONS * HTTP/1.1",
        b"CONNECT a:1 HTTP/1.1",
        b"TRACE / HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"GET http://other/v2.0/ HTTP/1.1",
        b"GET //// HTTP/1.1",
    ),
    *(
        b"GET /" + b"a" * 20000 + b" HTTP/1.1",
        b"GET /?" + b"a=b&" * 5000 + b" HTTP/1.1",
        b"A" * 5000 + b" / HTTP/1.1",
        b"GET /#x HTTP/1.1",
        b"GET /;x HTTP/1.1",
    ),
    *(
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x80\x2e\x01",
        b"SSH-2.0-x",
        b"\0\0\0\0",
        b"{",
        b"\xff" * 99,
        b"EHLO a",
        b"*1\r\n$4\r\nPING",
    ),
]
CHUNKS = [
    *(
        b"5\r\nhello\r\n0\r\n\r\n",
        b"ffffffffffffffff\r\n",
        b"-1\r\n",
        b"5;" + b"x" * 20000 + b"\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhel",
        b"0\r\n",
    ),
    *(
        b"0\r\nX: y\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"1\r\na\r\n" * 500 + b"0\r\n\r\n",
        b"g\r\n",
        b"0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
    ),
]


class Streams:
    """Draws streams. ``paths`` are asked for in those that begin well."""

    def __init__(self, chance: random.Random, paths: list[bytes]) -> None:
        self.chance = chance
        self.paths = paths

    def stream(self) -> list[bytes]:
        """What is sent, piece by piece."""
        data = b"".join(self._request() for _ in range(self.chance.choice([1, 1, 1, 2, 5, 40])))
        if self.chance.random() < 0.2:
            at = self.chance.randrange(len(data) or 1)
            data = self.chance.choice(
                [data[:at], data[:at] + self.chance.randbytes(4) + data[at:], data[:at] + b"\r\n" + data[at:]]
            )
        size = self.chance.choice([1, 7, 100, 1 << 20]) if len(data) < 3000 else 1 << 16
        return [data[at : at + size] for at in range(0, len(data), size)]

    def _request(self) -> bytes:
        chance = self.chance
        method = chance.choice([b"GET", b"GET", b"POST", b"PUT", b"HEAD", b"DELETE"])
        line = (
            method + b" " + chance.choice(self.paths) + b" HTTP/1.1" if chance.random() < 0.6 else chance.choice(LINES)
        )
        heads = [b"Host: x", *(chance.choice(EVIL_HEADERS) for _ in range(chance.choice([0, 0, 1, 1, 2])))]
        if chance.random() < 0.03:
            heads += [b"X-%d: y" % number for number in range(3000)]
        body = chance.choice([b"", b"", b"{}", b"[" * 3000, chance.choice(CHUNKS), chance.randbytes(40)])
        if body and chance.random() < 0.6:
            heads.append(b"Content-Length: %d" % len(body))
        return line + b"\r\n" + b"\r\n".join(heads) + b"\r\n\r\n" + body


async def talk(port: int, pieces: list[bytes], ending: str, context: ssl.SSLContext | None = None) -> bytes:
    """Send the pieces, end so (``eof``, ``reset``, ``wait``), and what came back; b"" when the connection broke."""
    answer = b""
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if ending == "reset":
                writer.transport.abort()
                return b""
            if ending == "eof" and context is None:
                writer.write_eof()
            async with asyncio.timeout(1.0 if ending == "eof" and context is None else 0.1):
                while data := await reader.read(65536):
                    answer += data
        finally:
            writer.transport.abort()
    return answer


def check_answers(answer: bytes) -> int:
    """Every answer on the connection is one, none is a failure; returns how many there are."""
    if answer.startswith(TLS_ALERT):
        return 0
    assert not answer or answer.startswith(b"HTTP/1.1 "), answer[:200]
    assert b"Traceback" not in answer
    assert b"HTTP/1.1 5" not in answer, answer[answer.find(b"HTTP/1.1 5") :][:300]
    return answer.count(b"HTTP/1.1 ")


def errors_of(answer: bytes) -> list[dict[str, object]]:
    """The decoded bodies of answers that are JSON."""
    found = []
    for part in answer.split(b"HTTP/1.1 ")[1:]:
        body = part.partition(b"\r\n\r\n")[2]
        if body.startswith(b"{"):
            found.append(msgspec.json.decode(body))
    return found
