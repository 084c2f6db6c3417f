"""Tracked connections that rules would not make as they are: what an agent that died, or a stranger, has left behind.

``FlushConntrack`` comes after the rules that call for it. An agent that is killed between the two leaves connections of
a floating IP that is gone, and rules that a stranger flushed for a moment leave connections that are not translated.
So the kernel's table is compared with the rules, at an agent's start and when rules were repaired. Pure.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator

import msgspec

from patchbay.plan.rules import Tables, Translation, address_of, options_of, source_of

_ENDS = re.compile(r"src=(\S+) dst=(\S+)(?: sport=(\d+) dport=(\d+))?")
_NEVER_TRANSLATED = tuple(map(ipaddress.ip_network, ("169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32")))
"""Link-local, multicast and broadcast: they do not leave by a gateway."""


class StaleConnections(msgspec.Struct, frozen=True, kw_only=True):
    """Connections of a namespace that are to be broken off. Seen, and never wanted."""

    namespace: str
    version: int = 4
    translations: tuple[Translation, ...]

    @property
    def key(self) -> tuple[str, ...]:
        return connections_key(self.namespace, self.version)


def connections_key(namespace: str, version: int) -> tuple[str, ...]:
    """The key of ``StaleConnections``."""
    return ("connections", namespace, str(version))


class Connection(msgspec.Struct, frozen=True):
    """A tracked connection: its first packet, and where answers come from and go to. Without ports these are ""."""

    protocol: str
    source: str
    target: str
    port: str
    answer_from: str
    answer_port: str
    answer_to: str


def parse_tracked(text: str) -> Iterator[Connection]:
    """What ``conntrack -L`` prints."""
    for line in text.splitlines():
        ends = _ENDS.findall(line)
        if len(ends) == 2:
            (source, target, _, port), (answer_from, answer_to, answer_port, _) = ends
            yield Connection(line.split(None, 1)[0], source, target, port, answer_from, answer_port, answer_to)


class _Forward(msgspec.Struct, frozen=True):
    """A DNAT rule of one address. ``ports`` "" means all; ``inner`` is an address, perhaps with ports."""

    protocol: str
    ports: str
    inner: str

    def takes(self, one: Connection) -> bool:
        """Whether a first packet meets this rule."""
        return self.protocol in ("", one.protocol) and (not self.ports or _is_in(one.port, self.ports, ":"))

    def makes(self, one: Connection) -> bool:
        """Whether a connection has been translated by a rule like this."""
        address, _, ports = self.inner.partition("/")[0].partition(":")
        return self.takes(one) and address == one.answer_from and (not ports or _is_in(one.answer_port, ports, "-"))


class _Sender(msgspec.Struct, frozen=True):
    """A SNAT rule. ``is_always``: not only for connections to a floating IP."""

    prefix: ipaddress.IPv4Network
    outer: str
    is_always: bool


def find_stale(connections: Iterable[Connection], tables: Tables, *, is_repaired: bool) -> tuple[Translation, ...]:
    """What to break off so that no connection is left that these rules would make otherwise.

    ``is_repaired``: rules were missing for a moment, so what went out untranslated counts, too. Otherwise it is left:
    a sender that got its floating IP later keeps its connections, and so do all of an address that is still the source
    of others (``find_untranslated``).
    """
    lines = dict(tables).get("nat", ())
    forwards, redirected = _read_forwards(lines)
    senders = list(_read_senders(lines))
    found: set[Translation] = set()
    for one in connections:
        if one.target in redirected:
            continue
        rules = forwards.get(one.target, [])
        if one.answer_from != one.target:
            found |= _misled(one, rules)
        elif any(rule.takes(one) for rule in rules):
            found.add(_part_of(one))
        if one.answer_to != one.source:
            if not _is_sent_so(one, senders, is_floating=one.answer_to in forwards):
                found.add(Translation(one.answer_to))
        elif is_repaired and one.answer_from == one.target and _must_be_sent_otherwise(one, senders, forwards.keys()):
            found.add(Translation(one.source))
    whole = {item.address for item in found if not item.protocol}
    return tuple(sorted(item for item in found if not item.protocol or item.address not in whole))


def _misled(one: Connection, rules: list[_Forward]) -> set[Translation]:
    """Nothing, if one of the rules of its address makes this connection."""
    if any(rule.makes(one) for rule in rules):
        return set()
    return {_part_of(one) if rules else Translation(one.target)}


def _part_of(one: Connection) -> Translation:
    """Those like this one: others of the address go on."""
    return Translation(one.target, one.protocol, one.port) if one.protocol != "unknown" else Translation(one.target)


def _is_sent_so(one: Connection, senders: list[_Sender], *, is_floating: bool) -> bool:
    rules = [rule for rule in senders if rule.outer == one.answer_to]
    return any(not is_floating or _has(rule, one.source) for rule in rules)


def _must_be_sent_otherwise(one: Connection, senders: list[_Sender], floating: Iterable[str]) -> bool:
    """It comes from inside and goes out by the gateway: not to another inside, nor to the router itself."""
    inside = any(_has(rule, one.target) or rule.outer == one.target for rule in senders)
    if inside or one.target in floating or not any(rule.is_always and _has(rule, one.source) for rule in senders):
        return False
    target = ipaddress.ip_address(one.target)
    return not any(target in network for network in _NEVER_TRANSLATED)


def _has(rule: _Sender, address: str) -> bool:
    return ipaddress.ip_address(address) in rule.prefix


def _read_forwards(lines: Iterable[str]) -> tuple[dict[str, list[_Forward]], set[str]]:
    """DNAT rules by outer address, and addresses that are redirected to the host itself."""
    forwards: dict[str, list[_Forward]] = {}
    redirected: set[str] = set()
    for line in lines:
        options = options_of(line)
        target = address_of(options["-d"])
        if options["-j"] == "REDIRECT":
            redirected.add(target)
        elif options["-j"] == "DNAT" and target:
            rule = _Forward(options["-p"], options["--dport"], options["--to-destination"])
            forwards.setdefault(target, []).append(rule)
    return forwards, redirected


def _read_senders(lines: Iterable[str]) -> Iterator[_Sender]:
    for line in lines:
        options = options_of(line)
        if options["-j"] == "SNAT" and options["-s"]:
            prefix = ipaddress.IPv4Network(options["-s"])
            yield _Sender(prefix, source_of(options["--to-source"]), options["--ctstate"] != "DNAT")


def _is_in(port: str, ports: str, separator: str) -> bool:
    first, _, last = ports.partition(separator)
    return port.isdigit() and int(first) <= int(port) <= int(last or first)
