"""Listening sockets inside namespaces: opened where and when they can be, kept, and opened again when they must be.

The list of them is a file that the agent writes. A namespace may not be there yet, may be deleted (then its socket must
be closed, or the namespace would live on without a name) and made again: names that come and go in /run/netns are
watched, and everything is looked at again now and then.
"""

import asyncio
import contextlib
import logging
import socket
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from patchbay.errors import HostError
from patchbay.host.netns import NETNS_DIRECTORY, NamespaceThread, NamespaceWatch, find_namespace, inside
from patchbay.metadata.http import GuestConnection
from patchbay.metadata.lookup import Place

logger = logging.getLogger(__name__)

BACKLOG = 128
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 2.0
_IP_FREEBIND, _IPV6_FREEBIND = 15, 78


class Listener(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the list: where to listen, and what that place is: a router's or a DHCP server's namespace."""

    namespace: str
    address: str
    port: int
    router_id: str = ""
    network_id: str = ""

    def __post_init__(self) -> None:
        if bool(self.router_id) == bool(self.network_id):
            raise ValueError("exactly one of router_id and network_id is needed")
        if "/" in self.namespace or self.namespace in ("", ".", ".."):
            raise ValueError("namespace is not a name in /run/netns")

    @property
    def place(self) -> Place:
        """What it is known by when a guest is looked up."""
        return Place(self.router_id, self.network_id)


class _Open(msgspec.Struct):
    """A listener that is open, the namespace (inode) that it is in, and its connections."""

    inode: int
    server: asyncio.Server
    connections: "weakref.WeakSet[GuestConnection]"


def read_listeners(path: Path) -> tuple[Listener, ...]:
    """The list. Raises HostError when it cannot be read or is not one."""
    remedy = "The agent writes it: a JSON list of namespace, address, port, and router_id or network_id."
    try:
        return tuple(msgspec.json.decode(path.read_bytes(), type=list[Listener]))
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}.", remedy) from error
    except (msgspec.DecodeError, ValueError) as error:
        raise HostError(f"{path}: {error}.", remedy) from error


class Listeners:
    """All listeners. ``make`` gives what serves a connection that came in at a place."""

    def __init__(self, make: Callable[[Place], GuestConnection]) -> None:
        self._make = make
        self._wanted: dict[Listener, None] = {}
        self._open: dict[Listener, _Open] = {}
        self._troubles: dict[Listener, str] = {}
        self._thread = NamespaceThread()
        self._watch = NamespaceWatch()
        self._wake = asyncio.Event()

    def want(self, listeners: Iterable[Listener]) -> None:
        """Listen at these and no others; ``run`` brings it about."""
        self._wanted = dict.fromkeys(listeners)
        self._wake.set()

    async def run(self) -> None:
        """Keep what is open as it is wanted, until cancelled."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._watch.fileno(), self._names_changed)
        pause_s = FIRST_PAUSE_S
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._wake.wait()
                        pause_s = FIRST_PAUSE_S
                self._wake.clear()
                await self.settle()
                # A name is there a moment before its namespace is, so what is missing is tried again soon.
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        finally:
            loop.remove_reader(self._watch.fileno())
            self.close()

    def close(self) -> None:
        """Close all."""
        for listener in list(self._open):
            self._close(listener, "the server ends")
        self._thread.close()
        self._watch.close()

    async def settle(self) -> None:
        """Close what must not be open, open what can be."""
        inodes = {name: find_namespace(name) for name in {each.namespace for each in (*self._wanted, *self._open)}}
        for listener, opened in list(self._open.items()):
            if listener not in self._wanted:
                self._close(listener, "not wanted any more")
            elif inodes[listener.namespace] != opened.inode:
                self._close(listener, "its namespace has gone")
        for listener in self._wanted:
            if listener in self._open:
                continue
            inode = inodes[listener.namespace]
            try:
                if inode is None:
                    self._say(listener, "its namespace is not there")
                else:
                    await self._try(listener, inode)
            except OSError as error:
                self._say(listener, error.strerror or str(error))

    async def _try(self, listener: Listener, inode: int) -> None:
        opened = await self._thread.run(lambda: open_socket(listener))
        connections: weakref.WeakSet[GuestConnection] = weakref.WeakSet()

        def made() -> GuestConnection:
            connection = self._make(listener.place)
            connections.add(connection)
            return connection

        server = await asyncio.get_running_loop().create_server(made, sock=opened, backlog=BACKLOG)
        self._open[listener] = _Open(inode, server, connections)
        self._troubles.pop(listener, None)
        logger.info("listening", extra=_fields(listener))

    def _close(self, listener: Listener, why: str) -> None:
        opened = self._open.pop(listener)
        opened.server.close()
        for connection in opened.connections:
            connection.end()  # its socket, too, would keep the namespace alive
        logger.info("closed: %s", why, extra=_fields(listener))

    def _say(self, listener: Listener, trouble: str) -> None:
        """Once, not at every try."""
        if self._troubles.get(listener) != trouble:
            self._troubles = {each: said for each, said in self._troubles.items() if each in self._wanted}
            self._troubles[listener] = trouble
            logger.warning("cannot listen yet: %s", trouble, extra=_fields(listener))

    def _names_changed(self) -> None:
        if self._watch.read() & {each.namespace for each in (*self._wanted, *self._open)}:
            self._wake.set()


def open_socket(listener: Listener) -> socket.socket:
    """A listening socket in the namespace, whether its address is there yet or not. Steps in: see ``netns``."""
    is_v6 = ":" in listener.address
    with inside(NETNS_DIRECTORY / listener.namespace):
        opened = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_v6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        else:
            opened.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        opened.bind((listener.address, listener.port))
        opened.listen(BACKLOG)
    except BaseException:
        opened.close()
        raise
    return opened


def _fields(listener: Listener) -> dict[str, str | int]:
    return {"namespace": listener.namespace, "address": listener.address, "port": listener.port}
