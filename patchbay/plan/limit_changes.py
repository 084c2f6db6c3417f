"""The share of ``diff`` that concerns limits: meters before the flows that use them, and gone after them."""

from collections import defaultdict
from collections.abc import Iterable

from patchbay.hoststate import ConnectionLimit, Meter
from patchbay.plan.limit_operations import DelMeters, SetConnectionLimits, SetMeters
from patchbay.plan.operations import Operation


def set_limits(wanted: Iterable[object]) -> Iterable[Operation]:
    """One operation for all zones of a datapath, one for the meters of a bridge."""
    zones: dict[str, list[ConnectionLimit]] = defaultdict(list)
    meters: dict[str, list[Meter]] = defaultdict(list)
    for item in wanted:
        if isinstance(item, ConnectionLimit):
            zones[item.datapath_type].append(item)
        elif isinstance(item, Meter):
            meters[item.bridge].append(item)
    for datapath_type, limits in sorted(zones.items()):
        yield SetConnectionLimits(datapath_type, tuple(sorted(limits, key=lambda one: one.zone)))
    for bridge, some in sorted(meters.items()):
        yield SetMeters(bridge, _in_order(some))


def remove_meters(removed: Iterable[object]) -> Iterable[Operation]:
    """Meters that nobody uses any more."""
    meters: dict[str, list[Meter]] = defaultdict(list)
    for item in removed:
        if isinstance(item, Meter):
            meters[item.bridge].append(item)
    return (DelMeters(bridge, _in_order(some)) for bridge, some in sorted(meters.items()))


def _in_order(meters: Iterable[Meter]) -> tuple[Meter, ...]:
    return tuple(sorted(meters, key=lambda one: one.number))
