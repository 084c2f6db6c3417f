"""Whatever anybody asks of any API, in any order: no failure, no traceback, no hang, and nobody else's things change.

``PATCHBAY_FUZZ_STEPS`` (requests of each history) and ``PATCHBAY_FUZZ_SEEDS`` (``0-9``) make it longer. A failure says
the seed and the last requests.
"""

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from patchbay.intent.database import IntentDatabase
from patchbay.service.agents import all_agents
from tests.functional.fuzz.invariants import broken_rules, intruders, own, scripts
from tests.functional.fuzz.requests import CALLERS, Request, Requests
from tests.functional.fuzz.values import NOWHERE, Values
from tests.functional.fuzz.world import World, hosts, world_on

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(100000)]

STEPS = int(os.environ.get("PATCHBAY_FUZZ_STEPS", "400"))
FIRST, _, LAST = os.environ.get("PATCHBAY_FUZZ_SEEDS", "0-2").partition("-")
SEEDS = range(int(FIRST), int(LAST or FIRST) + 1)
LOOKED_AT = 60
"""After so many requests, all rules are looked at."""
RED = ("member", "reader", "nobody", "bad.token", "")
TABLES = {
    "network": "networks",
    "subnet": "subnets",
    "port": "ports",
    "router": "routers",
    "floatingip": "floatingips",
    "subnetpool": "subnetpools",
    "address_scope": "address_scopes",
    "security_group": "security_groups",
    "security_group_rule": "security_group_rules",
    "address_group": "address_groups",
    "instance": "instances",
    "rbac_policy": "rbac_policies",
    "default_security_group_rule": "default_security_group_rules",
}


class History:
    """Requests one after the other, and what blue has meanwhile."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.chance = random.Random(seed)
        self.caller = "admin"
        self.requests = Requests(self.chance, Values(self.chance, self.id_of))
        self.said: list[Request] = []
        self.statuses: dict[int, int] = {}
        self.blue: dict[str, Any] | None = None

    def id_of(self, kind: str) -> str:
        """An id of such an object, mostly of the caller's project."""
        db, projects = self.world.db, self.world.projects
        if kind == "project":
            return self.chance.choice(list(projects.values()))
        if kind == "agent":
            return self.chance.choice([agent.id for agent in all_agents(self.world.service)] or [NOWHERE])
        if kind == "external":
            return self.chance.choice([id_ for id_, one in db.networks.items() if one.external] or [NOWHERE])
        if kind == "port_forwarding":
            all_of_them = [each.id for one in db.floatingips.values() for each in one.port_forwardings]
            return self.chance.choice(all_of_them or [NOWHERE])
        table = getattr(db, TABLES[kind]) if kind in TABLES else {}
        mine = projects["blue" if self.caller == "blue" else "red"]
        found = [id_ for id_, one in table.items() if getattr(one, "project_id", mine) == mine]
        if not found or self.chance.random() < 0.35:
            found = list(table)
        return self.chance.choice(sorted(found)) if found else NOWHERE

    async def step(self) -> None:
        """One request; whoever is not blue or an administrator changes nothing of blue's."""
        self.caller = self.chance.choice(CALLERS)
        request = self.requests.draw(self.caller)
        is_reds = self.caller in RED and not request.path.startswith(b"/api")
        if is_reds and self.blue is None:
            self.blue = await self.blues()
        self.said = [*self.said[-14:], request]
        answer = await self.world.ask(request)
        self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
        if not is_reds:
            self.blue = None if request.method != "GET" else self.blue
        elif request.method != "GET" and (answer.status < 400 or self.chance.random() < 0.02):
            before, self.blue = self.blue, await self.blues()
            assert self.blue == before, f"blue's own has changed: {differences(before, self.blue)}"

    async def blues(self) -> dict[str, Any]:
        """What is blue's, as blue sees it."""
        return own(await self.world.listing("blue"), self.world.projects["blue"])

    async def look(self) -> None:
        """All rules hold."""
        assert not (broken := broken_rules(self.world.service)), broken
        for user, (project, _) in {"blue": ("blue", ""), "member": ("red", ""), "reader": ("red", "")}.items():
            id_ = self.world.projects[project]
            assert not (seen := intruders(self.world.db, await self.world.listing(user), id_)), (user, seen)
        for script in scripts(self.world.db, list(hosts())):
            assert script

    async def run(self, steps: int) -> None:
        """A history; what is said when it fails leads back to it."""
        for number in range(steps):
            await self.step()
            if number % LOOKED_AT == LOOKED_AT - 1:
                await self.world.schedule()
                self.blue = None
                await self.look()

    async def run_side_by_side(self, steps: int, at_once: int = 6) -> None:
        """A history in which several ask at the same time, the scheduler beside them."""
        for number in range(steps // at_once):
            drawn = []
            for _ in range(at_once):
                self.caller = self.chance.choice(CALLERS)
                drawn.append(self.requests.draw(self.caller))
            self.said = drawn
            asking = asyncio.gather(*map(self.world.ask, drawn))
            if number % 10 == 9:
                await self.world.schedule(0.1)
            for answer in await asking:
                self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
            if number % 20 == 19:
                await self.look()


def differences(before: Any, after: Any) -> str:
    """Where two listings differ."""
    return "; ".join(
        f"{kind} {id_}: {before[kind].get(id_)} → {after[kind].get(id_)}"
        for kind in before
        for id_ in {*before[kind], *after[kind]}
        if before[kind].get(id_) != after[kind].get(id_)
    )


async def begin(world: World) -> None:
    """Something of everybody's, so that there is something to quarrel about from the start."""
    outside = {"network": {"name": "outside", "router:external": True}}
    network = await made(world, "admin", "networks", outside)
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "203.0.113.0/24", "enable_dhcp": False}
    await made(world, "admin", "subnets", {"subnet": subnet})
    for user in ("member", "blue"):
        network = await made(world, user, "networks", {"network": {"name": user}})
        subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.0.0.0/24"}
        await made(world, user, "subnets", {"subnet": subnet})
        for _ in range(2):
            await made(world, user, "ports", {"port": {"network_id": network["id"]}})
        await made(world, user, "security-groups", {"security_group": {"name": "web"}})
        await made(world, user, "routers", {"router": {"name": "r"}})


async def made(world: World, user: str, path: str, body: Any) -> Any:
    """A new object."""
    request = Request(user=user, method="POST", path=f"/v2.0/{path}".encode(), body=msgspec.json.encode(body))
    answer = await world.ask(request)
    assert answer.status == 201, answer
    return next(iter(answer.json().values()))


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_history_of_requests_fails_or_touches_what_is_another_s(
    db: IntentDatabase, tmp_path: Path, seed: int
) -> None:
    async with world_on(db, tmp_path) as world:
        await begin(world)
        history = History(world, seed)
        try:
            await history.run(STEPS)
            await history.look()
        except BaseException:
            print(f"seed {seed}, the last requests:", *history.said, sep="\n")
            raise
        finally:
            print(f"seed {seed}: answers by status {dict(sorted(history.statuses.items()))}")
        made_it = sum(count for status, count in history.statuses.items() if status < 300)
        assert made_it > STEPS / 8, f"too much is refused to be of use: {history.statuses}"


async def test_requests_side_by_side_keep_every_rule(db: IntentDatabase, tmp_path: Path) -> None:
    async with world_on(db, tmp_path) as world:
        await begin(world)
        history = History(world, 1000 + SEEDS[0])
        try:
            await history.run_side_by_side(STEPS)
            await history.look()
        except BaseException:
            print("the last requests:", *history.said, sep="\n")
            raise
        finally:
            print(f"answers by status {dict(sorted(history.statuses.items()))}")
