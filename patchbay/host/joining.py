"""A host's talk with the service's API: to join with a token, and to renew its certificate.

First contact is authenticated by the token: it holds the fingerprint of the authority, and the service's certificate
has to come from there. Nothing secret is said before that is known.
"""

import hashlib
import http.client
import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from patchbay.errors import HostError, PatchbayError
from patchbay.host.credentials import (
    API_CA_FILE,
    AUTHORITY_FILE,
    ENVIRONMENT_FILE,
    HOST_FILE,
    MEMBERSHIP_FILE,
    Membership,
    NotJoined,
    new_key,
    read_identity,
    request_for,
    signature_of,
    write_file,
    write_identity,
)
from patchbay.model.join_token import JoinToken

TIMEOUT_S = 15.0
CLOCK_SKEW_S = 300
"""A certificate is valid from five minutes ago; a host whose clock is further off may find it not valid yet."""
PATH = "/patchbay/v1/"
LARGEST_ANSWER = 1 << 20


class JoinRefused(HostError):
    """This host cannot join, or not there."""


class Granted(msgspec.Struct, frozen=True):
    """What the service answers."""

    certificate: str
    authority: str
    intent: tuple[str, ...]


class _Authority(msgspec.Struct, frozen=True):
    certificate: str
    time: float


class Api:
    """The service's paths for hosts at ``url``."""

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        parts = urlsplit(url if "://" in url else f"https://{url}")
        try:
            self.host, port = parts.hostname or "", parts.port or 9696
        except ValueError:
            self.host = ""
        if parts.scheme != "https" or not self.host:
            raise JoinRefused(
                f"{url}: not a URL to join at: a token must not be sent unencrypted.", "Write https://ADDRESS:PORT."
            )
        self.url = url
        self._prefix = parts.path.rstrip("/")
        self._connection = http.client.HTTPSConnection(self.host, port, timeout=TIMEOUT_S, context=context)

    def ask(self, method: str, action: str, body: Any = None) -> bytes:
        """The answer's body. Raises JoinRefused with the service's words."""
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json", "Connection": "close"}
        try:
            self._connection.request(method, f"{self._prefix}{PATH}{action}", data, headers)
            answer = self._connection.getresponse()
            content = answer.read(LARGEST_ANSWER)
        except ssl.SSLCertVerificationError as error:
            raise JoinRefused(
                f"The service at {self.url} has a certificate that is not to be believed: {error.verify_message}.",
                "If its certificate is not from its own authority, name whose it is with --cacert FILE.",
            ) from error
        except (OSError, http.client.HTTPException) as error:
            spoken = "what answers there speaks no TLS" if "WRONG_VERSION" in str(error) else str(error)
            raise JoinRefused(
                f"The service at {self.url} does not answer over TLS: {spoken}.",
                "Is --api right? It is where --hosts-listen of the service says, or its API if that has --tls.",
            ) from error
        finally:
            self._connection.close()
        if answer.status >= 300:
            raise _refusal(self.url, answer.status, content)
        return content


def join(url: str, token: JoinToken, folder: str, api_ca: str | None = None) -> Granted:
    """Make this host a member: key, certificate and the agent's settings in ``folder``. Raises JoinRefused."""
    _writable(folder)
    trust = _context(api_ca) if api_ca else None
    said = _decoded(Api(url, trust or _blind()).ask("GET", "authority"), _Authority)
    found = hashlib.sha256(ssl.PEM_cert_to_DER_cert(said.certificate)).hexdigest()
    if found != token.fingerprint:
        raise JoinRefused(
            f"The service at {url} is not the one that made this token: its authority's fingerprint is {found[:16]}…, "
            f"the token's {token.fingerprint[:16]}….",
            "Check --api; if it is right, somebody is in between.",
        )
    skew_s = time.time() - said.time
    if abs(skew_s) > CLOCK_SKEW_S:
        raise JoinRefused(
            f"This host's clock is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the service's.",
            "Set it (NTP) and join again; the token was not used.",
        )
    key = new_key()
    body = {"host": token.host, "secret": token.secret, "request": request_for(key, token.host)}
    api = Api(url, trust or _pinned(said.certificate))
    granted = _decoded(api.ask("POST", "join", body), Granted)
    _keep(folder, Membership(token.host, url), said.certificate, api_ca)
    write_identity(folder, key, granted.certificate, token.host)
    intent = tuple(remote.replace("ssl::", f"ssl:{_bracketed(api.host)}:") for remote in granted.intent)
    _write_settings(folder, token.host, intent)
    return Granted(granted.certificate, granted.authority, intent)


def renew(folder: str) -> float:
    """Another key and certificate; until when they are good. Raises JoinRefused or NotJoined."""
    identity = read_identity(folder)
    try:
        membership = msgspec.json.decode(Path(folder, MEMBERSHIP_FILE).read_bytes(), type=Membership)
        own_ca = Path(folder, API_CA_FILE)
        trusted = Path(folder, AUTHORITY_FILE).read_text()
    except (OSError, msgspec.DecodeError) as error:
        raise NotJoined(f"{folder} does not say where this host has joined: {error}.", "Join again.") from error
    context = _context(str(own_ca)) if own_ca.exists() else _pinned(trusted)
    key = new_key()
    request = request_for(key, membership.host)
    body = {
        "certificate": identity.certificate,
        "request": request,
        "signature": signature_of(identity.key, request),
    }
    granted = _decoded(Api(membership.api, context).ask("POST", "renew", body), Granted)
    write_identity(folder, key, granted.certificate, membership.host)
    return read_identity(folder).ends_at


def _keep(folder: str, membership: Membership, authority: str, api_ca: str | None) -> None:
    write_file(Path(folder, AUTHORITY_FILE), authority.encode(), 0o644)
    if api_ca:
        write_file(Path(folder, API_CA_FILE), Path(api_ca).read_bytes(), 0o644)
    else:
        Path(folder, API_CA_FILE).unlink(missing_ok=True)
    write_file(Path(folder, MEMBERSHIP_FILE), msgspec.json.encode(membership), 0o644)


def _write_settings(folder: str, host: str, intent: tuple[str, ...]) -> None:
    """What the unit patchbay-agent reads besides /etc/default/patchbay-agent."""
    lines = (
        "# Written by `patchbay host join`.",
        f"PATCHBAY_AGENT_HOST={host}",
        f"PATCHBAY_AGENT_INTENT={','.join(intent)}",
        f"PATCHBAY_AGENT_CREDENTIALS={folder}",
    )
    write_file(Path(folder, ENVIRONMENT_FILE), ("\n".join(lines) + "\n").encode(), 0o644)


def _writable(folder: str) -> None:
    """Raises JoinRefused unless files can be made there: a token must not be spent for nothing."""
    try:
        Path(folder).mkdir(mode=0o755, parents=True, exist_ok=True)
        probe = Path(folder, f".{HOST_FILE}.probe")
        write_file(probe, b"", 0o600)
        probe.unlink()
    except OSError as error:
        raise JoinRefused(f"{folder} cannot be written: {error.strerror}.", "Join as root.") from error


def _blind() -> ssl.SSLContext:
    """For the one question whose answer the token proves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _pinned(authority: str) -> ssl.SSLContext:
    """Servers of this authority, under whatever name: it makes certificates for servers of the service only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=authority)
    return context


def _context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise JoinRefused(f"{ca_file} cannot be used: {error.strerror or error}.", "Name a PEM file.") from error


def _decoded(content: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError:
        raise JoinRefused("What answers there is no Patchbay service that hosts join at.", "Check --api.") from None


def _refusal(url: str, status: int, content: bytes) -> PatchbayError:
    try:
        error = msgspec.json.decode(content)["NeutronError"]
        return JoinRefused(str(error["message"]), str(error.get("detail", "")))
    except (msgspec.DecodeError, KeyError, TypeError):
        return JoinRefused(
            f"The service at {url} lets no hosts join ({status}).",
            "Start it with --tls and --intent-listen pssl:PORT:ADDRESS.",
        )


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
