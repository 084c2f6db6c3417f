"""The agent's loop around a desired state made by hand: no intent, no compile, but the agent's machine and diff.

``keeping`` runs it beside a test. Two namespaces with a port each on br-int are the usual desired state.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

from patchbay.agent.machine import Machine, Sources
from patchbay.agent.settings import AgentSettings
from patchbay.host.netlink import Kernel
from patchbay.host.netlink_apply import Failure
from patchbay.host.ovs import Switch
from patchbay.host.services import Services
from patchbay.hoststate import Address, Bridge, BridgePort, Key, Link, Namespace, Resource
from patchbay.plan.diff import diff, is_same
from patchbay.plan.operations import Operation

BRIDGE = Bridge(name="br-int", datapath_type="netdev", fail_mode="standalone")
SETTINGS = AgentSettings(host="private", intent=("unix:/run/none",))


class SmallAgent:
    """Keeps a host as ``desired``; remembers every operation and every failure."""

    def __init__(self, sources: Sources, desired: dict[Key, Resource]) -> None:
        self.desired = desired
        self.wake = asyncio.Event()
        self.machine = Machine(SETTINGS, sources, desired, self.wake.set)
        self.operations: list[Operation] = []
        self.failures: list[Failure] = []
        self.task: asyncio.Task[None] | None = None
        self.machine.start()

    async def turn(self, keys: Iterable[Key]) -> set[Key]:
        """Compare and apply once; returns what is not yet as desired."""
        keys = set(keys) | self.machine.take_changed()
        operations = diff(self.machine.observed, self.desired, keys)
        self.operations += operations
        self.failures += await self.machine.apply(operations)
        return {key for key in keys if not self.is_settled(key)}

    def is_settled(self, key: Key) -> bool:
        """Whether this is as desired."""
        have, want = self.machine.observed.get(key), self.desired.get(key)
        return have is want if have is None or want is None else is_same(have, want)

    def left(self) -> list[str]:
        """What is still to do. Raises what ended the loop, if something did."""
        if self.task and self.task.done():
            self.task.result()
        return [one.sentence() for one in diff(self.machine.observed, self.desired)]

    async def run(self) -> None:
        """Turn whenever something changed; what is left is tried again after a pause, as the agent does."""
        left = await self.turn({*self.desired, *self.machine.observed.resources})
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), 0.2 if left else None)
            self.wake.clear()
            left = await self.turn(left)


@contextlib.asynccontextmanager
async def keeping(desired: dict[Key, Resource]) -> AsyncIterator[SmallAgent]:
    """A running agent, started with no memory."""
    kernel, switch = await Kernel.open(desired), await Switch.open()
    services = Services("/run/patchbay")
    await services.load(desired)
    agent = SmallAgent(Sources(kernel, switch, services), desired)
    agent.task = asyncio.create_task(agent.run())
    try:
        yield agent
    finally:
        agent.task.cancel()
        await asyncio.wait({agent.task})
        await agent.machine.close()
        await switch.close()
        kernel.close()
        services.close()


def service_port(number: int) -> list[Resource]:
    """A namespace ``n1`` with the device ``tap-1`` of an internal port, 10.0.0.1/24 and fd00::1/64."""
    namespace, name = f"n{number}", f"tap-{number}"
    mac = f"fa:16:3e:00:{number >> 8:02x}:{number & 255:02x}"
    return [
        Namespace(name=namespace, alias="patchbay:net"),
        BridgePort(
            name=name,
            bridge="br-int",
            type="internal",
            tag=1,
            external_ids=(("attached-mac", mac), ("iface-id", f"port{number}"), ("iface-status", "active")),
            owner=f"port{number}",
        ),
        Link(
            name=name,
            namespace=namespace,
            kind="internal",
            mac=mac,
            mtu=1450,
            ipv6=True,
            tx_checksum=False,
            alias=f"patchbay:port{number}",
        ),
        Address(namespace=namespace, link=name, address=f"10.0.{number >> 8}.{number & 255}/16"),
        Address(namespace=namespace, link=name, address=f"fd00::{number:x}/64"),
    ]


def state(*resources: Resource) -> dict[Key, Resource]:
    """A desired state."""
    return {one.key: one for one in resources}
