"""What one port or network may use up of its host's switch: meters, and limits of tracked connections.

Ownership: meters of br-int with numbers from ``FIRST_METER`` on are ours, and so are limits of zones with the number
of a local VLAN. Both go with ovs-vswitchd.
"""

import msgspec

FIRST_METER = 1 << 30
"""Lower numbers are left to others."""


class Meter(msgspec.Struct, frozen=True, kw_only=True):
    """An OpenFlow meter of a bridge: of the packets that flows send through it, it drops what is more than ``rate`` in
    a second, once ``burst`` packets have been let through at once."""

    bridge: str
    number: int
    rate: int
    burst: int

    @property
    def key(self) -> tuple[str, ...]:
        return ("meter", self.bridge, str(self.number))


class ConnectionLimit(msgspec.Struct, frozen=True, kw_only=True):
    """How many connections Open vSwitch tracks in one zone. ``datapath_type`` is netdev, or system ("" is the same)."""

    zone: int
    limit: int
    datapath_type: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        return ("connection-limit", str(self.zone))
