"""Limits of tracked connections, which ovs-vswitchd keeps in memory only: read and set over its control socket.

One request sets the limits of all zones.
"""

import re
from pathlib import Path

import msgspec

from patchbay.compile.local_vlans import DEAD_VLAN
from patchbay.host.switch_control import ask
from patchbay.hoststate import ConnectionLimit
from patchbay.plan.limit_operations import DATAPATHS, limit_arguments, zone_arguments

_LIMIT = re.compile(r"zone=(\d+),limit=(\d+),count=(\d+)")


class ZoneUse(msgspec.Struct, frozen=True):
    """The limit of a zone, and how many of its connections count towards it."""

    limit: ConnectionLimit
    count: int


async def read_limits(rundir: Path, datapath_type: str) -> list[ZoneUse]:
    """All zones of local VLANs that have a limit. Raises HostError when ovs-vswitchd does not answer or knows none."""
    text = await ask(rundir, "dpctl/ct-get-limits", [DATAPATHS[datapath_type]])
    found = (tuple(map(int, one)) for one in _LIMIT.findall(text))
    return [
        ZoneUse(ConnectionLimit(zone=zone, limit=limit, datapath_type=datapath_type), count)
        for zone, limit, count in found
        if 0 < zone < DEAD_VLAN
    ]


async def set_limits(rundir: Path, datapath_type: str, limits: tuple[ConnectionLimit, ...]) -> None:
    """Set these limits. Raises HostError."""
    await ask(rundir, "dpctl/ct-set-limits", limit_arguments(datapath_type, limits))


async def delete_limits(rundir: Path, datapath_type: str, limits: tuple[ConnectionLimit, ...]) -> None:
    """Limit these zones no more. Raises HostError."""
    await ask(rundir, "dpctl/ct-del-limits", zone_arguments(datapath_type, limits))
