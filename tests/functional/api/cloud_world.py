"""A cloud of hosts that are rows, with a scheduler beside the API: real database, real clock."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable

import msgspec

from patchbay.intent.database import Delete, Insert, Stale, Update
from patchbay.model import Host, Port, Router
from patchbay.model.port import DHCP_SERVER
from patchbay.model.router import ROUTER_GATEWAY
from patchbay.service.scheduler import Scheduler
from patchbay.service.settings import NetworkSettings
from tests.functional.api.api_world import Api, Object

DOWN_S = 1.5


class Cloud:
    """The API with a scheduler beside it, and hosts whose hearts beat until they are told not to."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.db = api.db
        self._hearts: dict[str, asyncio.Task[None]] = {}

    async def host(self, name: str, *services: str, **bridge_mappings: str) -> None:
        """A host with a beating heart."""
        row = Host(
            id=str(uuid.uuid4()),
            name=name,
            services=services,
            bridge_mappings=bridge_mappings,
            heartbeat_at=int(time.time()),
        )
        await self.db.transact(Insert(row))
        self._hearts[name] = asyncio.create_task(self._beat(row))

    async def _beat(self, row: Host) -> None:
        while True:
            await asyncio.sleep(DOWN_S / 8)
            old = self.db.hosts[row.id]
            await self.db.transact(Update(old, msgspec.structs.replace(old, heartbeat_at=old.heartbeat_at + 1)))

    def row(self, name: str) -> Host:
        """The host's row as it is now."""
        (row_id,) = self.db.hosts_by_name[name]
        return self.db.hosts[row_id]

    async def finds(self, name: str, **neighbours: str) -> None:
        """The agent of a host says what it found."""
        for _ in range(20):
            row = self.row(name)
            with contextlib.suppress(Stale):
                await self.db.transact(Update(row, msgspec.structs.replace(row, neighbours=neighbours)))
                return

    def lives(self, name: str) -> None:
        """Its heart beats again."""
        self._hearts[name] = asyncio.create_task(self._beat(self.row(name)))

    async def dies(self, name: str) -> None:
        """Its heart stops."""
        self._hearts[name].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._hearts.pop(name)

    async def end(self) -> None:
        """All hearts stop."""
        for name in list(self._hearts):
            await self.dies(name)
        await self.api.service.catch_up()
        await self.db.transact(*map(Delete, (*self.db.floatingips.values(), *self.db.routers.values())))

    async def network(self, **subnet: object) -> Object:
        """A network with a subnet."""
        network = await self.api.create("network", name="red")
        await self.api.create(
            "subnet",
            **{"network_id": network["id"], "ip_version": 4, "cidr": "10.0.1.0/28", "name": "red-v4", **subnet},
        )
        return network

    async def router(self, *ports: Port, distributed: bool = False) -> Router:
        """A router with these ports."""
        gateway = next((port.id for port in ports if port.device_owner == ROUTER_GATEWAY), None)
        router = Router(
            id=str(uuid.uuid4()), name="r", revision_number=1, distributed=distributed, gateway_port_id=gateway
        )
        mine = [msgspec.structs.replace(port, device_id=router.id) for port in ports]
        await self.db.transact(Insert(router), *map(Insert, mine))
        return router

    def servers(self, network: Object) -> list[Port]:
        """The network's DHCP ports."""
        return [p for p in self.db.ports.values() if p.network_id == network["id"] and p.device_owner == DHCP_SERVER]

    async def until(self, condition: Callable[[], object], what: str, deadline_s: float = 8.0) -> None:
        """Wait for it."""
        end = time.monotonic() + deadline_s
        while not condition():
            assert time.monotonic() < end, f"after {deadline_s} s still not: {what}"
            await asyncio.sleep(0.02)


def port_on(network: Object, owner: str, number: int) -> Port:
    """A port without addresses."""
    mac = f"fa:16:3e:00:00:{number:02x}"
    return Port(id=str(uuid.uuid4()), network_id=network["id"], mac_address=mac, device_owner=owner, revision_number=1)


SETTINGS = NetworkSettings(
    suspect_after_s=DOWN_S / 2, agent_down_time_s=DOWN_S, vlan_ranges={"physnet1": ((100, 200),)}
)


@contextlib.asynccontextmanager
async def scheduling(api: Api) -> AsyncIterator[None]:
    """A scheduler that runs as long as the block."""
    task = asyncio.create_task(Scheduler(api.service).run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
