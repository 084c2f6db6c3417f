"""Seed 003 with its own commands, in its own order: what its author saw, and what he found missing."""

from collections.abc import Iterator
from urllib.request import urlopen

import msgspec
import pytest

from patchbay.lab.lab import Lab
from tests.functional.vnet import seed003
from tests.functional.vnet.scene import TOPOLOGY, Ping, Scene, sources
from tests.functional.vnet.seed003 import OVS_CREATE, ROUTER, SPACES, of_network, plug, route

NS1, NS2, NS3, NS4, NS5, NS6 = SPACES
TWICE = (NS1, NS2, NS5, NS6)
"""The namespaces of the networks with the same addresses."""


class Story(msgspec.Struct):
    """What was seen on the way: by section of the seed."""

    scene: Scene
    net1_ping: Ping
    net1_capture: str
    net1_arp: set[str]
    net3_ping: Ping
    heard: dict[str, str]
    strangers: dict[str, set[str]]
    router_pings: dict[tuple[str, str], Ping]
    router_arp: dict[str, set[str]]


def tell(scene: Scene) -> Story:
    """Run the scripts in the order of the text, and look where the text looks."""
    # 仮想ネットワークの作成: a virtual network with two interfaces
    scene.api((*seed003.REGISTER_DATAPATH, *seed003.REGISTER_NET1))
    scene.sh(OVS_CREATE)
    for space in of_network("net1"):
        scene.sh(plug(space))
    scene.until_there(of_network("net1"))
    net1_capture = scene.captured([NS2], "ip netns exec ns1 ping -c 1 -W 5 172.16.1.2")[NS2.name]
    net1_ping = scene.ping(NS1, NS2.address, 5)
    net1_arp = scene.arp(NS1)
    # IPアドレスが重複する仮想ネットワークでの動作: another one with the same addresses
    scene.api(seed003.REGISTER_NET3)
    for space in of_network("net3"):
        scene.sh(plug(space))
    scene.until_there(of_network("net3"))
    heard = dict(scene.captured(TWICE, "ip netns exec ns5 ping -i 0.2 -c 3 -W 5 172.16.1.2"))
    strangers = {space.name: scene.strangers(space, heard[space.name]) for space in TWICE}
    net3_ping = scene.ping(NS5, NS6.address, 3)
    # 仮想ネットワーク間のルーティング: a router between net1 and net2
    scene.api((*seed003.REGISTER_NET2, *seed003.REGISTER_ROUTER))
    for space in of_network("net2"):
        scene.sh(plug(space))
    for space in SPACES:
        scene.sh(route(space))
    scene.until_there(SPACES)
    pairs = [(NS1, NS3), (NS2, NS4), (NS3, NS2), (NS4, NS1)]
    router_pings = {(one.name, other.address): scene.ping(one, other.address, 3) for one, other in pairs}
    router_arp = {space.name: scene.arp(space) for space in (NS1, NS3)}
    return Story(scene, net1_ping, net1_capture, net1_arp, net3_ping, heard, strangers, router_pings, router_arp)


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with Lab.up(TOPOLOGY, name="test-seed003") as lab:
        yield tell(Scene(lab))


def test_two_interfaces_of_a_network_reach_each_other(story: Story) -> None:
    assert (story.net1_ping.sent, story.net1_ping.received) == (5, 5)
    assert story.net1_arp == {f"? ({NS2.address}) at {NS2.mac} [ether] on ns-veth1"}
    assert "Request who-has 172.16.1.2 tell 172.16.1.1" in story.net1_capture
    assert f"Reply 172.16.1.2 is-at {NS2.mac}" in story.net1_capture
    assert "172.16.1.1 > 172.16.1.2: ICMP echo request" in story.net1_capture


def test_a_network_with_the_same_addresses_is_another_network(story: Story) -> None:
    assert (story.net3_ping.sent, story.net3_ping.received) == (3, 3)
    assert "172.16.1.1 > 172.16.1.2: ICMP echo request" in story.heard["ns6"]
    assert f"Reply 172.16.1.2 is-at {NS6.mac}" in story.heard["ns6"]
    for space in TWICE:
        assert story.strangers[space.name] == set()
        assert ("ICMP echo" in story.heard[space.name]) == (space.network == "net3")
    assert sources(story.heard["ns6"]) >= {NS5.mac, NS6.mac}
    assert story.scene.arp(NS5) == {f"? ({NS6.address}) at {NS6.mac} [ether] on ns-veth5"}


def test_packets_are_routed_between_two_networks(story: Story) -> None:
    for pair, ping in story.router_pings.items():
        assert ping.received == ping.sent == 3, pair
    first = min(ping.times_ms[0] for ping in story.router_pings.values())
    print(f"first pings: {[ping.times_ms[0] for ping in story.router_pings.values()]} ms")
    assert first < 5.0, "the seed's took 20 ms"


def test_arp_tables_show_the_router_s_own_addresses(story: Story) -> None:
    (first, first_mac), (second, second_mac) = ROUTER["net1"], ROUTER["net2"]
    assert f"? ({first}) at {first_mac} [ether] on ns-veth1" in story.router_arp["ns1"]
    assert f"? ({second}) at {second_mac} [ether] on ns-veth3" in story.router_arp["ns3"]


def test_the_router_answers_ping_which_it_did_not_in_the_seed(story: Story) -> None:
    for space in (NS1, NS2, NS3, NS4):
        for address, _ in ROUTER.values():
            assert story.scene.ping(space, address, 2).received == 2, (space.name, address)


def test_the_router_is_not_the_third_network_s(story: Story) -> None:
    heard = story.scene.captured([NS5, NS6], "ip netns exec ns1 ping -c 2 -i 0.2 -W 2 172.16.2.3")
    assert not [space for space in (NS5, NS6) if story.scene.strangers(space, heard[space.name])]
    assert story.scene.ping(NS5, ROUTER["net1"][0]).received == 0


def test_packets_lose_one_hop_on_the_way(story: Story) -> None:
    assert "ttl=64" in story.scene.within(NS1, "ping -c 1 -W 2 172.16.1.2")
    assert "ttl=63" in story.scene.within(NS1, "ping -c 1 -W 2 172.16.2.3")


def test_the_datapath_is_shown_connected_and_its_interfaces_are_active_ports(story: Story) -> None:
    shown = msgspec.json.decode(urlopen(f"{story.scene.lab.vnet_endpoint}/api/datapaths/dp-br0").read())
    assert (shown["dpid"], shown["is_connected"]) == (f"0x{seed003.DPID}", True)
    client = story.scene.lab.client()
    ports = {port["mac_address"]: port for port in client.request("GET", "/v2.0/ports")["ports"]}
    client.close()
    assert {ports[space.mac]["status"] for space in SPACES} == {"ACTIVE"}


def test_the_bridge_is_as_the_seed_made_it_and_its_controller_is_not_asked(story: Story) -> None:
    assert story.scene.sh("ovs-vsctl get-fail-mode br0").strip() == "standalone"
    assert story.scene.sh("ovs-vsctl get bridge br0 datapath-id").strip().strip('"') == seed003.DPID
    assert story.scene.sh("ovs-vsctl get-controller br0").strip() == ""
    assert "tcp:127.0.0.1:6633" in story.scene.sh("ovs-vsctl get bridge br0 external_ids")


def test_commands_of_the_seed_given_twice_are_refused_and_change_nothing(story: Story) -> None:
    with pytest.raises(AssertionError, match="nw-net1"):
        story.scene.api(seed003.REGISTER_NET1[:1])
    assert story.scene.ping(NS1, NS2.address).received == 1
