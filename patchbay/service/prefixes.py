"""Arithmetic of subnet pools: sets of prefixes, what is left of them, which part a subnet gets. No state, no I/O."""

import functools
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, collapse_addresses, ip_network, summarize_address_range
from itertools import pairwise
from typing import Any, cast

from patchbay.service.addresses import Network

Numbers = tuple[int, int]


def collapsed(prefixes: Iterable[str]) -> tuple[str, ...]:
    """The same addresses in as few prefixes as possible, lowest first. All must be of one IP version."""
    networks = [ip_network(prefix, strict=False) for prefix in prefixes]
    return tuple(str(network) for network in collapse_addresses(cast(Any, networks)))


def _ranges(prefixes: Iterable[str]) -> tuple[Numbers, ...]:
    return _remembered_ranges(tuple(prefixes))


@functools.lru_cache(maxsize=4096)
def _remembered_ranges(prefixes: tuple[str, ...]) -> tuple[Numbers, ...]:
    """A new pool is compared with all pools of its scope, each time."""
    networks = [ip_network(prefix) for prefix in collapsed(prefixes)]
    return tuple((int(network.network_address), int(network.broadcast_address)) for network in networks)


def overlap(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether two sets of prefixes share an address."""
    # Neither set overlaps with itself: of all ranges in their order, only neighbours can.
    ordered = sorted((*_ranges(one), *_ranges(other)))
    return any(start <= last for (_, last), (start, _) in pairwise(ordered))


def contains_all(whole: Iterable[str], part: Iterable[str]) -> bool:
    """Whether every address of ``part`` is in ``whole``."""
    return collapsed(whole) == collapsed((*whole, *part))


def left_over(prefixes: Iterable[str], used: Iterable[str]) -> list[Network]:
    """The prefixes of which nothing is used, the smallest first, then the lowest."""
    found: list[Network] = []
    version = 4
    taken = _ranges(used)
    for prefix in collapsed(prefixes):
        network = ip_network(prefix)
        version = network.version
        for first, last in _gaps((int(network.network_address), int(network.broadcast_address)), taken):
            kind: Any = IPv4Address if version == 4 else IPv6Address
            found += summarize_address_range(kind(first), kind(last))
    # Blocks that touch across the prefixes of a pool are one block already: ``collapsed`` joined the prefixes.
    return sorted(found, key=lambda network: (-network.prefixlen, int(network.network_address)))


def _gaps(whole: Numbers, taken: Iterable[Numbers]) -> Iterator[Numbers]:
    at, end = whole
    for first, last in taken:
        if last < at or first > end:
            continue
        if at < first:
            yield at, first - 1
        at = last + 1
    if at <= end:
        yield at, end


def first_block(free: Iterable[Network], prefixlen: int) -> Network | None:
    """The first block of that length in the first prefix that has room for it, so that large ones stay whole."""
    for network in free:
        if network.prefixlen <= prefixlen:
            return ip_network(f"{network.network_address}/{prefixlen}")
    return None


def has_room(free: Iterable[Network], wanted: Network) -> bool:
    """Whether the very block is free."""
    return any(wanted.subnet_of(cast(Any, network)) for network in free)
