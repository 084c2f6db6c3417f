#!/usr/bin/env python3
"""What port security and security groups cost: packets, connections, and a change until it is in effect.

``bench/bench_security.py [-f json] [--rounds N] [--only …]``. Needs root, Open vSwitch and iperf3. One lab, in which
instances of each kind speak with each other, once on one host, once across two, in turn:

- off: without port security;
- 10 rules, 1,000 rules: in a group with so many, of which three allow what is measured;
- 1,000 members: in a group whose rules let its members in; they live on a host that is not there;
- both: in that group and in one with 1,000 more rules which name it.

New connections: one client opens TCP connections, one after the other, to a server that closes them. What comes after
"against off" is the median of the rounds' ratios. Changes are timed from before the request until the first reply to a
ping every millisecond, or the last one.
"""

import ipaddress
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from bench_agent import restart
from bench_distributed import end
from comparing import End, Measure, Way, compared, first_ping, in_turn, iperf_towards, later_pings, wait_for_answers
from measuring import Figure, figure, parser_of, print_figures, say, wait_until

from patchbay.lab.client import ServiceClient
from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology
from patchbay.lab.stream import PingStream
from patchbay.lab.vhost import inside

ROUNDS, CHANGES, RULES, MEMBERS, AT_ONCE = 6, 15, 1_000, 1_000, 500
PORT, SECONDS, BYTES, PACKETS = 5202, 0.5, "25M", 30_000
OFF, TEN, THOUSAND, GROUP, BOTH = "off", "10 rules", "1,000 rules", "1,000 members", "both"
NAMES = {OFF: "off", TEN: "ten", THOUSAND: "thousand", GROUP: "group", BOTH: "both"}
GUEST = "10.0.200.1"
ALLOWED = """\
  {name}:
  - {{protocol: tcp, ports: 5200-5203, from: {source}}}
  - {{protocol: udp, ports: 5200-5203, from: {source}}}
  - {{protocol: icmp, from: {source}}}
"""
TOPOLOGY = """\
name: security
hosts:
  compute1: {tunnel_ip: 172.21.12.1}
  compute2: {tunnel_ip: 172.21.12.2}
networks:
  red:
    subnets:
      red-v4: {cidr: 10.0.0.0/16, gateway: none, enable_dhcp: false, pools: [10.0.16.0-10.0.31.255]}
security_groups:
  guest: []
  both: []
"""
SERVER = f"""\
import socket
with socket.create_server(("", {PORT}), backlog=1024) as server:
    while True:
        server.accept()[0].close()
"""
CLIENT = f"""\
import socket, sys, time
count, end = 0, time.monotonic() + {SECONDS}
while time.monotonic() < end:
    with socket.create_connection((sys.argv[1], {PORT}), 2) as opened:
        opened.recv(1)
    count += 1
print(count / {SECONDS})
"""


def topology() -> str:
    """The lab's: three instances of each kind, two of them on one host, and a guest who is in no group of theirs."""
    sources = {TEN: "10.0.0.0/17", THOUSAND: "10.0.0.0/17", GROUP: "group"}
    lines = [TOPOLOGY, *(ALLOWED.format(name=NAMES[kind], source=source) for kind, source in sources.items())]
    lines.append("instances:\n")
    protection = {kind: f"security_groups: [{name}]" for kind, name in NAMES.items()}
    protection |= {OFF: "port_security: false", BOTH: "security_groups: [both, group]"}
    for number, (kind, name) in enumerate(NAMES.items(), 1):
        for last, host in enumerate(("compute1", "compute1", "compute2"), 1):
            place = f"host: {host}, plugging: direct, network: red, address: 10.0.{number}.{last}"
            lines.append(f"  {name}{last}: {{{place}, {protection[kind]}}}\n")
    guest = f"host: compute2, plugging: direct, network: red, address: {GUEST}, security_groups: [guest]"
    return "".join([*lines, f"  guest: {{{guest}}}\n"])


def throughput(client: End, server: End) -> float:
    """Mbit of TCP per second that arrive."""
    ended = iperf_towards(client, server, ["-n", BYTES])
    return float(ended["sum_received"]["bits_per_second"]) / 1e6


def packet_rate(client: End, server: End) -> float:
    """Thousands of UDP packets with 64 bytes per second that arrive; the sender sends as many as it can."""
    ended = iperf_towards(client, server, ["-u", "-l", "64", "-b", "0", "-k", str(PACKETS)])["sum"]
    return float((ended["packets"] - ended["lost_packets"]) / ended["seconds"] / 1e3)


def connection_rate(client: End, server: End) -> float:
    """New TCP connections per second."""
    return float(client.run("python3", "-SE", "-c", CLIENT, server.address))


def megaflows(ways: dict[str, Way]) -> Iterator[Figure]:
    """How many flows of the datapath many connections are: as many as one, or each would be looked up by itself."""
    for name, (client, server) in ways.items():
        client.host.run(["ovs-appctl", "revalidator/purge"])
        connection_rate(client, server)
        shown = client.host.run(["ovs-appctl", "dpctl/dump-flows"]).stdout.splitlines()
        count = sum("eth_type(0x0800)" in line for line in shown)
        yield figure(f"datapath flows of new connections, one host, {name}", count, "")


def one_direction(measure: Callable[[End, End], float]) -> Measure:
    """One way after the other, in another order each round, and the other way round in every second one."""

    def measure_all(ways: Any, number: int) -> dict[str, float]:
        return in_turn(lambda way: measure(*way.directions[number % 2]))(ways, number)

    return measure_all


PARTS: dict[str, tuple[str, str, Measure]] = {
    "first": ("first ping", "ms", in_turn(first_ping)),
    "later": ("later pings", "ms", later_pings),
    "tcp": ("TCP", "Mbit/s", one_direction(throughput)),
    "connections": ("new connections", "1/s", one_direction(connection_rate)),
    "packets": ("UDP packets of 64 bytes", "thousand/s", one_direction(packet_rate)),
}
ROUNDS_OF = {"first": 3, "later": 2}
"""Of what is the median of many already."""


class World:
    """The lab, and who is in it."""

    def __init__(self, lab: Lab, client: ServiceClient) -> None:
        self.lab = lab
        self.client = client
        self.network = client.request("GET", "/v2.0/networks?name=red")["networks"][0]["id"]
        groups = client.request("GET", "/v2.0/security-groups")["security_groups"]
        self.groups: dict[str, str] = {group["name"]: group["id"] for group in groups}
        self.ends = {name: end(lab, name) for name in lab.topology.instances}

    def ways(self, last: int) -> dict[str, Way]:
        """From the first instance of each kind to another of its kind."""
        return {kind: Way(self.ends[f"{name}1"], self.ends[f"{name}{last}"]) for kind, name in NAMES.items()}

    def flows(self) -> int:
        """How many br-int of compute1 has."""
        shown = self.lab.host("compute1").run(["ovs-ofctl", "dump-aggregate", "br-int"]).stdout
        return int(shown.rpartition("flow_count=")[2])

    def serve(self) -> None:
        """Servers for new connections, everywhere."""
        for name, place in self.ends.items():
            command = inside(name, ["python3", "-SE", "-c", SERVER])
            place.host.spawn(command, log=f"/run/{name}.log", pidfile=f"/run/{name}.pid")

    def add_rules(self, group: str, numbers: range, **values: object) -> None:
        """Rules of one to eight ports of TCP each, none of which allows what is measured."""
        common = {"security_group_id": self.groups[group], "direction": "ingress", "protocol": "tcp", **values}
        wanted = [
            {**common, "port_range_min": 6000 + 16 * number, "port_range_max": 6000 + 16 * number + number % 8}
            for number in numbers
        ]
        self.client.request("POST", "/v2.0/security-group-rules", {"security_group_rules": wanted})

    def add_members(self, count: int) -> None:
        """So many ports of the group elsewhere."""
        values = {"network_id": self.network, "security_groups": [self.groups["group"]], "binding:host_id": "elsewhere"}
        for _ in range(0, count, AT_ONCE):
            self.client.request("POST", "/v2.0/ports", {"ports": [values] * min(AT_ONCE, count)})


def grow(world: World) -> Iterator[Figure]:
    """Rules and members come; how long until all their flows are there, and how many these are."""
    steps: dict[str, Callable[[], None]] = {
        f"{RULES - 10} more rules": lambda: world.add_rules("thousand", range(7, RULES - 3)),
        f"{MEMBERS} more members": lambda: world.add_members(MEMBERS),
        f"{RULES} rules that name the group": lambda: world.add_rules(
            "both", range(RULES), remote_group_id=world.groups["group"]
        ),
    }
    world.add_rules("ten", range(7))
    world.add_rules("thousand", range(7))
    yield figure("flows of br-int, all kinds, few rules and members", settled(world), "")
    for what, step in steps.items():
        before, started = settled(world), time.monotonic()
        step()
        wait_until(lambda before=before: world.flows() >= before + RULES - 10, f"{what} are flows", pause_s=0.01)  # type: ignore[misc]
        seconds = time.monotonic() - started
        yield figure(f"{what}, until they are flows", seconds * 1e3, "ms")
        yield figure(f"{what}, flows", settled(world) - before, "")


def settled(world: World) -> int:
    """The number of flows when it does not change any more."""
    seen = [-1, -2, -3]

    def is_settled() -> bool:
        seen.append(world.flows())
        return len(set(seen[-4:])) == 1

    wait_until(is_settled, "flows stay as they are", pause_s=0.05)
    return seen[-1]


def changes(world: World, rounds: int) -> Iterator[Figure]:
    """A rule, or a member, comes and goes: how long until the guest gets in, and until it does not any more."""
    guest = world.client.request("GET", "/v2.0/ports?name=guest-eth0")["ports"][0]["id"]
    of_guest = world.groups["guest"]

    def join(groups: list[str]) -> Callable[[], None]:
        body = {"port": {"security_groups": groups}}
        return lambda: world.client.request("PUT", f"/v2.0/ports/{guest}", body)

    for kind in (TEN, THOUSAND, BOTH):
        target = world.ends[f"{NAMES[kind]}2"]
        yield from timed(world, f"one more rule, {kind}", target, rule_of(world, NAMES[kind]), rounds)
    for kind in (GROUP, BOTH):
        member = (join([of_guest, world.groups["group"]]), join([of_guest]))
        yield from timed(world, f"one more member, {kind}", world.ends[f"{NAMES[kind]}2"], member, rounds)


def rule_of(world: World, group: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """What makes and deletes a rule that lets the guest in."""
    made: list[str] = []
    values = {"direction": "ingress", "protocol": "icmp", "remote_ip_prefix": GUEST}
    body = {"security_group_rule": {"security_group_id": world.groups[group], **values}}
    path = "/v2.0/security-group-rules"
    return (
        lambda: made.append(world.client.request("POST", path, body)["security_group_rule"]["id"]),
        lambda: world.client.request("DELETE", f"{path}/{made.pop()}"),
    )


def timed(
    world: World, what: str, target: End, change: tuple[Callable[[], None], Callable[[], None]], rounds: int
) -> Iterator[Figure]:
    """Make the change and undo it, again and again; others of the group speak with each other meanwhile."""
    say(what)
    opened, closed = [], []
    source, address = world.ends["guest"], ipaddress.ip_address(target.address)
    other = world.ends[source_of(target)]
    with PingStream(other.host, other.namespace, address, 0.002) as bystander:
        assert bystander.wait_for_replies(1)
        for _ in range(rounds):
            with PingStream(source.host, source.namespace, address, 0.001) as stream:
                started = time.monotonic()
                change[0]()
                assert stream.wait_for_replies(1), f"{what}: not in effect"
                assert stream.first_reply_at is not None
                opened.append((stream.first_reply_at - started) * 1e3)
                assert stream.wait_for_replies(50)
                started = time.monotonic()
                change[1]()
                closed.append((last_reply(stream) - started) * 1e3)
        report = bystander.stop()
    yield figure(f"{what}, until it is in effect, median", statistics.median(opened), "ms")
    yield figure(f"{what}, until it is in effect, longest", max(opened), "ms")
    yield figure(f"{what} less, until it is in effect, median", statistics.median(closed), "ms")
    yield figure(f"{what}, packets of others lost in {2 * rounds} changes", report.lost, "")


def source_of(target: End) -> str:
    """The first instance of the kind."""
    return f"{target.namespace.rstrip('123')}1"


def last_reply(stream: PingStream) -> float:
    """When the last reply came: when none has come for a while."""
    wait_until(lambda: not stream.wait_for_replies(1, 0.1), "nothing gets through any more")
    assert stream.last_reply_at is not None
    return stream.last_reply_at


def figures(rounds: int, parts: list[str]) -> Iterator[Figure]:
    """All of them, from one lab."""
    with Lab.up(parse_topology(topology(), Path("security.yaml"))) as lab, closing(lab.client()) as client:
        world = World(lab, client)
        yield from grow(world)
        world.serve()
        two = {"one host": world.ways(2), "two hosts": world.ways(3)}
        for ways in two.values():
            wait_for_answers(ways)
        for part in parts:
            what, unit, measure = PARTS[part]
            for where, ways in two.items():
                times = min(rounds, ROUNDS_OF.get(part, rounds))
                yield from compared(ways, f"{what}, {where}", unit, times, measure, OFF, "off")
        yield from megaflows(two["one host"])
        yield from changes(world, CHANGES)
        say("restarting the agent")
        seconds, megabytes = zip(*(restart(lab) for _ in range(3)), strict=True)
        yield figure("agent's start with all of it and nothing to change, median", statistics.median(seconds), "s")
        yield figure("agent's memory with all of it, most", max(megabytes), "MB")


def main() -> None:
    """Measure, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", choices=list(PARTS), nargs="*", default=list(PARTS))
    arguments = parser.parse_args()
    print_figures(figures(arguments.rounds, arguments.only), arguments.format)


if __name__ == "__main__":
    main()
