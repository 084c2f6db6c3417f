"""What one host knows of security groups: whose rules its ports have, and whom those rules name.

A *rule set* is what ports with the same groups have in common: its key is the groups' ids, sorted. A *remote* is whom
a rule names: a group (its ports' addresses) or an address group (its CIDRs). ``HostView`` keeps it up to date; each
change answers with the fragments to compile again. Rules of a group that is not known are none: that closes.
"""

import functools
import hashlib
import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from patchbay.compile.index import Index
from patchbay.model.port import Port
from patchbay.model.protocols import ICMP, ICMPV6, protocol_number
from patchbay.model.security import EGRESS, INGRESS, IPV4, AddressGroup, SecurityGroup, SecurityGroupRule

Fragment = tuple[str, ...]
Remote = tuple[str, str]
"""(GROUP, id) or (ADDRESS_GROUP, id)"""
GROUP, ADDRESS_GROUP = "group", "address-group"

Value = SecurityGroup | SecurityGroupRule | AddressGroup

TRACKED, UNTRACKED = "tracked", "untracked"
"""How a rule is matched: by the first packet of a connection, or packet by packet."""
CONNECTIONS = frozenset({(4, ICMP), (6, ICMPV6), (4, 6), (6, 6), (4, 17), (6, 17)})
"""IP version and protocol of what Open vSwitch tracks, on either datapath: ICMP, TCP and UDP."""


class Use(msgspec.Struct, frozen=True):
    """How flows look for the addresses of a remote: in packets of which direction and IP version, and how matched."""

    direction: str
    version: int
    matched: str


class SecurityGroups:
    """See the module."""

    def __init__(self) -> None:
        self.groups: dict[str, SecurityGroup] = {}
        self.rules: dict[str, SecurityGroupRule] = {}
        self.address_groups: dict[str, AddressGroup] = {}
        self._parts = Index()
        """("rules", group) → rules; ("lists", address) → address groups."""
        self._contents: dict[str, str] = {}
        """Of each rule what decides what it allows."""
        self.clear()

    def clear(self) -> None:
        """Forget what follows from ports."""
        self._here = Index()
        """("sets",) → rule sets of ports here; ("sets", group) → those of them with this group."""
        self._members = Index()
        """("addresses", group) → addresses of its ports; ("groups", address) → groups of its ports;
        ("networks", group) → networks of its ports."""
        self._counts: dict[Remote, Counter[tuple[str, Use]]] = {}
        """How many rules of which rule set here use a remote, and how."""
        self._used: dict[Remote, frozenset[Use]] = {}
        self._numbered: dict[int, set[Remote]] = {}
        """Those of ``_used`` by the hash that is their conjunctions' number."""
        self._digests: dict[Remote, str] = {}
        """Of the addresses of remotes, while they stay the same."""
        self._allowed: dict[tuple[str, str], tuple[str, frozenset[Remote]]] = {}
        """Of rule sets, in a direction, while their rules stay the same: a hash of them, and whom they name."""

    # Questions

    def sets_here(self) -> list[str]:
        """Keys of the rule sets of ports here."""
        return sorted(self._here.owners(("sets",)))

    def is_here(self, key: str) -> bool:
        """A port here has this rule set."""
        return key in self._here.owners(("sets",))

    def groups_here(self) -> set[str]:
        """Ids of the groups of ports here, known or not."""
        return {group_id for key in self._here.owners(("sets",)) for group_id in groups_of(key)}

    def remotes_here(self) -> list[Remote]:
        """Whom the rules of ports here name."""
        return sorted(self._used)

    def conjunction_number(self, remote: Remote) -> int | None:
        """The number of the conjunctions with this remote, a hash; of two with one number (most unlikely) the first
        has it, and rules that name the other allow nothing."""
        number = _hashed(remote)
        return number if all(remote <= other for other in self._numbered.get(number, ())) else None

    def remote_networks(self) -> set[str]:
        """Ids of the networks with ports of groups that rules of ports here name."""
        found = (self._members.owners(("networks", group_id)) for kind, group_id in self._used if kind == GROUP)
        return {network_id for networks in found for network_id in networks}

    def remotes_at(self, address: str) -> list[Remote]:
        """Those of ``remotes_here`` that this address is of."""
        found = [(GROUP, group_id) for group_id in self._members.owners(("groups", address))]
        found += [(ADDRESS_GROUP, group_id) for group_id in self._parts.owners(("lists", address))]
        return sorted(remote for remote in found if remote in self._used)

    def uses(self, remote: Remote) -> frozenset[Use]:
        """How rules of ports here use it."""
        return self._used.get(remote, frozenset())

    def addresses(self, remote: Remote) -> list[str]:
        """Addresses and CIDRs of a remote, as ``normal`` writes them."""
        kind, group_id = remote
        if kind == GROUP:
            return sorted(self._members.owners(("addresses", group_id)))
        return sorted(_listed(self.address_groups.get(group_id)))

    def rules_of(self, key: str) -> list[SecurityGroupRule]:
        """All rules of a rule set, in no particular order."""
        return [rule for group_id in groups_of(key) for rule in self._rules_of_group(group_id)]

    def is_stateless(self, key: str) -> bool:
        """Its groups do not follow connections (Neutron lets no port mix them)."""
        groups = [self.groups.get(group_id) for group_id in groups_of(key)]
        return bool(groups) and all(group is not None and not group.stateful for group in groups)

    def version(self, key: str, direction: str) -> int:
        """A number, never 0, of all that these rules allow in a direction: it changes with each rule and member.

        Connections note it when they are allowed, and are judged anew when it is not the same any more.
        """
        if (key, direction) not in self._allowed or not self.is_here(key):
            rules = [rule for rule in self.rules_of(key) if rule.direction == direction and _is_sound(rule)]
            contents = {self._contents[rule.id] for rule in rules}
            remotes = frozenset(remote for rule in rules if (remote := remote_of(rule)))
            self._allowed[key, direction] = _digest_of(key, direction, *sorted(contents)), remotes
        digest, remotes = self._allowed[key, direction]
        members = sorted(f"{remote} {self._digest(remote)}" for remote in remotes)
        return int(_digest_of(digest, *members)[:16], 16) or 1

    def _digest(self, remote: Remote) -> str:
        """A hash of a remote's addresses: taken once, however many rules name it."""
        if remote not in self._digests:
            self._digests[remote] = _digest_of(*self.addresses(remote))
        return self._digests[remote]

    def fragments(self) -> Iterator[Fragment]:
        """Every fragment that rules here may cause."""
        for key in self.sets_here():
            yield from _of_set(key)
        for remote in self._used:
            yield ("conjunction", *remote)
            yield from (("remote", address) for address in self.addresses(remote))

    # Changes

    def change(self, value: Value, new: Value | None) -> set[Fragment]:
        """There is such a value, new or changed, or (None) no more."""
        match value:
            case SecurityGroup():
                return self._change_group(value.id, new)
            case SecurityGroupRule():
                return self._change_rule(value.id, new)
        return self._change_address_group(value.id, new)

    def note_set(self, key: str, is_there: bool) -> set[Fragment]:
        """The first port here got this rule set, or the last one lost it."""
        if self.is_here(key) == is_there:
            return set()
        edit = self._here.add if is_there else self._here.discard
        edit(("sets",), key)
        for group_id in groups_of(key):
            edit(("sets", group_id), key)
        for direction in (EGRESS, INGRESS):
            self._allowed.pop((key, direction), None)
        return set(_of_set(key)) | self._settle(self._count(key, self.rules_of(key), 1 if is_there else -1))

    def note_member(self, group_id: str, address: str, is_there: bool) -> set[Fragment]:
        """The first port of a group got this address, or the last one lost it."""
        edit = self._members.add if is_there else self._members.discard
        edit(("addresses", group_id), address)
        edit(("groups", address), group_id)
        self._digests.pop((GROUP, group_id), None)
        return self._of_address((GROUP, group_id), address)

    def note_network(self, group_id: str, network_id: str, is_there: bool) -> None:
        """The first port of a group came to a network, or the last one left it."""
        edit = self._members.add if is_there else self._members.discard
        edit(("networks", group_id), network_id)

    def _change_group(self, group_id: str, new: object) -> set[Fragment]:
        old, new = self.groups.get(group_id), new if isinstance(new, SecurityGroup) else None
        if old is not None and new is not None and old.stateful == new.stateful:
            self.groups[group_id] = new
            return set()
        keys = list(self._here.owners(("sets", group_id)))
        remotes = {remote for key in keys for remote in self._count(key, self.rules_of(key), -1)}
        if new is not None:
            self.groups[group_id] = new
        else:
            self.groups.pop(group_id, None)
        remotes |= {remote for key in keys for remote in self._count(key, self.rules_of(key), 1)}
        return self._sets_with(group_id) | self._settle(remotes)

    def _change_rule(self, rule_id: str, new: object) -> set[Fragment]:
        old, new = self.rules.pop(rule_id, None), new if isinstance(new, SecurityGroupRule) else None
        if new is not None:
            self.rules[rule_id] = new
            self._contents[rule_id] = repr(_content(new))
        else:
            self._contents.pop(rule_id, None)
        if old == new:
            return set()
        remotes: set[Remote] = set()
        dirty: set[Fragment] = set()
        for rule, edit, step in ((old, self._parts.discard, -1), (new, self._parts.add, 1)):
            if rule is not None:
                edit(("rules", rule.security_group_id), rule_id)
                dirty |= self._sets_with(rule.security_group_id)
                for key in self._here.owners(("sets", rule.security_group_id)):
                    self._allowed.pop((key, rule.direction), None)
                    remotes |= self._count(key, [rule], step)
        return dirty | self._settle(remotes)

    def _change_address_group(self, group_id: str, new: object) -> set[Fragment]:
        before = _listed(self.address_groups.pop(group_id, None))
        if isinstance(new, AddressGroup):
            self.address_groups[group_id] = new
        after = _listed(self.address_groups.get(group_id))
        self._digests.pop((ADDRESS_GROUP, group_id), None)
        dirty: set[Fragment] = set()
        for address in before ^ after:
            edit = self._parts.add if address in after else self._parts.discard
            edit(("lists", address), group_id)
            dirty |= self._of_address((ADDRESS_GROUP, group_id), address)
        return dirty

    def _of_address(self, remote: Remote, address: str) -> set[Fragment]:
        """An address came to a remote, or left it."""
        if remote not in self._used:
            return set()
        return {("remote", address), *(("connections", key) for key, _ in self._counts[remote])}

    def _sets_with(self, group_id: str) -> set[Fragment]:
        return {fragment for key in self._here.owners(("sets", group_id)) for fragment in _of_set(key)}

    def _count(self, key: str, rules: Iterable[SecurityGroupRule], step: int) -> set[Remote]:
        """These rules of a rule set here came (1) or went (-1). Returns the remotes that they name."""
        is_stateless = self.is_stateless(key)
        remotes: set[Remote] = set()
        for rule in rules:
            if remote := remote_of(rule):
                remotes.add(remote)
                counts = self._counts.setdefault(remote, Counter())
                for matched in ways_to_match(rule, is_stateless=is_stateless):
                    counts[key, Use(rule.direction, version_of(rule), matched)] += step
        return remotes

    def _settle(self, remotes: Iterable[Remote]) -> set[Fragment]:
        """Rules that may name these came, changed or went."""
        dirty: set[Fragment] = set()
        for remote in remotes:
            self._counts[remote] = +self._counts[remote]
            uses = frozenset(use for _, use in self._counts[remote])
            if uses == self.uses(remote):
                continue
            dirty |= self._of_remote(remote)
            self._used.pop(remote, None)
            same = self._numbered.setdefault(_hashed(remote), set())
            same.discard(remote)
            for other in same:
                dirty |= self._of_remote(other) | {("ruleset", key) for key, _ in self._counts[other]}
            if uses:
                self._used[remote] = uses
                same.add(remote)
            else:
                del self._counts[remote]
        return dirty

    def _of_remote(self, remote: Remote) -> set[Fragment]:
        """What a remote's uses are in, and its number as well, beside the rules themselves."""
        return {("conjunction", *remote), *(("remote", address) for address in self.addresses(remote))}

    def _rules_of_group(self, group_id: str) -> Iterator[SecurityGroupRule]:
        return (self.rules[rule_id] for rule_id in self._parts.owners(("rules", group_id)))


def key_of(port: Port) -> str:
    """The key of a port's rule set."""
    return ",".join(sorted(set(port.security_groups)))


def groups_of(key: str) -> list[str]:
    """The ids in a rule set's key."""
    return key.split(",") if key else []


def members_of(port: Port) -> Iterator[tuple[str, str]]:
    """The groups of a port, each with each address that the port may use."""
    if not port.port_security_enabled:
        return
    texts = [fixed.ip_address for fixed in port.fixed_ips]
    texts += [pair.ip_address for pair in port.allowed_address_pairs]
    for address in filter(None, map(normal, texts)):
        yield from ((group_id, address) for group_id in port.security_groups)


def remote_of(rule: SecurityGroupRule) -> Remote | None:
    """Whom the rule names by group, if it does."""
    if rule.remote_group_id:
        return GROUP, rule.remote_group_id
    return (ADDRESS_GROUP, rule.remote_address_group_id) if rule.remote_address_group_id else None


def version_of(rule: SecurityGroupRule) -> int:
    """Its IP version."""
    return 4 if rule.ethertype == IPV4 else 6


def protocol_of(rule: SecurityGroupRule) -> int | None:
    """The number of its protocol, None for all. ICMP in a rule of IPv6 is ICMPv6. Raises ValueError for nonsense."""
    if rule.protocol in (None, "", "any"):
        return None
    number = protocol_number(str(rule.protocol))
    if number == ICMP and version_of(rule) == 6:
        return ICMPV6
    return number or None


def ways_to_match(rule: SecurityGroupRule, *, is_stateless: bool) -> tuple[str, ...]:
    """TRACKED for what has connections, UNTRACKED for the rest and for stateless groups; none for nonsense."""
    try:
        protocol = protocol_of(rule)
    except ValueError:
        return ()
    if is_stateless or (protocol is not None and (version_of(rule), protocol) not in CONNECTIONS):
        return (UNTRACKED,)
    return (TRACKED,) if protocol is not None else (TRACKED, UNTRACKED)


def _is_sound(rule: SecurityGroupRule) -> bool:
    """It can allow something."""
    return bool(ways_to_match(rule, is_stateless=False))


def _digest_of(*texts: str) -> str:
    return hashlib.blake2b("\n".join(texts).encode(), digest_size=16).hexdigest()


@functools.lru_cache(maxsize=16384)
def _hashed(remote: Remote) -> int:
    digest = hashlib.blake2b("/".join(remote).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") or 1


@functools.lru_cache(maxsize=16384)
def normal(text: str) -> str:
    """An address or CIDR as flows write it: without host bits, an address without prefix length; "" if it is none."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return ""
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def _of_set(key: str) -> tuple[Fragment, Fragment]:
    return ("ruleset", key), ("connections", key)


def _listed(group: AddressGroup | None) -> set[str]:
    return set(filter(None, map(normal, group.addresses))) if group else set()


def _content(rule: SecurityGroupRule) -> tuple[object, ...]:
    """What of a rule decides what it allows."""
    ports = (rule.port_range_min, rule.port_range_max)
    return rule.direction, rule.ethertype, rule.protocol, *ports, rule.remote_ip_prefix, remote_of(rule)


__all__ = ["EGRESS", "INGRESS", "Remote", "SecurityGroups", "Use", "key_of", "members_of", "normal"]
