"""The guests that the tests of the metadata trees talk about."""

import msgspec

from patchbay.metadata.guest import Guest, Interface, guest_of_instance, guest_of_port
from patchbay.model import FixedIP, HostRoute, Instance, Network, Port, Subnet

RED = Network(id="11111111-0000-0000-0000-000000000000", name="red", mtu=1450)
DMZ = Network(id="22222222-0000-0000-0000-000000000000", name="dmz", mtu=1500, dns_domain="dmz.example.")
RED_V4 = Subnet(
    id="red-v4",
    network_id=RED.id,
    ip_version=4,
    cidr="10.0.0.0/24",
    gateway_ip="10.0.0.1",
    dns_nameservers=("203.0.113.53",),
)
RED_V6 = Subnet(
    id="red-v6",
    network_id=RED.id,
    ip_version=6,
    cidr="fd00:1::/64",
    gateway_ip="fd00:1::1",
    ipv6_address_mode="slaac",
    ipv6_ra_mode="slaac",
)
DMZ_V4 = Subnet(
    id="dmz-v4",
    network_id=DMZ.id,
    ip_version=4,
    cidr="10.9.0.0/16",
    gateway_ip="10.9.0.1",
    enable_dhcp=False,
    dns_nameservers=("203.0.113.54", "203.0.113.53"),
    host_routes=(HostRoute("198.51.100.0/24", "10.9.0.2"),),
)
SUBNETS = {subnet.id: subnet for subnet in (RED_V4, RED_V6, DMZ_V4)}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGuestGuestGuest ann@laptop"


def port(number: int, network: Network, *addresses: tuple[str, str], **fields: str) -> Port:
    return Port(
        id=f"{number}0000000-aaaa-bbbb-cccc-dddddddddddd",
        network_id=network.id,
        mac_address=f"fa:16:3e:00:00:0{number}",
        fixed_ips=tuple(FixedIP(subnet, address) for subnet, address in addresses),
        **fields,
    )


ETH0 = port(1, RED, ("red-v4", "10.0.0.5"), ("red-v6", "fd00:1::5"))
ETH1 = port(2, DMZ, ("dmz-v4", "10.9.0.7"))
WEB = Instance(
    id="0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
    name="web_1",
    project_id="ann",
    host="compute1",
    interfaces={"eth0": ETH0.id, "eth1": ETH1.id},
    public_keys=(KEY, "ssh-rsa AAAAB3NzaC1yc2E"),
    user_data="#!/bin/sh\necho grüß\n",
    metadata={"role": "web"},
)


def interface(port: Port, *floating: str) -> Interface:
    network = RED if port.network_id == RED.id else DMZ
    return Interface(port, network, {k: v for k, v in SUBNETS.items() if v.network_id == network.id}, floating)


def web() -> Guest:
    """An instance with two interfaces, the first of which has a floating IP."""
    return guest_of_instance(WEB, [interface(ETH1), interface(ETH0, "203.0.113.20")])


def bare() -> Guest:
    """An instance of which nothing was said."""
    quiet = msgspec.structs.replace(WEB, public_keys=(), user_data="", metadata={}, interfaces={"eth0": ETH0.id})
    return guest_of_instance(quiet, [interface(ETH0)])


def machine(**fields: str) -> Guest:
    """A virtual machine that Patchbay knows by its port only."""
    mine = port(3, RED, ("red-v4", "10.0.0.9"), **fields)
    return guest_of_port(mine, [interface(mine)])
