"""Vlan and flat networks: the administrator's bridges go and come, ours follow, and their content is left alone."""

import contextlib

import pytest

from patchbay.lab.apply import apply_topology
from patchbay.lab.lab import Lab
from tests.functional.convergence.scene import (
    agent,
    converged,
    delete_everything,
    fingerprint,
    left_overs,
    settled,
    traffic,
    wait_for,
)

EXAMPLE = "provider-vlan.yaml"
PAIRS = (("office1", "office2"), ("building2", "building1"), ("tenant1", "tenant2"))

DAMAGE = (
    "ovs-ofctl del-flows br-ex",
    "ovs-ofctl del-flows br-flat",
    "ovs-ofctl del-flows br-int",
    "ovs-vsctl del-port br-ex phy-br-ex",
    "ovs-vsctl del-port br-int int-br-ex",
    "ovs-vsctl del-port br-flat phy-br-flat -- del-port br-int int-br-flat",
    "ovs-vsctl set interface phy-br-ex options:peer=nowhere",
    "ovs-ofctl add-flow br-ex priority=1,actions=drop",
    "ovs-vsctl del-br br-int",
    "ip netns del office2",
)


@pytest.mark.parametrize("command", DAMAGE)
def test_what_a_stranger_breaks_is_repaired(lab: Lab, command: str) -> None:
    with traffic(lab, f"provider: {command}", ("office1", "office2"), ("building1", "building2")) as seen:
        lab.host("compute2").run(["sh", "-ec", command])
        converged(lab)
    assert seen.longest_ms < 3000


@pytest.mark.parametrize(("bridge", "card"), [("br-ex", "eth1"), ("br-flat", "eth2")])
def test_a_provider_bridge_deleted_and_made_again_by_the_administrator_is_connected_again(
    lab: Lab, bridge: str, card: str
) -> None:
    host = lab.host("compute1")
    anew = f"add-br {bridge} -- set bridge {bridge} datapath_type={host.datapath_type} -- add-port {bridge} {card}"
    with traffic(lab, f"provider: {bridge} deleted, later made again", PAIRS[2]) as seen:
        host.run(["ovs-vsctl", "del-br", bridge])
        settled(host)
        assert bridge not in host.run(["ovs-vsctl", "list-br"]).stdout.split()
        host.run(["ovs-vsctl", *anew.split()])
        converged(lab)
    # The tenant's network does not leave by that bridge.
    assert seen.is_undisturbed
    pair = PAIRS[0] if bridge == "br-ex" else PAIRS[1]
    with traffic(lab, f"provider: {bridge} deleted and made again at once", pair):
        host.run(["ovs-vsctl", "del-br", bridge, "--", *anew.split()])
        converged(lab)


@pytest.mark.parametrize("what", ["agent", "ovs-vswitchd", "ovsdb-server"])
def test_what_was_killed_comes_back_and_so_does_the_traffic(lab: Lab, what: str) -> None:
    host = lab.host("compute2")
    before = fingerprint(host)
    with traffic(lab, f"provider: {what} killed (-9) and started again", *PAIRS) as seen:
        host.kill(what)
        start = {"agent": host.agent_start, "ovs-vswitchd": host.start_vswitchd, "ovsdb-server": host.start_ovsdb}
        start[what]()
        converged(lab)
    if what != "ovs-vswitchd":
        assert before.differences(fingerprint(host)) == []
    if what == "agent":
        assert seen.lost == 0
        assert agent(host)["operations"] == 0


def test_a_rebooted_host_comes_back_by_itself(lab: Lab) -> None:
    with traffic(lab, "provider: compute2 rebooted", ("office1", "office2"), ("building1", "building2")):
        lab.reboot("compute2")
        converged(lab)


def test_an_agent_started_before_the_administrator_makes_the_bridge_connects_it_later(lab: Lab) -> None:
    host = lab.host("compute2")
    host.agent_stop()
    host.run(["ovs-vsctl", "del-br", "br-ex"])
    host.agent_start()
    settled(host)
    with traffic(lab, "provider: br-ex made while the agent runs", PAIRS[1], PAIRS[2]) as seen:
        anew = f"add-br br-ex -- set bridge br-ex datapath_type={host.datapath_type} -- add-port br-ex eth1"
        host.run(["ovs-vsctl", *anew.split()])
        converged(lab)
    assert seen.is_undisturbed


def test_the_administrator_s_own_on_a_provider_bridge_survives(lab: Lab) -> None:
    host = lab.host("compute1")
    theirs = (
        "ovs-vsctl add-port br-ex theirs tag=7 -- set interface theirs type=internal -- br-set-external-id br-ex a b"
    )
    host.run(["sh", "-ec", f"{theirs}; ovs-ofctl add-flow br-ex cookie=0x9,priority=9,dl_vlan=4000,actions=drop"])
    converged(lab)
    with contextlib.closing(lab.client()) as client:
        delete_everything(lab)
        settled(*lab.hosts.values())
        present = "ovs-vsctl port-to-br theirs; ovs-vsctl br-get-external-id br-ex a; ovs-ofctl dump-flows br-ex"
        shown = host.run(["sh", "-ec", present]).stdout
        assert "br-ex\nb\n" in shown
        assert "cookie=0x9" in shown
        assert left_overs(host) == []
        apply_topology(client, lab.topology)
    converged(lab)
    shown = host.run(["sh", "-ec", present]).stdout
    assert "br-ex\nb\n" in shown
    assert "cookie=0x9" in shown
    host.run(["sh", "-ec", "ovs-vsctl del-port br-ex theirs; ovs-ofctl del-flows br-ex cookie=0x9/-1"])
    wait_for(lambda: "theirs" not in host.run(["ovs-vsctl", "list-ports", "br-ex"]).stdout, "theirs is gone")
    converged(lab)
