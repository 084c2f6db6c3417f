"""Ways that packets can take between two ends, measured in turn: latency, TCP throughput, packets per second.

For benchmarks of routers. Several rounds of all ways, so that a busy machine is busy for all; what counts are the
ratios of each round. All is measured from one end and from the other, and the mean of the two counts: the userspace
datapath looks at its ports in turn, and what comes to one that is still to be looked at waits a whole turn less.
"""

import json
import random
import re
import select
import socket
import statistics
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from ipaddress import ip_address
from typing import Any, NamedTuple

from measuring import Figure, figure, say, wait_until

from patchbay.lab.capture import open_pinger
from patchbay.lab.namespaces import Space
from patchbay.lab.vhost import inside

PINGS, SECONDS = 150, 1


class End(NamedTuple):
    """A namespace on a host with an address; a router ("" for its namespace) sends nothing by itself."""

    host: Space
    namespace: str
    address: str

    def run(self, *arguments: str, is_checked: bool = True) -> str:
        """What a command prints there."""
        return self.host.run(inside(self.namespace, arguments), check=is_checked).stdout


class Way(NamedTuple):
    """From one end to another."""

    here: End
    there: End

    @property
    def directions(self) -> list[tuple[End, End]]:
        """Who sends to whom."""
        back = [(self.there, self.here)] if self.there.namespace else []
        return [(self.here, self.there), *back]


Measure = Callable[[Mapping[str, Way], int], dict[str, float]]
"""One round of all ways; its number says with which to begin."""


def compared(
    ways: Mapping[str, Way],
    what: str,
    unit: str,
    rounds: int,
    measure: Measure,
    inside_one: str = "",
    called: str = "inside",
) -> Iterator[Figure]:
    """The medians of all ways, and the medians of the rounds' ratios to the way ``inside_one``, which is ``called``."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        say(f"{what}: {number + 1} of {rounds}")
        for name, value in measure(ways, number).items():
            found[name].append(value)
    for name, values in found.items():
        yield figure(f"{what}, {name}, median", statistics.median(values), unit)
    for name in [name for name in found if name != inside_one and inside_one in found]:
        ratios = [100 * one / other for one, other in zip(found[name], found[inside_one], strict=True)]
        yield figure(f"{what}, {name} against {called}, median", statistics.median(ratios), "%")


def in_turn(measure: Callable[[Way], float]) -> Measure:
    """One way after the other, in another order each round."""

    def measure_all(ways: Mapping[str, Way], number: int) -> dict[str, float]:
        names = list(ways)
        first = number % len(names)
        return {name: measure(ways[name]) for name in (*names[first:], *names[:first])}

    return measure_all


def wait_for_answers(ways: Mapping[str, Way]) -> None:
    """Until all ways lead there."""
    for name, way in ways.items():
        wait_until(lambda way=way: is_answered(way), f"{name}: {way.there.address} answers", timeout_s=30)  # type: ignore[misc]


def is_answered(way: Way) -> bool:
    """Whether a ping is."""
    return "1 received" in way.here.run("ping", "-c1", "-W1", way.there.address, is_checked=False)


def first_ping(way: Way) -> float:
    """Milliseconds of a ping between two that know nothing: what ``ping -c 1`` shows after everything was forgotten."""
    found = []
    for source, target in way.directions:
        with ThreadPoolExecutor() as pool:
            hosts = {end.host.pid: end.host for end in way}
            list(pool.map(lambda host: host.run(["sh", "-ec", FORGET]), hosts.values()))
        shown = source.run("ping", "-n", "-c1", "-W2", target.address)
        found += [float(each) for each in re.findall(r"time=([\d.]+) ms", shown)]
    return statistics.mean(found)


FORGET = """\
for n in $(ip netns list | cut -d' ' -f1); do ip -n $n neigh flush all; done
for b in $(ovs-vsctl list-br); do ovs-appctl fdb/flush $b >/dev/null; done
ovs-appctl revalidator/purge
ovs-appctl revalidator/wait
"""
"""Neighbours of all instances and routers, MACs that switches learned, and datapath flows."""


def later_pings(ways: Mapping[str, Way], number: int) -> dict[str, float]:
    """Milliseconds from before a request is sent until the kernel has its reply; a random order of ways each time."""
    order = random.Random(number)
    found: dict[tuple[str, End], list[float]] = {}
    with ExitStack() as stack:
        sockets = {}
        for source in {source for way in ways.values() for source, _ in way.directions}:
            pinger = stack.enter_context(closing(open_pinger(source.host, source.namespace, receive=True)))
            pinger.receive_socket(4).setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            sockets[source] = pinger
        for sequence in range(PINGS + 1):
            for name in order.sample(list(ways), len(ways)):
                for source, target in ways[name].directions:
                    sent_ns = time.time_ns()
                    sockets[source].send(ip_address(target.address), 0x5043, sequence, MARK)
                    taken = (reply_at(sockets[source].receive_socket(4), target.address) - sent_ns) / 1e6
                    if sequence:  # the first one wakes everybody up
                        found.setdefault((name, source), []).append(taken)
                    time.sleep(0.002)
    medians = {key: statistics.median(values) for key, values in found.items()}
    return {name: statistics.mean(medians[name, source] for source, _ in ways[name].directions) for name in ways}


SO_TIMESTAMPNS, MARK = 35, bytes(56)


def reply_at(opened: socket.socket, address: str) -> int:
    """When the kernel received the reply from this address, in nanoseconds of its clock."""
    while select.select([opened], [], [], 2.0)[0]:
        _, ancillary, _, (sender, _) = opened.recvmsg(2048, 64)
        if sender == address:
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
            return int(seconds * 1_000_000_000 + nanoseconds)
    raise AssertionError(f"{address} does not answer")


def throughput(way: Way) -> float:
    """Mbit of TCP per second that arrive."""
    ended = iperf(way, ["-t", str(SECONDS), "-O", "1"])
    return statistics.mean(float(each["sum_received"]["bits_per_second"]) / 1e6 for each in ended)


def packet_rate(way: Way) -> float:
    """Thousands of UDP packets with 64 bytes per second that arrive; the sender sends as many as it can."""
    sums = [each["sum"] for each in iperf(way, ["-t", str(SECONDS), "-u", "-l", "64", "-b", "0"])]
    return statistics.mean((each["packets"] - each["lost_packets"]) / each["seconds"] / 1e3 for each in sums)


def iperf(way: Way, options: list[str]) -> list[dict[str, Any]]:
    """What iperf3 says at the end, in each direction."""
    return [iperf_towards(*direction, options) for direction in way.directions]


def iperf_towards(client: End, server: End, options: list[str]) -> dict[str, Any]:
    """One direction; tried again until the server listens."""
    server.run("iperf3", "-s", "-1", "-D", "--forceflush")
    deadline = time.monotonic() + 10
    while True:
        result = json.loads(client.run("iperf3", "-c", server.address, "-J", *options, is_checked=False))
        if "error" not in result:
            return dict(result["end"])
        assert time.monotonic() < deadline, result["error"]
        time.sleep(0.05)
