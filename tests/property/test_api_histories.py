"""Random histories of API calls, with crashes in between, end in the host that a fresh compile gives.

Each history runs against the real application, the real service and a real ovsdb-server. A follower does what an agent
does with intent: it watches only what concerns its host, marks fragments dirty and compiles them again. In between, the
database server is killed, the service starts anew, the follower starts anew.
"""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patchbay.api.app import create_app
from patchbay.compile.facts import Facts
from patchbay.compile.fragments import Compiled, compile_all
from patchbay.compile.view import Fragment, HostView
from patchbay.intent.database import AgentScope, Change, Insert, IntentDatabase
from patchbay.intent.server import EmbeddedServer
from patchbay.model import Host
from patchbay.service.service import Service

HERE, THERE = "compute1", "compute2"
FACTS = Facts(
    host=HERE,
    datapath_type="netdev",
    tunnel_ip="172.21.12.163",
    bridge_mappings={"physnet1": "br-ex"},
    bridges=frozenset({"br-ex"}),
)


class Follower:
    """An agent's half of the work without its hands: intent of one host in, desired state out."""

    def __init__(self, db: IntentDatabase, local_vlans: dict[str, int]) -> None:
        self.db = db
        self.view = HostView(msgspec.structs.replace(FACTS, local_vlans=local_vlans))
        self.compiled = Compiled(self.view)
        self.compiled.refresh(self.view.fragments())
        for table in (db.hosts, db.networks, db.subnets, db.ports, db.instances, db.plugs):
            self.follow([Change(None, value) for value in table.values()])
        db.subscribe(self.follow)

    @classmethod
    async def start(cls, remote: str, local_vlans: dict[str, int]) -> "Follower":
        return cls(await IntentDatabase.open([remote], AgentScope(HERE), timeout_s=20), local_vlans)

    def follow(self, changes: list[Change]) -> None:
        dirty: set[Fragment] = set()
        for change in changes:
            if change.new is not None:
                dirty |= self.view.put(change.new)
            elif change.old is not None:
                dirty |= self.view.remove(change.old)
        self.compiled.refresh(dirty)

    async def settle(self) -> None:
        """Watch what is wanted until that is all."""
        while True:
            wanted = self.view.networks_here()
            await self.db.in_sync.wait()
            await self.db.watch(wanted)
            if self.view.networks_here() == wanted:
                return


class World:
    """The application with its database and a follower, all of which may die."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.network_ids: list[str] = []
        self.port_ids: list[str] = []
        self.instance_ids: list[str] = []

    async def start(self) -> None:
        self.server = await EmbeddedServer.start(self.directory)
        await self._start_service()
        for number, name in enumerate((HERE, THERE)):
            host = Host(
                id=f"00000000-0000-4000-8000-00000000000{number}", name=name, tunnel_ip=f"172.21.12.{163 + number}"
            )
            await self.db.transact(Insert(host))
        self.follower = await Follower.start(self.server.remote, {})

    async def _start_service(self) -> None:
        self.db = await IntentDatabase.open([self.server.remote], timeout_s=20)
        transport = httpx.ASGITransport(app=create_app(Service(self.db)))  # type: ignore[arg-type]
        self.http = httpx.AsyncClient(transport=transport, base_url="http://patchbay", timeout=30)

    async def stop(self) -> None:
        await self.http.aclose()
        await self.db.close()
        await self.follower.db.close()
        await self.server.stop()

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        response = await self.http.request(method, f"/v2.0{path}", json=body)
        assert response.status_code < 500, response.text
        return response.json() if response.status_code in (200, 201) else None

    async def step(self, action: str, pick: int, choice: int) -> None:
        await getattr(self, f"do_{action}")(pick, choice)

    async def do_network(self, pick: int, choice: int) -> None:
        kinds: list[dict[str, Any]] = [
            {},
            {"provider:network_type": "local"},
            {
                "provider:network_type": "vlan",
                "provider:physical_network": "physnet1",
                "provider:segmentation_id": 100 + pick,
            },
            {"provider:network_type": "flat", "provider:physical_network": "physnet1"},
        ]
        made = await self.call("POST", "/networks", {"network": {"name": f"n{pick}", **kinds[choice % 4]}})
        if made is not None:
            self.network_ids.append(made["network"]["id"])

    async def do_subnet(self, pick: int, choice: int) -> None:
        if self.network_ids:
            network_id = self.network_ids[pick % len(self.network_ids)]
            cidr, version = [("192.168.10.0/24", 4), ("10.1.0.0/29", 4), ("fd00:1::/64", 6)][choice % 3]
            body = {"subnet": {"network_id": network_id, "cidr": cidr, "ip_version": version}}
            await self.call("POST", "/subnets", body)

    async def do_ports(self, pick: int, choice: int) -> None:
        if self.network_ids:
            network_id = self.network_ids[pick % len(self.network_ids)]
            host = ["", HERE, THERE][choice % 3]
            body = {"ports": [{"network_id": network_id, "binding:host_id": host}] * (1 + choice % 2)}
            made = await self.call("POST", "/ports", body)
            if made is not None:
                self.port_ids += [port["id"] for port in made["ports"]]

    async def do_instance(self, pick: int, choice: int) -> None:
        if self.port_ids:
            port_id = self.port_ids[pick % len(self.port_ids)]
            body = {
                "name": f"i{choice}",
                "host": [HERE, THERE][choice % 2],
                "plugging": ["hybrid", "direct"][choice % 2],
                "interfaces": {"eth0": port_id},
            }
            made = await self.call("POST", "/instances", {"instance": body})
            if made is not None:
                self.instance_ids.append(made["instance"]["id"])

    async def do_bind(self, pick: int, choice: int) -> None:
        if self.port_ids:
            body = [{"binding:host_id": THERE}, {"admin_state_up": False}, {"admin_state_up": True}, {"fixed_ips": []}]
            await self.call("PUT", f"/ports/{self.port_ids[pick % len(self.port_ids)]}", {"port": body[choice % 4]})

    async def do_network_state(self, pick: int, choice: int) -> None:
        if self.network_ids:
            body = {"network": {"admin_state_up": bool(choice % 2)}}
            await self.call("PUT", f"/networks/{self.network_ids[pick % len(self.network_ids)]}", body)

    async def do_delete(self, pick: int, choice: int) -> None:
        path, ids = [
            ("ports", self.port_ids),
            ("networks", self.network_ids),
            ("instances", self.instance_ids),
        ][choice % 3]
        if ids:
            id_ = ids[pick % len(ids)]
            await self.call("DELETE", f"/{path}/{id_}")

    async def do_kill_database(self, pick: int, choice: int) -> None:
        """With a call under way, or without."""
        pid = self.server.pid
        if pid is None:
            return
        if choice % 2:
            under_way = asyncio.create_task(self.do_network(pick, 0))
            await asyncio.sleep(0)
            os.kill(pid, signal.SIGKILL)
            await under_way
        else:
            os.kill(pid, signal.SIGKILL)

    async def do_restart_service(self, pick: int, choice: int) -> None:
        await self.http.aclose()
        await self.db.close()
        await self._start_service()

    async def do_restart_agent(self, pick: int, choice: int) -> None:
        local_vlans = dict(self.follower.view.local_vlans())
        await self.follower.db.close()
        self.follower = await Follower.start(self.server.remote, local_vlans)

    async def compare(self) -> None:
        """The follower's host is the one that a fresh compile of all intent gives."""
        async with asyncio.timeout(30):
            while True:
                await self.follower.settle()
                fresh = HostView(msgspec.structs.replace(FACTS, local_vlans=dict(self.follower.view.local_vlans())))
                db = self.db
                for table in (db.plugs, db.instances, db.ports, db.subnets, db.networks, db.hosts):
                    for value in table.values():
                        fresh.put(value)  # type: ignore[arg-type]
                desired = compile_all(fresh)
                if desired == self.follower.compiled.state:
                    break
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._heard(), 0.5)
        assert compile_all(self.follower.view) == self.follower.compiled.state

    async def _heard(self) -> None:
        """Until the follower hears of something more."""
        heard = asyncio.Event()
        self.follower.db.subscribe(lambda _: heard.set())
        await heard.wait()


CHANGES = ("network", "subnet", "ports", "instance", "bind", "network_state", "delete")
CRASHES = ("kill_database", "restart_service", "restart_agent")
ACTIONS = st.sampled_from((*CHANGES, *CHANGES, *CRASHES))
STEPS = st.lists(st.tuples(ACTIONS, st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=25)


@contextlib.asynccontextmanager
async def world() -> AsyncIterator[World]:
    with tempfile.TemporaryDirectory() as directory:
        made = World(Path(directory))
        await made.start()
        try:
            yield made
        finally:
            await made.stop()


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_any_history_of_calls_and_crashes_ends_in_one_fresh_compile(steps: list[tuple[str, int, int]]) -> None:
    async def run() -> None:
        async with world() as made:
            for action, pick, choice in steps:
                await made.step(action, pick, choice)
            await made.compare()

    asyncio.run(run())
