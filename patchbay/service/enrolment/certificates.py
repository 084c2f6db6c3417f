"""Certificates as values: what each kind may be used for, and how it is made. No files, no database.

Keys are on the curve P-256. A server's certificate is good for servers and, for members of a cluster that call each
other, clients; an agent's is good for clients only, so that no host can pass for a server.
"""

import datetime
import ipaddress
from collections.abc import Iterable

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CURVE = ec.SECP256R1()
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""How many keys the curve has (SEC 2, 2.4.2)."""
BACKDATED = datetime.timedelta(minutes=5)
"""So much a host's clock may be behind ours."""

PrivateKey = ec.EllipticCurvePrivateKey


class Issuer(msgspec.Struct, frozen=True):
    """A key that signs certificates, and its own certificate."""

    key: PrivateKey
    certificate: x509.Certificate


def new_key() -> PrivateKey:
    """A random key."""
    return ec.generate_private_key(CURVE)


def derived_key(secret: bytes, purpose: str) -> PrivateKey:
    """The key that follows from a secret and a purpose: every member of a cluster finds the same one."""
    seed = HKDF(algorithm=hashes.SHA256(), length=48, salt=None, info=purpose.encode()).derive(secret)
    return ec.derive_private_key(int.from_bytes(seed, "big") % (ORDER - 1) + 1, CURVE)


def self_signed(key: PrivateKey, name: str, begins: datetime.datetime, life: datetime.timedelta) -> x509.Certificate:
    """The certificate of an authority that signs ends only."""
    builder = (
        _builder(name, key.public_key(), begins, begins + life)
        .issuer_name(_name(name))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return builder.sign(key, hashes.SHA256())


def server_certificate(
    issuer: Issuer, public_key: ec.EllipticCurvePublicKey, name: str, names: Iterable[str], life: datetime.timedelta
) -> x509.Certificate:
    """A certificate for a server that is reached under ``names`` (host names and addresses)."""
    now = utc_now()
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = _end(_builder(name, public_key, now - BACKDATED, now + life), uses, issuer)
    builder = builder.add_extension(x509.SubjectAlternativeName(_general_names(names)), critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


def agent_certificate(
    issuer: Issuer, public_key: ec.EllipticCurvePublicKey, host: str, life: datetime.timedelta
) -> x509.Certificate:
    """A certificate for the agent of a host: its common name is the host's, whatever a request may have said."""
    now = utc_now()
    builder = _end(_builder(host, public_key, now - BACKDATED, now + life), [ExtendedKeyUsageOID.CLIENT_AUTH], issuer)
    return builder.sign(issuer.key, hashes.SHA256())


def is_issued_by(issuer: Issuer, certificate: x509.Certificate) -> bool:
    """Whether this issuer's key has signed it."""
    try:
        certificate.verify_directly_issued_by(issuer.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def common_name(certificate: x509.Certificate) -> str:
    """Whom it was given to; "" if it does not say."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def pem(certificate: x509.Certificate) -> bytes:
    """As text."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: PrivateKey) -> bytes:
    """A private key as text, unencrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate, in hexadecimal digits."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def utc_now() -> datetime.datetime:
    """Now, in whole seconds."""
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def _builder(
    name: str, public_key: ec.EllipticCurvePublicKey, begins: datetime.datetime, ends: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _end(
    builder: x509.CertificateBuilder, uses: list[x509.ObjectIdentifier], issuer: Issuer
) -> x509.CertificateBuilder:
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    return (
        builder.issuer_name(issuer.certificate.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(identifier, critical=False)
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_names(names: Iterable[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in dict.fromkeys(names):
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found
