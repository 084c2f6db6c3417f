"""Which hosts are alive, judged by when their heartbeats arrive here, not by the clocks of the hosts.

Used by the scheduler. A host that was there before this server has the whole patience anew: a server that starts moves
nothing in its first moments.
"""

import time
from collections.abc import Callable, Iterator

from patchbay.model import Host

ALIVE, SILENT, FORGOTTEN = 0, 1, 2
_Life = tuple[float, int]


class Liveness:
    """When each host was last heard of: ALIVE, SILENT after ``suspect_after_s``, FORGOTTEN after ``down_time_s``."""

    def __init__(self, suspect_after_s: float, down_time_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = (suspect_after_s, max(down_time_s, suspect_after_s))
        self._clock = clock
        self._heard: dict[str, float] = {}
        self._told: dict[str, int] = {}

    def hear(self, old: Host | None, new: Host | None) -> None:
        """A row of a host changed."""
        if new is None:
            if old is not None:
                self._heard.pop(old.name, None)
            return
        if old is None or (old.heartbeat_at, old.started_at) != (new.heartbeat_at, new.started_at):
            self._heard[new.name] = self._clock()

    def state(self, name: str) -> int:
        """ALIVE, SILENT or FORGOTTEN; FORGOTTEN if there is no such host."""
        heard = self._heard.get(name)
        if heard is None:
            return FORGOTTEN
        silent_s = self._clock() - heard
        return sum(silent_s >= limit for limit in self._limits)

    def is_alive(self, name: str) -> bool:
        """Heard of lately."""
        return self.state(name) == ALIVE

    def turned(self) -> set[str]:
        """Names of hosts whose state is another one than at the last call."""
        states = {name: self.state(name) for name in self._heard}
        changed = {name for name in {*states, *self._told} if states.get(name) != self._told.get(name)}
        self._told = states
        return changed

    def next_in_s(self) -> float | None:
        """Seconds until the next host would turn; None when none would."""
        return min(self._turns(), default=None)

    def _turns(self) -> Iterator[float]:
        now = self._clock()
        for name, heard in self._heard.items():
            told = self._told.get(name, FORGOTTEN)
            if told < FORGOTTEN:
                yield heard + self._limits[told] - now
