"""The rows of hosts that may join or have joined, in the intent database: one each, read and written as they are.

Only whoever has the database's Unix socket can write them. A token is stored as its hash (of 256 random bits, so that
reading the hash helps nobody), is good once, and expires.
"""

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from patchbay.errors import BadRequest, Conflict, Forbidden, NotFound
from patchbay.model.join_token import NAME_LETTERS, JoinToken
from patchbay.ovsdb import Connection, ConnectionLost, ConstraintViolation, UnknownOutcome, ovs_set

COLUMNS = (
    "host",
    "token_hash",
    "token_expires_at",
    "used_hash",
    "joined_at",
    "removed_at",
    "serials",
    "expires_at",
)
_COMMIT = {"op": "commit", "durable": True}
ATTEMPTS, PAUSE_S = 5, 0.05


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A host. Times are Unix seconds, 0 for never; ``serials`` those of certificates with which it may ask for more.

    ``expires_at`` is when its newest certificate does.
    """

    host: str
    token_hash: str = ""
    token_expires_at: int = 0
    used_hash: str = ""
    joined_at: int = 0
    removed_at: int = 0
    serials: tuple[str, ...] = ()
    expires_at: int = 0

    @property
    def is_member(self) -> bool:
        """Whether it has joined and was not removed since."""
        return bool(self.joined_at) and not self.removed_at


class TokenRefused(Forbidden):
    """A token that is wrong, used or too old."""


class NotMember(Forbidden):
    """A host that did not join, or was removed."""


class BadHostName(BadRequest):
    """No name for a host."""


class UnknownHost(NotFound):
    """No host of that name has joined or may join."""


class ManyAtOnce(Conflict):
    """Others write the same rows again and again."""


async def read_entries(connection: Connection, host: str | None = None) -> list[Entry]:
    """All hosts, or the one of that name."""
    where = [] if host is None else [["host", "==", host]]
    select = {"op": "select", "table": "Enrolment", "where": where, "columns": list(COLUMNS)}
    return [entry_of(row) for row in (await _repeated(connection, [select]))[0]["rows"]]


def entry_of(row: dict[str, Any]) -> Entry:
    """An entry from a row as the server or a replica gives it."""
    serials = row["serials"]
    if isinstance(serials, list) and serials[:1] == ["set"]:
        serials = serials[1]
    elif isinstance(serials, str):
        serials = [serials]
    return Entry(**{column: row[column] for column in COLUMNS if column != "serials"}, serials=tuple(sorted(serials)))


def _is_name(host: str) -> bool:
    return 0 < len(host) <= NAME_LETTERS and host.isprintable() and not any(letter in host for letter in " /\\")


async def create_token(connection: Connection, host: str, fingerprint: str, ttl_s: int) -> JoinToken:
    """A token for a host of that name; an earlier one that was not used is good no more. Raises BadHostName."""
    if not _is_name(host):
        raise BadHostName(
            f"{host!r} is no name for a host.", f"It has at most {NAME_LETTERS} letters, and no spaces or slashes."
        )
    token = JoinToken(host, fingerprint, secrets.token_urlsafe(32))
    columns = {"token_hash": hash_of(token.secret), "token_expires_at": int(time.time()) + ttl_s}
    for _ in range(ATTEMPTS):
        update = {"op": "update", "table": "Enrolment", "where": [["host", "==", host]], "row": columns}
        if (await _repeated(connection, [update, _COMMIT]))[0]["count"]:
            return token
        insert = {"op": "insert", "table": "Enrolment", "row": {"host": host, **columns}}
        try:
            await connection.transact([insert, _COMMIT])
        except (ConstraintViolation, UnknownOutcome):  # another was quicker, or it may be there now
            continue
        return token
    raise ManyAtOnce(f"Host {host}: others make tokens for it at the same time.", "Try again.")


async def check_token(connection: Connection, host: str, secret: str) -> None:
    """Raises TokenRefused unless it is the token of that host, unused, now."""
    if not _is_name(host):  # nobody has made a token for it, and the database is not asked
        raise TokenRefused("This is not the token for a host of that name.", "Give the token as it was printed.")
    found = await read_entries(connection, host)
    entry, hashed = (found[0] if found else Entry(host=host)), hash_of(secret)
    remedy = f"Make one with: patchbay host token create --host {host}"
    if hmac.compare_digest(hashed, entry.used_hash):
        raise TokenRefused(f"The token for host {host} was used before.", remedy)
    if not hmac.compare_digest(hashed, entry.token_hash):
        raise TokenRefused(f"This is not the token for host {host}, or a newer one was made.", remedy)
    late_s = int(time.time()) - entry.token_expires_at
    if late_s >= 0:
        raise TokenRefused(f"The token for host {host} expired {late_s} s ago.", remedy)


async def spend_token(connection: Connection, host: str, secret: str, serial: str, expires_at: int) -> None:
    """The host has joined, with this certificate. Raises TokenRefused when somebody else has just used the token."""
    hashed = hash_of(secret)
    row = {
        "token_hash": "",
        "token_expires_at": 0,
        "used_hash": hashed,
        "joined_at": int(time.time()),
        "removed_at": 0,
        "serials": ovs_set([serial]),
        "expires_at": expires_at,
    }
    where = [["host", "==", host], ["token_hash", "==", hashed]]
    update = {"op": "update", "table": "Enrolment", "where": where, "row": row}
    if not (await _repeated(connection, [update, _COMMIT]))[0]["count"]:
        entries = await read_entries(connection, host)
        if not any(serial in entry.serials for entry in entries):  # else it was us, and the answer got lost
            raise TokenRefused(f"The token for host {host} was used before.", "Make another.")


async def check_member(connection: Connection, host: str, serial: str) -> None:
    """Raises NotMember unless the host may ask for another certificate with this one."""
    found = await read_entries(connection, host)
    remedy = f"Join again with a token: patchbay host token create --host {host}"
    if not found or not found[0].is_member:
        raise NotMember(f"Host {host} was removed, or has never joined.", remedy)
    if serial not in found[0].serials:
        raise NotMember(f"Host {host} has joined again since this certificate was made.", remedy)


async def note_renewal(connection: Connection, host: str, serials: Sequence[str], expires_at: int) -> None:
    """The host may go on with these certificates. Raises NotMember when it was removed meanwhile."""
    where: list[Any] = [["host", "==", host], ["removed_at", "==", 0], ["serials", "includes", serials[0]]]
    row = {"serials": ovs_set(serials), "expires_at": expires_at}
    update = {"op": "update", "table": "Enrolment", "where": where, "row": row}
    if not (await _repeated(connection, [update, _COMMIT]))[0]["count"]:
        raise NotMember(f"Host {host} was removed.", f"Join again: patchbay host token create --host {host}")


async def remove_host(connection: Connection, host: str) -> bool:
    """The host may come no more: every service refuses certificates of before. Raises UnknownHost.

    False when it had not joined, and only its token is good no more.
    """
    found = await read_entries(connection, host)
    if not found or found[0].removed_at:
        raise UnknownHost(f"Host {host} has not joined.", "patchbay host members shows who has.")
    where = [["host", "==", host]]
    if not found[0].joined_at:
        await _repeated(connection, [{"op": "delete", "table": "Enrolment", "where": where}, _COMMIT])
        return False
    row = {"removed_at": int(time.time()), "token_hash": "", "serials": ovs_set([])}
    # Should the answer get lost, the number rises once more than it must: every host renews again, and no harm is done.
    await _repeated(
        connection,
        [
            {"op": "update", "table": "Enrolment", "where": where, "row": row},
            {"op": "mutate", "table": "Patchbay", "where": [], "mutations": [["authority", "+=", 1]]},
            _COMMIT,
        ],
    )
    return True


async def is_gone(connection: Connection, host: str) -> bool:
    """Whether the service has taken away the row of a host that was removed."""
    select = {"op": "select", "table": "Host", "where": [["name", "==", host]], "columns": ["name"]}
    return not (await _repeated(connection, [select]))[0]["rows"]


async def _repeated(connection: Connection, operations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The results of what may be done twice; a removal ends every session of the server, this one too."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await connection.transact(operations)
        except ConnectionLost:
            await asyncio.sleep(PAUSE_S)
    return await connection.transact(operations)


def hash_of(secret: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(secret.encode()).hexdigest()
