"""The ASGI application of Neutron's API: finds who translates a request, and has it answered."""

from patchbay.api.asgi import MAX_BODY_BYTES, ASGIApp, application
from patchbay.api.errors import HTTPBadRequest, HTTPNotFound, MalformedRequestBody, error_response, internal_error
from patchbay.api.http import Request, Response
from patchbay.api.neutron.routes import answer
from patchbay.errors import BadRequest, Conflict, NotFound, PreconditionFailed
from patchbay.service.service import Service


def create_app(service: Service, max_body_bytes: int = MAX_BODY_BYTES) -> ASGIApp:
    """The application that answers for the service."""

    async def answer_for(request: Request) -> Response:
        return await _answer(service, request)

    return application(answer_for, error_response, internal_error, max_body_bytes)


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
