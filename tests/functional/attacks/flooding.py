"""A hostile instance as fast as one process can send: frames made before, so that each is a new question to the switch.

Run by itself (``python3 flooding.py KIND COUNT MAC ADDRESS MAC ADDRESS``) in an instance's namespaces: it says
``ready``, sends COUNT frames by eth0 and says how many seconds that took. ``Flood`` starts it and waits for it.
"""

import ipaddress
import random
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType


class Flood:
    """A flood that runs beside the ``with`` block, to its end if that is longer. ``seconds`` is how long it took."""

    def __init__(self, namespace: Path, kind: str, count: int, own: tuple[str, str], other: tuple[str, str]) -> None:
        arguments = [sys.executable, __file__, kind, str(count), *own, *other]
        self._command = ["nsenter", f"--net={namespace}", "--", *arguments]
        self.seconds = 0.0

    def __enter__(self) -> "Flood":
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        assert self._process.stdout.readline() == "ready\n"
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        output, _ = self._process.communicate(timeout=60)
        self.seconds = float(output or 0)


def frames(kind: str, count: int, own: tuple[str, str], other: tuple[str, str]) -> Iterator[bytes]:
    """What is sent: no two frames of one connection, but for the kind ``one connection`` and those of ARP."""
    chance = random.Random(7)
    (mac, address), (to_mac, to_address) = (packed(*one) for one in (own, other))
    for number in range(count):
        source, target = 1024 + number % 60000, 80
        mac_now, address_now = to_mac, to_address
        if kind in ("scan", "udp", "random addresses"):
            target = 1 + (number * 7919) % 65000
        if kind == "random addresses":
            address_now = bytes((chance.choice((11, 100, 150)), *chance.randbytes(2), 7))
        elif kind == "random neighbours":
            address_now = to_address[:8] + chance.randbytes(8)
        elif kind == "random macs":
            mac_now = b"\x02" + chance.randbytes(5)
        elif kind == "one connection":
            source = 1024
        if kind == "arp":
            asked = to_address[:3] + chance.randbytes(1)
            arp = struct.pack(">HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1, mac, address, bytes(6), asked)
            yield b"\xff" * 6 + mac + b"\x08\x06" + arp
        elif len(address) == 16:
            yield mac_now + mac + b"\x86\xdd" + ipv6(address, address_now, (source, target))
        else:
            ports = (source, target)
            segment = syn(address, address_now, ports) if kind in ("syn", "scan") else udp(ports)
            yield (
                mac_now + mac + b"\x08\0" + header(6 if kind in ("syn", "scan") else 17, address, address_now, segment)
            )


def packed(mac: str, address: str) -> tuple[bytes, bytes]:
    """A MAC and an IP address as bytes."""
    return bytes.fromhex(mac.replace(":", "")), ipaddress.ip_address(address).packed


def header(protocol: int, source: bytes, target: bytes, body: bytes) -> bytes:
    """An IPv4 packet."""
    plain = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0, source, target)
    return plain[:10] + checksum(plain) + plain[12:] + body


def ipv6(source: bytes, target: bytes, ports: tuple[int, int]) -> bytes:
    """An IPv6 packet with a UDP datagram, which must have a checksum there."""
    plain = udp(ports)
    pseudo = source + target + struct.pack(">II", len(plain), 17)
    datagram = plain[:6] + checksum(pseudo + plain) + plain[8:]
    return struct.pack(">IHBB", 6 << 28, len(datagram), 17, 64) + source + target + datagram


def syn(source: bytes, target: bytes, ports: tuple[int, int]) -> bytes:
    """A TCP segment that begins a connection."""
    plain = struct.pack(">HHIIBBHHH", *ports, 1, 0, 0x50, 2, 8192, 0, 0)
    pseudo = source + target + struct.pack(">BBH", 0, 6, len(plain))
    return plain[:16] + checksum(pseudo + plain) + plain[18:]


def udp(ports: tuple[int, int]) -> bytes:
    """A UDP datagram without checksum."""
    return struct.pack(">HHHH", *ports, 24, 0) + bytes(16)


def checksum(data: bytes) -> bytes:
    """The internet checksum (RFC 1071) of an even number of bytes."""
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack(">H", ~total & 0xFFFF)


def main() -> None:
    """Send."""
    kind, count, *ends = sys.argv[1:]
    own, other = (ends[0], ends[1]), (ends[2], ends[3])
    ready = list(frames(kind, int(count), own, other))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as wire:
        wire.bind(("eth0", 0))
        print("ready", flush=True)
        sys.stdin.readline()
        start = time.monotonic()
        for frame in ready:
            wire.send(frame)
        print(time.monotonic() - start, flush=True)


if __name__ == "__main__":
    main()
