"""What must hold in a topology for its addresses together: on one network nobody has another's, and routes lead on.

Called by ``reading`` after ``rules`` and ``routing_rules``, which look at each address alone; what they have refused is
passed over here. What only the service can know (addresses that it chose) is left to it.
"""

import ipaddress
from collections.abc import Iterator

from patchbay.lab.rules import Address, Block
from patchbay.lab.topology import FloatingIP, Interface, Network, Router, RouterInterface, Subnet, Topology
from patchbay.lab.yamlfile import Document, FieldPath

Place = tuple[str, Address]
"""An address on a network, by the network's name: two networks may have the same addresses."""


def check_addressing(document: Document, topology: Topology) -> None:
    """Note every broken rule on the document."""
    for name, network in topology.networks.items():
        for subnet_name, subnet in network.subnets.items():
            _check_modes(document, ("networks", name, "subnets", subnet_name), subnet)
    used = {place: f"instance {name}" for name, place in _instances_of(topology)}
    for name, router in topology.routers.items():
        path: FieldPath = ("routers", name)
        _check_overlaps(document, path, router, topology)
        _check_routes(document, path, router, topology)
        for where, place in _addresses_of(path, router, topology):
            _use(document, where, used, place, f"router {name}")
    associated: dict[tuple[str, str, str, str], str] = {}
    forwarded: dict[tuple[str, str, str, int], str] = {}
    for index, floating_ip in enumerate(topology.floating_ips):
        path = ("floating_ips", index)
        address = _parse(floating_ip.address)
        if address is not None and (floating_ip.network, address) in used:
            _use(document, (*path, "address"), used, (floating_ip.network, address), "")
        _check_fixed_address(document, path, floating_ip, topology, associated)
        _check_forwardings(document, path, floating_ip, topology)
        _check_targets(document, path, floating_ip, forwarded)


def _use(document: Document, path: FieldPath, used: dict[Place, str], place: Place, owner: str) -> None:
    if place in used:
        document.wrong(path, f"{place[1]} is the address of {used[place]} on {place[0]}; expected a free one")
    used[place] = owner


def _check_modes(document: Document, path: FieldPath, subnet: Subnet) -> None:
    """As Neutron demands: both modes alike, DHCP enabled, and /64 where addresses are made from MACs (RFC 4862)."""
    modes = [mode for mode in (subnet.ipv6_ra_mode, subnet.ipv6_address_mode) if mode]
    field = "ipv6_ra_mode" if subnet.ipv6_ra_mode else "ipv6_address_mode"
    block = _block(subnet.cidr)
    if not modes or block is None or block.version == 4:
        return
    if len(set(modes)) > 1:
        document.wrong(
            (*path, "ipv6_address_mode"), f"is {modes[1]}, but ipv6_ra_mode is {modes[0]}; expected the same"
        )
    if not subnet.enable_dhcp:
        document.wrong((*path, field), "is given, but the subnet has no DHCP; leave out enable_dhcp: false")
    if modes[-1] != "dhcpv6-stateful" and block.prefixlen != 64:
        document.wrong((*path, field), f"is {modes[-1]}, which makes addresses of 64 bits; expected a /64, not {block}")


def _check_overlaps(document: Document, path: FieldPath, router: Router, topology: Topology) -> None:
    seen: dict[tuple[str, str], Block] = {}
    for index, interface in enumerate(router.interfaces):
        key, block = (interface.network, interface.subnet), _block(_subnet(interface, topology).cidr)
        if block is None or key in seen:
            continue
        for (_, name), other in seen.items():
            if other.version == block.version and other.overlaps(block):
                what = f"{block} of {interface.subnet} overlaps {other} of {name}"
                document.wrong((*path, "interfaces", index), f"{what}; expected subnets that can be told apart")
        seen[key] = block


def _check_routes(document: Document, path: FieldPath, router: Router, topology: Topology) -> None:
    subnets = [_subnet(interface, topology) for interface in router.interfaces]
    if router.external in topology.networks:
        subnets += topology.networks[router.external].subnets.values()
    blocks = [block for subnet in subnets if (block := _block(subnet.cidr)) is not None]
    own = {place[1] for _, place in _addresses_of(path, router, topology)}
    for route in router.routes:
        hop = _parse(route.nexthop)
        what = f"next hop {hop} of {route.destination}"
        if hop in own:
            document.wrong((*path, "routes"), f"{what} is the router's own address; expected a neighbour's")
        elif hop is not None and not any(hop in block for block in blocks):
            known = ", ".join(map(str, blocks)) or "none"
            document.wrong((*path, "routes"), f"{what} is on none of the router's subnets; its subnets: {known}")


def _check_fixed_address(
    document: Document,
    path: FieldPath,
    floating_ip: FloatingIP,
    topology: Topology,
    associated: dict[tuple[str, str, str, str], str],
) -> None:
    """The fixed address is the interface's, and has no other floating IP of this network."""
    interface = _interface(topology, floating_ip.instance, floating_ip.device)
    if interface is None:
        return
    have = [address for text in interface.addresses if (address := _parse(text)) is not None and address.version == 4]
    fixed = _parse(floating_ip.fixed_address) if floating_ip.fixed_address else next(iter(have), None)
    what = f"{floating_ip.instance}'s {floating_ip.device}"
    if floating_ip.fixed_address and (fixed is None or (have and fixed not in have)):
        known = ", ".join(map(str, have)) or "chosen by the service"
        document.wrong(
            (*path, "fixed_address"),
            f"{floating_ip.fixed_address!r} is no IPv4 address of {what}; its addresses: {known}",
        )
        return
    key = (floating_ip.network, floating_ip.instance, floating_ip.device, str(fixed))
    if key in associated:
        document.wrong(
            (*path, "instance"), f"{what} has floating IP {associated[key]} already; expected another instance, or none"
        )
    associated[key] = floating_ip.address


def _check_forwardings(document: Document, path: FieldPath, floating_ip: FloatingIP, topology: Topology) -> None:
    seen: dict[tuple[str, int], int] = {}
    routers: set[str] | None = None
    for number, forwarding in enumerate(floating_ip.port_forwardings):
        where: FieldPath = (*path, "port_forwardings", number)
        if (forwarding.protocol, forwarding.port) in seen:
            what = f"{forwarding.protocol} port {forwarding.port}"
            document.wrong((*where, "port"), f"{what} of {floating_ip.address} leads elsewhere; expected another port")
        seen.setdefault((forwarding.protocol, forwarding.port), number)
        interface = _interface(topology, forwarding.instance, forwarding.device)
        if interface is None or interface.network not in topology.networks:
            continue
        leading = {
            name
            for name, router in topology.routers.items()
            if router.external == floating_ip.network
            and any(each.network == interface.network for each in router.interfaces)
        }
        if not leading:
            problem = f"no router leads from {interface.network} to {floating_ip.network}"
            document.wrong((*where, "to"), f"{problem}; give one with external: {floating_ip.network}")
        elif routers is not None and not routers & leading:
            problem = f"{forwarding.instance} is behind another router than the ports before"
            document.wrong((*where, "to"), f"{problem}; expected instances behind {', '.join(sorted(routers))}")
        routers = leading if not routers else routers & leading or routers


def _check_targets(
    document: Document, path: FieldPath, floating_ip: FloatingIP, forwarded: dict[tuple[str, str, str, int], str]
) -> None:
    """A port of an instance is what one forwarding leads to, of whatever floating IP (Neutron's rule)."""
    for number, each in enumerate(floating_ip.port_forwardings):
        key = (each.instance, each.device, each.protocol, each.internal_port)
        if key in forwarded:
            problem = f"{each.protocol} port {each.internal_port} of {each.instance} is where {forwarded[key]} leads"
            document.wrong((*path, "port_forwardings", number, "to"), f"{problem} already; expected another port")
        forwarded.setdefault(key, f"{floating_ip.address}:{each.port}")


def _instances_of(topology: Topology) -> Iterator[tuple[str, Place]]:
    for name, instance in topology.instances.items():
        for interface in instance.interfaces.values():
            for text in interface.addresses:
                if (address := _parse(text)) is not None:
                    yield name, (interface.network, address)


def _addresses_of(path: FieldPath, router: Router, topology: Topology) -> Iterator[tuple[FieldPath, Place]]:
    """Where the file gives a router an address, and which."""
    seen = set()
    for index, interface in enumerate(router.interfaces):
        subnet = _subnet(interface, topology)
        address = _parse(interface.address) if interface.address else _gateway_of(subnet)
        if address is not None and (interface.network, interface.subnet) not in seen:
            seen.add((interface.network, interface.subnet))
            yield (*path, "interfaces", index), (interface.network, address)
    for index, text in enumerate(router.external_addresses):
        if (address := _parse(text)) is not None:
            yield (*path, "external_addresses", index), (router.external, address)


def _gateway_of(subnet: Subnet) -> Address | None:
    """The address of a subnet's gateway: the one given, else the first of the block; None when there is none."""
    block = _block(subnet.cidr)
    if isinstance(subnet.gateway, str):
        return _parse(subnet.gateway)
    return None if subnet.gateway is None or block is None or block.num_addresses < 2 else block[1]


def _subnet(interface: RouterInterface, topology: Topology) -> Subnet:
    return topology.networks.get(interface.network, Network()).subnets[interface.subnet]


def _interface(topology: Topology, name: str, device: str) -> Interface | None:
    instance = topology.instances.get(name)
    return instance.interfaces.get(device) if instance else None


def _parse(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _block(text: str) -> Block | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None
