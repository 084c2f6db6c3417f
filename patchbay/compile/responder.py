"""Answers in flows: what turns an ARP request, a neighbour solicitation or an echo request into its answer.

Called by ``br_tun`` for ports of other hosts, and by ``distributed`` and ``distributed_interface`` for routers. The
actions rewrite the packet; who calls says where it goes, with ``IN_PORT`` or a table. The texts are those of
``ovs-ofctl dump-flows``.
"""

import ipaddress

SOLICITED, OVERRIDE, FROM_ROUTER = 0x40000000, 0x20000000, 0x80000000
"""Flags of a neighbour advertisement (RFC 4861, 4.4)."""

ALL_NODES, ALL_NODES_MAC = ipaddress.IPv6Address("ff02::1"), "33:33:00:00:00:01"

SWAP_MACS = (
    "move:NXM_OF_ETH_SRC[]->NXM_NX_XXREG2[0..47],move:NXM_OF_ETH_DST[]->NXM_OF_ETH_SRC[],"
    "move:NXM_NX_XXREG2[0..47]->NXM_OF_ETH_DST[]"
)
ECHO_REPLY = (
    f"{SWAP_MACS},move:NXM_OF_IP_SRC[]->NXM_NX_XXREG3[0..31],move:NXM_OF_IP_DST[]->NXM_OF_IP_SRC[],"
    "move:NXM_NX_XXREG3[0..31]->NXM_OF_IP_DST[],load:0->NXM_OF_ICMP_TYPE[],load:0x40->NXM_NX_IP_TTL[]"
)
"""An IPv4 echo request goes back to where it came from."""
ECHO_REPLY_V6 = (
    f"{SWAP_MACS},move:NXM_NX_IPV6_SRC[]->NXM_NX_XXREG3[],move:NXM_NX_IPV6_DST[]->NXM_NX_IPV6_SRC[],"
    "move:NXM_NX_XXREG3[]->NXM_NX_IPV6_DST[],load:0x81->NXM_NX_ICMPV6_TYPE[],load:0x40->NXM_NX_IP_TTL[]"
)


def arp_reply(mac: str, address: ipaddress.IPv4Address) -> str:
    """From an ARP request to the reply that the address has this MAC."""
    return (
        f"move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],mod_dl_src:{mac},load:0x2->NXM_OF_ARP_OP[],"
        "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],"
        f"load:{mac_number(mac):#x}->NXM_NX_ARP_SHA[],load:{int(address):#x}->NXM_OF_ARP_SPA[]"
    )


def turned_solicitation(flags: int) -> str:
    """First step of two: the target's link-layer address can be written only where the match says advertisement."""
    return (
        f"load:0x88->NXM_NX_ICMPV6_TYPE[],load:{flags:#x}->ERICOXM_OF_ICMPV6_ND_RESERVED[],"
        "load:0x2->ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE[]"
    )


def advertisement(mac: str, address: ipaddress.IPv6Address) -> str:
    """Second step: to who asked, that the address has this MAC."""
    return (
        f"move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],mod_dl_src:{mac},move:NXM_NX_IPV6_SRC[]->NXM_NX_IPV6_DST[],"
        f"{load_ipv6('NXM_NX_IPV6_SRC', address)},load:{mac_number(mac):#x}->NXM_NX_ND_TLL[]"
    )


def defence(mac: str, address: ipaddress.IPv6Address) -> str:
    """Second step for who asked from the unspecified address: the address is taken (RFC 4862, 5.4; RFC 4861, 7.2.4)."""
    return (
        f"mod_dl_dst:{ALL_NODES_MAC},mod_dl_src:{mac},{load_ipv6('NXM_NX_IPV6_DST', ALL_NODES)},"
        f"{load_ipv6('NXM_NX_IPV6_SRC', address)},"
        f"load:{FROM_ROUTER | OVERRIDE:#x}->ERICOXM_OF_ICMPV6_ND_RESERVED[],load:{mac_number(mac):#x}->NXM_NX_ND_TLL[]"
    )


def load_ipv6(field: str, address: ipaddress.IPv6Address) -> str:
    """Write an address into a field; a load carries 64 bits."""
    number = int(address)
    return f"load:{number & (1 << 64) - 1:#x}->{field}[0..63],load:{number >> 64:#x}->{field}[64..127]"


def mac_number(mac: str) -> int:
    """A MAC as ``load`` takes it."""
    return int(mac.replace(":", ""), 16)


def link_local(mac: str) -> ipaddress.IPv6Address:
    """The link-local address that the kernel makes of a MAC (RFC 4291, appendix A)."""
    number = mac_number(mac) ^ 0x020000000000
    return ipaddress.IPv6Address(0xFE80 << 112 | (number >> 24) << 40 | 0xFFFE << 24 | number & 0xFFFFFF)
