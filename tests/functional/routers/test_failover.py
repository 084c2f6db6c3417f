"""A router moves when its host is gone, and stays when only the agent is: with packets, in a lab of three hosts."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchbay.lab.client import ServiceClient
from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology

TOPOLOGY = """\
name: test-failover
hosts:
  compute1: {tunnel_ip: 172.21.14.1, bridge_mappings: {physnet1: br-ex}}
  compute2: {tunnel_ip: 172.21.14.2, bridge_mappings: {physnet1: br-ex}}
  compute3: {tunnel_ip: 172.21.14.3, bridge_mappings: {physnet1: br-ex}}
networks:
  ext-net:
    project: admin
    external: true
    type: flat
    physical_network: physnet1
    subnets:
      ext-v4: {cidr: 198.51.100.0/24, gateway: 198.51.100.1, pools: [198.51.100.10-198.51.100.99], enable_dhcp: false}
  red: {project: red, subnets: {red-v4: {cidr: 10.0.1.0/24}}}
routers:
  r1: {project: red, external: ext-net, interfaces: [red-v4]}
instances:
  red1: {host: compute2, plugging: direct, network: red, address: 10.0.1.11, dhcp: true, floating_ip: 198.51.100.50}
  red2: {host: compute3, plugging: direct, network: red, address: 10.0.1.12, dhcp: true}
outside:
  internet: {physical_network: physnet1, addresses: [198.51.100.1/24]}
expect:
  - {from: red1, to: 198.51.100.1, reach: yes, seen_as: 198.51.100.50}
  - {from: red2, to: 198.51.100.1, reach: yes}
  - {from: internet, to: 198.51.100.50, reach: yes}
  - {from: red1, to: red2, reach: yes}
  - {lease: red1, address: 10.0.1.11}
  - {from: red2, resolve: red1.openstacklocal, to: 10.0.1.11}
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    """The lab, with router and DHCP server on compute1, where nothing else is."""
    with Lab.up(parse_topology(TOPOLOGY, Path("failover.yaml"))) as found, contextlib.closing(found.client()) as client:
        for kind, path in (("L3", "l3-routers"), ("DHCP", "dhcp-networks")):
            agents = client.request("GET", f"/v2.0/agents?agent_type={kind}+agent")["agents"]
            others = [agent["id"] for agent in agents if agent["host"] != "compute1"]
            enable(client, others, is_up=False)
            for agent in others:
                (items,) = client.request("GET", f"/v2.0/agents/{agent}/{path}").values()
                for item in items:
                    client.request("DELETE", f"/v2.0/agents/{agent}/{path}/{item['id']}")
            enable(client, others, is_up=True)
        until(lambda: namespaces(found, "compute1") == {"qrouter", "qdhcp"}, "router and DHCP server on compute1")
        found.wait_until_active()
        yield found


def enable(client: ServiceClient, agents: list[str], *, is_up: bool) -> None:
    """Whether these agents get new work."""
    for agent in agents:
        client.request("PUT", f"/v2.0/agents/{agent}", {"agent": {"admin_state_up": is_up}})


def namespaces(lab: Lab, host: str) -> set[str]:
    """Kinds of service namespaces on a host."""
    return {name.partition("-")[0] for name in lab.host(host).run(["ip", "netns"]).stdout.split() if name[0] == "q"}


def until(condition: object, what: str, deadline_s: float = 30.0) -> None:
    """Wait for it."""
    assert callable(condition)
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"after {deadline_s} s still not: {what}"
        time.sleep(0.05)


def is_met(lab: Lab) -> None:
    """Every expectation holds."""
    wrong = [outcome for outcome in lab.check(patience_s=10.0) if not outcome.is_met]
    assert not wrong, wrong


def test_the_router_and_the_dhcp_server_of_a_host_that_died_come_up_elsewhere(lab: Lab) -> None:
    is_met(lab)
    stream = lab.ping_stream("internet", "198.51.100.50", 0.02)
    lab.host("compute1").space.end()
    until(lambda: {"qrouter", "qdhcp"} <= namespaces(lab, "compute2") | namespaces(lab, "compute3"), "both elsewhere")
    assert stream.wait_for_replies(50, 30.0)
    report = stream.stop()
    assert report.received < report.sent, "the floating IP was away for some time"
    is_met(lab)


def test_an_agent_that_is_stopped_takes_nothing_along(lab: Lab) -> None:
    stream = lab.ping_stream("internet", "198.51.100.50", 0.02)
    lab.host("compute1").agent_stop()
    until(lambda: suspects(lab), "the others look for compute1")
    assert stream.wait_for_replies(150, 10.0)
    assert namespaces(lab, "compute1") == {"qrouter", "qdhcp"}
    assert not {"qrouter"} & (namespaces(lab, "compute2") | namespaces(lab, "compute3"))
    assert stream.stop().lost == 0
    is_met(lab)


def suspects(lab: Lab) -> bool:
    """Whether the agents of the other hosts say that they looked for somebody and found it."""
    return all("suspected hosts" in lab.host(name).log("agent", 50) for name in ("compute2", "compute3"))
