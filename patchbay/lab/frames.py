"""Test frames: how they are made, and how they are known again when a capture sees them.

Called by ``capture`` and ``stream``. Every test frame carries a mark: a word that nothing else on the wire has, then
the number of the probe. Pure: bytes in, bytes out.
"""

import ipaddress
import os
import struct

import msgspec

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

ETHER_IPV4, ETHER_ARP, ETHER_IPV6 = 0x0800, 0x0806, 0x86DD
ETHER_TEST = 0x88B5  # "local experimental EtherType 1", IEEE 802
BROADCAST = b"\xff" * 6
REQUEST, REPLY, RAW = "request", "reply", "raw"


class Sight(msgspec.Struct, frozen=True):
    """What a capture saw: the probe's number (-1: not a test frame), its kind, and the frame's source MAC.

    ``sender``: the source address of an IP packet.
    """

    number: int
    kind: str
    source: bytes
    text: str
    sender: Address | None = None


class Marker:
    """The word of one run, by which its frames are told from those of any other run."""

    def __init__(self) -> None:
        self.word = b"patchbay" + os.urandom(8)

    def mark(self, number: int) -> bytes:
        """The payload of probe ``number``."""
        return self.word + struct.pack("!I", number)

    def read(self, frame: bytes) -> Sight | None:
        """What a frame from the wire is; None when it is too short to be one."""
        if len(frame) < 14:
            return None
        source, ether_type = frame[6:12], struct.unpack_from("!H", frame, 12)[0]
        at = frame.find(self.word)
        number = -1
        if at >= 0 and len(frame) >= at + len(self.word) + 4:
            number = struct.unpack_from("!I", frame, at + len(self.word))[0]
        return Sight(number, _kind(frame, ether_type), source, _text(frame, ether_type), _sender(frame, ether_type))


def echo_request(version: int, identifier: int, sequence: int, payload: bytes) -> bytes:
    """An ICMP (RFC 792) or ICMPv6 (RFC 4443) echo request; the kernel fills in the checksum of the latter."""
    kind = 8 if version == 4 else 128
    message = struct.pack("!BBHHH", kind, 0, 0, identifier, sequence & 0xFFFF) + payload
    if version == 6:
        return message
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def probe_frame(source: bytes, destination: bytes, payload: bytes) -> bytes:
    """A frame that no IP stack looks at: it shows whether layer 2 carries anything at all."""
    return (destination + source + struct.pack("!H", ETHER_TEST) + payload).ljust(60, b"\0")


def arp_request(source: bytes, own: Address, wanted: Address, payload: bytes) -> bytes:
    """An ARP request (RFC 826) whose padding carries the payload."""
    body = struct.pack("!HHBBH", 1, ETHER_IPV4, 6, 4, 1) + source + own.packed + bytes(6) + wanted.packed
    return (BROADCAST + source + struct.pack("!H", ETHER_ARP) + body + payload).ljust(60, b"\0")


def _kind(frame: bytes, ether_type: int) -> str:
    message = -1
    if ether_type == ETHER_IPV4 and len(frame) > 34 and frame[23] == 1:
        at = 14 + (frame[14] & 15) * 4
        message = frame[at] if at < len(frame) else -1
    elif ether_type == ETHER_IPV6 and len(frame) > 54 and frame[20] == 58:
        message = frame[54]
    return {8: REQUEST, 128: REQUEST, 0: REPLY, 129: REPLY}.get(message, RAW)


def _sender(frame: bytes, ether_type: int) -> Address | None:
    if ether_type == ETHER_IPV4 and len(frame) >= 34:
        return ipaddress.ip_address(frame[26:30])
    if ether_type == ETHER_IPV6 and len(frame) >= 54:
        return ipaddress.ip_address(frame[22:38])
    return None


def _text(frame: bytes, ether_type: int) -> str:
    """A frame in few words, as tcpdump would begin."""
    if ether_type == ETHER_ARP and len(frame) >= 42:
        sender, target = ipaddress.ip_address(frame[28:32]), ipaddress.ip_address(frame[38:42])
        return f"ARP who-has {target} tell {sender}" if frame[21] == 1 else f"ARP reply {sender}"
    if ether_type == ETHER_IPV4 and len(frame) >= 34:
        return f"IP {ipaddress.ip_address(frame[26:30])} > {ipaddress.ip_address(frame[30:34])}"
    if ether_type == ETHER_IPV6 and len(frame) >= 54:
        return f"IP6 {ipaddress.ip_address(frame[22:38])} > {ipaddress.ip_address(frame[38:54])}"
    return f"ethertype {ether_type:#06x}"
