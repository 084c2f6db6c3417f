"""iptables rules as text: what iptables-restore reads, what iptables-save prints, and what a change of them breaks off.

``Tables`` is the text of ``Ruleset.tables``. Two texts mean the same when each chain has the same rules in the same
order: the order of the chains among each other says nothing, and an empty table is no table.
"""

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

import msgspec

from patchbay.hoststate import Ruleset

Tables = tuple[tuple[str, tuple[str, ...]], ...]

CHAINS = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
"""The chains that each table has by itself (iptables(8))."""

MOST_PORTS = 16
"""A range of more ports is broken off with all connections of its protocol: one conntrack process for each port."""


class Translation(msgspec.Struct, frozen=True, order=True):
    """An address, or one port of it (``protocol`` tcp …, ``port`` as text), that packets are translated to or from."""

    address: str
    protocol: str = ""
    port: str = ""

    def __str__(self) -> str:
        place = f"[{self.address}]" if ":" in self.address else self.address
        if self.port:
            return f"{place}:{self.port}/{self.protocol}"
        return f"{self.address}/{self.protocol}" if self.protocol else self.address


def restore_text(old: Tables, new: Tables) -> list[str]:
    """Lines for iptables-restore: ``new``, and tables that only ``old`` has become empty."""
    kept = {name for name, _ in new}
    emptied = tuple((name, _empty(name)) for name, _ in old if name not in kept)
    lines: list[str] = []
    for name, text in (*new, *emptied):
        lines += [f"*{name}", *text, "COMMIT"]
    return lines


def _empty(table: str) -> tuple[str, ...]:
    return tuple(f":{chain} ACCEPT" for chain in CHAINS.get(table, ()))


def parse_saved(text: str) -> Tables:
    """What iptables-save prints, without comments and counters."""
    tables: list[tuple[str, tuple[str, ...]]] = []
    lines: list[str] = []
    name = ""
    for line in text.splitlines():
        if line.startswith("*"):
            name, lines = line[1:], []
        elif line == "COMMIT":
            tables.append((name, tuple(lines)))
        elif line.startswith(":"):
            lines.append(line.partition(" [")[0])
        elif line and not line.startswith("#"):
            lines.append(line)
    return tuple(tables)


def is_equivalent(one: Tables, other: Tables) -> bool:
    """Whether packets meet the same rules."""
    return one == other or _meaning(one) == _meaning(other)


def has_rules(tables: Tables) -> bool:
    """Whether anything in them differs from a namespace that was just made."""
    return bool(_meaning(tables))


def _meaning(tables: Tables) -> dict[str, dict[str, list[str]]]:
    """Rules of each chain of each table, policy first; without untouched tables."""
    meaning: dict[str, dict[str, list[str]]] = {}
    for name, lines in tables:
        chains: dict[str, list[str]] = {}
        for line in lines:
            if line.startswith(":"):
                chain, _, policy = line[1:].partition(" ")
                chains.setdefault(chain, []).insert(0, policy)
            elif line.startswith("-A "):
                chains.setdefault(line.split(" ", 2)[1], [""]).append(line)
        touched = {
            chain: text for chain, text in chains.items() if chain not in CHAINS.get(name, ()) or text != ["ACCEPT"]
        }
        if touched:
            meaning[name] = touched
    return meaning


# Translated addresses


def find_untranslated(old: Ruleset, new: Ruleset) -> tuple[Translation, ...]:
    """What ``old`` translates and ``new`` does not, or differently: its connections must not go on.

    A floating address that was taken away, or given to another port, keeps its connections otherwise: conntrack
    translates each as it did its first packet. So does one to a port of it that is forwarded only now. An address that
    is still the source of others, such as a router's own, keeps its connections: who lost it has no way to it any more.
    """
    before, after = (dict(ruleset.tables).get("nat", ()) for ruleset in (old, new))
    left = set(before).difference(after)
    kept = _sources(after) if left else set()
    left = {line for line in left if not _sources([line]) & kept}
    gone = _mappings(left) - _mappings(after) if left else set()
    gone |= {mapping for mapping in _mappings(set(after).difference(before)) if _is_forwarded_late(mapping, before)}
    found = {translation for mapping in gone for translation in _translations(*mapping)}
    whole = {item.address for item in found if not item.protocol}
    return tuple(sorted(item for item in found if not item.protocol or item.address not in whole))


def _sources(lines: Iterable[str]) -> set[str]:
    """Addresses that packets get as their source."""
    return {mapping[0] for mapping in _mappings(line for line in lines if " -j SNAT " in line)}


def _is_forwarded_late(mapping: "_Mapping", before: Iterable[str]) -> bool:
    """It is a port of an address of which others were translated before."""
    address, _, ports, _ = mapping
    return bool(ports) and any(f" -d {address}/32 " in line for line in before)


_Mapping = tuple[str, str, str, str]
"""Address, protocol, ports, and what stands on the other side of it."""


def _mappings(lines: Iterable[str]) -> set[_Mapping]:
    found: set[_Mapping] = set()
    for line in lines:
        mapping = _mapping(line.split())
        if mapping:
            found.add(mapping)
    return found


def options_of(line: str) -> defaultdict[str, str]:
    """The options of a rule with what follows each; "" for others."""
    return _options(line.split())


def _options(words: list[str]) -> defaultdict[str, str]:
    options: defaultdict[str, str] = defaultdict(str)
    for option, value in pairwise(words):
        if option.startswith("-"):
            options[option] = value
    return options


def _mapping(words: list[str]) -> _Mapping | None:
    """Of ``-A CHAIN -d X/32 -j DNAT --to-destination Y`` and ``-A CHAIN -s Y/32 -j SNAT --to-source X``."""
    options = _options(words)
    if options["-j"] == "DNAT" and options["-d"] and "!" not in words:
        return address_of(options["-d"]), options["-p"], options["--dport"], options["--to-destination"]
    if options["-j"] == "SNAT" and options["--to-source"]:
        return source_of(options["--to-source"]), "", "", options["-s"]
    return None


def address_of(prefix: str) -> str:
    """``203.0.113.5/32`` without its length."""
    return prefix.removesuffix("/32").removesuffix("/128")


def source_of(source: str) -> str:
    """``203.0.113.2:1024-65535`` without its ports; an IPv6 address has them after a bracket."""
    if source.startswith("["):
        return source[1:].partition("]")[0]
    return source.partition(":")[0] if source.count(":") == 1 else source


def _translations(address: str, protocol: str, ports: str, _other: str) -> Iterable[Translation]:
    if not ports or not protocol:
        return [Translation(address, protocol)]
    first, _, last = ports.partition(":")
    numbers = range(int(first), int(last or first) + 1)
    if len(numbers) > MOST_PORTS:
        return [Translation(address, protocol)]
    return [Translation(address, protocol, str(number)) for number in numbers]
