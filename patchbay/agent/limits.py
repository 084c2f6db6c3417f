"""Limits that ovs-vswitchd keeps in memory and tells nobody of: looked at now and then, set anew when they are gone.

Used by ``Machine``. Limits of tracked connections and rates of meters go with ovs-vswitchd, and whoever changes one by
hand is not reported. What somebody runs into is told to ``on_excess``.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from patchbay.agent.flow_tables import FlowTables
from patchbay.agent.settings import AgentSettings
from patchbay.errors import HostError
from patchbay.host.connection_limits import ZoneUse, delete_limits, read_limits, set_limits
from patchbay.host.netlink_apply import Failure
from patchbay.hoststate import ConnectionLimit, Key, Resource
from patchbay.plan.limit_operations import DelConnectionLimits, SetConnectionLimits
from patchbay.plan.observed import Observed

LOOK_S, FIRST_LOOK_S = 5.0, 0.5
"""How often: the second until ovs-vswitchd has answered."""
KIND = "connection-limit"
LimitOperation = SetConnectionLimits | DelConnectionLimits
LIMIT_OPERATIONS = (SetConnectionLimits, DelConnectionLimits)


class Excess(msgspec.Struct, frozen=True):
    """Numbers of meters that have dropped packets since the last look, and zones that are full."""

    meters: frozenset[int] = frozenset()
    zones: frozenset[int] = frozenset()


class Limits:
    """See the module. ``tell`` hears keys that changed."""

    def __init__(
        self,
        settings: AgentSettings,
        datapath_type: str,
        observed: Observed,
        flows: FlowTables,
        tell: Callable[[set[Key]], None],
    ) -> None:
        self.on_excess: Callable[[Excess], None] = lambda _excess: None
        self.is_known = False
        """Whether ovs-vswitchd has been asked: before that nothing is compared."""
        self._rundir = Path(settings.ovs_rundir)
        self._datapath_type = datapath_type
        self._observed = observed
        self._flows = flows
        self._tell = tell
        self._dropped: dict[int, int] = {}

    async def follow(self) -> None:
        """Look, again and again. Ends only by cancellation."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S if self.is_known else FIRST_LOOK_S)

    async def look(self) -> None:
        """Take in what there is now."""
        zones = await self._look_at_zones()
        dropped = await self._flows.watch_meters()
        more = {number for number, count in dropped.items() if count > self._dropped.get(number, 0)}
        self._dropped = dropped
        full = {use.limit.zone for use in zones if use.count >= use.limit.limit > 0}
        self.on_excess(Excess(frozenset(more), frozenset(full)))

    async def read(self) -> list[Resource]:
        """The limits of zones, read anew; none while ovs-vswitchd does not answer."""
        try:
            return [use.limit for use in await read_limits(self._rundir, self._datapath_type)]
        except HostError:
            return []

    async def apply(self, operations: Sequence[LimitOperation]) -> list[Failure]:
        """Set limits, or take them away; records what was done."""
        failures = []
        for operation in operations:
            change = set_limits if isinstance(operation, SetConnectionLimits) else delete_limits
            try:
                await change(self._rundir, operation.datapath_type, operation.limits)
            except HostError as error:
                failures.append(Failure(operation, error))
            else:
                self._observed.record(operation)
        return failures

    async def _look_at_zones(self) -> list[ZoneUse]:
        try:
            found = await read_limits(self._rundir, self._datapath_type)
        except HostError:
            self.is_known = False
            self._take_in({})
            return []
        if not self.is_known:
            self.is_known = True
            self._tell({(KIND, "")})
        self._take_in({use.limit.key: use.limit for use in found})
        return found

    def _take_in(self, there: dict[Key, ConnectionLimit]) -> None:
        changed: set[Key] = set()
        for key in [key for key in self._observed.resources if key[0] == KIND and key not in there]:
            changed |= self._observed.drop(key)
        for limit in there.values():
            changed |= self._observed.put(limit)
        self._tell(changed)
