"""A request and a response as values, between the ASGI server and the translators."""

import msgspec

from patchbay.service.context import ADMIN, RequestContext

JSON_TYPE = b"application/json"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request. ``query`` keeps the order and repeats of its parameters; header names are lower case.

    ``client`` is the address that it came from ("": by a unix socket).
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: dict[str, str] = {}
    body: bytes = b""
    base_url: str = ""
    client: str = ""
    context: RequestContext = ADMIN


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP response."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()


def json_response(value: object, status: int = 200) -> Response:
    """``value`` as JSON."""
    return Response(status=status, body=msgspec.json.encode(value))
