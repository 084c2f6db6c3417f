"""``opts``: what dnsmasq tells the clients of each subnet beyond their address (Neutron's forms, dnsmasq(8))."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

import msgspec

from patchbay.compile.dhcp_hosts import SLAAC, literal, option_line
from patchbay.model import Subnet

METADATA_ADDRESS = "169.254.169.254"
ON_LINK = "0.0.0.0"  # noqa: S104 - the gateway of a route that needs none (RFC 3442)
NO_NAME_SERVER = (ON_LINK, "::")
"""What Neutron's users write for "announce none"."""

MICROSOFT_ROUTES = "249"
"""Windows of 2003 and before asks for routes under this number."""


class ServedSubnet(msgspec.Struct, frozen=True, kw_only=True):
    """A subnet with its tag in dnsmasq's options.

    ``own`` are addresses of this host's DHCP server in it, ``others`` those of the network's other servers.
    ``is_isolated``: no router has its gateway's address.
    """

    tag: str
    subnet: Subnet
    own: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    is_isolated: bool = False


def subnet_options(each: ServedSubnet, neighbours: Sequence[Subnet], domain: str) -> Iterator[str]:
    """The lines of one subnet. ``neighbours``: all IPv4 subnets of the network, which its clients reach directly."""
    subnet = each.subnet
    if subnet.ip_version == 6:
        if subnet.ipv6_address_mode != SLAAC:
            yield option_line(each.tag, 6, "dns-server", *map(literal, name_servers(each)))
            yield option_line(each.tag, 6, "domain-search", domain)
        return
    yield option_line(each.tag, 4, "dns-server", *name_servers(each))
    gateway, routes = _routes(each, neighbours)
    if routes:
        yield option_line(each.tag, 4, "classless-static-route", *routes)
        yield option_line(each.tag, 4, MICROSOFT_ROUTES, *routes)
    yield option_line(each.tag, 4, "router", gateway)


def name_servers(each: ServedSubnet) -> list[str]:
    """What the clients ask for names: our servers, which know the ports and forward the rest.

    None when the subnet says so; the subnet's own name servers while no server has an address in it.
    """
    wanted = [address for address in each.subnet.dns_nameservers if is_address(address, each.subnet.ip_version)]
    if any(address in NO_NAME_SERVER for address in wanted):
        return []
    return [*each.own, *each.others] or wanted


def _routes(each: ServedSubnet, neighbours: Sequence[Subnet]) -> tuple[str, list[str]]:
    """The gateway, and all of option 121: a client that is told of routes ignores the router option (RFC 3442)."""
    subnet, gateway = each.subnet, each.subnet.gateway_ip or ""
    routes = [f"{other.cidr},{ON_LINK}" for other in neighbours if other.cidr != subnet.cidr]
    for route in subnet.host_routes:
        if route.destination != "0.0.0.0/0":
            routes.append(f"{route.destination},{route.nexthop}")
        elif not gateway:
            gateway = route.nexthop
    metadata = "".join(each.own[:1]) if each.is_isolated else gateway
    if metadata:
        routes.append(f"{METADATA_ADDRESS}/32,{metadata}")
    if routes and gateway:
        routes.append(f"0.0.0.0/0,{gateway}")
    return gateway, routes


def is_address(text: str, version: int) -> bool:
    """Whether the text is an address of that family."""
    try:
        return ip_address(text).version == version
    except ValueError:
        return False
