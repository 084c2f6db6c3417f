"""Namespaces of routers and DHCP servers: what a stranger or a crash does to them is repaired, all services included.

The devices in them are those of internal ports of br-int, which Open vSwitch makes in the host's namespace.
"""

import re
from collections.abc import Callable

import pytest

from patchbay.lab.lab import Lab
from patchbay.lab.vhost import VirtualHost
from tests.functional.convergence.scene import agent, settled, wait_for

EXAMPLE = "seed001.yaml"
HOST = "compute"


def namespaces(host: VirtualHost) -> list[str]:
    """Those of routers and of DHCP servers."""
    lines = host.run(["ip", "netns", "list"]).stdout.splitlines()
    return sorted(line.split()[0] for line in lines if re.match("qrouter-|qdhcp-", line))


def devices(host: VirtualHost) -> dict[tuple[str, str], str]:
    """(namespace, device) → addresses, in their order; link-local ones left out."""
    found = {}
    for namespace in namespaces(host):
        for line in host.run(["ip", "-n", namespace, "-br", "address"]).stdout.splitlines():
            name, _, *addresses = line.split()
            if name != "lo":
                found[namespace, name] = " ".join(one for one in addresses if not one.startswith("fe80:"))
    return found


def kill_switch(host: VirtualHost) -> None:
    host.kill("ovs-vswitchd")
    host.start_vswitchd()


def delete_namespaces(host: VirtualHost) -> None:
    for namespace in namespaces(host):
        host.run(["ip", "netns", "del", namespace])


def delete_ports(host: VirtualHost) -> None:
    for _, device in devices(host):
        host.run(["ovs-vsctl", "del-port", device])


def delete_devices(host: VirtualHost) -> None:
    for namespace, device in devices(host):
        host.run(["ip", "-n", namespace, "link", "del", device])


def move_devices_back(host: VirtualHost) -> None:
    for namespace, device in devices(host):
        host.run(["ip", "-n", namespace, "link", "set", device, "netns", "1"])


def delete_namespaces_while_the_switch_is_away(host: VirtualHost) -> None:
    host.kill("ovs-vswitchd")
    delete_namespaces(host)
    host.start_vswitchd()


def kill_switch_while_no_agent_runs(host: VirtualHost) -> None:
    host.kill("agent")
    kill_switch(host)
    host.agent_start()


EVENTS: dict[str, Callable[[VirtualHost], None]] = {
    "ovs-vswitchd killed": kill_switch,
    "ovs-vswitchd killed while no agent runs": kill_switch_while_no_agent_runs,
    "ip netns del of all": delete_namespaces,
    "ip netns del of all while ovs-vswitchd is away": delete_namespaces_while_the_switch_is_away,
    "ovs-vsctl del-port of all": delete_ports,
    "ip link del of all": delete_devices,
    "moved back to the host": move_devices_back,
    "ovs-vsctl del-br br-int": lambda host: host.run(["ovs-vsctl", "del-br", "br-int"]),
}


@pytest.mark.parametrize("what", EVENTS)
def test_routers_and_dhcp_servers_come_back_with_all_that_they_do(lab: Lab, what: str) -> None:
    host = lab.host(HOST)
    before = devices(host)
    assert {name for name, _ in before} == set(namespaces(host))
    EVENTS[what](host)
    settled(host)
    assert devices(host) == before
    wrong = [str(each) for each in lab.check(quiet_s=0.2) if not each.is_met]
    assert not wrong, "\n".join(wrong)
    settled(host)
    left = host.run(["ip", "-br", "link"]).stdout
    assert not [device for _, device in before if device in left], "a device waits in the host's namespace"


def test_a_restarted_agent_touches_no_service_namespace(lab: Lab) -> None:
    host = lab.host(HOST)
    before = host.run(["ovs-vsctl", "get", "Open_vSwitch", ".", "next_cfg"]).stdout
    host.kill("agent")
    host.agent_start()
    wait_for(lambda: _is_up(host), "the agent answers")
    settled(host)
    assert agent(host)["operations"] == 0
    assert host.run(["ovs-vsctl", "get", "Open_vSwitch", ".", "next_cfg"]).stdout == before


def _is_up(host: VirtualHost) -> bool:
    try:
        return bool(agent(host))
    except OSError:
        return False
