"""The proof of a topology's expectations with real packets, captured on both sides.

Called by the lab's commands and by tests. ``check`` promises: "reaches" means that the target's capture saw the very
echo request and the source's capture its reply; "does not reach" means that neither happened and, between networks,
that no frame of the source (broadcast, ARP, unicast to the target's MAC) showed up at the target while it was tried.
An answer from another instance with the same address is seen as what it is.
"""

import contextlib
import ipaddress
import os
import time
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from patchbay.errors import LabError
from patchbay.lab.capture import Pinger, Tap, close_all, listen, open_pinger, open_tap, read_addresses
from patchbay.lab.frames import BROADCAST, REPLY, REQUEST, Address, Marker, arp_request, probe_frame
from patchbay.lab.namespaces import Space
from patchbay.lab.topology import Topology

RETRY_S = 0.2
ALL_NODES = bytes.fromhex("333300000001")


class Pair(msgspec.Struct, frozen=True):
    """What is tried: a ping from ``source`` to an ``address`` of ``target``; ``line`` is where it is expected."""

    source: str
    target: str
    address: Address | None
    expected: bool
    line: int = 0


class Outcome(msgspec.Struct, frozen=True):
    """What was found. ``rtt_ms`` is None without a reply; ``detail`` says who else was involved."""

    pair: Pair
    found: bool
    is_met: bool
    rtt_ms: float | None
    detail: str


class Probe:
    """One pair on the wire: its number, and when it was sent last."""

    def __init__(self, number: int, pair: Pair) -> None:
        self.number = number
        self.pair = pair
        self.sent_at: list[float] = []
        self.refusal = ""


def check(
    topology: Topology, hosts: Mapping[str, Space], *, patience_s: float = 5.0, quiet_s: float = 0.4
) -> list[Outcome]:
    """Prove every expectation of the topology.

    ``patience_s``: how long expected connections may take to come about; ``quiet_s``: how long the captures are watched
    after the attempts that must fail.
    """
    return Trial(topology, hosts).run(expected_pairs(topology, hosts), patience_s=patience_s, quiet_s=quiet_s)


def expected_pairs(topology: Topology, hosts: Mapping[str, Space]) -> list[Pair]:
    """Each expectation as pairs, one for each address of the target; nothing twice."""
    lines: dict[tuple[str, str, bool], int] = {}
    for expectation in topology.expect:
        for source in expectation.sources:
            for target in expectation.targets:
                if source != target:
                    lines.setdefault((source, target, expectation.reach), expectation.line)
    addresses = {target: addresses_of(topology, hosts, target) for _, target, _ in lines}
    return [
        Pair(source, target, address, is_expected, line)
        for (source, target, is_expected), line in lines.items()
        for address in addresses[target] or (None,)
    ]


def addresses_of(topology: Topology, hosts: Mapping[str, Space], name: str) -> list[Address]:
    """The addresses of an instance: those of the file, else those that its interfaces have."""
    instance = topology.instances[name]
    found: list[Address] = []
    for device, interface in instance.interfaces.items():
        given = [ipaddress.ip_address(text) for text in interface.addresses]
        found += given or read_addresses(hosts[instance.host], name, device)
    return found


class Trial:
    """Captures in all instances of a topology, and the probes sent between them."""

    def __init__(self, topology: Topology, hosts: Mapping[str, Space]) -> None:
        self.topology = topology
        self.hosts = hosts
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
        for name, instance in self.topology.instances.items():
            host = self.hosts[instance.host]
            try:
                if name not in self.pingers:
                    taps = [open_tap(host, name, device, each.network) for device, each in instance.interfaces.items()]
                    self.pingers[name] = open_pinger(host, name)
                    self.taps += taps
                broken = [tap for tap in self._taps_of(name) if tap.is_broken]
                for tap in broken:
                    tap.renew(open_tap(host, name, tap.device, tap.network))
                if broken:
                    self.pingers.pop(name).close()
                    self.pingers[name] = open_pinger(host, name)
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
            probe.refusal = pinger.send(address, self.identifier, len(probe.sent_at), payload)

    def _send_frames(self, probe: Probe) -> None:
        """Everything that could cross layer 2: to all, to the target's MAC, and a question for its address."""
        mark, address = self.marker.mark(probe.number), probe.pair.address
        macs = [tap.mac for tap in self._taps_of(probe.pair.target)]
        for tap in self._taps_of(probe.pair.source):
            for destination in (BROADCAST, ALL_NODES, *macs):
                tap.send(probe_frame(tap.mac, destination, mark))
            own = [each for each in addresses_of(self.topology, self.hosts, tap.instance) if each.version == 4]
            if address is not None and address.version == 4 and own:
                tap.send(arp_request(tap.mac, own[0], address, mark))

    def _taps_of(self, instance: str) -> list[Tap]:
        return [tap for tap in self.taps if tap.instance == instance]

    def _are_neighbours(self, pair: Pair) -> bool:
        networks = [
            {interface.network for interface in self.topology.instances[name].interfaces.values()}
            for name in (pair.source, pair.target)
        ]
        return bool(networks[0] & networks[1])

    def _saw(self, instance: str, number: int, kind: str) -> float | None:
        """When an instance first saw a frame of a probe."""
        times = [tap.first[number, kind] for tap in self._taps_of(instance) if (number, kind) in tap.first]
        return min(times, default=None)

    def _is_answered(self, probe: Probe) -> bool:
        return (
            self._saw(probe.pair.source, probe.number, REPLY) is not None
            and self._saw(probe.pair.target, probe.number, REQUEST) is not None
        )

    def _unanswered(self, probes: Sequence[Probe]) -> list[Probe]:
        return [probe for probe in probes if not self._is_answered(probe)]

    def _judge(self, probe: Probe) -> Outcome:
        pair = probe.pair
        absent = [self.absent[name] for name in (pair.source, pair.target) if name in self.absent]
        if absent:
            return Outcome(pair, False, False, None, " ".join(absent))
        replied = self._saw(pair.source, probe.number, REPLY)
        found = replied is not None and self._saw(pair.target, probe.number, REQUEST) is not None
        leaks = self._leaks(probe)
        rtt_ms = None
        if found and replied is not None:
            rtt_ms = (replied - max((at for at in probe.sent_at if at <= replied), default=replied)) * 1000
        return Outcome(pair, found, found == pair.expected and not leaks, rtt_ms, self._detail(probe, found, leaks))

    def _leaks(self, probe: Probe) -> list[str]:
        """Frames of the source that came to an instance that shares no network with it.

        Of an expected connection, any such instance counts; of a forbidden one, the target only (others have their own
        lines). Frames without a mark (the kernel's ARP) are known by their source MAC.
        """
        pair = probe.pair
        leaks: dict[str, None] = {}
        for tap in self.taps:
            other = Pair(pair.source, tap.instance, None, False)
            if self._are_neighbours(other) or not (pair.expected or tap.instance == pair.target):
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
        if found or probe.refusal:
            return "" if found else probe.refusal
        if probe.pair.address is None:
            return f"{probe.pair.target} has no address"
        return self._whereabouts(probe)

    def _whereabouts(self, probe: Probe) -> str:
        """Where a request without its reply went."""
        pair, number = probe.pair, probe.number
        if pair.address in addresses_of(self.topology, self.hosts, pair.source):
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
