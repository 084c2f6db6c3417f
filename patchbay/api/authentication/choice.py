"""From the settings of ``patchbay serve`` to a strategy, and where the service may answer without one."""

import ipaddress
import socket
from pathlib import Path

import msgspec

from patchbay.api.authentication.builtin import builtin_authentication
from patchbay.api.authentication.http_basic import basic_authentication, basic_with_logins
from patchbay.api.authentication.keystone import keystone_authentication
from patchbay.api.authentication.keystone_client import KeystoneSettings, read_settings
from patchbay.api.authentication.strategy import Authentication
from patchbay.errors import BadRequest
from patchbay.intent.tables import Tables
from patchbay.service.identity.errors import BadIdentityFile
from patchbay.service.identity.file import WatchedFile, parse_identity
from patchbay.service.identity.htpasswd import parse_htpasswd
from patchbay.service.identity.login import Logins
from patchbay.service.identity.tokens import Tokens, read_key

NOAUTH, HTTP_BASIC, KEYSTONE, BUILTIN = "noauth", "http_basic", "keystone", "builtin"
STRATEGIES = (NOAUTH, HTTP_BASIC, KEYSTONE, BUILTIN)


class AuthSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How callers are known.

    ``identity`` is the file of projects, users and roles (builtin, http_basic), ``htpasswd`` that of passwords
    (http_basic), ``keystone`` that of a Keystone. ``token_key`` ("token-key" beside the database) is shared by all
    servers that take each other's tokens. ``insecure_noauth`` lets everybody be an administrator from anywhere.
    """

    strategy: str = NOAUTH
    identity: Path | None = None
    htpasswd: Path | None = None
    keystone: Path | None = None
    token_key: Path | None = None
    token_lifetime_s: int = 3600
    insecure_noauth: bool = False


class MissingFile(BadRequest):
    """A strategy needs a file that was not named."""

    def __init__(self, strategy: str, option: str) -> None:
        super().__init__(f"--auth {strategy} needs {option}.", "See docs/identity.md.")


class OpenToAll(BadRequest):
    """Everybody who reaches the address would be an administrator."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"Without authentication the API must not answer at {where}: whoever reaches it is an administrator.",
            "Choose a strategy (--auth builtin, http_basic or keystone), listen on 127.0.0.1 or a unix socket, or say "
            "--insecure-noauth if the network keeps others out.",
        )


class Strategies(msgspec.Struct, frozen=True):
    """The strategy of each API: OpenVNet's clients know no tokens, and its API no projects; None without one."""

    neutron: Authentication | None = None
    openvnet: Authentication | None = None


def check_exposure(settings: AuthSettings, *listeners: socket.socket | None) -> None:
    """Raises OpenToAll when the API would answer, without a strategy, where others than this machine reach it."""
    if settings.strategy != NOAUTH or settings.insecure_noauth:
        return
    for listener in listeners:
        if listener is not None and not is_private(listener):
            host, port = listener.getsockname()[:2]
            raise OpenToAll(f"{host}:{port}")


def is_private(listener: socket.socket) -> bool:
    """Whether only this machine reaches the socket: a unix socket, or one of the loopback interface."""
    if listener.family == socket.AF_UNIX:
        return True
    return ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


class Files(msgspec.Struct, frozen=True):
    """What the files of a strategy say; None for those that it does not need."""

    identity: WatchedFile | None = None
    htpasswd: WatchedFile | None = None
    keystone: KeystoneSettings | None = None


def read_files(settings: AuthSettings) -> Files:
    """The files that the strategy needs. Raises MissingFile or BadIdentityFile."""
    needed = {HTTP_BASIC: "htpasswd", KEYSTONE: "keystone", BUILTIN: "identity"}.get(settings.strategy, "")
    if needed and getattr(settings, needed) is None:
        raise MissingFile(settings.strategy, f"--{needed} FILE")
    identity = settings.identity if settings.strategy in (HTTP_BASIC, BUILTIN) else None
    return Files(
        None if identity is None else WatchedFile(identity, parse_identity),
        WatchedFile(settings.htpasswd, parse_htpasswd) if needed == "htpasswd" and settings.htpasswd else None,
        read_settings(settings.keystone) if needed == "keystone" and settings.keystone else None,
    )


def read_strategies(settings: AuthSettings, state_dir: Path, db: Tables) -> Strategies:
    """The strategies. Raises MissingFile or BadIdentityFile."""
    files = read_files(settings)
    if files.htpasswd is not None:
        both = basic_authentication(db, files.htpasswd, files.identity)
        return Strategies(both, both)
    if files.keystone is not None:
        both = keystone_authentication(db, files.keystone)
        return Strategies(both, both)
    if files.identity is not None:
        logins = Logins(files.identity)
        tokens = _tokens(settings, state_dir)
        return Strategies(builtin_authentication(db, logins, tokens), basic_with_logins(db, logins))
    return Strategies()


def _tokens(settings: AuthSettings, state_dir: Path) -> Tokens:
    path = settings.token_key or state_dir / "token-key"
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        return Tokens(read_key(path), settings.token_lifetime_s, state_dir / "revoked-tokens")
    except (OSError, ValueError) as error:
        raise BadIdentityFile(path, str(error), "Name a key file with --token-key.") from None
