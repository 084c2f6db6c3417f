"""Both APIs over TLS: certificates of the service's own or of others, read again on SIGHUP; clients with their own."""

import contextlib
import datetime
import http.client
import json
import signal
import ssl
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from patchbay.service.enrolment.authority import Authority, read_issuer
from patchbay.service.enrolment.certificates import agent_certificate, key_pem, new_key, pem, server_certificate

from .served import Served, free_port


@contextlib.contextmanager
def served(folder: Path, *extra: str) -> Iterator[Served]:
    """A service with these options."""
    service = Served(folder, extra)
    service.start()
    try:
        yield service
    finally:
        service.stop()


class Company:
    """An authority of somebody else's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "company" / "authority.pem"
        Authority.open(folder / "company", [])
        self.issuer = read_issuer(folder / "company" / "authority.key", self.ca)

    def write(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of a server."""
        key = new_key()
        life = datetime.timedelta(days=1)
        files = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        files[0].write_bytes(pem(server_certificate(self.issuer, key.public_key(), name, ["127.0.0.1"], life)))
        files[1].write_bytes(key_pem(key))
        return files


def shown(service: Served) -> str:
    """The common name of the certificate that the service shows."""
    text = ssl.get_server_certificate(("127.0.0.1", service.port))
    return x509.load_pem_x509_certificate(text.encode()).subject.rfc4514_string()


def test_both_apis_answer_over_tls_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    with served(tmp_path, "--vnet-listen", f"127.0.0.1:{port}") as service:
        assert service.get("/v2.0/networks") == (200, b'{"networks":[]}')
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=service.trusting(), timeout=10)
        connection.request("GET", "/api/1.0/networks")
        assert connection.getresponse().status == 200
        for each in (service.port, port):
            plain = http.client.HTTPConnection("127.0.0.1", each, timeout=10)
            plain.request("GET", "/v2.0/networks")
            with pytest.raises((http.client.HTTPException, OSError)):
                plain.getresponse()
        links = json.loads(service.get("/")[1])
        assert "https://127.0.0.1" in json.dumps(links)
        said = service.run("network", "create", "blue", "--endpoint", service.api, code=1)
        assert "is not believed" in said
        monkeypatch.setenv("OS_CACERT", str(service.state / "pki" / "authority.pem"))
        service.run("network", "create", "blue", "--endpoint", service.api)
        assert "blue" in service.run("network", "list", "--endpoint", service.api)
        monkeypatch.setenv("PATCHBAY_CACERT", "/nowhere")
        assert "/nowhere: not a file of certificates" in service.run(
            "network", "list", "--endpoint", service.api, code=1
        )


def test_a_certificate_is_read_again_on_sighup_and_a_bad_one_is_not_taken(tmp_path: Path) -> None:
    company = Company(tmp_path)
    certificate, key = company.write("first")
    with served(tmp_path, f"--tls-cert={certificate}", f"--tls-key={key}") as service:
        assert shown(service) == "CN=first"
        newer, its_key = company.write("second")
        key.write_bytes(its_key.read_bytes())
        certificate.write_bytes(newer.read_bytes())
        assert service.process is not None
        service.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 5
        while shown(service) != "CN=second":
            assert time.monotonic() < end, "the new certificate is not shown"
        certificate.write_text("garbage")
        service.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 5
        while "the certificate stays as it was" not in service.log.read_text():
            assert time.monotonic() < end, "no word of the bad certificate"
        assert shown(service) == "CN=second"
        assert service.get("/v2.0/networks", ssl.create_default_context(cafile=str(company.ca)))[0] == 200


def test_clients_need_a_certificate_where_that_is_asked(tmp_path: Path) -> None:
    company = Company(tmp_path)
    with served(tmp_path, f"--tls-client-ca={company.ca}", "--tls") as service:
        with pytest.raises((urllib.error.URLError, OSError, http.client.HTTPException)):
            service.get("/v2.0/networks")
        key = new_key()
        own = tmp_path / "client.pem"
        life = datetime.timedelta(days=1)
        own.write_bytes(key_pem(key) + pem(agent_certificate(company.issuer, key.public_key(), "me", life)))
        context = service.trusting()
        context.load_cert_chain(own)
        assert service.get("/v2.0/networks", context)[0] == 200


def test_a_client_that_asks_too_often_is_told_so_and_others_go_on(tmp_path: Path) -> None:
    with served(tmp_path, "--requests-per-second=2") as service:
        statuses = [service.get("/v2.0/networks")[0] for _ in range(8)]
        assert statuses[:4] == [200] * 4
        assert 429 in statuses


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--tls-cert=/nowhere",), "--tls-cert and --tls-key go together"),
        (("--tls-cert=/nowhere", "--tls-key=/nowhere"), "/nowhere: not usable for TLS: No such file or directory."),
        (("--no-tls", "--tls-client-ca=/nowhere"), "--tls-client-ca needs --tls"),
        (("--tls", "--tls-client-ca=/nowhere"), "/nowhere: not usable for TLS"),
        (("--intent=unix:/x", "--intent-listen=pssl:6641"), "is not this service's, so it cannot listen at pssl:6641"),
        (("--hosts-listen=127.0.0.1:1",), "Give --intent-listen pssl:PORT:ADDRESS."),
    ],
)
def test_wrong_options_are_told_before_anything_begins(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    service = Served(tmp_path)
    said = (
        "serve",
        f"--state-dir={tmp_path}/state",
        f"--listen=127.0.0.1:{service.port}",
        "--vnet-listen=none",
        *options,
    )
    code = 2 if words.startswith("--") else 1
    assert words in service.run(*said, code=code)
