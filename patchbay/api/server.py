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
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from patchbay.api.app import create_app
from patchbay.api.asgi import MAX_BODY_BYTES, ASGIApp
from patchbay.api.authentication.choice import AuthSettings, check_exposure, read_files, read_strategies
from patchbay.api.connections import Patience
from patchbay.api.enrolment import with_enrolment
from patchbay.api.hosts import Hosts, limits_of, open_authority
from patchbay.api.limits import limited
from patchbay.api.listening import HttpServer, http_server, listening_socket, place_of
from patchbay.api.metering import metered
from patchbay.api.openvnet.app import create_vnet_app
from patchbay.api.tls import TlsSettings, read_again, uvicorn_options
from patchbay.errors import BadRequest
from patchbay.intent.database import IntentDatabase
from patchbay.intent.server import ClusterMember, EmbeddedServer
from patchbay.service.enrolment.authority import Authority
from patchbay.service.scheduler import Scheduler
from patchbay.service.service import Service
from patchbay.service.settings import NetworkSettings
from patchbay.service.vnet.bindings import Bindings

T = TypeVar("T")

log = logging.getLogger("patchbay.serve")

WAIT_TOLD_S = 5.0
"""How often a wait for the database is told."""


NOWHERE = "none"
"""``vnet_listen`` of a service without OpenVNet's WebAPI."""
USUAL_VNET_LISTEN = "127.0.0.1:9090"
"""Where OpenVNet's clients look for the WebAPI."""


class ServeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What ``patchbay serve`` was told.

    ``listen`` is ADDRESS:PORT (an IPv6 address in brackets; port 0 takes a free one) or unix:PATH; ``listen_fd`` an
    inherited listening socket that is used instead; ``vnet_listen`` ("none": nowhere; "": at the usual port if that is
    free) and ``vnet_listen_fd`` are the same for OpenVNet's WebAPI. Without ``intent`` remotes the database is a child
    process with its file in ``state_dir``; ``intent_listen`` then adds passive OVSDB remotes for agents elsewhere
    (``ptcp:6640:10.0.0.1``), and ``cluster`` makes it a member of a Raft cluster. ``pssl:`` in ``intent_listen`` lets
    in agents of hosts that have joined. ``requests_per_s`` bounds what one client address may ask; None: 200, but no
    bound where only this machine can ask; 0: no bound.
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
    auth: AuthSettings = AuthSettings()
    tls: TlsSettings = TlsSettings()
    requests_per_s: float | None = None


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


class _Intent(msgspec.Struct, frozen=True):
    """Where the intent database is; ``server`` when it is this process's child."""

    remotes: tuple[str, ...]
    server: EmbeddedServer | None = None


@asynccontextmanager
async def _intent_server(settings: ServeSettings, authority: Authority | None) -> AsyncIterator[_Intent]:
    if settings.intent:
        yield _Intent(settings.intent)
        return
    listen = [remote for remote in settings.intent_listen if not remote.startswith("pssl:")]
    files = authority.files if authority is not None else None
    server = await EmbeddedServer.start(settings.state_dir, listen, settings.cluster, files)
    try:
        yield _Intent((server.remote,), server)
    finally:
        await server.stop()


async def serve(settings: ServeSettings) -> None:
    """Answer requests until SIGTERM or SIGINT, which also end it while it still waits for the database."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    authority = open_authority(settings)
    uvicorn_options(settings.tls, authority)  # a certificate that cannot be used is told before anything begins
    sockets = listeners(settings)
    check_exposure(settings.auth, sockets.neutron, sockets.openvnet)
    read_files(settings.auth)  # nor one of these
    async with _intent_server(settings, authority) as intent:
        # A member of a cluster uses its own server, which passes writes on to the one that leads.
        opening = IntentDatabase.open(intent.remotes, leader_only=None if settings.intent else False)
        log.info("opening the intent database", extra={"remotes": ",".join(intent.remotes)})
        db = await _unless(stopping, opening)
        if db is not None:
            try:
                async with Hosts.following(settings, db, authority, intent.server) as hosts:
                    await _serve_http(settings, hosts, sockets, stopping)
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


async def _serve_http(settings: ServeSettings, hosts: Hosts, sockets: Listeners, stopping: asyncio.Event) -> None:
    db = hosts.db
    service = Service(db, settings.networks)
    strategies = read_strategies(settings.auth, settings.state_dir, db)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    tls, patience = uvicorn_options(settings.tls, hosts.authority), Patience()

    def server_of(app: ASGIApp, listener: socket.socket) -> HttpServer:
        return http_server(limited(app, limits_of(settings, listener)), patience, tls)

    callers = metered(strategies.neutron, limits_of(settings, sockets.neutron))
    app = with_enrolment(create_app(service, settings.max_body_bytes, callers), hosts.registrar)
    servers = [server_of(app, sockets.neutron)]
    running = [asyncio.create_task(servers[0].serve(sockets=[sockets.neutron]), name="http")]
    if sockets.openvnet is not None:
        callers = metered(strategies.openvnet, limits_of(settings, sockets.openvnet))
        openvnet = create_vnet_app(service, settings.max_body_bytes, callers)
        servers.append(server_of(openvnet, sockets.openvnet))
        running.append(asyncio.create_task(servers[1].serve(sockets=[sockets.openvnet]), name="openvnet"))
        host, port = place_of(sockets.openvnet)
        log.info("answering as OpenVNet", extra={"address": host, "vnet_port": port})
    stop = asyncio.create_task(stopping.wait(), name="stop")
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, read_again, [one.config for one in servers], tls)
    host, port = place_of(sockets.neutron)
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


def notify_systemd(state: str) -> None:
    """Tell systemd, if it asked (sd_notify(3), ``Type=notify``)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, contextlib.suppress(OSError):
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
        channel.send(state.encode())
