"""Looks for hosts that the service suspects to be gone, and says what this host found.

Runs beside the loop. Nothing is sent while nobody is suspected: only a host whose agent has been silent is asked for,
again and again until it is heard of, for an agent may be stopped on a host that carries traffic as before.
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
        self._wake = asyncio.Event()
        intent.subscribe(self._note)

    async def run(self) -> None:
        """Look for suspected hosts for ever."""
        while self._tunnel_ip:
            found = await self._look()
            try:
                await self._tell(found)
            except IntentError as error:
                logger.warning("suspected hosts: %s", error.message, extra={"remedy": error.remedy})
            self._wake.clear()
            try:
                async with asyncio.timeout(AGAIN_S if self._suspects() else None):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def _suspects(self) -> list[Host]:
        hosts = self._intent.hosts.values()
        return [host for host in hosts if host.suspected and host.tunnel_ip and host.name != self._host]

    async def _look(self) -> dict[str, str]:
        suspects = self._suspects()
        answers = await asyncio.gather(*(echo.answers(self._tunnel_ip, host.tunnel_ip) for host in suspects))
        return {host.name: UP if has else DOWN for host, has in zip(suspects, answers, strict=True)}

    async def _tell(self, found: dict[str, str]) -> None:
        """Write what was found, if it is other than what was told; what nobody asks for any more is taken back."""
        rows = self._intent.hosts_by_name.get(self._host, ())
        row = next((self._intent.hosts[row] for row in rows), None)
        if row is not None and dict(row.neighbours) != found:
            logger.info("suspected hosts", extra=found)
            await self._intent.transact(Update(row, replace(row, neighbours=found)))

    def _note(self, changes: list[Change]) -> None:
        for change in changes:
            old, new = change.old, change.new
            if isinstance(new, Host) and (not isinstance(old, Host) or old.suspected != new.suspected):
                self._wake.set()
