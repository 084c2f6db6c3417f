#!/usr/bin/env python3
"""Routers in flows: latency, TCP throughput and packets per second, beside a namespace router and one subnet.

``bench/bench_distributed.py [-f json] [--rounds N] [--only …]``. Needs root, Open vSwitch and iperf3. In one lab an
instance reaches others by each way that a packet can take: inside its subnet, by a distributed router, by a centralized
router in a namespace; once on one host, once across two. The ways are measured in turn, several rounds, so that a busy
machine is busy for all; what counts are the ratios of each round.

- First ping: what ``ping -c 1`` shows after everything was forgotten: neighbours of both instances and of all router
  namespaces, MACs that switches learned, and datapath flows.
- Later pings: the median of many, one every 2 ms, each by another way than the last.
- Packets per second: UDP with 64 bytes, as many as the sender can make; those that arrive count.

All are measured from one end and from the other, and the mean of the two counts: the userspace datapath looks at its
ports in turn, and what comes to one that is still to be looked at waits a whole turn less.

The centralized router lives on the sender's host, the best place that it can have.
"""

import json
import random
import re
import select
import socket
import statistics
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from bench_services import move_router
from measuring import Figure, figure, parser_of, print_figures, say, wait_until

from patchbay.lab.capture import open_pinger
from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology

ROUNDS, PINGS, SECONDS = 9, 150, 1
TOPOLOGY = """\
name: distributed
hosts:
  compute1: {tunnel_ip: 172.21.12.1}
  compute2: {tunnel_ip: 172.21.12.2}
networks:
  red:
    project: red
    subnets:
      red-v4:
        cidr: 10.0.0.0/24
        enable_dhcp: false
        host_routes: {10.3.0.0/24: 10.0.0.254}
  blue: {project: red, subnets: {blue-v4: {cidr: 10.1.0.0/24, enable_dhcp: false}}}
  white: {project: red, subnets: {white-v4: {cidr: 10.3.0.0/24, enable_dhcp: false}}}
routers:
  r1: {project: red, distributed: false, interfaces: [{subnet: red-v4, address: 10.0.0.254}, white-v4]}
  r2: {project: red, distributed: true, interfaces: [red-v4, blue-v4]}
instances:
  red1: {host: compute1, plugging: direct, network: red, address: 10.0.0.11}
  red2: {host: compute1, plugging: direct, network: red, address: 10.0.0.12}
  red3: {host: compute2, plugging: direct, network: red, address: 10.0.0.13}
  blue2: {host: compute1, plugging: direct, network: blue, address: 10.1.0.12}
  blue3: {host: compute2, plugging: direct, network: blue, address: 10.1.0.13}
  white2: {host: compute1, plugging: direct, network: white, address: 10.3.0.12}
  white3: {host: compute2, plugging: direct, network: white, address: 10.3.0.13}
"""


SOURCE, SOURCE_ADDRESS = "red1", "10.0.0.11"


class Way(NamedTuple):
    """A way that packets of the source take."""

    target: str
    address: str


INSIDE, FLOWS, NAMESPACE = "inside one subnet", "distributed router", "centralized router"
WAYS = {
    "one host": {
        INSIDE: Way("red2", "10.0.0.12"),
        FLOWS: Way("blue2", "10.1.0.12"),
        NAMESPACE: Way("white2", "10.3.0.12"),
    },
    "two hosts": {
        INSIDE: Way("red3", "10.0.0.13"),
        FLOWS: Way("blue3", "10.1.0.13"),
        NAMESPACE: Way("white3", "10.3.0.13"),
    },
}
ADDRESSES = {FLOWS: Way("", "10.0.0.1"), NAMESPACE: Way("", "10.0.0.254")}
"""Those of the routers."""

Measure = Callable[[Lab, dict[str, Way], int], dict[str, float]]
"""One round of all ways; its number says with which to begin."""


def main() -> None:
    """Measure, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", choices=list(PARTS), nargs="*", default=list(PARTS))
    arguments = parser.parse_args()
    print_figures(figures(arguments.rounds, arguments.only), arguments.format)


def figures(rounds: int, parts: list[str]) -> Iterator[Figure]:
    """All of them, from one lab."""
    with Lab.up(parse_topology(TOPOLOGY, Path("distributed.yaml"))) as lab, closing(lab.client()) as client:
        move_router(client, "compute1")
        for ways in WAYS.values():
            for way in ways.values():
                wait_until(lambda way=way: is_reached(lab, way), f"{way.address} answers", timeout_s=30)  # type: ignore[misc]
        for part in parts:
            what, unit, measure = PARTS[part]
            for where, ways in WAYS.items():
                yield from compared(lab, ways, f"{what}, {where}", unit, rounds, measure)
            if unit == "ms":
                yield from compared(lab, ADDRESSES, f"{what} of the router's address", unit, rounds, measure)


def is_reached(lab: Lab, way: Way) -> bool:
    """Whether the target answers."""
    return lab.run_in(SOURCE, ["ping", "-c1", "-W1", way.address], check=False).returncode == 0


def compared(lab: Lab, ways: dict[str, Way], what: str, unit: str, rounds: int, measure: Measure) -> Iterator[Figure]:
    """The medians of all ways, and the medians of the rounds' ratios to the way inside one subnet."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        say(f"{what}: {number + 1} of {rounds}")
        for name, value in measure(lab, ways, number).items():
            found[name].append(value)
    for name, values in found.items():
        yield figure(f"{what}, {name}, median", statistics.median(values), unit)
    for name in [name for name in found if name != INSIDE and INSIDE in found]:
        ratios = [100 * one / inside for one, inside in zip(found[name], found[INSIDE], strict=True)]
        yield figure(f"{what}, {name} against inside, median", statistics.median(ratios), "%")


def in_turn(measure: Callable[[Lab, Way], float]) -> Measure:
    """One way after the other, in another order each round."""

    def measure_all(lab: Lab, ways: dict[str, Way], number: int) -> dict[str, float]:
        names = list(ways)
        first = number % len(names)
        return {name: measure(lab, ways[name]) for name in (*names[first:], *names[:first])}

    return measure_all


def first_ping(lab: Lab, way: Way) -> float:
    """Milliseconds of a ping between two that know nothing."""
    found = []
    for source, address, _ in directions(way):
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda host: host.run(["sh", "-ec", FORGET]), lab.hosts.values()))
        shown = lab.run_in(source, ["ping", "-n", "-c1", "-W2", address]).stdout
        found += [float(each) for each in re.findall(r"time=([\d.]+) ms", shown)]
    return statistics.mean(found)


def directions(way: Way) -> list[tuple[str, str, str]]:
    """Who sends to which address of whom; a router sends nothing."""
    there, back = (SOURCE, way.address, way.target), (way.target, SOURCE_ADDRESS, SOURCE)
    return [there, back] if way.target else [there]


FORGET = """\
for n in $(ip netns list | cut -d' ' -f1); do ip -n $n neigh flush all; done
for b in $(ovs-vsctl list-br); do ovs-appctl fdb/flush $b >/dev/null; done
ovs-appctl revalidator/purge
ovs-appctl revalidator/wait
"""


def later_pings(lab: Lab, ways: dict[str, Way], number: int) -> dict[str, float]:
    """Milliseconds from before a request is sent until the kernel has its reply; a random order of ways each time."""
    places, order = lab.places(), random.Random(number)
    routes = {name: directions(way) for name, way in ways.items()}
    sources = {source for each in routes.values() for source, _, _ in each}
    found: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        sockets = {}
        for source in sources:
            pinger = stack.enter_context(closing(open_pinger(places[source].space, source, receive=True)))
            pinger.receive_socket(4).setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            sockets[source] = pinger
        for sequence in range(PINGS + 1):
            for name in order.sample(list(ways), len(ways)):
                for source, address, _ in routes[name]:
                    sent_ns = time.time_ns()
                    sockets[source].send(ip_address(address), 0x5043, sequence, MARK)
                    taken = (reply_at(sockets[source].receive_socket(4), address) - sent_ns) / 1e6
                    if sequence:  # the first one wakes everybody up
                        found.setdefault((name, source), []).append(taken)
                    time.sleep(0.002)
    medians = {key: statistics.median(values) for key, values in found.items()}
    return {name: statistics.mean(medians[name, source] for source, _, _ in routes[name]) for name in ways}


SO_TIMESTAMPNS, MARK = 35, bytes(56)


def reply_at(opened: socket.socket, address: str) -> int:
    """When the kernel received the reply from this address, in nanoseconds of its clock."""
    while select.select([opened], [], [], 2.0)[0]:
        _, ancillary, _, (sender, _) = opened.recvmsg(2048, 64)
        if sender == address:
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
            return int(seconds * 1_000_000_000 + nanoseconds)
    raise AssertionError(f"{address} does not answer")


def throughput(lab: Lab, way: Way) -> float:
    """Mbit of TCP per second that arrive."""
    ended = iperf(lab, way, ["-t", str(SECONDS), "-O", "1"])
    return statistics.mean(float(each["sum_received"]["bits_per_second"]) / 1e6 for each in ended)


def packet_rate(lab: Lab, way: Way) -> float:
    """Thousands of small UDP packets per second that arrive."""
    sums = [each["sum"] for each in iperf(lab, way, ["-t", str(SECONDS), "-u", "-l", "64", "-b", "0"])]
    return statistics.mean((each["packets"] - each["lost_packets"]) / each["seconds"] / 1e3 for each in sums)


def iperf(lab: Lab, way: Way, options: list[str]) -> list[dict[str, Any]]:
    """What iperf3 says at the end, in each direction."""
    return [iperf_towards(lab, *direction, options) for direction in directions(way)]


def iperf_towards(lab: Lab, client: str, address: str, server: str, options: list[str]) -> dict[str, Any]:
    """One direction; tried again until the server listens."""
    lab.run_in(server, ["iperf3", "-s", "-1", "-D", "--forceflush"])
    deadline = time.monotonic() + 10
    while True:
        done = lab.run_in(client, ["iperf3", "-c", address, "-J", *options], check=False)
        result = json.loads(done.stdout)
        if "error" not in result:
            return dict(result["end"])
        assert time.monotonic() < deadline, result["error"]
        time.sleep(0.05)


PARTS: dict[str, tuple[str, str, Measure]] = {
    "first": ("first ping", "ms", in_turn(first_ping)),
    "later": ("later pings", "ms", later_pings),
    "tcp": ("TCP", "Mbit/s", in_turn(throughput)),
    "packets": ("UDP packets of 64 bytes", "thousand/s", in_turn(packet_rate)),
}


if __name__ == "__main__":
    main()
