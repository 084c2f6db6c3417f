"""``patchbay serve`` over TLS and without, whatever bytes come: it answers others promptly, and logs no traceback.

``PATCHBAY_FUZZ_STREAMS`` (connections to each listener) and ``PATCHBAY_FUZZ_SEEDS`` make it longer.
"""

import asyncio
import os
import random
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.functional.api.tenants_world import identity_text
from tests.functional.control_plane.served import Served, free_port
from tests.functional.fuzz.raw_http import Streams, check_answers, errors_of, talk

pytestmark = pytest.mark.timeout(100000)

STREAMS = int(os.environ.get("PATCHBAY_FUZZ_STREAMS", "120"))
SEED = os.environ.get("PATCHBAY_FUZZ_SEEDS", "0")
PATHS = [
    b"/",
    b"/v2.0/networks",
    b"/v2.0/ports?fields=id",
    b"/v3/auth/tokens",
    b"/api/1.0/networks",
    b"/v2.0/quotas/%00",
]
HOSTS_PATHS = [b"/patchbay/v1/authority", b"/patchbay/v1/join", b"/patchbay/v1/renew", b"/patchbay/v1/../x"]
AT_ONCE = 8


class Service(Served):
    """One with users, both APIs, and a listener where hosts join."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        identity = folder / "identity.yaml"
        identity.write_text(identity_text())
        self.vnet_port, self.hosts_port = free_port(), free_port()
        extra = ["--no-tls", "--auth=builtin", f"--identity={identity}", "--requests-per-second=0"]
        extra += [f"--vnet-listen=127.0.0.1:{self.vnet_port}", f"--hosts-listen=127.0.0.1:{self.hosts_port}"]
        super().__init__(folder, extra)

    async def answers(self) -> float:
        """Seconds until a well-behaved client has its answer."""
        async with httpx.AsyncClient(timeout=30) as client:
            started = time.monotonic()
            for url in (f"http://127.0.0.1:{self.port}/", f"http://127.0.0.1:{self.port}/v2.0/networks"):
                assert (await client.get(url)).status_code in (200, 401)
            assert (await client.get(f"http://127.0.0.1:{self.vnet_port}/api/1.0/networks")).status_code == 401
            return time.monotonic() - started


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    found = Service(tmp_path_factory.mktemp("raw"))
    found.start()
    yield found
    found.stop()


def believing_nobody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def pelt(port: int, paths: list[bytes], context: ssl.SSLContext | None = None) -> int:
    """Many strange connections; returns how many answers came."""
    chance = random.Random(f"{SEED} {port and paths[0]!r}")
    streams = Streams(chance, paths)
    count = 0
    for _ in range(STREAMS // AT_ONCE):
        drawn = [(streams.stream(), chance.choice(["eof", "eof", "wait", "reset"])) for _ in range(AT_ONCE)]
        for answer in await asyncio.gather(*(talk(port, pieces, ending, context) for pieces, ending in drawn)):
            count += check_answers(answer)
            for shown in errors_of(answer):
                assert {"NeutronError", "error", "versions", "version", "certificate"} & set(shown), shown
    return count


@pytest.mark.parametrize("kind", ["neutron", "openvnet", "hosts", "hosts without tls", "database"])
async def test_whatever_bytes_come_others_are_answered(service: Service, kind: str) -> None:
    port, paths, context = {
        "neutron": (service.port, PATHS, None),
        "openvnet": (service.vnet_port, PATHS, None),
        "hosts": (service.hosts_port, HOSTS_PATHS, believing_nobody()),
        "hosts without tls": (service.hosts_port, HOSTS_PATHS, None),
        "database": (service.intent_port, PATHS, None),
    }[kind]
    count = await pelt(port, paths, context)
    assert (count > STREAMS / 6) == (kind in ("neutron", "openvnet", "hosts")), count
    assert await service.answers() < 5
    assert service.process is not None
    assert service.process.poll() is None
    log = service.log.read_text()
    assert "Traceback" not in log, log[log.find("Traceback") - 300 :][:3000]
    assert "level=error" not in log, log


async def test_slow_and_silent_clients_and_handshakes_that_stop_keep_nobody_waiting(service: Service) -> None:
    kept = []
    for port in (service.port, service.vnet_port, service.hosts_port, service.intent_port):
        for begun in (b"", b"GET / HTT", b"\x16\x03\x01\x02", b"POST / HTTP/1.1\r\nContent-Length: 9999\r\n\r\n{"):
            for _ in range(3 if port == service.intent_port else 40):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(begun)
                kept.append(writer)
    assert await service.answers() < 5
    for writer in kept:
        writer.transport.abort()
    assert await service.answers() < 5
    assert "Traceback" not in service.log.read_text()
