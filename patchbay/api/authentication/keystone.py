"""Tokens of a real Keystone, validated as keystonemiddleware does.

keystonemiddleware itself is a WSGI filter: here it would need a thread for each request and some thirty packages. What
it does is small: ask Keystone with a token of our own what a caller's token stands for (GET /v3/auth/tokens), and keep
the answer for some minutes, at most until the token ends. Revocations are seen when that time is over, as there.
"""

import asyncio
import datetime
import hashlib
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from patchbay.api.authentication.keystone_client import KeystoneClient, KeystoneSettings, KeystoneUnavailable
from patchbay.api.authentication.strategy import Authentication, context_of
from patchbay.api.http import Request
from patchbay.intent.tables import Tables
from patchbay.service.context import RequestContext
from patchbay.service.identity.errors import Unauthorized

REMEMBERED_S = 300.0
UNKNOWN_S = 10.0
"""How long an answer counts: what a token is, and that it is none."""
MOST_REMEMBERED = 20_000
LONGEST_TOKEN = 8192


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a token stands for; ``user_id`` "" for one that is no good. Counts until ``until`` (time.time)."""

    user_id: str
    project_id: str
    roles: tuple[str, ...]
    until: float


NOBODY = Found(user_id="", project_id="", roles=(), until=0.0)


class _Named(msgspec.Struct):
    id: str = ""
    name: str = ""


class _Token(msgspec.Struct):
    user: _Named
    expires_at: str
    project: _Named | None = None
    roles: tuple[_Named, ...] = ()


def read_token(document: Mapping[str, Any], now: float) -> Found:
    """What Keystone's document of a token says. Only a token for a project has roles here.

    Raises ValueError for what is no such document.
    """
    try:
        token = msgspec.convert(document["token"], _Token)
        ends = datetime.datetime.fromisoformat(token.expires_at).timestamp()
    except (msgspec.ValidationError, OverflowError) as error:
        raise ValueError(str(error)) from error
    project = token.project
    if not token.user.id or (project is not None and not project.id):
        raise ValueError("a user or project has no id")
    return Found(
        user_id=token.user.id,
        project_id="" if project is None else project.id,
        roles=() if project is None else tuple(role.name for role in token.roles),
        until=min(ends, now + REMEMBERED_S),
    )


class Validator:
    """Asks Keystone, once for each token at a time, and remembers."""

    def __init__(self, client: KeystoneClient) -> None:
        self._client = client
        self._known: dict[bytes, Found] = {}
        self._asking: dict[bytes, asyncio.Task[Found]] = {}

    async def found(self, token: str) -> Found:
        """What the token stands for. Raises Unauthorized, or KeystoneUnavailable."""
        if not token or len(token) > LONGEST_TOKEN or not token.isascii() or not token.isprintable():
            raise Unauthorized
        key = hashlib.sha256(token.encode()).digest()
        known = self._known.get(key)
        if known is None or known.until <= time.time():
            task = self._asking.get(key)
            if task is None:
                task = self._asking[key] = asyncio.create_task(self._ask(token, key))
                task.add_done_callback(lambda _: self._asking.pop(key, None))
            known = await asyncio.shield(task)
        if not known.user_id:
            raise Unauthorized
        return known

    async def _ask(self, token: str, key: bytes) -> Found:
        document = await asyncio.to_thread(self._client.describe, token)
        now = time.time()
        if document is None:
            known = msgspec.structs.replace(NOBODY, until=now + UNKNOWN_S)
        else:
            try:
                known = read_token(document, now)
            except ValueError as error:
                raise KeystoneUnavailable(self._client.url, f"its answer is none: {error}") from error
            if known.until <= now:
                known = msgspec.structs.replace(NOBODY, until=now + UNKNOWN_S)
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[key] = known
        return known


def keystone_authentication(db: Tables, settings: KeystoneSettings) -> Authentication:
    """The strategy with the Keystone of these settings."""
    validator = Validator(KeystoneClient(settings))

    async def authenticate(request: Request) -> RequestContext:
        found = await validator.found(request.headers.get("x-auth-token", ""))
        return context_of(db, request, user_id=found.user_id, project_id=found.project_id, roles=found.roles)

    where = settings.www_authenticate_uri or settings.auth_url
    return Authentication(name="keystone", authenticate=authenticate, challenge=f'Keystone uri="{where}"')
