"""Lets hosts in and out: what the API asks when a host joins or renews, and what follows from the rows of hosts.

One per service. ``run`` follows the rows: a host that has joined gets its Host row, one that was removed loses it, and
each removal makes ovsdb-server ask every host for a certificate of the new number.
"""

import asyncio
import binascii
import datetime
import logging
import uuid
from base64 import b64decode
from collections.abc import Iterable

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from patchbay.errors import BadRequest, IntentError
from patchbay.intent.database import Change, Delete, Insert, IntentDatabase, Write
from patchbay.intent.roles import write_roles
from patchbay.intent.server import EmbeddedServer
from patchbay.model import Host
from patchbay.ovsdb import OvsdbError, Replica
from patchbay.service.enrolment.authority import SERVER_LIFE, Authority
from patchbay.service.enrolment.book import (
    COLUMNS,
    NotMember,
    check_member,
    check_token,
    entry_of,
    note_renewal,
    spend_token,
)
from patchbay.service.enrolment.certificates import common_name, pem, utc_now

logger = logging.getLogger("patchbay.hosts")

GRACE = datetime.timedelta(days=30)
"""So long after its certificate has expired may a host, back from repair, still ask for another."""
AGAIN_S = 2.0


class BadCertificateRequest(BadRequest):
    """What came is no request for a certificate, or not by whom it says."""


class Granted(msgspec.Struct, frozen=True):
    """A new certificate of a host, whom it is to believe, and where the intent database is (``ssl:ADDRESS:PORT``).

    In ``intent``, an empty address means: where the API is.
    """

    certificate: str
    authority: str
    intent: tuple[str, ...]


class Registrar:
    """See the module. ``targets`` are where the embedded server listens for agents (``pssl:PORT:ADDRESS``)."""

    def __init__(
        self,
        db: IntentDatabase,
        authority: Authority,
        server: EmbeddedServer,
        *,
        targets: Iterable[str],
        intent: tuple[str, ...],
        names: tuple[str, ...],
    ) -> None:
        self.authority = authority
        self._db = db
        self._server = server
        self._targets = tuple(targets)
        self._intent = intent
        self._names = names
        self._wake = asyncio.Event()
        self._replica = Replica(db.connection, {"Enrolment": COLUMNS, "Patchbay": ("authority",)})
        self._renew_server_at = utc_now() + SERVER_LIFE / 2

    # --- what the API asks --------------------------------------------------------------------------------------------

    async def join(self, host: str, secret: str, request: str) -> Granted:
        """The first certificate of a host, for its token. Raises TokenRefused or BadCertificateRequest."""
        key = _requested_key(request)
        await check_token(self._db.connection, host, secret)
        certificate = self.authority.issue(host, key)
        ends = int(certificate.not_valid_after_utc.timestamp())
        await spend_token(self._db.connection, host, secret, serial_of(certificate), ends)
        logger.info("a host has joined", extra={"host": host, "until": str(certificate.not_valid_after_utc)})
        return self._granted(certificate)

    async def renew(self, certificate: str, request: str, signature: str) -> Granted:
        """Another certificate for a host that has one; the request is signed with the key of that one.

        Raises NotMember or BadCertificateRequest.
        """
        key = _requested_key(request)
        shown = self._shown(certificate)
        _check_signature(shown, request, signature)
        host = common_name(shown)
        await check_member(self._db.connection, host, serial_of(shown))
        new = self.authority.issue(host, key)
        ends = int(new.not_valid_after_utc.timestamp())
        await note_renewal(self._db.connection, host, (serial_of(shown), serial_of(new)), ends)
        logger.info("a host has a new certificate", extra={"host": host, "until": str(new.not_valid_after_utc)})
        return self._granted(new)

    def _granted(self, certificate: x509.Certificate) -> Granted:
        return Granted(pem(certificate).decode(), pem(self.authority.certificate).decode(), self._intent)

    def _shown(self, text: str) -> x509.Certificate:
        try:
            certificate = x509.load_pem_x509_certificate(text.encode())
            is_ours = self.authority.issuer_of(certificate) is not None
        except Exception as error:  # the parser reads each field when it is asked for, and has errors of many kinds
            raise BadCertificateRequest("The certificate that was shown is none.") from error
        if not is_ours:
            raise NotMember("The certificate that was shown is not from this service's authority.")
        if certificate.not_valid_after_utc + GRACE < utc_now():
            host = common_name(certificate)
            raise NotMember(
                f"The certificate of host {host} expired at {certificate.not_valid_after_utc}, too long ago.",
                f"Join again with a token: patchbay host token create --host {host}",
            )
        return certificate

    # --- what follows from the rows -----------------------------------------------------------------------------------

    async def open(self) -> None:
        """Agents are let in from now on, with the role of agents."""
        self._replica.subscribe(lambda _changes: self._wake.set())
        await self._replica.start()
        self.authority.use(self._number())
        await write_roles(self._db.connection, self._targets, is_alone=not self._db.connection.is_clustered)
        await self._server.open_connections()
        self._db.subscribe(self._note)

    async def run(self) -> None:
        """Follow the rows for ever."""
        while True:
            self._wake.clear()
            is_settled = False
            try:
                await self._settle()
                is_settled = True
            except (IntentError, OvsdbError) as error:
                logger.warning("hosts that came or went: %s", error.message, extra={"remedy": error.remedy})
            try:
                async with asyncio.timeout(3600 if is_settled else AGAIN_S):
                    await self._wake.wait()
            except TimeoutError:
                self._renew_server()

    async def _settle(self) -> None:
        number = self._number()
        if number != self.authority.number:
            self.authority.use(number)
            await self._server.end_sessions()
            logger.info("a host was removed: every host needs a new certificate", extra={"number": number})
            await self._db.in_sync.wait()
        writes: list[Write] = []
        for entry in map(entry_of, map(dict, self._replica.rows("Enrolment").values())):
            row = self._db.host_named(entry.host)
            if entry.is_member and row is None:
                writes.append(Insert(Host(id=str(uuid.uuid4()), name=entry.host)))
            elif entry.removed_at and row is not None:
                plugs = self._db.plugs_by_host.get(entry.host, ())
                writes += [Delete(row), *(Delete(self._db.plugs[plug_id]) for plug_id in plugs)]
                logger.info("a host is gone", extra={"host": entry.host})
        await self._db.transact(*writes)

    def _number(self) -> int:
        return max((int(str(row["authority"])) for row in self._replica.rows("Patchbay").values()), default=0)

    def _note(self, changes: list[Change]) -> None:
        if any(
            (isinstance(change.old, Host) and change.new is None)
            or (isinstance(change.new, Host) and change.old is None)
            for change in changes
        ):
            self._wake.set()

    def _renew_server(self) -> None:
        if utc_now() < self._renew_server_at:
            return
        try:
            self.authority.renew_server(self._names)
            self._renew_server_at = utc_now() + SERVER_LIFE / 2
        except OSError as error:
            logger.error("no new certificate for this server: %s", error.strerror)


def serial_of(certificate: x509.Certificate) -> str:
    """Its serial number, as it is stored."""
    return f"{certificate.serial_number:x}"


def _requested_key(request: str) -> ec.EllipticCurvePublicKey:
    """The key of a request, which its sender has. Nothing else of it counts. Raises BadCertificateRequest."""
    try:
        parsed = x509.load_pem_x509_csr(request.encode())
        key = parsed.public_key()
        is_good = parsed.is_signature_valid and isinstance(key, ec.EllipticCurvePublicKey)
    except Exception as error:  # the parser has errors of many kinds for what strangers send
        raise BadCertificateRequest("The request for a certificate cannot be read.") from error
    if not is_good or not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise BadCertificateRequest("The request for a certificate is not signed with a key on the curve P-256.")
    return key


def _check_signature(certificate: x509.Certificate, request: str, signature: str) -> None:
    key = certificate.public_key()
    try:
        signed = x509.load_pem_x509_csr(request.encode()).public_bytes(serialization.Encoding.DER)
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise InvalidSignature
        key.verify(b64decode(signature, validate=True), signed, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        raise NotMember("Who asks has not the key of the certificate that was shown.") from None


__all__ = ["BadCertificateRequest", "Granted", "Registrar", "serial_of"]
