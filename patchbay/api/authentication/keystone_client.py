"""Two requests to a Keystone: a token for ourselves, and what another token stands for. Blocking; runs in threads."""

import http.client
import ssl
import threading
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec
import yaml

from patchbay.errors import ServiceUnavailable
from patchbay.service.identity.errors import BadIdentityFile
from patchbay.service.yaml_text import read_yaml

TIMEOUT_S = 10.0


class KeystoneSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Keystone is and who we are there; names as in ``[keystone_authtoken]``."""

    auth_url: str
    username: str
    password: str
    project_name: str = "service"
    user_domain_name: str = "Default"
    project_domain_name: str = "Default"
    www_authenticate_uri: str = ""
    cafile: str = ""
    insecure: bool = False

    def __repr__(self) -> str:
        """Without the password."""
        return f"KeystoneSettings({self.auth_url}, {self.username})"


def read_settings(path: Path) -> KeystoneSettings:
    """The settings in a YAML file, which only its owner may read. Raises BadIdentityFile."""
    try:
        if path.stat().st_mode & 0o027:
            raise BadIdentityFile(path, "others may read it, and it holds a password", f"chmod 600 {path}")
        settings = msgspec.convert(read_yaml(path.read_text(encoding="utf-8")), KeystoneSettings)
    except OSError as error:
        raise BadIdentityFile(path, str(error.strerror), "Name a file that the service may read.") from None
    except msgspec.ValidationError as error:
        raise BadIdentityFile(path, str(error)) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise BadIdentityFile(path, "is not YAML") from None
    try:
        KeystoneClient(settings)
    except (OSError, ValueError) as error:
        raise BadIdentityFile(path, f"auth_url or cafile cannot be used: {error}") from None
    return settings


class KeystoneUnavailable(ServiceUnavailable):
    """Keystone does not answer, or not as a Keystone; so nobody can be let in."""

    def __init__(self, url: str, reason: object) -> None:
        super().__init__(f"Keystone at {url} cannot say who asks ({reason}).", "See whether it runs, and its log.")


class KeystoneClient:
    """One Keystone."""

    def __init__(self, settings: KeystoneSettings) -> None:
        self._settings = settings
        self.url = settings.auth_url
        url = settings.auth_url.rstrip("/")
        self._url: SplitResult = urlsplit(url if url.endswith("/v3") else f"{url}/v3")
        self._port = self._url.port
        self._own = ""
        self._turn = threading.Lock()
        self._tls: ssl.SSLContext | None = None
        if self._url.scheme == "https":
            self._tls = ssl.create_default_context(cafile=settings.cafile or None)
            if settings.insecure:
                self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE

    def describe(self, token: str) -> dict[str, Any] | None:
        """Keystone's document of the token; None when it knows no such token. Raises KeystoneUnavailable."""
        used = self._own or self._log_in("")
        status, document = self._describe(used, token)
        if status == 401:
            status, document = self._describe(self._log_in(used), token)
        if status == 404:
            return None
        if status != 200 or not isinstance(document, dict) or "token" not in document:
            raise KeystoneUnavailable(self._settings.auth_url, f"status {status}")
        return document

    def _describe(self, own: str, token: str) -> tuple[int, Any]:
        headers = {"X-Auth-Token": own, "X-Subject-Token": token}
        status, _, document = self._ask("GET", "/auth/tokens?nocatalog", headers)
        return status, document

    def _log_in(self, old: str) -> str:
        """A token of our own other than ``old``, which works no more; one thread gets it for all."""
        with self._turn:
            if self._own != old:
                return self._own
            status, token, _ = self._ask("POST", "/auth/tokens", {"Content-Type": "application/json"}, self._body())
            if status != 201 or not token or not (token.isascii() and token.isprintable()):
                raise KeystoneUnavailable(self._settings.auth_url, f"our own login was answered with {status}")
            self._own = token
            return token

    def _body(self) -> bytes:
        mine = self._settings
        user = {"name": mine.username, "domain": {"name": mine.user_domain_name}, "password": mine.password}
        project = {"name": mine.project_name, "domain": {"name": mine.project_domain_name}}
        identity = {"methods": ["password"], "password": {"user": user}}
        return msgspec.json.encode({"auth": {"identity": identity, "scope": {"project": project}}})

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> tuple[int, str, Any]:
        """Status, X-Subject-Token and decoded body."""
        host, port = self._url.hostname or "", self._port
        connection = (
            http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
            if self._tls is None
            else http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=self._tls)
        )
        try:
            connection.request(method, self._url.path + path, body, {"Accept": "application/json", **headers})
            answer = connection.getresponse()
            content = answer.read()
            subject = answer.headers.get("X-Subject-Token", "")
            return answer.status, subject, msgspec.json.decode(content) if content else None
        except (OSError, http.client.HTTPException, msgspec.DecodeError, ValueError, RecursionError) as error:
            raise KeystoneUnavailable(self._settings.auth_url, type(error).__name__) from error
        finally:
            connection.close()
