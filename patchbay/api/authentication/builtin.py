"""Tokens of the built-in identity endpoint (``patchbay.api.identity``)."""

from patchbay.api.authentication.strategy import Authentication, context_of
from patchbay.api.http import Request
from patchbay.api.identity.endpoint import IdentityEndpoint
from patchbay.intent.tables import Tables
from patchbay.service.context import RequestContext
from patchbay.service.identity.errors import Unauthorized
from patchbay.service.identity.login import Logins
from patchbay.service.identity.sessions import Sessions
from patchbay.service.identity.tokens import Tokens


def builtin_authentication(db: Tables, logins: Logins, tokens: Tokens) -> Authentication:
    """The strategy, and the endpoint at /v3 where its tokens are got."""
    sessions = Sessions(logins, tokens)

    async def authenticate(request: Request) -> RequestContext:
        session = sessions.read(request.headers.get("x-auth-token", ""))
        if session is None:
            raise Unauthorized
        return context_of(
            db, request, user_id=session.user.id, project_id=session.token.project_id, roles=session.roles
        )

    return Authentication(
        name="builtin",
        authenticate=authenticate,
        challenge='Keystone uri="{base}/v3"',
        besides=IdentityEndpoint(sessions).answer,
    )
