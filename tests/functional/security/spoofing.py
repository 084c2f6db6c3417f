"""What a hostile instance at 10.0.1.66 must not send, what it may, and whether a receiver hears it."""

from collections.abc import Callable

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

from patchbay.compile.responder import link_local
from tests.functional.security.frames import BROADCAST, Wire

MINE, MINE6 = "10.0.1.66", "fd00:1::66"
VICTIM, VICTIM6 = "10.0.1.11", "fd00:1::11"
OTHER_MAC = "fa:16:3e:99:99:99"
ALL_NODES, ALL_NODES_MAC = "ff02::1", "33:33:00:00:00:01"
WORD = b"[a hostile word that no other frame has]"
BODY = Raw(WORD)


class Scene:
    """Who sends, and to whom: ``own`` is the sender's MAC, ``to`` the receiver's, with its addresses."""

    def __init__(self, own: str, to: str, address: str, address6: str) -> None:
        self.own, self.to, self.address, self.address6 = own, to, address, address6
        self.local = str(link_local(own))

    def frame(self, **fields: str) -> Packet:
        return Ether(**{"src": self.own, "dst": self.to} | fields)


def udp(port: int = 9999) -> Packet:
    return UDP(sport=4444, dport=port) / BODY


PROPER: dict[str, Callable[[Scene], Packet]] = {
    "UDP": lambda s: s.frame() / IP(src=MINE, dst=s.address) / udp(),
    "UDP over IPv6": lambda s: s.frame() / IPv6(src=MINE6, dst=s.address6) / udp(),
    "UDP from its link-local address": lambda s: s.frame() / IPv6(src=s.local, dst=s.address6) / udp(),
    "an ARP request": lambda s: s.frame(dst=BROADCAST) / ARP(op=1, hwsrc=s.own, psrc=MINE, pdst="10.0.1.250") / BODY,
    "a gratuitous ARP": lambda s: s.frame(dst=BROADCAST) / ARP(op=1, hwsrc=s.own, psrc=MINE, pdst=MINE) / BODY,
    "broadcast": lambda s: s.frame(dst=BROADCAST) / IP(src=MINE, dst="255.255.255.255") / udp(),
    "multicast": lambda s: s.frame(dst="01:00:5e:00:00:fb") / IP(src=MINE, dst="224.0.0.251") / udp(),
    "multicast of IPv6": lambda s: s.frame(dst=ALL_NODES_MAC) / IPv6(src=MINE6, dst=ALL_NODES) / udp(),
}
WRONG: dict[str, Callable[[Scene], Packet]] = {
    "another MAC": lambda s: s.frame(src=OTHER_MAC) / IP(src=MINE, dst=s.address) / udp(),
    "another's address": lambda s: s.frame() / IP(src=VICTIM, dst=s.address) / udp(),
    "another's IPv6 address": lambda s: s.frame() / IPv6(src=VICTIM6, dst=s.address6) / udp(),
    "another's link-local address": lambda s: s.frame() / IPv6(src="fe80::1", dst=s.address6) / udp(),
    "no address": lambda s: s.frame() / IP(src="0.0.0.0", dst=s.address) / udp(),
    "no IPv6 address": lambda s: s.frame() / IPv6(src="::", dst=s.address6) / udp(),
    "ARP for another": lambda s: s.frame(dst=BROADCAST) / ARP(op=1, hwsrc=s.own, psrc=VICTIM, pdst=VICTIM) / BODY,
    "an ARP reply for another": lambda s: (
        s.frame() / ARP(op=2, hwsrc=s.own, psrc="10.0.1.1", hwdst=s.to, pdst=s.address) / BODY
    ),
    "ARP with another MAC inside": lambda s: (
        s.frame(dst=BROADCAST) / ARP(op=1, hwsrc=OTHER_MAC, psrc=MINE, pdst=s.address) / BODY
    ),
    "an ARP probe for another": lambda s: (
        s.frame(dst=BROADCAST) / ARP(op=1, hwsrc=s.own, psrc="0.0.0.0", pdst=VICTIM) / BODY
    ),
    "an advertisement for another": lambda s: (
        s.frame(dst=ALL_NODES_MAC)
        / IPv6(src=MINE6, dst=ALL_NODES, hlim=255)
        / ICMPv6ND_NA(tgt=VICTIM6, R=0, S=0, O=1)
        / ICMPv6NDOptDstLLAddr(lladdr=s.own)
        / BODY
    ),
    "an advertisement with another MAC inside": lambda s: (
        s.frame(dst=ALL_NODES_MAC)
        / IPv6(src=MINE6, dst=ALL_NODES, hlim=255)
        / ICMPv6ND_NA(tgt=MINE6)
        / ICMPv6NDOptDstLLAddr(lladdr=OTHER_MAC)
        / BODY
    ),
    "a solicitation with another MAC inside": lambda s: (
        s.frame()
        / IPv6(src=MINE6, dst=s.address6, hlim=255)
        / ICMPv6ND_NS(tgt=s.address6)
        / ICMPv6NDOptSrcLLAddr(lladdr=OTHER_MAC)
        / BODY
    ),
    "duplicate detection of another's address": lambda s: (
        s.frame(dst=ALL_NODES_MAC) / IPv6(src="::", dst=ALL_NODES, hlim=255) / ICMPv6ND_NS(tgt=VICTIM6) / BODY
    ),
    "a router advertisement": lambda s: (
        s.frame(dst=ALL_NODES_MAC) / IPv6(src=s.local, dst=ALL_NODES, hlim=255) / ICMPv6ND_RA() / BODY
    ),
    "a router advertisement behind an extension header": lambda s: (
        s.frame(dst=ALL_NODES_MAC)
        / IPv6(src=s.local, dst=ALL_NODES, hlim=255)
        / IPv6ExtHdrDestOpt()
        / ICMPv6ND_RA()
        / BODY
    ),
    "a router advertisement in a fragment": lambda s: (
        s.frame(dst=ALL_NODES_MAC)
        / IPv6(src=s.local, dst=ALL_NODES, hlim=255)
        / IPv6ExtHdrFragment(id=7, m=0, offset=0)
        / ICMPv6ND_RA()
        / BODY
    ),
    "a redirect": lambda s: (
        s.frame() / IPv6(src=s.local, dst=s.address6, hlim=255) / ICMPv6ND_Redirect(tgt=MINE6, dst="2001:db8::1") / BODY
    ),
    "a DHCP offer": lambda s: (
        s.frame(dst=BROADCAST)
        / IP(src=MINE, dst="255.255.255.255")
        / UDP(sport=67, dport=68)
        / BOOTP(op=2, yiaddr="10.0.1.99", siaddr=MINE, chaddr=bytes(16))
        / DHCP(options=[("message-type", "offer"), "end"])
        / BODY
    ),
    "a DHCP offer to one": lambda s: s.frame() / IP(src=MINE, dst=s.address) / UDP(sport=67, dport=68) / BODY,
    "a DHCPv6 reply": lambda s: s.frame() / IPv6(src=s.local, dst=s.address6) / UDP(sport=547, dport=546) / BODY,
    "a VLAN tag": lambda s: s.frame() / Dot1Q(vlan=1) / IP(src=MINE, dst=s.address) / udp(),
    "the dead VLAN's tag": lambda s: s.frame() / Dot1Q(vlan=4095) / IP(src=MINE, dst=s.address) / udp(),
    "a priority tag": lambda s: s.frame() / Dot1Q(vlan=0, prio=5) / IP(src=MINE, dst=s.address) / udp(),
    "two tags": lambda s: s.frame() / Dot1Q(vlan=2) / Dot1Q(vlan=1) / IP(src=MINE, dst=s.address) / udp(),
    "an 802.1ad tag": lambda s: s.frame(type=0x88A8) / Dot1Q(vlan=1) / IP(src=MINE, dst=s.address) / udp(),
    "spanning tree": lambda s: s.frame(dst="01:80:c2:00:00:00", type=0x0042) / BODY,
    "another Ethernet type": lambda s: s.frame(type=0x88CC) / BODY,
    "RARP": lambda s: s.frame(dst=BROADCAST, type=0x8035) / ARP(op=3, hwsrc=s.own, psrc=MINE) / BODY,
}


def hears(mallory: Wire, receiver: Wire, frame: Packet, last: Packet) -> bool:
    """Send a frame and, after it, a proper one, twice: whether the first is heard before.

    Of what comes in at once the datapath forwards last what it knows already: the second time it is behind that.
    """
    receiver.drain()
    mallory.send(frame)
    end = b"[the end of it]"
    found: list[bytes] = []
    for _ in range(2):
        mallory.send(last / Raw(end))
        found += receiver.frames(5, lambda seen: end in seen)
        assert any(end in seen for seen in found[-1:]), "the proper frame did not arrive"
    return any(WORD in seen for seen in found)
