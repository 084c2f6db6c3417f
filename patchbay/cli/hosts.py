"""``patchbay host token``, ``join``, ``members`` and ``remove``: which machines are hosts of this service.

Tokens and removals are written to the intent database through its socket, by whoever may open it on the service's
machine; joining is done on the new host. Secrets come by standard input or from a file: what stands on a command line,
every user of the machine can read.
"""

import asyncio
import ctypes
import hashlib
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from patchbay.cli.nouns import HOSTS
from patchbay.cli.resources import make_group
from patchbay.errors import BadRequest, ServiceUnavailable

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])

REMOVAL_TOLD_S = 15.0

host = make_group(HOSTS)

state_dir_option = click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default="/var/lib/patchbay",
    show_default=True,
    envvar="PATCHBAY_SERVE_STATE_DIR",
    help="That of `patchbay serve` on this machine.",
)


@host.group("token")
def token() -> None:
    """Tokens with which hosts join."""


@token.command("create")
@click.option("--host", "name", metavar="NAME", required=True, help="Name of the host that is to join.")
@click.option(
    "--ttl", type=click.IntRange(1), metavar="SECONDS", default=3600, show_default=True, help="How long it is good."
)
@state_dir_option
def create_token(name: str, ttl: int, state_dir: Path) -> None:
    """Make a token for one host: good once, and not for long. Prints the token and nothing else.

    \b
    patchbay host token create --host compute7 > token       # here
    patchbay host join --api https://192.0.2.10:9696 --token - < token      # on compute7
    """
    from patchbay.service.enrolment import book  # noqa: PLC0415  # only when a command runs: help answers at once

    path = state_dir / "pki" / "authority.pem"
    try:
        certificate = path.read_text()
    except OSError as error:
        raise BadRequest(
            f"{path}: {error.strerror}: hosts cannot join this service.",
            "Start `patchbay serve` with --intent-listen pssl:PORT:ADDRESS, or name its --state-dir.",
        ) from error
    fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
    made = _with_database(state_dir, lambda connection: book.create_token(connection, name, fingerprint, ttl))
    click.echo(str(made))


@host.command("join")
@click.option("--api", metavar="URL", required=True, help="The service: https://ADDRESS:PORT.")
@click.option(
    "--token",
    "written",
    metavar="TOKEN",
    default="-",
    help="From `patchbay host token create`; - (the default) reads it from standard input.",
)
@click.option("--token-file", type=click.Path(dir_okay=False, path_type=Path), help="File that holds the token.")
@click.option(
    "--host", "name", metavar="NAME", help="What this host is called; refused unless the token says the same."
)
@click.option(
    "--credentials",
    metavar="DIR",
    default="/etc/patchbay",
    show_default=True,
    help="Where key, certificate and settings are written.",
)
@click.option("--cacert", metavar="FILE", help="Who the service's certificate comes from, if not its own authority.")
def join(
    *, api: str, written: str, token_file: Path | None, name: str | None, credentials: str, cacert: str | None
) -> None:
    """Make this machine a host of the service: its key is made here and stays here."""
    from patchbay.host import joining  # noqa: PLC0415  # see above
    from patchbay.model.join_token import parse_token  # noqa: PLC0415  # see above

    hide_arguments(written)
    text = _token_text(written, token_file)
    parsed = parse_token(text)
    if parsed is None:
        raise BadRequest("This is not a token, or not a whole one.", "Make one with: patchbay host token create")
    if name is not None and name != parsed.host:
        raise BadRequest(f"The token is for host {parsed.host}, and this one is {name}.", "Make a token for it.")
    granted = joining.join(api, parsed, str(Path(credentials).absolute()), cacert)
    click.echo(f"Host {parsed.host} has joined {api}; its files are in {credentials}.")
    click.echo(
        f"The intent database is at {', '.join(granted.intent)}. Start the agent: systemctl start patchbay-agent"
    )


@host.command("members")
@state_dir_option
def members(state_dir: Path) -> None:
    """Hosts that have joined or may join, with the end of their certificates."""
    from patchbay.service.enrolment import book  # noqa: PLC0415  # see above

    entries = _with_database(state_dir, book.read_entries)
    for entry in sorted(entries, key=lambda one: one.host):
        click.echo(f"{entry.host}\t{state_of(entry)}")


@host.command("remove")
@click.argument("name", metavar="HOST")
@state_dir_option
def remove(name: str, state_dir: Path) -> None:
    """Take a host out: its certificates are refused from now on, its rows go. Ports bound to it stay as they are."""
    from patchbay.service.enrolment import book  # noqa: PLC0415  # see above

    async def act(connection: Any) -> bool:
        if not await book.remove_host(connection, name):
            return True
        deadline = time.monotonic() + REMOVAL_TOLD_S
        while time.monotonic() < deadline:
            if await book.is_gone(connection, name):
                return True
            await asyncio.sleep(0.1)
        return False

    if not _with_database(state_dir, act):
        raise ServiceUnavailable(
            f"Host {name} is removed, but the service has not shut it out yet.", "Is `patchbay serve` running here?"
        )
    click.echo(f"Host {name} is removed. The other hosts get new certificates by themselves.")


def state_of(entry: Any) -> str:
    """One host's state in words."""
    now = time.time()
    if entry.removed_at:
        return f"removed {_moment(entry.removed_at)}"
    words = []
    if entry.joined_at:
        words.append(f"joined {_moment(entry.joined_at)}, certificate until {_moment(entry.expires_at)}")
    if entry.token_hash:
        late = entry.token_expires_at <= now
        words.append(f"token {'expired' if late else 'good until'} {_moment(entry.token_expires_at)}")
    return "; ".join(words)


def _moment(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _with_database(state_dir: Path, act: Callable[[Any], Awaitable[T]]) -> T:
    from patchbay.ovsdb import Connection, ConnectionLost  # noqa: PLC0415  # see above

    async def run() -> T:
        remote = f"unix:{state_dir / 'intent.sock'}"
        try:
            connection = await Connection.open([remote], "Patchbay", timeout_s=5)
        except ConnectionLost as error:
            raise ServiceUnavailable(
                f"The intent database at {remote} does not answer.",
                "Run this where `patchbay serve` runs, as root or its user; --state-dir names its directory.",
            ) from error
        try:
            return await act(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def _token_text(written: str, file: Path | None) -> str:
    if file is None:
        return sys.stdin.readline(8192) if written == "-" else written
    try:
        return file.read_text(errors="replace")
    except OSError as error:
        raise BadRequest(f"{file}: {error.strerror}.", "Name the token's file with --token-file.") from error


def hide_arguments(secret: str) -> None:
    """Blank a secret among this process's arguments, where `ps` shows them (it was there for a moment nevertheless)."""
    if len(secret) < 2:
        return
    fields = Path("/proc/self/stat").read_text(errors="replace").rpartition(")")[2].split()
    first, last = int(fields[45]), int(fields[46])
    content = ctypes.string_at(first, last - first)
    at = content.find(secret.encode())
    while at >= 0:
        ctypes.memset(first + at, ord("x"), len(secret.encode()))
        at = content.find(secret.encode(), at + 1)
