"""Whatever a topology file says, it is a topology or a complaint that names the place; and a topology can be had.

``PATCHBAY_FUZZ_FILES`` (files of each example) and ``PATCHBAY_FUZZ_SEEDS`` make it longer.
"""

import asyncio
import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from patchbay.api.app import create_app
from patchbay.errors import PatchbayError
from patchbay.intent.database import IntentDatabase
from patchbay.lab.apply import apply_topology
from patchbay.lab.reading import load_topology
from patchbay.lab.topology import Topology
from patchbay.lab.yamlfile import TopologyError
from patchbay.model import Host
from patchbay.service.service import Service
from patchbay.service.settings import NetworkSettings
from tests.functional.fuzz.invariants import broken_rules, scripts
from tests.functional.fuzz.requests import Request
from tests.functional.fuzz.world import call
from tests.functional.fuzz.yaml_files import Mutations, bomb
from tests.functional.intent_database import empty

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(100000)]

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
NAMES = sorted(path.name for path in EXAMPLES.glob("*.yaml"))
FILES = int(os.environ.get("PATCHBAY_FUZZ_FILES", "8"))
SEED = os.environ.get("PATCHBAY_FUZZ_SEEDS", "0")
HANG_S = 20
"""No file takes so long to read, however busy the machine is."""


class Hang(BaseException):
    """A file is still being read."""


@contextmanager
def no_hang() -> Iterator[None]:
    """Raises Hang in the block after ``HANG_S``."""

    def stop(_number: int, _frame: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, HANG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Asked:
    """The application as ``apply`` asks it, from a thread."""

    def __init__(self, service: Service) -> None:
        self._app = create_app(service)
        self._loop = asyncio.get_running_loop()

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """The decoded answer; PatchbayError for a refusal, and a failure of the test for a failure of the service."""
        text = b"" if body is None else msgspec.json.encode(body)
        request = Request(user="", method=method, path=path.encode(), body=text)
        answer = asyncio.run_coroutine_threadsafe(call(self._app, request, []), self._loop).result(60)
        assert answer.status < 500 or b"NoNetworkAvailable" in answer.body, answer.body
        if answer.status >= 300:
            raise PatchbayError(answer.body.decode())
        return answer.json() if answer.body else None


def read(path: Path) -> Topology | None:
    """The topology; None when it is none, and every line of the complaint names the file and, mostly, the line."""
    with no_hang():
        try:
            return load_topology(path)
        except TopologyError as error:
            complaint = error
    lines = complaint.message.split("\n")
    assert lines
    assert len(str(complaint)) < 200_000, "a complaint that nobody reads"
    for line in lines:
        assert line.startswith((f"{path.name}:", f"{path}:")), line
    return None


async def bring_about(db: IntentDatabase, topology: Topology) -> bool:
    """Write the intent of the topology, and compile its hosts; whether the service took all of it."""
    service = Service(db, NetworkSettings())
    taken = True
    try:
        await asyncio.to_thread(apply_topology, Asked(service), topology)
    except PatchbayError:
        taken = False
    assert not (broken := broken_rules(service)), broken
    hosts = [
        Host(id=f"00000000-0000-4000-8000-{number:012x}", name=name, tunnel_ip=one.tunnel_ip, datapath_type="netdev")
        for number, (name, one) in enumerate(topology.hosts.items())
    ]
    assert all(scripts(db, hosts))
    await empty(db)
    return taken


@pytest.mark.parametrize("name", NAMES)
async def test_a_file_with_anything_in_it_is_a_topology_or_a_complaint(
    db: IntentDatabase, tmp_path: Path, name: str
) -> None:
    chance = random.Random(f"{SEED} {name}")
    mutations = Mutations(chance)
    text = (EXAMPLES / name).read_text()
    path = tmp_path / name
    counted = {"complaint": 0, "taken": 0, "refused": 0}
    for _ in range(FILES):
        data = mutations.file(text)
        path.write_bytes(data)
        try:
            topology = read(path)
            if topology is None:
                counted["complaint"] += 1
            else:
                counted["taken" if await bring_about(db, topology) else "refused"] += 1
        except BaseException:
            kept = Path(os.environ.get("PATCHBAY_FUZZ_KEEP", tmp_path)) / f"bad-{name}"
            kept.write_bytes(data)
            print(f"the file is {kept}")
            raise
    print(name, counted)
    assert counted["complaint"]


@pytest.mark.parametrize(
    "text",
    [
        bomb(),
        bomb(30, 2),
        "hosts: " + "[" * 500,
        "hosts: {one: {tunnel_ip: 10.0.0.1}}\nunderlay: {mtu: " + "9" * 5000 + "}",
        "hosts: {one: {tunnel_ip: 10.0.0.1}}\nnetworks: {red: {mtu: 0x" + "f" * 5000 + "}}",
        "hosts: {one: {tunnel_ip: 10.0.0.1}}\nexpect: [{lease: x, mtu: 99999999999999999999999999}]",
        "hosts: {one: {tunnel_ip: 10.0.0.1}}\nexpect: [7]",
        "hosts: {one: {tunnel_ip: 10.0.0.1}}\nname: \x00",
        "hosts: {one: {tunnel_ip: 10.0.0.1}}\nunderlay: {mtu: !!int x}",
        'hosts: {one: {tunnel_ip: "\\ud800"}}',
        'hosts: {"\\ud800": {tunnel_ip: 10.0.0.1}}',
        "&a [*a]",
        "hosts: &h {one: *h}",
    ],
)
async def test_bombs_depths_and_numbers_are_told_by_their_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    assert read(path) is None
