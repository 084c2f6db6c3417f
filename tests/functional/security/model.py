"""What Neutron's security groups mean, in the fewest words: the reference that the flows are held to.

Nothing here is taken from ``patchbay.compile``.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from patchbay.model.security import SecurityGroupRule

NUMBERS = {
    "icmp": 1,
    "igmp": 2,
    "ipip": 4,
    "tcp": 6,
    "egp": 8,
    "udp": 17,
    "dccp": 33,
    "ipv6-encap": 41,
    "rsvp": 46,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "ipv6-icmp": 58,
    "icmpv6": 58,
    "ipv6-nonxt": 59,
    "ospf": 89,
    "vrrp": 112,
    "pgm": 113,
    "sctp": 132,
    "udplite": 136,
}
TRACKED = frozenset({(4, 1), (6, 58), (4, 6), (6, 6), (4, 17), (6, 17)})
"""IP version and protocol of what has connections in Open vSwitch; of the rest each packet needs a rule."""

TO_DHCP_CLIENTS = frozenset({(4, 17, 68), (6, 17, 546)})
"""IP version, protocol and destination port: only DHCP servers speak so, whatever rules say."""


class Packet(NamedTuple):
    """``first`` and ``second``: ICMP type and code, or "any port" and destination port."""

    source: str
    target: str
    protocol: int
    first: int = 0
    second: int = 0

    @property
    def version(self) -> int:
        return 6 if ":" in self.source else 4


class Network(NamedTuple):
    """Rules by group, groups by port, addresses by port, and address groups."""

    rules: Iterable[SecurityGroupRule]
    groups: Mapping[str, frozenset[str]]
    addresses: Mapping[str, frozenset[str]]
    lists: Mapping[str, frozenset[str]]


def allows(network: Network, port: str, direction: str, packet: Packet) -> bool:
    """Whether a rule of a group of this port, and all else, allows a connection that begins with this packet."""
    if direction == "egress" and (packet.version, packet.protocol, packet.second) in TO_DHCP_CLIENTS:
        return False
    remote = packet.target if direction == "egress" else packet.source
    return any(
        rule.direction == direction and _is_met(network, rule, packet, remote)
        for rule in network.rules
        if rule.security_group_id in network.groups[port]
    )


def is_tracked(packet: Packet) -> bool:
    """Whether what answers this packet needs no rule, if the group is stateful."""
    return (packet.version, packet.protocol) in TRACKED


def _is_met(network: Network, rule: SecurityGroupRule, packet: Packet, remote: str) -> bool:
    if rule.ethertype != f"IPv{packet.version}":
        return False
    if rule.protocol is not None:
        number = NUMBERS[rule.protocol] if rule.protocol in NUMBERS else int(rule.protocol)
        if packet.version == 6 and number == 1:
            number = 58
        if number != packet.protocol or not _is_port_met(rule, packet):
            return False
    if rule.remote_ip_prefix is not None:
        return _is_in(remote, rule.remote_ip_prefix)
    if rule.remote_group_id is not None:
        members = (port for port, groups in network.groups.items() if rule.remote_group_id in groups)
        return any(remote in network.addresses[port] for port in members)
    if rule.remote_address_group_id is not None:
        return any(_is_in(remote, prefix) for prefix in network.lists[rule.remote_address_group_id])
    return True


def _is_port_met(rule: SecurityGroupRule, packet: Packet) -> bool:
    low, high = rule.port_range_min, rule.port_range_max
    if packet.protocol in (1, 58):
        return low in (None, packet.first) and high in (None, packet.second)
    return low is None or high is None or low <= packet.second <= high


def _is_in(address: str, prefix: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(prefix)
