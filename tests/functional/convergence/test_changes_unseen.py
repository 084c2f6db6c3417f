"""What changed while an agent was down, or moved, or was made again as another thing: nothing old is left over."""

import contextlib
import re
from collections.abc import Iterator

import msgspec
import pytest

from patchbay.lab.apply import apply_topology
from patchbay.lab.lab import Lab
from patchbay.lab.topology import Topology
from patchbay.lab.vhost import VirtualHost
from tests.functional.convergence.scene import (
    agent,
    change,
    converged,
    delete,
    delete_everything,
    device,
    find,
    flow_durations,
    learned,
    left_overs,
    objects,
    settled,
    traffic,
    wait_for,
)


@contextlib.contextmanager
def unseen(host: VirtualHost, is_unseen: bool) -> Iterator[None]:
    """While the host's agent is down, or not."""
    if is_unseen:
        host.agent_stop()
    yield
    if is_unseen:
        host.agent_start()


def restore(lab: Lab) -> None:
    """All of the lab's topology again."""
    with contextlib.closing(lab.client()) as client:
        apply_topology(client, lab.topology)
    converged(lab)


AGENT = pytest.mark.parametrize("is_unseen", [False, True], ids=["agent running", "agent down"])


@AGENT
def test_deleted_instances_and_ports_leave_nothing(lab: Lab, is_unseen: bool) -> None:
    host, gone = lab.host("compute2"), [device(lab, kind, "blue2") for kind in ("qvo", "qvb", "qbr", "tap")]
    gone.append(device(lab, "tap", "blue3"))
    with traffic(lab, "instances of the other tenant deleted", ("red1", "red2")) as seen:
        with unseen(host, is_unseen):
            delete(lab, "instances", "blue2", "blue3")
            delete(lab, "ports", "blue2-eth0", "blue3-eth0")
        settled(*lab.hosts.values())
    assert seen.is_undisturbed
    shown = host.run(["sh", "-c", "ip -o link; ip netns list; ovs-vsctl show"]).stdout
    assert [name for name in [*gone, "blue2", "blue3"] if name in shown] == []
    assert "blue" not in host.run(["ip", "netns", "list"]).stdout
    restore(lab)


@AGENT
def test_a_network_made_again_with_another_vni_has_nothing_of_the_old_one(lab: Lab, is_unseen: bool) -> None:
    networks = lab.topology.networks
    other = {**networks, "blue": msgspec.structs.replace(networks["blue"], segmentation_id=0x77)}
    with traffic(lab, "network of the other tenant made again with another VNI", ("red1", "red2")) as seen:
        with contextlib.ExitStack() as stack:
            for host in lab.hosts.values():
                stack.enter_context(unseen(host, is_unseen))
            remove_blue(lab)
            with contextlib.closing(lab.client()) as client:
                apply_topology(client, msgspec.structs.replace(lab.topology, networks=other))
        converged(lab)
    assert seen.is_undisturbed
    for host in lab.hosts.values():
        in_use = [flow for vlan in agent(host)["local_vlans"].values() for flow in learned_in(host, vlan)]
        flows = " ".join([*flow_durations(host, "br-tun"), *in_use])
        assert "tun_id=0x77" in flows
        assert not re.search(r"0x23\b", flows)
    remove_blue(lab)
    restore(lab)


def remove_blue(lab: Lab) -> None:
    delete(lab, "instances", "blue1", "blue2", "blue3")
    delete(lab, "ports", "blue1-eth0", "blue2-eth0", "blue3-eth0")
    delete(lab, "subnets", "blue-v4")
    delete(lab, "networks", "blue")


@AGENT
def test_local_vlans_are_released_and_what_was_learned_in_them_is_forgotten(lab: Lab, is_unseen: bool) -> None:
    host, network = lab.host("compute1"), find(lab, "networks", "blue")["id"]
    local_vlan = agent(host)["local_vlans"][network]
    wait_for(lambda: learned_in(host, local_vlan), "blue's traffic is learned from")
    with traffic(lab, "the other tenant's network deleted", ("red1", "red2")) as seen:
        with unseen(host, is_unseen):
            remove_blue(lab)
        settled(*lab.hosts.values())
    assert seen.is_undisturbed
    assert network not in agent(host)["local_vlans"]
    if not is_unseen:  # a new agent does not know which VLANs were in use: it forgets when it gives the VLAN again
        assert learned_in(host, local_vlan) == []
    restore(lab)


def learned_in(host: VirtualHost, local_vlan: int) -> list[str]:
    return [line for line in learned(host) if f"vlan_tci=0x{local_vlan:04x}/" in line]


@AGENT
def test_an_instance_moved_to_the_other_host_is_reached_there(lab: Lab, is_unseen: bool) -> None:
    before = lab.topology
    port = find(lab, "ports", "blue3-eth0")["id"]
    with traffic(lab, "blue3 moves to the other host and back, seen by its neighbours", ("blue1", "blue2")) as seen:
        for where in ("compute1", "compute2"):
            with contextlib.ExitStack() as stack:
                for host in lab.hosts.values():
                    stack.enter_context(unseen(host, is_unseen))
                change(lab, "instances", "blue3", host=where)
            set_topology(lab, moved(before, "blue3", where))
            converged(lab)
            assert find(lab, "ports", "blue3-eth0")["binding:host_id"] == where
            other = next(host for name, host in lab.hosts.items() if name != where)
            assert port[:11] not in other.run(["sh", "-c", "ip -o link; ovs-vsctl show"]).stdout
    assert seen.is_undisturbed
    set_topology(lab, before)


def moved(topology: Topology, instance: str, host: str) -> Topology:
    """The topology with an instance on another host."""
    spec = msgspec.structs.replace(topology.instances[instance], host=host)
    return msgspec.structs.replace(topology, instances={**topology.instances, instance: spec})


def set_topology(lab: Lab, topology: Topology) -> None:
    lab.topology = topology
    for host in lab.hosts.values():
        host.topology = topology


def test_a_moved_instance_is_reached_again_soon(lab: Lab) -> None:
    before = lab.topology
    with lab.ping_stream("blue1", "blue3", 0.01) as stream:
        assert stream.wait_for_replies(5)
        change(lab, "instances", "blue3", host="compute1")
        assert stream.wait_for_replies(5), "blue3 answers from compute1"
        change(lab, "instances", "blue3", host="compute2")
        set_topology(lab, before)
        converged(lab)
        assert stream.wait_for_replies(5), "blue3 answers from compute2"
        report = stream.stop(0.25)
    print(f"blue3 moved twice: lost {report.lost} of {report.sent}, longest {report.longest_outage_s * 1000:.0f} ms")
    assert report.longest_outage_s < 3


def test_an_instance_made_again_with_another_mac_is_reached_at_once_by_who_knew_the_old_one(lab: Lab) -> None:
    port = find(lab, "ports", "blue3-eth0")
    with lab.ping_stream("blue1", "blue3", 0.01) as stream:
        assert stream.wait_for_replies(5)
        delete(lab, "instances", "blue3")
        change(lab, "ports", "blue3-eth0", mac_address="fa:16:3e:77:77:77")
        with contextlib.closing(lab.client()) as client:
            apply_topology(client, with_mac(lab.topology, "blue3", "fa:16:3e:77:77:77"))
        assert stream.wait_for_replies(5), "blue3 answers with its new MAC"
        report = stream.stop(0.25)
    print(f"blue3 with another MAC: lost {report.lost}, longest {report.longest_outage_s * 1000:.0f} ms")
    assert report.longest_outage_s < 3
    delete(lab, "instances", "blue3")
    change(lab, "ports", "blue3-eth0", mac_address=port["mac_address"])
    restore(lab)


def with_mac(topology: Topology, instance: str, mac: str) -> Topology:
    """The topology with another MAC for an instance."""
    spec = topology.instances[instance]
    eth0 = msgspec.structs.replace(spec.interfaces["eth0"], mac=mac)
    again = msgspec.structs.replace(spec, interfaces={"eth0": eth0})
    return msgspec.structs.replace(topology, instances={**topology.instances, instance: again})


@pytest.mark.parametrize("plugging", ["direct", "hybrid"])
def test_an_instance_plugged_otherwise_loses_its_old_devices(lab: Lab, plugging: str) -> None:
    host = lab.host("compute1")
    with traffic(lab, f"red1's neighbour plugged {plugging}", ("red1", "red2")) as seen:
        change(lab, "instances", "red3", plugging=plugging)
        wait_for(lambda: not agent(host, "plan")["operations"], "nothing left to do")
        converged(lab)
        change(lab, "instances", "red3", plugging="direct")
        converged(lab)
    assert seen.is_undisturbed
    links = host.run(["ip", "-o", "link"]).stdout
    assert device(lab, "qbr", "red3") not in links
    assert device(lab, "qvo", "red3") not in links


@AGENT
def test_when_everything_is_deleted_hosts_have_only_the_bare_bridges(lab: Lab, is_unseen: bool) -> None:
    with contextlib.ExitStack() as stack:
        for host in lab.hosts.values():
            stack.enter_context(unseen(host, is_unseen))
        delete_everything(lab)
    settled(*lab.hosts.values())
    for host in lab.hosts.values():
        assert left_overs(host) == []
        assert agent(host)["local_vlans"] == {}
        bridges = host.run(["ovs-vsctl", "list-br"]).stdout.split()
        assert {"br-int", "br-tun"} == set(bridges) - {"br-phy"}
    assert objects(lab, "ports") == {}
    restore(lab)
