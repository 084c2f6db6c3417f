"""Which hosts are alive, judged by when their heartbeats arrive here, not by the clocks of the hosts.

Used by the scheduler. A host that was there before this server has the whole patience anew: a server that starts moves
nothing in its first moments.
"""

import time
from collections.abc import Callable

from patchbay.model import Host


class Liveness:
    """When each host was last heard of. ``patience_s`` is Neutron's ``agent_down_time``."""

    def __init__(self, patience_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience_s = patience_s
        self._clock = clock
        self._heard: dict[str, float] = {}
        self._told: set[str] = set()

    def hear(self, old: Host | None, new: Host | None) -> None:
        """A row of a host changed."""
        if new is None:
            if old is not None:
                self._heard.pop(old.name, None)
            return
        if old is None or (old.heartbeat_at, old.started_at) != (new.heartbeat_at, new.started_at):
            self._heard[new.name] = self._clock()

    def is_alive(self, name: str) -> bool:
        """Heard of within the patience."""
        heard = self._heard.get(name)
        return heard is not None and self._clock() - heard < self._patience_s

    def turned(self) -> set[str]:
        """Names of hosts that are alive now and were not at the last call, or the other way round."""
        alive = {name for name in self._heard if self.is_alive(name)}
        changed, self._told = alive ^ self._told, alive
        return changed

    def next_in_s(self) -> float | None:
        """Seconds until the next host that is alive would be given up; None when there is none."""
        now = self._clock()
        left = (heard + self._patience_s - now for name, heard in self._heard.items() if name in self._told)
        return min(left, default=None)
