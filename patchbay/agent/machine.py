"""The host as one thing: what is observed on it, kept current by change feeds, and how to change it.

Used by the agent's loop. Joins the kernel (netlink), Open vSwitch's database, the flow tables, and services (packet
filter rules and processes). ``observed`` is what ``diff`` compares with what is desired; ``take_changed`` gives the
keys to compare again. Every change ends in ``wake``.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, cast

from patchbay.agent.cached_flows import forget_cached, forget_learned
from patchbay.agent.flow_tables import FLOW_OPERATIONS, FlowOperation, FlowTables
from patchbay.agent.limits import KIND as LIMIT_KIND
from patchbay.agent.limits import LIMIT_OPERATIONS, LimitOperation, Limits
from patchbay.agent.settings import AgentSettings
from patchbay.agent.unread_ports import find_unread_ports
from patchbay.compile import names
from patchbay.errors import HostError
from patchbay.host import netlink_adopt, netlink_apply
from patchbay.host.netlink import Kernel
from patchbay.host.netlink_apply import Failure
from patchbay.host.ovs import SWITCH_OPERATIONS, Switch, SwitchChange, SwitchOperation
from patchbay.host.services import SERVICE_OPERATIONS, Services
from patchbay.hoststate import BridgePort, Key, Resource
from patchbay.plan.device_operations import AdoptDevice, SetSysctls
from patchbay.plan.limit_operations import SetMeters
from patchbay.plan.observed import OF_SWITCH, Observed, Seen
from patchbay.plan.operations import (
    AddAddress,
    AddBridgeLink,
    AddFlows,
    AddNamespace,
    AddPort,
    AddRoute,
    AddVeth,
    DelPort,
    Operation,
)

KERNEL, SWITCH, FLOWS, SERVICES, LIMITS = "kernel", "switch", "flows", "services", "limits"
FEW_PORTS = 8
"""So many ports may be plugged before their devices are there; with more, ovs-vswitchd would look for them in vain."""
SETTLE_PATIENCE_S, SHORT_PATIENCE_S = 2.0, 0.05
"""How long an answer of ovs-vswitchd is waited for; not so long again while it has not given one."""
_ADDITIONS = (
    AddNamespace,
    AddBridgeLink,
    AddVeth,
    AddPort,
    AdoptDevice,
    SetSysctls,
    AddAddress,
    AddRoute,
    SetMeters,
    AddFlows,
)
_SWITCH_KINDS = frozenset({"bridge", "bridge-port", "port-tag", "borrowed"})


class Sources(NamedTuple):
    """What tells of the host, opened."""

    kernel: Kernel
    switch: Switch
    services: Services


class Machine:
    """See the module. ``is_fact_changed`` says that compile must be told new facts."""

    def __init__(
        self,
        settings: AgentSettings,
        sources: Sources,
        desired: Mapping[Key, Resource],
        wake: Callable[[], None],
        datapath_type: str = "",
    ) -> None:
        self.kernel, self.switch, self.services = sources
        self.observed = Observed()
        self.is_fact_changed = False
        self.flows = FlowTables(settings.ovs_rundir, self.observed, desired, self.switch.ofports, self._note)
        self.limits = Limits(settings, datapath_type, self.observed, self.flows, self._note)
        self._rundir, self._datapath_type = Path(settings.ovs_rundir), datapath_type
        self._desired = desired
        self._wake = wake
        self._changed: set[Key] = set()
        self._flow_bridges: set[str] = set()
        self._stale: set[str] = set()
        self._is_switch_current = False
        self._settle_patience_s = SETTLE_PATIENCE_S
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Take over what is there now, and follow it. Connects to bridges with a port of ours."""
        for source in (self.kernel.resources, self.switch.resources, self.services.resources):
            for resource in source.values():
                self._changed |= self.observed.put(resource)
        self.kernel.subscribe(self._note_kernel)
        self.switch.subscribe(self._note_switch)
        self.services.subscribe(self._note_services)
        self.switch.connection.on_state(self._note_connection)
        ours = [one for one in self.switch.resources.values() if isinstance(one, BridgePort)]
        self.want_flows(port.bridge for port in ours)
        self._run_beside(self.limits.follow())
        self._run_beside(self._look_for_unread())

    async def close(self) -> None:
        """Close the flow connections; the other sources belong to who opened them. The data plane stays as it is."""
        for task in list(self._tasks):
            task.cancel()
        await self.flows.close_all()

    def want_flows(self, bridges: Iterable[str]) -> None:
        """There are, or will be, flows of ours on these bridges: connect to those that exist."""
        self._flow_bridges.update(bridges)
        for bridge in self._flow_bridges & self.switch.bridges():
            self.flows.open(bridge)

    def leave_idle_bridges(self) -> None:
        """Close the connections to bridges of others on which nothing of ours is, or is to be, any more."""
        for bridge in self.flows.seen - {names.BR_INT, names.BR_TUN}:
            if any(key[0] in OF_SWITCH for key in self.observed.dependents(("bridge", bridge))):
                continue
            if not any(key[0] == "flow" and key[1] == bridge for key in self._desired):
                self._flow_bridges.discard(bridge)
                self._start_closing(bridge)

    def take_changed(self) -> set[Key]:
        """The keys that changed since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def is_comparable(self, key: Key) -> bool:
        """Whether what is observed under this key is current: not while its source is away."""
        if key[0] == LIMIT_KIND:
            return self.limits.is_known
        if key[0] in OF_SWITCH:
            return key[1] in self.flows.ready or self._is_gone_with_bridge(key)
        if key[0] not in _SWITCH_KINDS:
            return True
        return self.switch.is_in_sync and not self._must_be_left_first(key)

    def _must_be_left_first(self, key: Key) -> bool:
        """Whether this is a bridge to be given back with flows of ours: it may not speak to us after that."""
        is_to_be_given_back = key not in self._desired and self.observed.get(key) is not None
        return key[:2] == ("borrowed", "Bridge") and is_to_be_given_back and key[2] in self.flows.bridges()

    def _is_gone_with_bridge(self, key: Key) -> bool:
        """Whether this is a flow that nobody wants on a bridge that is not there: a provider bridge was deleted."""
        return key not in self._desired and self.switch.is_in_sync and key[1] not in self.switch.bridges()

    async def apply(self, operations: Sequence[Operation]) -> list[Failure]:
        """Do a plan in its order, neighbours of one domain together and few additions side by side.

        Returns what failed. A port whose device failed is not plugged.
        """
        failures: list[Failure] = []
        groups = [(domain, list(group)) for domain, group in groupby(operations, _domain)]
        while groups:
            count = _count_parallel(groups)
            batch = [operation for _, group in groups[:count] for operation in group]
            if failures:
                batch = [operation for operation in batch if self._has_device(operation)]
            if count > 1:
                failures += await self._add_side_by_side(batch)
            else:
                failures += await self._apply_to(groups[0][0], batch)
            del groups[:count]
        return failures

    async def _apply_to(self, domain: str, operations: Sequence[Operation]) -> list[Failure]:
        if not operations:
            return []
        if domain == FLOWS:
            return await self._apply_to_flows(cast(Sequence[FlowOperation], operations))
        if domain == SWITCH:
            return await self._apply_to_switch(cast(Sequence[SwitchOperation], operations))
        if domain == LIMITS:
            return await self.limits.apply(cast(Sequence[LimitOperation], operations))
        if domain == SERVICES:
            return await self.services.apply(operations)
        await self._unplug_stale(operations)
        patience_s = netlink_adopt.PATIENCE_S if self._has_ports(operations) else 0.0
        failures = await netlink_apply.apply(self.kernel, operations, patience_s)
        self.services.note_links(_made_links(operations))
        return failures

    async def _apply_to_flows(self, operations: Sequence[FlowOperation]) -> list[Failure]:
        failures = await self.flows.apply(operations)
        await forget_cached(self._rundir, self._datapath_type, operations)
        return failures

    def _has_ports(self, operations: Sequence[Operation]) -> bool:
        """Whether Open vSwitch knows the ports whose devices are to be adopted: else they will not come."""
        adopted = (("bridge-port", one.link.name) for one in operations if isinstance(one, AdoptDevice))
        return self.switch.is_in_sync and all(key in self.switch.resources for key in adopted)

    async def _add_side_by_side(self, operations: Sequence[Operation]) -> list[Failure]:
        """Add flows while the switch is idle, then plug ports, then make their devices at once.

        ovs-vswitchd looks at every port whenever a link changes (20 ms at 400 ports). A port that is in the database
        when its device appears costs one such round; one that comes after its device costs two.
        """
        by_domain: dict[str, list[Operation]] = {KERNEL: [], SWITCH: [], FLOWS: []}
        for operation in operations:
            by_domain[_domain(operation)].append(operation)
        flows = asyncio.create_task(self._apply_to(FLOWS, by_domain[FLOWS]))
        first, rest = _devices_first(by_domain[KERNEL], by_domain[SWITCH])
        try:
            failures = await self._apply_to(KERNEL, first)
            if failures:
                failures += await self._apply_to(KERNEL, rest)
                failures += await self._apply_to(SWITCH, [one for one in by_domain[SWITCH] if self._has_device(one)])
            else:
                failures = await self._apply_to(SWITCH, by_domain[SWITCH])
                failures += await self._apply_to(KERNEL, rest)
        finally:
            failures_of_flows = await flows
        return failures + failures_of_flows

    def _has_device(self, operation: Operation) -> bool:
        if not isinstance(operation, AddPort) or operation.port.type:
            return True
        return ("link", "", operation.port.name) in self.kernel.resources

    async def _apply_to_switch(self, operations: Sequence[SwitchOperation]) -> list[Failure]:
        try:
            refused = await self.switch.apply(operations)
        except HostError as error:
            return [Failure(operation, error) for operation in operations]
        await forget_learned(self._rundir, operations)
        return [Failure(operation, error) for operation, error in refused]

    async def _unplug_stale(self, operations: Sequence[Operation]) -> None:
        """Unplug ports whose devices are about to be made anew, before Open vSwitch has seen that they were gone.

        It would keep reading from the device that is no more (userspace datapath). The next turn plugs them again.
        After a start of the agent or of ovsdb-server it may not even have heard that a port was unplugged: an agent
        before this one did that and died, or ovs-vswitchd has not connected again yet. So it is asked first.
        """
        ends = [end for one in operations if isinstance(one, AddVeth) for end in (one.a, one.b) if not end.namespace]
        if ends and not self._is_switch_current:
            is_in_sync = self.switch.is_in_sync
            self._is_switch_current = is_in_sync and await self.switch.confirm(self._settle_patience_s)
            if not self._is_switch_current:
                self._stale |= {end.name for end in ends if ("bridge-port", end.name) in self._desired}
        for end in ends:
            port = self.switch.resources.get(("bridge-port", end.name))
            if isinstance(port, BridgePort) and port.name in self.switch.ofports.get(port.bridge, {}):
                self._stale.add(port.name)
        await self.replug()

    async def replug(self) -> None:
        """Unplug what has been found stale; what ovs-vswitchd has not confirmed, or cannot now, is left for later."""
        if not self._stale or not self.switch.is_in_sync:
            return
        found = [self.switch.resources.get(("bridge-port", name)) for name in sorted(self._stale)]
        ports: list[SwitchOperation] = [DelPort(one.name, one.bridge) for one in found if isinstance(one, BridgePort)]
        if ports and await self._apply_to_switch(ports):
            return
        is_settled = await self.switch.confirm(self._settle_patience_s)
        self._settle_patience_s = SETTLE_PATIENCE_S if is_settled else SHORT_PATIENCE_S
        if is_settled:
            self._stale.clear()

    # --- feeds --------------------------------------------------------------------------------------------------------

    def _note(self, keys: set[Key]) -> None:
        if keys:
            self._changed |= keys
            self._wake()

    def _note_kernel(self, keys: set[Key]) -> None:
        self.services.note_namespaces(key[1] for key in keys if key[0] == "netns")
        self.services.note_links({(key[1], key[2]) for key in keys if key[0] == "link"})
        self._note(self._take_over(self.kernel.resources, keys) | keys)

    def _note_services(self, keys: set[Key]) -> None:
        self._note(self._take_over(self.services.resources, keys))

    def _note_switch(self, change: SwitchChange) -> None:
        keys = self._take_over(self.switch.resources, change.keys)
        if change.is_fact:
            self.is_fact_changed = True
            self._follow_bridges()
            self._wake()
        self._note(keys)
        self.flows.renumber(change.ofports)

    def _take_over(self, source: Mapping[Key, Seen], keys: Iterable[Key]) -> set[Key]:
        """Make ``observed`` agree with a source. What it drops along but is still there comes back."""
        changed: set[Key] = set()
        for key in keys:
            resource = source.get(key)
            if resource is not None:
                changed |= self.observed.put(resource)
                continue
            for gone in self.observed.drop(key):
                changed.add(gone)
                still = self.kernel.resources.get(gone) or self.switch.resources.get(gone) or self.services.get(gone)
                if still is not None:
                    self.observed.put(still)
        return changed

    def _follow_bridges(self) -> None:
        for bridge in self.flows.bridges() - self.switch.bridges():
            self._start_closing(bridge)
        self.want_flows(())

    def _start_closing(self, bridge: str) -> None:
        self._run_beside(self._close(bridge))

    async def _close(self, bridge: str) -> None:
        await self.flows.close(bridge)
        self._note({("borrowed", "Bridge", bridge)})

    def _note_connection(self, is_connected: bool) -> None:
        self._is_switch_current = False
        if is_connected:
            self._run_beside(self._wake_in_sync())

    async def _wake_in_sync(self) -> None:
        await self.switch.wait_in_sync()
        self._wake()
        await self._look_for_unread()

    async def _look_for_unread(self) -> None:
        if self._datapath_type == "netdev" and (unread := await find_unread_ports(self.switch)):
            self._stale |= unread
            self._wake()

    def _run_beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _domain(operation: Operation) -> str:
    if isinstance(operation, FLOW_OPERATIONS):
        return FLOWS
    if isinstance(operation, SERVICE_OPERATIONS):
        return SERVICES
    if isinstance(operation, LIMIT_OPERATIONS):
        return LIMITS
    return SWITCH if isinstance(operation, SWITCH_OPERATIONS) else KERNEL


def _made_links(operations: Sequence[Operation]) -> set[tuple[str, str]]:
    """Devices, by namespace and name, that were made, perhaps in place of others of the same name."""
    made = [one.link for one in operations if isinstance(one, AdoptDevice)]
    made += [end for one in operations if isinstance(one, AddVeth) for end in (one.a, one.b)]
    return {(link.namespace, link.name) for link in made}


def _count_parallel(groups: Sequence[tuple[str, Sequence[Operation]]]) -> int:
    """How many of the first groups may be done side by side: additions of a few devices with their ports and flows."""
    count = 0
    for _, group in groups:
        if not all(isinstance(operation, _ADDITIONS) for operation in group):
            break
        count += 1
    ports = sum(isinstance(operation, AddPort) for _, group in groups[:count] for operation in group)
    return count if 0 < ports <= FEW_PORTS else 1


def _devices_first(kernel: Sequence[Operation], switch: Sequence[Operation]) -> tuple[list[Operation], list[Operation]]:
    """Namespaces that devices of ports reach into, to be made before; and all the rest, the devices of ports first."""
    plugged = {operation.port.name for operation in switch if isinstance(operation, AddPort)}
    cables = [one for one in kernel if isinstance(one, AddVeth) and plugged & {one.a.name, one.b.name}]
    ends = [end for cable in cables for end in (cable.a, cable.b)]
    namespaces, masters = {end.namespace for end in ends}, {end.master for end in ends}
    first = [one for one in kernel if isinstance(one, AddNamespace) and one.namespace.name in namespaces]
    bridges = [one for one in kernel if isinstance(one, AddBridgeLink) and one.link.name in masters]
    early: list[Operation] = [*bridges, *cables]
    taken = {id(one) for one in (*first, *early)}
    return list(first), [*early, *(one for one in kernel if id(one) not in taken)]
