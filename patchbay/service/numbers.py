"""Handing out the lowest free number of ranges: addresses of a subnet, VNIs, VLAN ids.

Used by the service for every allocation. The lowest free number costs O(log n) amortised, however many are in use:
a frontier walks up the ranges once, and what is freed below it goes to a heap.
"""

import heapq
import random
from collections.abc import Container, Sequence


class NumberPool:
    """Free numbers of ``ranges`` (ends included, lowest first).

    ``used`` is a live set kept by somebody else (what the intent database shows). Between ``take`` and ``settle`` a
    number is reserved here, so that two requests at work in this process do not choose the same. Whoever sees a number
    leave ``used`` calls ``freed``.
    """

    def __init__(self, ranges: Sequence[tuple[int, int]], used: Container[int]) -> None:
        self._ranges = tuple(ranges)
        self._used = used
        self._reserved: set[int] = set()
        self._below: list[int] = []
        self._waiting: set[int] = set()
        self._range = 0
        self._frontier = self._ranges[0][0] if self._ranges else 0

    def _is_free(self, number: int) -> bool:
        return number not in self._reserved and number not in self._used

    def take_lowest(self) -> int | None:
        """Reserve and give the lowest free number; None when all are in use."""
        while self._below:
            number = heapq.heappop(self._below)
            self._waiting.discard(number)
            if self._is_free(number):
                self._reserved.add(number)
                return number
        while self._range < len(self._ranges):
            last = self._ranges[self._range][1]
            while self._frontier <= last:
                number = self._frontier
                self._frontier += 1
                if self._is_free(number):
                    self._reserved.add(number)
                    return number
            self._range += 1
            if self._range < len(self._ranges):
                self._frontier = self._ranges[self._range][0]
        return None

    def take_random(self, tries: int = 32) -> int | None:
        """Reserve and give some free number, for when another server keeps choosing the same lowest one."""
        sizes = [last - first + 1 for first, last in self._ranges]
        total = sum(sizes)
        for _ in range(tries if total else 0):
            offset = random.randrange(total)  # noqa: S311 - spreads load, guards nothing
            for (first, _), size in zip(self._ranges, sizes, strict=True):
                if offset < size:
                    if self._is_free(first + offset):
                        self._reserved.add(first + offset)
                        return first + offset
                    break
                offset -= size
        return self.take_lowest()

    def take(self, number: int) -> bool:
        """Reserve a number that the user named, inside the ranges or not; False when it is in use."""
        if not self._is_free(number):
            return False
        self._reserved.add(number)
        return True

    def settle(self, number: int) -> None:
        """The transaction that wanted the number is over: it is in ``used`` now, or free again."""
        self._reserved.discard(number)
        if number not in self._used:
            self.freed(number)

    def freed(self, number: int) -> None:
        """The number left ``used``."""
        for index, (first, last) in enumerate(self._ranges):
            if first <= number <= last:
                passed = index < self._range or (index == self._range and number < self._frontier)
                if passed and number not in self._waiting:
                    self._waiting.add(number)
                    heapq.heappush(self._below, number)
                return
