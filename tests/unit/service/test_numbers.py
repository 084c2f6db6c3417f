"""Pools hand out the lowest free number, whatever happened before."""

import time

from hypothesis import given
from hypothesis import strategies as st

from patchbay.service.numbers import NumberPool

RANGES = ((3, 6), (10, 12))
NUMBERS = [3, 4, 5, 6, 10, 11, 12]


def taken(pool: NumberPool, used: set[int]) -> int | None:
    """Take the lowest number and use it."""
    number = pool.take_lowest()
    if number is not None:
        used.add(number)
        pool.settle(number)
    return number


def test_numbers_come_from_the_ranges_in_order_until_none_is_left() -> None:
    used: set[int] = set()
    pool = NumberPool(RANGES, used)
    assert [taken(pool, used) for _ in range(8)] == [*NUMBERS, None]


def test_what_others_use_is_left_out() -> None:
    pool = NumberPool(RANGES, {3, 5, 10})
    assert [pool.take_lowest() for _ in range(5)] == [4, 6, 11, 12, None]


def test_a_freed_number_is_the_next_when_it_is_the_lowest() -> None:
    used: set[int] = set()
    pool = NumberPool(RANGES, used)
    for _ in range(6):
        taken(pool, used)
    for number in (5, 3):
        used.discard(number)
        pool.freed(number)
    assert [taken(pool, used) for _ in range(4)] == [3, 5, 12, None]


def test_a_reservation_that_came_to_nothing_is_free_again() -> None:
    pool = NumberPool(RANGES, set())
    assert pool.take_lowest() == 3
    assert pool.take_lowest() == 4
    pool.settle(3)
    assert pool.take_lowest() == 3


def test_a_named_number_is_given_once_and_may_be_outside_the_ranges() -> None:
    used = {4}
    pool = NumberPool(RANGES, used)
    assert not pool.take(4)
    assert pool.take(5)
    assert not pool.take(5)
    assert pool.take(99)
    pool.settle(99)
    assert pool.take(99)
    assert [pool.take_lowest() for _ in range(2)] == [3, 6]


def test_random_choice_takes_only_what_is_free() -> None:
    pool = NumberPool(RANGES, {3, 4, 10})
    assert {pool.take_random() for _ in range(4)} == {5, 6, 11, 12}
    assert pool.take_random() is None
    assert NumberPool((), set()).take_random() is None


@given(st.lists(st.one_of(st.just("take"), st.sampled_from(NUMBERS))))
def test_after_any_history_the_lowest_free_number_is_next(history: list[str | int]) -> None:
    """A number in the history means: it is freed if it is in use, else somebody else takes it."""
    used: set[int] = set()
    pool = NumberPool(RANGES, used)
    for step in history:
        if step == "take":
            expected = min((number for number in NUMBERS if number not in used), default=None)
            assert taken(pool, used) == expected
        elif isinstance(step, int) and step in used:
            used.discard(step)
            pool.freed(step)
        elif isinstance(step, int):
            used.add(step)


def test_the_cost_does_not_grow_with_the_numbers_in_use() -> None:
    """A hundred thousand in use and a free one at the bottom: each taking walks no further than needed."""
    used: set[int] = set()
    pool = NumberPool(((0, 2**64),), used)
    for _ in range(100_000):
        taken(pool, used)
    started = time.perf_counter()
    for number in range(1000):
        used.discard(number)
        pool.freed(number)
        assert taken(pool, used) == number
    assert time.perf_counter() - started < 0.5
