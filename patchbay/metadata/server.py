"""The metadata server of a host, from its settings to its end. ``patchbay metadata`` calls ``serve_metadata``."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from patchbay.errors import HostError
from patchbay.host.credentials import credentials_in
from patchbay.host.own_process import give_memory_back, raise_file_limit
from patchbay.intent.errors import Unavailable
from patchbay.metadata.answers import Answers
from patchbay.metadata.guest import Guest
from patchbay.metadata.http import GuestConnection
from patchbay.metadata.limits import REQUESTS_PER_S, Limits
from patchbay.metadata.listeners import Listeners, read_listeners
from patchbay.metadata.lookup import Place, find_guest
from patchbay.ovsdb import Connection, ConnectionLost, Credentials
from patchbay.ovsdb.remote import parse_remote

logger = logging.getLogger(__name__)

DATABASE = "Patchbay"
FIRST_LOOK_S = 0.3


class MetadataSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``intent``: remotes of the intent database, ``credentials``: the folder of this host's certificate for them;
    ``listeners``: the file with the list; see ``patchbay metadata``."""

    intent: tuple[str, ...]
    listeners: Path
    requests_per_s: int = REQUESTS_PER_S
    credentials: str = "/etc/patchbay"


class Database:
    """The intent database, whether it answers now or not: connects by itself, and again.

    Raises OvsdbError when one of ``remotes`` is none.
    """

    def __init__(self, remotes: tuple[str, ...], credentials: Credentials | None = None) -> None:
        self._credentials = credentials
        for remote in remotes:
            parse_remote(remote)
        self._connection: Connection | None = None
        self._opening = asyncio.create_task(self._open(remotes))

    async def _open(self, remotes: tuple[str, ...]) -> None:
        self._connection = await Connection.open(remotes, DATABASE, credentials=self._credentials)

    async def look(self, timeout_s: float) -> None:
        """Wait for it, but not long."""
        await asyncio.wait({self._opening}, timeout=timeout_s)

    async def find_guest(self, place: Place, address: str) -> Guest | None:
        """See ``lookup``. Raises Unavailable at once when no server is connected."""
        if self._connection is None or not self._connection.is_connected:
            raise Unavailable("No server of the intent database is connected.", "Is 'patchbay serve' running?")
        return await find_guest(self._connection, place, address)

    async def close(self) -> None:
        """End the connection."""
        self._opening.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionLost):
            await self._opening
        if self._connection is not None:
            await self._connection.close()


async def serve_metadata(settings: MetadataSettings, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP has the list read again.

    Calls ``ready`` when every listener was tried once and signals are heard. Raises HostError when the list cannot be
    read at first; later the old one stays.
    """
    raise_file_limit()
    database = Database(settings.intent, credentials_in(settings.credentials))
    answers, limits = Answers(database.find_guest), Limits(settings.requests_per_s)
    listeners = Listeners(lambda place: GuestConnection(place, answers.trees, limits))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, partial(_read_again, listeners, settings.listeners))
    listeners.want(read_listeners(settings.listeners))
    await asyncio.gather(listeners.settle(), database.look(FIRST_LOOK_S))
    give_memory_back()
    ready()
    logger.info("ready", extra={"pid": os.getpid()})
    keeping = asyncio.create_task(listeners.run())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({keeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if keeping.done():
            await keeping
    finally:
        for task in (keeping, stopping):
            task.cancel()
        await asyncio.gather(keeping, stopping, return_exceptions=True)
        await database.close()
        logger.info("stopped")


def _read_again(listeners: Listeners, path: Path) -> None:
    try:
        listeners.want(read_listeners(path))
    except HostError as error:
        logger.error("the list of listeners stays as it was: %s", error.message, extra={"remedy": error.remedy})
