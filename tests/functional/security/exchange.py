"""Packets between instances of a lab, many at once: built from bytes, sent in batches, and what of them arrives.

scapy would need ten times as long for each. Every packet carries a word of its own; a frame that every port takes, sent
after a batch, tells when all that may arrive has arrived.
"""

import ipaddress
import itertools
import re
import select
import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from patchbay.lab.lab import Lab
from patchbay.lab.vhost import VirtualHost
from tests.functional.security.frames import Wire
from tests.functional.security.model import Packet

BATCH = 48
"""So many frames fit into the queues on their way."""
ATTEMPTS = 4
"""What must arrive is sent so often before it counts as stopped: queues may overflow on a busy machine."""
BARRIER_S, BARRIERS = 0.5, 20
_WORD = re.compile(rb"\[(\d{12})\]")
_REPLY_TYPES = {(1, 8): 0, (1, 13): 14, (58, 128): 129}


class Speaker(NamedTuple):
    """An instance as its packets show it."""

    name: str
    mac: str
    addresses: frozenset[str]


class Shot(NamedTuple):
    """A frame from one instance to another; ``word`` is in it."""

    sender: str
    receiver: str
    frame: bytes
    word: bytes


class Exchange:
    """The interfaces of some instances, and what comes in at them. The instances themselves answer nothing."""

    def __init__(self, speakers: Mapping[str, Speaker], wires: dict[str, Wire]) -> None:
        self.speakers = speakers
        self._wires = wires
        self._names = {wire.socket.fileno(): name for name, wire in wires.items()}
        self._words, self._numbers = itertools.count(1), itertools.count(1)
        self._heard: set[tuple[str, bytes]] = set()

    def open_again(self, name: str, path: Path) -> None:
        """The interface of an instance that has been made again, in the namespace at ``path``."""
        wire = Wire(path)
        del self._names[self._wires[name].socket.fileno()]
        self._wires[name].close()
        self._wires[name] = wire
        self._names[wire.socket.fileno()] = name

    def close(self) -> None:
        """Close the interfaces."""
        for wire in self._wires.values():
            wire.close()

    def word(self) -> bytes:
        """One that was in no packet before."""
        return b"[%012d]" % next(self._words)

    def number(self) -> int:
        """One that no connection had lately: its first port, or its identifier."""
        return 1024 + next(self._numbers) % 60000

    def shot(self, sender: str, receiver: str, packet: bytes, word: bytes) -> Shot:
        """An IP packet in a frame between two instances."""
        kind = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00"
        macs = _mac(self.speakers[receiver].mac) + _mac(self.speakers[sender].mac)
        return Shot(sender, receiver, macs + kind + packet, word)

    def arrived(self, shots: Sequence[Shot], wanted: Iterable[Shot] = ()) -> set[Shot]:
        """Send them; those that came to their receivers. ``wanted`` are sent again when they did not."""
        wanted = set(wanted)
        left: Sequence[Shot] = shots
        for _ in range(ATTEMPTS):
            self._send(sorted(left, key=lambda shot: shot.sender))
            left = [shot for shot in shots if shot in wanted and (shot.receiver, shot.word) not in self._heard]
            if not left:
                break
        return {shot for shot in shots if (shot.receiver, shot.word) in self._heard}

    def passes(self, shot: Shot) -> bool:
        """Whether one packet arrives."""
        return bool(self.arrived([shot]))

    def heard_by(self, name: str, word: bytes) -> bool:
        """Whether this came to an instance, whomever it was for."""
        return (name, word) in self._heard

    def _send(self, shots: Sequence[Shot]) -> None:
        for start in range(0, len(shots), BATCH):
            batch = shots[start : start + BATCH]
            for shot in batch:
                self._wires[shot.sender].send(shot.frame)
            awaited = {(shot.receiver, shot.sender) for shot in batch}
            for _ in range(BARRIERS):
                words = {sender: self._announce(sender) for _, sender in awaited}
                end = time.monotonic() + BARRIER_S
                while awaited and self._listen(end - time.monotonic()):
                    awaited = {pair for pair in awaited if (pair[0], words[pair[1]]) not in self._heard}
                if not awaited:
                    break
            assert not awaited, f"announcements did not arrive: {sorted(awaited)}"

    def _announce(self, sender: str) -> bytes:
        """A probe for its own address (RFC 5227), with a trailer: every port of the network takes it."""
        speaker, word = self.speakers[sender], self.word()
        own = min(address for address in speaker.addresses if ":" not in address)
        body = b"\0\1\x08\0\6\4\0\1" + _mac(speaker.mac) + _ip(own) + bytes(6) + _ip(own)
        self._wires[sender].send(b"\xff" * 6 + _mac(speaker.mac) + b"\x08\x06" + body + word)
        return word

    def _listen(self, seconds: float) -> bool:
        """Take in what has come, or the first that comes; False when there is no time left."""
        if seconds <= 0:
            return False
        for descriptor in select.select(list(self._names), [], [], seconds)[0]:
            name = self._names[descriptor]
            for frame in self._wires[name].frames(0.0005):
                self._heard.update((name, b"[" + word + b"]") for word in _WORD.findall(frame))
        return True


@contextmanager
def exchange(lab: Lab, speakers: Iterable[Speaker]) -> Iterator[Exchange]:
    """Opens the interfaces of instances, whose own kernels hear nothing from now on."""
    found = {speaker.name: speaker for speaker in speakers}
    for name in found:
        silence(lab.host_of(name), name)
    opened = Exchange(found, {name: Wire(lab.places()[name].path) for name in found})
    try:
        yield opened
    finally:
        opened.close()


def silence(host: VirtualHost, name: str) -> None:
    """The kernel of an instance hears nothing any more, and so answers nothing."""
    for program in ("iptables", "ip6tables"):
        host.run([program, "-w", "-A", "INPUT", "-j", "DROP"], instance=name)


# --- packets ----------------------------------------------------------------------------------------------------------


def first(packet: Packet, number: int, word: bytes) -> bytes:
    """The first packet of a connection, or the only one. ``number`` is its source port, or its identifier."""
    return _ip_packet(packet.source, packet.target, packet.protocol, _layer_four(packet, number, word))


def reply(packet: Packet, number: int, word: bytes) -> bytes:
    """What the receiver answers to it."""
    source, target, protocol = packet.target, packet.source, packet.protocol
    if protocol in (1, 58):
        back = Packet(source, target, protocol, _REPLY_TYPES.get((protocol, packet.first), packet.first), packet.second)
        return _ip_packet(source, target, protocol, _layer_four(back, number, word))
    ports = struct.pack(">HH", packet.second, number)
    if protocol == 6:
        data = ports + struct.pack(">IIBBHHH", 5, number + 1, 5 << 4, 0x12, 8192, 0, 0) + word
        return _ip_packet(source, target, protocol, _summed(data, 16, source, target, protocol))
    if protocol == 17:
        data = ports + struct.pack(">HH", 8 + len(word), 0) + word
        return _ip_packet(source, target, protocol, _summed(data, 6, source, target, protocol))
    back = Packet(source, target, protocol, packet.first, number)
    return _ip_packet(source, target, protocol, _layer_four(back, packet.second, word))


def error(packet: Packet, number: int, word: bytes, *, is_too_big: bool) -> bytes:
    """What the receiver, or somebody on the way, says of it: unreachable, or too big."""
    inner = first(packet, number, word)
    inner = inner[: (40 if packet.version == 6 else 20) + 8] + word
    if packet.version == 4:
        data = struct.pack(">BBHHH", 3, 4 if is_too_big else 1, 0, 0, 1400 if is_too_big else 0) + inner
        protocol = 1
    else:
        data = struct.pack(">BBHI", 2 if is_too_big else 1, 0, 0, 1400 if is_too_big else 0) + inner
        protocol = 58
    return _ip_packet(packet.target, packet.source, protocol, _summed(data, 2, packet.target, packet.source, protocol))


def _layer_four(packet: Packet, number: int, word: bytes) -> bytes:
    source, target, protocol = packet.source, packet.target, packet.protocol
    match protocol:
        case 6:
            data = struct.pack(">HHIIBBHHH", number, packet.second, number, 0, 5 << 4, 2, 8192, 0, 0) + word
            return _summed(data, 16, source, target, protocol)
        case 17:
            data = struct.pack(">HHHH", number, packet.second, 8 + len(word), 0) + word
            return _summed(data, 6, source, target, protocol)
        case 1 | 58:
            data = struct.pack(">BBHHH", packet.first, packet.second, 0, number, 1) + word
            return _summed(data, 2, source, target, protocol)
        case 132:
            return struct.pack(">HHII", number, packet.second, 1, 0) + word
    return bytes(8) + word


def _ip_packet(source: str, target: str, protocol: int, data: bytes) -> bytes:
    if ":" in source:
        return struct.pack(">IHBB", 6 << 28, len(data), protocol, 64) + _ip(source) + _ip(target) + data
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(data), 0, 0, 64, protocol, 0) + _ip(source) + _ip(target)
    return head[:10] + _checksum(head) + head[12:] + data


def _summed(data: bytes, at: int, source: str, target: str, protocol: int) -> bytes:
    """With its checksum, over the addresses too where the protocol wants it."""
    pseudo = b"" if protocol == 1 else _ip(source) + _ip(target) + struct.pack(">II", len(data), protocol)
    return data[:at] + _checksum(pseudo + data) + data[at + 2 :]


def _checksum(data: bytes) -> bytes:
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack(">H", 0xFFFF - ((total & 0xFFFF) + (total >> 16)))


def _ip(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
