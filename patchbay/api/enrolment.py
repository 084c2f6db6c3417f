"""How hosts join and renew their certificates over HTTP, beside Neutron's API: ``/patchbay/v1/…``.

Asked by people without a name yet, so these paths need no login: a token, or the key of a certificate, is the proof.
Only over TLS; and one address may ask ``PER_S`` times a second.
"""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from patchbay.api.asgi import ASGIApp, Message, Receive, Send, application
from patchbay.api.errors import HTTPMethodNotAllowed, HTTPNotFound, MalformedRequestBody, error_response, internal_error
from patchbay.api.http import Request, Response, json_response
from patchbay.api.limits import Buckets, limited
from patchbay.errors import Forbidden, ServiceUnavailable
from patchbay.ovsdb import OvsdbError
from patchbay.service.enrolment.certificates import pem
from patchbay.service.enrolment.registrar import Granted, Registrar

Said = TypeVar("Said", bound=msgspec.Struct)

PREFIX = "/patchbay/v1/"
BODY_BYTES = 65536
PER_S, BURST = 5, 20


class JoinBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a host says with its token. ``request``: a certificate request (PKCS #10) as text."""

    host: str
    secret: str
    request: str


class RenewBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``signature``: of the request (DER), by the key of ``certificate``: ECDSA with SHA-256, in base64."""

    certificate: str
    request: str
    signature: str


class Unencrypted(Forbidden):
    """A token would be read by others on the way."""


def enrolment(registrar: Registrar) -> ASGIApp:
    """The application that answers hosts."""

    async def answer(request: Request) -> Response:
        return await _answer(registrar, request)

    return limited(application(answer, error_response, internal_error, BODY_BYTES), Buckets(PER_S, BURST))


def with_enrolment(app: ASGIApp, registrar: Registrar | None) -> ASGIApp:
    """``app``, with the paths of hosts in front where there is a registrar."""
    if registrar is None:
        return app
    hosts = enrolment(registrar)

    async def either(scope: Message, receive: Receive, send: Send) -> None:
        is_of_hosts = scope["type"] == "http" and scope["path"].startswith(PREFIX)
        await (hosts if is_of_hosts else app)(scope, receive, send)

    return either


async def _answer(registrar: Registrar, request: Request) -> Response:
    action = ACTIONS.get(request.path.removeprefix(PREFIX))
    if action is None:
        raise HTTPNotFound
    method, carry_out = action
    if request.method != method:
        raise HTTPMethodNotAllowed(request.method, request.path)
    if not request.base_url.startswith("https://"):
        raise Unencrypted(
            "Hosts join over TLS only.", "Start the service with --tls or --hosts-listen, and use https:// in --api."
        )
    try:
        return await carry_out(registrar, request)
    except OvsdbError as error:
        raise ServiceUnavailable(f"The intent database does not answer: {error.message}", "Try again.") from error


async def _authority(registrar: Registrar, _request: Request) -> Response:
    """Whom to believe; a token says what fingerprint this has. And the service's time."""
    certificate = pem(registrar.authority.certificate).decode()
    return json_response({"certificate": certificate, "time": time.time()})


async def _join(registrar: Registrar, request: Request) -> Response:
    said = _decoded(request, JoinBody)
    return _granted(await registrar.join(said.host, said.secret, said.request))


async def _renew(registrar: Registrar, request: Request) -> Response:
    said = _decoded(request, RenewBody)
    return _granted(await registrar.renew(said.certificate, said.request, said.signature))


def _granted(granted: Granted) -> Response:
    return json_response(granted)


def _decoded(request: Request, kind: type[Said]) -> Said:
    try:
        return msgspec.json.decode(request.body, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise MalformedRequestBody(str(error)) from None


Action = Callable[[Registrar, Request], Awaitable[Response]]
ACTIONS: dict[str, tuple[str, Action]] = {
    "authority": ("GET", _authority),
    "join": ("POST", _join),
    "renew": ("POST", _renew),
}
