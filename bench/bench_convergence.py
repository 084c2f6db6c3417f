#!/usr/bin/env python3
"""What events cost: pings lost between two instances on two hosts, one every 5 ms, and the longest time without one.

Run as root: ``bench/bench_convergence.py [-f json] [--rounds N] [--routed | --secured]``. Each event happens once a
round on a running lab of ``examples/seed002.yaml``; with ``--secured`` its ports have port security and are in their
project's default group; with ``--routed`` it is ``examples/seed001.yaml``, where a machine outside pings a floating IP,
through br-ex and the router. The next begins when the agents have nothing left to do. The figures are
the round with the median loss and, beside it, the worst. In the lab the userspace datapath dies with ovs-vswitchd, and
waits while ovs-vswitchd has lost its database: packets are late then, and lost when the queues are full.
"""

import asyncio
import signal
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
from measuring import parser_of, print_figures

from patchbay.agent.control import ask
from patchbay.compile.names import device, router_namespace
from patchbay.lab.lab import Lab
from patchbay.lab.reading import load_topology
from patchbay.lab.stream import PingReport
from patchbay.lab.topology import Topology
from patchbay.lab.vhost import VirtualHost

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
TARGET, OTHER = "red2", "vxlan-ac150ca3"
INTERVAL_S, SETTLE_S = 0.005, 30.0
COLUMNS = ("event", "lost packets", "longest gap ms", "worst lost", "worst gap ms", "latest reply ms", "settled ms")
Event = Callable[[Lab, VirtualHost], object]


def restart_agent(number: int) -> Event:
    """The agent ends by a signal and is started again."""

    def happen(_lab: Lab, host: VirtualHost) -> None:
        host.agent_stop(number)
        host.agent_start()

    return happen


def restart_service(number: int) -> Event:
    """The service ends by a signal and is started again."""

    def happen(lab: Lab, _host: VirtualHost) -> None:
        lab.stop_service(number)
        lab.start_service()

    return happen


def kill_vswitchd(_lab: Lab, host: VirtualHost) -> None:
    """ovs-vswitchd, and with it the userspace datapath, is gone and comes back."""
    host.kill("ovs-vswitchd")
    host.start_vswitchd()


def kill_ovsdb(_lab: Lab, host: VirtualHost) -> None:
    """The switch's database is gone and comes back."""
    host.kill("ovsdb-server")
    host.start_ovsdb()


def typed(command: str) -> Event:
    """A command on the host; {qvo} is the target's port in br-int."""
    return lambda lab, host: host.run(
        ["sh", "-ec", command.format(qvo=port_of(lab)) if "{qvo}" in command else command]
    )


EVENTS: dict[str, Event] = {
    "nothing": lambda _lab, _host: None,
    "agent stopped (SIGTERM) and started": restart_agent(signal.SIGTERM),
    "agent kill -9 and started": restart_agent(signal.SIGKILL),
    "service stopped (SIGTERM) and started": restart_service(signal.SIGTERM),
    "service kill -9 and started": restart_service(signal.SIGKILL),
    "ovs-vswitchd kill -9 and started": kill_vswitchd,
    "ovsdb-server kill -9 and started": kill_ovsdb,
    "both kill -9 and started": lambda _lab, host: host.restart_ovs(),
    "ovs-ofctl del-flows br-tun": typed("ovs-ofctl del-flows br-tun"),
    "ovs-ofctl del-flows br-int": typed("ovs-ofctl del-flows br-int"),
    "ovs-vsctl del-br br-tun": typed("ovs-vsctl del-br br-tun"),
    "ovs-vsctl del-br br-int": typed("ovs-vsctl del-br br-int"),
    "ovs-vsctl del-port qvo… of the target": typed("ovs-vsctl del-port {qvo}"),
    "ovs-vsctl del-port vxlan-…": typed(f"ovs-vsctl del-port {OTHER}"),
    "ip link del qvo… of the target": typed("ip link del {qvo}"),
    "ip netns del, the target's": typed(f"ip netns del {TARGET}"),
    "host rebooted": lambda lab, host: lab.reboot(host.name),
}


def in_router(command: str) -> Event:
    """A command on the host; {router} is the namespace of the floating IP's router."""
    return lambda lab, host: host.run(["sh", "-ec", command.format(router=router_of(lab))])


ROUTED: dict[str, Event] = {
    **{name: event for name, event in EVENTS.items() if not name.endswith(("…", "the target", "the target's"))},
    "ip netns del qrouter-…": in_router("ip netns del {router}"),
    "ip link del, all of the router": in_router(
        "for d in $(ip -n {router} -br link | grep -oE '^q[rg]-[^ ]*'); do ip -n {router} link del $d; done"
    ),
    "iptables -t nat -F": in_router("ip netns exec {router} iptables -t nat -F"),
    "conntrack -F": in_router("ip netns exec {router} conntrack -F"),
    "dnsmasq, dhclient, metadata kill -9": typed("kill -9 $(cat /run/patchbay/*/*/pid)"),
}


def change_rules(lab: Lab, _host: VirtualHost) -> None:
    """A rule of the default group comes and goes."""
    client = lab.client()
    group = client.request("GET", "/v2.0/security-groups?name=default")["security_groups"][0]["id"]
    body = {"security_group_id": group, "direction": "ingress", "protocol": "tcp"}
    made = client.request("POST", "/v2.0/security-group-rules", {"security_group_rule": body})
    client.request("DELETE", f"/v2.0/security-group-rules/{made['security_group_rule']['id']}")
    client.close()


SECURED_EVENTS: dict[str, Event] = {**EVENTS, "rule of their group added and deleted": change_rules}


class Scene(NamedTuple):
    """A lab, who pings whom in it, and what happens to which host."""

    topology: str
    source: str
    target: str
    where: str
    events: dict[str, Event]
    is_secured: bool = False


ACROSS = Scene("seed002.yaml", "red1", TARGET, "compute2", EVENTS)
SECURED = ACROSS._replace(events=SECURED_EVENTS, is_secured=True)
THROUGH_ROUTER = Scene("seed001.yaml", "internet", "192.168.1.246", "compute", ROUTED)


def port_of(lab: Lab) -> str:
    """The name of the target's port in br-int."""
    client = lab.client()
    ports = client.request("GET", f"/v2.0/ports?name={TARGET}-eth0")["ports"]
    client.close()
    return device("qvo", ports[0]["id"])


def router_of(lab: Lab) -> str:
    """The namespace of the router in the path."""
    client = lab.client()
    routers = client.request("GET", "/v2.0/routers?name=demo-router")["routers"]
    client.close()
    return router_namespace(routers[0]["id"])


def is_settled(host: VirtualHost) -> bool:
    """Whether the agent answers, has nothing left to do and sees what a fresh one would see."""
    try:
        return bool(asyncio.run(ask(str(host.space.path("/run/patchbay")), "check")).get("ok"))
    except OSError:
        return False


def settle(lab: Lab) -> None:
    """Wait until all agents are settled and all ports are ACTIVE."""
    deadline = time.monotonic() + SETTLE_S
    for host in lab.hosts.values():
        while not is_settled(host):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{host.name} does not settle:\n{host.log('agent')}")
            time.sleep(0.01)
    lab.wait_until_active(SETTLE_S)


def measure(lab: Lab, scene: Scene, event: Event) -> tuple[PingReport, float]:
    """One event under a stream of pings; the report, and the milliseconds from its begin until all is settled."""
    with lab.ping_stream(scene.source, scene.target, INTERVAL_S) as stream:
        if not stream.wait_for_replies(40):
            raise TimeoutError("no replies before the event")
        start = time.perf_counter()
        event(lab, lab.host(scene.where))
        settle(lab)
        took = (time.perf_counter() - start) * 1000
        if not stream.wait_for_replies(40):
            raise TimeoutError("no replies after the event")
        return stream.stop(0.5), took


def topology_of(scene: Scene) -> Topology:
    """The example's, with port security if that is the scene."""
    topology = load_topology(EXAMPLES / scene.topology)
    if not scene.is_secured:
        return topology
    secured = {
        name: msgspec.structs.replace(each, port_security=True, security_groups=("default",))
        for name, each in topology.instances.items()
    }
    return msgspec.structs.replace(topology, instances=secured)


def figures(rounds: int, scene: Scene) -> list[dict[str, object]]:
    """A row for each event."""
    found: dict[str, list[tuple[PingReport, float]]] = {name: [] for name in scene.events}
    with Lab.up(topology_of(scene)) as lab:
        settle(lab)
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            for name, event in scene.events.items():
                found[name].append(measure(lab, scene, event))
    return [dict(zip(COLUMNS, (name, *summary(each)), strict=True)) for name, each in found.items()]


def summary(rounds: list[tuple[PingReport, float]]) -> tuple[int, ...]:
    """Figures of one event, in the order of the columns."""
    reports = sorted((report for report, _ in rounds), key=lambda report: (report.lost, report.longest_outage_s))
    typical = reports[(len(reports) - 1) // 2]
    longest = max(report.longest_outage_s for report in reports)
    latest = statistics.median(report.longest_rtt_ms or 0.0 for report in reports)
    settled = statistics.median(took for _, took in rounds)
    milliseconds = (typical.longest_outage_s * 1000, longest * 1000, latest, settled)
    gap, worst, reply, took = map(round, milliseconds)
    return typical.lost, gap, reports[-1].lost, worst, reply, took


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--routed", action="store_true", help="through a router and a floating IP")
    which.add_argument("--secured", action="store_true", help="between ports with port security")
    given = parser.parse_args()
    scene = THROUGH_ROUTER if given.routed else SECURED if given.secured else ACROSS
    print_figures(figures(given.rounds, scene), given.format, COLUMNS)


if __name__ == "__main__":
    main()
