"""The network between hosts: neither instances nor strangers on it put frames into the network of a tenant."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scapy.contrib.geneve import GENEVE
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, GRE, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from patchbay.lab.control_plane import INTENT_PORT, JOIN_PORT, service_address
from patchbay.lab.namespaces import Space, start_space
from patchbay.lab.underlay import UNDERLAY, run_ip
from tests.functional.attacks.scene import HOSTS, OUTSIDE
from tests.functional.security.frames import BROADCAST, Wire
from tests.functional.security.town import Town, wait_for

pytestmark = pytest.mark.usefixtures("beside")
WORD = b"[carried in a tunnel]"
STRANGER = "172.21.46.77"


def vni(town: Town, network: str) -> int:
    """The VNI of a network."""
    return int(town.get("networks", network)["provider:segmentation_id"])


@pytest.fixture(scope="module")
def tunnelled(town: Town) -> list[Packet]:
    """A frame for blue1 in each kind of tunnel, with the VNI of its network, then in VXLAN with each small VNI."""
    target, peer = town.port("blue1"), town.port("blue2")
    carried = Ether(src=peer["mac_address"], dst=target["mac_address"])
    carried /= IP(src="10.0.2.12", dst="10.0.2.11") / UDP(sport=1, dport=9) / Raw(WORD)
    number = vni(town, "blue")
    ways: list[Packet] = [UDP(sport=50000, dport=port) / VXLAN(vni=number) / carried for port in (4789, 8472, 4790)]
    ways.append(UDP(sport=50000, dport=6081) / GENEVE(vni=number, proto=0x6558) / carried)
    ways.append(GRE(proto=0x6558, key_present=1, key=number) / carried)
    ways.append(GRE(proto=0x6558) / carried)
    ways += [UDP(sport=50000, dport=4789) / VXLAN(vni=small) / carried for small in range(40)]
    return [way.__class__(bytes(way)) for way in ways]


def mac_of(town: Town, host: str) -> str:
    """Of the device that has the host's tunnel address."""
    shown = town.on(host, f"ip -o link show {town.lab.host(host).underlay_device}")
    return re.findall(r"link/ether (\S+)", shown)[0]


def assert_unheard(listeners: dict[str, Wire]) -> None:
    assert [name for name, wire in listeners.items() if wire.hears(WORD, 0.3)] == []


@pytest.mark.parametrize("attacker", ["mallory", "mallory2"])
def test_an_instance_sends_vxlan_to_the_tunnel_address(
    town: Town, wires: Callable[[str], Wire], attacker: str, tunnelled: list[Packet]
) -> None:
    """By the MAC of the host, of its bridges, by broadcast; from its own address, another host's, its own host's."""
    own, wire = town.port(attacker)["mac_address"], wires(attacker)
    address = next(item["ip_address"] for item in town.port(attacker)["fixed_ips"] if ":" not in item["ip_address"])
    listeners = {name: wires(name) for name in ("blue1", "blue2")}
    macs = set(re.findall(r"link/ether (\S+)", town.on("compute1", "ip -o link"))) | {mac_of(town, "compute2")}
    for mac in (BROADCAST, *sorted(macs)):
        for source in (address, *HOSTS.values()):
            for target in HOSTS.values():
                for way in tunnelled[:8]:
                    wire.send(Ether(src=own, dst=mac) / IP(src=source, dst=target) / way)
    assert_unheard(listeners)


def test_an_instance_without_port_security_sends_vxlan_as_another_host(
    town: Town, wires: Callable[[str], Wire], tunnelled: list[Packet]
) -> None:
    """Whoever owns a network may turn port security off there: that opens no way out of the network."""
    own, wire = town.port("loose")["mac_address"], wires("loose")
    listeners = {name: wires(name) for name in ("blue1", "blue2")}
    macs = set(re.findall(r"link/ether (\S+)", town.on("compute1", "ip -o link"))) | {mac_of(town, "compute2")}
    for mac in (BROADCAST, *sorted(macs)):
        for source, target in ((HOSTS["compute2"], HOSTS["compute1"]), (HOSTS["compute1"], HOSTS["compute2"])):
            for way in tunnelled[:8]:
                wire.send(Ether(src=own, dst=mac) / IP(src=source, dst=target) / way)
    assert_unheard(listeners)


@pytest.mark.parametrize("attacker", ["mallory", "mallory2"])
def test_an_instance_sends_vxlan_by_its_router(
    town: Town, wires: Callable[[str], Wire], attacker: str, tunnelled: list[Packet]
) -> None:
    """With a floating IP (mallory) and by the router's own address (mallory2)."""
    own, wire = town.port(attacker)["mac_address"], wires(attacker)
    address = next(item["ip_address"] for item in town.port(attacker)["fixed_ips"] if ":" not in item["ip_address"])
    gateway = next(
        port["mac_address"]
        for port in town.client.request("GET", "/v2.0/ports")["ports"]
        if any(fixed["ip_address"] == "10.0.1.1" for fixed in port["fixed_ips"])
    )
    listeners = {name: wires(name) for name in ("blue1", "blue2")}
    for target in (*HOSTS.values(), OUTSIDE):
        for way in tunnelled:
            wire.send(Ether(src=own, dst=gateway) / IP(src=address, dst=target) / way)
    assert_unheard(listeners)


@pytest.fixture(scope="module")
def stranger(town: Town) -> Iterator[Space]:
    """A machine on the network between the hosts that is none of them."""
    space = start_space("host", "stranger", within=town.lab.space)
    near = f"s{space.pid}-0"
    run_ip(town.lab.space, [f"link add {near} mtu 1600 type veth peer name eth0 netns {space.pid}"])
    run_ip(town.lab.space, [f"link set {near} master {UNDERLAY} up"])
    space.run(["sh", "-ec", f"ip link set lo up; ip link set eth0 up; ip address add {STRANGER}/24 dev eth0"])
    yield space
    space.end()


def reaches_the_hosts(space: Space) -> bool:
    return all(space.run(["ping", "-c1", "-W1", address], check=False).returncode == 0 for address in HOSTS.values())


def test_a_stranger_on_the_underlay_sends_vxlan(
    town: Town, wires: Callable[[str], Wire], stranger: Space, tunnelled: list[Packet]
) -> None:
    """It reaches the hosts, and no tunnel of theirs takes what is not from the address of a host that has joined."""
    wait_for(lambda: reaches_the_hosts(stranger), "the stranger reaches the hosts")
    wire = Wire(Path(f"/proc/{stranger.pid}/ns/net"))
    own = re.findall(r"link/ether (\S+)", stranger.run(["ip", "-o", "link", "show", "eth0"]).stdout)[0]
    listeners = {name: wires(name) for name in ("blue1", "blue2", "mallory", "victim")}
    for host, address in HOSTS.items():
        to = mac_of(town, host)
        for source in (STRANGER, "10.0.2.12", address, "127.0.0.1"):
            for way in tunnelled:
                wire.send(Ether(src=own, dst=to) / IP(src=source, dst=address) / way)
    assert_unheard(listeners)
    # The frames are good ones: with the address of a host they are taken. The underlay must keep such senders out.
    wire.send(
        Ether(src=own, dst=mac_of(town, "compute1")) / IP(src=HOSTS["compute2"], dst=HOSTS["compute1"]) / tunnelled[0]
    )
    assert listeners["blue1"].hears(WORD, 5)
    wire.close()


def test_tunnels_are_ports_for_one_peer_each(town: Town) -> None:
    """What comes from no known host has no port to come in by."""
    for host, address in HOSTS.items():
        (other,) = (one for one in HOSTS.values() if one != address)
        shown = town.on(host, "ovs-vsctl --format=csv --no-headings --columns=type,options find interface type=vxlan")
        assert len(shown.strip().splitlines()) == 1
        assert f"remote_ip={other}" in shown.replace('"', "")
        assert f"local_ip={address}" in shown.replace('"', "")
        kinds = town.on(host, "ovs-vsctl --bare --columns=type list interface").split()
        assert set(kinds) <= {"patch", "internal", "vxlan", "system"}


def test_the_control_plane_is_not_reached_by_an_instance(town: Town, lab_service: tuple[str, int, int]) -> None:
    """The service listens between the hosts, for joining and for agents: hosts reach it, instances do not."""
    address, *ports = lab_service
    each = " ".join(f"(: </dev/tcp/{address}/{port}) && echo open;" for port in ports)
    ask = f"timeout 1 bash -c '{each}'"
    assert town.on("compute2", ask).split() == ["open"] * len(ports)
    for attacker in ("mallory", "mallory2"):
        assert "open" not in town.within(attacker, ask)
        town.within(attacker, f"ip route add {address} dev eth0")
        assert "open" not in town.within(attacker, ask)
        assert not town.reaches(attacker, address)
        town.within(attacker, f"ip route del {address} dev eth0")


@pytest.fixture(scope="module")
def lab_service(town: Town) -> tuple[str, int, int]:
    """The service's address on the underlay, and the ports there."""
    return service_address(town.lab.topology), JOIN_PORT, INTENT_PORT


def test_arp_for_addresses_of_hosts(town: Town, wires: Callable[[str], Wire]) -> None:
    """Nothing answers an instance for an address of the underlay; and it takes none of them over there."""
    own, wire = town.port("mallory2")["mac_address"], wires("mallory2")
    wire.drain()
    for target in HOSTS.values():
        wire.send(Ether(src=own, dst=BROADCAST) / ARP(op=1, hwsrc=own, psrc="10.0.1.67", pdst=target))
        wire.send(Ether(src=own, dst=BROADCAST) / ARP(op=1, hwsrc=own, psrc=target, pdst=target))
    assert [frame for frame in wire.frames(0.5) if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2"] == []
    for host in HOSTS:
        assert own not in town.on(host, "ip neigh; ovs-appctl tnl/neigh/show")
