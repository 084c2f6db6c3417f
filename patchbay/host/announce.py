"""Telling the neighbours of an interface where it is: ARP announcements and unsolicited neighbour advertisements.

Called by the agent when an instance's port is complete, as a hypervisor does for a virtual machine that has moved.
Bridges on the way learn the port behind which the MAC is now, and neighbours that knew another MAC take this one.
"""

import ipaddress
import socket
import struct
from collections.abc import Iterable

from patchbay.host import netns

_EVERYBODY, _ALL_NODES = b"\xff" * 6, bytes.fromhex("333300000001")
_ARP, _IPV6, _ICMPV6 = 0x0806, 0x86DD, 58
_ALL_NODES_ADDRESS = ipaddress.IPv6Address("ff02::1").packed
_OVERRIDE = 0x20000000


def announce(namespace: str, device: str, mac: str, addresses: Iterable[str], *, is_reply: bool = False) -> None:
    """Send one frame for each address from a device in a namespace. Raises OSError when it is not there.

    The thread steps into the namespace, so call it on the namespace thread.
    """
    source = bytes.fromhex(mac.replace(":", ""))
    with (
        netns.inside(netns.NETNS_DIRECTORY / namespace),
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as opened,
    ):
        opened.bind((device, 0))
        for address in addresses:
            opened.send(announcement(source, address, is_reply=is_reply))


def announcement(mac: bytes, address: str, *, is_reply: bool = False) -> bytes:
    """The frame: an ARP announcement (RFC 5227, 2.3; or a reply, with the same effect), or an unsolicited advertisement
    (RFC 4861, 7.2.6)."""
    parsed = ipaddress.ip_address(address)
    if parsed.version == 4:
        head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2 if is_reply else 1)
        arp = head + mac + parsed.packed + bytes(6) + parsed.packed
        return _EVERYBODY + mac + struct.pack("!H", _ARP) + arp
    option = struct.pack("!BB", 2, 1) + mac
    rest = struct.pack("!I", _OVERRIDE) + parsed.packed + option
    pseudo = parsed.packed + _ALL_NODES_ADDRESS + struct.pack("!II", 4 + len(rest), _ICMPV6)
    start = struct.pack("!BB", 136, 0)
    checksum = _checksum(pseudo + start + bytes(2) + rest)
    body = start + struct.pack("!H", checksum) + rest
    header = struct.pack("!IHBB", 6 << 28, len(body), _ICMPV6, 255) + parsed.packed + _ALL_NODES_ADDRESS
    return _ALL_NODES + mac + struct.pack("!H", _IPV6) + header + body


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
