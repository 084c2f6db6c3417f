"""What an agent's certificate lets it write of its own host, with anything in it: the others go on.

``PATCHBAY_FUZZ_STEPS`` (hosts' rows) and ``PATCHBAY_FUZZ_SEEDS`` make it longer.
"""

import os
import random
import time
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest

from patchbay.intent.database import Delete, Insert, IntentDatabase, Update
from patchbay.model import Host, Plug
from tests.functional.fuzz.invariants import broken_rules, scripts
from tests.functional.fuzz.requests import Request
from tests.functional.fuzz.test_api import begin
from tests.functional.fuzz.values import NASTY
from tests.functional.fuzz.world import World, hosts, world_on

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(100000)]

STEPS = int(os.environ.get("PATCHBAY_FUZZ_STEPS", "400")) // 20
SEED = os.environ.get("PATCHBAY_FUZZ_SEEDS", "0")
TEXTS = [text for text in NASTY if "\0" not in text] + [
    "br0",
    "br-int",
    "physnet1",
    "172.21.12.1",
    "fd00::1",
    "system",
    "up",
]
MOMENTS = [0, -1, 1, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63), 253402300800, int(time.time())]


def lies(chance: random.Random, host: Host) -> Host:
    """The host's row as its agent may write it (``intent/roles.py``)."""

    def text() -> str:
        return chance.choice(TEXTS)

    def pairs() -> dict[str, str]:
        return {text(): text() for _ in range(chance.randint(0, 3))}

    written: dict[str, Any] = {
        "tunnel_ip": text(),
        "bridge_mappings": pairs(),
        "datapath_type": text(),
        "services": tuple(sorted({text(), chance.choice(["dhcp", "l3", "metadata"])})),
        "version": text(),
        "started_at": chance.choice(MOMENTS),
        "heartbeat_at": chance.choice(MOMENTS),
        "neighbours": {**pairs(), "h1": chance.choice(["up", "down", "x"])},
        "datapaths": pairs(),
    }
    names = chance.sample(list(written), chance.randint(1, len(written)))
    return msgspec.structs.replace(host, **{name: written[name] for name in names})


async def look(world: World) -> None:
    """Everybody is answered, the scheduler works, and the other host compiles."""
    for user in ("admin", "member", "blue"):
        await world.listing(user)
    for path in (
        b"/v2.0/agents?sort_key=alive&sort_dir=asc",
        b"/v2.0/agents?fields=alive&alive=true",
        b"/api/1.0/datapaths",
    ):
        answer = await world.ask(Request(user="admin", method="GET", path=path))
        assert answer.status == 200, answer
    await world.schedule(0.05)
    assert not world.complaints.said, world.complaints.said
    assert not (broken := broken_rules(world.service)), broken
    assert all(scripts(world.db, [hosts()[0]]))


async def test_an_agent_that_lies_about_its_host_harms_no_other(db: IntentDatabase, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    async with world_on(db, tmp_path) as world:
        await begin(world)
        liar = hosts()[1].id
        for _ in range(STEPS):
            before = db.hosts[liar]
            after = lies(chance, before)
            if after != before:
                await db.transact(Update(before, after))
            port = db.ports[chance.choice(sorted(db.ports))]
            plug = Plug(id=str(uuid.uuid4()), port_id=port.id, network_id=port.network_id, host="h2")
            plug = msgspec.structs.replace(plug, up=chance.random() < 0.5, trouble=chance.choice(TEXTS))
            if not any(one.port_id == port.id for one in db.plugs.values()):
                await db.transact(Insert(plug))
            try:
                await look(world)
            except BaseException:
                print(after, plug)
                raise
        await db.transact(*map(Delete, db.plugs.values()))
