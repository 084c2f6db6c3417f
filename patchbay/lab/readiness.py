"""What a lab still waits for: ports, routers, DHCP servers and floating IPs that are not active, leases not yet there.

Called by ``lab``.
"""

from collections.abc import Iterator, Mapping

import msgspec

from patchbay.lab.capture import read_addresses
from patchbay.lab.client import Client
from patchbay.lab.places import Place
from patchbay.lab.topology import Topology

INSTANCE, DHCP_SERVER = "compute:", "network:dhcp"
OWNERS = {
    DHCP_SERVER: "DHCP server",
    "network:router_interface": "router interface",
    "network:router_interface_distributed": "router interface",
    "network:router_gateway": "router gateway",
}
"""Ports that hosts make for the service; those of instances have an owner that begins with ``compute:``."""


class Waiting(msgspec.Struct, frozen=True):
    """Something that is not there yet: what it is called, why, and the host that has it to do ("": nobody has)."""

    name: str
    reason: str
    host: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"


def waiting_for(client: Client, topology: Topology, places: Mapping[str, Place]) -> list[Waiting]:
    """Everything that is not there yet. Raises what the client raises."""
    found = list(_ports(client, topology))
    if topology.floating_ips:
        found += _floating_ips(client)
    # A lease needs all of the above.
    return found or list(_leases(topology, places))


def _ports(client: Client, topology: Topology) -> Iterator[Waiting]:
    ports = client.request("GET", "/v2.0/ports")["ports"]
    for port in ports:
        owner = port["device_owner"]
        if port["admin_state_up"] and port["status"] != "ACTIVE" and (owner.startswith(INSTANCE) or owner in OWNERS):
            name = (
                port["name"] or f"{OWNERS.get(owner, 'port')} {', '.join(ip['ip_address'] for ip in port['fixed_ips'])}"
            )
            host = port["binding:host_id"]
            yield Waiting(name, f"port is {port['status']}" if host else "no host has it", host)
    asking = {
        interface.network
        for instance in topology.instances.values()
        for interface in instance.interfaces.values()
        if instance.dhcp
    }
    if not asking:
        return
    served = {port["network_id"] for port in ports if port["device_owner"] == DHCP_SERVER}
    for network in client.request("GET", "/v2.0/networks")["networks"]:
        if network["name"] in asking and network["id"] not in served:
            yield Waiting(f"DHCP server of {network['name']}", "no host has it")


def _floating_ips(client: Client) -> Iterator[Waiting]:
    for each in client.request("GET", "/v2.0/floatingips")["floatingips"]:
        if each["router_id"] and each["status"] != "ACTIVE":
            yield Waiting(f"floating IP {each['floating_ip_address']}", f"is {each['status']}")


def _leases(topology: Topology, places: Mapping[str, Place]) -> Iterator[Waiting]:
    for name, instance in topology.instances.items():
        for device, interface in instance.interfaces.items() if instance.dhcp else ():
            subnets = topology.networks[interface.network].subnets.values()
            if any(subnet.enable_dhcp for subnet in subnets) and not read_addresses(places[name], device):
                yield Waiting(f"{name} {device}", "has no lease", instance.host)
