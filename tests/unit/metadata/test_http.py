"""The metadata service's HTTP: what instances send, however wrong, and what they get."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patchbay.intent.errors import Unavailable
from patchbay.metadata import http
from patchbay.metadata.ec2 import ec2_tree
from patchbay.metadata.http import GuestConnection
from patchbay.metadata.limits import CONNECTIONS_OF_ADDRESS, Limits
from patchbay.metadata.lookup import Place
from patchbay.metadata.openstack import openstack_tree
from patchbay.metadata.tree import Trees
from tests.unit.metadata.guests import web

HERE = Place(network_id="here")
TREES = Trees(ec2_tree(web()), openstack_tree(web(), b""))
GET = b"GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n"
ID = b"i-0a1b2c3d"


class Service:
    """A server on the loopback; ``asked`` notes the addresses that were looked up."""

    def __init__(self) -> None:
        self.asked: list[tuple[Place, str]] = []
        self.trouble: Exception | None = None
        self.trees: Trees | None = TREES
        self.limits = Limits()
        self.port = 0

    async def find(self, place: Place, address: str) -> Trees | None:
        self.asked.append((place, address))
        if self.trouble:
            raise self.trouble
        return self.trees

    async def talk(self, *chunks: bytes, is_closing: bool = True) -> bytes:
        """Send, and read until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        with contextlib.closing(writer), contextlib.suppress(OSError):
            for chunk in chunks:
                writer.write(chunk)
                await writer.drain()
            if is_closing:
                writer.write_eof()
            return await asyncio.wait_for(reader.read(), 5)
        return b""


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[Service]:
    service = Service()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: GuestConnection(HERE, service.find, service.limits), "127.0.0.1", 0)
    service.port = server.sockets[0].getsockname()[1]
    try:
        yield service
    finally:
        server.close()


def status(answer: bytes) -> bytes:
    return answer.partition(b"\r\n")[0]


async def test_a_request_is_answered_and_the_next_on_the_same_connection_too() -> None:
    async with served() as service:
        answer = await service.talk(GET + GET.replace(b"instance-id", b"nothing"), GET)
        assert answer.count(b"HTTP/1.1 200 OK") == 2
        assert answer.count(b"HTTP/1.1 404 Not Found") == 1
        assert answer.endswith(ID)
        assert service.asked[0] == (HERE, "127.0.0.1")


async def test_a_request_may_come_byte_by_byte() -> None:
    async with served() as service:
        answer = await service.talk(*(bytes([one]) for one in GET))
        assert answer.endswith(ID)


async def test_what_the_request_says_of_itself_changes_nothing() -> None:
    async with served() as service:
        claims = (
            b"X-Forwarded-For: 10.0.0.99\r\nX-Instance-ID: other\r\nX-Tenant-ID: bob\r\nForwarded: for=10.0.0.99\r\n"
        )
        answer = await service.talk(GET.replace(b"\r\n\r\n", b"\r\n" + claims + b"\r\n"))
        assert answer.endswith(ID)
        assert set(service.asked) == {(HERE, "127.0.0.1")}


async def test_head_has_no_body_and_other_methods_are_not_allowed() -> None:
    async with served() as service:
        answer = await service.talk(GET.replace(b"GET", b"HEAD"))
        assert b"Content-Length: 10\r\n" in answer
        assert answer.endswith(b"\r\n\r\n")
        posted = await service.talk(b"POST /openstack/latest/password HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
        assert status(posted) == b"HTTP/1.1 405 Method Not Allowed"


async def test_http_1_0_ends_with_the_answer() -> None:
    async with served() as service:
        answer = await service.talk(b"GET / HTTP/1.0\r\n\r\n", is_closing=False)
        assert b"Connection: close" in answer
        assert answer.endswith(b"latest")


async def test_paths_may_be_quoted_absolute_and_have_queries() -> None:
    async with served() as service:
        for target in (b"/latest/meta-data/instance%2Did?x=1", b"http://169.254.169.254/latest/meta-data/instance-id"):
            assert (await service.talk(b"GET " + target + b" HTTP/1.1\r\n\r\n")).endswith(ID)


async def test_nobody_gets_404_and_a_database_that_is_away_503() -> None:
    async with served() as service:
        service.trees = None
        assert status(await service.talk(GET)) == b"HTTP/1.1 404 Not Found"
        service.trouble = Unavailable("away")
        answer = await service.talk(GET)
        assert status(answer) == b"HTTP/1.1 503 Service Unavailable"
        assert b"Retry-After: " in answer
        service.trouble = RuntimeError("a fault")
        answer = await service.talk(GET)
        assert status(answer) == b"HTTP/1.1 500 Internal Server Error"
        assert b"fault" not in answer


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 20000, b"431"),
        (b"GET /" + b"a" * 20000, b"431"),
        (b"POST / HTTP/1.1\r\nContent-Length: 900000\r\n\r\n" + b"a" * 300000, b"413"),
        (GET * 200, b"429"),
        (b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", b"400"),
    ],
)
async def test_too_much_or_nonsense_is_refused(sent: bytes, expected: bytes) -> None:
    async with served() as service:
        answer = await service.talk(*(sent[at : at + 8192] for at in range(0, len(sent), 8192)))
        assert not answer or b"HTTP/1.1 " + expected in answer
        assert (await service.talk(GET)).endswith(ID)


async def test_who_asks_too_much_is_told_to_wait_and_others_are_not() -> None:
    async with served() as service:
        service.limits = Limits(requests_per_s=5)
        answer = await service.talk(GET * 8)
        assert answer.count(b"HTTP/1.1 200 OK") == 5
        assert answer.count(b"HTTP/1.1 429 Too Many Requests") == 3
        assert service.limits.spend(HERE, "10.0.0.2", asyncio.get_running_loop().time())


async def test_one_address_has_so_many_connections_and_gets_them_back() -> None:
    async with served() as service:
        opened = [await asyncio.open_connection("127.0.0.1", service.port) for _ in range(CONNECTIONS_OF_ADDRESS)]
        assert await service.talk(GET) == b""
        for _, writer in opened:
            writer.close()
            await writer.wait_closed()
        answers = [await service.talk(GET) for _ in range(20)]
        assert answers[-1].endswith(ID)


@pytest.mark.parametrize("sent", [b"", b"GET / HTT", GET])
async def test_patience_ends(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PATIENCE_S", 0.1)
    async with served() as service:
        answer = await service.talk(sent, is_closing=False)
        assert answer.count(b"HTTP/1.1") == (1 if sent == GET else 0)


async def test_who_does_not_read_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PATIENCE_S", 0.3)
    async with served() as service:
        service.limits = Limits(requests_per_s=10**9)
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port, limit=1)
        asked = 0
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(5):
                while asked < 10**6:
                    writer.write(GET.replace(b"instance-id", b"") * 20)
                    asked += 20
                    await writer.drain()
        assert asked < 10**6
        writer.close()
        assert (await service.talk(GET)).endswith(ID)
        del reader


HEADS = st.sampled_from([b"GET ", b"HEAD ", b"POST ", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01", b""])
PARTS = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [GET, b"\r\n", b"\r\n\r\n", b" HTTP/1.1\r\n", b"Transfer-Encoding: chunked\r\n", b"ffffffff\r\n", b"0\r\n\r\n"]
    ),
    st.sampled_from(
        [b"/%", b"/%00", b"/\xff\xfe", b"//..//..", b"/?" + b"%" * 99, b"http://[::", b"*", b"Host:\x00\r\n"]
    ),
)


@given(head=HEADS, parts=st.lists(PARTS, max_size=8))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_bytes_come_the_server_goes_on(head: bytes, parts: list[bytes]) -> None:
    async def scenario() -> None:
        faults: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context))
        async with served() as service:
            answer = await service.talk(head, *parts)
            assert not answer or answer.startswith(b"HTTP/1.1 ")
            assert b"Traceback" not in answer
            assert b"500 Internal" not in answer
            assert (await service.talk(GET)).endswith(ID)
        assert not faults

    asyncio.run(scenario())
