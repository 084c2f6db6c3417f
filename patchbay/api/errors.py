"""Errors as Neutron's clients know them: status code and ``{"NeutronError": {"type", "message", "detail"}}``."""

from patchbay.api.http import Response, json_response
from patchbay.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    IntentError,
    NotFound,
    PatchbayError,
    PreconditionFailed,
    ServiceUnavailable,
    TooLarge,
)


class HTTPBadRequest(BadRequest):
    """The request's form is wrong (Neutron's ``webob.exc.HTTPBadRequest``)."""


class MalformedRequestBody(BadRequest):
    """The body is not JSON."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Malformed request body: {reason}.")


class HTTPNotFound(NotFound):
    """Nothing answers at this path."""

    def __init__(self, message: str = "The resource could not be found.") -> None:
        super().__init__(message)


class HTTPMethodNotAllowed(PatchbayError):
    """The path exists, but not for this method."""

    def __init__(self, method: str, path: str) -> None:
        super().__init__(f"The method {method} is not allowed for this resource.", f"See the API reference for {path}.")


class HTTPRequestEntityTooLarge(TooLarge):
    """The body is larger than the service accepts."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"Request is too large: the limit is {limit_bytes} bytes.", "Split a bulk request.")


STATUS: tuple[tuple[type[PatchbayError], int], ...] = (
    (NotFound, 404),
    (BadRequest, 400),
    (Conflict, 409),
    (Forbidden, 403),
    (PreconditionFailed, 412),
    (TooLarge, 413),
    (ServiceUnavailable, 503),
    (IntentError, 503),
    (HTTPMethodNotAllowed, 405),
)


def error_status(error: PatchbayError) -> int:
    """The HTTP status of an error."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def error_type(error: PatchbayError) -> str:
    """The name that Neutron gives to the error."""
    name = type(error).__name__
    return "BadRequest" if name == "BadRequestFor" else name


def error_response(error: PatchbayError) -> Response:
    """The error as an answer; the remedy is its detail."""
    body = {"NeutronError": {"type": error_type(error), "message": error.message, "detail": error.remedy}}
    return json_response(body, error_status(error))


def internal_error() -> Response:
    """The answer when our own code failed."""
    message = "Request Failed: internal server error while processing your request."
    body = {"NeutronError": {"type": "HTTPInternalServerError", "message": message, "detail": ""}}
    return json_response(body, 500)
