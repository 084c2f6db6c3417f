"""Keeps this host's certificate fresh: at half of its life, and as soon as the intent database does not take it.

The latter happens when another host was removed: then all certificates of before are refused, and members get new ones
at once. A host that was removed itself gets none, and says so.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator

from patchbay.agent.settings import AgentSettings
from patchbay.errors import HostError
from patchbay.host.credentials import NotJoined, is_expired, read_identity
from patchbay.host.joining import renew
from patchbay.intent.database import IntentDatabase

logger = logging.getLogger(__name__)

LOOK_S = 0.25
REFUSED = "SSL"
"""In the words for a session that did not begin: the certificate is what the server does not take."""
UNSEEN_AFTER_S = 3.0
"""So long without the database at the start may be the certificate's fault too: only the service can say."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0


class Renewal:
    """See the module."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._intent: IntentDatabase | None = None
        self._connected_at = time.monotonic()
        self._pause_s = FIRST_PAUSE_S
        self._not_before = 0.0
        self._told = ""

    def watch(self, intent: IntentDatabase) -> None:
        """The database to which the certificate leads."""
        self._intent = intent

    async def run(self) -> None:
        """Renew for ever."""
        while True:
            if self._intent is not None and self._intent.is_connected:
                self._connected_at, self._pause_s = time.monotonic(), FIRST_PAUSE_S
            if time.monotonic() >= self._not_before and self._is_due():
                await self._renew()
            await asyncio.sleep(LOOK_S)

    def _is_due(self) -> bool:
        try:
            identity = read_identity(self._folder)
        except NotJoined as error:
            self._complain(error)
            return False
        return self._is_refused() or is_expired(identity) or time.time() >= identity.renew_at()

    def _is_refused(self) -> bool:
        if self._intent is None:
            return time.monotonic() - self._connected_at > UNSEEN_AFTER_S
        return not self._intent.is_connected and REFUSED in self._intent.connection.last_failure

    async def _renew(self) -> None:
        try:
            ends_at = await asyncio.to_thread(renew, self._folder)
        except (HostError, OSError) as error:
            self._complain(error)
        else:
            until = time.strftime("%FT%TZ", time.gmtime(ends_at))
            logger.info("a new certificate for this host", extra={"until": until})
            self._told = ""
        # If that one is refused too, others will be: the pause grows until the database takes one.
        self._not_before = time.monotonic() + self._pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    def _complain(self, error: Exception) -> None:
        if str(error) != self._told:
            self._told = str(error)
            remedy = error.remedy if isinstance(error, HostError) else ""
            message = error.message if isinstance(error, HostError) else str(error)
            logger.error("no new certificate: %s", message, extra={"remedy": remedy})


@contextlib.asynccontextmanager
async def renewing(settings: AgentSettings) -> AsyncIterator[Renewal]:
    """The certificate is kept fresh as long as this lasts; nothing happens where the way is not encrypted."""
    renewal = Renewal(settings.credentials)
    task = asyncio.create_task(renewal.run(), name="renewal") if settings.is_encrypted else None
    try:
        yield renewal
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
