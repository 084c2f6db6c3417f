"""vnctl where the WebAPI wants to know who asks: a name, and a password that no process list, log or error shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.functional.api.conftest import ROOT, Serving, Start
from tests.functional.api.tenants_world import identity_text


@pytest.fixture
def serving(start_serve: Start, tmp_path: Path) -> Serving:
    """A service with users and TLS, and OpenVNet's WebAPI besides."""
    identity = tmp_path / "identity.yaml"
    identity.write_text(identity_text())
    return start_serve("--auth", "builtin", "--identity", str(identity), "--tls", "--vnet-listen", "127.0.0.1:0")


def webapi(serving: Serving) -> str:
    """Where the WebAPI is."""
    found = re.search(r"vnet_port=(\d+)", serving.log.read_text())
    assert found is not None
    return f"https://127.0.0.1:{found[1]}"


def vnctl(serving: Serving, state: Path, *words: str, code: int = 0, stdin: str = "", **more: str) -> str:
    """What vnctl prints; it ends with this code and without the password."""
    environment = {"VNET_WEBAPI": webapi(serving), "PATCHBAY_CACERT": str(state / "pki" / "authority.pem"), **more}
    done = subprocess.run(
        [sys.executable, "-m", "patchbay", "vnctl", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(state), **environment},
    )
    printed = done.stdout + done.stderr
    assert done.returncode == code, printed
    assert "Traceback" not in printed
    return printed


def test_who_asks_is_said_and_the_password_is_not(serving: Serving, tmp_path: Path) -> None:
    state = tmp_path / "state"
    password = {"VNCTL_WEBAPI_PASSWORD": "admin"}
    assert '"total_count":0' in vnctl(serving, state, "networks", "show", "--user", "admin", **password)
    named = {"VNCTL_WEBAPI_USER": "admin", **password}
    network = ("networks", "add", "--uuid", "nw-a", "--ipv4-network", "10.0.0.0", "--ipv4-prefix", "24", "--mode")
    assert "nw-a" in vnctl(serving, state, *network, "virtual", **named)
    batch = "networks show nw-a\nnetworks del nw-a\n"
    assert "nw-a" in vnctl(serving, state, "batch", stdin=batch, **named)
    address, _, port = webapi(serving).rpartition(":")
    (state / ".vnctlrc").write_text(f'webapi_uri "{address}"\nwebapi_port {port}\nwebapi_user "admin"\n')
    assert '"total_count":0' in vnctl(serving, state, "networks", "show", VNET_WEBAPI="", **password)


def test_who_is_not_let_in_is_told_what_to_do(serving: Serving, tmp_path: Path) -> None:
    state = tmp_path / "state"
    look = ("networks", "show")
    assert "Give --user NAME or VNCTL_WEBAPI_USER" in vnctl(serving, state, *look, code=1)
    assert "does not know who asks" in vnctl(
        serving, state, *look, "--user", "admin", code=1, VNCTL_WEBAPI_PASSWORD="s3cret-word"
    )
    assert "administrators only" in vnctl(
        serving, state, *look, "--user", "member", code=1, VNCTL_WEBAPI_PASSWORD="member"
    )
    assert "Put it into VNCTL_WEBAPI_PASSWORD" in vnctl(serving, state, *look, "--user", "admin", code=1)
    refused = vnctl(serving, state, *look, "--user", "admin:s3cret-word", code=1)
    assert "not for the command line" in refused
    assert "s3cret-word" not in refused + serving.log.read_text()
    assert "holds no token" in vnctl(serving, state, *look, code=1, VNCTL_WEBAPI_TOKEN="a\nb")
    assert "does not answer" in vnctl(
        serving, state, *look, code=1, PATCHBAY_CACERT="/etc/ssl/certs/ca-certificates.crt"
    )
