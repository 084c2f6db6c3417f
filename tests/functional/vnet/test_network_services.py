"""OpenVNet's DHCP and DNS services with real clients: addresses, routes of the route link, and names."""

import time
from collections.abc import Iterator

import msgspec
import pytest

from patchbay.lab.lab import Lab
from tests.functional.vnet import seed003
from tests.functional.vnet.scene import TOPOLOGY, Scene
from tests.functional.vnet.seed003 import OVS_CREATE, SPACES, of_network, plug

NS1, _, NS3, *_ = SPACES
NETWORKS = ("net1", "net2")
SERVICES = (
    "vnctl network_service add --uuid=ns-dhcp1 --interface-uuid=if-vnet1gw --mode=dhcp",
    "vnctl network_service add --uuid=ns-dhcp2 --interface-uuid=if-vnet2gw --type=dhcp",
    "vnctl network_service add --uuid=ns-dns1 --interface-uuid=if-vnet1gw --mode=dns",
    "vnctl dns_service add --uuid=dnss-one --network-service-uuid=ns-dns1 --public-dns=192.0.2.53",
)


class Told(msgspec.Struct):
    """What a client was told: its address and routes, as ``ip`` shows them, and its lease."""

    address: str
    routes: str
    lease: str


class Clients(msgspec.Struct):
    """The scene, and what its clients were told."""

    scene: Scene
    told: dict[str, Told]


def until_served(scene: Scene, deadline_s: float = 30.0) -> None:
    """Wait until both networks have a DHCP server that works."""
    client, end = scene.lab.client(), time.monotonic() + deadline_s
    try:
        while True:
            ports = client.request("GET", "/v2.0/ports?device_owner=network:dhcp")["ports"]
            if [port["status"] for port in ports] == ["ACTIVE"] * len(NETWORKS):
                return
            assert time.monotonic() < end, f"no DHCP servers: {ports}; {scene.host.log('agent')}"
            time.sleep(0.05)
    finally:
        client.close()


def ask(scene: Scene, number: int) -> Told:
    """A namespace forgets its address and asks for one."""
    space = SPACES[number - 1]
    scene.within(space, f"ip address flush dev {space.device}")
    files = f"-lf /run/{space.name}.leases -pf /run/{space.name}.pid"
    scene.within(space, f"timeout 30 dhclient -4 -1 {files} {space.device}")
    told = Told(
        scene.within(space, f"ip -4 -o address show dev {space.device}"),
        scene.within(space, "ip -4 route"),
        scene.sh(f"cat /run/{space.name}.leases"),
    )
    scene.sh(f"kill $(cat /run/{space.name}.pid)")
    return told


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    with Lab.up(TOPOLOGY, name="test-vnet-services") as lab:
        scene = Scene(lab)
        scene.sh(OVS_CREATE)
        scene.api(seed003.REGISTER_DATAPATH)
        # DHCP is on before the other interfaces name their addresses: a server takes one of them, and makes room.
        for line in (*seed003.REGISTER_NET1[:1], *seed003.REGISTER_NET2[:1], *seed003.REGISTER_ROUTER, *SERVICES):
            if "datapaths/" not in line:
                scene.api([line])
        until_served(scene)
        scene.api((*seed003.REGISTER_NET1[1:], *seed003.REGISTER_NET2[1:]))
        for name in NETWORKS:
            for space in of_network(name):
                scene.sh(plug(space))
        scene.until_there([space for name in NETWORKS for space in of_network(name)])
        yield Clients(scene, {space.name: ask(scene, space.number) for space in (NS1, NS3)})


@pytest.mark.parametrize("space", [NS1, NS3])
def test_a_client_is_given_the_address_of_its_interface(clients: Clients, space: seed003.Space) -> None:
    assert f"inet {space.address}/24" in clients.told[space.name].address


def test_clients_are_told_the_routes_of_the_route_link(clients: Clients) -> None:
    assert "172.16.2.0/24 via 172.16.1.254" in clients.told["ns1"].routes
    assert "172.16.1.0/24 via 172.16.2.254" in clients.told["ns3"].routes
    assert "default" not in clients.told["ns1"].routes


def test_clients_of_two_networks_reach_each_other(clients: Clients) -> None:
    assert clients.scene.comes_to_reach(NS1, NS3.address)
    assert clients.scene.comes_to_reach(NS3, NS1.address)


def test_the_name_servers_of_the_dns_service_are_asked(clients: Clients) -> None:
    said = clients.scene.sh("cat /var/lib/patchbay/dhcp/*/* /run/patchbay/dhcp/*/* 2>/dev/null || true")
    assert "192.0.2.53" in said
    assert "domain-name-servers 172.16.1." in clients.told["ns1"].lease


def test_without_the_service_nobody_answers(clients: Clients) -> None:
    clients.scene.api(["vnctl network_service del ns-dhcp2"])
    client, end = clients.scene.lab.client(), time.monotonic() + 20
    try:
        while len(client.request("GET", "/v2.0/ports?device_owner=network:dhcp")["ports"]) > 1:
            assert time.monotonic() < end, "the DHCP server of net2 stays"
            time.sleep(0.05)
    finally:
        client.close()
