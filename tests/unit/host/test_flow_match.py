"""The text of a match becomes the OXM fields that os-ken's OFPMatch makes of the same fields."""

import pytest
from os_ken.ofproto import ofproto_v1_4 as of
from os_ken.ofproto import ofproto_v1_4_parser as parser

from patchbay.host.flow_match import encode_match

PORTS = {"patch-int": 1}
ETH_TYPE, IP_PROTO, TCP_DST, ICMPV6_TYPE, ND_TARGET = 5, 10, 14, 29, 31


def match_bytes(text: str) -> bytes:
    """The match that we make, without padding."""
    body = encode_match(text, PORTS)
    return body[: int.from_bytes(body[2:4], "big")]


def fields_of(match: bytes) -> set[bytes]:
    """The OXM fields of a match: os-ken puts them in another order."""
    return set(split(match))


def split(match: bytes) -> list[bytes]:
    """The OXM fields of a match, one by one."""
    found, at = [], 4
    while at < len(match):
        length = 4 + match[at + 3]
        found.append(match[at : at + length])
        at += length
    return found


MATCHES = [
    ("in_port=1", {"in_port": 1}),
    ("in_port=patch-int", {"in_port": 1}),
    ("in_port=LOCAL", {"in_port": of.OFPP_LOCAL}),
    ("tun_id=0x22", {"tunnel_id": 0x22}),
    ("metadata=0x5/0xff", {"metadata": (5, 0xFF)}),
    ("reg0=0x10", {"reg0": 0x10}),
    ("reg7=0x10/0xf0", {"reg7": (0x10, 0xF0)}),
    ("pkt_mark=0x1/0x1", {"pkt_mark": (1, 1)}),
    ("conj_id=7", {"conj_id": 7}),
    ("dl_vlan=12", {"vlan_vid": 0x1000 | 12}),
    ("vlan_tci=0x0000/0x1fff", {"vlan_tci": (0, 0x1FFF)}),
    ("dl_src=fa:16:3e:00:00:01", {"eth_src": "fa:16:3e:00:00:01"}),
    ("dl_dst=01:00:00:00:00:00/01:00:00:00:00:00", {"eth_dst": ("01:00:00:00:00:00", "01:00:00:00:00:00")}),
    ("dl_type=0x0800", {"eth_type": 0x0800}),
    ("ip,nw_src=10.0.0.0/24", {"eth_type": 0x0800, "ipv4_src": ("10.0.0.0", "255.255.255.0")}),
    ("ip,nw_dst=10.0.0.1,nw_proto=89", {"eth_type": 0x0800, "ipv4_dst": "10.0.0.1", "ip_proto": 89}),
    ("ip,nw_ttl=1", {"eth_type": 0x0800, "nw_ttl": 1}),
    ("ip,nw_frag=no", {"eth_type": 0x0800, "ip_frag": 0}),
    ("ip,nw_frag=yes", {"eth_type": 0x0800, "ip_frag": (1, 1)}),
    ("ip,nw_frag=first", {"eth_type": 0x0800, "ip_frag": 1}),
    ("ipv6,nw_frag=later", {"eth_type": 0x86DD, "ip_frag": 3}),
    ("ipv6,ip_frag=not_later", {"eth_type": 0x86DD, "ip_frag": (0, 2)}),
    ("metadata=0x1234567890abcdef", {"metadata": 0x1234567890ABCDEF}),
    ("xxreg0=0xfd000000000000000000000000000001", {"xxreg0": 0xFD000000000000000000000000000001}),
    ("xxreg3=0x1/0x3", {"xxreg3": (1, 3)}),
    ("arp,arp_op=1,arp_tpa=10.0.0.2", {"eth_type": 0x0806, "arp_op": 1, "arp_tpa": "10.0.0.2"}),
    (
        "arp,arp_spa=10.0.0.0/8,arp_sha=fa:16:3e:00:00:01,arp_tha=fa:16:3e:00:00:02",
        {
            "eth_type": 0x0806,
            "arp_spa": ("10.0.0.0", "255.0.0.0"),
            "arp_sha": "fa:16:3e:00:00:01",
            "arp_tha": "fa:16:3e:00:00:02",
        },
    ),
    ("arp,nw_dst=10.0.0.2", {"eth_type": 0x0806, "arp_tpa": "10.0.0.2"}),
    (
        "ipv6,ipv6_src=fd00::/64,ipv6_dst=fd00::1",
        {"eth_type": 0x86DD, "ipv6_src": ("fd00::", "ffff:ffff:ffff:ffff::"), "ipv6_dst": "fd00::1"},
    ),
    ("tcp,tp_dst=80", {"eth_type": 0x0800, "ip_proto": 6, "tcp_dst": 80}),
    ("tcp,tp_src=0x400/0xfc00", {"eth_type": 0x0800, "ip_proto": 6, "tcp_src": (0x400, 0xFC00)}),
    ("tcp6,tp_src=80", {"eth_type": 0x86DD, "ip_proto": 6, "tcp_src": 80}),
    ("udp,tp_dst=53", {"eth_type": 0x0800, "ip_proto": 17, "udp_dst": 53}),
    ("udp6,tp_src=546,tp_dst=547", {"eth_type": 0x86DD, "ip_proto": 17, "udp_src": 546, "udp_dst": 547}),
    ("icmp,icmp_type=8,icmp_code=0", {"eth_type": 0x0800, "ip_proto": 1, "icmpv4_type": 8, "icmpv4_code": 0}),
    ("icmp6,icmp_type=128,icmp_code=0", {"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 128, "icmpv6_code": 0}),
    (
        "icmp6,icmp_type=135,nd_target=fd00::b,nd_sll=fa:16:3e:00:00:01",
        {
            "eth_type": 0x86DD,
            "ip_proto": 58,
            "icmpv6_type": 135,
            "ipv6_nd_target": "fd00::b",
            "ipv6_nd_sll": "fa:16:3e:00:00:01",
        },
    ),
    (
        "icmp6,icmp_type=136,nd_tll=fa:16:3e:00:00:01",
        {"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 136, "ipv6_nd_tll": "fa:16:3e:00:00:01"},
    ),
    ("ct_state=+new+trk,ip", {"ct_state": (0x21, 0x21), "eth_type": 0x0800}),
    ("ct_state=-new+est-inv+trk,ip", {"ct_state": (0x22, 0x33), "eth_type": 0x0800}),
    ("ct_zone=12,ct_mark=0x1", {"ct_zone": 12, "ct_mark": 1}),
]


@pytest.mark.parametrize(("text", "fields"), MATCHES, ids=[text for text, _ in MATCHES])
def test_a_match_is_encoded_as_by_os_ken(text, fields):
    packed = bytearray()
    length = parser.OFPMatch(**fields).serialize(packed, 0)
    declared = int.from_bytes(packed[2:4], "big")
    assert length == declared + -declared % 8
    ours = match_bytes(text)
    assert len(ours) == declared
    assert fields_of(ours) == fields_of(bytes(packed[:declared]))


@pytest.mark.parametrize("text", [text for text, _ in MATCHES])
def test_the_order_of_the_terms_does_not_matter(text):
    backwards = ",".join(reversed(text.split(",")))
    assert fields_of(match_bytes(backwards)) == fields_of(match_bytes(text))


def test_a_field_follows_the_fields_that_it_needs():
    ordered = {
        "tp_dst=80,tcp": [ETH_TYPE, IP_PROTO, TCP_DST],
        "nd_target=fd00::b,icmp_type=135,icmp6": [ETH_TYPE, IP_PROTO, ICMPV6_TYPE, ND_TARGET],
        "tp_dst=80,nw_proto=6,dl_type=0x0800": [ETH_TYPE, IP_PROTO, TCP_DST],
    }
    for text, numbers in ordered.items():
        assert [field[2] >> 1 for field in split(match_bytes(text))] == numbers
