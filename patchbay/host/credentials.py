"""A host's own key and certificate, as files: made when it joins, renewed while it lives.

The key is made here and never leaves; with its certificate it is one file, put in place at once, so that the two always
belong together.
"""

import base64
import os
import tempfile
import time
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from patchbay.errors import HostError
from patchbay.ovsdb import Credentials

HOST_FILE, AUTHORITY_FILE, MEMBERSHIP_FILE, API_CA_FILE = "host.pem", "authority.pem", "membership.json", "api-ca.pem"
ENVIRONMENT_FILE = "agent.env"


class Membership(msgspec.Struct, frozen=True):
    """Where a host has joined: its name there, and the API's URL."""

    host: str
    api: str


class NotJoined(HostError):
    """This host has no certificate, or one that cannot be read."""


def credentials_in(folder: str) -> Credentials:
    """The files of a host in this folder, whether they are there or not."""
    return Credentials(certificate=str(Path(folder, HOST_FILE)), authority=str(Path(folder, AUTHORITY_FILE)))


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key for a host."""
    return ec.generate_private_key(ec.SECP256R1())


def request_for(key: ec.EllipticCurvePrivateKey, host: str) -> str:
    """A request for the certificate of a host (PKCS #10)."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def signature_of(key: ec.EllipticCurvePrivateKey, request: str) -> str:
    """By the old key, that who asks for another certificate is who has this one."""
    signed = x509.load_pem_x509_csr(request.encode()).public_bytes(serialization.Encoding.DER)
    return base64.b64encode(key.sign(signed, ec.ECDSA(hashes.SHA256()))).decode()


class Identity(msgspec.Struct, frozen=True):
    """What ``host.pem`` holds. Times are Unix seconds."""

    key: ec.EllipticCurvePrivateKey
    certificate: str
    begins_at: float
    ends_at: float

    def renew_at(self) -> float:
        """When half of its life is over."""
        return (self.begins_at + self.ends_at) / 2


def read_identity(folder: str) -> Identity:
    """The key and certificate of this host. Raises NotJoined."""
    path = Path(folder, HOST_FILE)
    try:
        content = path.read_bytes()
        key = serialization.load_pem_private_key(content, None)
        certificate = x509.load_pem_x509_certificate(content)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it holds no key and certificate"
        raise NotJoined(f"{path} cannot be used: {reason}.", "Join this host: patchbay host join.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise NotJoined(f"{path} holds a key of another kind.", "Join this host again: patchbay host join.")
    return Identity(
        key,
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
    )


def write_identity(folder: str, key: ec.EllipticCurvePrivateKey, certificate: str, host: str) -> None:
    """A new key and certificate in the place of the old. Raises NotJoined when they do not belong together."""
    parsed = x509.load_pem_x509_certificate(certificate.encode())
    names = parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if parsed.public_key() != key.public_key() or not names or names[0].value != host:
        raise NotJoined(f"The service answered with a certificate that is not for host {host} and its key.")
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_file(Path(folder, HOST_FILE), text + certificate.encode(), 0o600)


def write_file(path: Path, content: bytes, mode: int) -> None:
    """Put a file in place at once, on the disk."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def is_expired(identity: Identity) -> bool:
    """Whether servers refuse the certificate because of its age."""
    return time.time() >= identity.ends_at
