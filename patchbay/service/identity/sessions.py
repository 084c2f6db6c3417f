"""What a token stands for now: its user, project and roles, as the identity file says at this moment."""

import hmac

import msgspec

from patchbay.service.context import with_implied
from patchbay.service.identity.errors import Unauthorized
from patchbay.service.identity.login import Logins
from patchbay.service.identity.model import Credential, Identity, Project, User
from patchbay.service.identity.tokens import Token, Tokens, stamp_of


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A token and those that it is about. ``project`` is None for an unscoped one, which has no roles."""

    text: str
    token: Token
    user: User
    project: Project | None
    roles: frozenset[str]


class Sessions:
    """Opens, finds and ends sessions."""

    def __init__(self, logins: Logins, tokens: Tokens) -> None:
        self.logins = logins
        self.tokens = tokens

    @property
    def identity(self) -> Identity:
        """What the identity file says now."""
        return self.logins.identity

    def open(
        self,
        user: User,
        project: Project | None,
        method: str,
        *,
        credential: Credential | None = None,
        until: int = 0,
    ) -> Session:
        """A new session. Raises Unauthorized for a project that is disabled, or in which the user has no role."""
        roles = _roles(user, project, credential)
        if project is not None and not (project.enabled and roles):
            raise Unauthorized
        text, token = self.tokens.issue(
            user.id,
            "" if project is None else project.id,
            method,
            user.password if credential is None else credential.secret,
            credential_id="" if credential is None else credential.id,
            until=until,
        )
        return Session(text=text, token=token, user=user, project=project, roles=roles)

    def read(self, text: str) -> Session | None:
        """The session of a token; None when it is no good, or no longer."""
        token = self.tokens.read(text) if text else None
        identity = self.identity
        user = None if token is None else identity.users.get(token.user_id)
        if token is None or user is None or not user.enabled:
            return None
        credential = next((one for one in user.credentials if one.id == token.credential_id), None)
        if token.credential_id and credential is None:
            return None
        hashed = user.password if credential is None else credential.secret
        if not hmac.compare_digest(token.stamp, stamp_of(hashed)):
            return None
        project = identity.projects.get(token.project_id)
        roles = _roles(user, project, credential)
        if token.project_id and (project is None or not project.enabled or not roles):
            return None
        return Session(text=text, token=token, user=user, project=project, roles=roles)

    def end(self, session: Session) -> None:
        """The token is void from now on."""
        self.tokens.revoke(session.text, session.token)


def _roles(user: User, project: Project | None, credential: Credential | None) -> frozenset[str]:
    """The roles in the project; an application credential has none that its user has lost."""
    if project is None:
        return frozenset()
    held = user.roles_in(project.id)
    if credential is None:
        return held
    return held & with_implied(credential.roles) if credential.project_id == project.id else frozenset()
