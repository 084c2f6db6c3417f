"""From a topology file to a ``Topology``: short forms written out, defaults filled in, every problem named.

Called by the commands, by ``patchbay apply`` and by tests. ``load_topology`` raises ``TopologyError`` with file, line,
field and expectation of every problem at once.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from patchbay.lab.address_rules import check_addressing
from patchbay.lab.expectations import read_expectations
from patchbay.lab.reading_routers import read_each, read_floating_ips, read_outside, read_routers, read_routes
from patchbay.lab.reading_security import check_security, read_address_groups, read_security_groups
from patchbay.lab.routing_rules import check_routing
from patchbay.lab.rules import check_rules
from patchbay.lab.topology import ControlPlane, Host, Instance, Interface, Network, Subnet, Topology, Underlay
from patchbay.lab.yamlfile import Document, FieldPath, TopologyError

SHORT_FORM = ("network", "address", "addresses", "mac")
APART = ("floating_ip",)
"""Fields of an instance that are read elsewhere."""
DYNAMIC = "dynamic"
"""In place of an address: the DHCP server lends one of the subnet's ``dhcp_range``."""


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
    networks = read_each(document, ("networks",), root.networks, _network)
    underlay = document.convert(("underlay",), {} if root.underlay is None else root.underlay, Underlay)
    topology = Topology(
        name=root.name or path.stem,
        path=str(path),
        underlay=underlay or Underlay(),
        control_plane=root.control_plane,
        hosts=read_each(document, ("hosts",), root.hosts, _host),
        networks={name: _owned(network, root.name or path.stem) for name, network in networks.items()},
        instances=read_each(document, ("instances",), root.instances, _instance),
        outside=read_outside(document, root.outside),
        address_groups=read_address_groups(document, root.address_groups),
    )
    document.finish()
    topology = msgspec.structs.replace(
        topology,
        routers=read_routers(document, root.routers, topology),
        floating_ips=read_floating_ips(document, root.floating_ips, root.instances, topology),
        security_groups=read_security_groups(document, root.security_groups, topology),
    )
    document.finish()
    topology = msgspec.structs.replace(topology, expect=read_expectations(document, root.expect, topology))
    check_rules(document, topology)
    check_routing(document, topology)
    check_addressing(document, topology)
    check_security(document, topology)
    document.finish()
    return topology


class _Root(msgspec.Struct):
    hosts: Any
    name: str = ""
    underlay: Any = None
    control_plane: ControlPlane = "socket"
    networks: Any = None
    routers: Any = None
    floating_ips: Any = None
    instances: Any = None
    security_groups: Any = None
    address_groups: Any = None
    outside: Any = None
    expect: Any = None


def _host(document: Document, path: FieldPath, value: Any) -> Host | None:
    return document.convert(path, value, Host)


def _network(document: Document, path: FieldPath, value: Any) -> Network | None:
    value = {} if value is None else value
    if not isinstance(value, Mapping):
        return document.convert(path, value, Network)
    rest = {name: inner for name, inner in value.items() if name != "subnets"}
    subnets = read_each(document, (*path, "subnets"), value.get("subnets"), _subnet)
    network = document.convert(path, rest, Network)
    return None if network is None else msgspec.structs.replace(network, subnets=subnets)


def _subnet(document: Document, path: FieldPath, value: Any) -> Subnet | None:
    if isinstance(value, str):
        value = {"cidr": value}
        document.alias((*path, "cidr"), path)
    routes = None
    if isinstance(value, Mapping):
        routes = read_routes(document, (*path, "host_routes"), value.get("host_routes"))
        value = {name: inner for name, inner in value.items() if name != "host_routes"}
        if value.get("gateway") == "none":
            value = {**value, "gateway": None}
    subnet = document.convert(path, value, Subnet)
    return subnet if subnet is None or not routes else msgspec.structs.replace(subnet, host_routes=routes)


def _owned(network: Network, project: str) -> Network:
    return network if network.project else msgspec.structs.replace(network, project=project)


def _instance(document: Document, path: FieldPath, value: Any) -> Instance | None:
    if not isinstance(value, Mapping):
        return document.convert(path, value, Instance, also=(*SHORT_FORM, *APART))
    short = {name: inner for name, inner in value.items() if name in SHORT_FORM}
    rest = {name: inner for name, inner in value.items() if name not in (*SHORT_FORM, *APART, "interfaces")}
    interfaces: dict[str, Any] = {}
    if short and "interfaces" in value:
        document.wrong((*path, next(iter(short))), "is given beside interfaces; expected one of the two forms")
    elif short:
        eth0 = (*path, "interfaces", "eth0")
        document.alias(eth0, path)
        interfaces = {"eth0": _interface(document, eth0, short)}
    else:
        interfaces = read_each(document, (*path, "interfaces"), value.get("interfaces"), _interface)
    instance = document.convert(path, rest, Instance, also=(*SHORT_FORM, *APART))
    if instance is None or None in interfaces.values():
        return None
    return msgspec.structs.replace(instance, interfaces=interfaces)


def _interface(document: Document, path: FieldPath, value: Any) -> Interface | None:
    if isinstance(value, Mapping) and value.get("address") == DYNAMIC and "addresses" not in value:
        value = {**{name: inner for name, inner in value.items() if name != "address"}, "is_dynamic": True}
    elif isinstance(value, Mapping) and "is_dynamic" in value:
        document.wrong((*path, "is_dynamic"), f"is not known here; expected address: {DYNAMIC}")
    elif isinstance(value, Mapping) and "address" in value:
        if "addresses" in value:
            document.wrong((*path, "address"), "is given beside addresses; expected one of the two")
        rest = {name: inner for name, inner in value.items() if name not in ("address", "addresses")}
        value = {**rest, "addresses": [value["address"]]}
        document.alias((*path, "addresses"), (*document.written(path), "address"))
        document.alias((*path, "addresses", 0), (*document.written(path), "address"))
    return document.convert(path, value, Interface, also=("address",))
