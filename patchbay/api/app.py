"""The ASGI application: reads a request, finds its caller, asks the translator, writes the answer, logs one line.

Plain ASGI without middleware: the whole way costs some tens of microseconds.
"""

import logging
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from patchbay.api.errors import (
    HTTPBadRequest,
    HTTPNotFound,
    HTTPRequestEntityTooLarge,
    MalformedRequestBody,
    error_response,
    internal_error,
)
from patchbay.api.http import JSON_TYPE, Request, Response
from patchbay.api.neutron.routes import answer
from patchbay.errors import BadRequest, Conflict, NotFound, PatchbayError, PreconditionFailed
from patchbay.service.context import RequestContext
from patchbay.service.service import Service

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Message, Receive, Send], Awaitable[None]]

MAX_BODY_BYTES = 4 * 1024 * 1024

log = logging.getLogger("patchbay.api")


class Disconnected(Exception):
    """The client went away before its request was complete."""


def create_app(service: Service, max_body_bytes: int = MAX_BODY_BYTES) -> ASGIApp:
    """The application that answers for the service."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        request_id = f"req-{uuid.uuid4()}"
        try:
            response = await _respond(service, scope, receive, request_id, max_body_bytes)
        except Disconnected:
            return
        await _send(send, response, request_id, is_head=scope["method"] == "HEAD")
        if log.isEnabledFor(logging.INFO):
            elapsed_ms = (time.perf_counter() - started) * 1000
            log.info(
                "request",
                extra={
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": response.status,
                    "ms": round(elapsed_ms, 2),
                    "request_id": request_id,
                },
            )

    return app


async def _respond(
    service: Service, scope: Message, receive: Receive, request_id: str, max_body_bytes: int
) -> Response:
    try:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = await _read_body(headers, receive, max_body_bytes)
        return await _answer(service, _request(scope, headers, body, request_id))
    except PatchbayError as error:
        response = error_response(error)
        if response.status >= 500:
            log.error("request failed", extra={"error": str(error), "request_id": request_id})
        return response
    except Disconnected:
        raise
    except Exception:
        log.exception("request failed", extra={"path": scope["path"], "request_id": request_id})
        return internal_error()


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


async def _read_body(headers: dict[str, str], receive: Receive, max_body_bytes: int) -> bytes:
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length) > max_body_bytes:
        raise HTTPRequestEntityTooLarge(max_body_bytes)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > max_body_bytes:
            raise HTTPRequestEntityTooLarge(max_body_bytes)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _request(scope: Message, headers: dict[str, str], body: bytes, request_id: str) -> Request:
    project_id = headers.get("x-project-id") or headers.get("x-tenant-id") or ""
    scheme = headers.get("x-forwarded-proto") or scope.get("scheme", "http")
    query = scope["query_string"]
    return Request(
        method="GET" if scope["method"] == "HEAD" else scope["method"],
        path=scope.get("raw_path", scope["path"].encode()).decode("latin-1").partition("?")[0],
        query=tuple(parse_qsl(query.decode("latin-1"), keep_blank_values=True)) if query else (),
        headers=headers,
        body=body,
        base_url=f"{scheme}://{headers.get('host', 'localhost')}",
        context=RequestContext(project_id=project_id, request_id=request_id),
    )


async def _send(send: Send, response: Response, request_id: str, *, is_head: bool) -> None:
    headers = [
        (b"content-length", str(len(response.body)).encode()),
        (b"x-openstack-request-id", request_id.encode()),
        *response.headers,
    ]
    if response.body:
        headers.append((b"content-type", JSON_TYPE))
    if response.status == 413:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if is_head else response.body})
