"""What the agent tells the intent database: that its host is alive, and which ports are plugged and complete here.

Runs beside the loop, so that a slow or absent intent database never holds up the data plane. Rows are written in
batches: one transaction for all that changed since the last.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Iterable

from msgspec.structs import replace

import patchbay
from patchbay.compile.facts import Facts
from patchbay.compile.view import HostView
from patchbay.errors import IntentError
from patchbay.intent.database import Delete, Insert, IntentDatabase, Update, Write
from patchbay.model import Host, Plug

logger = logging.getLogger(__name__)

HEARTBEAT_S = 30.0
RETRY_S = 1.0


class Reporter:
    """Writes this host's own Host row and its Plug rows. ``note`` says for which ports to look again."""

    def __init__(
        self,
        intent: IntentDatabase,
        view: HostView,
        is_complete: Callable[[str], bool],
        announce: Callable[[str], None],
    ) -> None:
        self._intent = intent
        self._view = view
        self._is_complete = is_complete
        self._announce = announce
        self._noted: set[str] = set()
        self._down: set[str] = set()
        self._wake = asyncio.Event()
        self._started_at = int(time.time())

    def note(self, port_ids: Iterable[str]) -> None:
        """Something about these ports may have changed; those that were not up are looked at anyway."""
        self._noted.update(port_ids)
        if self._noted or self._down:
            self._wake.set()

    async def run(self) -> None:
        """Report for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._beat())
            tasks.create_task(self._report())

    # --- Plug rows ----------------------------------------------------------------------------------------------------

    async def _report(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            ports, self._noted = self._noted | self._down, set()
            writes = [write for port_id in ports for write in self._writes_for(port_id)]
            try:
                await self._intent.transact(*writes)
            except IntentError as error:
                logger.warning("plugged ports could not be reported: %s", error.message, extra={"remedy": error.remedy})
                self._noted |= ports
                await asyncio.sleep(RETRY_S)
                self._wake.set()

    def _writes_for(self, port_id: str) -> Iterable[Write]:
        host = self._view.facts.host
        port, plugged = self._view.ports.get(port_id), self._view.facts.plugged.get(port_id)
        rows = (self._intent.plugs[row] for row in self._intent.plugs_by_port.get(port_id, ()))
        row = next((one for one in rows if one.host == host), None)
        if port is None or plugged is None or not self._view.is_here(port):
            self._down.discard(port_id)
            if row:
                yield Delete(row)
            return
        is_up = plugged.ofport > 0 and self._is_complete(port_id)
        (self._down.discard if is_up else self._down.add)(port_id)
        if is_up and not (row and row.up):
            self._announce(port_id)
        if row is None:
            new = Plug(id=str(uuid.uuid4()), port_id=port_id, network_id=port.network_id, host=host, up=is_up)
            yield Insert(new)
        elif (row.up, row.network_id) != (is_up, port.network_id):
            yield Update(row, replace(row, up=is_up, network_id=port.network_id))

    # --- the Host row -------------------------------------------------------------------------------------------------

    async def introduce(self, facts: Facts) -> None:
        """Write this host's row: what others must know to reach it, and when this agent started."""
        old = self._row(facts.host)
        new = replace(
            old or Host(id=str(uuid.uuid4()), name=facts.host),
            tunnel_ip=facts.tunnel_ip,
            bridge_mappings=dict(facts.bridge_mappings),
            datapath_type=facts.datapath_type,
            version=patchbay.__version__,
            started_at=self._started_at,
            heartbeat_at=int(time.time()),
        )
        await self._intent.transact(Update(old, new) if old else Insert(new))

    async def _beat(self) -> None:
        """Introduce this host, then say every half minute that it is alive; whoever deleted its row gets a new one."""
        is_introduced = False
        while True:
            facts = self._view.facts
            try:
                row = self._row(facts.host)
                if is_introduced and row:
                    await self._intent.transact(Update(row, replace(row, heartbeat_at=int(time.time()))))
                else:
                    await self.introduce(facts)
                    is_introduced = True
            except IntentError as error:
                logger.warning("no heartbeat: %s", error.message, extra={"remedy": error.remedy})
                await asyncio.sleep(RETRY_S)
                continue
            await asyncio.sleep(HEARTBEAT_S)

    def _row(self, name: str) -> Host | None:
        return next((self._intent.hosts[row] for row in self._intent.hosts_by_name.get(name, ())), None)
