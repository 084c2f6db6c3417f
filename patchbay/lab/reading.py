"""From a topology file to a ``Topology``: short forms written out, defaults filled in, every problem named.

Called by the commands, by ``patchbay apply`` and by tests. ``load_topology`` raises ``TopologyError`` with file, line,
field and expectation of every problem at once.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from patchbay.lab.rules import check_rules
from patchbay.lab.topology import Host, Instance, Interface, Network, Reach, Subnet, Topology, Underlay
from patchbay.lab.yamlfile import Document, FieldPath, TopologyError

T = TypeVar("T", bound=msgspec.Struct)
SHORT_FORM = ("network", "address", "addresses", "mac")


def load_topology(path: Path) -> Topology:
    """Read and check a topology file. Raises ``TopologyError``."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TopologyError(f"{path}: cannot be read ({error.strerror}).", "Name an existing topology file.") from None
    except UnicodeDecodeError as error:
        raise TopologyError(f"{path}: byte {error.start} is not UTF-8; expected a text file.") from None
    return parse_topology(text, path)


def parse_topology(text: str, path: Path) -> Topology:
    """The topology in ``text``; ``path`` names the file in errors and, by default, the topology."""
    document = Document(path, text)
    root = document.convert((), document.data, _Root)
    if root is None:
        document.finish()
        raise TopologyError(f"{path.name}: is empty.")  # unreachable: a failed conversion has noted a problem
    networks = _each(document, ("networks",), root.networks, _network)
    underlay = document.convert(("underlay",), {} if root.underlay is None else root.underlay, Underlay)
    topology = Topology(
        name=root.name or path.stem,
        path=str(path),
        underlay=underlay or Underlay(),
        hosts=_each(document, ("hosts",), root.hosts, _host),
        networks={name: _owned(network, root.name or path.stem) for name, network in networks.items()},
        instances=_each(document, ("instances",), root.instances, _instance),
    )
    document.finish()
    topology = msgspec.structs.replace(topology, expect=_expectations(document, root.expect, topology))
    check_rules(document, topology)
    document.finish()
    return topology


class _Root(msgspec.Struct):
    hosts: Any
    name: str = ""
    underlay: Any = None
    networks: Any = None
    instances: Any = None
    expect: Any = None


class _Expectation(msgspec.Struct, rename={"source": "from", "target": "to"}):
    source: str | list[str] | None = None
    target: str | list[str] | None = None
    reach: Literal["yes", "no"] | bool | None = None
    apart: list[str] | None = None
    together: list[str] | None = None


def _each(document: Document, path: FieldPath, value: Any, read: Any) -> dict[str, Any]:
    """Every named entry of a mapping, by ``read``; entries that are wrong are left out."""
    entries = document.mapping(path, value, f"a mapping from names to {path[-1]}")
    found = {name: read(document, (*path, name), inner) for name, inner in entries.items()}
    return {name: inner for name, inner in found.items() if inner is not None}


def _host(document: Document, path: FieldPath, value: Any) -> Host | None:
    return document.convert(path, value, Host)


def _network(document: Document, path: FieldPath, value: Any) -> Network | None:
    value = {} if value is None else value
    if not isinstance(value, Mapping):
        return document.convert(path, value, Network)
    rest = {name: inner for name, inner in value.items() if name != "subnets"}
    subnets = _each(document, (*path, "subnets"), value.get("subnets"), _subnet)
    network = document.convert(path, rest, Network)
    return None if network is None else msgspec.structs.replace(network, subnets=subnets)


def _subnet(document: Document, path: FieldPath, value: Any) -> Subnet | None:
    if isinstance(value, str):
        value = {"cidr": value}
        document.alias((*path, "cidr"), path)
    if isinstance(value, Mapping) and value.get("gateway") == "none":
        value = {**value, "gateway": None}
    return document.convert(path, value, Subnet)


def _owned(network: Network, project: str) -> Network:
    return network if network.project else msgspec.structs.replace(network, project=project)


def _instance(document: Document, path: FieldPath, value: Any) -> Instance | None:
    if not isinstance(value, Mapping):
        return document.convert(path, value, Instance, also=SHORT_FORM)
    short = {name: inner for name, inner in value.items() if name in SHORT_FORM}
    rest = {name: inner for name, inner in value.items() if name not in (*SHORT_FORM, "interfaces")}
    interfaces: dict[str, Any] = {}
    if short and "interfaces" in value:
        document.wrong((*path, next(iter(short))), "is given beside interfaces; expected one of the two forms")
    elif short:
        eth0 = (*path, "interfaces", "eth0")
        document.alias(eth0, path)
        interfaces = {"eth0": _interface(document, eth0, short)}
    else:
        interfaces = _each(document, (*path, "interfaces"), value.get("interfaces"), _interface)
    instance = document.convert(path, rest, Instance, also=SHORT_FORM)
    if instance is None or None in interfaces.values():
        return None
    return msgspec.structs.replace(instance, interfaces=interfaces)


def _interface(document: Document, path: FieldPath, value: Any) -> Interface | None:
    if isinstance(value, Mapping) and "address" in value:
        if "addresses" in value:
            document.wrong((*path, "address"), "is given beside addresses; expected one of the two")
        rest = {name: inner for name, inner in value.items() if name not in ("address", "addresses")}
        value = {**rest, "addresses": [value["address"]]}
        document.alias((*path, "addresses"), (*document.written(path), "address"))
        document.alias((*path, "addresses", 0), (*document.written(path), "address"))
    return document.convert(path, value, Interface, also=("address",))


def _expectations(document: Document, value: Any, topology: Topology) -> tuple[Reach, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        document.wrong(("expect",), "is not a list; expected lines such as - {from: red1, to: red2, reach: yes}")
        return ()
    found: list[Reach] = []
    for index, entry in enumerate(value):
        path: FieldPath = ("expect", index)
        expectation = document.convert(path, entry, _Expectation)
        if expectation is not None:
            found.extend(_expand(document, path, expectation, topology))
    return tuple(found)


def _expand(document: Document, path: FieldPath, given: _Expectation, topology: Topology) -> list[Reach]:
    """One line of ``expect`` as statements about instances."""
    line = document.line(path)
    if given.apart is not None:
        groups = _members(document, (*path, "apart"), given.apart, topology)
        if len(given.apart) < 2:
            document.wrong((*path, "apart"), "names fewer than two networks; expected two or more")
        return [
            Reach(one, other, False, line) for one in groups for other in groups if one is not other and one and other
        ]
    if given.together is not None:
        groups = _members(document, (*path, "together"), given.together, topology)
        return [Reach(group, group, True, line) for group in groups]
    for field, inner in (("from", given.source), ("to", given.target), ("reach", given.reach)):
        if inner is None:
            document.wrong((*path, field), "is required and missing (or give apart or together, a list of networks)")
    if given.source is None or given.target is None or given.reach is None:
        return []
    sources = _names(document, (*path, "from"), given.source, topology)
    targets = _names(document, (*path, "to"), given.target, topology)
    return [Reach(sources, targets, given.reach in (True, "yes"), line)]


def _members(document: Document, path: FieldPath, networks: list[str], topology: Topology) -> list[tuple[str, ...]]:
    groups = []
    for index, name in enumerate(networks):
        if name in topology.networks:
            groups.append(topology.instances_on(name))
        else:
            known = ", ".join(topology.networks) or "none is defined"
            document.wrong((*path, index), f"{name!r} is not a network of this file; expected one of {known}")
    return groups


def _names(document: Document, path: FieldPath, given: str | list[str], topology: Topology) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    for index, name in enumerate(names):
        if name not in topology.instances:
            known = ", ".join(topology.instances) or "none is defined"
            where = path if isinstance(given, str) else (*path, index)
            document.wrong(where, f"{name!r} is not an instance of this file; expected one of {known}")
    return tuple(name for name in names if name in topology.instances)
