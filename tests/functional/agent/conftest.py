"""A host with Open vSwitch, an intent database and one agent, for tests of the agent alone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from patchbay.agent import AgentSettings
from patchbay.agent.check import check
from patchbay.agent.run import open_agent
from patchbay.errors import PatchbayError
from patchbay.intent.database import IntentDatabase
from patchbay.intent.server import EmbeddedServer
from tests.functional.agent.intent_by_hand import Writer

RUN_DIR = "/run/patchbay"


class Compute:
    """The host that a scenario works with: ``writer`` writes intent, ``agent`` runs until ``stop_agent``."""

    def __init__(self, host, server: EmbeddedServer, writer: Writer) -> None:
        self.host = host
        self.server = server
        self.writer = writer
        self.agent = None
        self._stack = contextlib.AsyncExitStack()
        self._tasks: list[asyncio.Task] = []

    async def start_agent(self, **settings) -> None:
        """Start an agent in this process; returns when it has made its first turn."""
        chosen = {"tunnel_ip": "198.51.100.1", "datapath_type": "netdev", "run_dir": RUN_DIR} | settings
        given = AgentSettings(host="compute1", intent=(self.server.remote,), **chosen)
        self.agent = await self._stack.enter_async_context(open_agent(given))
        await self.agent.start()
        self._tasks = [asyncio.create_task(self.agent.run()), asyncio.create_task(self.agent.reporter.beat())]
        self._tasks.append(asyncio.create_task(self.agent.reporter.report()))

    async def stop_agent(self) -> None:
        """Stop it as a kill would: nothing is taken back."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    async def restart_server(self) -> None:
        """Bring the intent database back after ``server.stop``."""
        self.server = await EmbeddedServer.start(self.server.state_dir)

    async def settled(self, deadline_s: float = 10.0) -> None:
        """Wait until everything is as desired, and the checks of the control socket agree."""

        def waits_for() -> list[str]:
            agent = self.agent
            waits = [" ".join(key) for key in sorted(agent.unsettled)[:9]]
            waits += ["a turn of the loop"] if agent.wake.is_set() or agent._changes else []
            return waits + ([] if agent.machine.switch.is_settled else ["ovs-vswitchd"])

        try:
            await self.host.until(lambda: not waits_for(), "settled", deadline_s)
        except AssertionError as error:
            raise AssertionError(f"{error}: {waits_for()} after {self.agent.turns} turns") from None
        end = asyncio.get_running_loop().time() + deadline_s
        while wrong := await self._check():
            assert asyncio.get_running_loop().time() < end, wrong
            await asyncio.sleep(0.05)

    async def _check(self) -> list[str]:
        try:
            return await check(self.agent)
        except PatchbayError as error:
            return [str(error)]

    async def up(self, *ports, deadline_s: float = 10.0) -> None:
        """Wait until the agent says that these ports are complete."""
        await self.host.until(lambda: all(map(self.writer.is_up, ports)), "ports are up", deadline_s)

    def reaches(self, namespace: str, address: str) -> bool:
        """Whether one ping of at most a second comes back."""
        return "1 received" in self.host.sh(f"ip netns exec {namespace} ping -c1 -W1 {address} || true")


Scenario = Callable[[Compute], Awaitable[None]]


@contextlib.asynccontextmanager
async def compute(host) -> AsyncIterator[Compute]:
    host.start_ovs()
    host.sh("ip link add underlay0 type veth peer name underlay1; ip link set underlay0 up; ip link set underlay1 up")
    server = await EmbeddedServer.start(Path("/run/intent"))
    database = await IntentDatabase.open([server.remote])
    one = Compute(host, server, Writer(database))
    try:
        yield one
    finally:
        await one.stop_agent()
        await database.close()
        await one.server.stop()


@pytest.fixture
def on_compute(on_private_host) -> Callable[[Scenario], None]:
    """Run a scenario on a private host that has all but a running agent."""

    def run(scenario: Scenario) -> None:
        async def wrapped(host) -> None:
            async with compute(host) as one:
                await scenario(one)

        on_private_host(wrapped)

    return run
