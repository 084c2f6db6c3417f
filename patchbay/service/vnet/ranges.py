"""Which number of some ranges is handed out next: addresses and MACs as integers. Pure but for the random choice.

OpenVNet's ``allocation_type``: incremental gives the lowest free number, decremental the highest, random any. OpenVNet
goes on behind what it gave last; here what was given back is used again first, so that the answer follows from what is
there and not from history.
"""

import random
from collections.abc import Container, Iterable, Iterator, Sequence

INCREMENTAL, DECREMENTAL, RANDOM = "incremental", "decremental", "random"
ALLOCATION_TYPES = (INCREMENTAL, DECREMENTAL, RANDOM)

Range = tuple[int, int]

_TRIES = 64


def within(ranges: Iterable[Range], bounds: Range) -> list[Range]:
    """What of the ranges lies inside ``bounds``, lowest first; empty ranges are left out."""
    cut = ((max(first, bounds[0]), min(last, bounds[1])) for first, last in ranges)
    return sorted((first, last) for first, last in cut if first <= last)


def choose(ranges: Sequence[Range], used: Container[int], allocation_type: str) -> int | None:
    """A number of the ranges (ends included) that is not used; None when all are."""
    if allocation_type == RANDOM:
        found = _at_random(ranges, used)
        if found is not None:
            return found
    return next((number for number in _in_order(ranges, allocation_type) if number not in used), None)


def _at_random(ranges: Sequence[Range], used: Container[int]) -> int | None:
    """A free number by chance; None when that is too rare to be found so."""
    weights = [last - first + 1 for first, last in ranges]
    for _ in range(_TRIES if weights else 0):
        first, last = random.choices(ranges, weights)[0]  # noqa: S311 - spreads load, guards nothing
        number = random.randint(first, last)  # noqa: S311
        if number not in used:
            return number
    return None


def _in_order(ranges: Sequence[Range], allocation_type: str) -> Iterator[int]:
    if allocation_type == DECREMENTAL:
        for first, last in sorted(ranges, key=lambda one: -one[1]):
            yield from range(last, first - 1, -1)
    else:
        for first, last in sorted(ranges):
            yield from range(first, last + 1)
