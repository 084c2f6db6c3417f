"""The share of ``diff`` that concerns limits: meters before the flows that use them, and gone after them."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from patchbay.hoststate import ConnectionLimit, Meter
from patchbay.plan.limit_operations import DelConnectionLimits, DelMeters, SetConnectionLimits, SetMeters
from patchbay.plan.operations import Operation


def limit_connections(wanted: Iterable[object]) -> Iterable[Operation]:
    """One operation for all zones of a datapath."""
    return (SetConnectionLimits(*one) for one in _zones_by_datapath(wanted))


def set_meters(wanted: Iterable[object]) -> Iterable[Operation]:
    """One operation for the meters of a bridge."""
    return (SetMeters(*one) for one in _meters_by_bridge(wanted))


def remove_limits(removed: Sequence[object]) -> Iterable[Operation]:
    """Meters that nobody uses any more, limits of networks that are gone."""
    yield from (DelMeters(*one) for one in _meters_by_bridge(removed))
    yield from (DelConnectionLimits(*one) for one in _zones_by_datapath(removed))


def _zones_by_datapath(items: Iterable[object]) -> Iterable[tuple[str, tuple[ConnectionLimit, ...]]]:
    limits = sorted(
        (one for one in items if isinstance(one, ConnectionLimit)), key=lambda one: (one.datapath_type, one.zone)
    )
    return ((datapath, tuple(some)) for datapath, some in groupby(limits, lambda one: one.datapath_type))


def _meters_by_bridge(items: Iterable[object]) -> Iterable[tuple[str, tuple[Meter, ...]]]:
    meters = sorted((one for one in items if isinstance(one, Meter)), key=lambda one: (one.bridge, one.number))
    return ((bridge, tuple(some)) for bridge, some in groupby(meters, lambda one: one.bridge))
