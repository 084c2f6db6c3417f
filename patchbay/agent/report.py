"""What the agent tells the intent database: that its host is alive, and which ports are plugged and complete here.

The port of a floating IP is plugged nowhere, but where it lives a row tells whether the address works.

Runs beside the loop, so that a slow or absent intent database never holds up the data plane. Rows are written in
batches: one transaction for all that changed since the last.
"""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Iterable

import msgspec
from msgspec.structs import replace

import patchbay
from patchbay.agent.completeness import Completeness
from patchbay.agent.link_macs import LinkMacs
from patchbay.compile.facts import Facts
from patchbay.compile.floating import floating_host, outlet
from patchbay.compile.view import Fragment, HostView
from patchbay.errors import IntentError
from patchbay.intent.database import Delete, Insert, IntentDatabase, Update, Write
from patchbay.model import FloatingIP, Host, Plug
from patchbay.model.router import ROUTER_INTERFACE_DISTRIBUTED

logger = logging.getLogger(__name__)

HEARTBEAT_S = 3.0
"""So often a host says that it is alive; one that is silent is looked for by the others, some seconds later. One row is
written, in a column that no agent watches."""
RETRY_S = 1.0
UNKNOWN = {"": ""}
"""Datapaths that no host has."""


class PortState(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent says of a port here. ``mac`` is that of the gateway that a floating IP is on: neighbours must hear
    of another one. A distributed router is on many hosts: where it does not live, nothing ``is_told``."""

    network_id: str
    up: bool
    trouble: str = ""
    mac: str = ""
    is_told: bool = True


class Reporter:
    """Writes this host's own Host row and its Plug rows. ``note`` says for which ports to look again."""

    def __init__(
        self, intent: IntentDatabase, view: HostView, completeness: Completeness, announce: Callable[[str], None]
    ) -> None:
        self._intent = intent
        self._view = view
        self._completeness = completeness
        self._announce = announce
        self._noted: set[str] = set()
        self._down: set[str] = set()
        self._floating: dict[str, set[str]] = {}
        """Ports of floating IPs, by the router here that has them."""
        self._announced: dict[str, str] = {}
        """By the port of a floating IP: the MAC with which it was announced."""
        self._link_macs = LinkMacs()
        self._routers: dict[str, tuple[bool, str]] = {}
        self._wake = asyncio.Event()
        self._started_at = int(time.time())
        self._beat_soon = asyncio.Event()
        self._told_datapaths: dict[str, str] | None = None

    def note(self, port_ids: Iterable[str]) -> None:
        """Something about these ports may have changed; those that were not up are looked at anyway."""
        self._noted.update(port_ids)
        if self._noted or self._down:
            self._wake.set()

    def note_facts(self) -> None:
        """Facts were taken anew: what this host tells of itself may have changed."""
        if self._told_datapaths != self._view.facts.datapaths:
            self._beat_soon.set()

    def note_fragments(self, dirty: Iterable[Fragment]) -> None:
        """These were compiled again: what is told of the ports that they concern may have changed."""
        noted: set[str] = set()
        for fragment in dirty:
            match fragment:
                case ("port", port_id):
                    noted.add(port_id)
                case ("router", router_id):
                    noted |= self._ports_of(router_id)
                case ("network", network_id):
                    for router_id in self._view.routers_on(network_id):
                        noted |= self._ports_of(router_id)
        self.note(noted)

    def _ports_of(self, router_id: str) -> set[str]:
        """The router's ports and those of its floating IPs, now and before."""
        before = self._floating.pop(router_id, set())
        router = self._view.routers.get(router_id)
        is_here = router is not None and (self._view.is_home(router) or router_id in self._view.distribution)
        floating = {item.floating_port_id for item in self._view.floatingips_of(router_id)} if is_here else set()
        if floating:
            self._floating[router_id] = floating
        return before | floating | {port.id for port in self._view.router_ports(router_id)}

    # --- Plug rows ----------------------------------------------------------------------------------------------------

    async def report(self) -> None:
        """Report ports for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            ports, self._noted = self._noted | self._down, set()
            self._routers.clear()
            self._completeness.look_anew()
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
        rows = (self._intent.plugs[row] for row in self._intent.plugs_by_port.get(port_id, ()))
        row = next((one for one in rows if one.host == host), None)
        state = self._state_of(port_id)
        if state is None:
            self._down.discard(port_id)
            self._announced.pop(port_id, None)
            if row:
                yield Delete(row)
            return
        (self._down.discard if state.up else self._down.add)(port_id)
        if state.up and self._is_news(port_id, row, state):
            self._announce(port_id)
        if not state.is_told:
            if row:
                yield Delete(row)
            return
        told = Plug(
            id=row.id if row else str(uuid.uuid4()),
            port_id=port_id,
            network_id=state.network_id,
            host=host,
            up=state.up,
            trouble=state.trouble,
        )
        if row is None:
            yield Insert(told)
        elif row != told:
            yield Update(row, told)

    def _is_news(self, port_id: str, row: Plug | None, state: PortState) -> bool:
        """Neighbours may not know yet where this port is, now that it is up."""
        port = self._view.ports.get(port_id)
        if port is not None and port.device_owner == ROUTER_INTERFACE_DISTRIBUTED:
            return self._link_macs.note(port, self._view.networks_here())
        before, self._announced[port_id] = self._announced.get(port_id, state.mac), state.mac
        return not (row and row.up) or before != state.mac

    def _state_of(self, port_id: str) -> PortState | None:
        """What there is to tell of a port; None if it is not here."""
        floatingip = self._view.floatingip_at(port_id)
        if floatingip is not None:
            return self._state_of_floatingip(floatingip)
        port, plugged = self._view.ports.get(port_id), self._view.facts.plugged.get(port_id)
        if port is None or plugged is None or not self._view.is_here(port):
            return None
        is_up = plugged.ofport > 0 and self._completeness.of_port(port_id)
        router = self._view.routers.get(port.device_id)
        is_link = port.device_owner == ROUTER_INTERFACE_DISTRIBUTED
        is_told = not is_link or router is None or self._view.is_home(router)
        return PortState(network_id=port.network_id, up=is_up, is_told=is_told)

    def _state_of_floatingip(self, floatingip: FloatingIP) -> PortState | None:
        router = self._view.routers.get(floatingip.router_id or "")
        if router is None or floating_host(self._view, router, floatingip) != self._view.facts.host:
            return None
        port = outlet(self._view, router)
        is_up, trouble = self._state_of_router(router.id)
        return PortState(
            network_id=floatingip.floating_network_id,
            up=is_up and self._completeness.of_floatingip(floatingip),
            trouble=trouble,
            mac=port.mac_address if port else "",
        )

    def _state_of_router(self, router_id: str) -> tuple[bool, str]:
        """Whether it is complete, and its trouble; found out once for all its floating IPs in a batch."""
        if router_id not in self._routers:
            trouble = self._completeness.trouble_of_router(router_id)
            self._routers[router_id] = not trouble and self._completeness.of_router(router_id), trouble
        return self._routers[router_id]

    # --- the Host row -------------------------------------------------------------------------------------------------

    async def introduce(self, facts: Facts) -> str:
        """Write this host's row: what others must know to reach it, and when this agent started. Gives its id."""
        old = self._intent.host_named(facts.host)
        new = replace(
            old or Host(id=str(uuid.uuid4()), name=facts.host),
            tunnel_ip=facts.tunnel_ip,
            bridge_mappings=dict(facts.bridge_mappings),
            datapath_type=facts.datapath_type,
            services=facts.services,
            version=patchbay.__version__,
            started_at=self._started_at,
            heartbeat_at=int(time.time()),
            datapaths=dict(facts.datapaths),
        )
        self._told_datapaths = None
        await self._intent.transact(Update(self._as_told(old), new) if old else Insert(new))
        self._told_datapaths = dict(facts.datapaths)
        return new.id

    async def beat(self) -> None:
        """Introduce this host, then say again and again that it is alive; whoever deleted any of it gets it anew.

        An agent that may not make the row (see ``intent.roles``) waits for the service to make it.
        """
        introduced = ""
        while True:
            facts = self._view.facts
            try:
                row = self._intent.host_named(facts.host)
                if row and row.id == introduced:
                    datapaths = dict(facts.datapaths)
                    told = replace(row, heartbeat_at=int(time.time()), services=facts.services, datapaths=datapaths)
                    await self._intent.transact(Update(self._as_told(row), told))
                    self._told_datapaths = datapaths
                else:
                    introduced = await self.introduce(facts)
            except IntentError as error:
                logger.warning("no heartbeat: %s", error.message, extra={"remedy": error.remedy})
                await asyncio.sleep(RETRY_S)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._beat_soon.wait()
            self._beat_soon.clear()

    def _as_told(self, row: Host) -> Host:
        """This host's row as the database has it: an agent does not watch all columns."""
        told = self._told_datapaths
        return replace(row, datapaths=UNKNOWN if told is None else told)
