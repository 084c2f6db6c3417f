"""The share of ``diff`` that concerns limits: meters before the flows that use them, and gone after them."""

from collections import defaultdict
from collections.abc import Iterable

from patchbay.hoststate import ConnectionLimit, Meter
from patchbay.plan.limit_operations import DelMeters, SetConnectionLimits, SetMeters
from patchbay.plan.operations import Operation


def limit_connections(wanted: Iterable[object]) -> Iterable[Operation]:
    """One operation for all zones of a datapath."""
    zones: dict[str, list[ConnectionLimit]] = defaultdict(list)
    for item in wanted:
        if isinstance(item, ConnectionLimit):
            zones[item.datapath_type].append(item)
    for datapath_type, limits in sorted(zones.items()):
        yield SetConnectionLimits(datapath_type, tuple(sorted(limits, key=lambda one: one.zone)))


def set_meters(wanted: Iterable[object]) -> Iterable[Operation]:
    """One operation for the meters of a bridge."""
    return (SetMeters(*one) for one in _by_bridge(wanted))


def remove_meters(removed: Iterable[object]) -> Iterable[Operation]:
    """Meters that nobody uses any more."""
    return (DelMeters(*one) for one in _by_bridge(removed))


def _by_bridge(items: Iterable[object]) -> list[tuple[str, tuple[Meter, ...]]]:
    meters: dict[str, list[Meter]] = defaultdict(list)
    for item in items:
        if isinstance(item, Meter):
            meters[item.bridge].append(item)
    return [(bridge, tuple(sorted(some, key=lambda one: one.number))) for bridge, some in sorted(meters.items())]
