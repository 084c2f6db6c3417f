"""POST /v3/auth/tokens: from the body of a login to a session (Keystone API reference, "Authentication")."""

from typing import Any

import msgspec

from patchbay.api.errors import HTTPBadRequest
from patchbay.service.identity.errors import Unauthorized
from patchbay.service.identity.model import DOMAIN_ID, DOMAIN_NAME, Identity, Project, User
from patchbay.service.identity.sessions import Session, Sessions


class Named(msgspec.Struct):
    """Something by id or by name, the latter in a domain."""

    id: str = ""
    name: str = ""
    domain: dict[str, Any] | None = None

    def handle(self) -> str:
        """What it is looked up by. Raises Unauthorized for another domain than the one that there is."""
        domain = self.domain or {}
        known = domain.get("id", DOMAIN_ID) == DOMAIN_ID
        if not known or str(domain.get("name", DOMAIN_NAME)).lower() != DOMAIN_NAME.lower():
            raise Unauthorized
        return self.id or self.name


class PasswordUser(Named):
    """A user and its password."""

    password: str = ""


class PasswordMethod(msgspec.Struct):
    """The method password."""

    user: PasswordUser


class TokenMethod(msgspec.Struct):
    """The method token."""

    id: str


class CredentialMethod(msgspec.Struct):
    """The method application_credential."""

    secret: str
    id: str = ""
    name: str = ""
    user: Named | None = None


class Method(msgspec.Struct):
    """How somebody proves who it is; the first method counts."""

    methods: list[str]
    password: PasswordMethod | None = None
    token: TokenMethod | None = None
    application_credential: CredentialMethod | None = None


class Scope(msgspec.Struct):
    """What the token is for."""

    project: Named | None = None
    domain: dict[str, Any] | None = None
    system: dict[str, Any] | None = None


class Auth(msgspec.Struct):
    """The request."""

    identity: Method
    scope: Scope | str | None = None


class Body(msgspec.Struct):
    """The body."""

    auth: Auth


async def log_in(sessions: Sessions, address: str, body: bytes) -> Session:
    """The new session. Raises HTTPBadRequest, Unauthorized or TooManyFailures."""
    try:
        auth = msgspec.json.decode(body, type=Body).auth
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        # The reason is not told: it might quote a password.
        raise HTTPBadRequest("The request is not the JSON of a login") from None
    method = auth.identity
    match method.methods[:1]:
        case ["password"] if method.password is not None:
            return await _by_password(sessions, address, method.password.user, auth.scope)
        case ["token"] if method.token is not None:
            return _by_token(sessions, method.token, auth.scope)
        case ["application_credential"] if method.application_credential is not None:
            return await _by_credential(sessions, address, method.application_credential, auth.scope)
    raise HTTPBadRequest("The methods are password, token and application_credential")


async def _by_password(sessions: Sessions, address: str, given: PasswordUser, scope: Scope | str | None) -> Session:
    user = await sessions.logins.by_password(address, given.handle(), given.password)
    return sessions.open(user, _project(sessions.identity, user, scope), "password")


def _by_token(sessions: Sessions, given: TokenMethod, scope: Scope | str | None) -> Session:
    """A token for another project, which ends when the first one does."""
    old = sessions.read(given.id)
    if old is None or old.token.credential_id:
        raise Unauthorized
    project = _project(sessions.identity, old.user, scope)
    return sessions.open(old.user, project, "token", until=old.token.expires_at)


async def _by_credential(
    sessions: Sessions, address: str, given: CredentialMethod, scope: Scope | str | None
) -> Session:
    owner = given.user.handle() if given.user is not None else ""
    handle = given.id or (given.name if owner else "")
    user, credential = await sessions.logins.by_credential(address, handle, given.secret, owner)
    if scope is not None:
        raise Unauthorized("Application credentials cannot request a scope.")
    project = sessions.identity.projects.get(credential.project_id)
    return sessions.open(user, project, "application_credential", credential=credential)


def _project(identity: Identity, user: User, scope: Scope | str | None) -> Project | None:
    """The project that a scope names; without one the user's own, None for a token without scope."""
    if scope is None:
        return identity.projects.get(user.default_project_id)
    if isinstance(scope, str) or scope.project is None:
        if scope == "unscoped":
            return None
        raise Unauthorized
    project = identity.project(scope.project.handle())
    if project is None:
        raise Unauthorized
    return project
