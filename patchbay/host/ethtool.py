"""Checksum offload of a device (``ethtool -K <device> tx on|off``), by ioctl on an open socket of its namespace.

Used by ``patchbay.host.netlink``. The userspace datapath does not complete checksums that a veth end leaves open, so
they must be computed by the sender.
"""

import array
import errno
import fcntl
import socket
import struct

_SIOCETHTOOL, _SIOCGIFINDEX = 0x8946, 0x8933
_GET_TX_CHECKSUM, _SET_TX_CHECKSUM = 0x16, 0x17


def read_tx_checksum(opened: socket.socket, link: str) -> bool | None:
    """Whether checksums of sent packets are left to the device; None when it is gone or cannot say."""
    try:
        return bool(_call(opened, link, _GET_TX_CHECKSUM, 0))
    except OSError as error:
        if error.errno in (errno.ENODEV, errno.EOPNOTSUPP):
            return None
        raise


def write_tx_checksum(opened: socket.socket, link: str, *, is_on: bool) -> None:
    """Switch checksum offload of sent packets. Raises OSError."""
    _call(opened, link, _SET_TX_CHECKSUM, int(is_on))


def read_index(opened: socket.socket, link: str) -> int:
    """The index of a link in the socket's namespace. Raises OSError (ENODEV) when there is none."""
    answer = fcntl.ioctl(opened, _SIOCGIFINDEX, struct.pack("16si20x", link.encode(), 0))
    return int(struct.unpack_from("16si", answer)[1])


def _call(opened: socket.socket, link: str, command: int, value: int) -> int:
    data = array.array("B", struct.pack("II", command, value))
    address, _length = data.buffer_info()
    fcntl.ioctl(opened, _SIOCETHTOOL, struct.pack("16sP16x", link.encode(), address))
    return int(struct.unpack("II", data)[1])
