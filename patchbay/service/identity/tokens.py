"""Tokens: signed, not stored. Every server with the same key file understands them.

A token names a user, a project and when it ends; what the user may do there is looked up when it is used, so a role
that is taken away is gone at once, and with a new password all older tokens are void. A token that was given back is
kept as a hash until it would have ended.
"""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import time
from pathlib import Path

import msgspec

KEY_BYTES = 32


class Token(msgspec.Struct, frozen=True, array_like=True):
    """What a token says. Moments are seconds of Unix time; ``stamp`` is of the secret that it was got with."""

    user_id: str
    project_id: str
    credential_id: str
    method: str
    issued_at: int
    expires_at: int
    audit_id: str
    stamp: str


def stamp_of(hashed: str) -> str:
    """A mark of a password hash, by which its tokens are void when it changes."""
    return hashlib.sha256(b"stamp:" + hashed.encode()).hexdigest()[:16]


def read_key(path: Path) -> bytes:
    """The key in the file, which is made if it is not there, for its owner alone."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
    key = path.read_bytes()
    if len(key) < KEY_BYTES:
        raise ValueError(f"{path} holds no key: delete it, and a new one is made.")
    return key


class Tokens:
    """Makes, reads and revokes tokens."""

    def __init__(self, key: bytes, lifetime_s: int, revoked: Path | None = None) -> None:
        self._key = key
        self.lifetime_s = lifetime_s
        self._file = revoked
        self._revoked: dict[str, int] = {}
        for line in revoked.read_text().splitlines() if revoked is not None and revoked.exists() else ():
            digest, _, end = line.partition(" ")
            if end.isdecimal() and int(end) > time.time():
                self._revoked[digest] = int(end)
        self._write("w", self._revoked)

    def issue(
        self, user_id: str, project_id: str, method: str, hashed: str, *, credential_id: str = "", until: int = 0
    ) -> tuple[str, Token]:
        """A new token and its text; it ends at ``until`` at the latest."""
        moment = int(time.time())
        end = min(moment + self.lifetime_s, until) if until else moment + self.lifetime_s
        audit_id = secrets.token_urlsafe(16)
        token = Token(user_id, project_id, credential_id, method, moment, end, audit_id, stamp_of(hashed))
        body = msgspec.json.encode(token)
        return _text(body) + "." + _text(self._signature(body)), token

    def read(self, text: str) -> Token | None:
        """What a token says; None when it is not ours, has ended, or was given back."""
        body, signature = (_bytes(part) for part in (text.partition(".")[0], text.partition(".")[2]))
        if body is None or signature is None or not hmac.compare_digest(signature, self._signature(body)):
            return None
        token = msgspec.json.decode(body, type=Token)
        if token.expires_at <= time.time() or _digest(text) in self._revoked:
            return None
        return token

    def revoke(self, text: str, token: Token) -> None:
        """The token is void from now on."""
        now = time.time()
        self._revoked = {digest: end for digest, end in self._revoked.items() if end > now}
        self._revoked[_digest(text)] = token.expires_at
        self._write("a", {_digest(text): token.expires_at})

    def _write(self, mode: str, digests: dict[str, int]) -> None:
        if self._file is not None:
            flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if mode == "w" else os.O_APPEND)
            with os.fdopen(os.open(self._file, flags, 0o600), mode) as file:
                file.write("".join(f"{digest} {end}\n" for digest, end in digests.items()))

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, hashlib.sha256)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes | None:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if data and _text(data) == text else None
