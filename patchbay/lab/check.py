"""The proof of a topology's expectations with real packets, captured on both sides.

Called by the lab's commands and by tests. ``check`` promises: "reaches" means that the target's capture saw the very
echo request and the source's capture its reply; "does not reach" means that neither happened and, between networks,
that no frame of the source (broadcast, ARP, unicast to the target's MAC) showed up at the target while it was tried.
An answer from another instance with the same address is seen as what it is. An address that belongs to nobody with a
capture (a router's) is reached when its reply comes.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence

from patchbay.errors import LabError
from patchbay.lab.capture import Pinger, Tap, close_all, listen, open_pinger, open_tap
from patchbay.lab.frames import BROADCAST, REPLY, REQUEST, Address, Marker, arp_request, probe_frame
from patchbay.lab.outcomes import Outcome, Pair, addresses_of, expected_pairs, networks_with
from patchbay.lab.places import Place
from patchbay.lab.questions import ask_all
from patchbay.lab.topology import Topology

RETRY_S = 0.2
ALL_NODES = bytes.fromhex("333300000001")


class Probe:
    """One pair on the wire: its number, and when it was sent last."""

    def __init__(self, number: int, pair: Pair) -> None:
        self.number = number
        self.pair = pair
        self.sent_at: list[float] = []
        self.refusal = ""


def check(
    topology: Topology, places: Mapping[str, Place], *, patience_s: float = 5.0, quiet_s: float = 0.4
) -> list[Outcome]:
    """Prove every expectation of the topology.

    ``patience_s``: how long expected connections and answers may take to come about; ``quiet_s``: how long the captures
    are watched after the attempts that must fail.
    """
    answers = ask_all(topology, places, patience_s=patience_s)
    return (
        Trial(topology, places).run(expected_pairs(topology, places), patience_s=patience_s, quiet_s=quiet_s) + answers
    )


class Trial:
    """Captures in all instances of a topology, and the probes sent between them."""

    def __init__(self, topology: Topology, places: Mapping[str, Place]) -> None:
        self.topology = topology
        self.places = places
        self.marker = Marker()
        self.taps: list[Tap] = []
        self.pingers: dict[str, Pinger] = {}
        self.absent: dict[str, str] = {}
        self.identifier = int.from_bytes(os.urandom(2), "big")

    def run(self, pairs: Sequence[Pair], *, patience_s: float, quiet_s: float) -> list[Outcome]:
        """Try all pairs: first those that must reach, until they do, then those that must not."""
        probes = [Probe(number, pair) for number, pair in enumerate(pairs)]
        with self._captures():
            self._reach([probe for probe in probes if probe.pair.expected], patience_s)
            self._intrude([probe for probe in probes if not probe.pair.expected], quiet_s)
            return [self._judge(probe) for probe in probes]

    @contextlib.contextmanager
    def _captures(self) -> Iterator[None]:
        try:
            self._open_captures()
            yield
        finally:
            close_all([*self.taps, *self.pingers.values()])

    def _open_captures(self) -> None:
        """Capture where that is not done yet: in instances that were not there before, on interfaces made anew."""
        for name, place in self.places.items():
            try:
                if name not in self.pingers:
                    taps = [open_tap(place, device, network) for device, network in place.interfaces.items()]
                    self.pingers[name] = open_pinger(place.space, place.instance)
                    self.taps += taps
                broken = [tap for tap in self._taps_of(name) if tap.is_broken]
                for tap in broken:
                    tap.renew(open_tap(place, tap.device, tap.network))
                if broken:
                    self.pingers.pop(name).close()
                    self.pingers[name] = open_pinger(place.space, place.instance)
            except LabError as error:
                self.absent[name] = error.message
            else:
                self.absent.pop(name, None)

    def _reach(self, probes: Sequence[Probe], patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while (waiting := self._unanswered(probes)) and (left := deadline - time.monotonic()) > 0:
            self._open_captures()
            for probe in waiting:
                self._ping(probe)
            listen(self.taps, self.marker, min(RETRY_S, left), lambda: not self._unanswered(probes))

    def _intrude(self, probes: Sequence[Probe], quiet_s: float) -> None:
        if not probes:
            return
        for _ in range(2):
            for probe in probes:
                if probe.pair.address is not None:
                    self._ping(probe)
                if not self._are_neighbours(probe.pair):
                    self._send_frames(probe)
            listen(self.taps, self.marker, quiet_s / 2)

    def _ping(self, probe: Probe) -> None:
        pinger, address = self.pingers.get(probe.pair.source), probe.pair.address
        if pinger is not None and address is not None:
            probe.sent_at.append(time.monotonic())
            payload = self.marker.mark(probe.number)
            # Another identifier each time: to a router that translates, a connection of its own, by the rules of now.
            identifier = (self.identifier + len(probe.sent_at)) & 0xFFFF
            probe.refusal = pinger.send(address, identifier, len(probe.sent_at), payload)

    def _send_frames(self, probe: Probe) -> None:
        """Everything that could cross layer 2: to all, to the target's MAC, and a question for its address."""
        mark, address = self.marker.mark(probe.number), probe.pair.address
        macs = [tap.mac for tap in self._taps_of(probe.pair.target)]
        for tap in self._taps_of(probe.pair.source):
            for destination in (BROADCAST, ALL_NODES, *macs):
                tap.send(probe_frame(tap.mac, destination, mark))
            own = [each for each in addresses_of(self.topology, self.places, tap.instance) if each.version == 4]
            if address is not None and address.version == 4 and own:
                tap.send(arp_request(tap.mac, own[0], address, mark))

    def _taps_of(self, instance: str) -> list[Tap]:
        return [tap for tap in self.taps if tap.instance == instance]

    def _networks_of(self, name: str) -> set[str]:
        return set(self.places[name].interfaces.values()) if name in self.places else set()

    def _are_neighbours(self, pair: Pair) -> bool:
        return bool(self._networks_of(pair.source) & self._networks_of(pair.target))

    def _saw(self, instance: str, number: int, kind: str) -> float | None:
        """When an instance first saw a frame of a probe."""
        times = [tap.first[number, kind] for tap in self._taps_of(instance) if (number, kind) in tap.first]
        return min(times, default=None)

    def _is_answered(self, probe: Probe) -> bool:
        pair, number = probe.pair, probe.number
        if self._saw(pair.source, number, REPLY) is None or self._seen_from(pair.source, number, REPLY) != pair.address:
            return False
        return self._has_arrived(probe) and (not pair.seen_as or self._sender(probe) == pair.seen_as)

    def _has_arrived(self, probe: Probe) -> bool:
        """The target saw the request; an address that nobody here has is believed its answer."""
        return probe.pair.target not in self.places or self._saw(probe.pair.target, probe.number, REQUEST) is not None

    def _seen_from(self, instance: str, number: int, kind: str) -> Address | None:
        """The address that an instance last saw a frame of a probe come from."""
        senders = [tap.senders[number, kind] for tap in self._taps_of(instance) if (number, kind) in tap.senders]
        return senders[0] if senders else None

    def _sender(self, probe: Probe) -> str:
        """The address that the target saw the request come from."""
        return str(self._seen_from(probe.pair.target, probe.number, REQUEST) or "")

    def _unanswered(self, probes: Sequence[Probe]) -> list[Probe]:
        return [probe for probe in probes if not self._is_answered(probe)]

    def _judge(self, probe: Probe) -> Outcome:
        pair = probe.pair
        absent = [self.absent[name] for name in (pair.source, pair.target) if name in self.absent]
        if absent:
            return Outcome(pair, False, False, None, " ".join(absent))
        replied = self._saw(pair.source, probe.number, REPLY)
        found = replied is not None and self._has_arrived(probe)
        leaks = self._leaks(probe)
        rtt_ms = None
        if found and replied is not None:
            rtt_ms = (replied - max((at for at in probe.sent_at if at <= replied), default=replied)) * 1000
        is_met = found == pair.expected and not leaks and (not pair.expected or self._is_answered(probe))
        answer = f"seen as {self._sender(probe)}" if found and pair.seen_as else ""
        return Outcome(pair, found, is_met, rtt_ms, self._detail(probe, found, leaks), answer)

    def _leaks(self, probe: Probe) -> list[str]:
        """Frames of the source that came to an instance that shares no network with it.

        Of an expected connection, any such instance counts that shares none with the target either (a router leads
        there); of a forbidden one, the target only (others have their own lines). Frames without a mark (the kernel's
        ARP) are known by their source MAC.
        """
        pair = probe.pair
        way = networks_with(self.topology, pair.address) | self._networks_of(pair.target) if pair.expected else set()
        leaks: dict[str, None] = {}
        for tap in self.taps:
            other = Pair(pair.source, tap.instance, None, False)
            if self._are_neighbours(other) or tap.network in way or not (pair.expected or tap.instance == pair.target):
                continue
            found = [tap.marked[probe.number]] if probe.number in tap.marked else []
            if not pair.expected:
                macs = {own.mac for own in self._taps_of(pair.source)} - self._macs_on(tap.network)
                found += [sight for source, sight in tap.unmarked.items() if source in macs]
            leaks.update(dict.fromkeys(f"{tap.instance} saw {sight.text}" for sight in found))
        return list(leaks)

    def _macs_on(self, network: str) -> set[bytes]:
        return {tap.mac for tap in self.taps if tap.network == network}

    def _detail(self, probe: Probe, found: bool, leaks: Sequence[str]) -> str:
        if leaks:
            more = f" and {len(leaks) - 2} more" if len(leaks) > 2 else ""
            return "; ".join(leaks[:2]) + more
        if found:
            replier = self._seen_from(probe.pair.source, probe.number, REPLY)
            return "" if replier == probe.pair.address else f"answered from {replier}"
        if probe.refusal:
            return probe.refusal
        if probe.pair.address is None:
            return f"{probe.pair.target} has no address"
        return self._whereabouts(probe)

    def _whereabouts(self, probe: Probe) -> str:
        """Where a request without its reply went."""
        pair, number = probe.pair, probe.number
        if pair.address in addresses_of(self.topology, self.places, pair.source):
            return f"{pair.source} has this address itself"
        if self._saw(pair.target, number, REQUEST) is not None:
            return f"{pair.target} saw the request, {pair.source} no reply"
        others = [
            name
            for name in self.pingers
            if name not in (pair.source, pair.target) and self._saw(name, number, REQUEST) is not None
        ]
        if self._saw(pair.source, number, REPLY) is not None:
            return f"answered by {', '.join(others) or 'someone else'}"
        return f"no reply; the request came to {', '.join(others)}" if others else "the request came to nobody"
