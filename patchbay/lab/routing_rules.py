"""What must hold in a topology for routers, floating IPs, machines outside and addresses by DHCP.

Called by ``reading`` after ``rules``. ``address_rules`` looks at addresses of several parts together.
"""

import ipaddress

from patchbay.lab.rules import Address, Block, check_name
from patchbay.lab.topology import FloatingIP, Instance, Network, Outside, Router, Subnet, Topology
from patchbay.lab.yamlfile import Document, FieldPath


def check_routing(document: Document, topology: Topology) -> None:
    """Note every broken rule on the document."""
    for name, network in topology.networks.items():
        for subnet_name, subnet in network.subnets.items():
            _check_dhcp(document, ("networks", name, "subnets", subnet_name), subnet)
    for name, router in topology.routers.items():
        check_name(document, "routers", name)
        _check_router(document, ("routers", name), router, topology)
    for name, instance in topology.instances.items():
        _check_dynamic(document, ("instances", name), instance, topology)
    _check_floating_ips(document, topology)
    for name, machine in topology.outside.items():
        check_name(document, "outside", name)
        if name in topology.instances or name in topology.hosts:
            document.wrong(("outside", name), "is the name of a host or instance too; expected one of its own")
        _check_outside(document, ("outside", name), machine, topology)


def _check_dhcp(document: Document, path: FieldPath, subnet: Subnet) -> None:
    block = _block(subnet.cidr)
    for field, text in (("dhcp_range", subnet.dhcp_range), ("dhcp_server", subnet.dhcp_server)):
        if not text or block is None:
            continue
        ends = [_parse(part.strip()) for part in text.split("-")]
        if len(ends) != (2 if field == "dhcp_range" else 1) or None in ends:
            expected = "first-last, such as 10.0.0.5-10.0.0.150" if field == "dhcp_range" else "an IP address"
            document.wrong((*path, field), f"{text!r} cannot be used; expected {expected}")
        elif not all(end in block for end in ends if end is not None) or int(ends[0] or 0) > int(ends[-1] or 0):
            document.wrong((*path, field), f"{text!r} is not inside {block}")
        elif not subnet.enable_dhcp:
            document.wrong((*path, field), "is given, but the subnet has no DHCP; leave out enable_dhcp: false")
    for index, route in enumerate(subnet.host_routes):
        if block is not None and _block(route.destination, block.version) is None:
            document.wrong((*path, "host_routes"), f"route {index + 1} is not of IPv{block.version}, as {block} is")


def _check_router(document: Document, path: FieldPath, router: Router, topology: Topology) -> None:
    external = topology.networks.get(router.external)
    if router.external and (external is None or not external.external):
        known = ", ".join(name for name, each in topology.networks.items() if each.external) or "none is external"
        document.wrong((*path, "external"), f"{router.external!r} is not an external network; expected one of {known}")
    for field, is_given in (
        ("external_addresses", bool(router.external_addresses)),
        ("enable_snat", router.enable_snat is not None),
    ):
        if is_given and not router.external:
            document.wrong((*path, field), "is given, but the router has no gateway; give external, a network")
    for index, text in enumerate(router.external_addresses):
        if external is not None:
            _check_home(document, (*path, "external_addresses", index), text, external, router.external)
    seen: set[tuple[str, str]] = set()
    for index, interface in enumerate(router.interfaces):
        where: FieldPath = (*path, "interfaces", index)
        if (interface.network, interface.subnet) in seen:
            document.wrong(where, f"{interface.subnet} is an interface of this router already; leave it out")
        seen.add((interface.network, interface.subnet))
        subnet = topology.networks[interface.network].subnets[interface.subnet]
        if not interface.address and subnet.gateway is None:
            document.wrong(where, f"{interface.subnet} has no gateway; give {{subnet: …, address: …}}")
        block = _block(subnet.cidr)
        if interface.address and (block is None or _parse(interface.address) not in block):
            document.wrong((*where, "address"), f"{interface.address!r} is not an address of {subnet.cidr}")


def _check_home(document: Document, path: FieldPath, text: str, network: Network, name: str) -> None:
    """The address is in a subnet of the network."""
    address = _parse(text)
    blocks = [block for subnet in network.subnets.values() if (block := _block(subnet.cidr)) is not None]
    if address is None:
        document.wrong(path, f"{text!r} is not an address; expected an IP address")
    elif not any(address in block for block in blocks):
        known = ", ".join(map(str, blocks)) or "none"
        document.wrong(path, f"{address} is in no subnet of network {name}; its subnets: {known}")


def _check_dynamic(document: Document, path: FieldPath, instance: Instance, topology: Topology) -> None:
    for device, interface in instance.interfaces.items():
        network = topology.networks.get(interface.network)
        if not interface.is_dynamic or network is None:
            continue
        where: FieldPath = (*path, "interfaces", device, "address")
        if not instance.dhcp:
            document.wrong(where, "is dynamic, but the instance asks for no lease; give it dhcp: true")
        if not any(subnet.dhcp_range for subnet in network.subnets.values()):
            document.wrong(where, f"is dynamic, but no subnet of {interface.network} has a dhcp_range")


def _check_floating_ips(document: Document, topology: Topology) -> None:
    seen: set[tuple[str, str]] = set()
    for index, floating_ip in enumerate(topology.floating_ips):
        path: FieldPath = ("floating_ips", index)
        if (floating_ip.network, floating_ip.address) in seen:
            document.wrong((*path, "address"), f"{floating_ip.address} is a floating IP already; expected another")
        seen.add((floating_ip.network, floating_ip.address))
        network = topology.networks[floating_ip.network]
        _check_home(document, (*path, "address"), floating_ip.address, network, floating_ip.network)
        if floating_ip.instance:
            _check_association(document, path, floating_ip, topology)
        for number, forwarding in enumerate(floating_ip.port_forwardings):
            where: FieldPath = (*path, "port_forwardings", number, "to")
            if floating_ip.instance:
                document.wrong(where, "is given beside instance; expected one of the two")
            _check_interface(document, where, forwarding.instance, forwarding.device, topology)


def _check_association(document: Document, path: FieldPath, floating_ip: FloatingIP, topology: Topology) -> None:
    where: FieldPath = (*path, "instance")
    network = _check_interface(document, where, floating_ip.instance, floating_ip.device, topology)
    if network and not any(
        router.external == floating_ip.network and any(each.network == network for each in router.interfaces)
        for router in topology.routers.values()
    ):
        document.wrong(
            where,
            f"no router leads from {network} to {floating_ip.network}; "
            f"give one with external: {floating_ip.network} and an interface on {network}",
        )


def _check_interface(document: Document, path: FieldPath, name: str, device: str, topology: Topology) -> str:
    """The network of an instance's interface; "" and a problem noted when there is none."""
    instance = topology.instances.get(name)
    if instance is None:
        known = ", ".join(topology.instances) or "none is defined"
        document.wrong(path, f"{name!r} is not an instance of this file; expected one of {known}")
        return ""
    if device not in instance.interfaces:
        known = ", ".join(instance.interfaces)
        document.wrong(path, f"{device!r} is no interface of {name}; expected one of {known}")
        return ""
    network = instance.interfaces[device].network
    return network if network in topology.networks else ""


def _check_outside(document: Document, path: FieldPath, machine: Outside, topology: Topology) -> None:
    mapped = sorted({known for host in topology.hosts.values() for known in host.bridge_mappings})
    if machine.physical_network not in mapped:
        known = ", ".join(mapped) or "none is mapped"
        document.wrong(
            (*path, "physical_network"),
            f"{machine.physical_network!r} is in no host's bridge_mappings; expected one of {known}",
        )
    if machine.vlan is not None and not 1 <= machine.vlan <= 4094:
        document.wrong((*path, "vlan"), f"{machine.vlan} is no VLAN; expected 1 to 4094, or null for untagged")
    for index, text in enumerate(machine.addresses):
        try:
            whole = "/" in text and bool(ipaddress.ip_interface(text))
        except ValueError:
            whole = False
        if not whole:
            document.wrong(
                (*path, "addresses", index), f"{text!r} is no address with prefix length, such as 203.0.113.1/24"
            )
    for name, text in (machine.dns or {}).items():
        if _parse(text) is None:
            document.wrong((*path, "dns", name), f"{text!r} is not an address; expected an IP address")


def _parse(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _block(text: str, version: int = 0) -> Block | None:
    try:
        block = ipaddress.ip_network(text)
    except ValueError:
        return None
    return block if version in (0, block.version) else None
