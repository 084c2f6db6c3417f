#!/usr/bin/env python3
"""An agent that knows 10,000 ports: its start with nothing to change, its memory, and what one more port costs.

The ports are bound to the other host of a two-host lab, so each is a flow to its MAC and an ARP answer on this one.
``-f json`` prints a JSON list of figures, else a table. Needs root and Open vSwitch.
"""

import re
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from bench_lab import TOPOLOGY, one_port
from measuring import figure, parser_of, print_figures, say

from patchbay.lab.client import ServiceClient
from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology

KNOWN, AT_ONCE, STARTS, NEW_PORTS = 10_000, 500, 3, 15


def main() -> None:
    """Measure, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--known", type=int, default=KNOWN)
    arguments = parser.parse_args()
    figures = measure(arguments.known)
    print_figures(figures, arguments.format)


def measure(known: int) -> list[dict[str, Any]]:
    """All figures."""
    with Lab.up(parse_topology(TOPOLOGY, Path("bench.yaml"))) as lab:
        client = lab.client()
        network = client.request("GET", "/v2.0/networks?name=red")["networks"][0]["id"]
        few = [one_port(lab, client, network, "direct") for _ in range(NEW_PORTS)]
        say(f"creating {known} ports")
        started = time.monotonic()
        create(client, network, known)
        created = time.monotonic() - started
        wait_for_flows(lab, known)
        say("restarting the agent")
        starts, memory = zip(*(restart(lab) for _ in range(STARTS)), strict=True)
        many = [one_port(lab, client, network, "direct") for _ in range(NEW_PORTS)]
    return [
        figure(f"{known} ports created through the API in requests of {AT_ONCE}", created, "s"),
        figure(f"agent's start with {known} known ports and nothing to change, median", statistics.median(starts), "s"),
        figure(f"agent's memory with {known} known ports, most", max(memory), "MB"),
        figure("port created to first ping, few known ports, median", statistics.median(few) * 1e3, "ms"),
        figure(f"port created to first ping, {known} known ports, median", statistics.median(many) * 1e3, "ms"),
    ]


def create(client: ServiceClient, network: str, count: int) -> None:
    """So many ports bound to compute2."""
    for start in range(0, count, AT_ONCE):
        ports = [{"network_id": network, "binding:host_id": "compute2"} for _ in range(min(AT_ONCE, count - start))]
        client.request("POST", "/v2.0/ports", {"ports": ports})


def wait_for_flows(lab: Lab, count: int, timeout_s: float = 60.0) -> None:
    """Until compute1's switch has a flow for each port's MAC."""
    deadline = time.monotonic() + timeout_s
    while True:
        shown = lab.host("compute1").run(["ovs-ofctl", "dump-aggregate", "br-tun", "table=20"]).stdout
        found = re.search(r"flow_count=(\d+)", shown)
        if found and int(found[1]) >= count:
            return
        assert time.monotonic() < deadline, shown
        time.sleep(0.1)


def restart(lab: Lab) -> tuple[float, float]:
    """Seconds from the agent's start until it says that it is ready, and its memory in MB."""
    host = lab.host("compute1")
    host.agent_stop()
    before = host.log("agent", 10**6).count("msg=ready")
    started = time.monotonic()
    host.agent_start()
    while host.log("agent", 10**6).count("msg=ready") == before:
        assert time.monotonic() - started < 60, host.log("agent")
        time.sleep(0.01)
    seconds = time.monotonic() - started
    ready = [line for line in host.log("agent", 20).splitlines() if "msg=ready" in line][-1]
    assert "operations=0" in ready, ready
    pid = host.run(["cat", "/run/patchbay/agent.pid"]).stdout.strip()
    status = host.run(["cat", f"/proc/{pid}/status"]).stdout
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return seconds, int(found[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
