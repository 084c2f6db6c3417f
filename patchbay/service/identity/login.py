"""Logging in: from names and secrets to a user of the identity file."""

import asyncio
import logging
from weakref import WeakValueDictionary

from patchbay.service.identity.errors import Unauthorized
from patchbay.service.identity.failures import Failures
from patchbay.service.identity.file import WatchedFile
from patchbay.service.identity.model import Credential, Identity, User
from patchbay.service.identity.passwords import Verifier

LONGEST_NAME = 255
"""Characters of a name by which failed logins are counted: what is remembered of strangers stays small."""

log = logging.getLogger("patchbay.identity")


class Guard:
    """Lets nobody guess more often than ``Failures`` allows, and of one user no two guesses be looked at at once."""

    def __init__(self, verifier: Verifier | None = None, failures: Failures | None = None) -> None:
        self._verifier = verifier or Verifier()
        self._failures = failures or Failures()
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def check(self, address: str, name: str, hashed: str, password: str) -> None:
        """Returns when the password is the hash's ("": nobody's). Raises Unauthorized or TooManyFailures."""
        if self._verifier.is_known(hashed, password):
            return
        name = name[:LONGEST_NAME]
        turn = self._turns.setdefault((address, name), asyncio.Lock())
        async with turn:
            self._failures.check(address, name)
            if not await self._verifier.is_right(hashed, password):
                self._failures.failed(address, name)
                # A name that is no user's is not told: it may be a password that went into the wrong field.
                log.warning("login failed", extra={"address": address, "user": name if hashed else "unknown"})
                raise Unauthorized
            self._failures.succeeded(address, name)


class Logins:
    """Checks passwords against the identity file, and counts those that fail."""

    def __init__(self, file: WatchedFile, guard: Guard | None = None) -> None:
        self._file = file
        self._guard = guard or Guard()

    @property
    def identity(self) -> Identity:
        """What the identity file says now."""
        identity: Identity = self._file.current()
        return identity

    async def by_password(self, address: str, handle: str, password: str) -> User:
        """The user of that id or name, or Unauthorized. Raises TooManyFailures before it looks at the password."""
        user = self.identity.user(handle)
        hashed = user.password if user is not None and user.enabled else ""
        await self._guard.check(address, handle, hashed, password)
        if user is None:
            raise Unauthorized
        return user

    async def by_credential(self, address: str, handle: str, secret: str, owner: str) -> tuple[User, Credential]:
        """The user and its application credential of that id (or name, if its ``owner`` is named), or Unauthorized."""
        identity = self.identity
        user = identity.user(owner) if owner else None
        found = None if owner and user is None else identity.credential(handle, user)
        hashed = found[1].secret if found is not None and found[0].enabled else ""
        await self._guard.check(address, handle, hashed, secret)
        if found is None:
            raise Unauthorized
        return found
