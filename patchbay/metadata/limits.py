"""Each asker's share: connections at once and requests in a second, of one address and of one namespace.

Whoever is over it is turned away and costs the others nothing. However many networks one tenant has ask at once, each
other network still gets ``CONNECTIONS_KEPT`` connections. An asker is remembered only as long as it is connected, or
among the last ``REMEMBERED``.
"""

from collections import OrderedDict

from patchbay.metadata.lookup import Place

CONNECTIONS_OF_ADDRESS, CONNECTIONS_OF_PLACE, CONNECTIONS = 16, 256, 2048
CONNECTIONS_KEPT = 8
REQUESTS_PER_S = 200
OF_PLACE = 10
"""So many times what one address may ask, a whole namespace may: whoever has many addresses has no more."""
REMEMBERED = 4096


class _Count:
    """What one asker has now."""

    __slots__ = ("connections", "requests", "since")

    def __init__(self) -> None:
        self.connections = self.requests = 0
        self.since = 0.0


class Limits:
    """Counts of all askers."""

    def __init__(self, requests_per_s: int = REQUESTS_PER_S) -> None:
        self._requests_per_s = requests_per_s
        self._counts: OrderedDict[tuple[Place, str], _Count] = OrderedDict()
        self._places: dict[Place, int] = {}
        self._asked: dict[Place, int] = {}
        self._asked_since = 0.0
        self._total = 0

    def admit(self, place: Place, address: str) -> bool:
        """Count a new connection, unless there are enough; then it is to be closed."""
        count, here = self._count(place, address), self._places.get(place, 0)
        if (
            count.connections >= CONNECTIONS_OF_ADDRESS
            or here >= CONNECTIONS_OF_PLACE
            or (self._total >= CONNECTIONS and here >= CONNECTIONS_KEPT)
        ):
            return False
        count.connections += 1
        self._total += 1
        self._places[place] = self._places.get(place, 0) + 1
        return True

    def release(self, place: Place, address: str) -> None:
        """A connection that was admitted has ended."""
        self._count(place, address).connections -= 1
        self._total -= 1
        self._places[place] -= 1
        if not self._places[place]:
            del self._places[place]

    def spend(self, place: Place, address: str, now_s: float) -> bool:
        """Count a request; False when it is one too many in this second."""
        count = self._count(place, address)
        if now_s - count.since >= 1.0:
            count.since, count.requests = now_s, 0
        if now_s - self._asked_since >= 1.0:
            self._asked_since, self._asked = now_s, {}
        count.requests += 1
        if count.requests > self._requests_per_s:
            return False  # and not counted for the place: a neighbour has done no wrong
        asked = self._asked[place] = self._asked.get(place, 0) + 1
        return asked <= self._requests_per_s * OF_PLACE

    def _count(self, place: Place, address: str) -> _Count:
        key = (place, address)
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = _Count()
            self._shrink()
        self._counts.move_to_end(key)
        return count

    def _shrink(self) -> None:
        """The oldest that are not connected go."""
        for key in list(self._counts)[: max(0, len(self._counts) - REMEMBERED)]:
            if not self._counts[key].connections:
                del self._counts[key]
