"""A DHCP question and its answer as frames (RFC 2131, options RFC 2132, routes RFC 3442).

Called by ``questions``. Pure: bytes in, bytes out. The question is a DHCPDISCOVER: the server says what it would lend
and changes nothing that a client holds.
"""

import ipaddress
import struct
from collections.abc import Iterator

import msgspec

from patchbay.lab.frames import BROADCAST, ETHER_IPV4, checksum
from patchbay.lab.topology import HostRoute

CLIENT_PORT, SERVER_PORT, UDP = 68, 67, 17
MAGIC = bytes((99, 130, 83, 99))
DISCOVER, OFFER = 1, 2
MASK, ROUTER, DNS, DOMAIN, MTU, HELD, KIND, SERVER, ASKED, ROUTES, END = 1, 3, 6, 15, 26, 50, 53, 54, 55, 121, 255
NOTHING = bytes(4)


class Offer(msgspec.Struct, frozen=True):
    """What a DHCP server offers. ``mtu`` 0 and "" mean that it says nothing of it."""

    address: str
    server: str = ""
    router: str = ""
    dns: tuple[str, ...] = ()
    domain: str = ""
    mtu: int = 0
    routes: tuple[HostRoute, ...] = ()


def discover(mac: bytes, number: int, held: str = "") -> bytes:
    """A DHCPDISCOVER of the client with this MAC, as a whole Ethernet frame; ``number`` is the transaction's.

    ``held``: the address that it would like to keep, which a server that has forgotten its leases may give it again.
    """
    # The server is asked to broadcast its answer: the client that asks has, as it says, no address.
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, number, 0, 0x8000)
    asked = bytes((MASK, ROUTER, DNS, DOMAIN, MTU, SERVER, ROUTES))
    wish = bytes((HELD, 4)) + ipaddress.IPv4Address(held).packed if held else b""
    options = MAGIC + bytes((KIND, 1, DISCOVER)) + wish + bytes((ASKED, len(asked))) + asked + bytes((END,))
    message = head + 4 * NOTHING + mac.ljust(16, b"\0") + bytes(192) + options
    datagram = struct.pack("!HHHH", CLIENT_PORT, SERVER_PORT, 8 + len(message), 0) + message
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0, 64, UDP, 0) + NOTHING + b"\xff" * 4
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return BROADCAST + mac + struct.pack("!H", ETHER_IPV4) + header + datagram


def read_offer(frame: bytes, number: int) -> Offer | None:
    """The offer in a frame; None when it is anything else, or another transaction's."""
    message = _message(frame)
    if message is None or struct.unpack_from("!I", message, 4)[0] != number:
        return None
    options = dict(_options(message[240:]))
    if options.get(KIND) != bytes((OFFER,)):
        return None
    routers = _addresses(options.get(ROUTER, b""))
    servers = _addresses(options.get(SERVER, b""))
    return Offer(
        address=str(ipaddress.IPv4Address(message[16:20])),
        server=servers[0] if servers else "",
        router=routers[0] if routers else "",
        dns=_addresses(options.get(DNS, b"")),
        domain=options.get(DOMAIN, b"").rstrip(b"\0").decode(errors="replace"),
        mtu=int.from_bytes(options.get(MTU, b""), "big"),
        routes=tuple(_routes(options.get(ROUTES, b""))),
    )


def _message(frame: bytes) -> bytes | None:
    """The DHCP message that a server sends in this frame, if it does."""
    if len(frame) < 34 or struct.unpack_from("!H", frame, 12)[0] != ETHER_IPV4 or frame[23] != UDP:
        return None
    at = 14 + (frame[14] & 15) * 4
    if len(frame) < at + 8 or struct.unpack_from("!HH", frame, at) != (SERVER_PORT, CLIENT_PORT):
        return None
    message = frame[at + 8 :]
    return message if len(message) > 240 and message[0] == 2 and message[236:240] == MAGIC else None


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 1 < len(data) and data[at] != END:
        if data[at] == 0:
            at += 1
            continue
        length = data[at + 1]
        yield data[at], data[at + 2 : at + 2 + length]
        at += 2 + length


def _addresses(data: bytes) -> tuple[str, ...]:
    return tuple(str(ipaddress.IPv4Address(data[at : at + 4])) for at in range(0, len(data) - 3, 4))


def _routes(data: bytes) -> Iterator[HostRoute]:
    at = 0
    while at < len(data):
        octets = (data[at] + 7) // 8
        if data[at] > 32 or at + 5 + octets > len(data):
            return
        block = data[at + 1 : at + 1 + octets].ljust(4, b"\0")
        hop = data[at + 1 + octets : at + 5 + octets]
        yield HostRoute(f"{ipaddress.IPv4Address(block)}/{data[at]}", str(ipaddress.IPv4Address(hop)))
        at += 5 + octets
