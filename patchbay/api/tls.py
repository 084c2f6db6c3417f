"""TLS of both HTTP APIs, and the authority of hosts: from settings to what uvicorn and ovsdb-server need."""

import logging
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from patchbay.errors import BadRequest
from patchbay.service.enrolment.authority import DEFAULT_AGENT_LIFE_S, Authority

logger = logging.getLogger("patchbay.serve")

WILDCARDS = ("0.0.0.0", "::")  # noqa: S104  # named, not listened on


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``is_on``: both APIs answer over TLS. ``certificate`` and ``key``: files of their own; without them the
    service's authority makes a certificate, for ``names`` besides the host's name and the addresses listened on.

    ``client_ca``: clients need a certificate from there. ``agent_life_s``: how long certificates of hosts are good.
    ``hosts_listen`` (ADDRESS:PORT): where else hosts join and renew, with the authority's certificate whatever the APIs
    have. ``intent``: where hosts that join reach the intent database; by default where it listens, or where the API is.
    """

    is_on: bool = False
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    names: tuple[str, ...] = ()
    agent_life_s: float = DEFAULT_AGENT_LIFE_S
    hosts_listen: str = ""
    intent: tuple[str, ...] = ()


class TlsUnusable(BadRequest):
    """A certificate, key or authority cannot be used."""


def names_of(settings: TlsSettings, listen: Sequence[str]) -> tuple[str, ...]:
    """Under which names and addresses this server is reached."""
    addresses = (text.rpartition(":")[0].strip("[]") for text in listen)
    found = [*settings.names, socket.gethostname(), "localhost", "127.0.0.1"]
    return tuple(dict.fromkeys([*found, *(address for address in addresses if address and address not in WILDCARDS)]))


def uvicorn_options(settings: TlsSettings, authority: Authority | None) -> dict[str, Any]:
    """What of uvicorn's configuration makes it speak TLS; nothing when it is off. Raises TlsUnusable."""
    if not settings.is_on:
        return {}
    if settings.certificate is not None and settings.key is not None:
        certificate, key = settings.certificate, settings.key
    elif authority is not None:
        certificate, key = authority.files.certificate, authority.files.key
    else:
        raise TlsUnusable("TLS without a certificate.", "Give --tls-cert and --tls-key.")
    options: dict[str, Any] = {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)}
    if settings.client_ca is not None:
        options |= {"ssl_ca_certs": str(settings.client_ca), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    _try(options)
    return options


def read_again(servers: Sequence[uvicorn.Config], options: dict[str, Any]) -> None:
    """New connections get the certificate that is in the files now; bad files change nothing."""
    if not options:
        return
    try:
        _try(options)
        for server in servers:
            if server.ssl is not None:
                server.ssl.load_cert_chain(options["ssl_certfile"], options["ssl_keyfile"])
    except (TlsUnusable, OSError) as error:
        logger.error("the certificate stays as it was: %s", error)
    else:
        logger.info("certificate read again", extra={"certificate": options["ssl_certfile"]})


def _try(options: dict[str, Any]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    name = options["ssl_certfile"]
    try:
        context.load_cert_chain(name, options["ssl_keyfile"])
        if name := options.get("ssl_ca_certs"):
            context.load_verify_locations(name)
    except OSError as error:
        name = name or options["ssl_certfile"]
        raise TlsUnusable(
            f"{name}: not usable for TLS: {error.strerror or error}.",
            "Name PEM files of a certificate and its unencrypted key.",
        ) from error
