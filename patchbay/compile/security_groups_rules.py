"""The rules of a rule set as flows, and the addresses of whom they name.

RULES_EGRESS and RULES_INGRESS are asked: a flow that matches sets ``ALLOWED``, and who asked goes on. What is tracked
is matched by the tuple of the connection's first packet, which replies carry too; so both directions of a connection
can be judged at any time. A rule that names a group is a conjunction of two: this rule set, protocol and port; and one
flow for each address, which all rules that name the group share. So flows grow with rules plus members.
"""

import functools
from collections.abc import Iterable, Iterator

from patchbay.compile.leg import flow
from patchbay.compile.names import rule_set_number
from patchbay.compile.pipeline import RULES_EGRESS, RULES_INGRESS
from patchbay.compile.security_groups import (
    EGRESS,
    TRACKED,
    normal,
    protocol_of,
    remote_of,
    version_of,
    ways_to_match,
)
from patchbay.compile.view import HostView
from patchbay.hoststate import Flow, Resource
from patchbay.model.protocols import ICMP, ICMPV6
from patchbay.model.security import SecurityGroupRule

ALLOW = "load:0x1->NXM_NX_REG5[3]"
"""The answer of a rule: bit 3 of reg5."""
TRACKED_STATE, UNTRACKED_STATE = "ct_state=-inv+trk", "ct_state=-trk"
_DIRECT, _CONJUNCTION = 20, 10
_TABLES = {EGRESS: RULES_EGRESS}
_KEYWORDS = {4: "ip", 6: "ipv6"}
_WITH_PORTS = {6: "tcp", 17: "udp", 132: "sctp"}


def compile_rule_set(view: HostView, key: str) -> Iterable[Resource]:
    """The rules of ports with these groups."""
    security = view.security
    if not security.is_here(key):
        return ()
    is_stateless = security.is_stateless(key)
    found: dict[tuple[int, int, str], Flow] = {}
    several: dict[tuple[int, int, str], set[str]] = {}
    for rule in security.rules_of(key):
        remote = remote_of(rule)
        number = security.conjunction_number(remote) if remote else 0
        for one in _flows(rule, key, is_stateless, view.facts.datapath_type, number):
            place = (one.table, one.priority, one.match)
            other = found.setdefault(place, one)
            if other is not one:
                several.setdefault(place, {other.actions}).add(one.actions)
    for place, actions in several.items():
        found[place] = flow(*place, ",".join(sorted(actions)))
    return found.values()


@functools.lru_cache(maxsize=16384)
def _flows(
    rule: SecurityGroupRule, key: str, is_stateless: bool, datapath_type: str, number: int | None
) -> tuple[Flow, ...]:
    """Those of one rule; ``number`` is its remote's, 0 for a rule without, None for one that opens nothing.

    Remembered, because each change of a rule set looks at all its rules.
    """
    action, priority = (f"conjunction({number},1/2)", _CONJUNCTION) if number else (ALLOW, _DIRECT)
    ways = ways_to_match(rule, is_stateless=is_stateless) if number is not None else ()
    matches = (match for matched in ways for match in _matches(rule, key, matched, datapath_type))
    return tuple(flow(_table(rule.direction), priority, match, action) for match in matches)


def compile_conjunction(view: HostView, kind: str, group_id: str) -> Iterator[Resource]:
    """What both parts of a rule that names this group come to."""
    number = view.security.conjunction_number((kind, group_id))
    if number is not None:
        for direction in sorted({use.direction for use in view.security.uses((kind, group_id))}):
            yield flow(_table(direction), _CONJUNCTION, f"conj_id={number}", ALLOW)


def compile_remote(view: HostView, address: str) -> Iterator[Flow]:
    """One address, or CIDR, of all whom rules here name."""
    version = 6 if ":" in address else 4
    remotes = view.security.remotes_at(address)
    uses = {use for remote in remotes for use in view.security.uses(remote) if use.version == version}
    for use in sorted(uses, key=lambda use: (use.direction, use.matched)):
        numbers = {view.security.conjunction_number(remote) for remote in remotes if use in view.security.uses(remote)}
        actions = ",".join(f"conjunction({number},2/2)" for number in sorted(numbers - {None}, key=str))
        if actions:
            remote_term = _remote_term(use.direction, version, use.matched, address)
            yield flow(_table(use.direction), _CONJUNCTION, _joined(use.matched, version, remote_term), actions)


def _table(direction: str) -> int:
    return _TABLES.get(direction, RULES_INGRESS)


def _matches(rule: SecurityGroupRule, key: str, matched: str, datapath_type: str) -> Iterator[str]:
    """The matches of one rule for one rule set: one for each mask of its port range.

    And one for later fragments, which have no ports: they are of no use without the first, which has. The kernel's
    datapath puts together what it tracks; the userspace one judges each fragment, though of whole packets only.
    """
    version, protocol = version_of(rule), protocol_of(rule)
    remote = ""
    if rule.remote_ip_prefix:
        prefix = normal(rule.remote_ip_prefix)
        if not prefix or (":" in prefix) != (version == 6):
            return
        if not prefix.endswith("/0"):
            remote = _remote_term(rule.direction, version, matched, prefix)
    rule_set = f"metadata={rule_set_number(key):#x}"
    found = list(_ports(rule, protocol, matched))
    if found and protocol in _WITH_PORTS and any(found[0]) and (matched != TRACKED or datapath_type == "netdev"):
        later = _joined(matched, version, remote, protocol=protocol, rule_set=rule_set)
        yield f"{later},nw_frag=later"
    for kind, ports in found:
        yield _joined(matched, version, remote, protocol=protocol, kind=kind, ports=ports, rule_set=rule_set)


def _joined(
    matched: str,
    version: int,
    remote: str,
    *,
    protocol: int | None = None,
    kind: str = "",
    ports: str = "",
    rule_set: str = "",
) -> str:
    """The parts of a match in the order in which Open vSwitch prints them."""
    if matched == TRACKED:
        number = "" if protocol is None else f"ct_nw_proto={protocol}"
        parts = [TRACKED_STATE, remote, number, kind, ports, _KEYWORDS[version], rule_set]
    else:
        number = "" if protocol is None else f"nw_proto={protocol}"
        keyword = _KEYWORDS[version]
        if protocol in _WITH_PORTS:
            keyword, number = _WITH_PORTS[protocol] + ("6" if version == 6 else ""), ""
        elif (version, protocol) in ((4, ICMP), (6, ICMPV6)):
            keyword, number = ("icmp" if version == 4 else "icmp6"), ""
        parts = [UNTRACKED_STATE, keyword, rule_set, remote, number, kind, ports]
    return ",".join(part for part in parts if part)


def _remote_term(direction: str, version: int, matched: str, address: str) -> str:
    end = "dst" if direction == EGRESS else "src"
    plain = f"nw_{end}" if version == 4 else f"ipv6_{end}"
    return f"ct_{plain}={address}" if matched == TRACKED else f"{plain}={address}"


def _ports(rule: SecurityGroupRule, protocol: int | None, matched: str) -> Iterator[tuple[str, str]]:
    """Terms of ICMP type and code, or of the destination port: as many as the range needs; none where Open vSwitch does
    not know the ports of a protocol (DCCP, UDP-Lite), so that such a rule allows nothing."""
    low, high = rule.port_range_min, rule.port_range_max
    is_tracked = matched == TRACKED
    if (version_of(rule), protocol) in ((4, ICMP), (6, ICMPV6)):
        names = ("ct_tp_src", "ct_tp_dst") if is_tracked else ("icmp_type", "icmp_code")
        kind = "" if low is None else f"{names[0]}={low}"
        yield kind, "" if high is None or low is None else f"{names[1]}={high}"
    elif low is None and high is None:
        yield "", ""
    elif protocol in _WITH_PORTS:
        first = low if low is not None else 0
        last = high if high is not None else (low if low is not None else 65535)
        name = "ct_tp_dst" if is_tracked else "tp_dst"
        yield from (("", f"{name}={term}" if term else "") for term in port_masks(first, last))


def port_masks(low: int, high: int) -> Iterator[str]:
    """A range of ports as the fewest ``port/mask``; "" for all of them. Nothing for a range that is empty."""
    low, high = max(low, 0), min(high, 0xFFFF)
    while low <= high:
        size = low & -low or 0x10000
        while size > high - low + 1:
            size >>= 1
        if size == 0x10000:
            yield ""
        else:
            yield f"{low}" if size == 1 else f"{low:#x}/{0x10000 - size:#x}"
        low += size
