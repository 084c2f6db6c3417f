"""The parts of a topology file that speak of security groups and address groups, and who is in them.

Called by ``reading``, which has read networks and instances by then. A rule is held to the service's own rules.
"""

from collections.abc import Mapping
from functools import partial
from ipaddress import ip_network
from typing import Any

import msgspec

from patchbay.errors import PatchbayError
from patchbay.lab.reading_routers import read_each
from patchbay.lab.topology import Instance, Topology
from patchbay.lab.topology_security import DEFAULT, SecurityGroup, SecurityRule
from patchbay.lab.yamlfile import Document, FieldPath, describe
from patchbay.model.protocols import IP_PROTOCOLS, ONLY_IPV6
from patchbay.service.security_rules import canonical
from patchbay.service.security_specs import SecurityGroupRuleSpec


class _Rule(msgspec.Struct):
    protocol: str | int | None = None
    ports: str | int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    ethertype: str = ""
    direction: str = ""
    source: str = msgspec.field(name="from", default="")
    target: str = msgspec.field(name="to", default="")


def read_address_groups(document: Document, value: Any) -> dict[str, tuple[str, ...]]:
    """A mapping from names to lists of CIDRs."""
    return read_each(document, ("address_groups",), value, _blocks)


def _blocks(document: Document, path: FieldPath, value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        document.wrong(path, f"is {describe(value)}; expected a list of CIDRs")
        return None
    found = [_block(each) for each in value]
    for index, (given, block) in enumerate(zip(value, found, strict=True)):
        if block is None:
            document.wrong((*path, index), f"is {describe(given)}; expected a CIDR or an address")
    return tuple(block for block in found if block is not None)


def _block(value: Any) -> str | None:
    try:
        return str(ip_network(value, strict=False)) if isinstance(value, str) else None
    except ValueError:
        return None


def read_security_groups(document: Document, value: Any, topology: Topology) -> dict[str, SecurityGroup]:
    """The groups; a list of rules alone is the short form. The owner is the project of the file unless one is named."""
    names = document.mapping(("security_groups",), value, "a mapping from names to security_groups")
    for name in sorted(names.keys() & topology.address_groups.keys()):
        document.wrong(("security_groups", name), "is the name of an address group too; expected one of its own")
    remotes = {DEFAULT, *names, *topology.address_groups}
    return read_each(document, ("security_groups",), value, partial(_group, topology.name, remotes))


def _group(project: str, remotes: set[str], document: Document, path: FieldPath, value: Any) -> SecurityGroup | None:
    if isinstance(value, list):
        document.alias((*path, "rules"), path)
        value = {"rules": value}
    value = {} if value is None else value
    if not isinstance(value, Mapping):
        return document.convert(path, value, SecurityGroup)
    group = document.convert(path, {name: inner for name, inner in value.items() if name != "rules"}, SecurityGroup)
    given = value.get("rules") or []
    if not isinstance(given, list):
        document.wrong((*path, "rules"), f"is {describe(given)}; expected a list of rules")
        return None
    rules = [_rule(document, (*path, "rules", index), inner, remotes) for index, inner in enumerate(given)]
    if group is None:
        return None
    kept = tuple(rule for rule in rules if rule is not None)
    return msgspec.structs.replace(group, project=group.project or project, rules=kept)


def _rule(document: Document, path: FieldPath, value: Any, remotes: set[str]) -> SecurityRule | None:
    given = document.convert(path, {} if value is None else value, _Rule)
    if given is None:
        return None
    if given.source and given.target:
        document.wrong((*path, "to"), "is given beside from; expected one of the two")
        return None
    direction = given.direction or ("egress" if given.target else "ingress")
    if direction not in ("ingress", "egress") or (given.source and direction == "egress"):
        document.wrong((*path, "direction"), f"is {direction!r}; expected ingress (with from) or egress (with to)")
        return None
    remote = given.source or given.target
    block = _block(remote)
    if remote and block is None and remote not in remotes:
        known = ", ".join(sorted(remotes))
        document.wrong((*path, "from" if given.source else "to"), f"is {remote!r}; expected a CIDR or one of {known}")
        return None
    try:
        return _canonical(given, direction, block, remote)
    except (PatchbayError, ValueError) as error:
        document.wrong(path, str(error).removesuffix("."))
        return None


def _canonical(given: _Rule, direction: str, block: str | None, remote: str) -> SecurityRule:
    protocol = None if given.protocol is None else str(given.protocol).lower()
    if protocol is not None and protocol not in IP_PROTOCOLS and not (protocol.isdecimal() and int(protocol) < 256):
        raise ValueError(
            f"protocol {given.protocol!r} is not known; expected a number or one of {', '.join(IP_PROTOCOLS)}"
        )
    is_six = protocol in ONLY_IPV6 if block is None else ":" in block
    first, last = _range(given)
    spec = canonical(
        SecurityGroupRuleSpec(
            direction=direction,
            ethertype=given.ethertype or ("IPv6" if is_six else "IPv4"),
            protocol=protocol,
            port_range_min=first,
            port_range_max=last,
            remote_ip_prefix=block,
        )
    )
    return SecurityRule(
        direction="egress" if direction == "egress" else "ingress",
        ethertype=spec.ethertype,
        protocol=spec.protocol,
        first=spec.port_range_min,
        last=spec.port_range_max,
        remote=block or remote,
    )


def _range(given: _Rule) -> tuple[int | None, int | None]:
    """The ends of ``ports`` ("80" or "80-90"), or ICMP type and code."""
    if given.ports is None:
        return given.icmp_type, given.icmp_code
    first, _, last = str(given.ports).partition("-")
    ends = [int(part) if part.isascii() and part.strip().isdecimal() else -1 for part in (first, last or first)]
    if not all(1 <= end <= 65535 for end in ends) or given.icmp_type is not None or given.icmp_code is not None:
        raise ValueError(f"ports: {given.ports!r} cannot be used; expected a port or first-last, and no ICMP type")
    return ends[0], ends[1]


def check_security(document: Document, topology: Topology) -> None:
    """Note every group that is named and not there, and groups of what has no port security."""
    for name, network in topology.networks.items():
        _check_named(document, ("networks", name), network.security_groups, topology)
        _check_port_security(document, ("networks", name), network.security_groups, network.port_security)
    for name, instance in topology.instances.items():
        _check_named(document, ("instances", name), instance.security_groups, topology)
        _check_port_security(document, ("instances", name), instance.security_groups, instance.port_security)
        _check_projects(document, name, instance, topology)


def _check_named(document: Document, path: FieldPath, names: tuple[str, ...] | None, topology: Topology) -> None:
    known = (DEFAULT, *(name for name in topology.security_groups if name != DEFAULT))
    for index, name in enumerate(names or ()):
        if name not in known:
            document.wrong((*path, "security_groups", index), f"is {name!r}; expected one of {', '.join(known)}")


def _check_port_security(
    document: Document, path: FieldPath, names: tuple[str, ...] | None, port_security: bool | None
) -> None:
    if names and port_security is False:
        document.wrong((*path, "security_groups"), "are given, but port_security is false")


def _check_projects(document: Document, name: str, instance: Instance, topology: Topology) -> None:
    for index, each in enumerate(instance.security_groups or ()):
        group = topology.security_groups.get(each)
        network = next((topology.networks.get(one.network) for one in instance.interfaces.values()), None)
        project = instance.project or ("" if network is None else network.project)
        if group is not None and project and group.project != project and each != DEFAULT:
            document.wrong(
                ("instances", name, "security_groups", index),
                f"is {each!r} of project {group.project!r}; expected a group of project {project!r}",
            )
