"""The table of security groups' semantics: what a rule says of the protocol, and of whom, and what it then means.

Each line is written out by hand, from Neutron's API reference ("Security group rules") and what its Open vSwitch
firewall does; ``test_semantics`` holds both the reference model and real packets to it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Content = tuple[int, int, int]
"""Protocol; ICMP type and code, or 0 and the destination port."""

ECHO, TIMESTAMP, ECHO_6 = (1, 8, 0), (1, 13, 0), (58, 128, 0)
WEB, TLS, NAMES = (6, 0, 80), (6, 0, 443), (17, 0, 53)


class Case(NamedTuple):
    """What rules say of protocols, and packets that they then allow or do not. ``version``: of IP, 0 for both.

    ``remotes``: with whom named it is tried.
    """

    name: str
    protocol: str | None
    low: int | None
    high: int | None
    version: int
    allowed: tuple[Content, ...]
    dropped: tuple[Content, ...]
    remotes: tuple[str, ...] = ("none", "everywhere", "prefix", "group", "address-group")

    @property
    def fields(self) -> dict[str, Any]:
        """As the API takes them."""
        given = {"protocol": self.protocol, "port_range_min": self.low, "port_range_max": self.high}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def versions(self) -> tuple[int, ...]:
        """The versions of IP that it is about."""
        return (self.version,) if self.version else (4, 6)


def _plain(number: int) -> Content:
    return (number, 0, 0)


def _cases() -> Iterator[Case]:
    yield Case("everything, IPv4", None, None, None, 4, (WEB, NAMES, ECHO, TIMESTAMP, _plain(47), (132, 0, 5000)), ())
    yield Case("everything, IPv6", None, None, None, 6, (WEB, NAMES, ECHO_6, _plain(47), (132, 0, 5000)), ())
    # A protocol without ports is all of it.
    yield Case("tcp", "tcp", None, None, 0, (WEB, TLS), (NAMES, (132, 0, 80)))
    yield Case("tcp by number", "6", None, None, 0, (WEB,), (NAMES,))
    yield Case("one tcp port", "tcp", 80, 80, 0, (WEB,), (TLS, (6, 0, 79), (6, 0, 81), (17, 0, 80)))
    yield Case(
        *("tcp ports", "tcp", 1003, 1010, 0),
        ((6, 0, 1003), (6, 0, 1007), (6, 0, 1008), (6, 0, 1010)),
        ((6, 0, 1002), (6, 0, 1011), (17, 0, 1007)),
    )
    yield Case("all tcp ports", "tcp", 1, 65535, 0, (WEB, (6, 0, 1), (6, 0, 65535)), (NAMES,))
    yield Case("udp", "udp", None, None, 0, (NAMES, (17, 0, 123)), (WEB,))
    yield Case("udp by number", "17", None, None, 0, (NAMES,), (WEB,))
    yield Case("one udp port", "udp", 53, 53, 0, (NAMES,), ((17, 0, 54), (6, 0, 53)))
    yield Case("udp ports", "udp", 6000, 6002, 0, ((17, 0, 6000), (17, 0, 6002)), ((17, 0, 5999), (17, 0, 6003)))
    # The range is the type and, if said, the code.
    yield Case("icmp", "icmp", None, None, 4, (ECHO, TIMESTAMP), (WEB,))
    yield Case("icmp by number", "1", None, None, 4, (ECHO,), (WEB,))
    yield Case("one icmp type", "icmp", 8, None, 4, (ECHO,), (TIMESTAMP,))
    yield Case("icmp type and code", "icmp", 13, 0, 4, (TIMESTAMP,), (ECHO,))
    yield Case("another icmp code", "icmp", 8, 1, 4, (), (ECHO, TIMESTAMP))
    # In IPv6 each of the names of ICMP means ICMPv6.
    for name, protocol in (("ipv6-icmp", "ipv6-icmp"), ("icmpv6", "icmpv6"), ("ipv6-icmp by number", "58")):
        yield Case(name, protocol, None, None, 6, (ECHO_6,), (WEB,))
    yield Case("icmp in IPv6", "icmp", None, None, 6, (ECHO_6,), (WEB,))
    yield Case("one ipv6-icmp type", "ipv6-icmp", 128, None, 6, (ECHO_6,), ())
    yield Case("another ipv6-icmp type", "ipv6-icmp", 129, None, 6, (), (ECHO_6,))
    yield Case("ipv6-icmp type and code", "ipv6-icmp", 128, 0, 6, (ECHO_6,), ())
    yield Case("another ipv6-icmp code", "ipv6-icmp", 128, 1, 6, (), (ECHO_6,))
    yield Case("sctp", "sctp", None, None, 0, ((132, 0, 5000), (132, 0, 5004)), (WEB,))
    yield Case("sctp ports", "sctp", 5000, 5003, 0, ((132, 0, 5000), (132, 0, 5003)), ((132, 0, 5004), (6, 0, 5000)))
    # By name and by number.
    for name, number in NAMED.items():
        version = 4 if number in HEADERS_OF_IPV6 else 0
        yield Case(f"{name} by name", name, None, None, version, (_plain(number),), (_plain(99),), ("none", "group"))
        yield Case(f"{name} by number", str(number), None, None, version, (_plain(number),), (), ("none",))
    for name, number in NAMED_OF_IPV6.items():
        yield Case(f"{name} by name", name, None, None, 6, (_plain(number),), (_plain(99),), ("none", "group"))
    yield Case("a number without a name", "200", None, None, 0, (_plain(200),), (_plain(201),))


NAMED: Mapping[str, int] = {
    "igmp": 2,
    "ipip": 4,
    "egp": 8,
    "dccp": 33,
    "rsvp": 46,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "ospf": 89,
    "vrrp": 112,
    "pgm": 113,
    "udplite": 136,
}
NAMED_OF_IPV6: Mapping[str, int] = {"ipv6-encap": 41, "ipv6-nonxt": 59}
HEADERS_OF_IPV6 = (51,)
"""In IPv6 not what is carried, but a header before it."""

CASES = tuple(_cases())

PEERS = ("friend", "stranger", "paired")
"""Who is there on each host, besides who is asked: one in the group, prefix and address group that rules name; one in
none; and one in the group, who speaks with the address of an allowed address pair."""

REMOTES: Mapping[str, frozenset[str]] = {
    "none": frozenset(PEERS),
    "everywhere": frozenset(PEERS),
    "prefix": frozenset({"friend"}),
    "group": frozenset({"friend", "paired"}),
    "address-group": frozenset({"friend"}),
}
"""What rules may name, and who is meant. ``everywhere`` is 0.0.0.0/0 or ::/0."""
