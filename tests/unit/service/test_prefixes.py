"""Prefixes of pools: what is left, and which part a subnet gets."""

from ipaddress import IPv4Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchbay.model import AllocationPool
from patchbay.service.dhcp_ranges import without_ranges
from patchbay.service.prefixes import collapsed, contains_all, first_block, has_room, left_over, overlap

BLOCKS = st.integers(26, 32).flatmap(
    lambda length: st.integers(0, 2 ** (length - 24) - 1).map(
        lambda number: f"10.0.{number * 2 ** (32 - length) // 256}.{number * 2 ** (32 - length) % 256}/{length}"
    )
)
SETS = st.lists(BLOCKS, max_size=6)


def numbers(prefixes: list[str]) -> set[int]:
    return {int(address) for prefix in prefixes for address in ip_network(prefix)}


@given(SETS, SETS)
def test_what_is_left_is_what_is_there_and_not_used_in_the_largest_blocks(prefixes: list[str], used: list[str]) -> None:
    free = left_over(prefixes, used)
    texts = [str(block) for block in free]
    assert numbers(texts) == numbers(prefixes) - numbers(used)
    assert sorted(texts) == sorted(collapsed(texts)), "no two of them are one block"
    assert [block.prefixlen for block in free] == sorted((block.prefixlen for block in free), reverse=True)
    assert overlap(prefixes, used) == bool(numbers(prefixes) & numbers(used))
    assert contains_all(prefixes, used) == (numbers(used) <= numbers(prefixes))


@given(SETS, SETS, st.integers(24, 32), BLOCKS)
def test_a_block_is_given_only_while_it_is_free(prefixes: list[str], used: list[str], length: int, named: str) -> None:
    free = left_over(prefixes, used)
    there = numbers(prefixes) - numbers(used)
    block = first_block(free, length)
    if block is not None:
        assert block.prefixlen == length
        assert numbers([str(block)]) <= there
    fits = list(IPv4Network("10.0.0.0/24").subnets(new_prefix=length))
    assert (block is not None) == any(numbers([str(network)]) <= there for network in fits)
    assert has_room(free, ip_network(named)) == (numbers([named]) <= there)


@pytest.mark.parametrize(
    ("prefixes", "used", "length", "given_"),
    [
        (["10.0.0.0/8"], [], 24, "10.0.0.0/24"),
        (["10.0.0.0/8"], ["10.0.0.0/24"], 24, "10.0.1.0/24"),
        (["10.0.0.0/8"], ["10.0.0.0/25"], 24, "10.0.1.0/24"),
        (["10.0.0.0/8"], ["10.0.0.0/24", "10.0.2.0/24"], 24, "10.0.1.0/24"),
        (["fd00::/16"], ["fd00::/64"], 64, "fd00:0:0:1::/64"),
        (["10.0.0.0/24"], [], 23, None),
    ],
)
def test_the_smallest_free_prefix_is_cut_first(
    prefixes: list[str], used: list[str], length: int, given_: str | None
) -> None:
    block = first_block(left_over(prefixes, used), length)
    assert (None if block is None else str(block)) == given_


RANGES = st.tuples(st.integers(1, 60), st.integers(0, 9)).map(
    lambda pair: AllocationPool(f"10.0.0.{pair[0]}", f"10.0.0.{pair[0] + pair[1]}")
)


def members(ranges: tuple[AllocationPool, ...]) -> list[int]:
    return [n for one in ranges for n in range(int(ip_address(one.start)), int(ip_address(one.end)) + 1)]


@given(st.lists(RANGES, max_size=4))
def test_pools_without_ranges_have_all_other_addresses(ranges: list[AllocationPool]) -> None:
    whole = (AllocationPool("10.0.0.1", "10.0.0.20"), AllocationPool("10.0.0.25", "10.0.0.62"))
    rest = members(without_ranges(whole, ranges))
    assert rest == [n for n in members(whole) if n not in members(tuple(ranges))]
