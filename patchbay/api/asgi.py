"""What both HTTP APIs do alike: read a request, have it answered, write the answer, log one line.

Plain ASGI without middleware: the whole way costs some tens of microseconds.
"""

import logging
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from patchbay.api.errors import HTTPRequestEntityTooLarge
from patchbay.api.http import JSON_TYPE, Request, Response
from patchbay.errors import PatchbayError
from patchbay.service.context import RequestContext

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Message, Receive, Send], Awaitable[None]]

MAX_BODY_BYTES = 4 * 1024 * 1024

log = logging.getLogger("patchbay.api")


class Disconnected(Exception):
    """The client went away before its request was complete."""


def application(
    answer: Callable[[Request], Awaitable[Response]],
    explained: Callable[[PatchbayError], Response],
    failed: Callable[[], Response],
    max_body_bytes: int,
) -> ASGIApp:
    """The application that sends what ``answer`` gives.

    ``explained`` makes an answer of an error that a user can act on, ``failed`` is the answer when our code failed.
    """

    async def respond(scope: Message, receive: Receive, request_id: str) -> Response:
        try:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            body = await _read_body(headers, receive, max_body_bytes)
            return await answer(_request(scope, headers, body, request_id))
        except PatchbayError as error:
            response = explained(error)
            if response.status >= 500:
                log.error("request failed", extra={"error": str(error), "request_id": request_id})
            return response
        except Disconnected:
            raise
        except Exception:
            log.exception("request failed", extra={"path": scope["path"], "request_id": request_id})
            return failed()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        request_id = f"req-{uuid.uuid4()}"
        try:
            response = await respond(scope, receive, request_id)
        except Disconnected:
            return
        await _send(send, response, request_id, is_head=scope["method"] == "HEAD")
        _tell(scope, response, request_id, started)

    return app


def _tell(scope: Message, response: Response, request_id: str, started: float) -> None:
    if log.isEnabledFor(logging.INFO):
        log.info(
            "request",
            extra={
                "method": scope["method"],
                "path": scope["path"],
                "status": response.status,
                "ms": round((time.perf_counter() - started) * 1000, 2),
                "request_id": request_id,
            },
        )


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
        client=(scope.get("client") or ("",))[0],
        context=RequestContext(project_id=project_id, request_id=request_id),
    )


async def _send(send: Send, response: Response, request_id: str, *, is_head: bool) -> None:
    headers = [
        (b"content-length", str(len(response.body)).encode()),
        (b"x-openstack-request-id", request_id.encode()),
        *response.headers,
    ]
    if response.body and not any(name == b"content-type" for name, _ in response.headers):
        headers.append((b"content-type", JSON_TYPE))
    if response.status == 413:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if is_head else response.body})
