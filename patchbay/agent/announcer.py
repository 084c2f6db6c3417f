"""Announces ports that have become complete to their neighbours, one after the other.

Used by the loop. An announcement is flooded to every port of its network, which occupies a switch with 400 ports for
some milliseconds, just when the new port wants to talk. So on a host with many ports it waits a moment, and when many
ports come at once, their announcements are spread and hold up nothing else.
"""

import asyncio
import logging
from functools import partial

from patchbay.compile.names import namespace
from patchbay.compile.view import HostView
from patchbay.host.announce import announce
from patchbay.host.netns import NamespaceThread

logger = logging.getLogger(__name__)

PAUSE_S = 0.05
MANY_PORTS, DELAY_S = 100, 0.4


class Announcer:
    """The ports that wait to be announced."""

    def __init__(self, view: HostView, thread: NamespaceThread) -> None:
        self._view = view
        self._thread = thread
        self._waiting: dict[str, None] = {}
        self._task: asyncio.Task[None] | None = None

    def announce(self, port_id: str) -> None:
        """This port is here now: it may have been on another host before."""
        self._waiting[port_id] = None
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="announcements")

    def close(self) -> None:
        """Announce no more."""
        if self._task:
            self._task.cancel()

    async def _work(self) -> None:
        try:
            if len(self._view.facts.plugged) > MANY_PORTS:
                await asyncio.sleep(DELAY_S)
            while self._waiting:
                port_id = next(iter(self._waiting))
                del self._waiting[port_id]
                await self._announce(port_id)
                await asyncio.sleep(PAUSE_S)
        finally:
            self._task = None

    async def _announce(self, port_id: str) -> None:
        port, found = self._view.ports.get(port_id), self._view.interface_of(port_id)
        if not (port and found and port.fixed_ips):
            return
        addresses = [each.ip_address for each in port.fixed_ips]
        try:
            await self._thread.run(partial(announce, namespace(found[0]), found[1], port.mac_address, addresses))
        except OSError as error:
            logger.info("a new port could not be announced: %s", error)
