"""The way to a service: one HTTP connection that stays open.

Called by ``lab``. ``apply`` asks for no more than the ``Client`` protocol, so the commands bring their own, on the same
``exchange``.
"""

import http.client
import ssl
import time
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from patchbay.errors import LabError, ServiceUnavailable

IDLE_S = 2.0
"""After so long a connection is opened anew: a server may close an idle one at the moment when it is used again."""


class Client(Protocol):
    """What is needed of a service: a request with a JSON body, and the decoded answer."""

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request; raises a ``PatchbayError`` when the answer is no success."""


class ServiceClient:
    """A connection to a service at ``endpoint`` (http://ADDRESS:PORT)."""

    def __init__(self, endpoint: str, *, timeout_s: float = 30.0) -> None:
        self.endpoint = endpoint
        self._connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=timeout_s)
        self._used_at = 0.0

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and return the decoded answer; None when it has no body."""
        if time.monotonic() - self._used_at > IDLE_S:
            self._connection.close()
        status, content = exchange(self._connection, self.endpoint, method, path, body)
        self._used_at = time.monotonic()
        if status >= 300:
            raise LabError(f"{method} {path}: {status} {_reason(content)}")
        return msgspec.json.decode(content) if content else None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def exchange(
    connection: http.client.HTTPConnection,
    endpoint: str,
    method: str,
    path: str,
    body: Any = None,
    *,
    more: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """Send one request with a JSON body, and ``more`` headers; status and content of the answer.

    Raises ServiceUnavailable without one.
    """
    data = None if body is None else msgspec.json.encode(body)
    headers = {"Accept": "application/json"} | ({} if data is None else {"Content-Type": "application/json"})
    headers |= more or {}
    try:
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except ssl.SSLCertVerificationError as error:
        connection.close()
        raise ServiceUnavailable(
            f"The certificate of {endpoint} is not believed ({error.verify_message}).",
            "Name the PEM file of its authority with PATCHBAY_CACERT or OS_CACERT (pki/authority.pem of the service).",
        ) from error
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise ServiceUnavailable(
            f"The service at {endpoint} does not answer ({error}).",
            "Start it with `patchbay serve`, or name another with --endpoint or PATCHBAY_ENDPOINT.",
        ) from error


def _reason(content: bytes) -> str:
    try:
        body = msgspec.json.decode(content)
        error = body["NeutronError"]
        return f"{error['message']} {error.get('detail', '')}".strip()
    except (msgspec.DecodeError, KeyError, TypeError):
        return content.decode(errors="replace")
