"""Arithmetic of subnets: CIDRs, gateways, pools and automatic addresses. No state, no I/O.

The rules are Neutron's (``ipam/utils.py``, ``db_base_plugin_v2``) and RFC 4291 / 4862 for EUI-64.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import pairwise

from patchbay.model import AllocationPool, FixedIP, Port, Subnet
from patchbay.service.errors import (
    GatewayConflictWithAllocationPools,
    InvalidAllocationPool,
    InvalidInput,
    OutOfBoundsAllocationPool,
    OverlappingAllocationPools,
)

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

SLAAC, DHCPV6_STATELESS, DHCPV6_STATEFUL = "slaac", "dhcpv6-stateless", "dhcpv6-stateful"
IPV6_MODES = (DHCPV6_STATEFUL, DHCPV6_STATELESS, SLAAC)
ROUTER_OWNERS = (
    "network:router_interface",
    "network:router_interface_distributed",
    "network:ha_router_replicated_interface",
    "network:router_centralized_snat",
)
ROUTER_PORT_OWNERS = (*ROUTER_OWNERS, "network:router_gateway")


def parse_cidr(text: str) -> Network:
    """The network of a CIDR; host bits are dropped, as Neutron does.

    Raises InvalidInput when ``text`` is not ``address/prefix length``.
    """
    try:
        if "/" not in text or not text.rpartition("/")[2].isdecimal():
            raise ValueError(text)
        return ip_network(text, strict=False)
    except ValueError:
        raise InvalidInput(f"{text} is not in a CIDR format", "Write it as 10.0.0.0/24 or 2001:db8::/64.") from None


def parse_address(text: str) -> Address:
    """The address, or InvalidInput."""
    try:
        return ip_address(text)
    except ValueError:
        raise InvalidInput(f"'{text}' is not a valid IP address") from None


def first_host(network: Network) -> str | None:
    """The default gateway: the first address after the network's own; None when there is none."""
    return None if network.num_addresses == 1 else str(network.network_address + 1)


def host_range(network: Network) -> tuple[int, int]:
    """First and last address that pools may hold, as integers."""
    first, last = int(network.network_address), int(network.broadcast_address)
    if first == last:
        return first, last
    if network.version == 6:
        return first + 1, last
    return (first + 1, last - 1) if network.prefixlen <= 30 else (first, last)


def default_pools(network: Network, gateway_ip: str | None) -> tuple[AllocationPool, ...]:
    """All host addresses but the gateway."""
    first, last = host_range(network)
    ranges = [(first, last)]
    if gateway_ip is not None:
        gateway = ip_address(gateway_ip)
        if gateway.version == network.version and first <= int(gateway) <= last:
            ranges = [(first, int(gateway) - 1), (int(gateway) + 1, last)]
    kind = IPv4Address if network.version == 4 else IPv6Address
    return tuple(AllocationPool(str(kind(start)), str(kind(end))) for start, end in ranges if start <= end)


def pool_text(pool: AllocationPool) -> str:
    """The pool as Neutron's messages write it."""
    return f"{pool.start}-{pool.end}"


def pool_ranges(pools: Sequence[AllocationPool]) -> tuple[tuple[int, int], ...]:
    """The pools as ranges of integers, lowest first."""
    return tuple(sorted((int(ip_address(pool.start)), int(ip_address(pool.end))) for pool in pools))


def check_pools(pools: Sequence[AllocationPool], network: Network) -> tuple[AllocationPool, ...]:
    """The pools in canonical spelling.

    Raises InvalidAllocationPool, OutOfBoundsAllocationPool or OverlappingAllocationPools.
    """
    first, last = host_range(network)
    checked: list[tuple[int, int, AllocationPool]] = []
    for pool in pools:
        try:
            start, end = ip_address(pool.start), ip_address(pool.end)
        except ValueError:
            raise InvalidAllocationPool(pool_text(pool)) from None
        if start.version != network.version or end.version != network.version or int(start) > int(end):
            raise InvalidAllocationPool(pool_text(pool))
        if int(start) < first or int(end) > last:
            raise OutOfBoundsAllocationPool(pool_text(pool), str(network))
        checked.append((int(start), int(end), AllocationPool(str(start), str(end))))
    ordered = sorted(checked, key=lambda item: item[0])
    for (_, end_1, pool_1), (start_2, _, pool_2) in pairwise(ordered):
        if start_2 <= end_1:
            raise OverlappingAllocationPools(pool_text(pool_1), pool_text(pool_2), str(network))
    return tuple(pool for _, _, pool in ordered)


def check_gateway_outside_pools(gateway_ip: str, pools: Sequence[AllocationPool]) -> None:
    """Raises GatewayConflictWithAllocationPools when a pool would hand out the gateway's address."""
    gateway = ip_address(gateway_ip)
    for pool in pools:
        start = ip_address(pool.start)
        if start.version == gateway.version and int(start) <= int(gateway) <= int(ip_address(pool.end)):
            raise GatewayConflictWithAllocationPools(gateway_ip, pool_text(pool))


def is_usable(network: Network, address: Address, device_owner: str = "") -> bool:
    """Whether a port may have the address: inside, and neither network nor (IPv4) broadcast address.

    IPv6 routers may use the subnet-router anycast address (RFC 4291, 2.6.1).
    """
    if address.version != network.version or address not in network:
        return False
    if network.version == 4:
        return network.prefixlen > 30 or address not in (network.network_address, network.broadcast_address)
    return address != network.network_address or device_owner == "" or device_owner in ROUTER_PORT_OWNERS


def is_automatic(subnet: Subnet) -> bool:
    """Whether ports on the subnet get their address from their MAC (SLAAC, stateless DHCPv6)."""
    automatic = (SLAAC, DHCPV6_STATELESS)
    return subnet.ipv6_address_mode in automatic or subnet.ipv6_ra_mode in automatic


def eui64_address(cidr: str, mac_address: str) -> str:
    """The address that SLAAC makes of a /64 prefix and a MAC (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac_address.replace(":", ""))
    interface_id = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    prefix = int(IPv6Network(cidr).network_address)
    return str(IPv6Address(prefix | int.from_bytes(interface_id, "big")))


def in_order(fixed_ips: Iterable[FixedIP]) -> tuple[FixedIP, ...]:
    """The addresses as the database gives them back: IPv4 first, then by number."""

    def key(fixed_ip: FixedIP) -> tuple[int, int]:
        address = ip_address(fixed_ip.ip_address)
        return address.version, int(address)

    return tuple(sorted(fixed_ips, key=key))


def is_router_port(port: Port) -> bool:
    """Whether the port is an interface of a router."""
    return port.device_owner in ROUTER_OWNERS
