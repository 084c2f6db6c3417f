"""Unmodified clients log in at ``patchbay serve``, by clouds.yaml; and a service whose Keystone another one is."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from openstack import exceptions
from openstack.config import OpenStackConfig
from openstack.connection import Connection

from tests.functional.api.conftest import ROOT, Serving, Start
from tests.functional.api.tenants_world import identity_text

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning:openstack")
CLIENT = Path(sys.executable).with_name("openstack")


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    """The identity file."""
    path = tmp_path / "identity.yaml"
    path.write_text(identity_text())
    return path


def clouds(directory: Path, url: str, network: str = "") -> Path:
    """A clouds.yaml with a cloud for each of two users."""
    projects = {"member": "red", "admin": "cloud"}
    found: dict[str, Any] = {
        name: {
            "auth": {
                "auth_url": url,
                "username": name,
                "password": name,
                "project_name": project,
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            },
            "identity_api_version": "3",
            **({"network_endpoint_override": network} if network else {}),
        }
        for name, project in projects.items()
    }
    path = directory / "clouds.yaml"
    path.write_text(yaml.safe_dump({"clouds": found}))
    return path


def connected(directory: Path, cloud: str) -> Connection:
    """The SDK with that cloud."""
    return Connection(config=OpenStackConfig(config_files=[str(directory / "clouds.yaml")]).get_one(cloud))


def run(command: list[str | Path], directory: Path, cloud: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A client, with clouds.yaml in its directory."""
    environment = {**os.environ, "OS_CLOUD": cloud, "PYTHONPATH": str(ROOT), **more}
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=100, check=False
    )


def test_the_openstack_client_the_sdk_and_our_own_log_in_by_clouds_yaml(
    start_serve: Start, identity: Path, tmp_path: Path
) -> None:
    serving = start_serve("--auth", "builtin", "--identity", str(identity))
    clouds(tmp_path, f"{serving.url}/v3")
    made = run([CLIENT, "network", "create", "-f", "json", "blue"], tmp_path, "member")
    assert json.loads(made.stdout)["name"] == "blue", made.stderr
    refused = run([CLIENT, "network", "create", "--share", "green"], tmp_path, "member")
    assert "(rule:create_network and rule:create_network:shared) is disallowed by policy" in refused.stderr
    other = run([CLIENT, "network", "create", "-f", "json", "--project", "red", "theirs"], tmp_path, "admin")
    assert json.loads(other.stdout)["project_id"] == json.loads(made.stdout)["project_id"], other.stderr

    cloud = connected(tmp_path, "member")
    assert {one.name for one in cloud.network.networks()} == {"blue", "theirs"}
    with pytest.raises(exceptions.ForbiddenException):
        cloud.network.create_router(is_distributed=True)
    ours = run([sys.executable, "-m", "patchbay", "network", "list"], tmp_path, "member")
    assert ours.returncode == 0, ours.stderr
    assert "blue" in ours.stdout
    wrong = run([sys.executable, "-m", "patchbay", "network", "list"], tmp_path, "member", OS_PASSWORD="secret-guess")
    assert (wrong.returncode, "refused the login (401)" in wrong.stderr) == (1, True)
    log = serving.log.read_text()
    assert "secret-guess" not in log
    assert "$2b$" not in log + wrong.stderr


def keystone_file(directory: Path, serving: Serving, password: str) -> Path:
    """How a service logs in at the Keystone that ``serving`` is."""
    path = directory / "keystone.yaml"
    said = {"auth_url": f"{serving.url}/v3", "username": "admin", "password": password, "project_name": "cloud"}
    path.write_text(yaml.safe_dump(said))
    path.chmod(0o600)
    return path


def test_our_own_commands_know_projects_by_name(start_serve: Start, identity: Path, tmp_path: Path) -> None:
    serving = start_serve("--auth", "builtin", "--identity", str(identity))
    clouds(tmp_path, f"{serving.url}/v3")

    def patchbay(cloud: str, *command: str) -> tuple[str, str]:
        done = run([sys.executable, "-m", "patchbay", *command], tmp_path, cloud)
        assert done.returncode == (1 if done.stderr else 0), done.stderr
        return done.stdout.strip(), done.stderr

    owner, _ = patchbay("member", "network", "create", "blue", "--project", "red", "-f", "value", "-c", "project_id")
    assert patchbay("admin", "quota", "set", "--networks", "1", "red") == ("", "")
    assert patchbay("admin", "quota", "list", "-f", "value", "-c", "project_id")[0] == owner
    full = patchbay("member", "network", "create", "green")[1]
    assert "['network']. The project may have 1 of network: delete what is no longer needed" in full
    nobody = patchbay("admin", "quota", "set", "--networks", "1", "nobody")[1]
    assert nobody.startswith("patchbay: Project nobody does not exist.")
    share = ("network", "rbac", "create", "--type", "network", "blue", "--target-project", "cloud")
    assert "only administrators may look for others by name. Give its id." in patchbay("member", *share)[1]
    target, _ = patchbay("admin", *share, "-f", "value", "-c", "target_tenant")
    assert re.fullmatch("[0-9a-f]{32}", target)


def test_a_service_behind_a_real_keystone(start_serve: Start, identity: Path, tmp_path: Path) -> None:
    keystone = start_serve("--auth", "builtin", "--identity", str(identity), state_dir=tmp_path / "keystone")
    said = keystone_file(tmp_path, keystone, "admin")
    serving = start_serve("--auth", "keystone", "--keystone", str(said))
    clouds(tmp_path, f"{keystone.url}/v3", serving.url)
    cloud = connected(tmp_path, "member")
    network = cloud.network.create_network(name="blue")
    assert network.project_id == cloud.session.get_project_id()
    with pytest.raises(exceptions.ForbiddenException):
        cloud.network.create_network(is_shared=True)
    url = f"{serving.url}/v2.0/networks"
    forged = {
        "X-Roles": "admin",
        "X-Identity-Status": "Confirmed",
        "X-Project-Id": "blue",
        "X-Is-Admin-Project": "True",
    }
    refused = httpx.get(url, headers={"X-Auth-Token": "no.token", **forged})
    assert (refused.status_code, httpx.get(url, headers=forged).status_code) == (401, 401)
    as_member = {"X-Auth-Token": cloud.session.get_token(), **forged}
    assert httpx.post(url, headers=as_member, json={"network": {"shared": True}}).status_code == 403
    mine = httpx.post(url, headers=as_member, json={"network": {}}).json()["network"]
    assert mine["project_id"] == network.project_id
    assert refused.headers["www-authenticate"] == f'Keystone uri="{keystone.url}/v3"'
    keystone.stop()
    assert httpx.get(url, headers={"X-Auth-Token": "another.token"}).status_code == 503
    known = cloud.session.get_token()
    assert httpx.get(url, headers={"X-Auth-Token": known}).status_code == 200  # remembered for some minutes
    assert "admin" not in "".join(line for line in serving.log.read_text().splitlines() if "level=error" in line)


def test_it_does_not_start_open_to_all_or_with_half_a_strategy(tmp_path: Path, identity: Path) -> None:
    def refusal(*options: str) -> str:
        command = [sys.executable, "-m", "patchbay", "serve", "--state-dir", str(tmp_path), "--vnet-listen", "none"]
        done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        return done.stderr

    assert "must not answer at 0.0.0.0" in refusal("--listen", "0.0.0.0:0")
    local = ("--listen", "127.0.0.1:0")
    assert "--auth builtin needs --identity FILE" in refusal(*local, "--auth", "builtin")
    assert "--auth http_basic needs --htpasswd FILE" in refusal(*local, "--auth", "http_basic")
    said = tmp_path / "open.yaml"
    said.write_text("auth_url: http://127.0.0.1:1/v3\nusername: a\npassword: secret-word\n")
    said.chmod(0o644)
    text = refusal(*local, "--auth", "keystone", "--keystone", str(said))
    assert "chmod 600" in text
    assert "secret-word" not in text
    broken = tmp_path / "broken.yaml"
    broken.write_text("users: {a: {password: plain-text}}")
    text = refusal(*local, "--auth", "builtin", "--identity", str(broken))
    assert "not a bcrypt hash" in text
    assert "plain-text" not in text


def test_without_authentication_it_answers_on_a_unix_socket_of_its_user(start_serve: Start, tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    first = start_serve("--listen", f"unix:{path}")
    assert path.stat().st_mode & 0o777 == 0o600
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
        assert client.post("http://api/v2.0/networks", json={"network": {"shared": True}}).status_code == 201
    first.stop()
    start_serve("--listen", f"unix:{path}")
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
        assert len(client.get("http://api/v2.0/networks").json()["networks"]) == 1
