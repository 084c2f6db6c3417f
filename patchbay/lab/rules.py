"""What must hold in a topology beyond its shape: names that refer, addresses that fit, nothing used twice.

Called by ``reading``. Every rule is one function that tells the ``Document`` what is wrong, and where.
"""

import ipaddress
import re
from collections.abc import Iterable

import msgspec

from patchbay.lab.topology import Connect, Host, Interface, Network, Reach, Subnet, Topology, Underlay
from patchbay.lab.yamlfile import Document, FieldPath

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
DEVICE = re.compile(r"[^\s/:]{1,15}")
MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.IGNORECASE)
OWN_BRIDGES = ("br-int", "br-tun", "br-phy")
SEGMENTS = {"vlan": 4094, "vxlan": (1 << 24) - 1}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Block = ipaddress.IPv4Network | ipaddress.IPv6Network


def check_rules(document: Document, topology: Topology) -> None:
    """Note every broken rule on the document."""
    if not topology.hosts:
        document.wrong(("hosts",), "is empty; expected at least one host")
    _check_names(document, topology)
    _check_hosts(document, topology)
    _check_networks(document, topology)
    _check_instances(document, topology)
    _check_expectations(document, topology)


def _check_names(document: Document, topology: Topology) -> None:
    for section, names in (("hosts", topology.hosts), ("instances", topology.instances)):
        for name in names:
            check_name(document, section, name)
    for name in topology.instances:
        if name in topology.hosts:
            document.wrong(("instances", name), "is the name of a host too; expected names that tell them apart")
    if not NAME.fullmatch(topology.name):
        document.wrong(("name",), f"{topology.name!r} cannot be a name; expected letters, digits, dots and dashes")


def check_name(document: Document, section: str, name: str) -> None:
    """A name that also can name a machine, a namespace and a file."""
    if not NAME.fullmatch(name):
        expected = "letters, digits, dots, dashes and underscores, at most 63, not at the ends"
        document.wrong((section, name), f"{name!r} cannot be a name; expected {expected}")


def underlay_block(underlay: Underlay, hosts: Iterable[Host]) -> Block | None:
    """The block of the tunnel addresses: as given, else the /24 (/64) around the first host's. None: not an address."""
    try:
        if underlay.cidr:
            return ipaddress.ip_network(underlay.cidr)
        first = ipaddress.ip_address(next(iter(hosts)).tunnel_ip)
        return ipaddress.ip_network(f"{first}/{24 if first.version == 4 else 64}", strict=False)
    except (ValueError, StopIteration):
        return None


def _check_hosts(document: Document, topology: Topology) -> None:
    block = underlay_block(topology.underlay, topology.hosts.values())
    if topology.underlay.cidr and block is None:
        document.wrong(("underlay", "cidr"), f"{topology.underlay.cidr!r} is not a CIDR such as 172.21.12.0/24")
    if not 1280 <= topology.underlay.mtu <= 65535:
        document.wrong(("underlay", "mtu"), f"{topology.underlay.mtu} is not an MTU; expected 1280 to 65535")
    seen: dict[Address, str] = {}
    for name, host in topology.hosts.items():
        path: FieldPath = ("hosts", name, "tunnel_ip")
        address = _address(document, path, host.tunnel_ip)
        if address is None:
            continue
        if address in seen:
            document.wrong(path, f"{address} is the address of host {seen[address]} too; expected one of its own")
        seen[address] = name
        if block is not None and address not in block:
            document.wrong(path, f"{address} is not in the underlay {block}; set underlay.cidr, or choose another")
        _check_mappings(document, name, host)


def _check_mappings(document: Document, name: str, host: Host) -> None:
    bridges: dict[str, str] = {}
    for physnet, bridge in host.bridge_mappings.items():
        path: FieldPath = ("hosts", name, "bridge_mappings", physnet)
        if bridge in OWN_BRIDGES:
            document.wrong(path, f"{bridge!r} is a bridge of the host's own; expected a provider bridge such as br-ex")
        elif not DEVICE.fullmatch(bridge):
            document.wrong(path, f"{bridge!r} cannot be a device name; expected 1 to 15 characters")
        elif bridge in bridges:
            document.wrong(path, f"{bridge!r} is the bridge of {bridges[bridge]} too; expected one bridge per network")
        bridges[bridge] = physnet


def _check_networks(document: Document, topology: Topology) -> None:
    segments: dict[tuple[str, str | None, int | None], str] = {}
    for name, network in topology.networks.items():
        path: FieldPath = ("networks", name)
        _check_segment(document, path, network, topology)
        segment = (network.type, network.physical_network, network.segmentation_id)
        if network.type == "flat" or network.segmentation_id is not None:
            if segment in segments:
                field = "physical_network" if network.type == "flat" else "segmentation_id"
                document.wrong((*path, field), f"is the segment of network {segments[segment]} too; expected another")
            segments[segment] = name
        if network.mtu is not None and not 68 <= network.mtu <= 65535:
            document.wrong((*path, "mtu"), f"{network.mtu} is not an MTU; expected 68 to 65535")
        blocks: dict[Block, str] = {}
        for subnet_name, subnet in network.subnets.items():
            _check_subnet(document, (*path, "subnets", subnet_name), subnet, subnet_name, blocks)


def _check_segment(document: Document, path: FieldPath, network: Network, topology: Topology) -> None:
    number, largest = network.segmentation_id, SEGMENTS.get(network.type)
    if number is not None and largest is None:
        document.wrong((*path, "segmentation_id"), f"is given, but a {network.type} network has none; leave it out")
    elif number is not None and largest is not None and not 1 <= number <= largest:
        document.wrong(
            (*path, "segmentation_id"), f"{number} is out of range for {network.type}; expected 1 to {largest}"
        )
    physnet = network.physical_network
    mapped = sorted({known for host in topology.hosts.values() for known in host.bridge_mappings})
    if network.type in ("flat", "vlan"):
        if physnet is None:
            document.wrong((*path, "physical_network"), f"is required for a {network.type} network and missing")
        elif physnet not in mapped:
            known = ", ".join(mapped) or "none is mapped"
            document.wrong(
                (*path, "physical_network"),
                f"{physnet!r} is in no host's bridge_mappings; expected one of {known}",
            )
        if network.type == "vlan" and number is None:
            document.wrong((*path, "segmentation_id"), "is required for a vlan network and missing")
    elif physnet is not None:
        document.wrong((*path, "physical_network"), f"is given, but a {network.type} network has none; leave it out")


def _check_subnet(document: Document, path: FieldPath, subnet: Subnet, name: str, blocks: dict[Block, str]) -> None:
    try:
        block = ipaddress.ip_network(subnet.cidr)
    except ValueError:
        document.wrong((*path, "cidr"), f"{subnet.cidr!r} is not a CIDR without host bits, such as 192.168.10.0/24")
        return
    for other, other_name in blocks.items():
        if other.version == block.version and other.overlaps(block):
            document.wrong((*path, "cidr"), f"{block} overlaps {other} of subnet {other_name}; expected a free block")
    blocks[block] = name
    if isinstance(subnet.gateway, str):
        gateway = _address(document, (*path, "gateway"), subnet.gateway, "an address, or none")
        if gateway is not None and gateway not in block:
            document.wrong((*path, "gateway"), f"{gateway} is not in {block}")
    for index, pool in enumerate(subnet.pools):
        _check_pool(document, (*path, "pools", index), pool, block)
    for index, server in enumerate(subnet.dns):
        _address(document, (*path, "dns", index), server)
    if block.version == 4 and (subnet.ipv6_ra_mode or subnet.ipv6_address_mode):
        field = "ipv6_ra_mode" if subnet.ipv6_ra_mode else "ipv6_address_mode"
        document.wrong((*path, field), f"is given, but {block} is IPv4; leave it out")


def _check_pool(document: Document, path: FieldPath, pool: str, block: Block) -> None:
    first, _, last = (part.strip() for part in pool.partition("-"))
    try:
        start, end = ipaddress.ip_address(first), ipaddress.ip_address(last)
    except ValueError:
        document.wrong(path, f"{pool!r} is not a pool; expected first-last, such as 192.168.10.10-192.168.10.99")
        return
    if start not in block or end not in block or int(start) > int(end):
        document.wrong(path, f"{pool!r} is not a range inside {block}")


def _check_instances(document: Document, topology: Topology) -> None:
    used: dict[tuple[str, str], str] = {}
    for name, instance in topology.instances.items():
        path: FieldPath = ("instances", name)
        if instance.host not in topology.hosts:
            known = ", ".join(topology.hosts)
            document.wrong((*path, "host"), f"{instance.host!r} is not a host of this file; expected one of {known}")
        if not instance.interfaces:
            document.wrong((*path, "interfaces"), "is missing; expected interfaces, or network and address")
        for device, interface in instance.interfaces.items():
            _check_interface(document, (*path, "interfaces", device), interface, topology, used)


def _check_interface(
    document: Document, path: FieldPath, interface: Interface, topology: Topology, used: dict[tuple[str, str], str]
) -> None:
    owner, device = str(path[1]), str(path[3])
    if not DEVICE.fullmatch(device) or device == "lo":
        document.wrong(path, f"{device!r} cannot be a device name; expected 1 to 15 characters such as eth0")
    network = topology.networks.get(interface.network)
    if network is None:
        known = ", ".join(topology.networks) or "none is defined"
        document.wrong(
            (*path, "network"), f"{interface.network!r} is not a network of this file; expected one of {known}"
        )
        return
    if interface.mac:
        if not MAC.fullmatch(interface.mac) or int(interface.mac[:2], 16) & 1:
            document.wrong((*path, "mac"), f"{interface.mac!r} is not a unicast MAC such as fa:16:3e:00:00:01")
        _use(document, (*path, "mac"), used, (interface.network, interface.mac.lower()), owner)
    for index, given in enumerate(interface.addresses):
        where: FieldPath = (*path, "addresses", index)
        address = _address(document, where, given)
        if address is None:
            continue
        _use(document, where, used, (interface.network, str(address)), owner)
        _check_fits(document, where, address, interface.network, network)


def _check_fits(document: Document, path: FieldPath, address: Address, name: str, network: Network) -> None:
    blocks = [block for subnet in network.subnets.values() if (block := _block(subnet.cidr)) is not None]
    homes = [block for block in blocks if address in block]
    if not homes and len(blocks) == len(network.subnets):
        known = ", ".join(map(str, blocks)) or "none"
        document.wrong(path, f"{address} is in no subnet of network {name}; its subnets: {known}")
    if any(block.num_addresses > 2 and address in (block[0], block[-1]) for block in homes if block.version == 4):
        document.wrong(path, f"{address} is the network or broadcast address of its subnet; expected a host address")
    gateways = {
        _block(subnet.gateway) for subnet in network.subnets.values() if subnet.gateway not in (None, msgspec.UNSET)
    }
    if ipaddress.ip_network(address) in gateways:
        document.wrong(path, f"{address} is the gateway of its subnet; expected another address")


def _use(
    document: Document, path: FieldPath, used: dict[tuple[str, str], str], key: tuple[str, str], owner: str
) -> None:
    if key in used:
        document.wrong(path, f"{key[1]} is used by {used[key]} on network {key[0]} too; expected a free one")
    used[key] = owner


def _check_expectations(document: Document, topology: Topology) -> None:
    for expectation in topology.expect:
        if not isinstance(expectation, Reach | Connect):
            continue
        both = set(expectation.sources) & set(expectation.targets)
        if len(expectation.sources) == 1 and both and expectation.sources == expectation.targets:
            index = next(i for i in range(10**6) if document.line(("expect", i)) == expectation.line)
            document.wrong(
                ("expect", index), f"says whether {expectation.sources[0]} reaches itself; expected two instances"
            )


def _address(document: Document, path: FieldPath, text: str, expected: str = "an IP address") -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        document.wrong(path, f"{text!r} is not an address; expected {expected}")
        return None


def _block(text: object) -> Block | None:
    try:
        return ipaddress.ip_network(str(text))
    except ValueError:
        return None
