"""What a strategy is: it makes the context of a request from what the request proves, or refuses it."""

from collections.abc import Awaitable, Callable, Iterable

import msgspec

from patchbay.api.http import Request, Response, json_response
from patchbay.intent.tables import Tables
from patchbay.service.context import RequestContext, with_implied
from patchbay.service.identity.errors import TooManyFailures, Unauthorized
from patchbay.service.sharing import SharedWith

Authenticate = Callable[[Request], Awaitable[RequestContext]]
Answer = Callable[[Request], Awaitable[Response | None]]
ADMIN_ROLE = "admin"


class Authentication(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy. ``challenge`` is the ``WWW-Authenticate`` header of a refusal, in which ``{base}`` is where we are.

    ``besides`` answers requests of its own (an identity endpoint), None for all others.
    """

    name: str
    authenticate: Authenticate
    challenge: str
    besides: Answer | None = None


def context_of(
    db: Tables, request: Request, *, user_id: str, project_id: str, roles: Iterable[str], is_admin: bool = False
) -> RequestContext:
    """The context of a caller who is known; ``roles`` without what they imply."""
    all_roles = with_implied(frozenset(role.lower() for role in roles))
    return RequestContext(
        project_id=project_id,
        is_admin=is_admin or ADMIN_ROLE in all_roles,
        request_id=request.context.request_id,
        user_id=user_id,
        roles=all_roles,
        shared=SharedWith(db, project_id),
    )


def refused(error: Unauthorized | TooManyFailures, challenge: str, request: Request) -> Response:
    """The answer to a request that nobody is known to have made, in the words of Keystone's middleware."""
    if isinstance(error, TooManyFailures):
        response = identity_error(429, "Too Many Requests", str(error))
        wait = (b"retry-after", str(error.retry_after_s).encode())
        return msgspec.structs.replace(response, headers=(*response.headers, wait))
    response = identity_error(401, "Unauthorized", error.message)
    named = challenge.replace("{base}", request.base_url).encode("latin-1", "replace")
    return msgspec.structs.replace(response, headers=(*response.headers, (b"www-authenticate", named)))


def identity_error(status: int, title: str, message: str) -> Response:
    """An error as Keystone writes it."""
    return json_response({"error": {"code": status, "title": title, "message": message}}, status)
