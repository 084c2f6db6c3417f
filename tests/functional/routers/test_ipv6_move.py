"""A router that advertises itself moves to another host: the instances keep their default route all the while."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchbay.lab.client import ServiceClient
from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology

TOPOLOGY = """\
name: test-ipv6-move
hosts:
  compute1: {tunnel_ip: 172.21.16.1}
  compute2: {tunnel_ip: 172.21.16.2}
networks:
  red:
    project: red
    subnets: {red-v6: {cidr: "fd00:1::/64", ipv6_ra_mode: slaac, ipv6_address_mode: slaac}}
  blue: {project: red, subnets: {blue-v6: {cidr: "fd00:2::/64", enable_dhcp: false}}}
routers:
  r1: {project: red, interfaces: [red-v6, blue-v6]}
instances:
  red1: {host: compute1, plugging: direct, network: red, dhcp: true}
  blue1: {host: compute2, plugging: direct, network: blue, address: "fd00:2::11"}
expect:
  - {from: red1, to: blue1, reach: yes}
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    """The lab, its expectation met."""
    with Lab.up(parse_topology(TOPOLOGY, Path("ipv6-move.yaml"))) as found:
        assert [outcome for outcome in found.check(patience_s=15.0) if not outcome.is_met] == []
        yield found


def move_router(client: ServiceClient) -> str:
    """The router goes to the other host; its name."""
    agents = client.request("GET", "/v2.0/agents?agent_type=L3+agent")["agents"]
    router = client.request("GET", "/v2.0/routers?name=r1")["routers"][0]["id"]
    here = client.request("GET", f"/v2.0/routers/{router}/l3-agents")["agents"][0]["host"]
    (other,) = [agent for agent in agents if agent["host"] != here]
    client.request("POST", f"/v2.0/agents/{other['id']}/l3-routers", {"router_id": router})
    return str(other["host"])


def test_a_router_that_moves_says_no_farewell(lab: Lab) -> None:
    for _ in range(2):
        with contextlib.closing(lab.client()) as client:
            there = move_router(client)
        end = time.monotonic() + 15.0
        while (
            "qrouter" not in lab.host(there).run(["ip", "netns"]).stdout or lab.check(patience_s=0.1)[0].is_met is False
        ):
            assert "default" in lab.run_in("red1", ["ip", "-6", "route", "show", "default"]).stdout
            assert time.monotonic() < end, "the router is not there"
        for _ in range(20):
            assert "default" in lab.run_in("red1", ["ip", "-6", "route", "show", "default"]).stdout
