"""Which hosts can be relied on: alive, silent but answering, or lost.

Used by the scheduler. A host that is silent (no heartbeat for some seconds) is *suspected*: a flag in its row makes the
agents of the other hosts look for it, and their rows say what they found. It is lost when they found it down and none
found it up. So an agent that is stopped or upgraded takes no router along, and a host that died loses its own within
seconds. A silent host of which nobody can say anything is lost when it is forgotten (``agent_down_time_s``).
"""

import msgspec

from patchbay.intent.database import Stale, Update
from patchbay.model import Host
from patchbay.model.host import DOWN, UP
from patchbay.service.liveness import ALIVE, FORGOTTEN, Liveness
from patchbay.service.service import Service


class Presence:
    """See the module."""

    def __init__(self, service: Service) -> None:
        self._service = service
        settings = service.settings
        self._liveness = Liveness(settings.suspect_after_s, settings.agent_down_time_s)
        for host in service.db.hosts.values():
            self._liveness.hear(None, host)

    def hear(self, old: Host | None, new: Host | None) -> set[str]:
        """A host's row changed. Returns the names of hosts about which it says something new."""
        self._liveness.hear(old, new)
        before, after = (dict(host.neighbours) if host else {} for host in (old, new))
        return {name for name in {*before, *after} if before.get(name) != after.get(name)}

    def turned(self) -> set[str]:
        """Names of hosts that fell silent, were heard again, or are forgotten, since the last call."""
        return self._liveness.turned()

    def next_in_s(self) -> float | None:
        """Seconds until the next host would fall silent or be forgotten."""
        return self._liveness.next_in_s()

    def is_alive(self, name: str) -> bool:
        """Its agent was heard of lately: it can take something new."""
        return self._liveness.is_alive(name)

    def is_lost(self, name: str) -> bool:
        """What lives there must move."""
        state = self._liveness.state(name)
        if state == ALIVE:
            return False
        verdicts = {host.neighbours.get(name) for host in self._service.db.hosts.values() if self.is_alive(host.name)}
        if UP in verdicts:
            return False
        return DOWN in verdicts or state == FORGOTTEN

    async def ask(self) -> None:
        """Have the silent hosts looked for, and the others not any more.

        Raises the errors of ``Service.commit`` but Stale: another server was quicker, or the host is heard of again.
        """
        for host in list(self._service.db.hosts.values()):
            is_suspected = self._liveness.state(host.name) != ALIVE
            if host.suspected != is_suspected:
                try:
                    await self._service.commit(Update(host, msgspec.structs.replace(host, suspected=is_suspected)))
                except Stale:
                    continue
