"""Devices of internal ports in namespaces: made, and repaired whatever happened to them, with packets that pass."""

import asyncio
import random
import shlex
import subprocess
import sys
import time

import pytest

from patchbay.hoststate import Route, Sysctl
from patchbay.plan.device_operations import AdoptDevice, SetSysctls
from patchbay.plan.operations import DelPort
from tests.functional.host.small_agent import BRIDGE, keeping, service_port, state

TWO = state(
    BRIDGE,
    *service_port(1),
    *service_port(2),
    Sysctl(namespace="n1", name="net.ipv4.ip_forward", value="1"),
    Sysctl(namespace="n1", name="net.ipv6.conf.tap-1.accept_ra", value="0"),
    Route(namespace="n1", destination="192.0.2.1/32", gateway="", link="tap-1"),
    Route(namespace="n1", destination="0.0.0.0/0", gateway="192.0.2.1", link="tap-1"),
    Route(namespace="n1", destination="198.51.100.0/24", gateway="10.0.0.2", link=""),
    Route(namespace="n1", destination="198.51.100.0/24", gateway="10.0.0.3", link="", metric=200),
    Route(namespace="n1", destination="2001:db8::/32", gateway="fd00::2", link="", metric=1024),
)


def pings(host, timeout_s=1):
    """Whether n1 reaches n2 over IPv4 and IPv6."""
    return all(
        "1 received" in host.sh(f"ip netns exec n1 ping -c1 -W{timeout_s} {address} || true")
        for address in ("10.0.0.2", "fd00::2")
    )


async def until_settled(host, agent, what):
    await host.until(lambda: not agent.left(), f"{what}: all is as desired, but {agent.left()}")
    await host.until(lambda: pings(host), f"{what}: n1 reaches n2")
    await host.until(lambda: not agent.left(), f"{what}: all is as desired, but {agent.left()}")


async def seen_anew(desired):
    """What a fresh agent would do."""
    async with keeping(desired) as fresh:
        await asyncio.wait_for(fresh.turn(desired), 10)
        return fresh.operations


def test_two_namespaces_with_internal_ports_reach_each_other_and_go_again(on_private_host):
    async def scenario(host):
        host.start_ovs()
        desired = dict(TWO)
        async with keeping(desired) as agent:
            await until_settled(host, agent, "made")
            assert agent.failures == []
            link = host.sh(
                "ip -n n1 -d link show tap-1; ip -n n1 address show tap-1; ip -n n1 route; ip -n n1 -6 route"
            )
            for words in (
                "link/ether fa:16:3e:00:00:01",
                "mtu 1450",
                "alias patchbay:port1",
                "inet 10.0.0.1/16",
                "inet6 fe80::f816:3eff:fe00:1/64",
                "default via 192.0.2.1 dev tap-1",
                "198.51.100.0/24 via 10.0.0.2",
                "198.51.100.0/24 via 10.0.0.3 dev tap-1 proto static metric 200",
                "2001:db8::/32 via fd00::2",
            ):
                assert words in link
            assert "tx-checksumming: off" in host.sh("ip netns exec n1 ethtool -k tap-1")
            assert host.sh("ip netns exec n1 sysctl -n net.ipv4.ip_forward net.ipv6.conf.tap-1.accept_ra") == "1\n0\n"
            assert host.sh("sysctl -n net.ipv4.ip_forward") == "0\n"
            assert await seen_anew(TWO) == []
            for key in [key for key in desired if key != BRIDGE.key]:
                del desired[key]
            agent.machine._note(set(TWO))
            await host.until(lambda: not agent.left(), "all is gone")
            assert agent.failures == []
            assert host.sh("ip netns list; ovs-vsctl list-ports br-int; ip -br link | grep tap- || true") == ""

    on_private_host(scenario)


def test_tcp_passes_between_two_internal_ports(on_private_host):
    async def scenario(host):
        host.start_ovs()
        async with keeping(TWO) as agent:
            await until_settled(host, agent, "made")
            assert send_over_tcp(host) == 3_000_000

    on_private_host(scenario)


SERVER = """
import socket
server = socket.create_server(("10.0.0.2", 5000))
print("listening", flush=True)
accepted = server.accept()[0]
print(sum(len(data) for data in iter(lambda: accepted.recv(65536), b"")))
"""
CLIENT = """
import socket
with socket.create_connection(("10.0.0.2", 5000), 5) as opened:
    opened.sendall(bytes(3_000_000))
"""


def send_over_tcp(host):
    """Bytes that n2 received from n1."""
    command = ["ip", "netns", "exec", "n2", "timeout", "10", sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout.readline() == "listening\n"
        host.sh(f"ip netns exec n1 timeout 5 {sys.executable} -c {shlex.quote(CLIENT)}")
        return int(server.stdout.readline())


STRANGERS = {
    "del-port": "ovs-vsctl del-port tap-1",
    "del-port and add-port": (
        "ovs-vsctl del-port tap-1; ovs-vsctl add-port br-int tap-1 -- set interface tap-1 type=internal"
    ),
    "ip netns del": "ip netns del n1",
    "ip netns del and add": "ip netns del n1; ip netns add n1; ip -n n1 link set lo alias patchbay:net up",
    "ip link del in the namespace": "ip -n n1 link del tap-1",
    "ip link down": "ip -n n1 link set tap-1 down",
    "moved back to the host": "ip -n n1 link set tap-1 netns 1",
    "settings changed": "ip -n n1 link set tap-1 mtu 1300 address fa:16:3e:ff:ff:ff; ip -n n1 route flush proto static",
    "marked as theirs": "ip -n n1 link set tap-1 alias theirs",
    "address flushed": "ip -n n1 address flush dev tap-1 scope global",
    "del-br": "ovs-vsctl del-br br-int",
}


@pytest.mark.parametrize("what", STRANGERS)
def test_what_a_stranger_does_is_repaired(on_private_host, what):
    async def scenario(host):
        host.start_ovs()
        async with keeping(dict(TWO)) as agent:
            await until_settled(host, agent, "made")
            agent.operations.clear()
            start = time.perf_counter()
            host.sh(STRANGERS[what])
            await host.until(lambda: agent.operations, "the agent notices")
            await host.until(lambda: not agent.left(), f"{what}: all is as desired")
            print(f"{what}: repaired after {(time.perf_counter() - start) * 1000:.0f} ms by {names(agent)}")
            await until_settled(host, agent, what)
            assert [str(one.error) for one in agent.failures] == []
            assert await seen_anew(TWO) == []

    on_private_host(scenario)


def names(agent):
    return " ".join(type(one).__name__ for one in agent.operations)


def test_a_restarted_switch_s_new_devices_take_the_place_of_the_dead_ones(on_private_host):
    async def scenario(host):
        host.start_ovs()
        async with keeping(dict(TWO)) as agent:
            await until_settled(host, agent, "made")
            agent.operations.clear()
            host.kill("ovs-vswitchd")
            host.start_vswitchd()
            await host.until(lambda: agent.operations, "the agent notices")
            await until_settled(host, agent, "ovs-vswitchd was killed")
            assert not [one for one in agent.operations if isinstance(one, DelPort)]
            assert [one.link.name for one in agent.operations if isinstance(one, AdoptDevice)] == ["tap-1", "tap-2"]
            assert "tap-" not in host.sh("ip -br link")
            assert await seen_anew(TWO) == []

    on_private_host(scenario)


def test_a_dead_device_makes_room_whoever_marked_it(on_private_host):
    async def scenario(host):
        host.start_ovs()
        async with keeping(dict(TWO)) as agent:
            await until_settled(host, agent, "made")
            host.kill("ovs-vswitchd")
            host.sh("ip -n n1 link set tap-1 alias theirs")
            host.start_vswitchd()
            await until_settled(host, agent, "ovs-vswitchd was killed, and a dead device marked as theirs")
            assert await seen_anew(TWO) == []

    on_private_host(scenario)


def test_a_fresh_agent_repairs_what_happened_while_none_ran(on_private_host):
    async def scenario(host):
        host.start_ovs()
        async with keeping(dict(TWO)) as agent:
            await until_settled(host, agent, "made")
        host.kill("ovs-vswitchd")
        host.start_vswitchd()
        host.sh("ip netns exec n1 sysctl -qw net.ipv4.ip_forward=0")
        async with keeping(dict(TWO)) as agent:
            await until_settled(host, agent, "started again")
            assert agent.failures == []
            assert not [one for one in agent.operations if isinstance(one, DelPort)]
            assert [one for one in agent.operations if isinstance(one, SetSysctls)]
            assert host.sh("ip netns exec n1 sysctl -n net.ipv4.ip_forward") == "1\n"
        assert await seen_anew(TWO) == []

    on_private_host(scenario)


def test_a_reboot_leaves_port_rows_without_namespaces(on_private_host):
    async def scenario(host):
        host.start_ovs()
        async with keeping(dict(TWO)) as agent:
            await until_settled(host, agent, "made")
        host.kill("ovs-vswitchd")
        host.sh("ip netns del n1; ip netns del n2; ip link del br-int; ip link del ovs-netdev || true")
        host.start_vswitchd()
        async with keeping(dict(TWO)) as agent:
            await until_settled(host, agent, "started again")
            assert agent.failures == []
            assert not [one for one in agent.operations if isinstance(one, DelPort)]

    on_private_host(scenario)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_strangers_do_one_after_the_other_all_is_as_desired_in_the_end(on_private_host, seed):
    async def scenario(host):
        host.start_ovs()
        chance = random.Random(seed)
        actions = [*STRANGERS.values(), *(line.replace("1", "2") for line in STRANGERS.values()), "kill"]
        async with keeping(dict(TWO)) as agent:
            for turn in range(8):
                for action in chance.choices(actions, k=3):
                    if action == "kill":
                        host.kill("ovs-vswitchd")
                        host.start_vswitchd()
                    else:
                        host.sh(f"( {action} ) 2>/dev/null || true")
                await until_settled(host, agent, f"turn {turn}")
            assert await seen_anew(TWO) == []

    on_private_host(scenario)


def test_without_a_switch_the_agent_waits_once_and_then_for_the_kernel_s_word(on_private_host):
    async def scenario(host):
        host.start_ovsdb()
        host.sh("ovs-vsctl --no-wait init")
        async with keeping(dict(TWO)) as agent:
            await host.until(lambda: agent.failures, "adopting fails")
            assert "Open vSwitch has not made device tap-1. Is ovs-vswitchd running?" in str(agent.failures[0].error)
            host.sh("ip netns del n2")
            await host.until(lambda: "n2" in host.sh("ip netns list"), "other things are repaired meanwhile", 3.0)
            host.start_vswitchd()
            await until_settled(host, agent, "ovs-vswitchd was started")

    on_private_host(scenario)
