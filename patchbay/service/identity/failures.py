"""How often somebody may guess: failed logins by address, and by address and user."""

import math
import time
from collections.abc import Callable
from ipaddress import ip_address, ip_network

from patchbay.service.identity.errors import TooManyFailures

WINDOW_S = 60.0
PER_USER, PER_ADDRESS = 5, 30
"""Logins that may fail within the window: of one user from one address, and of all users from one address."""
MOST_KEYS = 50_000


def origin(address: str) -> str:
    """Where somebody is: an IPv4 address, or the /64 of an IPv6 address, for one machine has a whole one."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    mapped = parsed.ipv4_mapped
    return str(ip_network((parsed, 64), strict=False)) if mapped is None else str(mapped)


class Failures:
    """The failed logins of the last minute. A login that succeeds forgets those of its user."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._moments: dict[tuple[str, ...], list[float]] = {}

    def check(self, address: str, user: str) -> None:
        """Raises TooManyFailures while this address must wait; asked before the password is looked at."""
        place = origin(address)
        for key, limit in (((place, user), PER_USER), ((place,), PER_ADDRESS)):
            moments = self._recent(key)
            if len(moments) >= limit:
                raise TooManyFailures(max(1, math.ceil(moments[-limit] + WINDOW_S - self._clock())))

    def failed(self, address: str, user: str) -> None:
        """A login has failed."""
        if len(self._moments) >= MOST_KEYS:
            self._moments = {key: recent for key in self._moments if (recent := self._recent(key))}
        place = origin(address)
        for key in ((place, user), (place,)):
            self._moments[key] = [*self._recent(key)[-PER_ADDRESS:], self._clock()]

    def succeeded(self, address: str, user: str) -> None:
        """A login has succeeded."""
        self._moments.pop((origin(address), user), None)

    def _recent(self, key: tuple[str, ...]) -> list[float]:
        since = self._clock() - WINDOW_S
        return [moment for moment in self._moments.get(key, ()) if moment > since]
