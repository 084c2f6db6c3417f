"""The parts of a topology file that speak of routers, floating IPs and machines outside, as ``topology`` has them.

Called by ``reading``, which has read networks and instances by then: what these parts name can be looked up.
"""

import ipaddress
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import msgspec

from patchbay.lab.topology import FloatingIP, HostRoute, Outside, PortForwarding, Router, RouterInterface, Topology
from patchbay.lab.yamlfile import Document, FieldPath, describe

T = TypeVar("T")
EVERYTHING = {4: "0.0.0.0/0", 6: "::/0"}


def read_each(
    document: Document, path: FieldPath, value: Any, read: Callable[[Document, FieldPath, Any], T | None]
) -> dict[str, T]:
    """Every named entry of a mapping, by ``read``; entries that are wrong are left out."""
    entries = document.mapping(path, value, f"a mapping from names to {path[-1]}")
    found = {name: read(document, (*path, name), inner) for name, inner in entries.items()}
    return {name: inner for name, inner in found.items() if inner is not None}


def read_routes(document: Document, path: FieldPath, value: Any) -> tuple[HostRoute, ...]:
    """A mapping from destinations (a CIDR, or ``default``) to next hops."""
    routes = []
    for destination, nexthop in document.mapping(path, value, "a mapping from destinations to next hops").items():
        hop = _address(nexthop)
        block = EVERYTHING.get(0 if hop is None else hop.version) if destination == "default" else destination
        if hop is None:
            document.wrong((*path, destination), f"is {describe(nexthop)}; expected the address of a next hop")
        elif block is None or not _is_block(block, hop.version):
            document.wrong(
                (*path, destination),
                f"{destination!r} is no destination; expected an IPv{hop.version} CIDR, or default",
            )
        else:
            routes.append(HostRoute(block, nexthop))
    return tuple(routes)


def read_routers(document: Document, value: Any, topology: Topology) -> dict[str, Router]:
    """The routers, each interface with its network."""
    return read_each(document, ("routers",), value, partial(_router, topology))


def _router(topology: Topology, document: Document, path: FieldPath, value: Any) -> Router | None:
    value = {} if value is None else value
    if not isinstance(value, Mapping):
        return document.convert(path, value, Router)
    rest = {name: inner for name, inner in value.items() if name not in ("interfaces", "routes")}
    router = document.convert(path, rest, Router)
    routes = read_routes(document, (*path, "routes"), value.get("routes"))
    given = value.get("interfaces")
    if given is not None and not isinstance(given, list):
        document.wrong((*path, "interfaces"), f"is {describe(given)}; expected a list of subnets")
        return None
    interfaces = [
        _router_interface(topology, document, (*path, "interfaces", index), inner)
        for index, inner in enumerate(given or ())
    ]
    if router is None or None in interfaces:
        return None
    found = tuple(each for each in interfaces if each is not None)
    project = router.project or (topology.networks[found[0].network].project if found else topology.name)
    return msgspec.structs.replace(router, project=project, interfaces=found, routes=routes)


class _Interface(msgspec.Struct):
    subnet: str
    address: str = ""


def _router_interface(topology: Topology, document: Document, path: FieldPath, value: Any) -> RouterInterface | None:
    """``subnet``, ``network/subnet``, or a mapping with ``subnet`` and ``address``."""
    if isinstance(value, str):
        document.alias((*path, "subnet"), path)
        value = {"subnet": value}
    given = document.convert(path, value, _Interface)
    if given is None:
        return None
    network_name, _, name = given.subnet.rpartition("/")
    found = [
        (network, subnet)
        for network, each in topology.networks.items()
        for subnet in each.subnets
        if subnet == name and network_name in ("", network)
    ]
    if len(found) == 1:
        return RouterInterface(*found[0], given.address)
    if found:
        expected = " or ".join(f"{network}/{subnet}" for network, subnet in found)
        document.wrong((*path, "subnet"), f"{name!r} is a subnet of several networks; expected {expected}")
    else:
        known = ", ".join(subnet for each in topology.networks.values() for subnet in each.subnets) or "none is defined"
        document.wrong((*path, "subnet"), f"{given.subnet!r} is not a subnet of this file; expected one of {known}")
    return None


class _FloatingIP(msgspec.Struct):
    address: str
    network: str = ""
    project: str = ""
    instance: str = ""
    fixed_address: str = ""
    port_forwardings: Any = None


class _Forwarding(msgspec.Struct, rename={"target": "to"}):
    port: int
    target: str
    protocol: str = "tcp"


def read_floating_ips(document: Document, value: Any, instances: Any, topology: Topology) -> tuple[FloatingIP, ...]:
    """Those of the list, then those that instances name (``floating_ip``)."""
    if value is not None and not isinstance(value, list):
        document.wrong(("floating_ips",), f"is {describe(value)}; expected a list")
        value = None
    entries = list(value or ())
    named = document.mapping(("instances",), instances, "").items()
    for name, inner in named:
        if isinstance(inner, Mapping) and "floating_ip" in inner:
            where: FieldPath = ("instances", name, "floating_ip")
            document.alias(("floating_ips", len(entries)), where)
            given = inner["floating_ip"]
            if isinstance(given, str):
                document.alias(("floating_ips", len(entries), "address"), where)
                given = {"address": given}
            if isinstance(given, Mapping) and "instance" in given:
                document.wrong((*where, "instance"), "is given in an instance; leave it out")
            entries.append({**given, "instance": name} if isinstance(given, Mapping) else given)
    found = [_floating_ip(topology, document, ("floating_ips", index), each) for index, each in enumerate(entries)]
    return tuple(each for each in found if each is not None)


def _floating_ip(topology: Topology, document: Document, path: FieldPath, value: Any) -> FloatingIP | None:
    given = document.convert(path, value, _FloatingIP)
    if given is None:
        return None
    network = given.network or _external_network(topology, given.address)
    if network not in topology.networks or not topology.networks[network].external:
        known = ", ".join(name for name, each in topology.networks.items() if each.external) or "none is external"
        if given.network:
            document.wrong((*path, "network"), f"{network!r} is not an external network; expected one of {known}")
        else:
            document.wrong(
                (*path, "address"), f"{given.address!r} is in no subnet of an external network; networks: {known}"
            )
        return None
    instance, device = place(given.instance)
    project = given.project or _project(topology, instance) or topology.name
    return FloatingIP(
        network=network,
        address=given.address,
        project=project,
        instance=instance,
        device=device,
        fixed_address=given.fixed_address,
        port_forwardings=_forwardings(document, (*path, "port_forwardings"), given.port_forwardings),
    )


def _project(topology: Topology, name: str) -> str:
    instance = topology.instances.get(name)
    first = next(iter(instance.interfaces.values()), None) if instance else None
    if instance is None or first is None:
        return ""
    network = topology.networks.get(first.network)
    return instance.project or (network.project if network else "")


def _forwardings(document: Document, path: FieldPath, value: Any) -> tuple[PortForwarding, ...]:
    if value is not None and not isinstance(value, list):
        document.wrong(path, f"is {describe(value)}; expected a list such as [{{port: 2222, to: vm1:22}}]")
        return ()
    found = []
    for index, inner in enumerate(value or ()):
        given = document.convert((*path, index), inner, _Forwarding)
        if given is None:
            continue
        name, _, port = given.target.rpartition(":")
        if not name or not port.isdecimal() or not 1 <= int(port) <= 65535:
            document.wrong((*path, index, "to"), f"{given.target!r} is no target; expected instance:port, as vm1:22")
        elif not 1 <= given.port <= 65535:
            document.wrong((*path, index, "port"), f"{given.port} is no port; expected 1 to 65535")
        elif given.protocol not in ("tcp", "udp"):
            document.wrong((*path, index, "protocol"), f"is {given.protocol!r}; expected tcp or udp")
        else:
            instance, device = place(name)
            found.append(
                PortForwarding(given.port, instance, int(port), device, "udp" if given.protocol == "udp" else "tcp")
            )
    return tuple(found)


def _external_network(topology: Topology, address: str) -> str:
    """The external network with a subnet that holds the address; "" when there is none."""
    wanted = _address(address)
    for name, network in topology.networks.items():
        for subnet in network.subnets.values() if network.external and wanted is not None else ():
            if _is_block(subnet.cidr) and wanted in ipaddress.ip_network(subnet.cidr):
                return name
    return ""


def read_outside(document: Document, value: Any) -> dict[str, Outside]:
    """The machines that are not Patchbay's."""
    return read_each(document, ("outside",), value, _outside)


def _outside(document: Document, path: FieldPath, value: Any) -> Outside | None:
    if not isinstance(value, Mapping):
        return document.convert(path, value, Outside)
    rest = {name: inner for name, inner in value.items() if name != "routes"}
    machine = document.convert(path, rest, Outside)
    routes = read_routes(document, (*path, "routes"), value.get("routes"))
    return None if machine is None else msgspec.structs.replace(machine, routes=routes)


def place(text: str) -> tuple[str, str]:
    """``vm1/eth1`` as instance and device; the device is eth0 when it is left out."""
    instance, _, device = text.partition("/")
    return instance, device or "eth0"


def _address(text: Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _is_block(text: str, version: int = 0) -> bool:
    try:
        return ipaddress.ip_network(text).version in (version or 4, version or 6)
    except ValueError:
        return False
