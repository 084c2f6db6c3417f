"""Forged senders and tags: what security/test_spoofing.py tries one by one, here while others go on with their work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import LLC, STP, Dot1Q, Dot3, Ether
from scapy.packet import Packet, Raw

from tests.functional.security.frames import Wire
from tests.functional.security.spoofing import BODY, MINE, WORD, WRONG, Scene, udp
from tests.functional.security.town import Town

pytestmark = pytest.mark.usefixtures("beside")
RESERVED = "01:80:c2:00:00:"
"""Addresses that a bridge does not pass on, or takes for itself (IEEE 802.1Q, table 8-1)."""


@contextmanager
def unheard(wires: Callable[[str], Wire], *names: str) -> Iterator[Wire]:
    """mallory's wire; what it sends within must not be heard at these, where a proper frame that follows is."""
    mallory, listeners = wires("mallory"), [wires(name) for name in names]
    for listener in listeners:
        listener.drain()
    yield mallory
    heard = []
    for name, listener in zip(names, listeners, strict=True):
        heard += [name for frame in listener.frames(0.3) if WORD in frame]
    assert heard == []


@pytest.mark.parametrize("receiver", ["victim", "neighbour", "blue1"])
def test_forged_mac_ip_arp_nd_ra_dhcp_and_tags(town: Town, wires: Callable[[str], Wire], receiver: str) -> None:
    fixed = [item["ip_address"] for item in town.port(receiver)["fixed_ips"]]
    address, address6 = sorted(fixed, key=lambda text: ":" in text)
    scene = Scene(town.port("mallory")["mac_address"], town.port(receiver)["mac_address"], address, address6)
    listeners = ["victim", "neighbour", "mallory2", "blue1", "blue2"]
    with unheard(wires, *listeners) as mallory:
        for make in WRONG.values():
            for _ in range(10):
                mallory.send(make(scene))
    if receiver != "blue1":
        proper = scene.frame() / IP(src=MINE, dst=address) / UDP(sport=5555, dport=7777) / Raw(b"[proper]")
        listener = wires(receiver)
        mallory.send(proper)
        assert listener.hears(b"[proper]", 5)


def test_tags_of_every_local_vlan(town: Town, wires: Callable[[str], Wire]) -> None:
    """The tag of blue's network on this host, alone, inside and outside of another, with each kind of tag."""
    blue = {int(tag) for tag in town.on("compute1", "ovs-vsctl --bare -c tag list port").split() if tag.isdigit()}
    assert len(blue) >= 3
    own, target = (town.port(name)["mac_address"] for name in ("mallory", "blue1"))
    listeners = ["blue1", "blue2", "victim", "neighbour"]
    with unheard(wires, *listeners) as mallory:
        for tag in (*blue, 0, 4095):
            for source in (MINE, "10.0.2.12"):
                for mac in (target, "ff:ff:ff:ff:ff:ff"):
                    inner: Packet = IP(src=source, dst="10.0.2.11") / udp()
                    for kind in (0x8100, 0x88A8, 0x9100):
                        mallory.send(Ether(src=own, dst=mac, type=kind) / Dot1Q(vlan=tag) / inner)
                        mallory.send(Ether(src=own, dst=mac, type=kind) / Dot1Q(vlan=tag) / Dot1Q(vlan=1) / inner)
                        mallory.send(Ether(src=own, dst=mac, type=kind) / Dot1Q(vlan=1) / Dot1Q(vlan=tag) / inner)


@pytest.mark.parametrize("attacker", ["mallory", "mallory2"])
def test_frames_for_bridges(town: Town, wires: Callable[[str], Wire], attacker: str) -> None:
    """LLDP, spanning tree, 802.1X, PAUSE, LACP and all reserved addresses: no bridge changes, nobody hears them."""
    bridges = (
        "ovs-vsctl --columns=stp_enable,rstp_enable,mcast_snooping_enable list bridge; ip -d link show type bridge"
    )
    timers = " | sed -E 's/(hello|tcn|topology_change|gc)_timer +[0-9.]+//g'"
    own, wire = town.port(attacker)["mac_address"], wires(attacker)
    listeners = {name: wires(name) for name in ("victim", "neighbour", "blue1", "blue2")}
    before = town.on("compute1", bridges + timers)
    for listener in listeners.values():
        listener.drain()
    for last in range(0x22):
        wire.send(Ether(src=own, dst=f"{RESERVED}{last:02x}", type=0x88CC) / BODY)
        wire.send(Dot3(src=own, dst=f"{RESERVED}{last:02x}") / LLC(dsap=0x42, ssap=0x42, ctrl=3) / STP() / BODY)
    for kind in (0x8808, 0x888E, 0x8809, 0x88CC, 0x8902, 0x9000, 0x0842):
        for to in (f"{RESERVED}01", f"{RESERVED}03", "ff:ff:ff:ff:ff:ff", town.port("neighbour")["mac_address"]):
            wire.send(Ether(src=own, dst=to, type=kind) / Raw(bytes([0, 1, 255, 255])) / BODY)
    assert [name for name, listener in listeners.items() if listener.hears(WORD, 0.2)] == []
    assert town.on("compute1", bridges + timers) == before


def test_a_dhcp_server_of_its_own(town: Town, wires: Callable[[str], Wire]) -> None:
    """mallory answers every request of its neighbour at once, in each form: the neighbour hears the network's alone."""
    own, target = (town.port(name)["mac_address"] for name in ("mallory", "neighbour"))
    lease = BOOTP(op=2, yiaddr="10.0.1.200", siaddr=MINE, giaddr=MINE, chaddr=bytes.fromhex(target.replace(":", "")))
    options = DHCP(options=[("message-type", "ack"), ("server_id", MINE), ("router", MINE), "end"])
    with unheard(wires, "neighbour", "victim") as mallory:
        for source in (MINE, "10.0.1.2", "0.0.0.0"):
            for to, mac in (("255.255.255.255", "ff:ff:ff:ff:ff:ff"), ("10.0.1.12", target), ("10.0.1.200", target)):
                for ports in ((67, 68), (67, 67), (68, 68), (1067, 68)):
                    answer = UDP(sport=ports[0], dport=ports[1]) / lease / options / BODY
                    is_for_a_client = ports[1] == 68
                    if is_for_a_client:
                        mallory.send(Ether(src=own, dst=mac) / IP(src=source, dst=to) / answer)
