"""The ASGI application of Neutron's API: finds who translates a request, and has it answered."""

import msgspec

from patchbay.api.asgi import MAX_BODY_BYTES, ASGIApp, application
from patchbay.api.authentication.strategy import Authentication, refused
from patchbay.api.errors import HTTPBadRequest, HTTPNotFound, MalformedRequestBody, error_response, internal_error
from patchbay.api.http import Request, Response
from patchbay.api.neutron.routes import answer
from patchbay.errors import BadRequest, Conflict, NotFound, PreconditionFailed
from patchbay.service.identity.errors import TooManyFailures, Unauthorized
from patchbay.service.service import Service


def create_app(
    service: Service, max_body_bytes: int = MAX_BODY_BYTES, authentication: Authentication | None = None
) -> ASGIApp:
    """The application that answers for the service; without ``authentication`` everybody is an administrator."""

    async def answer_for(request: Request) -> Response:
        return await _answer(service, request)

    async def answer_known(request: Request) -> Response:
        assert authentication is not None
        return await _answer_known(service, request, authentication)

    return application(
        answer_for if authentication is None else answer_known, error_response, internal_error, max_body_bytes
    )


async def _answer_known(service: Service, request: Request, authentication: Authentication) -> Response:
    """The answer to a caller who proves who it is. Which versions there are may be asked by all."""
    if authentication.besides is not None and (response := await authentication.besides(request)) is not None:
        return response
    if request.path.strip("/"):
        try:
            context = await authentication.authenticate(request)
        except (Unauthorized, TooManyFailures) as error:
            return refused(error, authentication.challenge, request)
        request = msgspec.structs.replace(request, context=context)
    return await _answer(service, request)


async def _answer(service: Service, request: Request) -> Response:
    """The answer; before a request is refused, what another server may have made a moment ago is asked for.

    A refusal has changed nothing, so asking the rules again is safe.
    """
    try:
        return await answer(service, request)
    except (HTTPBadRequest, HTTPNotFound, MalformedRequestBody):
        raise
    except (BadRequest, Conflict, NotFound, PreconditionFailed):
        await service.catch_up()
        return await answer(service, request)
