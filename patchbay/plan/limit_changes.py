"""The share of ``diff`` that concerns limits: meters before the flows that use them, and gone after them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from patchbay.hoststate import ConnectionLimit, Meter
from patchbay.plan.limit_operations import DelConnectionLimits, DelMeters, SetConnectionLimits, SetMeters
from patchbay.plan.operations import Operation


def limit_connections(wanted: Iterable[object]) -> Iterable[Operation]:
    """One operation for all zones of a datapath."""
    return (SetConnectionLimits(*one) for one in _by_datapath(wanted))


def set_meters(wanted: Iterable[object]) -> Iterable[Operation]:
    """One operation for the meters of a bridge."""
    return (SetMeters(*one) for one in _by_bridge(wanted))


def remove_limits(removed: Sequence[object]) -> Iterable[Operation]:
    """Meters that nobody uses any more, limits of networks that are gone."""
    yield from (DelMeters(*one) for one in _by_bridge(removed))
    yield from (DelConnectionLimits(*one) for one in _by_datapath(removed))


def _by_datapath(items: Iterable[object]) -> list[tuple[str, tuple[ConnectionLimit, ...]]]:
    zones: dict[str, list[ConnectionLimit]] = defaultdict(list)
    for item in items:
        if isinstance(item, ConnectionLimit):
            zones[item.datapath_type].append(item)
    return [(datapath, tuple(sorted(some, key=lambda one: one.zone))) for datapath, some in sorted(zones.items())]


def _by_bridge(items: Iterable[object]) -> list[tuple[str, tuple[Meter, ...]]]:
    meters: dict[str, list[Meter]] = defaultdict(list)
    for item in items:
        if isinstance(item, Meter):
            meters[item.bridge].append(item)
    return [(bridge, tuple(sorted(some, key=lambda one: one.number))) for bridge, some in sorted(meters.items())]
