"""What one client may take: requests in a second, bytes of a head, time, connections."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from patchbay.api.authentication.strategy import Authentication, refused
from patchbay.api.connections import HEAD_BYTES, Patience
from patchbay.api.http import Request
from patchbay.api.limits import REMEMBERED, Buckets, client_of, limited
from patchbay.api.listening import http_server
from patchbay.api.metering import TooManyRequests, metered
from patchbay.service.context import RequestContext


class Clock:
    """A clock that goes when it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_a_burst_and_then_the_rate() -> None:
    clock = Clock()
    buckets = Buckets(2, 4, clock)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0]
    assert buckets.take("a") == pytest.approx(0.5)
    assert buckets.take("b") == 0
    clock.now += 0.5
    assert buckets.take("a") == 0
    assert buckets.take("a") > 0
    clock.now += 1000
    assert [buckets.take("a") for _ in range(5)].count(0) == 4


def test_many_clients_do_not_fill_the_memory() -> None:
    buckets = Buckets(1, 1, Clock())
    for number in range(REMEMBERED * 2):
        buckets.take(str(number))
    assert len(buckets._levels) == REMEMBERED


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not an address", "not an address"),
    ],
)
def test_clients_are_told_apart_by_address(address: str, client: str) -> None:
    assert client_of({"client": (address, 1)}) == client
    assert client_of({"client": None}) == ""


async def until(condition: Callable[[], bool], what: str) -> None:
    """Returns when it holds; fails saying what was missing."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"still not: {what}")


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answers after the whole body."""
    while (await receive()).get("more_body"):
        pass
    body = b"x" * int(scope["query_string"] or b"5")
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


@contextlib.asynccontextmanager
async def serving(patience: Patience, buckets: Buckets | None = None) -> AsyncIterator[int]:
    """The port of a server with these bounds."""
    server = http_server(limited(hello, buckets), patience, {})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await running


async def talk(port: int, *pieces: bytes) -> bytes:
    """All that the server says to these bytes, until it ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


async def test_who_asks_too_often_is_told_when_to_come_again() -> None:
    async with serving(Patience(), Buckets(0.1, 2)) as port:
        answers = [await talk(port, GET) for _ in range(3)]
    assert [answer.split()[1] for answer in answers] == [b"200", b"200", b"429"]
    assert b"retry-after: 10\r\n" in answers[2] or b"retry-after: 9\r\n" in answers[2]
    assert b'"type":"TooManyRequests"' in answers[2]


async def test_a_url_and_a_head_without_end_are_refused() -> None:
    async with serving(Patience()) as port:
        long_url = await talk(port, b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert long_url.startswith(b"HTTP/1.1 414 ")
        lines = [b"X-%d: %s\r\n" % (number, b"y" * 1000) for number in range(HEAD_BYTES // 1000 + 2)]
        assert (await talk(port, b"GET / HTTP/1.1\r\n", *lines)).startswith(b"HTTP/1.1 431 ")
        assert (await talk(port, GET)).startswith(b"HTTP/1.1 200 ")


async def test_slow_clients_are_left() -> None:
    async with serving(Patience(head_s=0.3, body_s=0.4)) as port:
        begin = asyncio.get_running_loop().time()
        said = await asyncio.gather(
            talk(port),
            talk(port, b"GET / HT"),
            talk(port, b"GET / HTTP/1.1\r\nHost: a\r\n"),
            talk(port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345"),
        )
        assert said == [b""] * 4
        assert asyncio.get_running_loop().time() - begin < 3
        # A connection that is kept between requests is not slow.
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(GET.replace(b"Connection: close\r\n", b""))
            assert (await reader.readuntil(b"xxxxx")).startswith(b"HTTP/1.1 200 ")
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        writer.close()


async def test_who_does_not_read_is_left() -> None:
    patience = Patience(write_s=0.3)
    async with serving(patience) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /?30000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        await until(lambda: bool(patience.connected), "connected")
        await until(lambda: not patience.connected, "30 MB are no longer kept for a client that does not read")
        writer.close()


async def test_one_address_has_its_share_of_connections() -> None:
    patience = Patience(of_address=3)
    async with serving(patience) as port:
        open_ones = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        assert await talk(port, GET) == b""
        for _, writer in open_ones:
            writer.close()
            await writer.wait_closed()
        await until(lambda: not patience.connected, "all connections have ended")
        assert (await talk(port, GET)).startswith(b"HTTP/1.1 200 ")
    assert not patience.connected


async def test_a_user_has_one_bucket_from_wherever_it_asks() -> None:
    async def known(request: Request) -> RequestContext:
        return RequestContext(user_id=request.headers["user"], project_id="p", is_admin=False)

    strategy = metered(Authentication(name="test", authenticate=known, challenge="Basic"), Buckets(0.1, 2, Clock()))
    assert strategy is not None
    ada, eve = (Request(method="GET", path="/", headers={"user": name}) for name in ("ada", "eve"))
    for _ in range(2):
        await strategy.authenticate(eve)
    with pytest.raises(TooManyRequests) as caught:
        await strategy.authenticate(eve)
    answer = refused(caught.value, strategy.challenge, eve)
    assert answer.status == 429
    assert (b"retry-after", b"10") in answer.headers
    assert (await strategy.authenticate(ada)).user_id == "ada"
    assert metered(None, Buckets(1, 1)) is None
