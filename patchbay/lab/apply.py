"""A topology's networks, subnets, routers, ports, instances and floating IPs, brought about through the Neutron API.

Called by ``lab up`` and ``patchbay apply``. Objects are known by project and name (ports: ``<instance>-<device>``), so
applying a file twice changes nothing, and applying a changed file changes what differs. Nothing is ever deleted.
"""

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import msgspec

from patchbay.lab.apply_routers import apply_floating_ips, apply_routers
from patchbay.lab.apply_security import apply_security, port_security_body, speaks_of_security
from patchbay.lab.client import Client
from patchbay.lab.objects import Applied, Key, Object, bring_about, together
from patchbay.lab.topology import Instance, Interface, Network, Subnet, Topology

HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""Names of instances that can be names of the DNS, too; as Nova does, their ports are known by them."""

DHCP_SERVER, RESERVED = "network:dhcp", "reserved_dhcp_port"
"""Owner of a DHCP server's port, and the ``device_id`` of one that waits for a host to serve it (Neutron's words)."""


def apply_topology(client: Client, topology: Topology) -> Applied:
    """Create what is missing and update what differs.

    Errors: those of the client, in the service's own words; what was done before an error stays.
    """
    steps: list[Applied] = []
    networks: dict[Key, Object] = {
        (network.project, name): network_body(name, network) for name, network in topology.networks.items()
    }
    silent: Object = {} if speaks_of_security(topology) else {"port_security_enabled": False}
    network_ids = bring_about(client, "networks", networks, steps, initially=silent)
    subnets: dict[Key, Object] = {
        (network.project, network_name, name): subnet_body(
            name, subnet, network, network_ids[network.project, network_name], addresses_on(topology, network_name)
        )
        for network_name, network in topology.networks.items()
        for name, subnet in network.subnets.items()
    }
    parents = {each: key[1] for key, each in network_ids.items()}
    subnet_ids = bring_about(client, "subnets", subnets, steps, parents=parents)
    _apply_dhcp_servers(client, topology, network_ids, subnet_ids, steps)
    apply_routers(client, topology, network_ids, subnet_ids, steps)
    port_ids = _apply_ports(client, topology, network_ids, steps)
    instances: dict[Key, Object] = {
        (project_of(topology, instance), name): instance_body(topology, name, port_ids)
        for name, instance in topology.instances.items()
    }
    bring_about(client, "instances", instances, steps)
    apply_floating_ips(client, topology, network_ids, port_ids, steps)
    return together(steps)


def _apply_ports(
    client: Client, topology: Topology, network_ids: Mapping[Key, str], steps: list[Applied]
) -> dict[Key, str]:
    """The ports of all interfaces, after the security groups that they are in."""
    projects = [project_of(topology, instance) for instance in topology.instances.values()]
    groups = apply_security(client, topology, projects, steps)
    ports: dict[Key, Object] = {
        (project_of(topology, instance), f"{name}-{device}"): port_body(
            topology,
            name,
            device,
            interface,
            network_ids[topology.networks[interface.network].project, interface.network],
        )
        | port_security_body(topology, instance, interface, project_of(topology, instance), groups)
        for name, instance in topology.instances.items()
        for device, interface in instance.interfaces.items()
    }
    return bring_about(client, "ports", ports, steps)


def project_of(topology: Topology, instance: Instance) -> str:
    """The project of an instance: its own, else that of its first network."""
    first = next(iter(instance.interfaces.values())).network
    return instance.project or topology.networks[first].project


def network_body(name: str, network: Network) -> Object:
    """A network as the API takes it."""
    body: Object = {"name": name, "project_id": network.project, "provider:network_type": network.type}
    body |= {"shared": network.shared, "router:external": network.external}
    if network.dns_domain:
        body["dns_domain"] = network.dns_domain.rstrip(".") + "."
    if network.physical_network is not None:
        body["provider:physical_network"] = network.physical_network
    if network.segmentation_id is not None:
        body["provider:segmentation_id"] = network.segmentation_id
    if network.mtu is not None:
        body["mtu"] = network.mtu
    if network.port_security is not None:
        body["port_security_enabled"] = network.port_security
    return body


def addresses_on(topology: Topology, network: str) -> set[str]:
    """The addresses of a network that the file itself gives to something."""
    spec = topology.networks[network]
    given = {subnet.dhcp_server for subnet in spec.subnets.values()}
    for instance in topology.instances.values():
        for interface in instance.interfaces.values():
            given |= set(interface.addresses) if interface.network == network else set()
    for router in topology.routers.values():
        given |= {each.address for each in router.interfaces if each.network == network}
    return {str(ip_address(text)) for text in given if text}


def ranges_without(given: str, taken: set[str]) -> Iterator[tuple[str, str]]:
    """A range ``first-last`` in the pieces that are left when some addresses are taken out of it."""
    start, end = (ip_address(part.strip()) for part in given.split("-"))
    kind = IPv4Address if start.version == 4 else IPv6Address
    first, last = int(start), int(end)
    holes = sorted(int(each) for each in map(ip_address, taken) if each.version == start.version)
    for hole in [*(hole for hole in holes if first <= hole <= last), last + 1]:
        if first < hole:
            yield str(kind(first)), str(kind(hole - 1))
        first = hole + 1


def subnet_body(name: str, subnet: Subnet, network: Network, network_id: str, taken: set[str]) -> Object:
    """A subnet as the API takes it; ``taken``: addresses of ports, which its DHCP range must leave out."""
    block = ip_network(subnet.cidr)
    body: Object = {
        "name": name,
        "project_id": network.project,
        "network_id": network_id,
        "ip_version": block.version,
        "cidr": str(block),
        "enable_dhcp": subnet.enable_dhcp,
        "dns_nameservers": list(subnet.dns),
    }
    if subnet.gateway is not msgspec.UNSET:
        body["gateway_ip"] = subnet.gateway
    if subnet.pools:
        pools = [pool.partition("-") for pool in subnet.pools]
        body["allocation_pools"] = [
            {"start": str(ip_address(first.strip())), "end": str(ip_address(last.strip()))} for first, _, last in pools
        ]
    if subnet.host_routes:
        body["host_routes"] = [
            {"destination": each.destination, "nexthop": each.nexthop} for each in subnet.host_routes
        ]
    if subnet.dhcp_range:
        pieces = ranges_without(subnet.dhcp_range, taken)
        body["dhcp_ranges"] = [{"start": first, "end": last} for first, last in pieces]
    modes = {"ipv6_ra_mode": subnet.ipv6_ra_mode, "ipv6_address_mode": subnet.ipv6_address_mode}
    return body | {field: mode for field, mode in modes.items() if mode is not None}


def port_body(topology: Topology, instance: str, device: str, interface: Interface, network_id: str) -> Object:
    """A port as the API takes it."""
    body: Object = {
        "name": f"{instance}-{device}",
        "project_id": project_of(topology, topology.instances[instance]),
        "network_id": network_id,
    }
    if HOST_NAME.fullmatch(instance.lower()):
        body["dns_name"] = instance.lower()
    if interface.is_dynamic:
        body["fixed_ips"] = []
    elif interface.addresses:
        body["fixed_ips"] = [{"ip_address": str(ip_address(text))} for text in interface.addresses]
    if interface.mac:
        body["mac_address"] = interface.mac.lower()
    return body


def instance_body(topology: Topology, name: str, port_ids: Mapping[Key, str]) -> Object:
    """An instance as the API takes it."""
    instance = topology.instances[name]
    project = project_of(topology, instance)
    told: Object = {"public_keys": list(instance.public_keys), "user_data": instance.user_data}
    told["metadata"] = dict(instance.metadata)
    return {
        "name": name,
        "project_id": project,
        "host": instance.host,
        "plugging": instance.plugging,
        "interfaces": {device: port_ids[project, f"{name}-{device}"] for device in instance.interfaces},
        "addressing": "dhcp" if instance.dhcp else "static",
        **{field: value for field, value in told.items() if value},
    }


def _apply_dhcp_servers(
    client: Client, topology: Topology, networks: Mapping[Key, str], subnets: Mapping[Key, str], steps: list[Applied]
) -> None:
    """DHCP servers at the addresses that the file gives them: ports that wait for a host, before any is chosen."""
    wanted = [
        (network_name, network.project, name, subnet.dhcp_server)
        for network_name, network in topology.networks.items()
        for name, subnet in network.subnets.items()
        if subnet.dhcp_server
    ]
    listed = client.request("GET", f"/v2.0/ports?device_owner={DHCP_SERVER}")["ports"] if wanted else []
    for network, project, name, address in wanted:
        subnet_id = subnets[project, network, name]
        fixed_ip = {"subnet_id": subnet_id, "ip_address": str(ip_address(address))}
        found = {port["id"]: port["fixed_ips"] for port in listed if port["network_id"] == networks[project, network]}
        if any(fixed_ip in fixed_ips for fixed_ips in found.values()):
            steps.append(Applied(unchanged=1))
            continue
        port_id = next(iter(found), "")
        kept = [each for each in found.get(port_id, ()) if each["subnet_id"] != subnet_id]
        if port_id:
            client.request("PUT", f"/v2.0/ports/{port_id}", {"port": {"fixed_ips": [*kept, fixed_ip]}})
            steps.append(Applied(updated=(("DHCP server", address),)))
        else:
            body = {"network_id": networks[project, network], "project_id": project, "fixed_ips": [fixed_ip]}
            body |= {"device_owner": DHCP_SERVER, "device_id": RESERVED}
            client.request("POST", "/v2.0/ports", {"port": body})
            steps.append(Applied(created=(("DHCP server", address),)))
