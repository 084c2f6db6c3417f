"""Instances send the metadata server anything: their neighbours are answered, nothing is told to the wrong one.

``PATCHBAY_FUZZ_STREAMS`` (connections) and ``PATCHBAY_FUZZ_SEEDS`` make it longer.
"""

import asyncio
import os
import random
import re
import sys
from pathlib import Path

import pytest

from patchbay.metadata.http import GuestConnection
from patchbay.metadata.limits import Limits
from patchbay.metadata.lookup import Place
from patchbay.metadata.tree import Trees
from tests.functional.fuzz.raw_http import Streams, check_answers, talk
from tests.functional.metadata.conftest import FOLDER, on_metadata_host
from tests.unit.metadata.test_http import GET, ID, TREES

__all__ = ["on_metadata_host"]

pytestmark = pytest.mark.timeout(100000)

STREAMS = int(os.environ.get("PATCHBAY_FUZZ_STREAMS", "120"))
SEED = os.environ.get("PATCHBAY_FUZZ_SEEDS", "0")
PATHS = [b"/latest/meta-data/instance-id", b"/openstack/latest/meta_data.json", b"/latest/user-data", b"/x/../latest"]
AT_ONCE = 8
ROOT = Path(__file__).resolve().parents[3]


async def test_no_stream_of_bytes_gets_more_answers_than_it_asked_for() -> None:
    faults: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: faults.append(context))

    async def find(_place: Place, _address: str) -> Trees:
        return TREES

    limits = Limits(10**6)
    server = await loop.create_server(lambda: GuestConnection(Place(network_id="n"), find, limits), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    chance = random.Random(SEED)
    streams = Streams(chance, PATHS)
    count = 0
    for _ in range(STREAMS // AT_ONCE):
        drawn = [(streams.stream(), chance.choice(["eof", "eof", "wait", "reset"])) for _ in range(AT_ONCE)]
        for (pieces, _), answer in zip(
            drawn, await asyncio.gather(*(talk(port, pieces, ending) for pieces, ending in drawn)), strict=True
        ):
            answered = check_answers(answer)
            # A request begins with a method; whatever else is in the stream, each one has one answer, and the last
            # one may be the word that the rest is none.
            assert answered <= b"".join(pieces).count(b"HTTP/") + 1, (pieces, answer)
            count += answered
        assert not faults, faults
    assert (await talk(port, [GET], "eof")).endswith(ID)
    assert count > STREAMS / 4
    server.close()


PELT = """
import asyncio, random, sys
sys.path.insert(0, sys.argv[3])
from tests.functional.fuzz.raw_http import Streams, check_answers
PATHS = [b"/latest/meta-data/instance-id", b"/openstack/latest/user_data", b"/latest/user-data", b"/openstack"]


async def talk(pieces, ending):
    answer = b""
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection("169.254.169.254", 80), 5)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if ending == "eof":
            writer.write_eof()
        if ending != "reset":
            answer = await asyncio.wait_for(reader.read(), 1.0 if ending == "eof" else 0.05)
    except (OSError, TimeoutError):
        pass
    else:
        writer.transport.abort()
    return answer


async def main():
    chance = random.Random(sys.argv[1])
    streams = Streams(chance, PATHS)
    count, secret = 0, False
    for _ in range(int(sys.argv[2]) // 8):
        drawn = [(streams.stream(), chance.choice(["eof", "eof", "wait", "reset"])) for _ in range(8)]
        for answer in await asyncio.gather(*(talk(*each) for each in drawn)):
            count += check_answers(answer)
            secret = secret or b"blue's secret" in answer
    many = [asyncio.open_connection("169.254.169.254", 80) for _ in range(1500)]
    await asyncio.gather(*(asyncio.wait_for(each, 3) for each in many), return_exceptions=True)
    print("answers", count, "secret", secret)


asyncio.run(main())
"""


def check_server(pid: int) -> None:
    """It has complained of nothing, and keeps neither memory nor connections."""
    log = (FOLDER / "log").read_text()
    assert "Traceback" not in log, log
    memory_kib = Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0]
    assert int(memory_kib) < 80_000
    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    assert descriptors < 100, descriptors


def test_an_instance_that_sends_anything_gets_its_own_and_its_neighbours_are_answered(on_metadata_host) -> None:
    async def scenario(one) -> None:
        for name in ("red", "blue"):
            network, subnet = await one.network(name)
            port = await one.port(network, subnet, "10.0.0.5")
            await one.instance(f"{name}1", port, user_data=f"{name}'s secret")
            one.wire_router(await one.router(network, subnet), (f"{name}1", "10.0.0.5"))
        one.start("--requests-per-second", "5000")
        command = ["ip", "netns", "exec", "red1", sys.executable, "-c", PELT, SEED, str(STREAMS), str(ROOT)]
        pelting = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        asked = 0
        while pelting.returncode is None:
            assert await one.ask("blue1", "/openstack/latest/user_data") == (200, "blue's secret")
            asked += 1
        assert pelting.stdout is not None
        said = (await pelting.stdout.read()).decode()
        found = re.fullmatch(r"answers (\d+) secret False\n", said)
        assert found, said
        assert int(found[1]) > STREAMS / 6
        assert asked > 1
        await one.gets("red1", "/openstack/latest/user_data", "red's secret")
        check_server(one.pid)

    on_metadata_host(scenario)
