"""From settings to a running agent, and from SIGTERM to its end. ``run_agent`` is what ``patchbay agent`` calls."""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

from patchbay.agent.check import pending
from patchbay.agent.control import serve_control
from patchbay.agent.loop import Agent
from patchbay.agent.machine import Sources
from patchbay.agent.neighbours import Neighbours
from patchbay.agent.renewal import renewing
from patchbay.agent.settings import AUTO, AgentSettings
from patchbay.compile.facts import Facts
from patchbay.errors import HostError
from patchbay.host import probe
from patchbay.host.credentials import credentials_in
from patchbay.host.netlink import Kernel
from patchbay.host.ovs import Switch
from patchbay.host.own_process import give_memory_back, raise_file_limit
from patchbay.host.programs import find_services
from patchbay.host.services import Services
from patchbay.intent.database import AgentScope, IntentDatabase
from patchbay.plan.operations import Operation

T = TypeVar("T")

PLAN_PATIENCE_S = 5.0
WAIT_TOLD_S = 5.0
LOCK_NAME = "agent.lock"

logger = logging.getLogger(__name__)


async def run_agent(settings: AgentSettings) -> None:
    """Run until SIGTERM or SIGINT. The data plane stays as it is when the agent ends.

    Raises HostError when another agent runs on this host, or its run directory cannot be used.
    """
    raise_file_limit()
    with _only_one(Path(settings.run_dir)):
        await _run_until_stopped(settings)


async def _run_until_stopped(settings: AgentSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    work = asyncio.create_task(_live(settings), name="agent")
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not work.done():
        logger.info("stopping", extra={"host": settings.host})
        work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


@contextlib.contextmanager
def _only_one(run_dir: Path) -> Iterator[None]:
    """Hold the lock of this host's agent; it goes with the process, however that ends."""
    try:
        run_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        lock = os.open(run_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HostError(f"{run_dir} cannot be used: {error.strerror}.", "Name another with --run-dir DIR.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise HostError("Another agent runs on this host.", f"Stop it first; it holds {run_dir / LOCK_NAME}.") from None
    finally:
        os.close(lock)


async def _live(settings: AgentSettings) -> None:
    async with (
        renewing(settings) as renewal,
        open_agent(settings) as agent,
        asyncio.TaskGroup() as tasks,
    ):
        renewal.watch(agent.intent)
        # First of all: what the service places here because this host is alive comes with the first plan.
        tasks.create_task(agent.reporter.beat())
        await agent.start()
        logger.info(
            "ready",
            extra={
                "host": settings.host,
                "datapath_type": agent.identity.datapath_type,
                "tunnel_ip": agent.identity.tunnel_ip,
                "ports": len(agent.view.ports),
                "operations": agent.operations,
            },
        )
        tasks.create_task(agent.run())
        tasks.create_task(agent.reporter.report())
        tasks.create_task(Neighbours(agent.intent, settings.host, agent.identity.tunnel_ip).run())
        tasks.create_task(serve_control(settings, agent))
        await agent.machine.flows.wait_ready(PLAN_PATIENCE_S)
        give_memory_back()


@contextlib.asynccontextmanager
async def open_agent(
    settings: AgentSettings, *, is_watching: bool = True, timeout_s: float | None = None
) -> AsyncIterator[Agent]:
    """An agent that is connected to everything and has not begun.

    Waits for both databases as long as it takes, or ``timeout_s`` and then raises ConnectionLost or Unavailable.
    """
    identity = identify(settings)
    async with contextlib.AsyncExitStack() as stack:
        kernel = await Kernel.open(is_watching=is_watching)
        stack.callback(kernel.close)
        switch, intent = await asyncio.gather(
            _said(Switch.open(settings.ovs, timeout_s), "Open vSwitch", settings.ovs),
            _said(
                IntentDatabase.open(
                    settings.intent,
                    AgentScope(settings.host),
                    timeout_s=timeout_s,
                    credentials=credentials_in(settings.credentials),
                ),
                "the intent database",
                ", ".join(settings.intent),
            ),
        )
        stack.push_async_callback(intent.close)
        stack.push_async_callback(switch.close)
        services = Services(settings.run_dir, is_watching=is_watching)
        stack.callback(services.close)
        agent = Agent(settings, identity, intent, Sources(kernel, switch, services))
        stack.push_async_callback(agent.machine.close)
        stack.callback(agent.complaints.close)
        stack.callback(agent.announcer.close)
        yield agent


async def _said(opening: Coroutine[Any, Any, T], what: str, where: str) -> T:
    """What is opened; a wait for it is told once in a while, or nobody would know why nothing happens."""
    task = asyncio.create_task(opening)
    try:
        while not (await asyncio.wait({task}, timeout=WAIT_TOLD_S))[0]:
            logger.warning("waiting for %s", what, extra={"remote": where, "remedy": "Is it running there?"})
        return await task
    finally:
        task.cancel()


async def plan(settings: AgentSettings) -> list[Operation]:
    """What an agent would do on this host now: look, compile and compare; changes nothing.

    A bridge whose OpenFlow socket does not answer counts as one without flows.
    Raises ConnectionLost or Unavailable when Open vSwitch or the intent database does not answer.
    """
    async with open_agent(settings, is_watching=False, timeout_s=PLAN_PATIENCE_S) as agent:
        await agent.load()
        await agent.machine.flows.wait_ready(PLAN_PATIENCE_S)
        return pending(agent)


def identify(settings: AgentSettings) -> Facts:
    """What this host is, of itself: ``auto`` settings are found out here."""
    tunnel_ip = settings.tunnel_ip
    if tunnel_ip == AUTO:
        try:
            tunnel_ip = probe.find_tunnel_ip()
        except HostError as error:
            logger.warning("no tunnels: %s", error.message, extra={"remedy": error.remedy})
            tunnel_ip = ""
    is_auto = settings.datapath_type == AUTO
    return Facts(
        host=settings.host,
        datapath_type=probe.choose_datapath_type() if is_auto else settings.datapath_type,
        tunnel_ip=tunnel_ip,
        bridge_mappings=dict(settings.bridge_mappings),
        run_dir=settings.run_dir,
        services=find_services(),
        connections_per_network=settings.connections_per_network,
        new_connections_per_s=settings.new_connections_per_s,
        metadata_command=(
            *(sys.executable, "-m", "patchbay", "metadata", "--intent", ",".join(settings.intent)),
            *(("--credentials", settings.credentials) if settings.is_encrypted else ()),
        ),
    )
