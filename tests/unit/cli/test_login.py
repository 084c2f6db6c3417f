"""Logging in as the OpenStack clients do: whose certificates a cloud says to believe; and how what is wrong is told."""

import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from patchbay.cli.endpoint import refusal
from patchbay.cli.login import Access, access
from patchbay.cli.output import lines_of
from patchbay.errors import BadRequest, PatchbayError

CLOUDS = """\
clouds:
  near: {auth_type: none, endpoint: "https://192.0.2.10:9696", cacert: /etc/ssl/near.pem}
  far: {auth: {auth_url: "https://192.0.2.10:9696", username: a, password: b}, cacert: /etc/ssl/far.pem}
"""


def test_whom_to_believe_is_in_clouds_yaml_or_in_the_environment(tmp_path: Path) -> None:
    (tmp_path / "clouds.yaml").write_text(CLOUDS)
    said = {"OS_CLIENT_CONFIG_FILE": str(tmp_path / "clouds.yaml"), "OS_CLOUD": "near"}
    assert access(said, no_context) == Access(endpoint="https://192.0.2.10:9696", cacert="/etc/ssl/near.pem")
    assert access({**said, "OS_CACERT": "/mine.pem"}, no_context).cacert == "/mine.pem"
    with pytest.raises(BadRequest, match=r"asked for /etc/ssl/far\.pem"):
        access({**said, "OS_CLOUD": "far"}, no_context)


def no_context(file: str) -> ssl.SSLContext:
    raise BadRequest(f"asked for {file}")


def test_a_file_that_holds_no_certificates_is_named(tmp_path: Path) -> None:
    (tmp_path / "clouds.yaml").write_text(CLOUDS.replace("/etc/ssl/near.pem", str(tmp_path / "none.pem")))
    done = subprocess.run(
        [sys.executable, "-m", "patchbay", "network", "list"],
        env={"OS_CLIENT_CONFIG_FILE": str(tmp_path / "clouds.yaml"), "OS_CLOUD": "near"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"patchbay: {tmp_path}/none.pem: not a file of certificates: No such file")
    assert "the cloud's cacert" in done.stderr


def test_message_and_remedy_are_two_sentences() -> None:
    assert str(PatchbayError("rule:x is disallowed by policy", "Ask.")) == "rule:x is disallowed by policy. Ask."
    assert str(PatchbayError("It is full.", "Ask.")) == "It is full. Ask."
    assert str(PatchbayError("rule:x is disallowed by policy")) == "rule:x is disallowed by policy"


def test_who_has_not_logged_in_is_told_how() -> None:
    body = b'{"error": {"code": 401, "title": "Unauthorized", "message": "It requires authentication."}}'
    assert str(refusal(401, body, "url")).startswith("It requires authentication. Log in: OS_CLOUD, or OS_AUTH_URL,")


def test_rules_of_a_group_are_a_line_each() -> None:
    rule = {
        "id": "1",
        "tenant_id": "t",
        "protocol": "tcp",
        "port_range_min": 22,
        "remote_group_id": None,
        "description": "",
    }
    assert lines_of([rule, rule]) == ["id=1,protocol=tcp,port_range_min=22"] * 2
    assert lines_of([{"ip_address": "10.0.0.1"}, {"ip_address": ""}]) == ["ip_address=10.0.0.1; ip_address="]
    assert lines_of([]) == [""]
