"""Passwords: bcrypt hashes, verified in threads, and remembered for a while because bcrypt is slow on purpose."""

import asyncio
import hashlib
import hmac
import secrets
import time

import bcrypt

REMEMBERED_S = 300.0
"""How long a password that was right is known without bcrypt."""
MOST_REMEMBERED = 10_000
LONGEST = 72
"""Bytes of a password that bcrypt looks at; a longer one is refused, not cut."""
AT_ONCE = 2
"""Verifications at the same time: guesses must not take all processors."""
ROUNDS = 12
NOBODY = "$2b$12$5U3/OHYsyVxCG9DoREZHYewGm1QHxB4GkhsLhA090pwoWXcQNDAw6"
"""The hash of a password that was thrown away: what is compared when there is no such user."""


def hash_password(password: str, rounds: int = ROUNDS) -> str:
    """The bcrypt hash of a password. ValueError for an empty one or one of more than 72 bytes."""
    data = password.encode()
    if not data or len(data) > LONGEST or b"\0" in data:
        raise ValueError(f"A password has 1 to {LONGEST} bytes.")
    return bcrypt.hashpw(data, bcrypt.gensalt(rounds)).decode()


class Verifier:
    """Compares passwords with hashes.

    What was right is remembered by a keyed digest of hash and password, never by the password. An unknown user takes
    as long as a wrong password.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, float] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def is_right(self, hashed: str, password: str) -> bool:
        """Whether the password is the one of the hash ("": nobody's)."""
        if self.is_known(hashed, password):
            return True
        async with self._slots:
            right = await asyncio.to_thread(_matches, hashed or NOBODY, password.encode())
        if not (right and hashed):
            return False
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[self._digest(hashed, password)] = time.monotonic() + REMEMBERED_S
        return True

    def is_known(self, hashed: str, password: str) -> bool:
        """Whether this was right a short while ago."""
        return bool(hashed) and self._known.get(self._digest(hashed, password), 0.0) > time.monotonic()

    def _digest(self, hashed: str, password: str) -> bytes:
        return hmac.digest(self._key, hashed.encode() + b"\0" + password.encode(), hashlib.sha256)


def _matches(hashed: str, password: bytes) -> bool:
    if not password or len(password) > LONGEST or b"\0" in password:
        bcrypt.checkpw(b"-", hashed.encode())
        return False
    return bcrypt.checkpw(password, hashed.encode())
