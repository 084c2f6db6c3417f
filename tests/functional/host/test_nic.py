"""A card that holds the host's address and default route moves onto a bridge and back, or stays as it was."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable

import pytest

from tests.functional.conftest import PrivateHost

Run = Callable[[Callable[[PrivateHost], Awaitable[None]]], None]

WIRES = """
ip link set lo up
ip netns add outside
ip link add eth0 address 00:26:2d:fe:da:fc type veth peer name eth0 netns outside
ip netns exec outside ip addr add 172.16.235.2/24 dev eth0
ip netns exec outside ip -6 addr add 2001:db8:235::2/64 dev eth0 nodad
ip netns exec outside ip link set eth0 up
ethtool -K eth0 tx off
ip netns exec outside ethtool -K eth0 tx off
ip addr add 172.16.235.128/24 dev eth0
ip -6 addr add 2001:db8:235::128/64 dev eth0 nodad
ip link set eth0 up
ip route add default via 172.16.235.2 dev eth0 metric 100
ip route add 198.51.100.0/24 via 172.16.235.2 dev eth0
ip -6 route add default via 2001:db8:235::2 dev eth0
"""

DEAD_BRIDGE = """
ovs-vsctl add-br br-ex -- set bridge br-ex datapath_type=netdev
ovs-ofctl add-flow br-ex priority=9,actions=drop
"""


def nic(*arguments: str) -> subprocess.CompletedProcess[str]:
    """``patchbay nic …`` on this host."""
    return subprocess.run(
        [sys.executable, "-m", "patchbay", "nic", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def begin(*command: str, **streams: int) -> subprocess.Popen[str]:
    """A process beside the scenario."""
    return subprocess.Popen(command, text=True, **streams)  # type: ignore[call-overload,no-any-return]


def status_of(*command: str) -> int:
    """Run a command to its end."""
    return subprocess.run(command, check=False, timeout=60).returncode


def state(host: PrivateHost, device: str) -> str:
    """Addresses and routes of a device, those of the kernel left out."""
    addresses = host.sh(f"ip -br addr show dev {device} scope global | sed 's/.*UP\\|.*UNKNOWN//'").split()
    routes = host.sh(f"(ip route show dev {device}; ip -6 route show dev {device}) | grep via || true").splitlines()
    return "\n".join(
        [*sorted(addresses), *sorted(re.sub(r" (linkdown|pref medium)", "", one).strip() for one in routes)]
    )


async def _begin(host: PrivateHost) -> str:
    host.start_ovs()
    host.sh(WIRES)
    host.sh("ping -nqc1 -W2 172.16.235.2")
    return state(host, "eth0")


async def _move_and_return(host: PrivateHost) -> None:
    before = await _begin(host)
    ping = ["ping", "-nq", "-i", "0.02", "-c", "200", "172.16.235.128"]
    stream = begin("ip", "netns", "exec", "outside", *ping, stdout=subprocess.PIPE)
    moved = nic("to-bridge", "eth0", "br-ex", "--datapath-type", "netdev")
    assert moved.returncode == 0, moved.stderr
    assert "ip route replace default via 172.16.235.2 metric 100 dev br-ex" in moved.stdout
    assert state(host, "br-ex") == before
    assert state(host, "eth0") == ""
    assert "00:26:2d:fe:da:fc" in host.sh("ip -br link show dev br-ex"), "the card's MAC, as in the seed"
    host.sh("ping -nqc1 -W2 172.16.235.2; ping -nqc1 -W2 2001:db8:235::2; ovs-vsctl iface-to-br eth0 | grep -qx br-ex")
    told = stream.communicate(timeout=20)[0]
    assert int(re.search(r"(\d+) received", told)[1]) > 150, told  # type: ignore[index]
    again = nic("to-bridge", "eth0", "br-ex", "--datapath-type", "netdev")
    assert again.returncode == 0, again.stderr
    assert state(host, "br-ex") == before
    back = nic("from-bridge", "eth0", "br-ex")
    assert back.returncode == 0, back.stderr
    assert state(host, "eth0") == before
    assert state(host, "br-ex") == ""
    host.sh("ping -nqc1 -W2 172.16.235.2")


def test_addresses_and_routes_go_with_the_card_and_come_back(on_private_host: Run) -> None:
    on_private_host(_move_and_return)


async def _silent_gateway(host: PrivateHost) -> None:
    before = await _begin(host)
    host.sh(DEAD_BRIDGE)
    moved = nic("to-bridge", "eth0", "br-ex", "--datapath-type", "netdev", "--check", "2")
    assert moved.returncode == 1
    assert "The gateway does not answer over the new device. Everything is as it was before." in moved.stderr
    assert state(host, "eth0") == before
    assert state(host, "br-ex") == ""
    assert host.sh("ovs-vsctl list-ports br-ex").strip() == ""
    host.sh("ping -nqc1 -W2 172.16.235.2")


def test_a_gateway_that_does_not_answer_any_more_takes_everything_back(on_private_host: Run) -> None:
    on_private_host(_silent_gateway)


KILLED = """
import os, signal
from pathlib import Path
from patchbay.cli.nic import JOURNAL
from patchbay.host import nic
from patchbay.plan.nic import onto_bridge
steps = onto_bridge(nic.look("eth0"), nic.look("br-ex"), "netdev")
nic.move(steps, JOURNAL, lambda: os.kill(os.getpid(), signal.SIGKILL))
"""


async def _killed(host: PrivateHost) -> None:
    before = await _begin(host)
    assert status_of(sys.executable, "-c", KILLED) == -signal.SIGKILL
    assert state(host, "br-ex") == before, "it was killed after the move and before the check"
    dry = nic("to-bridge", "eth0", "br-ex", "--dry-run")
    assert dry.returncode == 0
    moved = nic("to-bridge", "no-such-card", "br-ex")
    assert "An earlier move did not come to its end: it was taken back first." in moved.stderr
    assert "There is no network card no-such-card on this host." in moved.stderr
    assert state(host, "eth0") == before
    assert "br-ex" not in host.sh("ovs-vsctl list-br")


def test_a_move_that_was_killed_is_taken_back_by_the_next_command(on_private_host: Run) -> None:
    on_private_host(_killed)


async def _terminated(host: PrivateHost) -> None:
    before = await _begin(host)
    host.sh(DEAD_BRIDGE)
    arguments = ["to-bridge", "eth0", "br-ex", "--datapath-type", "netdev", "--check", "3"]
    process = begin(sys.executable, "-m", "patchbay", "nic", *arguments)
    await host.until(lambda: "172.16.235.128" in host.sh("ip -br addr show dev br-ex"), "the address has moved")
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(20) == 1
    assert state(host, "eth0") == before


def test_a_signal_in_the_middle_takes_everything_back(on_private_host: Run) -> None:
    on_private_host(_terminated)


async def _refused(host: PrivateHost) -> None:
    before = await _begin(host)
    host.sh("ip link add bridge0 type bridge; ovs-vsctl add-br br-a -- set bridge br-a datapath_type=netdev")
    for arguments, words in (
        (("to-bridge", "lo", "br-ex"), "lo is the loopback"),
        (("to-bridge", "eth0", "bridge0"), "bridge0 is a device that is no Open vSwitch bridge"),
        (("from-bridge", "eth0", "br-a"), "eth0 is not a port of br-a"),
    ):
        refused = nic(*arguments)
        assert refused.returncode == 1
        assert words in refused.stderr
    host.sh("ovs-vsctl add-port br-a eth0")
    refused = nic("to-bridge", "eth0", "br-ex")
    assert "eth0 is a port of br-a already. Take it out first: ovs-vsctl del-port br-a eth0" in refused.stderr
    host.sh("ovs-vsctl del-port br-a eth0")
    assert state(host, "eth0") == before


def test_what_cannot_be_moved_is_refused_and_nothing_changes(on_private_host: Run) -> None:
    on_private_host(_refused)


@pytest.mark.parametrize(
    "arguments", [("to-bridge",), ("sideways", "eth0", "br-ex"), ("to-bridge", "eth0", "br-ex", "--check", "-1")]
)
def test_wrong_usage_is_told(arguments: tuple[str, ...]) -> None:
    assert nic(*arguments).returncode == 2
