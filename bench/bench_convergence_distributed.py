#!/usr/bin/env python3
"""What events cost a distributed router: pings lost between two of its subnets on two hosts, one every 5 ms.

Run as root: ``bench/bench_convergence_distributed.py [-f json] [--rounds N]``. As ``bench_convergence.py``; each round
has a lab of its own, at whose end the router's home host dies and stays dead, until the router has another home.
"""

import itertools
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from bench_convergence import COLUMNS, Event, is_settled, kill_vswitchd, restart_agent, summary, typed
from measuring import parser_of, print_figures, say, wait_until

from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology
from patchbay.lab.stream import PingReport

ROUNDS, INTERVAL_S = 5, 0.005
TOPOLOGY = """\
name: convergence-distributed
hosts:
  compute1: {tunnel_ip: 172.21.12.1}
  compute2: {tunnel_ip: 172.21.12.2}
  compute3: {tunnel_ip: 172.21.12.3, bridge_mappings: {physnet1: br-ex}}
  compute4: {tunnel_ip: 172.21.12.4, bridge_mappings: {physnet1: br-ex}}
networks:
  ext-net:
    project: admin
    external: true
    type: flat
    physical_network: physnet1
    subnets: {ext-v4: {cidr: 198.51.100.0/24, gateway: 198.51.100.1, enable_dhcp: false}}
  red: {project: red, subnets: {red-v4: {cidr: 10.0.0.0/24, enable_dhcp: false}}}
  blue: {project: red, subnets: {blue-v4: {cidr: 10.1.0.0/24, enable_dhcp: false}}}
routers:
  r1: {project: red, distributed: true, external: ext-net, interfaces: [red-v4, blue-v4]}
instances:
  red1: {host: compute1, plugging: direct, network: red, address: 10.0.0.11}
  blue2: {host: compute2, plugging: direct, network: blue, address: 10.1.0.12}
outside:
  internet: {physical_network: physnet1, addresses: [198.51.100.1/24]}
"""
numbers = itertools.count(100)


def add_port(lab: Lab, _host: object) -> None:
    """Another instance with a port on the target's network comes to the target's host."""
    number = next(numbers)
    with closing(lab.client()) as client:
        network = client.request("GET", "/v2.0/networks?name=blue")["networks"][0]["id"]
        port = client.request("POST", "/v2.0/ports", {"port": {"network_id": network}})["port"]
        interfaces = {"eth0": port["id"]}
        body = {"name": f"more{number}", "host": "compute2", "plugging": "direct", "interfaces": interfaces}
        client.request("POST", "/v2.0/instances", {"instance": body})


def add_route(lab: Lab, _host: object) -> None:
    """The router gets one more route."""
    with closing(lab.client()) as client:
        router = the_router(lab)
        route = {"destination": f"192.0.2.{next(numbers)}/32", "nexthop": "10.1.0.12"}
        client.request("PUT", f"/v2.0/routers/{router['id']}", {"router": {"routes": [*router["routes"], route]}})


def reboot_home(lab: Lab, _host: object) -> None:
    """The host where the router's gateway is dies and boots again."""
    lab.reboot(home_of(lab))


EVENTS: dict[str, Event] = {
    "nothing": lambda _lab, _host: None,
    "another port added": add_port,
    "extra route added to the router": add_route,
    "agent stopped (SIGTERM) and started": restart_agent(signal.SIGTERM),
    "agent kill -9 and started": restart_agent(signal.SIGKILL),
    "ovs-ofctl del-flows br-int": typed("ovs-ofctl del-flows br-int"),
    "ip netns del qrouter-…": typed("ip netns del $(ip netns list | grep -o 'qrouter-[^ ]*')"),
    "ovs-vswitchd kill -9 and started": kill_vswitchd,
    "router's home host rebooted": reboot_home,
}
DEATH = "router's home host killed, for good"


def the_router(lab: Lab) -> dict[str, Any]:
    """The router as the API shows it."""
    with closing(lab.client()) as client:
        return dict(client.request("GET", "/v2.0/routers?name=r1")["routers"][0])


def home_of(lab: Lab) -> str:
    """The host of the router's gateway."""
    with closing(lab.client()) as client:
        owner = "device_owner=network:router_gateway"
        found = client.request("GET", f"/v2.0/ports?device_id={the_router(lab)['id']}&{owner}")["ports"]
    return str(found[0]["binding:host_id"])


def settle(lab: Lab, *dead: str) -> None:
    """Wait until the agents of all hosts that live have nothing left to do."""
    for host in lab.hosts.values():
        if host.name not in dead:
            wait_until(lambda host=host: is_settled(host), f"{host.name} is settled", timeout_s=30, pause_s=0.01)  # type: ignore[misc]


def measure(lab: Lab, event: Event) -> tuple[PingReport, float]:
    """One event under a stream of pings; the report, and the milliseconds until all is settled."""
    with lab.ping_stream("red1", "blue2", INTERVAL_S) as stream:
        assert stream.wait_for_replies(40), "no replies before the event"
        started = time.perf_counter()
        event(lab, lab.host("compute2"))
        settle(lab)
        lab.wait_until_active(30.0)
        taken = (time.perf_counter() - started) * 1000
        assert stream.wait_for_replies(40), "no replies after the event"
        return stream.stop(0.5), taken


def measure_death(lab: Lab) -> tuple[PingReport, float]:
    """The home dies; the milliseconds until the router has another one and all is settled."""
    home = home_of(lab)
    with lab.ping_stream("red1", "blue2", INTERVAL_S) as stream:
        assert stream.wait_for_replies(40), "no replies before the event"
        started = time.perf_counter()
        lab.host(home).space.end()
        wait_until(lambda: home_of(lab) != home, "the router has another home", timeout_s=60, pause_s=0.1)
        settle(lab, home)
        taken = (time.perf_counter() - started) * 1000
        assert stream.wait_for_replies(40), "no replies after the event"
        return stream.stop(0.5), taken


def figures(rounds: int) -> Iterator[dict[str, object]]:
    """A row for each event."""
    found: dict[str, list[tuple[PingReport, float]]] = {name: [] for name in (*EVENTS, DEATH)}
    for number in range(rounds):
        with Lab.up(parse_topology(TOPOLOGY, Path("convergence-distributed.yaml"))) as lab:
            settle(lab)
            assert all(each.found for each in lab.ping("red1", "blue2", patience_s=10)), "the lab does not route"
            for name, event in EVENTS.items():
                say(f"round {number + 1} of {rounds}: {name}")
                found[name].append(measure(lab, event))
            found[DEATH].append(measure_death(lab))
    for name, each in found.items():
        yield dict(zip(COLUMNS, (name, *summary(each)), strict=True))


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    print_figures(figures(given.rounds), given.format, COLUMNS)


if __name__ == "__main__":
    main()
