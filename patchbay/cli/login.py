"""Logging in as the OpenStack clients do: OS_… variables, or a cloud of clouds.yaml that OS_CLOUD names.

Called by ``endpoint``. Promises: no password is printed or put into an error; without any of these variables nobody is
asked for anything.
"""

import base64
import http.client
import os
import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import yaml

from patchbay.errors import BadRequest, PatchbayError, ServiceUnavailable
from patchbay.service.yaml_text import read_yaml

FILES = ("clouds.yaml", "~/.config/openstack/clouds.yaml", "/etc/openstack/clouds.yaml")
NAMES = (
    *("auth_url", "username", "password", "user_id", "user_domain_name", "user_domain_id", "token", "endpoint"),
    *("project_name", "project_id", "project_domain_name", "project_domain_id"),
    *("application_credential_id", "application_credential_name", "application_credential_secret"),
    "cacert",
)
"""What a cloud, or its ``auth``, may hold, and (OS_… in capitals) the environment."""
TIMEOUT_S = 30.0
UNBELIEVED = (
    "Name the PEM file of its authority: OS_CACERT, or cacert in clouds.yaml (pki/authority.pem of the service)."
)


class LoginRefused(PatchbayError):
    """The identity service does not know who asks."""

    def __init__(self, url: str, status: int) -> None:
        super().__init__(f"{url} refused the login ({status}).", "Correct OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME …")


class Access(msgspec.Struct, frozen=True):
    """What goes with each request, where the service is, the file of whom to believe, and where the login was ("": not
    said)."""

    headers: Mapping[str, str] = {}
    endpoint: str = ""
    cacert: str = ""
    identity: str = ""


class _Clouds(msgspec.Struct):
    clouds: dict[Any, Any] | None = None


class _Endpoint(msgspec.Struct):
    interface: str = ""
    region_id: str | None = ""
    url: str = ""


class _Service(msgspec.Struct):
    type: str = ""
    endpoints: tuple[_Endpoint, ...] = ()


class _Document(msgspec.Struct):
    """What Keystone says of a token, as far as it matters here."""

    catalog: tuple[_Service, ...] = ()


class _Answer(msgspec.Struct):
    token: _Document


def access(environment: Mapping[str, str], trusted: Callable[[str], ssl.SSLContext]) -> Access:
    """What the environment says; logs in if it names an identity service. Raises LoginRefused, ServiceUnavailable."""
    said, kind, region, interface = _said(environment)
    if kind in ("none", "noauth", "admin_token"):
        return Access(endpoint=said.get("endpoint", ""), cacert=said.get("cacert", ""))
    if kind == "http_basic":
        pair = f"{said.get('username', '')}:{said.get('password', '')}".encode()
        header = {"Authorization": "Basic " + base64.b64encode(pair).decode()}
        if project := said.get("project_id"):
            header["X-Project-Id"] = project
        return Access(header, said.get("endpoint", ""), said.get("cacert", ""))
    if "auth_url" not in said:
        return Access(endpoint=said.get("endpoint", ""), cacert=said.get("cacert", ""))
    url = without_login(said["auth_url"].rstrip("/"))
    url = url if url.endswith("/v3") else f"{url}/v3"
    cacert = said.get("cacert", "")
    token, document = _log_in(url, _body(said), lambda: trusted(cacert))
    return Access({"X-Auth-Token": token}, said.get("endpoint") or _network(document, region, interface), cacert, url)


def without_login(url: str) -> str:
    """A URL without the name and password that somebody put before its address: they are not used, nor shown."""
    return re.sub(r"(?<=//)[^/]*@", "", url)


def _said(environment: Mapping[str, str]) -> tuple[dict[str, str], str, str, str]:
    """The values of ``NAMES``, the type of authentication, region and interface; variables win over the file."""
    cloud = _cloud(environment)
    given = {name: str(value) for name, value in {**cloud, **(cloud.get("auth") or {})}.items() if name in NAMES}
    given |= {name: environment[f"OS_{name.upper()}"] for name in NAMES if environment.get(f"OS_{name.upper()}")}
    kind = environment.get("OS_AUTH_TYPE") or str(cloud.get("auth_type", ""))
    region = environment.get("OS_REGION_NAME") or str(cloud.get("region_name", ""))
    interface = environment.get("OS_INTERFACE") or str(cloud.get("interface", "public"))
    return given, kind, region, interface.removesuffix("URL")


def _cloud(environment: Mapping[str, str]) -> dict[str, Any]:
    name = environment.get("OS_CLOUD", "")
    if not name:
        return {}
    places = (environment.get("OS_CLIENT_CONFIG_FILE", ""), *FILES)
    path = next((path for path in (Path(place).expanduser() for place in places if place) if path.is_file()), None)
    if path is None:
        raise BadRequest(f"Cloud {name}: there is no clouds.yaml.", f"Write {FILES[1]}, or leave OS_CLOUD out.")
    try:
        clouds = msgspec.convert(read_yaml(path.read_text(encoding="utf-8")) or {}, _Clouds).clouds or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise BadRequest(f"{path}: not a file of clouds.", "Correct it.") from error
    found = clouds.get(name)
    if not isinstance(found, dict):
        raise BadRequest(f"{path}: there is no cloud {name}.", f"Set OS_CLOUD to one of {', '.join(map(str, clouds))}.")
    if not isinstance(found.get("auth") or {}, dict):
        raise BadRequest(f"{path}: auth of cloud {name} is no mapping.", "Write auth: {auth_url: URL, username: NAME}.")
    return found


def _named(said: Mapping[str, str], kind: str, name: str = "") -> dict[str, Any]:
    """A user or project by id, or by name and domain."""
    if f"{kind}_id" in said:
        return {"id": said[f"{kind}_id"]}
    domain = {"id": said[f"{kind}_domain_id"]} if f"{kind}_domain_id" in said else None
    return {"name": name, "domain": domain or {"name": said.get(f"{kind}_domain_name", "Default")}}


def _body(said: Mapping[str, str]) -> dict[str, Any]:
    """The body of a login with an application credential, a token or a password."""
    user = _named(said, "user", said.get("username", ""))
    if "application_credential_secret" in said:
        credential: dict[str, Any] = {"secret": said["application_credential_secret"]}
        if "application_credential_id" in said:
            credential["id"] = said["application_credential_id"]
        else:
            credential |= {"name": said.get("application_credential_name", ""), "user": user}
        return {"identity": {"methods": ["application_credential"], "application_credential": credential}}
    if "token" in said:
        identity: dict[str, Any] = {"methods": ["token"], "token": {"id": said["token"]}}
    else:
        identity = {"methods": ["password"], "password": {"user": {**user, "password": said.get("password", "")}}}
    if "project_id" in said or "project_name" in said:
        return {"identity": identity, "scope": {"project": _named(said, "project", said.get("project_name", ""))}}
    return {"identity": identity}


def _log_in(url: str, auth: dict[str, Any], trusted: Callable[[], ssl.SSLContext]) -> tuple[str, _Document]:
    """The token and its document."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadRequest(f"{url}: not a URL ({error}).", "Correct OS_AUTH_URL.") from error
    connection = (
        http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=trusted())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    )
    try:
        body = msgspec.json.encode({"auth": auth})
        connection.request("POST", f"{parts.path}/auth/tokens", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        token = answer.headers.get("X-Subject-Token", "")
    except ssl.SSLCertVerificationError as error:
        raise ServiceUnavailable(
            f"{url}: its certificate is not believed ({error.verify_message}).", UNBELIEVED
        ) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ServiceUnavailable(f"{url} does not answer ({error}).", "Correct OS_AUTH_URL.") from error
    finally:
        connection.close()
    if answer.status != 201 or not token or not (token.isascii() and token.isprintable()):
        raise LoginRefused(url, answer.status)
    try:
        return token, msgspec.json.decode(content, type=_Answer).token
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise LoginRefused(url, answer.status) from None


def _network(document: _Document, region: str, interface: str) -> str:
    """Where the catalog says that the network service is; "" when it does not."""
    for service in document.catalog:
        for endpoint in service.endpoints if service.type == "network" else ():
            if endpoint.interface == interface and region in ("", endpoint.region_id):
                return endpoint.url
    return ""


def environment_access(trusted: Callable[[str], ssl.SSLContext]) -> Access:
    """What this process's environment says."""
    return access(os.environ, trusted)
