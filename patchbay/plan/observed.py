"""What the agent has seen on its host, kept between changes so that a change need not look again.

The agent fills it at start from the observers, records every operation that succeeded, and forgets what the change
feeds say is gone. ``diff`` compares it with what is desired. Flows need care: a switch shows only a bridge, a table
and a cookie, so a flow seen is an ``ObservedFlow`` until a desired flow of the same cookie is recognised in it.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from patchbay.hoststate import (
    Address,
    BridgePort,
    Daemon,
    Flow,
    HostState,
    Key,
    Link,
    Meter,
    Resource,
    Route,
    Ruleset,
    Sysctl,
)
from patchbay.plan import operations as op
from patchbay.plan.connections import StaleConnections, connections_key
from patchbay.plan.device_operations import AdoptDevice, SetSysctls, device_of
from patchbay.plan.limit_operations import DelConnectionLimits, DelMeters, SetConnectionLimits, SetMeters
from patchbay.plan.service_operations import (
    ClearRuleset,
    FlushConntrack,
    ReloadDaemon,
    SetRuleset,
    StartDaemon,
    StopDaemon,
)


class ObservedFlow(msgspec.Struct, frozen=True, kw_only=True):
    """A flow with our mark as a switch shows it.

    ``ofports`` are the port numbers in its in_port match and its output actions, None if nobody looked.
    """

    bridge: str
    table: int
    cookie: int
    ofports: frozenset[int] | None = None

    @property
    def key(self) -> Key:
        return observed_flow_key(self.bridge, self.table, self.cookie)


Seen = Resource | ObservedFlow | StaleConnections

OF_SWITCH = frozenset({"flow", "observed-flow", "meter"})
"""First words of the keys of what a bridge holds until ovs-vswitchd ends."""


def observed_flow_key(bridge: str, table: int, cookie: int) -> Key:
    """The key of an ``ObservedFlow``."""
    return ("observed-flow", bridge, str(table), f"{cookie:#x}")


class Observed:
    """Resources by key, and by what they would vanish with.

    ``resources`` may be read, not written. Every method that changes something returns the keys whose entries
    changed: the keys to diff again.
    """

    def __init__(self, resources: Iterable[Seen] = ()) -> None:
        self.resources: dict[Key, Seen] = {}
        self._flows: dict[tuple[str, int, int], Key] = {}
        self._dependents: dict[Key, set[Key]] = {}
        for resource in resources:
            self.put(resource)

    def get(self, key: Key) -> Seen | None:
        """The resource of this key, or None."""
        return self.resources.get(key)

    def __iter__(self) -> Iterator[Seen]:
        return iter(self.resources.values())

    def put(self, resource: Seen) -> set[Key]:
        """There is such a resource."""
        key = resource.key
        present = self.resources.get(key)
        if present == resource:
            return set()
        if present is not None:
            self._drop(key)
        self.resources[key] = resource
        for anchor in anchors(resource):
            self._dependents.setdefault(anchor, set()).add(key)
        if isinstance(resource, Flow):
            self._flows[resource.bridge, resource.table, resource.cookie] = key
        return {key}

    def drop(self, key: Key) -> set[Key]:
        """There is no such resource any more, nor what was in it: ports and flows of a bridge, addresses of a link."""
        gone = self.dependents(key)
        if key in self.resources:
            gone.add(key)
        for item in gone:
            self._drop(item)
        return gone

    def _drop(self, key: Key) -> None:
        resource = self.resources.pop(key, None)
        if resource is None:
            return
        if isinstance(resource, Flow):
            self._flows.pop((resource.bridge, resource.table, resource.cookie), None)
        for anchor in anchors(resource):
            present = self._dependents[anchor]
            present.discard(key)
            if not present:
                del self._dependents[anchor]

    def dependents(self, *keys: Key) -> set[Key]:
        """What vanishes from the host with these: for a veth the other end too, and so on."""
        found: set[Key] = set()
        pending = list(keys)
        while pending:
            fresh = self._dependents.get(pending.pop(), set()) - found
            found |= fresh
            pending.extend(fresh)
        return found

    def drop_flow(self, bridge: str, table: int, cookie: int) -> set[Key]:
        """The switch says that this flow is gone."""
        key = self._flows.get((bridge, table, cookie)) or observed_flow_key(bridge, table, cookie)
        return self.drop(key)

    def drop_flows_of(self, bridge: str) -> set[Key]:
        """All flows and meters of a bridge are gone: it was made anew, or the switch restarted."""
        gone = {key for key in self._dependents.get(("bridge", bridge), ()) if key[0] in OF_SWITCH}
        for key in gone:
            self._drop(key)
        return gone

    def forget_port(self, bridge: str, port: str) -> set[Key]:
        """The number of a port changed: flows that name it are wrong, and are known by their cookie only.

        The next diff deletes them by cookie and then adds them with the new number.
        """
        changed: set[Key] = set()
        for key in list(self._dependents.get(("flows-naming", bridge, port), ())):
            flow = self.resources[key]
            if isinstance(flow, Flow):
                changed |= self.drop(key)
                changed |= self.put(ObservedFlow(bridge=bridge, table=flow.table, cookie=flow.cookie))
        return changed

    def recognise(self, desired: Iterable[Flow], ofports: Mapping[str, Mapping[str, int]] | None = None) -> set[Key]:
        """Take observed flows for desired flows of the same bridge, table and cookie.

        ``ofports`` gives the numbers of ports by name, for each bridge: an observed flow with other numbers stays
        unrecognised, and the next diff replaces it.
        """
        changed: set[Key] = set()
        for flow in desired:
            key = observed_flow_key(flow.bridge, flow.table, flow.cookie)
            seen = self.resources.get(key)
            if isinstance(seen, ObservedFlow) and _same_ports(seen, flow, (ofports or {}).get(flow.bridge)):
                self._drop(key)
                changed.add(key)
                changed |= self.put(flow)
        return changed

    def record(self, operation: op.Operation) -> set[Key]:
        """This operation succeeded."""
        changed: set[Key] = set()
        for key in removed_by(operation):
            changed |= self.drop(key)
        for resource in added_by(operation):
            changed |= self.put(resource)
        return changed

    def state(self) -> HostState:
        """Everything that can be wanted, as a HostState: no unrecognised flows, no connections."""
        seen = self.resources.items()
        return {key: item for key, item in seen if not isinstance(item, ObservedFlow | StaleConnections)}


def _same_ports(seen: ObservedFlow, flow: Flow, numbers: Mapping[str, int] | None) -> bool:
    if seen.ofports is None or numbers is None:
        return True
    return seen.ofports == {numbers.get(name) for name in flow.ports}


def anchors(resource: Seen) -> tuple[Key, ...]:
    """The keys of what this resource would vanish with.

    For a flow also ("flows-naming", bridge, port), for a route that names no link ("routes-by-gateway", namespace).
    """
    found: tuple[Key, ...] = ()
    match resource:
        case Flow(bridge=bridge):
            found = (("bridge", bridge), *(("flows-naming", bridge, port) for port in resource.ports))
        case ObservedFlow(bridge=bridge) | BridgePort(bridge=bridge) | Meter(bridge=bridge):
            found = (("bridge", bridge),)
        case Link(kind="internal", namespace=namespace, name=name):
            found = (("bridge-port", name), *_inside(namespace))
        case Link(namespace=namespace, peer=peer, peer_namespace=peer_namespace):
            found = (*_inside(namespace), ("link", peer_namespace, peer)) if peer else _inside(namespace)
        case Route(namespace=namespace, link=""):
            found = (*_inside(namespace), ("routes-by-gateway", namespace))
        case Sysctl(namespace=namespace, name=name):
            device = device_of(name)
            found = (*_inside(namespace), ("link", namespace, device)) if device else _inside(namespace)
        case Address(namespace=namespace, link=link) | Route(namespace=namespace, link=link):
            found = (("link", namespace, link),)
        case Daemon(namespace=namespace, link=link) if link:
            found = (("link", namespace, link),)
        case Ruleset(namespace=namespace):
            found = _inside(namespace)
    return found


def _inside(namespace: str) -> tuple[Key, ...]:
    return (("netns", namespace),) if namespace else ()


def added_by(operation: op.Operation) -> tuple[Resource, ...]:
    """What is there after an operation."""
    found: tuple[Resource, ...] = ()
    match operation:
        case op.AddVeth(a, b):
            found = (a, b)
        case SetSysctls(_, sysctls):
            found = sysctls
        case op.AddFlows(_, flows):
            found = flows
        case SetMeters(_, meters):
            found = meters
        case SetConnectionLimits(_, limits):
            found = limits
        case op.Borrow(new) | op.SetBridge(_, new) | op.SetPort(_, new) | op.SetLink(_, new) | op.SetNamespace(_, new):
            found = (new,)
        case op.AddBridge(new) | op.AddPort(new) | op.SetPortTag(new) | op.AddNamespace(new):
            found = (new,)
        case op.AddBridgeLink(new) | AdoptDevice(new) | op.AddAddress(new) | op.AddRoute(new):
            found = (new,)
        case SetRuleset(_, new) | StartDaemon(new) | ReloadDaemon(_, new):
            found = (new,)
    return found


KINDS: Mapping[type[op.Operation], str] = {
    op.DelBridge: "bridge",
    op.DelPort: "bridge-port",
    op.DelNamespace: "netns",
}
"""The first word of the key of what these delete by name."""


def removed_by(operation: op.Operation) -> list[Key]:
    """Keys of what an operation removes by name; what depends on it goes too."""
    gone: list[Key] = []
    match operation:
        case op.DelBridge(name) | op.DelPort(name) | op.DelNamespace(name):
            gone = [(KINDS[type(operation)], name)]
        case AdoptDevice(link):
            gone = [("link", "", link.name)]
        case op.ClearPortTag(item) | op.GiveBack(item) | op.DelLink(item) | op.DelAddress(item) | op.DelRoute(item):
            gone = [item.key]
        case ClearRuleset(item) | StopDaemon(item):
            gone = [item.key]
        case FlushConntrack(namespace, version):
            gone = [connections_key(namespace, version)]
        case DelMeters(_, meters):
            gone = [meter.key for meter in meters]
        case DelConnectionLimits(_, limits):
            gone = [limit.key for limit in limits]
        case op.DelFlows(_, flows):
            gone = [flow.key for flow in flows]
        case op.DelFlowsByCookie(bridge, cookies):
            gone = [observed_flow_key(bridge, table, cookie) for table, cookie in cookies]
    return gone
