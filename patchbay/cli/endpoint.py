"""The service as the commands see it: a small client of the Neutron v2.0 API over HTTP.

Called by ``resources`` and ``apply``. Promises: every answer that is not a success becomes a ``PatchbayError`` with the
words of the service; a service that cannot be reached becomes ``ServiceUnavailable`` with what to check.
"""

import http.client
import os
import re
import ssl
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from patchbay.cli.login import environment_access, without_login
from patchbay.cli.projects import project_id
from patchbay.errors import BadRequest, Conflict, NotFound, PatchbayError
from patchbay.lab.client import exchange

DEFAULT_ENDPOINT = "http://127.0.0.1:9696"
ENDPOINT = re.compile(
    r"((?P<scheme>https?)://)?(?P<address>\[[0-9a-fA-F:.]+\]|[^/:\[\]]+)(:(?P<port>[0-9]{1,5}))?(?P<path>/.*)?"
)
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

Object = dict[str, Any]


class Endpoint:
    """One service. The connection is kept open between requests of one command."""

    def __init__(self, url: str = "", *, timeout_s: float = 60.0) -> None:
        """Take the service at ``url``, else at PATCHBAY_ENDPOINT, OS_ENDPOINT, where the login says, or the default."""
        access = self._access = environment_access(trusted)
        self.headers = access.headers
        self.url = url or os.environ.get("PATCHBAY_ENDPOINT") or access.endpoint or DEFAULT_ENDPOINT
        parts = ENDPOINT.fullmatch(self.url)
        if not parts:
            raise BadRequest(
                f"Endpoint {without_login(self.url)}: only http://ADDRESS:PORT and https://ADDRESS:PORT are supported.",
                "Correct --endpoint.",
            )
        self.prefix = (parts["path"] or "").rstrip("/").removesuffix("/v2.0")
        address, port = parts["address"].strip("[]"), int(parts["port"] or 9696)
        if parts["scheme"] == "https":
            self.connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                address, port, timeout=timeout_s, context=trusted(access.cacert)
            )
        else:
            self.connection = http.client.HTTPConnection(address, port, timeout=timeout_s)

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request and return the decoded body (None when there is none)."""
        status, content = exchange(self.connection, self.url, method, self.prefix + path, body, more=self.headers)
        if status >= 300:
            raise refusal(status, content, self.url)
        return msgspec.json.decode(content) if content else None

    def list(self, collection: str, filters: Mapping[str, Any] | Sequence[tuple[str, Any]] = ()) -> list[Object]:
        """All objects of a collection (``networks``) that match the filters."""
        wanted = [*ALWAYS.get(collection, ()), *(filters.items() if isinstance(filters, Mapping) else filters)]
        query = urlencode(wanted, doseq=True)
        answer = self.request("GET", f"/v2.0/{collection}" + (f"?{query}" if query else ""))
        objects: list[Object] = answer[collection.rpartition("/")[2].replace("-", "_")]
        return objects

    def find(self, collection: str, handle: str) -> Object:
        """The one object whose id or name is ``handle``.

        Errors: ``NotFound``; ``Conflict`` when several have that name.
        """
        singular = singular_of(collection)
        if UUID.fullmatch(handle):
            try:
                found: Object = self.request("GET", f"/v2.0/{collection}/{quote(handle)}")[singular]
            except NotFound:
                pass
            else:
                return found
        words = singular.replace("_", " ")
        named = self.list(collection, {NAME_FILTER.get(collection, "name"): handle})
        if len(named) == 1:
            return named[0]
        if named:
            raise Conflict(f"{words} {handle}: {len(named)} objects have this name.", "Use the id instead.")
        raise NotFound(
            f"{words} {handle} does not exist.",
            f"`patchbay {COMMAND_OF.get(singular, singular)} list` shows what does.",
        )

    def project(self, handle: str) -> str:
        """The id of a project by id or, where one has logged in, by name. Raises NotFound, BadRequest."""
        return project_id(self._access, handle, trusted)

    def create(self, collection: str, body: Object) -> Object:
        """Create one object and return it."""
        singular = singular_of(collection)
        created: Object = self.request("POST", f"/v2.0/{collection}", {singular: body})[singular]
        return created

    def update(self, collection: str, object_id: str, body: Object) -> Object:
        """Change attributes of one object and return it."""
        singular = singular_of(collection)
        updated: Object = self.request("PUT", f"/v2.0/{collection}/{object_id}", {singular: body})[singular]
        return updated

    def delete(self, collection: str, object_id: str) -> None:
        """Delete one object."""
        self.request("DELETE", f"/v2.0/{collection}/{object_id}")

    def set_tags(self, collection: str, object_id: str, tags: Sequence[str]) -> None:
        """Replace the tags of one object."""
        self.request("PUT", f"/v2.0/{collection}/{object_id}/tags", {"tags": list(tags)})


def trusted(named: str = "") -> ssl.SSLContext:
    """Servers are believed as PATCHBAY_CACERT, OS_CACERT or the cloud's ``cacert`` says (``named``, a PEM file), else
    as the system does."""
    file = os.environ.get("PATCHBAY_CACERT") or named or None
    try:
        return ssl.create_default_context(cafile=file)
    except OSError as error:
        raise BadRequest(
            f"{file}: not a file of certificates: {error.strerror or error}.",
            "Correct PATCHBAY_CACERT, OS_CACERT or the cloud's cacert.",
        ) from error


NAME_FILTER = {
    "agents": "host",
    "floatingips": "floating_ip_address",
    **dict.fromkeys(("rbac-policies", "security-group-rules", "default-security-group-rules"), "id"),
}
"""Attributes that stand for names; what has none has its id alone."""
ALWAYS = {"agents": (("binary", "neutron-openvswitch-agent"),)}
"""Of the agents that a host has, one is the host."""
COMMAND_OF = {
    "agent": "host",
    "floatingip": "floating-ip",
    "port_forwarding": "port-forwarding",
    "subnetpool": "subnet-pool",
    "address_scope": "address-scope",
    "security_group": "security-group",
    "security_group_rule": "security-group-rule",
    "address_group": "address-group",
    "rbac_policy": "network-rbac",
    "default_security_group_rule": "default-security-group-rule",
}


def singular_of(collection: str) -> str:
    """``networks`` → ``network``: the key of one object in a body."""
    name = collection.rpartition("/")[2].replace("-", "_")
    return f"{name.removesuffix('ies')}y" if name.endswith("ies") else name.removesuffix("s")


class Refused(PatchbayError):
    """The service refused a request; the message is the service's own."""


def refusal(status: int, content: bytes, url: str) -> PatchbayError:
    """The error that an answer stands for. ``content`` is Neutron's error body, or whatever else answered."""
    try:
        body = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return Refused(f"{url} answered {status}, not as a Patchbay service does.", "Check --endpoint.")
    error = body.get("NeutronError", body.get("error")) if isinstance(body, dict) else None
    message, detail = str(body), ""
    if isinstance(error, dict):
        message, detail = str(error.get("message", error)), str(error.get("detail") or "")
    elif error:
        message = str(error)
    if status == 401:
        return Refused(message, "Log in: OS_CLOUD, or OS_AUTH_URL, OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME.")
    if status == 404:
        return NotFound(message, detail)
    return Refused(message, detail)
