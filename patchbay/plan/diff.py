"""The difference between what is there and what should be, as operations in an order that works.

Called by the agent for the keys of a change, and by ``patchbay plan`` for all. Promises:

- An unchanged host gives no operation.
- Referents come before what refers to them, removals in reverse, additions before removals. Two things go first, for
  their successors cannot stand beside them: flows with wrong port numbers, and links or ports that must be made anew.
- Flows of rules of security groups go at once with what is added, so that they allow no connection that notes the
  version of the rules without them.
- Only what carries our mark is removed. What vanishes with something removed is not removed by hand; what vanishes
  with it but should stay is added again.
- A patch port of a provider bridge gets its peer only after the flows that guard it.
- Rules of a namespace that only loses devices are set when the devices are gone: a gateway that goes translates to the
  last.
"""

from collections import defaultdict
from collections.abc import Iterable, Set

from msgspec.structs import replace

from patchbay.compile.names import BR_INT
from patchbay.compile.provider import PROVIDER_OWNER
from patchbay.hoststate import (
    Address,
    Borrowed,
    Bridge,
    BridgePort,
    Daemon,
    Flow,
    HostState,
    Key,
    Link,
    Namespace,
    PortTag,
    Resource,
    Route,
    Ruleset,
    Sysctl,
)
from patchbay.hoststate.netns import ALIAS_PREFIX
from patchbay.plan import device_changes as devices
from patchbay.plan import operations as op
from patchbay.plan.flow_changes import delete_flows, delete_flows_by_cookie, flush, grouped_flows, split_leftover
from patchbay.plan.limit_changes import limit_connections, remove_limits, set_meters
from patchbay.plan.observed import Observed, ObservedFlow, Seen
from patchbay.plan.service_changes import add_services, flush_stale, flush_untranslated, remove_services

NO_PEER = "nonexistent-peer"
"""Neutron's peer for a patch port that is not connected yet (NONEXISTENT_PEER)."""

STRUCTURE = frozenset({"bridge", "bridge-port", "netns", "link"})
"""First words of the keys of what other things are in, or that may have to be made anew."""

Change = tuple[Seen | None, Resource | None]
"""What is there and what should be; never both None, never equal."""


def diff(observed: Observed, desired: HostState, keys: Set[Key] | None = None) -> list[op.Operation]:
    """The operations that make ``keys`` (default: everything) of the host as desired."""
    chosen = set(keys) if keys is not None else {*observed.resources, *desired}
    doomed = find_doomed(observed, desired, chosen)
    lost = doomed | observed.dependents(*doomed)
    lost |= devices.routes_by_gateway(observed, lost) & desired.keys()
    different = {key for key in chosen if observed.get(key) is not desired.get(key)}
    changes: list[Change] = []
    for key in sorted(different | lost):
        want = desired.get(key)
        have = None if key in lost and not (want is None and key[0] == "daemon") else observed.get(key)
        if want is None and (have is None or not is_ours(have)):
            continue
        if have is None or want is None or not is_same(have, want):
            changes.append((_adoptable(have, want), want))
    structure = [item for key in sorted(doomed) if (item := observed.get(key)) is not None]
    added = [(have, want) for have, want in changes if want is not None]
    removed = [have for have, want in changes if want is None and have is not None]
    stale, leftover = split_leftover(removed, [want for _, want in added])
    again = [item for item in structure if item.key in desired]
    gone_along = observed.dependents(*(item.key for item in again))
    late_rules = _late_rules(added, [item for item in structure if item.key not in desired])
    added = [change for change in added if change not in late_rules]
    gone = [
        item
        for item in structure
        if item.key not in desired and item.key not in gone_along and not _goes_along(item, observed, desired)
    ]
    return [
        *remove_services(removed),
        *delete_flows_by_cookie(stale),
        *_delete_structure(again),
        *_add(added, observed, desired, removed, leftover),
        *_remove(removed, leftover),
        *_delete_structure(gone),
        *flush(changes, [*stale, *leftover]),
        *add_services(late_rules),
        *flush_untranslated([*added, *late_rules]),
        *flush_stale(removed),
    ]


# What is the same, what is ours, what cannot be changed in place


def is_same(have: Seen, want: Resource) -> bool:
    """Nothing to do: equal, or equal but for a MAC that we leave to the kernel, or for what was there before."""
    if isinstance(have, Link) and isinstance(want, Link) and have != want:
        peer = have.peer or want.peer
        have = replace(have, mac=have.mac if want.mac else "", peer=peer)
    if isinstance(have, Borrowed) and isinstance(want, Borrowed):
        return have.key == want.key and dict(have.columns) == dict(want.columns)
    return have == want


def is_ours(resource: Seen) -> bool:
    """It carries our mark, or belongs to something that does. A kernel setting is not taken back."""
    match resource:
        case Bridge(owner=owner) | BridgePort(owner=owner):
            return owner != ""
        case Link(alias=alias) | Namespace(alias=alias):
            return alias.startswith(ALIAS_PREFIX)
        case Sysctl():
            return False
    return True


def must_be_structure(have: Seen, want: Resource | None) -> bool:
    """A change that no command makes in place."""
    match have, want:
        case BridgePort(), BridgePort():
            return (have.bridge, have.type) != (want.bridge, want.type)
        case Link(), Link():
            is_cabled_elsewhere = bool(have.peer) and (have.peer, have.peer_namespace) != (
                want.peer,
                want.peer_namespace,
            )
            return have.kind != want.kind or is_cabled_elsewhere
    return False


def find_doomed(observed: Observed, desired: HostState, keys: Iterable[Key]) -> set[Key]:
    """Bridges, namespaces, links and ports of ours that must go, or go and come again."""
    structure = {key for key in keys if key[0] in STRUCTURE}
    doomed = {
        key
        for key in structure
        if (have := observed.get(key)) is not None
        and is_ours(have)
        and (must_be_structure(have, desired.get(key)) or (key not in desired and _holds_others(have)))
    }
    while True:
        lost = doomed | observed.dependents(*doomed)
        looked_at = {*structure, *lost}
        broken = {
            *_widowed(observed, desired, looked_at, lost),
            *devices.find_broken(observed, desired, looked_at, lost),
        }
        widowed = {key for key in broken if key not in doomed}
        if not widowed:
            return doomed
        doomed |= widowed


def _goes_along(item: Seen, observed: Observed, desired: HostState) -> bool:
    return isinstance(item, Link) and devices.goes_with_port(item, observed, desired)


def _holds_others(have: Seen) -> bool:
    return isinstance(have, Bridge | Namespace | Link)


def _widowed(observed: Observed, desired: HostState, keys: Iterable[Key], lost: set[Key]) -> Iterable[Key]:
    """Ends of cables whose other end must be added: a cable is made whole."""
    for key in keys:
        want = desired.get(key)
        if isinstance(want, Link) and want.peer and (key in lost or observed.get(key) is None):
            other = ("link", want.peer_namespace, want.peer)
            have = observed.get(other)
            if have is not None and other not in lost and is_ours(have):
                yield other


def _adoptable(have: Seen | None, want: Resource | None) -> Seen | None:
    """A namespace that somebody else made is not taken over: adding ours fails and says so."""
    return None if have is not None and isinstance(want, Namespace) and not is_ours(have) else have


def _late_rules(added: list[tuple[Seen | None, Resource]], gone: list[Seen]) -> list[tuple[Seen | None, Resource]]:
    """New rules of namespaces that lose devices and get none."""
    losing = {item.namespace for item in gone if isinstance(item, Link)}
    losing -= {want.namespace for have, want in added if isinstance(want, Link) and have is None}
    return [change for change in added if isinstance(change[1], Ruleset) and change[1].namespace in losing]


# Additions and changes, referents first


def _add(
    added: list[tuple[Seen | None, Resource]],
    observed: Observed,
    desired: HostState,
    removed: list[Seen],
    leftover: list[ObservedFlow],
) -> Iterable[op.Operation]:
    """Bridges; the kernel's; the database's; the devices that come of that; then flows and processes.

    Kernel settings and packet filter rules of a namespace are there before any device can bring a packet into it.
    Of what is removed addresses, and flows of rules, go here.
    """
    gone_addresses = [item for item in removed if isinstance(item, Address)]
    by_kind: dict[type, list[tuple[Seen | None, Resource]]] = defaultdict(list)
    for have, want in added:
        by_kind[type(want)].append((have, want))
    sysctls = [want for _, want in by_kind[Sysctl]]
    ports = list(_ports(by_kind[BridgePort]))
    links = devices.without_adopted(by_kind[Link])
    addresses = list(_addresses(by_kind, observed, desired, gone_addresses))
    yield from _bridges(by_kind[Bridge])
    yield from _borrowed(by_kind[Borrowed])
    yield from _namespaces(by_kind[Namespace])
    yield from devices.set_sysctls(sysctls, of_devices=False)
    yield from add_services(by_kind[Ruleset])
    yield from _links([(have, want) for have, want in links if isinstance(want, Link) and not want.peer], desired)
    yield from _links([(have, want) for have, want in links if isinstance(want, Link) and want.peer], desired)
    yield from (operation for operation, is_late in addresses if not is_late)
    yield from (operation for operation, _ in ports)
    yield from _port_tags(by_kind[PortTag])
    yield from devices.adopt(by_kind[Link])
    yield from devices.set_sysctls(sysctls, of_devices=True)
    yield from (operation for operation, is_late in addresses if is_late)
    yield from set_meters(want for _, want in added)
    yield from grouped_flows(op.AddFlows, [want for _, want in by_kind[Flow] if isinstance(want, Flow)])
    yield from delete_flows(removed, leftover, of_rules=True)
    yield from (later for _, later in ports if later is not None)
    yield from limit_connections(want for _, want in added)
    yield from add_services(by_kind[Daemon])


def _bridges(changes: list[tuple[Seen | None, Resource]]) -> Iterable[op.Operation]:
    for have, want in changes:
        if isinstance(want, Bridge):
            yield op.SetBridge(have, want) if isinstance(have, Bridge) else op.AddBridge(want)


def _borrowed(changes: list[tuple[Seen | None, Resource]]) -> Iterable[op.Operation]:
    for have, want in changes:
        if isinstance(want, Borrowed):
            yield op.Borrow(want, have if isinstance(have, Borrowed) else None)


def _namespaces(changes: list[tuple[Seen | None, Resource]]) -> Iterable[op.Operation]:
    for have, want in changes:
        if isinstance(want, Namespace):
            yield op.SetNamespace(have, want) if isinstance(have, Namespace) else op.AddNamespace(want)


def _links(changes: list[tuple[Seen | None, Resource]], desired: HostState) -> Iterable[op.Operation]:
    """Linux bridges one by one, a cable once for its two ends."""
    cabled: set[Key] = set()
    for have, want in changes:
        if not isinstance(want, Link) or want.key in cabled:
            continue
        other = desired.get(("link", want.peer_namespace, want.peer))
        if isinstance(have, Link):
            yield op.SetLink(have, replace(want, mac=want.mac or have.mac))
        elif isinstance(other, Link):
            cabled |= {want.key, other.key}
            yield op.AddVeth(want, other)
        else:
            yield op.AddBridgeLink(want)


def _ports(changes: list[tuple[Seen | None, Resource]]) -> Iterable[tuple[op.Operation, op.Operation | None]]:
    """Each port, and what is done with it after the flows are there."""
    for have, want in changes:
        if not isinstance(want, BridgePort):
            continue
        if isinstance(have, BridgePort):
            yield op.SetPort(have, want), None
        elif want.owner == PROVIDER_OWNER and want.bridge != BR_INT:
            unconnected = replace(want, options=(("peer", NO_PEER),))
            yield op.AddPort(unconnected), op.SetPort(unconnected, want)
        else:
            yield op.AddPort(want), None


def _port_tags(changes: list[tuple[Seen | None, Resource]]) -> Iterable[op.Operation]:
    for have, want in changes:
        if isinstance(want, PortTag):
            yield op.SetPortTag(want, have if isinstance(have, PortTag) else None)


def _addresses(
    by_kind: dict[type, list[tuple[Seen | None, Resource]]],
    observed: Observed,
    desired: HostState,
    gone: list[Address],
) -> Iterable[tuple[op.Operation, bool]]:
    """Deleted addresses, new ones, those to be given again; then routes, those on the link first.

    With each whether it must wait until devices of internal ports are there.
    """

    def late(item: Address | Route) -> bool:
        return devices.is_late(item, desired, observed)

    addresses = [want for _, want in by_kind[Address] if isinstance(want, Address)]
    routes = [want for _, want in by_kind[Route] if isinstance(want, Route)]
    shaken = _shaken(gone, observed, desired)
    again = [item for item in shaken if isinstance(item, Address) and item not in addresses]
    routes = routes + [item for item in shaken if isinstance(item, Route) and item not in routes]
    yield from ((op.DelAddress(item), late(item)) for item in gone)
    yield from ((op.AddAddress(item), late(item)) for item in devices.in_desired_order(addresses, desired))
    yield from ((op.AddAddress(item, again=True), late(item)) for item in devices.in_desired_order(again, desired))
    for item in sorted(routes, key=lambda item: (item.gateway != "", item.link == "", item.key)):
        yield op.AddRoute(item), late(item)


def _shaken(gone: list[Address], observed: Observed, desired: HostState) -> list[Address | Route]:
    """What stays on links that lose an address.

    With an IPv4 address the kernel may take the others of its subnet and the routes of the link. So these are given
    again after it.
    """
    links = {("link", item.namespace, item.link) for item in gone}
    kept = (desired.get(key) for key in sorted(observed.dependents(*links)))
    return [item for item in kept if isinstance(item, Address | Route) and ("link", item.namespace, item.link) in links]


# Removals, referents last


def _remove(removed: list[Seen], leftover: list[ObservedFlow]) -> Iterable[op.Operation]:
    """What stands alone: flows, tags, ports and routes. Addresses went before new ones came."""
    yield from delete_flows(removed, leftover, of_rules=False)
    yield from remove_limits(removed)
    yield from (op.ClearPortTag(item) for item in removed if isinstance(item, PortTag))
    yield from (op.DelPort(item.name, item.bridge) for item in removed if isinstance(item, BridgePort))
    yield from (op.GiveBack(item) for item in reversed(removed) if isinstance(item, Borrowed))
    yield from (op.DelRoute(item) for item in removed if isinstance(item, Route))


def _delete_structure(items: list[Seen]) -> Iterable[op.Operation]:
    """Ports to make anew, cables (once for two ends), Linux bridges, namespaces, bridges."""
    links = sorted((item for item in items if isinstance(item, Link)), key=lambda item: (not item.peer, item.namespace))
    names = {item.name for item in items if isinstance(item, Bridge)}
    yield from (
        op.DelPort(item.name, item.bridge)
        for item in items
        if isinstance(item, BridgePort) and item.bridge not in names
    )
    deleted: set[Key] = set()
    for link in links:
        if link.key not in deleted:
            deleted |= {link.key, ("link", link.peer_namespace, link.peer)}
            yield op.DelLink(link)
    yield from (op.DelNamespace(item.name) for item in items if isinstance(item, Namespace))
    yield from (op.DelBridge(item.name) for item in items if isinstance(item, Bridge))
