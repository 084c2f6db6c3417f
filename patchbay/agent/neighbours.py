"""Looks for hosts that the service suspects to be gone, and says what this host found.

Runs beside the loop. Nothing is sent while nobody is suspected. A host whose agent has been silent is asked again and
again while it answers, for an agent may be stopped on a host that carries traffic as before; once it does not, it has
lost what it carried, and nobody asks until its agent is heard of.
"""

import asyncio
import logging

from msgspec.structs import replace

from patchbay.errors import IntentError
from patchbay.host import echo
from patchbay.intent.database import Change, IntentDatabase, Update
from patchbay.model import Host
from patchbay.model.host import DOWN, UP

logger = logging.getLogger(__name__)

AGAIN_S = 2.0


class Neighbours:
    """See the module. ``run`` ends only by cancellation; without a tunnel address it has nobody to ask for."""

    def __init__(self, intent: IntentDatabase, host: str, tunnel_ip: str) -> None:
        self._intent = intent
        self._host = host
        self._tunnel_ip = tunnel_ip
        self._found: dict[str, str] = {}
        self._wake = asyncio.Event()
        intent.subscribe(self._note)

    async def run(self) -> None:
        """Look for suspected hosts for ever."""
        while self._tunnel_ip:
            self._wake.clear()
            self._found = await self._look()
            is_told = await self._tell(self._found)
            try:
                async with asyncio.timeout(None if is_told and UP not in self._found.values() else AGAIN_S):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def _suspects(self) -> list[Host]:
        hosts = self._intent.hosts.values()
        return [host for host in hosts if host.suspected and host.tunnel_ip and host.name != self._host]

    async def _look(self) -> dict[str, str]:
        suspects = self._suspects()
        lost = {host.name: DOWN for host in suspects if self._found.get(host.name) == DOWN}
        asked = [host for host in suspects if host.name not in lost]
        answers = await asyncio.gather(*(echo.answers(self._tunnel_ip, host.tunnel_ip) for host in asked))
        return lost | {host.name: UP if has else DOWN for host, has in zip(asked, answers, strict=True)}

    async def _tell(self, found: dict[str, str]) -> bool:
        """Write what was found, if it is other than what was told; what nobody asks for any more is taken back.

        False when it could not be written.
        """
        row = self._intent.host_named(self._host)
        if row is not None and dict(row.neighbours) != found:
            logger.info("suspected hosts", extra=found)
            try:
                await self._intent.transact(Update(row, replace(row, neighbours=found)))
            except IntentError as error:
                logger.warning("suspected hosts: %s", error.message, extra={"remedy": error.remedy})
                return False
        return True

    def _note(self, changes: list[Change]) -> None:
        for change in changes:
            old, new = change.old, change.new
            if isinstance(new, Host) and (not isinstance(old, Host) or old.suspected != new.suspected):
                self._wake.set()
