"""A new host joins a service, as a new user would do it: the right way, and every wrong one."""

import datetime
import http.client
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from patchbay.host import joining
from patchbay.host.credentials import request_for
from patchbay.model.join_token import parse_token
from patchbay.service.enrolment.authority import Authority, read_issuer
from patchbay.service.enrolment.certificates import key_pem, new_key, pem, server_certificate

from .served import PATCHBAY, Served


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service that hosts join at."""
    served = Served(tmp_path_factory.mktemp("service"))
    served.start()
    yield served
    served.stop()


def ask(service: Served, folder: Path, *operations: object) -> str:
    """What the intent database says to who has the files of a host."""
    files = [
        f"--private-key={folder}/host.pem",
        f"--certificate={folder}/host.pem",
        f"--ca-cert={folder}/authority.pem",
    ]
    text = json.dumps(["Patchbay", *operations])
    remote = f"ssl:127.0.0.1:{service.intent_port}"
    command = ["ovsdb-client", "--timeout=5", *files, "transact", remote, text]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


HOSTS = {"op": "select", "table": "Host", "where": [], "columns": ["name"]}


def test_a_host_joins_with_a_token_and_is_known(service: Served, tmp_path: Path) -> None:
    token = service.token("compute1")
    assert "Host compute1 has joined" in service.join(token, tmp_path / "etc")
    assert (tmp_path / "etc/host.pem").stat().st_mode & 0o777 == 0o600
    assert "PATCHBAY_AGENT_HOST=compute1\n" in (tmp_path / "etc/agent.env").read_text()
    assert f"PATCHBAY_AGENT_INTENT=ssl:127.0.0.1:{service.intent_port}\n" in (tmp_path / "etc/agent.env").read_text()
    certificate = x509.load_pem_x509_certificate((tmp_path / "etc/host.pem").read_bytes())
    assert certificate.subject.rfc4514_string() == "CN=compute1"
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc < datetime.timedelta(days=1, minutes=6)
    assert '"compute1"' in ask(service, tmp_path / "etc", HOSTS)
    assert "compute1\tjoined 20" in service.run("host", "members", f"--state-dir={service.state}")
    hosts = [agent["host"] for agent in json.loads(service.get("/v2.0/agents")[1])["agents"]]
    assert "compute1" in hosts


def test_a_token_is_good_once(service: Served, tmp_path: Path) -> None:
    token = service.token("once")
    service.join(token, tmp_path / "first")
    said = service.join(token, tmp_path / "second", code=1)
    assert "The token for host once was used before. Make one with: patchbay host token create --host once" in said
    assert not (tmp_path / "second/host.pem").exists()


def test_of_many_who_use_a_token_at_once_one_joins(service: Served, tmp_path: Path) -> None:
    token = parse_token(service.token("raced"))
    assert token is not None
    outcomes: list[str] = []

    def attempt(number: int) -> None:
        try:
            joining.join(service.api, token, str(tmp_path / str(number)))
            outcomes.append("joined")
        except joining.JoinRefused as error:
            outcomes.append(error.message)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes)[-1] == "joined"
    assert outcomes.count("joined") == 1
    assert {one for one in outcomes if one != "joined"} == {"The token for host raced was used before."}


def test_an_expired_token_says_since_when(service: Served, tmp_path: Path) -> None:
    token = service.token("late", "--ttl=1")
    time.sleep(1.1)  # the token's own life: nothing to wait for but the clock
    assert "The token for host late expired" in service.join(token, tmp_path / "etc", code=1)
    assert "late\ttoken expired" in service.run("host", "members", f"--state-dir={service.state}")


def test_a_newer_token_replaces_the_older(service: Served, tmp_path: Path) -> None:
    old, new = service.token("twice"), service.token("twice")
    assert "not the token for host twice, or a newer one was made" in service.join(old, tmp_path / "etc", code=1)
    service.join(new, tmp_path / "etc")


def test_a_token_for_one_host_is_none_for_another(service: Served, tmp_path: Path) -> None:
    token = service.token("web1")
    assert "The token is for host web1, and this one is web2." in service.join(
        token, tmp_path / "etc", "--host=web2", code=1
    )
    service.token("web2")
    parsed = parse_token(token)
    assert parsed is not None
    forged = str(type(parsed)("web2", parsed.fingerprint, parsed.secret))
    assert "not the token for host web2" in service.join(forged, tmp_path / "etc", code=1)
    service.join(token, tmp_path / "etc", "--host=web1")


@pytest.mark.parametrize("token", ["", "garbage", "pbjoin1.x.y.z", "pbjoin1." + "A" * 100, "\x00", "пароль"])
def test_what_is_no_token_is_said_to_be_none(service: Served, tmp_path: Path, token: str) -> None:
    said = service.join(token, tmp_path / "etc", code=1)
    assert "This is not a token, or not a whole one." in said


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 65, "a\tb", "a\nb"])
def test_a_bad_name_gets_no_token(service: Served, name: str) -> None:
    said = service.run("host", "token", "create", f"--host={name}", f"--state-dir={service.state}", code=1)
    assert "is no name for a host" in said


def test_an_unencrypted_service_gets_no_token(service: Served, tmp_path: Path) -> None:
    token = service.token("plain")
    said = service.join(token, tmp_path / "etc", api=service.api.replace("https", "http"), code=1)
    assert "a token must not be sent unencrypted" in said
    assert "does not answer over TLS" in service.join(token, tmp_path / "etc", api="https://127.0.0.1:1", code=1)
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def answer() -> None:
            taken, _ = plain.accept()
            with taken:
                taken.recv(4096)
                taken.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        said = service.join(token, tmp_path / "etc", api=f"https://127.0.0.1:{plain.getsockname()[1]}", code=1)
        thread.join()
    assert "what answers there speaks no TLS. Is --api right? It is where --hosts-listen" in said
    service.join(token, tmp_path / "etc")


def test_a_false_service_does_not_get_the_token(service: Served, tmp_path: Path) -> None:
    token = service.token("lured")
    false = Served(tmp_path)
    false.start()
    try:
        said = service.join(token, tmp_path / "etc", api=false.api, code=1)
        assert "is not the one that made this token" in said
        assert "authority" in false.log.read_text()
        assert "join" not in false.log.read_text()
    finally:
        false.stop()
    service.join(token, tmp_path / "etc")


def test_a_clock_that_is_off_is_told_and_the_token_is_not_used(
    service: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = parse_token(service.token("skewed"))
    assert token is not None
    real = time.time
    for off_s, words in ((-7200, "7200 s behind"), (3600, "3600 s ahead of")):
        monkeypatch.setattr(joining.time, "time", lambda off_s=off_s: real() + off_s)
        with pytest.raises(joining.JoinRefused, match=f"This host's clock is .*{words[-6:]}"):
            joining.join(service.api, token, str(tmp_path / "etc"))
    monkeypatch.undo()
    joining.join(service.api, token, str(tmp_path / "etc"))


def test_a_folder_that_cannot_be_written_costs_no_token(service: Served, tmp_path: Path) -> None:
    token = service.token("readonly")
    (tmp_path / "file").write_text("")
    assert "cannot be written" in service.join(token, tmp_path / "file", code=1)
    service.join(token, tmp_path / "etc")


def test_the_key_stays_on_the_host_and_the_request_s_name_does_not_count(service: Served, tmp_path: Path) -> None:
    """Who asks for another name gets the one of the token."""
    token = parse_token(service.token("honest"))
    assert token is not None
    key = new_key()
    authority = (service.state / "pki/authority.pem").read_text()
    api = joining.Api(service.api, joining._pinned(authority))
    body = {"host": "honest", "secret": token.secret, "request": request_for(key, "compute1")}
    granted = json.loads(api.ask("POST", "join", body))
    certificate = x509.load_pem_x509_certificate(granted["certificate"].encode())
    assert certificate.subject.rfc4514_string() == "CN=honest"
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize(
    ("action", "body", "status"),
    [
        ("join", b"", 400),
        ("join", b"{", 400),
        ("join", b"[]", 400),
        ("join", b'{"host":1,"secret":"x","request":"y"}', 400),
        ("join", b'{"host":"a","secret":"x","request":"y"}', 400),
        ("join", b'{"host":"a","secret":"x","request":"y","more":1}', 400),
        ("join", b"\xff\xfe", 400),
        ("join", b'{"host":"' + b"a" * 100000 + b'"}', 413),
        ("renew", b'{"certificate":"x","request":"y","signature":"z"}', 400),
        ("authority", b"{}", 405),
        ("other", b"{}", 404),
        ("../v2.0/networks", b"{}", 404),
    ],
)
def test_what_strangers_say_to_the_paths_of_hosts_is_refused(
    service: Served, action: str, body: bytes, status: int
) -> None:
    connection = http.client.HTTPSConnection("127.0.0.1", service.port, context=service.trusting(), timeout=10)
    end = time.monotonic() + 10
    while True:
        connection.request("POST", f"/patchbay/v1/{action}", body)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        if answer.status != 429 or time.monotonic() > end:
            break
        time.sleep(0.2)
    assert answer.status == status
    assert "Traceback" not in service.log.read_text()


def test_no_host_can_be_the_service(service: Served, tmp_path: Path) -> None:
    """A host's certificate has no use for servers, and none for the names of others."""
    service.join(service.token("server"), tmp_path / "etc")
    certificate = x509.load_pem_x509_certificate((tmp_path / "etc/host.pem").read_bytes())
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [use.dotted_string for use in uses] == ["1.3.6.1.5.5.7.3.2"]
    authority = ssl.create_default_context(cafile=str(tmp_path / "etc/authority.pem"))
    assert service.get("/v2.0/networks", authority)[0] == 200


def test_a_token_on_the_command_line_is_not_seen_in_the_list_of_processes(service: Served, tmp_path: Path) -> None:
    token = service.token("shown")
    # It waits for an address that never answers (a socket nobody accepts from), and is looked at meanwhile.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        command = [*PATCHBAY, "host", "join", f"--api=https://127.0.0.1:{port}", f"--token={token}"]
        process = subprocess.Popen([*command, f"--credentials={tmp_path}"], stderr=subprocess.DEVNULL)
        try:
            silent.settimeout(20)
            silent.accept()
            seen = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            assert token.encode() not in seen
            assert token.rpartition(".")[2].encode() not in seen
            assert b"host\0join\0" in seen
        finally:
            process.kill()
            process.wait()
    (tmp_path / "token").write_text(token)
    service.run(
        "host", "join", f"--api={service.api}", f"--token-file={tmp_path}/token", f"--credentials={tmp_path}/etc"
    )
    assert token.rpartition(".")[2] not in service.log.read_text()
    assert token.rpartition(".")[2] not in (service.state / "intent.db").read_text()


def test_secrets_of_the_service_are_for_its_user_alone(service: Served) -> None:
    for path in (service.state / "pki").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    assert (service.state / "pki").stat().st_mode & 0o077 == 0
    assert (service.state / "intent.sock").stat().st_mode & 0o007 == 0


def test_a_service_with_a_certificate_of_the_company_s_is_joined_with_its_authority(tmp_path: Path) -> None:
    company = Authority.open(tmp_path / "company", [])
    issuer = read_issuer(tmp_path / "company/authority.key", tmp_path / "company/authority.pem")
    key = new_key()
    life = datetime.timedelta(days=1)
    (tmp_path / "key").write_bytes(key_pem(key))
    certificate = server_certificate(issuer, key.public_key(), "api", ["127.0.0.1"], life)
    (tmp_path / "cert").write_bytes(pem(certificate))
    served = Served(tmp_path, [f"--tls-cert={tmp_path}/cert", f"--tls-key={tmp_path}/key"])
    served.start()
    try:
        token = served.token("compute1")
        assert "name whose it is with --cacert" in served.join(token, tmp_path / "etc", code=1)
        served.join(token, tmp_path / "etc", f"--cacert={company.folder}/authority.pem")
        joining.renew(str(tmp_path / "etc"))
        assert '"compute1"' in ask(served, tmp_path / "etc", HOSTS)
    finally:
        served.stop()
