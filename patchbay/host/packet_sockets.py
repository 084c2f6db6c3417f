"""Which devices of this host's network namespace a process reads with a packet socket (AF_PACKET).

ovs-vswitchd has one for each device that is a port of its userspace datapath, bound to it by its index. When the
device is made anew with the same name and the port is plugged again before ovs-vswitchd has looked, the socket goes on
waiting for what is no more: the port can send and hears nothing. Nothing in its database tells.
"""

import socket
from pathlib import Path

PACKET_SOCKETS = Path("/proc/net/packet")
"""The kernel's list (packet(7)): a line for each socket, its fifth word the index of the device, 0 for all."""


def read_devices() -> frozenset[str]:
    """The names of the devices that somebody reads."""
    lines = PACKET_SOCKETS.read_text(encoding="ascii").splitlines()[1:]
    indexes = {int(line.split()[4]) for line in lines}
    return frozenset(name for index, name in socket.if_nameindex() if index in indexes)
