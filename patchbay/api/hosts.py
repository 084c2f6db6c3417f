"""What ``serve`` has besides the API when hosts join: the authority, the registrar, and the bounds of its clients."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import msgspec

from patchbay.api.authentication.choice import is_private
from patchbay.api.connections import Patience
from patchbay.api.enrolment import enrolment
from patchbay.api.limits import Buckets
from patchbay.api.listening import http_server, listening_socket
from patchbay.api.tls import TlsSettings, TlsUnusable, names_of, uvicorn_options
from patchbay.intent.database import IntentDatabase
from patchbay.intent.server import EmbeddedServer
from patchbay.service.enrolment.authority import Authority
from patchbay.service.enrolment.registrar import Registrar

if TYPE_CHECKING:
    from patchbay.api.server import ServeSettings

FOLDER = "pki"
"""Of the authority, in the state directory."""
DEFAULT_PER_S = 200.0
BURST_S = 2.0
"""So many seconds' requests may come at once."""


class Hosts(msgspec.Struct, frozen=True):
    """The intent database; who lets hosts in (None: no listener has TLS); whom hosts believe."""

    db: IntentDatabase
    registrar: Registrar | None
    authority: Authority | None

    @classmethod
    @contextlib.asynccontextmanager
    async def following(
        cls, settings: "ServeSettings", db: IntentDatabase, authority: Authority | None, server: EmbeddedServer | None
    ) -> AsyncIterator["Hosts"]:
        """Hosts that have joined are let in as long as this lasts."""
        targets = encrypted(settings)
        if authority is None or server is None or not targets:
            yield cls(db, None, authority)
            return
        registrar = Registrar(db, authority, server, targets=targets, intent=told(settings), names=names(settings))
        await registrar.open()
        following = asyncio.create_task(registrar.run(), name="hosts")
        try:
            async with _answering(settings, registrar, authority):
                yield cls(db, registrar, authority)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


@contextlib.asynccontextmanager
async def _answering(settings: "ServeSettings", registrar: Registrar, authority: Authority) -> AsyncIterator[None]:
    """Hosts join and renew at an address of their own, if there is one."""
    if not settings.tls.hosts_listen:
        yield
        return
    tls = uvicorn_options(TlsSettings(is_on=True), authority)
    server = http_server(enrolment(registrar), Patience(), tls)
    with listening_socket(settings.tls.hosts_listen) as listener:
        running = asyncio.create_task(server.serve(sockets=[listener]), name="joining")
        try:
            yield
        finally:
            server.should_exit = True
            await running


def open_authority(settings: "ServeSettings") -> Authority | None:
    """The authority in the state directory, when something needs it. Raises AuthorityUnusable or TlsUnusable."""
    targets = encrypted(settings)
    if settings.tls.hosts_listen and not targets:
        raise TlsUnusable(
            "Hosts that join need an intent database that they can reach.", "Give --intent-listen pssl:PORT:ADDRESS."
        )
    if targets and settings.intent:
        raise TlsUnusable(
            f"The intent database at {settings.intent[0]} is not this service's, so it cannot listen at {targets[0]}.",
            "Leave out --intent, or --intent-listen.",
        )
    has_members = settings.cluster is not None and settings.cluster.local.startswith("ssl:")
    has_own_certificate = settings.tls.is_on and settings.tls.certificate is None
    if not (targets or has_members or has_own_certificate):
        return None
    return Authority.open(settings.state_dir / FOLDER, names(settings), settings.tls.agent_life_s)


def encrypted(settings: "ServeSettings") -> tuple[str, ...]:
    """Where the embedded intent database listens for agents with certificates."""
    return tuple(target for target in settings.intent_listen if target.startswith("pssl:"))


def names(settings: "ServeSettings") -> tuple[str, ...]:
    """Under which names and addresses this server is reached."""
    return names_of(settings.tls, (settings.listen, settings.vnet_listen, settings.tls.hosts_listen))


def told(settings: "ServeSettings") -> tuple[str, ...]:
    """Where hosts that join are told that the intent database is."""
    if settings.tls.intent:
        return settings.tls.intent
    found = []
    for target in encrypted(settings):
        _, port, address = (target + ":").split(":", 2)
        address = address.rstrip(":").strip("[]")
        is_anywhere = not address or ipaddress.ip_address(address).is_unspecified
        written = f"[{address}]" if ":" in address else address
        found.append(f"ssl:{'' if is_anywhere else written}:{port}")
    return tuple(found)


def limits_of(settings: "ServeSettings", listener: socket.socket) -> Buckets | None:
    """The bound of one client's requests at a socket; None: no bound."""
    per_s = settings.requests_per_s
    if per_s is None:
        per_s = 0.0 if is_private(listener) else DEFAULT_PER_S
    return Buckets(per_s, max(1.0, per_s * BURST_S)) if per_s else None
