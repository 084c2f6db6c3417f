"""``patchbay identity`` writes and reads the identity file; passwords come by standard input and go nowhere else."""

import os
import re
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
    said_of_it = re.sub(r"\([0-9a-f]{32}\)", "ID", identity("check", str(file)).stdout)
    assert sorted(said_of_it.splitlines()) == [
        "project blue ID",
        "project red ID",
        "user alice ID: red: member; blue: reader",
    ]
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 0, 12345)
    assert identity("set", str(file), "carol", "--project", "red", typed="x\n").returncode == 0
    assert file.stat().st_mode & 0o777 == 0o640
    assert file.stat().st_gid == (12345 if os.geteuid() == 0 else os.getegid())
    file.write_text("users: [")
    assert identity("check", str(file)).returncode == 1
    assert "is not YAML" in identity("set", str(file), "bob", "--project", "red", typed="x\n").stderr
    assert file.read_text() == "users: ["


def test_a_wrong_file_is_named_with_what_is_wrong_and_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "identity.yaml"
    for text, complaint in (
        (b"\xff", "is not UTF-8 text."),
        (b"users: {a: {pasword: x}}", "user a: has unknown field `pasword`."),
        (b"users: {a: {roles: {red: member}}}", "user a, roles: expected a list, got text."),
        (b"users: [a]", "users are not given by their names (users: {NAME: …})."),
        (b"users: {7: {}}", "users 7 needs quotes: it is not read as text."),
        (b"projects: {red: {}}\nusers:\n  a: {}\n  a: {}\n", "a is there twice (line 4)."),
        (b"[]", "this is none of projects, users, catalog."),
        (b"user: {}", "user is none of projects, users, catalog."),
        (b"catalog: [{type: network}]", "catalog, [0]: lacks required field `url`."),
    ):
        file.write_bytes(text)
        for done in (identity("check", str(file)), identity("set", str(file), "b", "--project", "red", typed="x\n")):
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr.startswith(f"patchbay: {file}: {complaint}"), done.stderr
        assert file.read_bytes() == text
    done = identity("set", str(tmp_path / "nowhere" / "file"), "b", "--project", "red", typed="x\n")
    assert (
        done.stderr
        == f"patchbay: {tmp_path}/nowhere/file: No such file or directory. Name a file that you may write.\n"
    )


def test_empty_parts_are_filled_and_a_role_of_no_use_is_noted(tmp_path: Path) -> None:
    file = tmp_path / "identity.yaml"
    file.write_text("projects:\nusers:\n  alice:\n")
    done = identity("set", str(file), "alice", "--project", "red", "--role", "membr", typed="x\n")
    assert (done.returncode, done.stderr) == (
        0,
        "Note: membr allows nothing here; what does is admin, member, reader.\n",
    )
    assert yaml.safe_load(file.read_text())["users"]["alice"]["roles"] == {"red": ["membr"]}
    assert identity("check", str(file)).stderr == done.stderr
    file.write_text("")
    assert identity("check", str(file)).stdout == f"{file} holds no user.\n"
