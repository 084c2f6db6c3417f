#!/usr/bin/env python3
"""Routers in flows: latency, TCP throughput and packets per second, beside a namespace router and one subnet.

``bench/bench_distributed.py [-f json] [--rounds N] [--only …]``. Needs root, Open vSwitch and iperf3. One lab has a
pair of instances for each way that a packet can take: inside one subnet, between two subnets of a distributed router,
between two subnets of a centralized router in a namespace; once on one host, once across two. The ways are measured in
turn, several rounds, so that a busy machine is busy for all; what counts are the ratios of each round.

- First ping: what ``ping -c 1`` shows after everything was forgotten: neighbours of both instances and of all router
  namespaces, MACs that switches learned, and datapath flows.
- Later pings: the median of many, one every 2 ms.
- Packets per second: UDP with 64 bytes, as many as the sender can make; those that arrive count.

The centralized router lives on the sender's host, the best place that it can have.
"""

import json
import re
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from bench_services import move_router
from measuring import Figure, figure, parser_of, print_figures, say, wait_until

from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology

ROUNDS, PINGS, SECONDS = 11, 250, 2
TOPOLOGY = """\
name: distributed
hosts:
  compute1: {tunnel_ip: 172.21.12.1}
  compute2: {tunnel_ip: 172.21.12.2}
networks:
  red: {project: red, subnets: {red-v4: {cidr: 10.0.0.0/24, enable_dhcp: false}}}
  blue: {project: red, subnets: {blue-v4: {cidr: 10.1.0.0/24, enable_dhcp: false}}}
  green: {project: red, subnets: {green-v4: {cidr: 10.2.0.0/24, enable_dhcp: false}}}
  white: {project: red, subnets: {white-v4: {cidr: 10.3.0.0/24, enable_dhcp: false}}}
routers:
  r1: {project: red, distributed: false, interfaces: [green-v4, white-v4]}
  r2: {project: red, distributed: true, interfaces: [red-v4, blue-v4]}
instances:
  red1: {host: compute1, plugging: direct, network: red, address: 10.0.0.11}
  red2: {host: compute1, plugging: direct, network: red, address: 10.0.0.12}
  red3: {host: compute2, plugging: direct, network: red, address: 10.0.0.13}
  blue2: {host: compute1, plugging: direct, network: blue, address: 10.1.0.12}
  blue3: {host: compute2, plugging: direct, network: blue, address: 10.1.0.13}
  green1: {host: compute1, plugging: direct, network: green, address: 10.2.0.11}
  white2: {host: compute1, plugging: direct, network: white, address: 10.3.0.12}
  white3: {host: compute2, plugging: direct, network: white, address: 10.3.0.13}
"""


class Way(NamedTuple):
    """A way that packets take."""

    source: str
    target: str
    address: str


INSIDE, FLOWS, NAMESPACE = "inside one subnet", "distributed router", "centralized router"
WAYS = {
    "one host": {
        INSIDE: Way("red1", "red2", "10.0.0.12"),
        FLOWS: Way("red1", "blue2", "10.1.0.12"),
        NAMESPACE: Way("green1", "white2", "10.3.0.12"),
    },
    "two hosts": {
        INSIDE: Way("red1", "red3", "10.0.0.13"),
        FLOWS: Way("red1", "blue3", "10.1.0.13"),
        NAMESPACE: Way("green1", "white3", "10.3.0.13"),
    },
}
Measure = Callable[[Lab, Way], float]


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
                wait_until(lambda way=way: is_reached(lab, way), f"{way.source} reaches {way.address}", timeout_s=30)  # type: ignore[misc]
        for part in parts:
            for where, ways in WAYS.items():
                yield from compared(lab, ways, where, rounds, *PARTS[part])
        if "first" in parts:
            yield from router_address(lab, rounds)


def is_reached(lab: Lab, way: Way) -> bool:
    """Whether the target answers."""
    return lab.run_in(way.source, ["ping", "-c1", "-W1", way.address], check=False).returncode == 0


def compared(
    lab: Lab, ways: dict[str, Way], where: str, rounds: int, what: str, unit: str, measure: Measure
) -> Iterator[Figure]:
    """The ways in turn; medians, and the median of the rounds' ratios to the first way."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        say(f"{what}, {where}: {number + 1} of {rounds}")
        for name in sorted(ways, key=lambda name: hash_of(name, number)):
            found[name].append(measure(lab, ways[name]))
    for name, values in found.items():
        yield figure(f"{what}, {where}, {name}, median", statistics.median(values), unit)
    for name in (FLOWS, NAMESPACE):
        ratios = [100 * one / inside for one, inside in zip(found[name], found[INSIDE], strict=True)]
        yield figure(f"{what}, {where}, {name} against inside, median", statistics.median(ratios), "%")


def hash_of(name: str, number: int) -> int:
    """Another order of the ways each round."""
    order = (INSIDE, FLOWS, NAMESPACE)
    return (order.index(name) + number) % len(order)


def first_ping(lab: Lab, way: Way) -> float:
    """Milliseconds of a ping between two that know nothing."""
    for host in lab.hosts.values():
        host.run(["sh", "-ec", FORGET])
    return median_rtt(lab, way, ["-c1", "-W2"])


FORGET = """\
for n in $(ip netns list | cut -d' ' -f1); do ip -n $n neigh flush all; done
for b in $(ovs-vsctl list-br); do ovs-appctl fdb/flush $b >/dev/null; done
ovs-appctl revalidator/purge
ovs-appctl revalidator/wait
"""


def later_pings(lab: Lab, way: Way) -> float:
    """Milliseconds, the median of many pings."""
    return median_rtt(lab, way, [f"-c{PINGS}", "-i0.002", "-W1"])


def median_rtt(lab: Lab, way: Way, options: list[str]) -> float:
    """The median of the times that ping shows, in milliseconds."""
    shown = lab.run_in(way.source, ["ping", "-n", *options, way.address]).stdout
    return statistics.median(float(each) for each in re.findall(r"time=([\d.]+) ms", shown))


def router_address(lab: Lab, rounds: int) -> Iterator[Figure]:
    """Pings of the router itself."""
    ways = {FLOWS: Way("red1", "", "10.0.0.1"), NAMESPACE: Way("green1", "", "10.2.0.1")}
    for what, measure in (("first ping", first_ping), ("later pings", later_pings)):
        found: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds):
            say(f"{what} of the router's address: {number + 1} of {rounds}")
            for name, way in ways.items():
                found[name].append(measure(lab, way))
        for name, values in found.items():
            yield figure(f"{what} of the router's address, {name}, median", statistics.median(values), "ms")


def throughput(lab: Lab, way: Way) -> float:
    """Mbit of TCP per second that arrive."""
    ended = iperf(lab, way, ["-t", str(SECONDS), "-O", "1"])
    return float(ended["sum_received"]["bits_per_second"]) / 1e6


def packet_rate(lab: Lab, way: Way) -> float:
    """Thousands of small UDP packets per second that arrive."""
    ended = iperf(lab, way, ["-t", str(SECONDS), "-u", "-l", "64", "-b", "0"])["sum"]
    return (float(ended["packets"]) - float(ended["lost_packets"])) / float(ended["seconds"]) / 1e3


def iperf(lab: Lab, way: Way, options: list[str]) -> dict[str, Any]:
    """What iperf3 says at the end."""
    lab.run_in(way.target, ["iperf3", "-s", "-1", "-D", "--forceflush"])
    deadline = time.monotonic() + 10
    while True:
        done = lab.run_in(way.source, ["iperf3", "-c", way.address, "-J", *options], check=False)
        result = json.loads(done.stdout)
        if "error" not in result:
            return dict(result["end"])
        assert time.monotonic() < deadline, result["error"]
        time.sleep(0.05)


PARTS: dict[str, tuple[str, str, Measure]] = {
    "first": ("first ping", "ms", first_ping),
    "later": ("later pings", "ms", later_pings),
    "tcp": ("TCP", "Mbit/s", throughput),
    "packets": ("UDP packets of 64 bytes", "thousand/s", packet_rate),
}


if __name__ == "__main__":
    main()
