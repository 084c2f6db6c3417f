"""What the fuzzers found, each as small as it can be said."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from patchbay.intent.database import IntentDatabase, Update
from tests.functional.fuzz.requests import Request
from tests.functional.fuzz.world import world_on
from tests.functional.fuzz.yaml_files import bomb

pytestmark = pytest.mark.asyncio(loop_scope="session")

DEEP = b"[" * 5000


@pytest.mark.parametrize("body", [DEEP, b"\xff", b"{", b"[]", b"7", b""])
async def test_what_an_agent_is_to_serve_is_read_like_every_other_body(
    db: IntentDatabase, tmp_path: Path, body: bytes
) -> None:
    async with world_on(db, tmp_path) as world:
        agent = next(
            item["id"] for item in await world.get("admin", "agents") if item["binary"] == "neutron-dhcp-agent"
        )
        path = f"/v2.0/agents/{agent}/dhcp-networks".encode()
        answer = await world.ask(Request(user="admin", method="POST", path=path, body=body))
        assert answer.status == 400


@pytest.mark.parametrize("text", [bomb(), "a: &a [*a]", "a: 2026-13-45", "a: " + "[" * 500])
async def test_a_body_in_yaml_is_no_bomb(db: IntentDatabase, tmp_path: Path, text: str) -> None:
    headers = ((b"content-type", b"application/yaml"),)
    async with world_on(db, tmp_path) as world:
        for path in (b"/api/1.0/networks", b"/api/1.0/interfaces"):
            body = text.replace("a: ", "display_name: ").encode().replace(b"a8:", b"display_name:")
            answer = await world.ask(Request(user="admin", method="POST", path=path, body=body, headers=headers))
            assert answer.status == 400
            assert len(answer.body) < 5000


@pytest.mark.parametrize("moment", [-1, 2**62, 253402300800])
async def test_an_agent_s_heart_may_beat_whenever_it_says(db: IntentDatabase, tmp_path: Path, moment: int) -> None:
    async with world_on(db, tmp_path) as world:
        before = next(iter(db.hosts.values()))
        await db.transact(Update(before, replace(before, heartbeat_at=moment, started_at=moment)))
        assert len(await world.get("admin", "agents")) == 8
