"""The ASGI application of the WebAPI: reads a request's parameters, asks the endpoint, writes the answer."""

from typing import Any

from patchbay.api.asgi import MAX_BODY_BYTES, ASGIApp, application
from patchbay.api.authentication.strategy import Authentication, identity_error, refused
from patchbay.api.errors import HTTPNotFound, error_status
from patchbay.api.http import Request, Response, json_response
from patchbay.api.openvnet.bodies import answer_of, given_values
from patchbay.api.openvnet.endpoint import Endpoint
from patchbay.api.openvnet.parameters import read_values
from patchbay.api.openvnet.routes import find
from patchbay.errors import BadRequest, Conflict, NotFound, PatchbayError, PreconditionFailed
from patchbay.service.identity.errors import NoRoles, TooManyFailures, Unauthorized
from patchbay.service.service import Service
from patchbay.service.vnet.errors import ArgumentError, UnknownResource, VnetError

ERRORS = "Vnet::Endpoints::Errors::"
SUFFIXES = {".json": False, ".yml": True, ".yaml": True}
"""Endings of paths that choose how the answer is written: whether as YAML."""

NOT_OURS = "500"
"""OpenVNet's code of every error that has none of its own."""


def create_vnet_app(
    service: Service, max_body_bytes: int = MAX_BODY_BYTES, authentication: Authentication | None = None
) -> ASGIApp:
    """The application that answers for the service; with ``authentication`` it answers administrators only."""

    async def answer_for(request: Request) -> Response:
        if authentication is not None and (refusal := await _refusal(request, authentication)) is not None:
            return refusal
        path, as_yaml = _without_suffix(request.path)
        try:
            endpoint, named = find(request.method, path)
            values = read_values(endpoint.params, {**given_values(request), **named})
            values = {**named, **values}
            return answer_of(await _answer(service, endpoint, request, values), as_yaml=as_yaml)
        except PatchbayError as error:
            status, body = described(error)
            if status >= 500:
                raise
            return answer_of(body, as_yaml=as_yaml, status=status)

    return application(answer_for, explained, failed, max_body_bytes)


async def _refusal(request: Request, authentication: Authentication) -> Response | None:
    """The answer to somebody who is no administrator."""
    try:
        context = await authentication.authenticate(request)
    except (Unauthorized, TooManyFailures) as error:
        return refused(error, authentication.challenge, request)
    except NoRoles as error:
        return identity_error(403, "Forbidden", str(error))
    if context.is_admin:
        return None
    return identity_error(403, "Forbidden", "OpenVNet's WebAPI answers administrators only.")


async def _answer(service: Service, endpoint: Endpoint, request: Request, values: dict[str, Any]) -> object:
    """The answer; before a request is refused, what another server may have made a moment ago is asked for."""
    try:
        return await endpoint.answer(service, request.context, dict(values))
    except (BadRequest, Conflict, NotFound, PreconditionFailed):
        await service.catch_up()
        return await endpoint.answer(service, request.context, dict(values))


def _without_suffix(path: str) -> tuple[str, bool]:
    for suffix, as_yaml in SUFFIXES.items():
        if path.endswith(suffix):
            return path.removesuffix(suffix), as_yaml
    return path, False


def described(error: PatchbayError) -> tuple[int, dict[str, str]]:
    """Status and body of an error: OpenVNet's three members, and ``detail`` with the remedy.

    What other rules of the service raise has no name in OpenVNet and gets that of its error for a bad value, or for
    something that is not there.
    """
    status, name, code = error_status(error), type(error).__name__, NOT_OURS
    if isinstance(error, VnetError):
        code = error.code
        status = status if status == 404 else 400
    elif isinstance(error, HTTPNotFound):
        return 404, _body("Sinatra::NotFound", error, code)
    elif status == 404:
        name, code = UnknownResource.__name__, UnknownResource.code
    elif status in (400, 403, 409, 412):
        status, name, code = 400, ArgumentError.__name__, ArgumentError.code
    return status, _body(ERRORS + name, error, code)


def _body(name: str, error: PatchbayError, code: str) -> dict[str, str]:
    return {"error": name, "message": error.message, "code": code, "detail": error.remedy}


def explained(error: PatchbayError) -> Response:
    """The error as an answer."""
    status, body = described(error)
    return json_response(body, status)


def failed() -> Response:
    """The answer when our own code failed."""
    message = "The service failed while it processed the request; its log says more."
    return json_response({"error": "RuntimeError", "message": message, "code": NOT_OURS}, 500)
