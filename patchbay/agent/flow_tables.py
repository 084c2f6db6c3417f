"""The flows of this host's bridges: one OpenFlow connection each, kept open, and what is known to be in the tables.

Used by ``Machine``. A bridge is *ready* when it is connected and its flows were observed; only then may its flows be
compared and changed. Flows whose ports have no number yet are held, and told as changed when the number comes.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from patchbay.agent.flooding import without_ports
from patchbay.compile.names import BR_INT
from patchbay.errors import HostError
from patchbay.host.netlink_apply import Failure
from patchbay.host.openflow import (
    BridgeUnreachable,
    FlowChange,
    FlowRefused,
    FlowsRefused,
    OpenFlowConnection,
    Selection,
    learned_on,
)
from patchbay.hoststate import Flow, Key, Meter, Resource
from patchbay.hoststate.limits import FIRST_METER
from patchbay.plan.limit_operations import DelMeters, SetMeters
from patchbay.plan.observed import Observed, ObservedFlow
from patchbay.plan.operations import AddFlows, DelFlows, DelFlowsByCookie, FlushLearned

FlowOperation = AddFlows | DelFlows | DelFlowsByCookie | FlushLearned | SetMeters | DelMeters
FLOW_OPERATIONS = (AddFlows, DelFlows, DelFlowsByCookie, FlushLearned, SetMeters, DelMeters)
TUNNEL_PREFIX = "vxlan-"
_WHOLE_COOKIE = (1 << 64) - 1


class FlowTables:
    """See the module. ``tell`` hears keys that came, changed or went, or that may be tried again."""

    def __init__(
        self,
        rundir: str,
        observed: Observed,
        desired: Mapping[Key, Resource],
        ofports: Mapping[str, Mapping[str, int]],
        tell: Callable[[set[Key]], None],
    ) -> None:
        self.ready: set[str] = set()
        self.seen: set[str] = set()
        """Bridges that were ready since they were opened."""
        self._rundir = rundir
        self._observed = observed
        self._desired = desired
        self._ofports = ofports
        self._tell = tell
        self._connections: dict[str, OpenFlowConnection] = {}
        self._held: dict[tuple[str, str], set[Key]] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._counting: set[str] = set()
        self._turns: dict[str, asyncio.Lock] = {}
        self._news = asyncio.Event()

    def open(self, bridge: str) -> None:
        """Connect to a bridge, and stay connected."""
        if bridge not in self._connections:
            connection = OpenFlowConnection(
                bridge,
                rundir=Path(self._rundir),
                on_change=partial(self._note_changes, bridge),
                on_connect=lambda: self._start(self._observe(bridge)),
                on_disconnect=partial(self._lose, bridge),
            )
            self._connections[bridge] = connection
            self._start(self._connect(connection))

    async def close(self, bridge: str) -> None:
        """Forget a bridge that is gone."""
        connection = self._connections.pop(bridge, None)
        self.seen.discard(bridge)
        if connection:
            await connection.close()
            self._lose(bridge)

    async def close_all(self) -> None:
        """Close every connection; flows stay in the tables."""
        for task in list(self._tasks):
            task.cancel()
        connections, self._connections = self._connections, {}
        for connection in connections.values():
            await connection.close()

    async def wait_ready(self, timeout_s: float) -> bool:
        """Wait until every bridge is ready; False when one is not after ``timeout_s``."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.ready != self.bridges():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    def bridges(self) -> set[str]:
        """The bridges that are, or are to be, connected."""
        return set(self._connections)

    async def apply(self, operations: Sequence[FlowOperation]) -> list[Failure]:
        """Change flows of any bridges, each bridge in one bundle, all bridges at once. Records what was done."""
        by_bridge: dict[str, list[FlowOperation]] = {}
        for operation in operations:
            by_bridge.setdefault(operation.bridge, []).append(operation)
        failures = await asyncio.gather(*(self._apply_to(bridge, batch) for bridge, batch in by_bridge.items()))
        return [failure for some in failures for failure in some]

    async def _apply_to(self, bridge: str, operations: Sequence[FlowOperation]) -> list[Failure]:
        connection = self._connections.get(bridge)
        if connection is None:
            error = BridgeUnreachable(f"Bridge {bridge} does not exist.", f"Create it: ovs-vsctl add-br {bridge}")
            return [Failure(operation, error) for operation in operations]
        async with self._turn(bridge):
            return await self._send(connection, bridge, operations)

    def _turn(self, bridge: str) -> asyncio.Lock:
        """Changing, reading and counting flows of one bridge take turns: what is recorded is then what was counted."""
        return self._turns.setdefault(bridge, asyncio.Lock())

    async def _send(
        self, connection: OpenFlowConnection, bridge: str, operations: Sequence[FlowOperation]
    ) -> list[Failure]:
        first, add, last = self._sort(operations)
        refused: dict[Key, HostError] = {}
        try:
            if meters := [meter for one in operations if isinstance(one, SetMeters) for meter in one.meters]:
                await connection.set_meters(meters)
            await connection.apply(add, last, ports=self._ofports.get(bridge, {}), delete_first=first)
        except FlowsRefused as error:
            refused = {one.flow.key: one for one in error.refused if isinstance(one, FlowRefused) and one.flow}
            if len(refused) < len(error.refused):
                return [Failure(operation, error) for operation in operations]
        except HostError as error:
            return [Failure(operation, error) for operation in operations]
        try:
            if meters := [meter for one in operations if isinstance(one, DelMeters) for meter in one.meters]:
                await connection.delete_meters(meters)
        except HostError as error:
            return [Failure(operation, error) for operation in operations]
        for operation in operations:
            if isinstance(operation, AddFlows):
                operation = AddFlows(bridge, tuple(flow for flow in add if flow.key not in refused))  # noqa: PLW2901
            self._observed.record(operation)
        bad = [flow for flow in add if flow.key in refused]
        return [Failure(AddFlows(bridge, (flow,)), refused[flow.key]) for flow in bad]

    def _sort(
        self, operations: Sequence[FlowOperation]
    ) -> tuple[list[Flow | Selection], list[Flow], list[Flow | Selection]]:
        """What to delete first, what to add, what to delete last. Flows with unknown ports are held."""
        first: list[Flow | Selection] = []
        add: list[Flow] = []
        last: list[Flow | Selection] = []
        for operation in operations:
            match operation:
                case AddFlows(_, flows):
                    add += [one for one in map(self._sendable, flows) if one is not None]
                case DelFlows(_, flows):
                    last += flows
                case DelFlowsByCookie(_, cookies):
                    (last if add else first).extend(
                        Selection(table=table, cookie=cookie, cookie_mask=_WHOLE_COOKIE) for table, cookie in cookies
                    )
                case FlushLearned(_, local_vlan, table):
                    last.append(learned_on(local_vlan, table))
        return first, add, last

    def _sendable(self, flow: Flow) -> Flow | None:
        """The flow, or None while it must wait for the number of a port.

        One that floods to several ports goes without those that have no number: a tunnel that cannot be opened must
        not cut off the other hosts. It is sent whole when the number comes.
        """
        missing = self._missing_ports(flow)
        if not missing:
            return flow
        for port in missing:
            self._held.setdefault((flow.bridge, port), set()).add(flow.key)
        actions = without_ports(flow.actions, missing)
        if actions is None:
            return None
        reduced = replace(flow, actions=actions)
        return reduced if self._observed.get(flow.key) != reduced else None

    def _missing_ports(self, flow: Flow) -> frozenset[str]:
        return flow.ports - self._ofports.get(flow.bridge, {}).keys()

    def is_held(self, key: Key) -> bool:
        """Whether this flow waits for the number of a port."""
        flow = self._desired.get(key)
        return isinstance(flow, Flow) and bool(self._missing_ports(flow))

    def waits_for_tunnel(self, key: Key) -> bool:
        """Whether this flow waits for the number of a port, and only for tunnels."""
        flow = self._desired.get(key)
        missing = self._missing_ports(flow) if isinstance(flow, Flow) else frozenset()
        return bool(missing) and all(port.startswith(TUNNEL_PREFIX) for port in missing)

    def renumber(self, ports: Iterable[tuple[str, str]]) -> None:
        """Numbers of these ports (bridge, name) came, changed or went."""
        for place in ports:
            bridge, name = place
            number = self._ofports.get(bridge, {}).get(name)
            if number is None:
                if not self._observed.dependents(("flows-naming", bridge, name)):
                    self._numbers.pop(place, None)
                continue
            changed = self._held.pop(place, set())
            if self._numbers.get(place, number) != number:
                changed |= self._observed.forget_port(bridge, name)
            self._numbers[place] = number
            self._tell(changed)

    # --- what the switch tells ----------------------------------------------------------------------------------------

    async def _connect(self, connection: OpenFlowConnection) -> None:
        with contextlib.suppress(BridgeUnreachable):
            await connection.open()

    async def look(self, bridge: str) -> list[ObservedFlow]:
        """The flows of ours on a bridge, read anew. Raises BridgeUnreachable."""
        if bridge not in self._connections:
            raise BridgeUnreachable(f"Bridge {bridge} has gone.")
        found = await self._connections[bridge].observe_ports()
        return [
            ObservedFlow(bridge=bridge, table=flow.table, cookie=flow.cookie, ofports=ports) for flow, ports in found
        ]

    async def look_at_meters(self, bridge: str) -> list[Meter]:
        """The meters of ours on a bridge, read anew. Raises BridgeUnreachable."""
        if bridge != BR_INT:
            return []
        if bridge not in self._connections:
            raise BridgeUnreachable(f"Bridge {bridge} has gone.")
        return [meter for meter in await self._connections[bridge].meters() if meter.number >= FIRST_METER]

    async def watch_meters(self) -> dict[int, int]:
        """Read the meters of br-int anew, which tells of no changes; how many packets each has dropped so far."""
        async with self._turn(BR_INT):
            if BR_INT not in self.ready:
                return {}
            try:
                found = await self.look_at_meters(BR_INT)
                dropped = await self._connections[BR_INT].dropped()
            except (KeyError, BridgeUnreachable):
                return {}
            if BR_INT in self.ready:
                self._tell(self._take_in_meters(BR_INT, found))
        return dropped

    def _take_in_meters(self, bridge: str, found: list[Meter]) -> set[Key]:
        there = {meter.key for meter in found}
        keys: set[Key] = set()
        for key in self._observed.dependents(("bridge", bridge)):
            if key[0] == "meter" and key not in there:
                keys |= self._observed.drop(key)
        return keys.union(*(self._observed.put(meter) for meter in found))

    async def _observe(self, bridge: str) -> None:
        """Read the flows of a bridge anew and recognise those that are wanted."""
        connection = self._connections.get(bridge)
        async with self._turn(bridge):
            try:
                found, meters = await self.look(bridge), await self.look_at_meters(bridge)
            except BridgeUnreachable:
                return
            if connection is not None and self._connections.get(bridge) is connection and connection.connected:
                self._take_in(bridge, found, meters)

    def _take_in(self, bridge: str, found: list[ObservedFlow], meters: list[Meter]) -> None:
        wanted = [one for one in self._desired.values() if isinstance(one, Flow) and one.bridge == bridge]
        keys = {flow.key for flow in wanted} | self._observed.drop_flows_of(bridge)
        keys |= self._recognise(found, wanted) | self._take_in_meters(bridge, meters)
        for name, number in self._ofports.get(bridge, {}).items():
            self._numbers[bridge, name] = number
        self.ready.add(bridge)
        self.seen.add(bridge)
        self._news.set()
        self._tell(keys)

    def _recognise(self, found: list[ObservedFlow], wanted: list[Flow]) -> set[Key]:
        """Take what a switch shows for the flows that are wanted; the rest stays as it was seen."""
        by_cookie = {(flow.table, flow.cookie): flow for flow in wanted}
        keys: set[Key] = set()
        for seen in found:
            flow = by_cookie.get((seen.table, seen.cookie))
            numbers = self._ofports.get(seen.bridge, {})
            is_it = flow is not None and seen.ofports == frozenset(numbers.get(name, -1) for name in flow.ports)
            keys |= self._observed.put(flow if flow is not None and is_it else seen)
        return keys

    def _lose(self, bridge: str) -> None:
        self.ready.discard(bridge)
        self._tell(self._observed.drop_flows_of(bridge))

    def _note_changes(self, bridge: str, changes: Sequence[FlowChange]) -> None:
        changed: set[Key] = set()
        for change in changes:
            if change.kind == "foreign":
                self._count_later(bridge)
                continue
            gone = self._observed.drop_flow(bridge, change.flow.table, change.flow.cookie)
            if change.kind == "changed" and not any(key in self._desired for key in gone):
                seen = ObservedFlow(bridge=bridge, table=change.flow.table, cookie=change.flow.cookie)
                gone |= self._observed.put(seen)
            changed |= gone
        self._tell(changed)

    def _count_later(self, bridge: str) -> None:
        if bridge not in self._counting:
            self._counting.add(bridge)
            self._start(self._count(bridge))

    async def _count(self, bridge: str) -> None:
        """A foreign flow may have replaced one of ours without the switch saying so: then there are fewer."""
        async with self._turn(bridge):
            self._counting.discard(bridge)
            try:
                count = await self._connections[bridge].count()
            except (KeyError, BridgeUnreachable):
                return
            keys = self._observed.dependents(("bridge", bridge))
            known = sum(key[0] in ("flow", "observed-flow") for key in keys)
        if count != known:
            await self._observe(bridge)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
