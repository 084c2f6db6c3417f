"""The authority in the state directory: its keys and certificates as files that only the service can read.

Two issuers. *Servers* get certificates from one that is made once and that every host keeps. *Agents* get theirs from
one that is derived from a secret and a number in the intent database: when a host is removed the number rises, all
certificates of before are refused at once, and the hosts that stay get new ones (ovsdb-server knows no lists of revoked
certificates). The members of a cluster share the folder's ``authority.key``, ``authority.pem`` and ``agents.secret``.
"""

import datetime
import os
import secrets
import tempfile
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from patchbay.errors import BadRequest
from patchbay.intent.server import ServerFiles
from patchbay.service.enrolment.certificates import (
    Issuer,
    agent_certificate,
    derived_key,
    fingerprint,
    is_issued_by,
    key_pem,
    new_key,
    pem,
    self_signed,
    server_certificate,
    utc_now,
)

YEARS = datetime.timedelta(days=3650)
SERVER_LIFE = datetime.timedelta(days=397)
DEFAULT_AGENT_LIFE_S = 24 * 3600
AUTHORITY_NAME, AGENTS_NAME, SERVER_NAME = "Patchbay authority", "Patchbay agents", "patchbay-server"


class AuthorityUnusable(BadRequest):
    """The files of the authority cannot be read or made."""


class Authority:
    """See the module. ``certificate`` is what hosts believe servers by."""

    def __init__(self, folder: Path, servers: Issuer, secret: bytes, agent_life_s: float) -> None:
        self.folder = folder
        self.certificate = servers.certificate
        self.agent_life = datetime.timedelta(seconds=agent_life_s)
        self.files = ServerFiles(folder / "server.key", folder / "server.pem", folder / "clients.pem")
        self._servers = servers
        self._secret = secret
        self._number = 0
        self._agents = self.issuer(0)

    @classmethod
    def open(cls, folder: Path, names: Iterable[str], agent_life_s: float = DEFAULT_AGENT_LIFE_S) -> "Authority":
        """The authority of this folder, made if there is none; with a new certificate for this server.

        ``names`` are the host names and addresses under which the server is reached. No agent is let in before
        ``use`` says which certificates count. Raises AuthorityUnusable.
        """
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not (folder / "authority.pem").exists():
                _make(folder)
            servers = read_issuer(folder / "authority.key", folder / "authority.pem")
            authority = cls(folder, servers, (folder / "agents.secret").read_bytes(), agent_life_s)
            authority.renew_server(names)
            write_private(authority.files.clients, pem(authority.certificate))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise AuthorityUnusable(
                f"The authority in {folder} cannot be used: {reason}.",
                "Its files must be readable by the service; a cluster's members share them.",
            ) from error
        return authority

    @property
    def fingerprint(self) -> str:
        """Of the certificate by which hosts believe servers."""
        return fingerprint(self.certificate)

    def renew_server(self, names: Iterable[str]) -> None:
        """A new key and certificate for this server."""
        key = new_key()
        certificate = server_certificate(self._servers, key.public_key(), SERVER_NAME, names, SERVER_LIFE)
        write_private(self.files.key, key_pem(key))
        write_private(self.files.certificate, pem(certificate))

    def use(self, number: int) -> None:
        """Agents need certificates of this number from now on; the server's own are good too (for a cluster)."""
        self._number, self._agents = number, self.issuer(number)
        write_private(self.files.clients, pem(self._agents.certificate) + pem(self.certificate))

    def issue(self, host: str, public_key: ec.EllipticCurvePublicKey) -> x509.Certificate:
        """A certificate for the agent of a host."""
        return agent_certificate(self._agents, public_key, host, self.agent_life)

    @property
    def number(self) -> int:
        """Which certificates of agents count now."""
        return self._number

    def issuer_of(self, certificate: x509.Certificate) -> Issuer | None:
        """Who of ours has signed an agent's certificate, now or before a removal; None: somebody else has."""
        words = certificate.issuer.rfc4514_string().rpartition(" ")
        if words[0] != f"CN={AGENTS_NAME}" or not words[2].isdecimal() or int(words[2]) > self._number:
            return None
        issuer = self.issuer(int(words[2]))
        return issuer if is_issued_by(issuer, certificate) else None

    def issuer(self, number: int) -> Issuer:
        """The agents' issuer of that number.

        It is alike on every member of a cluster, but for the serial number and the signature of its certificate.
        """
        key = derived_key(self._secret, f"agents {number}")
        begins = self._servers.certificate.not_valid_before_utc
        return Issuer(key, self_signed(key, f"{AGENTS_NAME} {number}", begins, YEARS))


def read_issuer(key_file: Path, certificate_file: Path) -> Issuer:
    """An issuer from its files. Raises OSError or ValueError."""
    key = load_pem_private_key(key_file.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{key_file} holds no key on an elliptic curve")
    return Issuer(key, x509.load_pem_x509_certificate(certificate_file.read_bytes()))


def write_private(path: Path, content: bytes) -> None:
    """Put a file in place at once, readable by its owner only from the first moment."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _make(folder: Path) -> None:
    key = new_key()
    write_private(folder / "agents.secret", secrets.token_bytes(32))
    write_private(folder / "authority.key", key_pem(key))
    begins = utc_now() - datetime.timedelta(hours=1)
    write_private(folder / "authority.pem", pem(self_signed(key, AUTHORITY_NAME, begins, YEARS)))
