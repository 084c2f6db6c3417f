"""ovs-vswitchd and ovsdb-server killed with -9 and started again, under traffic."""

import signal
from collections.abc import Callable

import pytest

from patchbay.lab.lab import Lab
from patchbay.lab.vhost import VirtualHost
from tests.functional.convergence.scene import agent, converged, device, fingerprint, traffic, wait_for


def kill_vswitchd(host: VirtualHost) -> None:
    host.kill("ovs-vswitchd")
    host.start_vswitchd()


def kill_ovsdb(host: VirtualHost) -> None:
    host.kill("ovsdb-server")
    host.start_ovsdb()


def kill_both(host: VirtualHost) -> None:
    host.restart_ovs()


EVENTS: dict[str, Callable[[VirtualHost], None]] = {
    "ovs-vswitchd": kill_vswitchd,
    "ovsdb-server": kill_ovsdb,
    "ovs-vswitchd and ovsdb-server": kill_both,
}


@pytest.mark.parametrize("what", EVENTS)
@pytest.mark.parametrize("where", ["compute1", "compute2"])
def test_what_was_killed_comes_back_and_so_does_the_traffic(lab: Lab, where: str, what: str) -> None:
    host = lab.host(where)
    with traffic(lab, f"{what} killed (-9) on {where} and started again") as seen:
        EVENTS[what](host)
        converged(lab)
    # The lab's userspace datapath dies with ovs-vswitchd: nothing can pass before it is back.
    assert seen.longest_ms < 5000


def test_the_database_s_death_costs_no_packet(lab: Lab) -> None:
    host = lab.host("compute1")
    before = fingerprint(host)
    # The userspace datapath waits while ovs-vswitchd tries to reconnect, seconds perhaps; packets queue up meanwhile.
    with traffic(lab, "ovsdb-server killed (-9) and away for a while", ("red1", "red2"), interval_s=0.02) as seen:
        host.kill("ovsdb-server")
        wait_for(lambda: not agent(host)["ovs_connected"], "the agent notices that ovsdb-server is gone")
        host.start_ovsdb()
        wait_for(lambda: agent(host)["ovs_connected"], "the agent is connected again")
        converged(lab)
    assert before.differences(fingerprint(host)) == []
    assert seen.lost == 0


def test_an_instance_s_namespace_deleted_while_the_database_is_away_comes_back(lab: Lab) -> None:
    # While its database is away ovs-vswitchd answers nobody, not even ovs-ofctl; the kernel can be repaired.
    host = lab.host("compute2")
    pairs = (("blue1", "blue2"), ("red1", "red2"))
    with traffic(lab, "ip netns del red2 while ovsdb-server is away", *pairs, interval_s=0.03) as seen:
        host.kill("ovsdb-server")
        wait_for(lambda: not agent(host)["ovs_connected"], "the agent notices that ovsdb-server is gone")
        host.run(["ip", "netns", "del", "red2"])
        wait_for(lambda: "red2" in host.run(["ip", "netns", "list"]).stdout, "the namespace is made again")
        host.start_ovsdb()
        converged(lab)
    assert seen.losses[0].lost == 0


def test_a_port_deleted_while_no_agent_watches_and_the_switch_is_down_comes_back(lab: Lab) -> None:
    host = lab.host("compute1")
    with traffic(lab, "agent, ovs-vswitchd and ovsdb-server killed (-9) together"):
        host.kill("agent")
        host.kill("ovs-vswitchd")
        host.run(["ovs-vsctl", "--no-wait", "del-port", "br-tun", "patch-int"])
        host.kill("ovsdb-server")
        host.agent_start()
        host.start_ovsdb()
        host.start_vswitchd()
        converged(lab)


@pytest.mark.parametrize("who", ["the same agent", "a new agent"])
def test_a_device_made_anew_while_ovs_vswitchd_knows_only_the_old_one(lab: Lab, who: str) -> None:
    host, tap = lab.host("compute2"), device(lab, "tap", "blue3")
    with traffic(lab, f"port and namespace deleted while ovs-vswitchd connects again; {who}", ("blue1", "blue3")):
        host.kill("ovsdb-server")
        host.start_ovsdb()
        host.run(["sh", "-c", f"ovs-vsctl --no-wait --if-exists del-port {tap}; ip netns del blue3"])
        if who == "a new agent":
            host.agent_stop(signal.SIGKILL)
            host.agent_start()
        converged(lab)


def test_what_an_agent_made_anew_before_it_died_is_read_when_ovs_vswitchd_looks_again(lab: Lab) -> None:
    host, tap = lab.host("compute2"), device(lab, "tap", "blue3")
    pid = "$(cat /var/run/openvswitch/ovs-vswitchd.pid)"
    before = host.run(["cat", f"/sys/class/net/{tap}/ifindex"]).stdout

    def is_made_anew() -> bool:
        found = host.run(["sh", "-c", f"cat /sys/class/net/{tap}/ifindex && ovs-vsctl iface-to-br {tap}"], check=False)
        return found.returncode == 0 and not found.stdout.startswith(before)

    host.run(["sh", "-c", f"kill -STOP {pid}"])
    try:
        host.run(["sh", "-c", f"ovs-vsctl --no-wait del-port {tap}; ip netns del blue3"])
        wait_for(is_made_anew, "the device is there again, and its port")
        host.agent_stop(signal.SIGKILL)
    finally:
        host.run(["sh", "-c", f"kill -CONT {pid}"])
    host.agent_start()
    converged(lab)
