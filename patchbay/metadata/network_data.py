"""``network_data.json``: the guest's links, their networks and the name servers, as Nova describes them. Pure.

A subnet with DHCP says so and leaves the rest to the DHCP server; one without is written out.
"""

import ipaddress
from collections.abc import Iterable
from typing import Any

from patchbay.metadata.guest import Interface
from patchbay.model import FixedIP, Port, Subnet

Item = dict[str, Any]


def network_data(interfaces: Iterable[Interface]) -> dict[str, list[Item]]:
    """``links``, ``networks`` and ``services``."""
    links: list[Item] = []
    networks: list[Item] = []
    services: dict[str, Item] = {}
    for interface in interfaces:
        link = _link(interface)
        links.append(link)
        for fixed_ip in interface.port.fixed_ips:
            subnet = interface.subnets.get(fixed_ip.subnet_id)
            if subnet is None:
                continue
            networks.append(_network(len(networks), link["id"], interface.port, fixed_ip, subnet))
            services |= {address: {"type": "dns", "address": address} for address in subnet.dns_nameservers}
    return {"links": links, "networks": networks, "services": list(services.values())}


def _link(interface: Interface) -> Item:
    port = interface.port
    return {
        "id": f"tap{port.id[:11]}",
        "vif_id": port.id,
        "type": "ovs",
        "mtu": interface.network.mtu,
        "ethernet_mac_address": port.mac_address,
    }


def _network(number: int, link: str, port: Port, fixed_ip: FixedIP, subnet: Subnet) -> Item:
    kind = _kind(subnet)
    item = {"id": f"network{number}", "type": kind, "link": link, "network_id": port.network_id}
    if kind == "ipv4_dhcp":
        return item
    own = _services(subnet)
    block = ipaddress.ip_network(subnet.cidr)
    return {
        **item,
        "ip_address": fixed_ip.ip_address,
        "netmask": str(block.netmask),
        "routes": _routes(subnet),
        **({"services": own} if own else {}),
    }


def _kind(subnet: Subnet) -> str:
    if subnet.ip_version == 4:
        return "ipv4_dhcp" if subnet.enable_dhcp else "ipv4"
    return f"ipv6_{subnet.ipv6_address_mode}" if subnet.ipv6_address_mode and subnet.enable_dhcp else "ipv6"


def _services(subnet: Subnet) -> list[Item]:
    return [{"type": "dns", "address": address} for address in subnet.dns_nameservers]


def _routes(subnet: Subnet) -> list[Item]:
    """The default route, then the subnet's own."""
    any_address = "::" if subnet.ip_version == 6 else "0.0.0.0"  # noqa: S104  # the default route, not a listener
    routes = []
    if subnet.gateway_ip:
        routes.append({"network": any_address, "netmask": any_address, "gateway": subnet.gateway_ip})
    for route in subnet.host_routes:
        block = ipaddress.ip_network(route.destination, strict=False)
        routes.append({"network": str(block.network_address), "netmask": str(block.netmask), "gateway": route.nexthop})
    return routes
