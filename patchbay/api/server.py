"""``patchbay serve``: the intent database (embedded unless named), the service and the HTTP server as one life.

The CLI calls ``serve`` in a loop (uvloop). It ends cleanly on SIGTERM and SIGINT: no new requests, those under way are
answered, then the embedded database stops.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import uvicorn

from patchbay.api.app import create_app
from patchbay.api.asgi import MAX_BODY_BYTES, ASGIApp
from patchbay.api.openvnet.app import create_vnet_app
from patchbay.errors import BadRequest
from patchbay.intent.database import IntentDatabase
from patchbay.intent.server import ClusterMember, EmbeddedServer
from patchbay.service.scheduler import Scheduler
from patchbay.service.service import Service
from patchbay.service.settings import NetworkSettings
from patchbay.service.vnet.bindings import Bindings

T = TypeVar("T")

log = logging.getLogger("patchbay.serve")

GRACE_S, KEEP_ALIVE_S = 5, 75
"""How long requests under way may take when the service stops, and how long an idle connection is kept."""
WAIT_TOLD_S = 5.0
"""How often a wait for the database is told."""


NOWHERE = "none"
"""``vnet_listen`` of a service without OpenVNet's WebAPI."""
USUAL_VNET_LISTEN = "127.0.0.1:9090"
"""Where OpenVNet's clients look for the WebAPI."""


class ServeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What ``patchbay serve`` was told.

    ``listen`` is ADDRESS:PORT (an IPv6 address in brackets; port 0 takes a free one); ``listen_fd`` an inherited
    listening socket that is used instead; ``vnet_listen`` ("none": nowhere; "": at the usual port if that is free) and
    ``vnet_listen_fd`` are the same for OpenVNet's WebAPI. Without ``intent`` remotes the database is a child process
    with its file in ``state_dir``; ``intent_listen`` then adds passive OVSDB remotes for agents elsewhere
    (``ptcp:6640:10.0.0.1``), and ``cluster`` makes it a member of a Raft cluster.
    """

    state_dir: Path = Path("/var/lib/patchbay")
    listen: str = "127.0.0.1:9696"
    listen_fd: int | None = None
    vnet_listen: str = ""
    vnet_listen_fd: int | None = None
    intent: tuple[str, ...] = ()
    intent_listen: tuple[str, ...] = ()
    cluster: ClusterMember | None = None
    max_body_bytes: int = MAX_BODY_BYTES
    networks: NetworkSettings = NetworkSettings()


class BadListenAddress(BadRequest):
    """``listen`` is not ADDRESS:PORT."""

    def __init__(self, text: str) -> None:
        super().__init__(f"'{text}' is not an address to listen on.", "Write ADDRESS:PORT, for example 127.0.0.1:9696.")


def parse_listen(text: str) -> tuple[str, int]:
    """Address and port of ``ADDRESS:PORT`` or ``[ADDRESS]:PORT``."""
    address, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535 or not address:
        raise BadListenAddress(text)
    return address.removeprefix("[").removesuffix("]"), int(port)


class CannotListen(BadRequest):
    """Nobody may, or can, listen there."""

    def __init__(self, where: str, error: OSError) -> None:
        super().__init__(
            f"Cannot listen on {where}: {error.strerror}.",
            "Choose another address or port with --listen or --vnet-listen (none: no WebAPI).",
        )


def listening_socket(listen: str, descriptor: int | None = None) -> socket.socket:
    """A socket to answer on: ``descriptor``, or a new one at ``listen``. Raises BadListenAddress or CannotListen."""
    if descriptor is not None:
        try:
            return socket.socket(fileno=descriptor)
        except OSError as error:
            raise CannotListen(f"file descriptor {descriptor}", error) from error
    address, port = parse_listen(listen)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise CannotListen(listen, error) from error
    return listener


class Listeners(msgspec.Struct, frozen=True):
    """Where the service answers: Neutron's API, and OpenVNet's if it is switched on."""

    neutron: socket.socket
    openvnet: socket.socket | None

    def close(self) -> None:
        """Take no more connections."""
        self.neutron.close()
        if self.openvnet is not None:
            self.openvnet.close()


def listeners(settings: ServeSettings) -> Listeners:
    """The sockets that the settings ask for. Raises BadListenAddress or CannotListen."""
    neutron = listening_socket(settings.listen, settings.listen_fd)
    if settings.vnet_listen_fd is None and settings.vnet_listen == NOWHERE:
        return Listeners(neutron, None)
    is_asked_for = bool(settings.vnet_listen) or settings.vnet_listen_fd is not None
    try:
        openvnet = listening_socket(settings.vnet_listen or USUAL_VNET_LISTEN, settings.vnet_listen_fd)
    except BadRequest as error:
        if is_asked_for:
            neutron.close()
            raise
        log.warning("no OpenVNet WebAPI here; say where it should be with --vnet-listen", extra={"error": str(error)})
        return Listeners(neutron, None)
    return Listeners(neutron, openvnet)


class HttpServer(uvicorn.Server):
    """uvicorn without signal handlers of its own; ``serve`` has them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leaves signals alone."""
        yield


@asynccontextmanager
async def _intent_remotes(settings: ServeSettings) -> AsyncIterator[tuple[str, ...]]:
    if settings.intent:
        yield settings.intent
        return
    server = await EmbeddedServer.start(settings.state_dir, settings.intent_listen, settings.cluster)
    try:
        yield (server.remote,)
    finally:
        await server.stop()


async def serve(settings: ServeSettings) -> None:
    """Answer requests until SIGTERM or SIGINT, which also end it while it still waits for the database."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    sockets = listeners(settings)
    async with _intent_remotes(settings) as remotes:
        # A member of a cluster uses its own server, which passes writes on to the one that leads.
        opening = IntentDatabase.open(remotes, leader_only=None if settings.intent else False)
        log.info("opening the intent database", extra={"remotes": ",".join(remotes)})
        db = await _unless(stopping, opening)
        if db is not None:
            try:
                await _serve_http(settings, db, sockets, stopping)
            finally:
                await db.close()
    sockets.close()
    log.info("stopped")


async def _unless(stopping: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of the work; None when the service is to stop before there is one."""
    task = asyncio.create_task(work)
    stop = asyncio.create_task(stopping.wait())
    while not (await asyncio.wait((task, stop), timeout=WAIT_TOLD_S, return_when=asyncio.FIRST_COMPLETED))[0]:
        log.warning("waiting for the intent database")
    stop.cancel()
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return None


async def _serve_http(settings: ServeSettings, db: IntentDatabase, sockets: Listeners, stopping: asyncio.Event) -> None:
    service = Service(db, settings.networks)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    servers = [http_server(create_app(service, settings.max_body_bytes))]
    running = [asyncio.create_task(servers[0].serve(sockets=[sockets.neutron]), name="http")]
    if sockets.openvnet is not None:
        servers.append(http_server(create_vnet_app(service, settings.max_body_bytes)))
        running.append(asyncio.create_task(servers[1].serve(sockets=[sockets.openvnet]), name="openvnet"))
        host, port = sockets.openvnet.getsockname()[:2]
        log.info("answering as OpenVNet", extra={"address": host, "vnet_port": port})
    stop = asyncio.create_task(stopping.wait(), name="stop")
    host, port = sockets.neutron.getsockname()[:2]
    log.info("listening", extra={"address": host, "port": port, "networks": len(db.networks), "ports": len(db.ports)})
    following = [
        asyncio.create_task(Scheduler(service).run(), name="scheduler"),
        asyncio.create_task(Bindings(service).run(), name="bindings"),
    ]
    notify_systemd("READY=1")
    await asyncio.wait((*running, stop), return_when=asyncio.FIRST_COMPLETED)
    notify_systemd("STOPPING=1")
    log.info("stopping")
    for task in following:
        task.cancel()
    for server in servers:
        server.should_exit = True
    stop.cancel()
    await asyncio.gather(*running)


def http_server(app: ASGIApp) -> HttpServer:
    """The HTTP server that an application answers through."""
    return HttpServer(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_S,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
    )


def notify_systemd(state: str) -> None:
    """Tell systemd, if it asked (sd_notify(3), ``Type=notify``)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, contextlib.suppress(OSError):
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
        channel.send(state.encode())
