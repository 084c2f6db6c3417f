"""``patchbay identity`` writes and reads the identity file; passwords come by standard input and go nowhere else."""

import subprocess
import sys
from pathlib import Path

import bcrypt
import yaml

ROOT = Path(__file__).resolve().parents[3]


def identity(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "patchbay", "identity", *arguments]
    return subprocess.run(command, cwd=ROOT, input=typed, capture_output=True, text=True, timeout=60, check=False)


def test_a_hash_is_of_the_password_that_was_typed() -> None:
    done = identity("hash", typed="secret\n")
    assert bcrypt.checkpw(b"secret", done.stdout.strip().encode())
    refused = identity("hash", typed="\n")
    assert (refused.returncode, refused.stderr) == (1, "patchbay: A password has 1 to 72 bytes. Type another.\n")


def test_users_come_into_the_file_with_their_roles(tmp_path: Path) -> None:
    file = tmp_path / "identity.yaml"
    assert identity("set", str(file), "alice", "--project", "red", typed="one\n").returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    first = yaml.safe_load(file.read_text())["users"]["alice"]["password"]
    more = identity("set", str(file), "alice", "--project", "blue", "--role", "reader", "--keep-password")
    assert more.returncode == 0
    said = yaml.safe_load(file.read_text())
    assert said["users"]["alice"] == {"roles": {"red": ["member"], "blue": ["reader"]}, "password": first}
    assert "alice" in identity("check", str(file)).stdout
    file.write_text("users: [")
    assert identity("check", str(file)).returncode == 1
    assert "is not YAML" in identity("set", str(file), "bob", "--project", "red", typed="x\n").stderr
    assert file.read_text() == "users: ["
