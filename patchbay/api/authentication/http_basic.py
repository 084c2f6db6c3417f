"""HTTP basic authentication (RFC 7617) with an htpasswd file, as standalone OpenStack services have it.

Without an identity file every user of the htpasswd file is an administrator, as there. With one, a user's roles are
those of the user of the same name in it; the header X-Project-Id chooses among several projects.
"""

import base64
import binascii
from collections.abc import Mapping

from patchbay.api.authentication.strategy import Authentication, context_of
from patchbay.api.http import Request
from patchbay.intent.tables import Tables
from patchbay.service.context import RequestContext
from patchbay.service.identity.errors import NoRoles, Unauthorized
from patchbay.service.identity.file import WatchedFile
from patchbay.service.identity.login import Guard, Logins
from patchbay.service.identity.model import Identity, User

CHALLENGE = 'Basic realm="Patchbay", charset="UTF-8"'


def credentials(request: Request) -> tuple[str, str]:
    """User and password of the Authorization header, or Unauthorized."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, ValueError):
        text = ""
    user, colon, password = text.partition(":")
    if not colon or not user:
        raise Unauthorized
    return user, password


def chosen_project(request: Request, user: User, identity: Identity) -> str:
    """The project that the request is for: the one that it names, or else the user's own. Raises NoRoles."""
    named = request.headers.get("x-project-id") or request.headers.get("x-tenant-id")
    if not named:
        return user.default_project_id
    project = identity.project(named)
    if project is None or project.id not in user.roles:
        raise NoRoles(user.name, named)
    return project.id


def basic_authentication(db: Tables, htpasswd: WatchedFile, identity: WatchedFile | None) -> Authentication:
    """The strategy with the users of an htpasswd file."""
    guard = Guard()

    async def authenticate(request: Request) -> RequestContext:
        name, password = credentials(request)
        hashes: Mapping[str, str] = htpasswd.current()
        await guard.check(request.client, name, hashes.get(name, ""), password)
        if identity is None:
            project = request.headers.get("x-project-id", "")
            return context_of(db, request, user_id=name, project_id=project, roles=("admin",))
        known: Identity = identity.current()
        user = known.user(name)
        if user is None or not user.enabled:
            raise NoRoles(name, "any")
        return of_user(db, request, user, known)

    return Authentication(name="http_basic", authenticate=authenticate, challenge=CHALLENGE)


def of_user(db: Tables, request: Request, user: User, identity: Identity) -> RequestContext:
    """The context of a user of the identity file in the project that the request is for."""
    project_id = chosen_project(request, user, identity)
    project = identity.projects.get(project_id)
    if project is None or not project.enabled:
        raise NoRoles(user.name, project_id or "any")
    return context_of(db, request, user_id=user.id, project_id=project_id, roles=user.roles_in(project_id))


def basic_with_logins(db: Tables, logins: Logins) -> Authentication:
    """The same with the users and passwords of the identity file alone; for APIs whose clients know no tokens."""

    async def authenticate(request: Request) -> RequestContext:
        name, password = credentials(request)
        user = await logins.by_password(request.client, name, password)
        return of_user(db, request, user, logins.identity)

    return Authentication(name="http_basic", authenticate=authenticate, challenge=CHALLENGE)
