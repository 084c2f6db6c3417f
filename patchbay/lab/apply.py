"""A topology's networks, subnets, ports and instances, brought about through the Neutron API.

Called by ``lab up`` and ``patchbay apply``. Objects are known by project and name (ports: ``<instance>-<device>``), so
applying a file twice changes nothing, and applying a changed file changes what differs. Nothing is ever deleted.
Few requests: one list and at most one bulk create for each kind, one update for each object that differs.
"""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

import msgspec

from patchbay.lab.client import Client
from patchbay.lab.topology import Instance, Interface, Network, Subnet, Topology

Object = dict[str, Any]
Key = tuple[str, ...]

# What may be given on create only: a difference cannot be repaired by an update.
FIXED = frozenset(("project_id", "name", "network_id", "ip_version", "cidr"))


class Applied(msgspec.Struct, frozen=True):
    """What was done: one ``(kind, name)`` for each object."""

    created: tuple[tuple[str, str], ...] = ()
    updated: tuple[tuple[str, str], ...] = ()
    unchanged: int = 0


def apply_topology(client: Client, topology: Topology) -> Applied:
    """Create what is missing and update what differs.

    Errors: those of the client, in the service's own words; what was done before an error stays.
    """
    steps: list[Applied] = []
    networks: dict[Key, Object] = {
        (network.project, name): network_body(name, network) for name, network in topology.networks.items()
    }
    network_ids = _bring_about(client, "networks", networks, steps)
    subnets: dict[Key, Object] = {
        (network.project, network_name, name): subnet_body(
            name, subnet, network, network_ids[network.project, network_name]
        )
        for network_name, network in topology.networks.items()
        for name, subnet in network.subnets.items()
    }
    _bring_about(client, "subnets", subnets, steps, parents={each: key[1] for key, each in network_ids.items()})
    ports: dict[Key, Object] = {
        (project_of(topology, instance), f"{name}-{device}"): port_body(
            topology,
            name,
            device,
            interface,
            network_ids[topology.networks[interface.network].project, interface.network],
        )
        for name, instance in topology.instances.items()
        for device, interface in instance.interfaces.items()
    }
    port_ids = _bring_about(client, "ports", ports, steps)
    instances: dict[Key, Object] = {
        (project_of(topology, instance), name): instance_body(topology, name, port_ids)
        for name, instance in topology.instances.items()
    }
    _bring_about(client, "instances", instances, steps)
    return Applied(
        created=tuple(each for step in steps for each in step.created),
        updated=tuple(each for step in steps for each in step.updated),
        unchanged=sum(step.unchanged for step in steps),
    )


def project_of(topology: Topology, instance: Instance) -> str:
    """The project of an instance: its own, else that of its first network."""
    first = next(iter(instance.interfaces.values())).network
    return instance.project or topology.networks[first].project


def network_body(name: str, network: Network) -> Object:
    """A network as the API takes it."""
    body: Object = {"name": name, "project_id": network.project, "provider:network_type": network.type}
    body |= {"shared": network.shared}
    if network.physical_network is not None:
        body["provider:physical_network"] = network.physical_network
    if network.segmentation_id is not None:
        body["provider:segmentation_id"] = network.segmentation_id
    if network.mtu is not None:
        body["mtu"] = network.mtu
    return body


def subnet_body(name: str, subnet: Subnet, network: Network, network_id: str) -> Object:
    """A subnet as the API takes it."""
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
    modes = {"ipv6_ra_mode": subnet.ipv6_ra_mode, "ipv6_address_mode": subnet.ipv6_address_mode}
    return body | {field: mode for field, mode in modes.items() if mode is not None}


def port_body(topology: Topology, instance: str, device: str, interface: Interface, network_id: str) -> Object:
    """A port as the API takes it."""
    body: Object = {
        "name": f"{instance}-{device}",
        "project_id": project_of(topology, topology.instances[instance]),
        "network_id": network_id,
    }
    if interface.addresses:
        body["fixed_ips"] = [{"ip_address": str(ip_address(text))} for text in interface.addresses]
    if interface.mac:
        body["mac_address"] = interface.mac.lower()
    return body


def instance_body(topology: Topology, name: str, port_ids: Mapping[Key, str]) -> Object:
    """An instance as the API takes it."""
    instance = topology.instances[name]
    project = project_of(topology, instance)
    return {
        "name": name,
        "project_id": project,
        "host": instance.host,
        "plugging": instance.plugging,
        "interfaces": {device: port_ids[project, f"{name}-{device}"] for device in instance.interfaces},
    }


def _bring_about(
    client: Client,
    collection: str,
    wanted: Mapping[Key, Object],
    steps: list[Applied],
    parents: Mapping[str, str] | None = None,
) -> dict[Key, str]:
    """Create and update one kind of object; returns the ids. Subnets are keyed by their network's name, too."""
    if not wanted:
        return {}
    listed = client.request("GET", f"/v2.0/{collection}")[collection]
    known = {_key(each, parents): each for each in listed if parents is None or each["network_id"] in parents}
    missing = {key: body for key, body in wanted.items() if key not in known}
    if missing:
        created = client.request("POST", f"/v2.0/{collection}", {collection: list(missing.values())})[collection]
        known |= dict(zip(missing, created, strict=True))
    changed = []
    for key in wanted.keys() - missing.keys():
        if difference := _difference(wanted[key], known[key]):
            member = collection.removesuffix("s")
            client.request("PUT", f"/v2.0/{collection}/{known[key]['id']}", {member: difference})
            changed.append(key)
    steps.append(
        Applied(_named(collection, missing), _named(collection, changed), len(wanted) - len(missing) - len(changed))
    )
    return {key: known[key]["id"] for key in wanted}


def _named(collection: str, keys: Iterable[Key]) -> tuple[tuple[str, str], ...]:
    return tuple((collection.removesuffix("s"), key[-1]) for key in keys)


def _key(found: Object, parents: Mapping[str, str] | None) -> Key:
    between = () if parents is None else (parents[found["network_id"]],)
    return (found["project_id"], *between, found["name"])


def _difference(wanted: Object, found: Object) -> Object:
    """The attributes to change. What the service filled in (a pool, an address, a segment) is no difference."""
    return {
        name: value
        for name, value in wanted.items()
        if name not in FIXED and _comparable(name, value) != _comparable(name, found.get(name))
    }


def _comparable(name: str, value: Any) -> Any:
    if name == "fixed_ips":
        return sorted(each["ip_address"] for each in value or [])
    return value
