"""The OpenVNet WebAPI as ``vnctl`` sees it: where it is, a request, and its answer or its error.

Called by ``vnctl``. Promises: an answer that is not a success becomes a ``PatchbayError`` with the words of the
service; one that cannot be reached becomes ``ServiceUnavailable`` with what to check.
"""

import http.client
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from patchbay.cli.endpoint import trusted
from patchbay.cli.vnctl_login import USER, LoginWanted, headers_for, user_named
from patchbay.errors import BadRequest, NotFound, PatchbayError, ServiceUnavailable

ADDRESS = re.compile(r"(?:(?P<scheme>https?)://)?(?P<host>\[[0-9a-fA-F:.]+\]|[^/:\[\]]+)(?::(?P<port>[0-9]{1,5}))?/?")
SETTING = re.compile(r"""\s*(?P<name>[a-z_]+)\s*[ =(]\s*["']?(?P<value>[^"'#\s()]+)["']?\)?\s*(#.*)?""")
FILES = ("~/.vnctlrc", "~/.vnctl.conf", "/etc/openvnet/vnctl.conf", "/etc/wakame-vnet/vnctl.conf")
"""Where OpenVNet's own vnctl looks for its configuration; the first that is there counts."""


class Settings(msgspec.Struct, frozen=True):
    """What a configuration file of vnctl may say; names and defaults are those of OpenVNet.

    ``webapi_user`` is ours: who asks, a service that wants to know ("": nobody, or a token in the environment).
    """

    webapi_uri: str = "127.0.0.1"
    webapi_port: str = "9090"
    webapi_version: str = "1.0"
    output_format: str = "json"
    webapi_user: str = ""


class Refused(PatchbayError):
    """The service refused a request; the message is the service's own."""


def settings(files: Sequence[str] = FILES) -> Settings:
    """What the environment (VNET_WEBAPI=ADDRESS:PORT), else the first configuration file there is, says.

    The user is the environment's (VNCTL_WEBAPI_USER) before the file's.
    """
    said = os.environ.get("VNET_WEBAPI")
    found = settings_of(said) if said else _of_file(files)
    user = os.environ.get(USER)
    return found if user is None else msgspec.structs.replace(found, webapi_user=user_named(user))


def _of_file(files: Sequence[str]) -> Settings:
    path = next((path for path in map(Path, map(os.path.expanduser, files)) if path.is_file()), None)
    if path is None:
        return Settings()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(
            f"{path}: cannot be read ({error}).", "Correct it, or name the WebAPI in VNET_WEBAPI."
        ) from error
    found = (SETTING.fullmatch(line) for line in lines)
    named = {match["name"]: match["value"] for match in found if match}
    return msgspec.convert({name: named[name] for name in Settings.__struct_fields__ if name in named}, Settings)


def settings_of(address: str) -> Settings:
    """``ADDRESS:PORT`` as settings; the port is 9090 when it is not given. With https:// it speaks TLS."""
    match = ADDRESS.fullmatch(address)
    if not match:
        raise BadRequest(f"WebAPI {address}: not understood.", "Write ADDRESS:PORT.")
    host = match["host"].strip("[]")
    return Settings(
        webapi_uri=f"https://{host}" if match["scheme"] == "https" else host, webapi_port=match["port"] or "9090"
    )


class WebApi:
    """One WebAPI. The connection is kept open between the requests of one command."""

    def __init__(self, where: Settings, *, timeout_s: float = 60.0) -> None:
        scheme, _, address = where.webapi_uri.rpartition("://")
        host, port = f"[{address}]" if ":" in address else address, int(where.webapi_port)
        self.url = f"{scheme or 'http'}://{host}:{port}"
        self._headers = headers_for(where.webapi_user, self.url)
        self._connection = (
            http.client.HTTPSConnection(
                address, port, timeout=timeout_s, context=trusted(os.environ.get("OS_CACERT", ""))
            )
            if scheme == "https"
            else http.client.HTTPConnection(address, port, timeout=timeout_s)
        )

    def request(self, method: str, path: str, parameters: Mapping[str, str]) -> bytes:
        """Send one request, with form-encoded parameters, and return the body of its answer."""
        written, headers = urlencode(parameters), {"Accept": "*/*", **self._headers}
        has_body = method in ("POST", "PUT")
        if has_body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif written:
            path = f"{path}?{written}"
        try:
            self._connection.request(method, path, written if has_body else None, headers)
            answer = self._connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise ServiceUnavailable(
                f"The WebAPI at {self.url} does not answer ({error}).",
                "Start it with `patchbay serve`, or name another in VNET_WEBAPI or with --webapi.",
            ) from error
        if answer.status >= 300:
            raise refusal(answer.status, body, self.url)
        return body


def refusal(status: int, body: bytes, url: str) -> PatchbayError:
    """The error that an answer stands for; ``error``, ``message``, ``code`` are OpenVNet's, ``detail`` is ours."""
    try:
        said = msgspec.json.decode(body)
    except msgspec.DecodeError:
        said = None
    if isinstance(said, dict) and isinstance(said.get("error"), dict):
        # Who is not let in hears it in the words of Keystone.
        message = str(said["error"].get("message", ""))
        return LoginWanted(url, message) if status == 401 else Refused(message)
    if not isinstance(said, dict) or "message" not in said:
        return Refused(f"{url} answered {status}, not as an OpenVNet WebAPI does.", "Check VNET_WEBAPI or --webapi.")
    name = str(said.get("error") or "").rpartition("::")[2]
    words = f"{name}: {said['message']}" if name else str(said["message"])
    detail = str(said.get("detail") or "")
    if detail and not words.endswith((".", "!", "?")):  # OpenVNet's own messages have no end
        words += "."
    return NotFound(words, detail) if status == 404 else Refused(words, detail)
