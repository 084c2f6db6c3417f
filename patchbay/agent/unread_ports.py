"""Ports whose device ovs-vswitchd does not read, though it has it: one that was there before, by the same name.

An agent that makes a device anew unplugs its port first (``Machine``). If it dies while ovs-vswitchd is away,
the one that follows finds all as it is desired, and one look at the sockets tells.
"""

import socket

from patchbay.host.ovs import Switch
from patchbay.host.packet_sockets import read_devices
from patchbay.hoststate import BridgePort

PATIENCE_S = 30.0
"""How long ovs-vswitchd may take to look at all ports after its start or that of its database."""


async def find_unread_ports(switch: Switch) -> set[str]:
    """The names of our ports with such a device, once ovs-vswitchd has done what its database asks for.

    Of the userspace datapath only: others have no sockets. ovs-vswitchd is not asked while all devices are read, and
    nothing is found while it does not answer.
    """
    await switch.wait_in_sync()
    if not _unread(switch) or not await switch.confirm(PATIENCE_S):
        return set()
    return {one.name for one in _unread(switch) if switch.ofports.get(one.bridge, {}).get(one.name, -1) > 0}


def _unread(switch: Switch) -> list[BridgePort]:
    ports = [one for one in switch.resources.values() if isinstance(one, BridgePort) and not one.type]
    try:
        unread = {name for _, name in socket.if_nameindex()} - read_devices()
    except OSError:
        return []
    return [one for one in ports if one.name in unread]
