"""Interfaces that anybody plugs into a bridge registered as a datapath are ports of networks: on one host."""

from collections.abc import Callable

import pytest

from patchbay.intent.database import Delete
from tests.functional.vnet.datapath import CONTROLLER, Datapath, Scenario, run_on_datapath


@pytest.fixture
def on_datapath(on_private_host: Callable[..., None]) -> Callable[[Scenario], None]:
    """Run a scenario on a host of its own."""
    return lambda scenario: run_on_datapath(on_private_host, scenario)


def test_registered_before_or_after_plugging_two_interfaces_reach_each_other(on_datapath) -> None:
    async def scenario(here: Datapath) -> None:
        network = await here.one.writer.network("net1", 0x22)
        here.machine(1, "10.0.0.11")
        here.machine(2, "10.0.0.12")
        first = await here.interface(network, "if-veth1", "10.0.0.11")
        await here.register()
        here.make_bridge()
        here.plug(1)
        here.plug(2)
        await here.one.up(first)
        assert not here.reaches(1, "10.0.0.12")
        second = await here.interface(network, "if-veth2", "10.0.0.12")
        await here.one.up(first, second)
        await here.one.settled()
        # ns1 asks for the address again only after a second.
        await here.one.host.until(lambda: here.reaches(1, "10.0.0.12"), "ping")
        assert here.reaches(2, "10.0.0.11")

    on_datapath(scenario)


def test_the_bridge_of_the_seed_works_and_is_given_back_as_it_was(on_datapath) -> None:
    async def scenario(here: Datapath) -> None:
        here.make_bridge_as_the_seed()
        ports = await here.pair()
        assert here.reaches(1, "10.0.0.12")
        assert here.sh("ovs-vsctl get-controller br0") == ""
        assert here.column("bridge", "br0", "fail_mode") == "standalone"
        here.sh(f"ovs-vsctl set-controller br0 {CONTROLLER}")
        await here.one.host.until(lambda: here.sh("ovs-vsctl get-controller br0") == "", "no controller again")
        await here.one.settled()
        assert here.reaches(1, "10.0.0.12")
        datapath = next(iter(here.one.writer.database.vnet_objects.values()))
        await here.write(Delete(datapath))
        await here.one.host.until(lambda: not any(map(here.one.writer.is_up, ports)), "ports are down")
        await here.one.settled()
        assert here.sh("ovs-vsctl get-controller br0").strip() == CONTROLLER
        assert here.column("bridge", "br0", "protocols") == "[OpenFlow10, OpenFlow12, OpenFlow13]"
        assert here.column("bridge", "br0", "datapath_type") == '""'
        assert here.column("bridge", "br0", "external_ids") == "{}"
        assert here.sh("ovs-vsctl list-ports br0").split() == ["if-veth1", "if-veth2"]
        assert here.column("port", "if-veth1", "trunks") == "[]"
        await here.one.host.until(lambda: "br0" not in here.one.agent.machine.flows.bridges(), "it is left alone")

    on_datapath(scenario)


IN_DEAD_VLAN = bytes.fromhex(
    "ffffffffffff 5254000d8403 81000fff 0806 0001080006040001 5254000d8403 0a00000d 000000000000 0a00000b"
)
"""An ARP request for 10.0.0.11 from ns3, with the tag of VLAN 4095."""


def test_what_is_not_registered_on_the_bridge_hears_nothing_and_reaches_nobody(on_datapath) -> None:
    async def scenario(here: Datapath) -> None:
        here.make_bridge()
        await here.pair()
        for number in (3, 4):
            here.machine(number, f"10.0.0.1{number}")
            here.plug(number)
        here.sh("ip link set br0 up; ip address add 10.0.0.1/24 dev br0")
        await here.one.settled()
        with here.listening(3) as heard:
            here.sh("ip -n ns1 neigh flush all; ip -n ns2 neigh flush all")
            assert here.reaches(1, "10.0.0.12")
            assert not here.reaches(1, "10.0.0.13")
            assert here.reaches(4, "10.0.0.13")
            assert here.reaches(4, "10.0.0.1")
        assert "52:54:00:0d:84:04" in heard
        assert not heard & {"52:54:00:0d:84:01", "52:54:00:0d:84:02"}
        with here.listening(1) as heard:
            assert not here.reaches(3, "10.0.0.11")
            # Nor do they get in by the VLAN that attached interfaces share.
            here.shout(3, IN_DEAD_VLAN)
            assert here.reaches(2, "10.0.0.11")
        assert heard == {"52:54:00:0d:84:02"}

    on_datapath(scenario)


def test_without_agent_and_flows_the_bridge_switches_what_is_not_attached_and_nothing_else(on_datapath) -> None:
    async def scenario(here: Datapath) -> None:
        here.make_bridge()
        await here.pair()
        for number in (3, 4):
            here.machine(number, f"10.0.0.1{number}")
            here.plug(number)
        await here.one.settled()
        await here.one.stop_agent()
        here.one.host.kill("ovs-vswitchd")
        here.one.host.start_vswitchd()
        await here.one.host.until(lambda: here.reaches(4, "10.0.0.13"), "ping between those not attached")
        assert "0x7062" not in here.sh("ovs-appctl bridge/dump-flows br0")
        with here.listening(3) as of_a_stranger, here.listening(2) as of_net1:
            assert not here.reaches(1, "10.0.0.12")
            assert not here.reaches(4, "10.0.0.11")
        assert of_a_stranger <= {"52:54:00:0d:84:04"}
        assert of_net1 == set()
        await here.one.start_agent()
        await here.one.settled()
        await here.one.host.until(lambda: here.reaches(1, "10.0.0.12"), "ping")

    on_datapath(scenario)


def test_the_same_addresses_in_two_networks_stay_apart(on_datapath) -> None:
    async def scenario(here: Datapath) -> None:
        here.make_bridge()
        await here.pair()
        other = await here.one.writer.network("net3", 0x23)
        ports = []
        for number in (5, 6):
            here.machine(number, f"10.0.0.1{number - 4}")
            here.plug(number)
            ports.append(await here.interface(other, f"if-veth{number}", f"10.0.0.1{number - 4}"))
        await here.one.up(*ports)
        await here.one.settled()
        with here.listening(2) as of_net1, here.listening(6) as of_net3:
            assert here.reaches(5, "10.0.0.12")
        assert of_net1 == set()
        assert of_net3 == {"52:54:00:0d:84:05"}

    on_datapath(scenario)


def test_detached_interfaces_are_left_as_they_were_found(on_datapath) -> None:
    async def scenario(here: Datapath) -> None:
        here.make_bridge()
        first, second = await here.pair()
        here.sh("ovs-vsctl set port if-veth2 tag=7")
        await here.one.settled()
        assert here.column("port", "if-veth2", "tag") == "[]"
        await here.rename(second, "if-nowhere")
        await here.one.host.until(lambda: not here.one.writer.is_up(second), "its port is down")
        await here.one.settled()
        assert here.column("port", "if-veth2", "tag") == "7"
        assert here.column("port", "if-veth2", "external_ids") == "{}"
        assert not here.reaches(1, "10.0.0.12")
        await here.write(Delete(here.one.writer.database.ports[first.id]))
        await here.one.host.until(lambda: here.ours_on("br0") == [], "br0 is the administrator's alone")
        await here.one.settled()
        assert here.sh("ovs-vsctl list-ports br0").split() == ["if-veth1", "if-veth2"]
        await here.rename(second, "if-veth2")
        await here.one.up(second)

    on_datapath(scenario)


DAMAGE = (
    "ovs-vsctl del-port br-int $(ovs-vsctl list-ports br-int | grep -m1 qvo)",
    "ovs-vsctl del-port br0 $(ovs-vsctl list-ports br0 | grep -m1 qvb)",
    "ovs-vsctl del-port br0 if-veth1 -- add-port br0 if-veth1",
    "ovs-vsctl del-port br0 if-veth1; ovs-vsctl add-port br0 if-veth1",
    "ovs-vsctl clear port if-veth1 trunks external_ids",
    "ovs-vsctl clear port $(ovs-vsctl list-ports br0 | grep -m1 qvb) trunks external_ids",
    "ovs-vsctl set port if-veth2 tag=9",
    "ovs-ofctl del-flows br0",
    "ovs-ofctl mod-flows br0 actions=drop",
    "ovs-vsctl set-controller br0 tcp:127.0.0.1:6633",
    "ovs-vsctl set bridge br0 protocols=OpenFlow10",
    "ovs-vsctl del-br br-int",
    "ovs-vsctl del-br br0; {again}; ovs-vsctl add-port br0 if-veth1 -- add-port br0 if-veth2",
    "ovs-vsctl del-br br0 -- del-br br-int; {again}; ovs-vsctl add-port br0 if-veth1; ovs-vsctl add-port br0 if-veth2",
    "ip link set if-veth1 down; ip link set if-veth1 up",
)


def test_what_a_stranger_breaks_is_repaired(on_datapath) -> None:
    async def scenario(here: Datapath) -> None:
        here.make_bridge()
        again = "ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev other_config:datapath-id=000002fdee8e0a44"
        ports = await here.pair()
        for command in DAMAGE:
            here.sh(command.replace("{again}", again))
            await here.one.up(*ports)
            await here.one.settled()
            await here.one.host.until(lambda: here.reaches(1, "10.0.0.12"), f"ping after {command}")

    on_datapath(scenario)


def test_without_the_bridge_the_ports_are_down_and_nothing_of_ours_is_left(on_datapath) -> None:
    async def scenario(here: Datapath) -> None:
        here.make_bridge()
        ports = await here.pair()
        here.sh("ovs-vsctl del-br br0")
        await here.one.host.until(lambda: not any(map(here.one.writer.is_up, ports)), "ports are down")
        await here.one.settled()
        assert "qvo" not in here.sh("ovs-vsctl list-ports br-int")
        host = here.one.writer.database.host_named("compute1")
        await here.one.host.until(
            lambda: here.one.writer.database.host_named("compute1").datapaths == {}, "the host tells no datapath"
        )
        assert host is not None

    on_datapath(scenario)


@pytest.mark.parametrize("daemon", ["agent", "ovs-vswitchd", "ovsdb-server", "both"])
def test_what_was_killed_comes_back(on_datapath, daemon: str) -> None:
    async def scenario(here: Datapath) -> None:
        here.make_bridge_as_the_seed()
        ports = await here.pair()
        before = here.sh("ovs-vsctl list port; ovs-vsctl list bridge | grep -v datapath_version")
        here.one.host.sh("ip netns exec ns1 ping -i 0.01 -c 200 -q 10.0.0.12 >/run/pings & sleep 0.1")
        if daemon == "agent":
            await here.one.stop_agent()
            await here.one.start_agent()
            assert here.one.agent.operations == 0
        else:
            for one in ("ovs-vswitchd", "ovsdb-server") if daemon == "both" else (daemon,):
                here.one.host.kill(one)
            if daemon != "ovs-vswitchd":
                here.one.host.start_ovsdb()
            if daemon != "ovsdb-server":
                here.one.host.start_vswitchd()
        await here.one.up(*ports)
        await here.one.settled()
        await here.one.host.until(lambda: here.reaches(1, "10.0.0.12"), "ping")
        if daemon == "agent":
            assert here.sh("ovs-vsctl list port; ovs-vsctl list bridge | grep -v datapath_version") == before
            await here.one.host.until(lambda: "received" in here.sh("cat /run/pings"), "pings are done")
            assert "200 received" in here.sh("cat /run/pings")

    on_datapath(scenario)


def test_the_bridge_itself_is_an_interface_of_mode_host(on_datapath) -> None:
    async def scenario(here: Datapath) -> None:
        here.make_bridge()
        await here.pair()
        here.sh("ip link set br0 address 52:54:00:0d:84:99 up; ip address add 10.0.0.99/24 dev br0")
        assert not here.reaches(1, "10.0.0.99")
        here.macs["br0"] = "52:54:00:0d:84:99"
        port = await here.interface(next(iter(here.one.writer.database.networks.values())), "br0", "10.0.0.99")
        await here.one.up(port)
        await here.one.settled()
        await here.one.host.until(lambda: here.reaches(1, "10.0.0.99"), "the host is in the network")
        await here.one.stop_agent()
        await here.one.start_agent()
        assert here.one.agent.operations == 0

    on_datapath(scenario)


def test_a_patch_port_and_a_cable_to_another_switch_are_interfaces_of_modes_patch_and_edge(on_datapath) -> None:
    async def scenario(here: Datapath) -> None:
        here.make_bridge()
        await here.pair()
        here.make_bridge("theirs", "00000000000000aa")
        for number in (7, 8):
            here.machine(number, f"10.0.0.1{number}")
        here.plug(7, "theirs")
        here.sh(
            "ovs-vsctl add-port theirs to-br0 -- set interface to-br0 type=patch options:peer=to-theirs"
            " -- add-port br0 to-theirs -- set interface to-theirs type=patch options:peer=to-br0"
            "; ip link add shop type bridge mcast_snooping 0; ip link set shop up"
            "; ip link set if-veth8 master shop; ip link add eth9 type veth peer name shop9"
            "; ip link set eth9 up; ip link set shop9 master shop up; ovs-vsctl add-port br0 eth9"
        )
        network = next(iter(here.one.writer.database.networks.values()))
        here.macs |= {"to-theirs": here.macs["if-veth7"], "eth9": here.macs["if-veth8"]}
        ports = [
            await here.interface(network, "to-theirs", "10.0.0.17"),
            await here.interface(network, "eth9", "10.0.0.18"),
        ]
        await here.one.up(*ports)
        await here.one.settled()
        assert here.reaches(1, "10.0.0.17")
        assert here.reaches(1, "10.0.0.18")
        assert here.reaches(7, "10.0.0.18")
        assert here.ours_on("theirs") == []

    on_datapath(scenario)


def test_what_was_registered_no_more_while_no_agent_ran_is_given_back_by_the_next_one(on_datapath) -> None:
    async def scenario(here: Datapath) -> None:
        here.make_bridge()
        here.sh("ovs-vsctl set bridge br0 protocols=OpenFlow10,OpenFlow13")
        await here.pair()
        await here.one.stop_agent()
        await here.write(*map(Delete, here.one.writer.database.vnet_objects.values()))
        await here.one.start_agent()
        await here.one.host.until(lambda: here.ours_on("br0") == [], "nothing of ours is on br0")
        await here.one.settled()
        assert here.column("bridge", "br0", "protocols") == "[OpenFlow10, OpenFlow13]"
        # On the bridge itself they reach each other, as without Patchbay.
        await here.one.host.until(lambda: here.reaches(1, "10.0.0.12"), "ping")

    on_datapath(scenario)


def test_among_many_interfaces_those_that_ports_name_are_theirs(on_datapath) -> None:
    async def scenario(here: Datapath) -> None:
        here.make_bridge()
        many = " ".join(f"-- add-port br0 many{number}" for number in range(70))
        here.sh(f"ovs-vsctl --no-wait {many.removeprefix('-- ')}")
        await here.pair()
        await here.one.host.until(lambda: here.reaches(1, "10.0.0.12"), "ping")
        network = await here.one.writer.network("net2", 0x24)
        here.sh("ip link add many7 type veth peer name other7; ip link set many7 up; ip link set other7 up")
        await here.one.up(await here.interface(network, "many7", "10.0.0.17"))

    on_datapath(scenario)


def test_of_two_ports_that_name_one_interface_the_one_bound_here_has_it(on_datapath) -> None:
    async def scenario(here: Datapath) -> None:
        here.make_bridge()
        first, _ = await here.pair()
        network = next(iter(here.one.writer.database.networks.values()))
        bound = await here.interface(network, "if-veth1", "10.0.0.21", host="compute1")
        await here.one.up(bound)
        await here.one.host.until(lambda: not here.one.writer.is_up(first), "the other is down")
        await here.write(Delete(here.one.writer.database.ports[bound.id]))
        await here.one.up(first)
        elsewhere = await here.interface(network, "if-veth1", "10.0.0.22", host="compute2")
        await here.one.settled()
        assert here.one.writer.is_up(first)
        assert not here.one.writer.is_up(elsewhere)

    on_datapath(scenario)
