"""Why a port may send something, or is sent it: port security and the rules that allow it, one by one, for people.

Called by ``cli/why``. It judges the first packet of a connection as the flows of ``port_security`` and
``security_groups_rules`` do, and what comes back where no connection is tracked. Pure.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from patchbay.compile.port_security import allowed
from patchbay.compile.security_groups import (
    CONNECTIONS,
    EGRESS,
    INGRESS,
    SecurityGroups,
    Value,
    key_of,
    members_of,
    protocol_of,
    remote_of,
    version_of,
)
from patchbay.model import Port
from patchbay.model.protocols import ICMP, ICMPV6
from patchbay.model.security import AddressGroup, SecurityGroup, SecurityGroupRule

EPHEMERAL = (32768, 60999)
"""Where answers go to: the ports that Linux gives to those who ask (ip_local_port_range)."""
UDP, DHCP_CLIENTS = 17, {4: 68, 6: 546}
_WITH_PORTS = (6, UDP, 132)
_ECHO_REPLIES = {(ICMP, 8): 0, (ICMPV6, 128): 129}
_HEARD_FROM_ROUTERS, _ASKED_OF_ROUTERS = 134, 133
_NEIGHBOURS = (130, 131, 132, 135, 136, 143)


class Packet(msgspec.Struct, frozen=True):
    """``first`` and ``last``: ICMP type and code, or the destination port, or a range of which one is meant."""

    source: str
    target: str
    protocol: int
    first: int | None = None
    last: int | None = None

    @property
    def version(self) -> int:
        """The IP version."""
        return ipaddress.ip_address(self.source).version


class Judged(msgspec.Struct, frozen=True):
    """One rule, and why it does not allow the packet ("": it does)."""

    rule: SecurityGroupRule
    missed: str


class Finding(msgspec.Struct, frozen=True):
    """Whether a port may send (``egress``) or is sent (``ingress``) a packet, and why.

    ``rules`` are those of its groups in this direction, those that allow it first; none were asked if ``why`` says so.
    ``is_answer``: it is about what comes back.
    """

    port: Port
    direction: str
    is_allowed: bool
    why: str
    rules: tuple[Judged, ...] = ()
    is_answer: bool = False


def known_of(
    groups: Iterable[SecurityGroup],
    rules: Iterable[SecurityGroupRule],
    address_groups: Iterable[AddressGroup],
    members: Iterable[Port],
) -> SecurityGroups:
    """What is asked of rules; ``members`` are the ports of groups that the rules name."""
    known = SecurityGroups()
    values: list[Value] = [*groups, *rules, *address_groups]
    for value in values:
        known.change(value, value)
    for port in members:
        for group_id, address in members_of(port):
            known.note_member(group_id, address, is_there=True)
    return known


def reasons(known: SecurityGroups, source: Port | None, target: Port | None, packet: Packet) -> list[Finding]:
    """What is asked about a packet on its way, in order; None for an end that is no port of the service."""
    found = [_judge(known, source, EGRESS, packet)] if source else []
    found += [_judge(known, target, INGRESS, packet)] if target else []
    answer = _answer(packet)
    for port, direction in ((target, EGRESS), (source, INGRESS)):
        if port and answer and port.is_secured and _is_asked_again(known, port, packet):
            found.append(msgspec.structs.replace(_judge(known, port, direction, answer), is_answer=True))
    return found


def _judge(known: SecurityGroups, port: Port, direction: str, packet: Packet) -> Finding:
    if not port.is_secured:
        return Finding(port, direction, is_allowed=True, why="no port security, nothing is asked")
    if direction == EGRESS and not _is_own(port, packet.source):
        why = f"port security: {packet.source} is neither its own address nor in an allowed address pair"
        return Finding(port, direction, is_allowed=False, why=why)
    spoken = _without_rules(direction, packet)
    if spoken is not None:
        return Finding(port, direction, *spoken)
    asked = [rule for rule in known.rules_of(key_of(port)) if rule.direction == direction]
    judged = tuple(sorted((Judged(rule, missed(known, rule, packet)) for rule in asked), key=_nearness))
    is_allowed = any(not one.missed for one in judged)
    if is_allowed:
        why = "a rule of its groups allows it"
    elif not port.security_groups:
        why = "it is in no security group, so no rule allows anything"
    else:
        why = "no rule of its groups allows it"
    return Finding(port, direction, is_allowed, why, judged)


def _nearness(judged: Judged) -> int:
    """Those that allow it come first, then those that would allow somebody else to."""
    far = ("another port", "another type or code", "another protocol", "another IP version")
    found = (number for number, text in enumerate(far, 2) if judged.missed.startswith(text))
    return next(found, 1) if judged.missed else 0


def missed(known: SecurityGroups, rule: SecurityGroupRule, packet: Packet) -> str:
    """Why a rule does not allow a packet of its direction; "" if it does."""
    try:
        protocol = protocol_of(rule)
    except ValueError:
        return "a protocol that nobody knows"
    if version_of(rule) != packet.version:
        return f"another IP version than {packet.source}"
    if protocol is not None and protocol != packet.protocol:
        return "another protocol"
    if protocol is not None and not _is_port_met(rule, packet):
        return "another type or code" if packet.protocol in (ICMP, ICMPV6) else "another port"
    return _missed_remote(known, rule, packet.target if rule.direction == EGRESS else packet.source)


def _is_port_met(rule: SecurityGroupRule, packet: Packet) -> bool:
    low, high = rule.port_range_min, rule.port_range_max
    if (packet.version, packet.protocol) in ((4, ICMP), (6, ICMPV6)):
        return low in (None, packet.first) and (low is None or high in (None, packet.last))
    if low is None and high is None:
        return True
    if packet.protocol not in _WITH_PORTS or packet.first is None or packet.last is None:
        return False
    first = 0 if low is None else low
    last = high if high is not None else first if low is not None else 65535
    return first <= packet.first and packet.last <= last


def _missed_remote(known: SecurityGroups, rule: SecurityGroupRule, address: str) -> str:
    if rule.remote_ip_prefix:
        return "" if _is_in(address, rule.remote_ip_prefix) else f"{address} is not in {rule.remote_ip_prefix}"
    remote = remote_of(rule)
    if remote is None:
        return ""
    members = known.addresses(remote)
    if any(_is_in(address, member) for member in members):
        return ""
    number = f"{len(members)} addresses" if len(members) != 1 else "1 address"
    return f"{address} is not among its {number}" if members else "it has no address now"


def _is_in(address: str, prefix: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(prefix, strict=False)
    except ValueError:
        return False


def _is_own(port: Port, address: str) -> bool:
    return any(_is_in(address, own) for addresses in allowed(port).values() for own in addresses)


def _without_rules(direction: str, packet: Packet) -> tuple[bool, str] | None:
    """What passes, or is dropped, whatever the rules say; None for what they are asked about."""
    if direction == EGRESS and packet.protocol == UDP and packet.first == DHCP_CLIENTS[packet.version]:
        return False, "port security: only the network's DHCP servers speak to clients"
    if packet.version == 6 and packet.protocol == ICMPV6:
        if packet.first in _NEIGHBOURS:
            return True, "neighbour discovery passes without a rule"
        if packet.first in (_HEARD_FROM_ROUTERS, 137) and direction == EGRESS:
            return False, "port security: only routers advertise and redirect"
        if packet.first == (_ASKED_OF_ROUTERS if direction == EGRESS else _HEARD_FROM_ROUTERS):
            return True, "what routers are asked and say passes without a rule"
    return None


def _is_asked_again(known: SecurityGroups, port: Port, packet: Packet) -> bool:
    """Answers to a packet need a rule of this port's, too."""
    return (packet.version, packet.protocol) not in CONNECTIONS or known.is_stateless(key_of(port))


def _answer(packet: Packet) -> Packet | None:
    """The packet that comes back; None if nothing does."""
    back = Packet(packet.target, packet.source, packet.protocol)
    if packet.protocol in (ICMP, ICMPV6):
        kind = _ECHO_REPLIES.get((packet.protocol, packet.first or 0))
        return None if kind is None else msgspec.structs.replace(back, first=kind, last=0)
    if packet.protocol in _WITH_PORTS:
        return msgspec.structs.replace(back, first=EPHEMERAL[0], last=EPHEMERAL[1])
    return back


def describe(rule: SecurityGroupRule, names: Mapping[str, str]) -> str:
    """A rule in words; ``names`` of groups by id."""
    return " ".join(_words(rule, names))


def _words(rule: SecurityGroupRule, names: Mapping[str, str]) -> Iterator[str]:
    yield f"{rule.direction} {rule.ethertype}"
    yield rule.protocol or "anything"
    low, high = rule.port_range_min, rule.port_range_max
    try:
        is_icmp = protocol_of(rule) in (ICMP, ICMPV6)
    except ValueError:
        is_icmp = False
    if is_icmp and low is not None:
        yield f"type {low}" + ("" if high is None else f" code {high}")
    elif low is not None or high is not None:
        yield f"{low}" if low == high else f"{low or 0}-{65535 if high is None else high}"
    yield "from" if rule.direction == INGRESS else "to"
    if rule.remote_ip_prefix:
        yield rule.remote_ip_prefix
    elif remote := remote_of(rule):
        yield f"{remote[0].replace('-', ' ')} {names.get(remote[1], remote[1])}"
    else:
        yield "everybody"
