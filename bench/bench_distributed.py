#!/usr/bin/env python3
"""Routers in flows: latency, TCP throughput and packets per second, beside a namespace router and one subnet.

``bench/bench_distributed.py [-f json] [--rounds N] [--only …]``. Needs root, Open vSwitch and iperf3. In one lab an
instance reaches others by each way that a packet can take: inside its subnet, by a distributed router, by a centralized
router in a namespace; once on one host, once across two. How they are compared is told in ``comparing.py``.

- First ping: what ``ping -c 1`` shows after everything was forgotten: neighbours of all instances and router
  namespaces, MACs that switches learned, and datapath flows.
- Later pings: the median of many, one every 2 ms, each by another way than the last.
- Packets per second: UDP with 64 bytes, as many as the sender can make; those that arrive count.

The centralized router lives on the sender's host, the best place that it can have.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from bench_services import move_router
from comparing import (
    End,
    Measure,
    Way,
    compared,
    first_ping,
    in_turn,
    later_pings,
    packet_rate,
    throughput,
    wait_for_answers,
)
from measuring import Figure, parser_of, print_figures

from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology

ROUNDS = 9
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


INSIDE, FLOWS, NAMESPACE = "inside one subnet", "distributed router", "centralized router"
SOURCE = "red1"
TARGETS = {
    "one host": {INSIDE: "red2", FLOWS: "blue2", NAMESPACE: "white2"},
    "two hosts": {INSIDE: "red3", FLOWS: "blue3", NAMESPACE: "white3"},
}
ADDRESSES = {FLOWS: "10.0.0.1", NAMESPACE: "10.0.0.254"}
"""Those of the routers in the source's subnet."""

PARTS: dict[str, tuple[str, str, Measure]] = {
    "first": ("first ping", "ms", in_turn(first_ping)),
    "later": ("later pings", "ms", later_pings),
    "tcp": ("TCP", "Mbit/s", in_turn(throughput)),
    "packets": ("UDP packets of 64 bytes", "thousand/s", in_turn(packet_rate)),
}


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
        source = end(lab, SOURCE)
        ways = {
            where: {name: Way(source, end(lab, target)) for name, target in targets.items()}
            for where, targets in TARGETS.items()
        }
        routers = {name: Way(source, End(source.host, "", address)) for name, address in ADDRESSES.items()}
        for each in (*ways.values(), routers):
            wait_for_answers(each)
        for part in parts:
            what, unit, measure = PARTS[part]
            for where, each in ways.items():
                yield from compared(each, f"{what}, {where}", unit, rounds, measure, INSIDE)
            if unit == "ms":
                yield from compared(routers, f"{what} of the router's address", unit, rounds, measure)


def end(lab: Lab, name: str) -> End:
    """An instance with its first address."""
    return End(lab.places()[name].space, name, lab.topology.instances[name].interfaces["eth0"].addresses[0])


if __name__ == "__main__":
    main()
