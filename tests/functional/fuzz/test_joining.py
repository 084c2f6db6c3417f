"""Whoever wants to join or renew says anything: certificates and requests with any byte changed, and nobody gets in.

``PATCHBAY_FUZZ_STEPS`` (requests) and ``PATCHBAY_FUZZ_SEEDS`` make it longer.
"""

import base64
import datetime
import logging
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from patchbay.api import enrolment as enrolment_api
from patchbay.api.asgi import ASGIApp, application
from patchbay.api.errors import error_response, internal_error
from patchbay.api.http import Request as ApiRequest
from patchbay.api.http import Response
from patchbay.intent.database import IntentDatabase
from patchbay.intent.server import EmbeddedServer
from patchbay.service.enrolment.authority import Authority
from patchbay.service.enrolment.registrar import Registrar
from tests.functional.fuzz.requests import MALFORMED, Request
from tests.functional.fuzz.values import NASTY, NOWHERE, Values
from tests.functional.fuzz.world import Complaints, call, check

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(100000)]

STEPS = int(os.environ.get("PATCHBAY_FUZZ_STEPS", "500"))
SEED = os.environ.get("PATCHBAY_FUZZ_SEEDS", "0")


class Joining:
    """A registrar, and papers for it that are genuine or nearly so."""

    def __init__(self, registrar: Registrar, chance: random.Random) -> None:
        self.chance = chance
        self.values = Values(chance, lambda _kind: NOWHERE)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = registrar.authority.issue("h1", key.public_key())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "h1")])
        keys: list[Any] = [key, ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)]
        builder = x509.CertificateSigningRequestBuilder().subject_name(name)
        self.requests = [builder.sign(each, hashes.SHA256()) for each in keys]
        self.requests.append(builder.sign(ed25519.Ed25519PrivateKey.generate(), None))
        now = datetime.datetime.now(datetime.UTC)
        forged = x509.CertificateBuilder().subject_name(name).issuer_name(certificate.issuer).serial_number(7)
        forged = (
            forged.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1)).public_key(key.public_key())
        )
        self.certificates = [certificate, registrar.authority.certificate]
        self.certificates += [forged.sign(each, hashes.SHA256()) for each in keys]
        self.signature = base64.b64encode(key.sign(der_of(self.requests[0]), ec.ECDSA(hashes.SHA256()))).decode()

    def paper(self, kind: str, whole: list[Any]) -> str:
        """One of them as text, mostly with some bytes changed."""
        data = bytearray(der_of(self.chance.choice(whole)))
        for _ in range(self.chance.choice([0, 0, 0, 1, 1, 2, 9])):
            data[self.chance.randrange(len(data))] = self.chance.randrange(256)
        if self.chance.random() < 0.1:
            del data[self.chance.randrange(len(data)) :]
        body = base64.encodebytes(bytes(data)).decode()
        return f"-----BEGIN {kind}-----\n{body}-----END {kind}-----\n"

    def body(self, action: str) -> bytes:
        """What a host says, or what is like it."""
        request = self.paper("CERTIFICATE REQUEST", self.requests)
        if action == "join":
            said: dict[str, Any] = {"host": self.values.one("h1", *NASTY), "secret": "x" * 43, "request": request}
        else:
            certificate = self.paper("CERTIFICATE", self.certificates)
            signature = self.values.one(self.signature, self.signature, "!!!", "", "é")
            said = {"certificate": certificate, "request": request, "signature": signature}
        roll = self.chance.random()
        if roll < 0.1:
            said[self.chance.choice(list(said))] = self.values.nonsense()
        return self.chance.choice(MALFORMED) if roll > 0.97 else msgspec.json.encode(said)


def der_of(paper: Any) -> bytes:
    """As bytes."""
    return bytes(paper.public_bytes(serialization.Encoding.DER))


def answering(registrar: Registrar) -> ASGIApp:
    """The application without its bound of requests, which would leave five in a second."""

    async def answer(request: ApiRequest) -> Response:
        secure = msgspec.structs.replace(request, base_url="https://service")
        return await enrolment_api._answer(registrar, secure)

    return application(answer, error_response, internal_error, enrolment_api.BODY_BYTES)


@pytest_asyncio.fixture(loop_scope="session")
async def registrar(tmp_path: Path) -> AsyncIterator[Registrar]:
    authority = Authority.open(tmp_path / "pki", ["127.0.0.1"])
    server = await EmbeddedServer.start(tmp_path / "state", [], None, authority.files)
    db = await IntentDatabase.open([server.remote])
    found = Registrar(db, authority, server, targets=("pssl:0:127.0.0.1",), intent=(), names=("127.0.0.1",))
    await found.open()
    yield found
    await db.close()
    await server.stop()


async def test_nobody_joins_with_papers_that_are_nearly_right(registrar: Registrar) -> None:
    complaints = Complaints()
    logging.getLogger("patchbay").addHandler(complaints)
    joining = Joining(registrar, random.Random(SEED))
    app = answering(registrar)
    statuses: dict[int, int] = {}
    for _ in range(STEPS):
        action = joining.chance.choice(["join", "renew", "renew", "authority", "x"])
        request = Request(user="", method="POST", path=b"/patchbay/v1/" + action.encode(), body=joining.body(action))
        answer = await call(app, request, [])
        check(request, answer)
        assert not complaints.said, (complaints.said, request.body)
        assert answer.status >= 400, (request, answer)
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
    logging.getLogger("patchbay").removeHandler(complaints)
    assert statuses.get(403, 0) > STEPS / 200, statuses


async def test_a_certificate_whose_issuer_is_no_text_is_none(registrar: Registrar) -> None:
    joining = Joining(registrar, random.Random(SEED))
    data = bytearray(der_of(joining.certificates[0]))
    at = data.index(b"\x55\x04\x03") + 5
    data[at] = 0xFF
    text = f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(bytes(data)).decode()}-----END CERTIFICATE-----\n"
    request = joining.requests[0].public_bytes(serialization.Encoding.PEM).decode()
    body = msgspec.json.encode({"certificate": text, "request": request, "signature": joining.signature})
    answer = await call(
        answering(registrar), Request(user="", method="POST", path=b"/patchbay/v1/renew", body=body), []
    )
    assert (answer.status, answer.json()["NeutronError"]["type"]) == (400, "BadCertificateRequest"), answer


@pytest.mark.parametrize("host", ["h\0", "", "x" * 1000, "a b"])
async def test_a_name_that_no_host_has_is_refused_without_asking_the_database(registrar: Registrar, host: str) -> None:
    joining = Joining(registrar, random.Random(SEED))
    request = joining.requests[0].public_bytes(serialization.Encoding.PEM).decode()
    body = msgspec.json.encode({"host": host, "secret": "x" * 43, "request": request})
    answer = await call(answering(registrar), Request(user="", method="POST", path=b"/patchbay/v1/join", body=body), [])
    assert (answer.status, answer.json()["NeutronError"]["type"]) == (403, "TokenRefused"), answer
