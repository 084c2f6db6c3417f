"""The list ``expect`` of a topology file: statements about instances, each proved later with real packets.

Called by ``reading``. What a statement is about shows in its first words: ``from … to``, ``apart``, ``together``,
``from … to … tcp``, ``from … resolve``, ``lease``, ``from … http``.
"""

import ipaddress
from typing import Any, Literal

import msgspec

from patchbay.lab.reading_routers import place, read_routes
from patchbay.lab.topology import Connect, Expectation, Fetch, Lease, Reach, Resolve, Topology
from patchbay.lab.yamlfile import Document, FieldPath, field_names

Word = Literal["yes", "no"] | bool


class _Reach(msgspec.Struct, rename={"source": "from", "target": "to"}):
    source: str | list[str] | None = None
    target: str | list[str] | None = None
    reach: Word | None = None
    seen_as: str = ""
    apart: list[str] | None = None
    together: list[str] | None = None


class _Connect(msgspec.Struct, rename={"source": "from", "target": "to"}):
    source: str | list[str]
    target: str | list[str]
    reach: Word
    tcp: int | None = None
    udp: int | None = None


class _Resolve(msgspec.Struct, rename={"source": "from", "target": "to"}):
    source: str | list[str]
    resolve: str
    target: str = ""
    fails: Word = False


class _Lease(msgspec.Struct):
    lease: str
    address: str | None = None
    router: str | None = None
    server: str | None = None
    dns: list[str] | None = None
    domain: str | None = None
    mtu: int | None = None


class _Fetch(msgspec.Struct, rename={"source": "from"}):
    source: str | list[str]
    http: str
    body: str | None = None
    status: int = 200
    headers: dict[str, str] = {}


_ALL = tuple(dict.fromkeys(name for kind in (_Reach, _Connect, _Resolve, _Lease, _Fetch) for name in field_names(kind)))


def read_expectations(document: Document, value: Any, topology: Topology) -> tuple[Expectation, ...]:
    """Every statement of the list; what is wrong is noted and left out."""
    if value is None:
        return ()
    if not isinstance(value, list):
        document.wrong(("expect",), "is not a list; expected lines such as - {from: red1, to: red2, reach: yes}")
        return ()
    found: list[Expectation] = []
    for index, entry in enumerate(value):
        path: FieldPath = ("expect", index)
        if isinstance(entry, dict) and "resolve" in entry:
            found += _resolve(document, path, entry, topology)
        elif isinstance(entry, dict) and "lease" in entry:
            found += _lease(document, path, entry, topology)
        elif isinstance(entry, dict) and "http" in entry:
            found += _fetch(document, path, entry, topology)
        elif isinstance(entry, dict) and ("tcp" in entry or "udp" in entry):
            found += _connect(document, path, entry, topology)
        else:
            there = entry if isinstance(entry, dict) else _ALL
            also = [name for name in _ALL if name not in field_names(_Reach) and name not in there]
            reach = document.convert(path, entry, _Reach, also=also)
            found += [] if reach is None else _reach(document, path, reach, topology)
    return tuple(found)


def _reach(document: Document, path: FieldPath, given: _Reach, topology: Topology) -> list[Reach]:
    """One statement about packets as statements about instances."""
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
    targets = _names(document, (*path, "to"), given.target, topology, or_address=True)
    reach = given.reach in (True, "yes")
    if given.seen_as:
        _check_seen_as(document, (*path, "seen_as"), given, targets, topology)
    return [Reach(sources, targets, reach, line, given.seen_as)]


def _connect(document: Document, path: FieldPath, entry: Any, topology: Topology) -> list[Connect]:
    given = document.convert(path, entry, _Connect)
    if given is None:
        return []
    protocol, port = ("tcp", given.tcp) if given.udp is None else ("udp", given.udp)
    if given.tcp is not None and given.udp is not None:
        document.wrong(path, "gives tcp and udp; expected one of them, and a line for each")
    if port is None or not 0 < port < 65536:
        document.wrong((*path, protocol), f"{port} is not a port; expected a number from 1 to 65535")
        return []
    sources = _names(document, (*path, "from"), given.source, topology)
    targets = _names(document, (*path, "to"), given.target, topology, or_address=True)
    for target in targets:
        if _is_address(target) and not topology.place_of(target):
            problem = f"{target} is of no instance and no machine outside; expected one of theirs: somebody must listen"
            document.wrong((*path, "to"), problem)
    return [Connect(sources, targets, protocol, port, given.reach in (True, "yes"), document.line(path))]


def _check_seen_as(
    document: Document, path: FieldPath, given: _Reach, targets: tuple[str, ...], topology: Topology
) -> None:
    """Only who has a capture can say where packets come from."""
    if given.reach not in (True, "yes"):
        document.wrong(path, "is given where nothing must arrive; expected reach: yes")
    if not _is_address(given.seen_as):
        document.wrong(path, f"{given.seen_as!r} is not an address; expected an IP address")
    for target in targets:
        known = target in topology.instances or target in topology.outside or topology.place_of(target)
        if not known:
            document.wrong(path, f"{target} belongs to no instance and no machine outside; nobody there can look")


def _resolve(document: Document, path: FieldPath, entry: Any, topology: Topology) -> list[Resolve]:
    given = document.convert(path, entry, _Resolve)
    if given is None:
        return []
    sources = _names(document, (*path, "from"), given.source, topology, kinds="instance")
    fails = given.fails in (True, "yes")
    if fails == bool(given.target):
        document.wrong(path, "says how a name is resolved; expected either to: ADDRESS or fails: yes")
    if given.target and not _is_address(given.target):
        document.wrong((*path, "to"), f"{given.target!r} is not an address; expected an IP address")
    return [Resolve(sources, given.resolve, given.target, document.line(path))]


def _lease(document: Document, path: FieldPath, entry: Any, topology: Topology) -> list[Lease]:
    routes = None
    if entry.get("routes") is not None:
        routes = read_routes(document, (*path, "routes"), entry["routes"])
    rest = {name: inner for name, inner in entry.items() if name != "routes"}
    given = document.convert(path, rest, _Lease, also=("routes",))
    if given is None:
        return []
    instance, device = place(given.lease)
    known = topology.instances.get(instance)
    if known is None:
        _names(document, (*path, "lease"), instance, topology, kinds="instance")
    elif device not in known.interfaces:
        expected = ", ".join(known.interfaces)
        document.wrong((*path, "lease"), f"{device!r} is no interface of {instance}; expected one of {expected}")
    elif not known.dhcp:
        document.wrong((*path, "lease"), f"{instance} asks for no lease; give it dhcp: true")
    for field, text in (("router", given.router), ("server", given.server)):
        if text is not None and text != "none" and not _is_address(text):
            document.wrong((*path, field), f"{text!r} is not an address; expected an IP address, or none")
    if given.address is not None and not all(_is_address(each.strip()) for each in given.address.split("-")):
        document.wrong(
            (*path, "address"), f"{given.address!r} is no address; expected an address or a range first-last"
        )
    return [
        Lease(
            instance=instance,
            device=device,
            address=given.address,
            router="" if given.router == "none" else given.router,
            server=given.server,
            dns=None if given.dns is None else tuple(given.dns),
            domain=given.domain,
            mtu=given.mtu,
            routes=routes,
            line=document.line(path),
        )
    ]


def _fetch(document: Document, path: FieldPath, entry: Any, topology: Topology) -> list[Fetch]:
    given = document.convert(path, entry, _Fetch)
    if given is None:
        return []
    if not given.http.startswith("http://") or not given.http[len("http://") :].strip("/"):
        document.wrong((*path, "http"), f"{given.http!r} is no URL; expected one such as http://169.254.169.254/")
    sources = _names(document, (*path, "from"), given.source, topology)
    return [Fetch(sources, given.http, given.status, given.body, given.headers, document.line(path))]


def _members(document: Document, path: FieldPath, networks: list[str], topology: Topology) -> list[tuple[str, ...]]:
    groups = []
    for index, name in enumerate(networks):
        if name in topology.networks:
            groups.append(topology.instances_on(name))
        else:
            known = ", ".join(topology.networks) or "none is defined"
            document.wrong((*path, index), f"{name!r} is not a network of this file; expected one of {known}")
    return groups


def _names(
    document: Document,
    path: FieldPath,
    given: str | list[str],
    topology: Topology,
    *,
    kinds: Literal["instance", "place"] = "place",
    or_address: bool = False,
) -> tuple[str, ...]:
    """The names of instances and, as ``place``, machines outside; also addresses, where they may stand."""
    names = (given,) if isinstance(given, str) else tuple(given)
    known = (*topology.instances, *(topology.outside if kinds == "place" else ()))
    for index, name in enumerate(names):
        if name not in known and not (or_address and _is_address(name)):
            listed = ", ".join(known) or "none is defined"
            where = path if isinstance(given, str) else (*path, index)
            more = ", or an address" if or_address else ""
            document.wrong(where, f"{name!r} is not an instance of this file; expected one of {listed}{more}")
    return tuple(name for name in names if name in known or (or_address and _is_address(name)))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
