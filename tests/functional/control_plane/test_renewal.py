"""Certificates of hosts are renewed in time, by their owners only, and no more after a removal."""

import asyncio
import datetime
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from patchbay.agent.renewal import renewing
from patchbay.agent.settings import AgentSettings
from patchbay.host import joining
from patchbay.host.credentials import credentials_in, read_identity
from patchbay.intent.database import AgentScope, IntentDatabase
from patchbay.service.enrolment import certificates
from patchbay.service.enrolment.authority import Authority, read_issuer
from patchbay.service.enrolment.certificates import Issuer, agent_certificate, key_pem, new_key, pem

from .served import Served
from .test_joining import HOSTS, ask

NUMBER = {"op": "select", "table": "Patchbay", "where": [], "columns": ["authority"]}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service that hosts join at."""
    served = Served(tmp_path_factory.mktemp("service"))
    served.start()
    yield served
    served.stop()


def test_renewal_needs_the_key_and_ends_with_removal(service: Served, tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    service.join(service.token("renewing"), folder)
    first = (folder / "host.pem").read_bytes()
    joining.renew(str(folder))
    second = (folder / "host.pem").read_bytes()
    assert first != second
    # An answer that got lost: the certificate of before is good for one more try.
    (folder / "host.pem").write_bytes(first)
    joining.renew(str(folder))
    joining.renew(str(folder))
    (folder / "host.pem").write_bytes(first)
    with pytest.raises(joining.JoinRefused, match="has joined again since this certificate was made"):
        joining.renew(str(folder))
    # Somebody has the certificate, which is no secret, and not the key.
    service.join(service.token("renewing"), folder)
    stolen = key_pem(new_key()) + read_identity(str(folder)).certificate.encode()
    kept = (folder / "host.pem").read_bytes()
    (folder / "host.pem").write_bytes(stolen)
    with pytest.raises(joining.JoinRefused, match="has not the key of the certificate"):
        joining.renew(str(folder))
    (folder / "host.pem").write_bytes(kept)
    assert '"rows"' in ask(service, folder, HOSTS)
    service.run("host", "remove", "renewing", f"--state-dir={service.state}")
    with pytest.raises(joining.JoinRefused, match="Host renewing was removed"):
        joining.renew(str(folder))
    assert '"rows"' not in ask(service, folder, HOSTS)
    assert "Host renewing has not joined" in service.run(
        "host", "remove", "renewing", f"--state-dir={service.state}", code=1
    )
    assert "Host nobody has not joined" in service.run(
        "host", "remove", "nobody", f"--state-dir={service.state}", code=1
    )


def test_a_certificate_that_expired_while_the_host_was_off_is_renewed_but_not_for_ever(
    service: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "etc"
    service.join(service.token("asleep"), folder)
    issuer = read_issuer_of_agents(service)
    identity = read_identity(str(folder))
    now = certificates.utc_now()
    for days, words in ((4, "has joined again"), (40, "too long ago")):
        monkeypatch.setattr(certificates, "utc_now", lambda days=days: now - datetime.timedelta(days=days))
        old = agent_certificate(issuer, identity.key.public_key(), "asleep", datetime.timedelta(days=1))
        (folder / "host.pem").write_bytes(key_pem(identity.key) + pem(old))
        assert "expired" in ask(service, folder, HOSTS) or "rows" not in ask(service, folder, HOSTS)
        # Not one of those that were given out: only its age is looked at first.
        with pytest.raises(joining.JoinRefused, match=words):
            joining.renew(str(folder))


def read_issuer_of_agents(service: Served) -> Issuer:
    """The present issuer of agents' certificates, from the service's files."""
    folder = service.state / "pki"
    servers = read_issuer(folder / "authority.key", folder / "authority.pem")
    authority = Authority(folder, servers, (folder / "agents.secret").read_bytes(), 3600)
    entries = subprocess.run(
        ["ovsdb-client", "transact", f"unix:{service.state}/intent.sock", json.dumps(["Patchbay", NUMBER])],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return authority.issuer(json.loads(entries)[0]["rows"][0]["authority"])


def test_members_and_removals_outlive_a_restart(service: Served, tmp_path: Path) -> None:
    service.join(service.token("stays"), tmp_path / "stays")
    service.join(service.token("goes"), tmp_path / "goes")
    service.stop()
    service.start()
    assert '"rows"' in ask(service, tmp_path / "stays", HOSTS)
    service.run("host", "remove", "goes", f"--state-dir={service.state}")
    service.stop()
    service.start()
    assert '"rows"' not in ask(service, tmp_path / "goes", HOSTS)
    joining.renew(str(tmp_path / "stays"))
    assert '"rows"' in ask(service, tmp_path / "stays", HOSTS)
    assert '"goes"' not in ask(service, tmp_path / "stays", HOSTS)


async def test_an_agent_renews_a_short_lived_certificate_and_stays_connected(tmp_path: Path) -> None:
    served = Served(tmp_path, ["--host-certificate-life=6"])
    served.start()
    folder = str(tmp_path / "etc")
    remote = f"ssl:127.0.0.1:{served.intent_port}"
    try:
        served.join(served.token("compute1"), tmp_path / "etc")
        settings = AgentSettings(host="compute1", intent=(remote,), credentials=folder)
        seen: set[str] = set()
        async with renewing(settings) as renewal:
            # The certificate has expired when it is first used, as that of a host that was off.
            await until(lambda: read_identity(folder).ends_at > time.time() + 4, "a renewed certificate")
            db = await IntentDatabase.open(
                [remote], AgentScope("compute1"), timeout_s=10, credentials=credentials_in(folder)
            )
            renewal.watch(db)

            def renewed() -> bool:
                seen.add(read_identity(folder).certificate)
                return len(seen) > 2

            await until(renewed, "three certificates")
            db.connection.reconnect("test")
            await until(lambda: db.is_connected, "connected again", deadline_s=5)
            await db.close()
    finally:
        served.stop()


async def until(condition: Callable[[], bool], what: str, deadline_s: float = 20) -> None:
    """Returns when it holds; fails saying what was missing."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"after {deadline_s} s still not: {what}"
        await asyncio.sleep(0.05)
