"""Operations on meters and on limits of tracked connections: what keeps one port from using up its host's switch.

Applied by ``patchbay.host.openflow`` (meters) and ``patchbay.host.connection_limits``.
"""

from patchbay.hoststate import ConnectionLimit, Meter
from patchbay.plan.operations import Operation, count

DATAPATHS = {"netdev": "netdev@ovs-netdev", "system": "system@ovs-system", "": "system@ovs-system"}
"""The datapath of each type, as ``ovs-appctl dpctl/…`` calls it."""


class SetMeters(Operation, frozen=True):
    """Add meters to a bridge, or give those that are there another rate. Flows that use one come after it."""

    bridge: str
    meters: tuple[Meter, ...]

    def command(self) -> list[str]:
        return [f"ovs-ofctl -O OpenFlow14 add-meter {self.bridge} {_written(meter)}" for meter in self.meters]

    def sentence(self) -> str:
        return f"Set {count(len(self.meters), 'meter')} of {self.bridge}."


class DelMeters(Operation, frozen=True):
    """Delete meters of a bridge; the flows that used them are gone before."""

    bridge: str
    meters: tuple[Meter, ...]

    def command(self) -> list[str]:
        return [f"ovs-ofctl -O OpenFlow14 del-meter {self.bridge} meter={meter.number}" for meter in self.meters]

    def sentence(self) -> str:
        return f"Delete {count(len(self.meters), 'meter')} of {self.bridge}."


class SetConnectionLimits(Operation, frozen=True):
    """Limit the tracked connections of zones of one datapath."""

    datapath_type: str
    limits: tuple[ConnectionLimit, ...]

    def command(self) -> list[str]:
        return [f"ovs-appctl dpctl/ct-set-limits {' '.join(limit_arguments(self.datapath_type, self.limits))}"]

    def sentence(self) -> str:
        return f"Limit the tracked connections of {count(len(self.limits), 'zone')}."


class DelConnectionLimits(Operation, frozen=True):
    """Take the limits of zones away: their networks are not here any more."""

    datapath_type: str
    limits: tuple[ConnectionLimit, ...]

    def command(self) -> list[str]:
        return [f"ovs-appctl dpctl/ct-del-limits {' '.join(zone_arguments(self.datapath_type, self.limits))}"]

    def sentence(self) -> str:
        return f"Limit the tracked connections of {count(len(self.limits), 'zone')} no more."


def zone_arguments(datapath_type: str, limits: tuple[ConnectionLimit, ...]) -> list[str]:
    """What ``dpctl/ct-del-limits`` is told."""
    return [DATAPATHS[datapath_type], f"zone={','.join(str(one.zone) for one in limits)}"]


def limit_arguments(datapath_type: str, limits: tuple[ConnectionLimit, ...]) -> list[str]:
    """What ``dpctl/ct-set-limits`` is told."""
    return [DATAPATHS[datapath_type], *(f"zone={one.zone},limit={one.limit}" for one in limits)]


def _written(meter: Meter) -> str:
    return f"meter={meter.number},pktps,burst,bands=type=drop,rate={meter.rate},burst_size={meter.burst}"
