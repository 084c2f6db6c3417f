"""IP protocols by name, as rules of security groups name them (numbers: IANA, "Protocol Numbers")."""

from collections.abc import Mapping

IP_PROTOCOLS: Mapping[str, int] = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "hopopt": 0,
    "icmp": 1,
    "igmp": 2,
    "ip": 0,
    "ipip": 4,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-icmp": 58,
    "icmpv6": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "sctp": 132,
    "tcp": 6,
    "udp": 17,
    "udplite": 136,
    "vrrp": 112,
}
"""Every name that a rule may use. ``icmpv6`` is the old name of ``ipv6-icmp``."""

WITH_PORTS = ("dccp", "sctp", "tcp", "udp", "udplite")
"""Protocols whose rules may name port ranges."""

ICMP, ICMPV6 = IP_PROTOCOLS["icmp"], IP_PROTOCOLS["ipv6-icmp"]
"""Protocols whose rules may name type and code in place of the ports."""

ONLY_IPV6 = ("ipv6-encap", "ipv6-frag", "ipv6-icmp", "icmpv6", "ipv6-nonxt", "ipv6-opts", "ipv6-route")
"""Protocols that a rule of IPv4 cannot name, by name or number."""


def protocol_number(protocol: str) -> int:
    """The number of a rule's protocol, given by name or number. Raises ValueError for what is neither."""
    number = IP_PROTOCOLS.get(protocol)
    return int(protocol) if number is None else number
