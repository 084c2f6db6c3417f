"""The OpenFlow connection to one bridge: it stays open, applies flows, observes them, and tells what others change.

Called by the agent, one per bridge that carries our flows. Speaks OpenFlow 1.4 to ``<bridge>.mgmt``, the socket that
ovs-vswitchd opens for each bridge. Promises: a batch is applied as a whole or not at all (one bundle); a refused flow
is named and keeps no other flow away; what the switch acknowledged is in its tables. After a lost connection it
connects again by itself; flows must then be taken as gone until observed (a restarted ovs-vswitchd has none).
"""

import asyncio
import contextlib
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from patchbay.host import openflow_messages as messages
from patchbay.host import openflow_meters as metering
from patchbay.host.flow_encoding import (
    Selection,
    by_cookie,
    encode_add,
    encode_delete,
    learned_on,
    learned_towards,
    ports_named,
)
from patchbay.host.flow_errors import (
    BridgeUnreachable,
    FlowRefused,
    FlowsRefused,
    FlowTextError,
    MeterRefused,
    UnknownPort,
)
from patchbay.host.openflow_messages import FlowId, MonitorEvent, SwitchError
from patchbay.host.openflow_wire import OpenFlowWire
from patchbay.hoststate import Flow, Meter
from patchbay.hoststate.flow import COOKIE_MARK, COOKIE_MASK, LEARN_COOKIE

__all__ = [
    "BridgeUnreachable",
    "FlowChange",
    "FlowId",
    "FlowRefused",
    "FlowTextError",
    "FlowsRefused",
    "OpenFlowConnection",
    "Selection",
    "UnknownPort",
    "by_cookie",
    "learned_on",
    "learned_towards",
    "ports_named",
]

T = TypeVar("T")

RUNDIR = Path("/run/openvswitch")
_PLAIN_LIMIT = 1
"""Up to so many messages go as plain flow_mods with a barrier; more go as a bundle (see bench/bench_flows.py)."""
_CHUNK = 500
"""Flows encoded and written at a time: 64 to 128 KiB, about 6 ms, so that others get their turn in between."""
_ROUNDS = 3
_FIRST_RETRY_S, _LAST_RETRY_S = 0.02, 0.1


class FlowChange(NamedTuple):
    """What somebody else did to the flows of the bridge.

    ``removed``: a flow of ours is gone. ``changed``: a flow with our cookie was added or got other actions.
    ``foreign``: a flow that is not ours was added or changed. If it has table, priority and match of one of ours it
    took its place, which the switch does not say (``ovs-ofctl mod-flows`` also sets the cookie to 0); ``count`` is
    then less than expected.
    """

    kind: Literal["removed", "changed", "foreign"]
    flow: FlowId


class OpenFlowConnection:
    """A connection to one bridge. All methods raise BridgeUnreachable while it is not connected."""

    def __init__(
        self,
        bridge: str,
        *,
        rundir: Path = RUNDIR,
        on_change: Callable[[Sequence[FlowChange]], None] | None = None,
        on_connect: Callable[[], None] | None = None,
        on_disconnect: Callable[[], None] | None = None,
    ) -> None:
        self.bridge = bridge
        self._path = rundir / f"{bridge}.mgmt"
        self._on_change = on_change
        self._on_connect = on_connect
        self._on_disconnect = on_disconnect
        self._wire: OpenFlowWire | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._turn = asyncio.Lock()
        self._trouble = "not connected yet"

    @property
    def connected(self) -> bool:
        """Whether the switch can be spoken to now."""
        return self._up.is_set()

    async def open(self, timeout_s: float = 5.0) -> None:
        """Start connecting, and wait until connected. It goes on trying after BridgeUnreachable was raised."""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep_connected(), name=f"openflow {self.bridge}")
        try:
            async with asyncio.timeout(timeout_s):
                await self._up.wait()
        except TimeoutError:
            raise self._unreachable() from None

    async def close(self) -> None:
        """Close the connection for good. Flows stay in the switch. No callback is called any more."""
        self._on_change = self._on_connect = self._on_disconnect = None
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper

    async def apply(
        self,
        add: Sequence[Flow] = (),
        delete: Sequence[Flow | Selection] = (),
        *,
        ports: Mapping[str, int] | None = None,
        delete_first: Sequence[Flow | Selection] = (),
    ) -> tuple[Flow, ...]:
        """Delete ``delete_first``, add ``add``, delete ``delete``, all at once, and wait until it is in the tables.

        A flow is deleted by table and cookie. ``ports`` maps the names in the flows to OpenFlow numbers; flows that
        name a port without a number are not sent but returned. Raises FlowsRefused, with all other flows applied.
        """
        async with self._turn:
            batch = _Batch(ports or {})
            wire = self._session()
            steps = (*((what, True) for what in delete_first), *((f, False) for f in add), *((w, True) for w in delete))
            if len(steps) <= _PLAIN_LIMIT:
                for bodies in batch.encode(steps):
                    batch.refuse(await wire.flow_mods(bodies))
            elif batch.refuse(await wire.bundle(batch.encode(steps), len(steps))):
                await _send_rest(wire, batch)
        if batch.bad:
            raise FlowsRefused(tuple(batch.bad), tuple(batch.held))
        return tuple(batch.held)

    async def observe(self) -> list[FlowId]:
        """All flows of ours in the bridge (by the mark in their cookie), in no particular order."""
        build = partial(messages.flow_stats_request, messages.FLOW_STATS, COOKIE_MARK, COOKIE_MASK)
        return [flow for flows in await self._asked(build, messages.flow_ids) for flow in flows]

    async def observe_ports(self) -> list[tuple[FlowId, frozenset[int]]]:
        """As ``observe``, with the port numbers in each flow's in_port match and outputs (reserved ports left out).

        Takes about five times as long. It tells flows that still hold the old number of a port that came back.
        """
        build = partial(messages.flow_stats_request, messages.FLOW_STATS, COOKIE_MARK, COOKIE_MASK)
        return [found for flows in await self._asked(build, messages.flow_ports) for found in flows]

    async def count(self) -> int:
        """How many flows of ours the bridge has: cheaper than observe, enough to see whether some were replaced."""
        build = partial(messages.flow_stats_request, messages.AGGREGATE, COOKIE_MARK, COOKIE_MASK)
        return (await self._asked(build, messages.aggregate_count))[0]

    async def ports(self) -> dict[str, int]:
        """The OpenFlow numbers of the bridge's ports, by name."""
        parts = await self._asked(messages.port_description_request, messages.port_numbers)
        return {name: number for part in parts for name, number in part.items()}

    async def _asked(self, build: Callable[[int], bytes], read: Callable[[bytes], T]) -> list[T]:
        """The parts of an answer, read. A switch that answers what no switch does is left, as one that is silent."""
        wire = self._session()
        frames = await wire.request(build)
        try:
            return [read(frame) for frame in frames]
        except (struct.error, IndexError, ValueError) as error:
            wire.close()
            self._trouble = f"its answer cannot be read: {error}"
            raise self._unreachable() from error

    async def set_meters(self, meters: Sequence[Meter]) -> None:
        """Add meters, or give them another rate. Raises MeterRefused, with all other meters set."""
        async with self._turn:
            refused: list[MeterRefused] = []
            left = list(meters)
            for command in (metering.ADD, metering.MODIFY):
                bodies = [metering.meter_mod(command, meter) for meter in left]
                errors = await self._session().mods(metering.METER_MOD, bodies)
                refused += [
                    MeterRefused(left[at], why.reason, why.remedy)
                    for at, why in errors.items()
                    if why != metering.EXISTS
                ]
                left = [left[at] for at, why in errors.items() if why == metering.EXISTS]
        if refused:
            raise refused[0]

    async def delete_meters(self, meters: Sequence[Meter]) -> None:
        """Delete meters, and the flows that use them; those that are gone already are left alone."""
        async with self._turn:
            bodies = [metering.meter_mod(metering.DELETE, meter) for meter in meters]
            await self._session().mods(metering.METER_MOD, bodies)

    async def meters(self) -> list[Meter]:
        """All meters of the bridge, by number."""
        frames = await self._session().request(partial(metering.meters_request, metering.METER_CONFIG))
        found = (meter for frame in frames for meter in metering.meters(frame, self.bridge))
        return sorted(found, key=lambda meter: meter.number)

    async def dropped(self) -> dict[int, int]:
        """How many packets each meter has dropped, by its number."""
        frames = await self._session().request(partial(metering.meters_request, metering.METER_STATS))
        return dict(one for frame in frames for one in metering.metered(frame))

    def _session(self) -> OpenFlowWire:
        if self._wire is None:
            raise self._unreachable()
        return self._wire

    def _unreachable(self) -> BridgeUnreachable:
        return BridgeUnreachable(
            f"The OpenFlow socket of bridge {self.bridge} ({self._path}) cannot be used: {self._trouble}",
            "Is ovs-vswitchd running, and does the bridge exist (ovs-vsctl br-exists)?",
        )

    async def _keep_connected(self) -> None:
        retry_s = _FIRST_RETRY_S
        loop = asyncio.get_running_loop()
        while True:
            wire = OpenFlowWire(self.bridge, self._report)
            try:
                await loop.create_unix_connection(partial(_same, wire), str(self._path))
                await wire.handshake()
            except (OSError, BridgeUnreachable) as error:
                self._trouble = str(error)
                wire.close()
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, _LAST_RETRY_S)
                continue
            except asyncio.CancelledError:
                wire.close()
                raise
            retry_s = _FIRST_RETRY_S
            await self._live(wire)

    async def _live(self, wire: OpenFlowWire) -> None:
        """One session from handshake to loss."""
        loop = asyncio.get_running_loop()
        self._wire = wire
        self._up.set()
        if self._on_connect is not None:
            loop.call_soon(self._on_connect)
        try:
            await wire.lost.wait()
        finally:
            self._wire = None
            self._up.clear()
            self._trouble = "the connection was lost."
            wire.close()
        if self._on_disconnect is not None:
            loop.call_soon(self._on_disconnect)

    def _report(self, events: Sequence[MonitorEvent]) -> None:
        changes = [change for event in events if (change := _change(event)) is not None]
        if changes and self._on_change is not None:
            asyncio.get_running_loop().call_soon(self._on_change, changes)


async def _send_rest(wire: OpenFlowWire, batch: "_Batch") -> None:
    """One refused message spoils its bundle: send the others again, until what is left is accepted.

    The switch finds bad messages all at once, but those that only do not fit (a full table) one by one: after a few
    rounds each message goes by itself, so that thousands do not take thousands of rounds.
    """
    for _ in range(_ROUNDS):
        if not batch.bodies or not batch.refuse(await wire.bundle([batch.bodies], len(batch.bodies))):
            return
    batch.refuse(await wire.flow_mods(batch.bodies))


def _same(wire: OpenFlowWire) -> OpenFlowWire:
    return wire


def _change(event: MonitorEvent) -> FlowChange | None:
    """What an event means to us; None for learned flows and for what others remove of their own."""
    cookie = event.flow.cookie
    if cookie & COOKIE_MASK == COOKIE_MARK:
        return FlowChange("removed" if event.event == messages.REMOVED else "changed", event.flow)
    if cookie == LEARN_COOKIE or event.event == messages.REMOVED:
        return None
    return FlowChange("foreign", event.flow)


class _Batch:
    """What becomes of the steps of one apply: encoded, held back, unreadable or refused."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = ports
        self._flows: list[Flow | None] = []
        self.bodies: list[bytes] = []
        self.held: list[Flow] = []
        self.bad: list[FlowRefused | FlowTextError] = []

    def encode(self, steps: Sequence[tuple[Flow | Selection, bool]]) -> Iterator[list[bytes]]:
        """The messages for (flow or selection, whether to delete), in chunks: the switch works while we encode."""
        for start in range(0, len(steps), _CHUNK):
            already = len(self.bodies)
            for what, is_deletion in steps[start : start + _CHUNK]:
                self._encode_one(what, is_deletion)
            if len(self.bodies) > already:
                yield self.bodies[already:]

    def _encode_one(self, what: Flow | Selection, is_deletion: bool) -> None:
        try:
            if is_deletion or isinstance(what, Selection):
                self.bodies.append(encode_delete(what))
                self._flows.append(None)
            else:
                self.bodies.append(encode_add(what, self._ports))
                self._flows.append(what)
        except UnknownPort:
            assert isinstance(what, Flow)
            self.held.append(what)
        except FlowTextError as error:
            self.bad.append(error)

    def refuse(self, errors: Mapping[int, SwitchError]) -> bool:
        """Note refused messages by position and take them out. Returns whether there were any."""
        for position, error in errors.items():
            self.bad.append(FlowRefused(self._flows[position], error.reason, error.remedy))
        self.bodies = [body for position, body in enumerate(self.bodies) if position not in errors]
        self._flows = [flow for position, flow in enumerate(self._flows) if position not in errors]
        return bool(errors)
