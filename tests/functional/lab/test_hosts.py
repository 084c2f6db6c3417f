"""A virtual host is a host: what it has is its own, what dies comes back, and the wires between hosts carry."""

from collections.abc import Iterator

import pytest

from patchbay.errors import LabError
from patchbay.lab.lab import Lab
from patchbay.lab.reading import load_topology
from tests.functional.lab.machine import EXAMPLES


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.up(load_topology(EXAMPLES / "provider-vlan.yaml"), is_bare=True) as running:
        yield running


def pings(lab: Lab, source: str, address: str) -> bool:
    return lab.host(source).run(["ping", "-c", "1", "-W", "5", address], check=False).returncode == 0


def test_hosts_reach_each_other_over_the_underlay(lab: Lab) -> None:
    assert pings(lab, "compute1", "172.21.12.8")
    assert pings(lab, "compute2", "172.21.12.163")


def test_a_host_has_its_own_name_processes_and_folders(lab: Lab) -> None:
    one, two = lab.host("compute1"), lab.host("compute2")
    one.run(["sh", "-c", "touch /run/x /etc/openvswitch/x /etc/netns/x /etc/x; ip netns add only-here"])
    seen = two.run(
        ["sh", "-c", "hostname; ls /run /etc/openvswitch /etc/netns /etc | grep -x x; ip netns; true"]
    ).stdout
    assert seen == "compute2\n"
    processes = two.run(["ps", "-e", "-o", "comm="]).stdout.split()
    assert processes.count("ovs-vswitchd") == 1
    assert processes.count("ovsdb-server") == 1


def test_tools_work_on_a_host_as_the_seeds_type_them(lab: Lab) -> None:
    shown = lab.host("compute1").run(["ovs-vsctl", "show"]).stdout
    assert "Bridge br-phy" in shown
    assert "Bridge br-ex" in shown
    assert lab.host("compute1").run(["ovs-ofctl", "dump-flows", "br-ex"]).stdout.count("actions=NORMAL") == 1


def test_a_physical_network_joins_the_hosts_that_map_it_with_vlans_intact(lab: Lab) -> None:
    for name, number in (("compute1", 1), ("compute2", 2)):
        lab.host(name).run(
            ["sh", "-e"],
            text=f"ovs-vsctl add-port br-ex v100 tag=100 -- set interface v100 type=internal\n"
            f"ip addr add 10.1.0.{number}/24 dev v100; ip link set v100 up\n"
            f"ovs-vsctl add-port br-flat v0 -- set interface v0 type=internal\n"
            f"ip addr add 10.2.0.{number}/24 dev v0; ip link set v0 up\n",
        )
    assert pings(lab, "compute1", "10.1.0.2")
    assert pings(lab, "compute1", "10.2.0.2")
    lab.host("compute2").run(["ovs-vsctl", "set", "port", "v100", "tag=200"])
    refused = lab.host("compute1").run(["ping", "-c", "1", "-W", "1", "10.1.0.2"], check=False)
    assert refused.returncode != 0


def test_open_vswitch_comes_back_after_a_kill_with_its_database_and_the_host_s_address(lab: Lab) -> None:
    host = lab.host("compute1")
    host.run(["ovs-vsctl", "add-br", "br-kept", "--", "set", "bridge", "br-kept", "datapath_type=netdev"])
    host.kill("ovs-vswitchd")
    assert not host.is_running("ovs-vswitchd")
    host.start_vswitchd()
    host.restart_ovs()
    assert host.is_running("ovs-vswitchd")
    assert "br-kept" in host.run(["ovs-vsctl", "list-br"]).stdout
    assert pings(lab, "compute1", "172.21.12.8")
    host.run(["ovs-vsctl", "del-br", "br-kept"])


def test_a_reboot_wipes_a_host_and_its_wires_come_back(lab: Lab) -> None:
    host, before = lab.host("compute2"), lab.host("compute2").space
    host.run(["sh", "-c", "ip netns add gone; touch /run/gone; ovs-vsctl add-br gone"])
    host.reboot()
    assert not before.is_alive()
    assert host.run(["sh", "-c", "ip netns; ls /run; ovs-vsctl list-br"]).stdout.count("gone") == 0
    assert pings(lab, "compute1", "172.21.12.8")


def test_a_process_that_does_not_run_cannot_be_killed(lab: Lab) -> None:
    with pytest.raises(LabError, match="Host compute1: agent is not running"):
        lab.host("compute1").agent_stop()


def test_a_failing_command_speaks_for_itself(lab: Lab) -> None:
    with pytest.raises(LabError, match="no bridge named br-none"):
        lab.host("compute1").run(["ovs-vsctl", "list-ports", "br-none"])
    assert lab.host("compute1").run(["false"], check=False).returncode == 1


def test_a_host_that_is_not_there_is_named(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"compute9 is not a host. Hosts: compute1, compute2"):
        lab.host("compute9")
