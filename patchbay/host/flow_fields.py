"""The packet and metadata fields of a flow, as data: name, width, header on the wire, what must be matched too.

Used by ``flow_match`` and ``flow_actions``. A new field is one more line in the table; names, numbers and
prerequisites are those of ovs-fields(7). A header is the 32-bit OXM/NXM header (OpenFlow 1.4, 7.2.3.2): class, field
number, mask bit, length. ``oxm`` is the name used in matches and set_field, ``nxm`` the one in load, move and learn.
"""

import re
import socket
from functools import lru_cache
from typing import Literal, NamedTuple

from patchbay.host.flow_errors import FlowTextError

Form = Literal["integer", "mac", "ipv4", "ipv6", "port", "ct_state", "fragment"]

_CLASSES = {"NXM_OF": 0x0000, "NXM_NX": 0x0001, "ERICOXM_OF": 0x1000, "OXM_OF": 0x8000}


class Field(NamedTuple):
    """One field. ``size_bytes`` is its length on the wire; ``needs`` names what else the match must say."""

    name: str
    bits: int
    form: Form
    maskable: bool
    needs: str
    oxm: str
    oxm_header: int
    nxm: str
    nxm_header: int

    @property
    def size_bytes(self) -> int:
        return self.oxm_header & 0xFF


class Subfield(NamedTuple):
    """Bits ``offset`` to ``offset + bits - 1`` of a field, as ``NXM_OF_VLAN_TCI[0..11]`` writes it."""

    field: Field
    header: int
    offset: int
    bits: int


# name bits form maskable needs OXM-name(number) [NXM-name(number)]; "-" means no prerequisite.
_TABLE = """
conj_id          32 integer  no  -     NXM_NX_CONJ_ID(37)
tun_id           64 integer  yes -     OXM_OF_TUNNEL_ID(38)      NXM_NX_TUN_ID(16)
tun_src          32 ipv4     yes -     NXM_NX_TUN_IPV4_SRC(31)
tun_dst          32 ipv4     yes -     NXM_NX_TUN_IPV4_DST(32)
metadata         64 integer  yes -     OXM_OF_METADATA(2)
in_port          32 port     no  -     OXM_OF_IN_PORT(0)
in_port_nxm      16 port     no  -     NXM_OF_IN_PORT(0)
pkt_mark         32 integer  yes -     NXM_NX_PKT_MARK(33)
ct_state         32 ct_state yes -     NXM_NX_CT_STATE(105)
ct_zone          16 integer  no  -     NXM_NX_CT_ZONE(106)
ct_mark          32 integer  yes -     NXM_NX_CT_MARK(107)
ct_label        128 integer  yes -     NXM_NX_CT_LABEL(108)
ct_nw_proto       8 integer  no  ct    NXM_NX_CT_NW_PROTO(119)
ct_nw_src        32 ipv4     yes ct    NXM_NX_CT_NW_SRC(120)
ct_nw_dst        32 ipv4     yes ct    NXM_NX_CT_NW_DST(121)
ct_ipv6_src     128 ipv6     yes ct    NXM_NX_CT_IPV6_SRC(122)
ct_ipv6_dst     128 ipv6     yes ct    NXM_NX_CT_IPV6_DST(123)
ct_tp_src        16 integer  yes ct    NXM_NX_CT_TP_SRC(124)
ct_tp_dst        16 integer  yes ct    NXM_NX_CT_TP_DST(125)
eth_dst          48 mac      yes -     OXM_OF_ETH_DST(3)         NXM_OF_ETH_DST(1)
eth_src          48 mac      yes -     OXM_OF_ETH_SRC(4)         NXM_OF_ETH_SRC(2)
eth_type         16 integer  no  -     OXM_OF_ETH_TYPE(5)        NXM_OF_ETH_TYPE(3)
vlan_tci         16 integer  yes -     NXM_OF_VLAN_TCI(4)
vlan_vid         13 integer  yes -     OXM_OF_VLAN_VID(6)
vlan_pcp          3 integer  no  vlan  OXM_OF_VLAN_PCP(7)
ip_dscp           6 integer  no  ip    OXM_OF_IP_DSCP(8)
nw_ecn            2 integer  no  ip    OXM_OF_IP_ECN(9)          NXM_NX_IP_ECN(28)
nw_tos            8 integer  no  ip    NXM_OF_IP_TOS(5)
nw_proto          8 integer  no  ip    OXM_OF_IP_PROTO(10)       NXM_OF_IP_PROTO(6)
nw_ttl            8 integer  no  ip    NXM_NX_IP_TTL(29)
nw_frag           2 fragment yes ip    NXM_NX_IP_FRAG(26)
ip_src           32 ipv4     yes ipv4  OXM_OF_IPV4_SRC(11)       NXM_OF_IP_SRC(7)
ip_dst           32 ipv4     yes ipv4  OXM_OF_IPV4_DST(12)       NXM_OF_IP_DST(8)
tcp_src          16 integer  yes tcp   OXM_OF_TCP_SRC(13)        NXM_OF_TCP_SRC(9)
tcp_dst          16 integer  yes tcp   OXM_OF_TCP_DST(14)        NXM_OF_TCP_DST(10)
udp_src          16 integer  yes udp   OXM_OF_UDP_SRC(15)        NXM_OF_UDP_SRC(11)
udp_dst          16 integer  yes udp   OXM_OF_UDP_DST(16)        NXM_OF_UDP_DST(12)
sctp_src         16 integer  yes sctp  OXM_OF_SCTP_SRC(17)
sctp_dst         16 integer  yes sctp  OXM_OF_SCTP_DST(18)
icmpv4_type       8 integer  no  icmp  OXM_OF_ICMPV4_TYPE(19)    NXM_OF_ICMP_TYPE(13)
icmpv4_code       8 integer  no  icmp  OXM_OF_ICMPV4_CODE(20)    NXM_OF_ICMP_CODE(14)
arp_op           16 integer  no  arp   OXM_OF_ARP_OP(21)         NXM_OF_ARP_OP(15)
arp_spa          32 ipv4     yes arp   OXM_OF_ARP_SPA(22)        NXM_OF_ARP_SPA(16)
arp_tpa          32 ipv4     yes arp   OXM_OF_ARP_TPA(23)        NXM_OF_ARP_TPA(17)
arp_sha          48 mac      yes arp   OXM_OF_ARP_SHA(24)        NXM_NX_ARP_SHA(17)
arp_tha          48 mac      yes arp   OXM_OF_ARP_THA(25)        NXM_NX_ARP_THA(18)
ipv6_src        128 ipv6     yes ipv6  OXM_OF_IPV6_SRC(26)       NXM_NX_IPV6_SRC(19)
ipv6_dst        128 ipv6     yes ipv6  OXM_OF_IPV6_DST(27)       NXM_NX_IPV6_DST(20)
ipv6_label       20 integer  yes ipv6  OXM_OF_IPV6_FLABEL(28)    NXM_NX_IPV6_LABEL(27)
icmpv6_type       8 integer  no  icmp6 OXM_OF_ICMPV6_TYPE(29)    NXM_NX_ICMPV6_TYPE(21)
icmpv6_code       8 integer  no  icmp6 OXM_OF_ICMPV6_CODE(30)    NXM_NX_ICMPV6_CODE(22)
nd_target       128 ipv6     yes nd    OXM_OF_IPV6_ND_TARGET(31) NXM_NX_ND_TARGET(23)
nd_sll           48 mac      yes ns    OXM_OF_IPV6_ND_SLL(32)    NXM_NX_ND_SLL(24)
nd_tll           48 mac      yes na    OXM_OF_IPV6_ND_TLL(33)    NXM_NX_ND_TLL(25)
nd_reserved      32 integer  no  nd    ERICOXM_OF_ICMPV6_ND_RESERVED(1)
nd_options_type   8 integer  no  nd    ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE(2)
"""
_REGISTERS = "".join(f"reg{n} 32 integer yes - NXM_NX_REG{n}({n})\n" for n in range(16))
_WIDE_REGISTERS = "".join(f"xxreg{n} 128 integer yes - NXM_NX_XXREG{n}({111 + n})\n" for n in range(4))

ALIASES = {
    "tunnel_id": "tun_id",
    "dl_src": "eth_src",
    "dl_dst": "eth_dst",
    "dl_type": "eth_type",
    "dl_vlan_pcp": "vlan_pcp",
    "ip_proto": "nw_proto",
    "ip_ecn": "nw_ecn",
    "ip_frag": "nw_frag",
    "nw_src": "ip_src",
    "nw_dst": "ip_dst",
}
"""Other names of the same field, whatever the protocol. (dl_vlan and what depends on the protocol: ``flow_match``.)"""


def _header(symbol: str, bits: int) -> tuple[str, int]:
    name, number = symbol.rstrip(")").split("(")
    size_bytes = next(size for size in (1, 2, 4, 6, 8, 16) if size * 8 >= bits)
    family = next(c for prefix, c in _CLASSES.items() if name.startswith(prefix + "_"))
    return name, family << 16 | int(number) << 9 | size_bytes


def _field(line: str) -> Field:
    name, width, form, maskable, needs, *symbols = line.split()
    bits = int(width)
    oxm = _header(symbols[0], bits)
    nxm = _header(symbols[-1], bits)
    return Field(name, bits, form, maskable == "yes", needs.strip("-"), *oxm, *nxm)  # type: ignore[arg-type]


FIELDS = {
    field.name: field
    for field in map(_field, (_TABLE.strip() + "\n" + _REGISTERS + _WIDE_REGISTERS).strip().splitlines())
}
"""Every field, by the name that ovs-fields(7) gives it."""

SYMBOLS = {
    symbol: (field, header)
    for field in FIELDS.values()
    for symbol, header in ((field.oxm, field.oxm_header), (field.nxm, field.nxm_header))
}
"""Every OXM and NXM name with its field and header."""

PORTS = {
    "IN_PORT": 0xFFFFFFF8,
    "TABLE": 0xFFFFFFF9,
    "NORMAL": 0xFFFFFFFA,
    "FLOOD": 0xFFFFFFFB,
    "ALL": 0xFFFFFFFC,
    "CONTROLLER": 0xFFFFFFFD,
    "LOCAL": 0xFFFFFFFE,
    "ANY": 0xFFFFFFFF,
}
"""Reserved ports (OpenFlow 1.4, 7.2.1). Their 16-bit forms, in NXM and Nicira actions, are the low halves."""

_CT_STATES = {"new": 1, "est": 2, "rel": 4, "rpl": 8, "inv": 16, "trk": 32, "snat": 64, "dnat": 128}
_CT_STATE = re.compile(r"[+-][a-z]+")
_FRAGMENTS = {"no": (0, None), "first": (1, None), "later": (3, None), "yes": (1, 1), "not_later": (0, 2)}
_SUBFIELD = re.compile(r"([A-Za-z0-9_]+)(?:\[(?:(\d+)(?:\.\.(\d+))?)?\])?")


def field_named(name: str) -> Field:
    """The field of this name, alias or OXM/NXM symbol. Raises FlowTextError."""
    field = FIELDS.get(ALIASES.get(name, name))
    if field is None:
        if name not in SYMBOLS:
            raise FlowTextError(f"'{name}' is not a field that Patchbay writes.", "ovs-fields(7) lists the names.")
        return SYMBOLS[name][0]
    return field


@lru_cache(maxsize=1024)
def subfield(text: str) -> Subfield:
    """``NXM_OF_ETH_DST[]``, ``NXM_NX_REG0[0..3]``, ``reg0[5]`` or a bare field name. Raises FlowTextError."""
    found = _SUBFIELD.fullmatch(text)
    if found is None:
        raise FlowTextError(f"'{text}' is not a subfield.", "Write FIELD[], FIELD[bit] or FIELD[first..last].")
    name, first, last = found.groups()
    symbol = SYMBOLS.get(name)
    field = field_named(name)
    header = symbol[1] if symbol else field.nxm_header
    if first is None:
        return Subfield(field, header, 0, field.bits)
    low, high = int(first), int(last or first)
    if not low <= high < field.bits:
        raise FlowTextError(f"'{text}' goes beyond the field.", f"{name} has bits 0 to {field.bits - 1}.")
    return Subfield(field, header, low, high - low + 1)


def value_of(field: Field, text: str) -> int:
    """The number that ``text`` means for this field. Raises FlowTextError when it is malformed or too big."""
    try:
        if field.form == "mac" and ":" in text:
            value = _mac(text)
        elif field.form == "ipv4" and "." in text:
            value = int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big")
        elif field.form == "ipv6" and ":" in text:
            value = int.from_bytes(socket.inet_pton(socket.AF_INET6, text), "big")
        else:
            value = int(text, 0)
    except (ValueError, OSError):
        raise FlowTextError(f"'{text}' is not a value of {field.name}.", f"It takes {_expected(field)}.") from None
    if value >> field.bits or value < 0:
        raise FlowTextError(f"'{text}' does not fit into {field.name}.", f"It has {field.bits} bits.")
    return value


def value_and_mask(field: Field, text: str) -> tuple[int, int | None]:
    """``value``, ``value/mask``, ``address/prefix``, ct_state flags (``+trk-new``) or a kind of fragment as numbers.

    The mask is None when all bits count. Raises FlowTextError for a mask on a field that takes none, and for a value
    with bits outside its mask (the switch would refuse it, or show something else than was written).
    """
    if field.form == "ct_state" and text[:1] in "+-":
        return _ct_state(text)
    if field.form == "fragment" and text in _FRAGMENTS:
        return _FRAGMENTS[text]
    if "/" not in text:
        return value_of(field, text), None
    value_text, mask_text = text.split("/", 1)
    value = value_of(field, value_text)
    if field.form in ("ipv4", "ipv6") and mask_text.isdigit():
        prefix = int(mask_text)
        if prefix > field.bits:
            raise FlowTextError(f"'{text}' has no valid prefix length.", f"{field.name} has {field.bits} bits.")
        mask = (1 << field.bits) - (1 << field.bits - prefix)
    else:
        mask = value_of(field, mask_text)
    if mask == (1 << field.bits) - 1:
        return value, None
    if not field.maskable:
        raise FlowTextError(f"{field.name} cannot be masked.", "Give the whole value.")
    if value & ~mask:
        raise FlowTextError(f"'{text}' has bits outside its mask.", f"Clear them: {field.name} would never match.")
    return value, mask


def _ct_state(text: str) -> tuple[int, int]:
    value = mask = 0
    flags = _CT_STATE.findall(text)
    if "".join(flags) != text or any(flag[1:] not in _CT_STATES for flag in flags):
        raise FlowTextError(f"'{text}' is not a ct_state.", f"Write + or - before each of {', '.join(_CT_STATES)}.")
    for flag in flags:
        bit = _CT_STATES[flag[1:]]
        mask |= bit
        value |= bit if flag[0] == "+" else 0
    return value, mask


def _mac(text: str) -> int:
    if len(text) == 17:
        return int.from_bytes(bytes.fromhex(text.replace(":", " ")), "big")
    parts = text.split(":")
    if len(parts) != 6:
        raise ValueError
    return int.from_bytes(bytes(int(part, 16) for part in parts), "big")


def _expected(field: Field) -> str:
    forms = {
        "mac": "a MAC address",
        "ipv4": "an IPv4 address",
        "ipv6": "an IPv6 address",
        "ct_state": "flags such as +trk-new",
        "fragment": ", ".join(_FRAGMENTS),
    }
    return forms.get(field.form, f"a number of {field.bits} bits")
