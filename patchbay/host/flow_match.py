"""The match of a flow, from ovs-ofctl text to an OpenFlow 1.4 match (OXM fields, padded to 8 bytes).

Called by ``flow_encoding``. What OVS demands is kept here: a field comes after the fields that it needs (Ethernet type
before IP protocol before TCP port), and a field whose protocol is not matched is an error, as it is to ovs-ofctl.
"""

from collections.abc import Mapping
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

import msgspec

from patchbay.host.flow_errors import FlowTextError, UnknownPort
from patchbay.host.flow_fields import FIELDS, PORTS, Field, field_named, value_and_mask


class Protocol(msgspec.Struct, frozen=True, eq=False):
    """What a protocol keyword of ovs-ofctl stands for, and which prerequisites it fulfils. One object of each."""

    eth_type: int | None
    ip_proto: int | None
    provides: frozenset[str]


def _protocol(eth_type: int | None, ip_proto: int | None, *provides: str) -> Protocol:
    return Protocol(eth_type, ip_proto, frozenset(provides))


ANY = _protocol(None, None)
KEYWORDS = {
    "ip": _protocol(0x0800, None, "ip", "ipv4"),
    "icmp": _protocol(0x0800, 1, "ip", "ipv4", "icmp"),
    "tcp": _protocol(0x0800, 6, "ip", "ipv4", "tcp"),
    "udp": _protocol(0x0800, 17, "ip", "ipv4", "udp"),
    "sctp": _protocol(0x0800, 132, "ip", "ipv4", "sctp"),
    "ipv6": _protocol(0x86DD, None, "ip", "ipv6"),
    "icmp6": _protocol(0x86DD, 58, "ip", "ipv6", "icmp6"),
    "tcp6": _protocol(0x86DD, 6, "ip", "ipv6", "tcp"),
    "udp6": _protocol(0x86DD, 17, "ip", "ipv6", "udp"),
    "sctp6": _protocol(0x86DD, 132, "ip", "ipv6", "sctp"),
    "arp": _protocol(0x0806, None, "arp"),
    "rarp": _protocol(0x8035, None, "arp"),
}
"""The protocol keywords of ovs-fields(7), shorthand for dl_type and nw_proto."""

_BY_NUMBERS = {(p.eth_type, p.ip_proto): p for p in KEYWORDS.values()}
_BY_CONTEXT = {
    ("nw_src", "arp"): "arp_spa",
    ("nw_dst", "arp"): "arp_tpa",
    ("nw_proto", "arp"): "arp_op",
    ("icmp_type", "icmp"): "icmpv4_type",
    ("icmp_code", "icmp"): "icmpv4_code",
    ("icmp_type", "icmp6"): "icmpv6_type",
    ("icmp_code", "icmp6"): "icmpv6_code",
    ("tp_src", "tcp"): "tcp_src",
    ("tp_dst", "tcp"): "tcp_dst",
    ("tp_src", "udp"): "udp_src",
    ("tp_dst", "udp"): "udp_dst",
    ("tp_src", "sctp"): "sctp_src",
    ("tp_dst", "sctp"): "sctp_dst",
}
_NEEDS_CONTEXT = {name for name, _ in _BY_CONTEXT} - {"nw_src", "nw_dst", "nw_proto"}
_NEIGHBOUR_DISCOVERY = {
    "icmp_type=135": _protocol(0x86DD, 58, "ip", "ipv6", "icmp6", "nd", "ns"),
    "icmp_type=136": _protocol(0x86DD, 58, "ip", "ipv6", "icmp6", "nd", "na"),
}
_RANKS = {"eth_type": 0, "nw_proto": 1, "icmpv6_type": 2, "vlan_pcp": 4}
_VLAN_PRESENT = 0x1000
_MATCH_OXM = b"\x00\x01"
_EMPTY_MATCH = b"\x00\x01\x00\x04\x00\x00\x00\x00"


class Term(NamedTuple):
    """One encoded term: its place in the order, its OXM bytes, or the port that must be looked up first."""

    rank: int
    oxm: bytes
    port: str = ""


def encode_match(text: str, ports: Mapping[str, int]) -> bytes:
    """The OpenFlow match for ovs-ofctl text; "" matches everything.

    ``ports`` maps port names to OpenFlow numbers. Raises FlowTextError (UnknownPort when a name is missing).
    """
    return encode_words(*words_of(text), ports)


def words_of(text: str) -> tuple[list[str], Protocol]:
    """The terms of a match, and the protocol that they select."""
    if not text:
        return [], ANY
    words = text.split(",")
    return words, protocol_of(words)


def encode_words(words: list[str], protocol: Protocol, ports: Mapping[str, int]) -> bytes:
    """As ``encode_match``, for terms already split."""
    if not words:
        return _EMPTY_MATCH
    terms = [_encode_term(protocol, word) for word in words]
    if len(terms) > 1:
        terms.sort(key=itemgetter(0))
    fields = b"".join([_port_term(term.port, ports) if term.port else term.oxm for term in terms])
    length = len(fields) + 4
    return _MATCH_OXM + length.to_bytes(2, "big") + fields + bytes(-length % 8)


def protocol_of(words: list[str]) -> Protocol:
    """The protocol that the terms of a match select, given by keyword or by dl_type and nw_proto."""
    protocol = ANY
    for word in words:
        if word in KEYWORDS:
            protocol = KEYWORDS[word]
            break
        if word.startswith(("dl_type=", "eth_type=")):
            protocol = _numbered(_number(word), None)
            break
    if protocol is ANY:
        return ANY
    for word in words:
        if protocol.ip_proto is None and word.startswith(("nw_proto=", "ip_proto=")):
            protocol = _numbered(protocol.eth_type, _number(word))
    if protocol is KEYWORDS["icmp6"]:
        for word in words:
            protocol = _NEIGHBOUR_DISCOVERY.get(word, protocol)
    return protocol


def matches_vlan(words: list[str]) -> bool:
    """Whether only packets with a VLAN tag match (then mod_vlan_vid changes a tag instead of pushing one)."""
    for word in words:
        name, _, value = word.partition("=")
        if name in ("dl_vlan", "dl_vlan_pcp") and value not in ("0xffff", "65535"):
            return True
        if name in ("vlan_tci", "vlan_vid"):
            number, mask = value_and_mask(FIELDS[name], value)
            if number & (_VLAN_PRESENT if mask is None else mask & _VLAN_PRESENT):
                return True
    return False


def oxm_field(field: Field, value: int, mask: int | None) -> bytes:
    """One OXM TLV."""
    size = field.oxm_header & 0xFF
    if mask is None:
        return (field.oxm_header << size * 8 | value).to_bytes(4 + size, "big")
    header = field.oxm_header + size | 0x100
    return ((header << size * 8 | value) << size * 8 | mask).to_bytes(4 + size * 2, "big")


@lru_cache(maxsize=1024)
def _encode_term(protocol: Protocol, word: str) -> Term:
    keyword = KEYWORDS.get(word)
    if keyword is not None:
        oxm = oxm_field(FIELDS["eth_type"], keyword.eth_type or 0, None)
        if keyword.ip_proto is not None:
            oxm += oxm_field(FIELDS["nw_proto"], keyword.ip_proto, None)
        return Term(0, oxm)
    name, equals, value = word.partition("=")
    if not equals:
        raise FlowTextError(f"'{word}' is not a protocol or a field=value.", "ovs-fields(7) lists both.")
    if name == "in_port" and not value.isdigit() and value.upper() not in PORTS:
        return Term(3, b"", value)
    field, number, mask = _value(protocol, name, value)
    rank = _RANKS.get(field.name, 3)
    return Term(rank, b"" if mask == 0 else oxm_field(field, number, mask))


def _value(protocol: Protocol, name: str, value: str) -> tuple[Field, int, int | None]:
    if name == "in_port":
        return FIELDS["in_port"], PORTS[value.upper()] if value.upper() in PORTS else int(value), None
    if name == "dl_vlan":
        field = FIELDS["vlan_vid"]
        number, _ = value_and_mask(FIELDS["vlan_tci"], value)
        if number == 0xFFFF:
            return field, 0, None
        if number > 0xFFF:
            raise FlowTextError(f"'dl_vlan={value}' is not a VLAN.", "VLAN ids are 0 to 4095.")
        return field, number | _VLAN_PRESENT, None
    field = field_for(protocol, name)
    if name in ("nw_tos", "ip_dscp"):
        dscp = value_and_mask(field, value)[0] >> (2 if name == "nw_tos" else 0)
        return FIELDS["ip_dscp"], dscp, None
    if field.needs and field.needs not in protocol.provides and field.needs not in ("ct", "vlan"):
        raise FlowTextError(f"'{name}={value}' needs {_PREREQUISITES[field.needs]}.", "Say it before in the match.")
    return field, *value_and_mask(field, value)


def field_for(protocol: Protocol, name: str) -> Field:
    """The field that a name means under this protocol (tp_dst is tcp_dst or udp_dst). Raises FlowTextError."""
    for provided in protocol.provides:
        specific = _BY_CONTEXT.get((name, provided))
        if specific is not None:
            return FIELDS[specific]
    if name in _NEEDS_CONTEXT:
        raise FlowTextError(f"'{name}' needs its protocol.", "Match tcp, udp, icmp or icmp6 (or their IPv6 forms) too.")
    return field_named(name)


_PREREQUISITES = {
    "ip": "ip or ipv6",
    "ipv4": "ip",
    "ipv6": "ipv6",
    "arp": "arp",
    "tcp": "tcp or tcp6",
    "udp": "udp or udp6",
    "sctp": "sctp or sctp6",
    "icmp": "icmp",
    "icmp6": "icmp6",
    "nd": "icmp6,icmp_type=135 or 136",
    "ns": "icmp6,icmp_type=135",
    "na": "icmp6,icmp_type=136",
}


def _port_term(name: str, ports: Mapping[str, int]) -> bytes:
    number = ports.get(name)
    if number is None:
        raise UnknownPort(name)
    return oxm_field(FIELDS["in_port"], number, None)


def _number(word: str) -> int:
    return value_and_mask(FIELDS["eth_type"], word.partition("=")[2])[0]


def _numbered(eth_type: int | None, ip_proto: int | None) -> Protocol:
    known = _BY_NUMBERS.get((eth_type, ip_proto)) or _BY_NUMBERS.get((eth_type, None))
    return known or ANY
