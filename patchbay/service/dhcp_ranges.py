"""``dhcp_ranges`` of subnets (our own attribute): addresses that only the DHCP server lends, to clients without a port.

A range and an allocation pool share no address, so the service gives none away; a port cannot name one either.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from patchbay.intent.database import IntentDatabase
from patchbay.model import AllocationPool, Subnet
from patchbay.service.addresses import Address, Network, host_range, is_automatic, parse_cidr, pool_ranges, pool_text
from patchbay.service.errors import DhcpRangeInUse, InvalidInput

Numbers = tuple[int, int]


def contains(ranges: Iterable[AllocationPool], address: Address) -> bool:
    """Whether the address is in one of the ranges."""
    return any(first <= int(address) <= last for first, last in pool_ranges(tuple(ranges)))


def checked_ranges(ranges: Sequence[AllocationPool], subnet: Subnet) -> tuple[AllocationPool, ...]:
    """The ranges in canonical spelling, lowest first. Raises InvalidInput."""
    if not ranges:
        return ()
    if is_automatic(subnet):
        raise InvalidInput(
            "dhcp_ranges are not for subnets whose addresses come from the MAC (SLAAC, stateless DHCPv6)"
        )
    network = parse_cidr(subnet.cidr)
    checked = sorted((_checked(each, network) for each in ranges), key=lambda pool: int(ip_address(pool.start)))
    last = -1
    for each, (start, end) in zip(checked, pool_ranges(checked), strict=True):
        if start <= last:
            raise InvalidInput(f"DHCP range {pool_text(each)} overlaps with another one of the subnet")
        last = end
    return tuple(checked)


def _checked(given: AllocationPool, network: Network) -> AllocationPool:
    start, end = ip_address(given.start), ip_address(given.end)
    first, last = host_range(network)
    if start.version != network.version or end.version != network.version or int(start) > int(end):
        raise InvalidInput(f"DHCP range {pool_text(given)} is no range of IPv{network.version} addresses")
    if int(start) < first or int(end) > last:
        raise InvalidInput(f"DHCP range {pool_text(given)} spans beyond the subnet cidr {network}")
    return AllocationPool(str(start), str(end))


def check_ranges_apart(db: IntentDatabase, subnet: Subnet) -> None:
    """Raises InvalidInput when a range has addresses of a pool or the gateway, DhcpRangeInUse when a port has one."""
    ranges = pool_ranges(subnet.dhcp_ranges)
    for first, last in ranges:
        for pool, (start, end) in zip(subnet.allocation_pools, _ordered(subnet.allocation_pools), strict=True):
            if first <= end and start <= last:
                raise InvalidInput(
                    f"allocation pool {pool_text(pool)} overlaps with a DHCP range of the subnet",
                    "Give allocation_pools without the addresses of dhcp_ranges in the same request.",
                )
    if subnet.gateway_ip is not None and contains(subnet.dhcp_ranges, ip_address(subnet.gateway_ip)):
        raise InvalidInput(f"gateway {subnet.gateway_ip} is in a DHCP range of the subnet")
    if ranges:
        for number, port_id in db.addresses(subnet.id).items():
            if any(first <= number <= last for first, last in ranges):
                kind = IPv4Address if subnet.ip_version == 4 else IPv6Address
                raise DhcpRangeInUse(subnet.id, str(kind(number)), port_id)


def _ordered(pools: Iterable[AllocationPool]) -> list[Numbers]:
    """First and last address of each pool, in the pools' own order."""
    return [(int(ip_address(pool.start)), int(ip_address(pool.end))) for pool in pools]


def without_ranges(pools: Iterable[AllocationPool], ranges: Sequence[AllocationPool]) -> tuple[AllocationPool, ...]:
    """The pools with the addresses of the ranges cut out."""
    pools = tuple(pools)
    if not ranges:
        return pools
    kind = IPv6Address if ":" in ranges[0].start else IPv4Address
    rest: list[Numbers] = []
    for start, end in _ordered(pools):
        at = start
        for first, last in pool_ranges(ranges):
            if last < at or first > end:
                continue
            if at < first:
                rest.append((at, first - 1))
            at = last + 1
        if at <= end:
            rest.append((at, end))
    return tuple(AllocationPool(str(kind(start)), str(kind(end))) for start, end in rest)
