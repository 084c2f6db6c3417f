"""Numbers that OpenVNet's ranges give next."""

import pytest

from patchbay.service.vnet.ranges import DECREMENTAL, INCREMENTAL, RANDOM, choose, within


@pytest.mark.parametrize(
    ("allocation_type", "used", "chosen"),
    [
        (INCREMENTAL, {}, 10),
        (INCREMENTAL, {10, 11}, 12),
        (INCREMENTAL, {10, 11, 12}, 20),
        (DECREMENTAL, {}, 21),
        (DECREMENTAL, {21, 20}, 12),
        (INCREMENTAL, {10, 11, 12, 20, 21}, None),
        (DECREMENTAL, {10, 11, 12, 20, 21}, None),
        (RANDOM, {10, 11, 12, 20, 21}, None),
        (RANDOM, {10, 12, 20, 21}, 11),
    ],
)
def test_the_next_number_is_the_lowest_the_highest_or_any_that_is_free(
    allocation_type: str, used: set[int], chosen: int | None
) -> None:
    assert choose([(20, 21), (10, 12)], used, allocation_type) == chosen


def test_random_numbers_come_from_all_ranges() -> None:
    assert {choose([(1, 2), (9, 9)], (), RANDOM) for _ in range(500)} == {1, 2, 9}


def test_an_unknown_type_counts_upwards() -> None:
    assert choose([(5, 6)], {5}, "sideways") == 6


def test_without_ranges_there_is_no_number() -> None:
    assert choose([], (), RANDOM) is None
    assert choose([], (), INCREMENTAL) is None


def test_ranges_are_cut_to_what_the_subnet_has() -> None:
    assert within([(0, 5), (90, 200), (50, 40), (300, 400)], (2, 100)) == [(2, 5), (90, 100)]
