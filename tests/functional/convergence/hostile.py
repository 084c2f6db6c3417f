"""A stream of packets that no rule allows, sent without a pause while things happen, and whether any of it arrives."""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from patchbay.lab.lab import Lab
from tests.functional.security.exchange import Speaker, first
from tests.functional.security.frames import BROADCAST, Wire
from tests.functional.security.model import Packet

MARK = b"forbidden "
PAUSE_S = 0.002
SENDERS = ("mallory1", "mallory2", "free1", "free2")
"""Who asks the victims."""


Make = Callable[[random.Random, bytes], tuple[str, bytes]]
"""Makes a frame with a mark in it; who sends it, and the frame."""


class Leak(NamedTuple):
    """What arrived that may not."""

    what: str
    at: str
    seconds: float


class Hostile(threading.Thread):
    """Sends until ``stop``: a frame of each kind, again and again."""

    def __init__(self, lab: Lab, kinds: dict[str, Make], ears: list[str]) -> None:
        super().__init__(daemon=True)
        self._lab = lab
        self._kinds = kinds
        self._ears = ears
        self._dice = random.Random(1)
        self._wires: dict[str, Wire] = {}
        self._stopping = threading.Event()
        self._begun = time.monotonic()
        self.leaks: list[Leak] = []
        self.sent: dict[str, int] = dict.fromkeys(kinds, 0)
        self.looked: dict[str, int] = dict.fromkeys(ears, 0)

    def run(self) -> None:
        """Each kind in turn, and what has come meanwhile."""
        while not self._stopping.wait(PAUSE_S):
            for kind, make in self._kinds.items():
                sender, frame = make(self._dice, MARK + kind.encode())
                if self._try(sender, lambda wire, frame=frame: wire.send(frame)):
                    self.sent[kind] += 1
            for ear in self._ears:
                self._try(ear, lambda wire, ear=ear: self._listen(wire, ear))

    def stop(self) -> None:
        """No more; returns when the last has been looked for."""
        self._stopping.set()
        self.join()
        for ear in self._ears:
            self._try(ear, lambda wire, ear=ear: self._listen(wire, ear, 0.2))
        for wire in self._wires.values():
            wire.close()

    def _try(self, name: str, act: Callable[[Wire], object]) -> bool:
        """Something at the interface of an instance, which may be gone, or another one by now."""
        try:
            if name not in self._wires:
                self._wires[name] = Wire(self._lab.places()[name].path)
            act(self._wires[name])
        except OSError:
            if name in self._wires:
                self._wires.pop(name).close()
            return False
        return True

    def _listen(self, wire: Wire, ear: str, seconds: float = 0.0002) -> None:
        self.looked[ear] += 1
        for frame in wire.frames(seconds):
            what = frame.partition(MARK)[2].decode(errors="replace")
            # What may be sent, to somebody who is not known at the moment, floods to ports that nothing protects.
            if what and not (ear == "free1" and " to victim" in what):
                self.leaks.append(Leak(what, ear, round(time.monotonic() - self._begun, 3)))


@contextlib.contextmanager
def hostile(lab: Lab, speakers: dict[str, Speaker]) -> Iterator[Hostile]:
    """What two instances on each host try on two others, and on one that nothing protects."""
    stream = Hostile(lab, dict(_kinds(speakers)), ["victim1", "victim2", "free1"])
    stream.start()
    try:
        yield stream
    finally:
        stream.stop()


def _kinds(speakers: dict[str, Speaker]) -> Iterator[tuple[str, Make]]:
    for sender in SENDERS:
        for target in ("victim1", "victim2"):
            yield f"{sender} to {target}", _udp(speakers, sender, target)
    for sender in ("mallory1", "mallory2"):
        yield f"{sender} as victim1", _udp(speakers, sender, "free1", address_of="victim1")
        yield f"{sender} with the MAC of victim1", _udp(speakers, sender, "free1", mac_of="victim1")
        yield f"{sender} claims the address of victim1", _claim(speakers, sender)
        yield f"{sender} tagged", _udp(speakers, sender, "victim1", tag=b"\x81\x00\x00\x01")
    for sender in ("mute1", "mute2"):
        yield f"{sender} to free1", _udp(speakers, sender, "free1")


def _udp(
    speakers: dict[str, Speaker], sender: str, target: str, *, address_of: str = "", mac_of: str = "", tag: bytes = b""
) -> Make:
    source, _ = _ends(speakers[address_of or sender])
    _, mac = _ends(speakers[mac_of or sender])
    address, to = _ends(speakers[target])

    def make(dice: random.Random, mark: bytes) -> tuple[str, bytes]:
        packet = first(Packet(source, address, 17, 0, 5000), dice.randrange(1024, 65000), mark)
        return sender, to + mac + tag + b"\x08\x00" + packet

    return make


def _claim(speakers: dict[str, Speaker], sender: str) -> Make:
    _, mac = _ends(speakers[sender])
    victim, _ = _ends(speakers["victim1"])
    own = bytes(map(int, victim.split(".")))
    arp = b"\0\1\x08\0\6\4\0\1" + mac + own + bytes(6) + own
    frame = bytes.fromhex(BROADCAST.replace(":", "")) + mac + b"\x08\x06" + arp
    return lambda _dice, mark: (sender, frame + mark)


def _ends(speaker: Speaker) -> tuple[str, bytes]:
    return min(speaker.addresses), bytes.fromhex(speaker.mac.replace(":", ""))
