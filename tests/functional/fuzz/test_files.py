"""Files of identities, passwords, clouds and options with anything in them, and a Keystone that answers anything.

``PATCHBAY_FUZZ_FILES`` (files of each kind) and ``PATCHBAY_FUZZ_SEEDS`` make it longer.
"""

import asyncio
import contextlib
import os
import random
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
import yaml

from patchbay.api.authentication import keystone_client
from patchbay.api.authentication.keystone import Validator
from patchbay.api.authentication.keystone_client import KeystoneClient, KeystoneSettings, read_settings
from patchbay.cli import login
from patchbay.cli.config import load_defaults
from patchbay.errors import PatchbayError
from patchbay.service.identity.errors import BadIdentityFile, Unauthorized
from patchbay.service.identity.file import WatchedFile, parse_identity
from patchbay.service.identity.htpasswd import parse_htpasswd
from tests.functional.fuzz.test_topology_files import no_hang
from tests.functional.fuzz.yaml_files import Mutations, bomb

pytestmark = pytest.mark.timeout(100000)

FILES = int(os.environ.get("PATCHBAY_FUZZ_FILES", "8")) * 5
SEED = os.environ.get("PATCHBAY_FUZZ_SEEDS", "0")
HASH = "$2b$04$" + "a" * 53
IDENTITY = f"""
projects:
  cloud: {{}}
  red: {{description: the red team, id: red-id, enabled: true}}
users:
  alice:
    password: {HASH}
    roles: {{red: [member], cloud: [admin]}}
    default_project: red
    application_credentials:
      ci: {{secret: {HASH}, project: red, roles: [reader]}}
  bob: {{password: {HASH}, roles: {{red: [reader]}}, enabled: false}}
catalog:
  - {{type: network, name: neutron, url: "{{base}}"}}
  - {{type: compute, name: nova, url: "https://nova.example.org/v2.1", region: RegionOne, interfaces: [public]}}
"""
KEYSTONE = "auth_url: http://127.0.0.1:1/v3\nusername: patchbay\npassword: x\ncafile: /nowhere\ninsecure: false\n"
CLOUDS = """
clouds:
  red:
    auth: {auth_url: "http://127.0.0.1:1/v3", username: alice, password: x, project_name: red}
    region_name: RegionOne
    auth_type: password
    interface: public
  blue: {auth_type: none, endpoint: "http://127.0.0.1:1"}
"""
OPTIONS = "listen: 127.0.0.1:9696\nvlan-range: {physnet1: 1}\nquota: [a=1]\nnumber: 7\n"
BAD = [
    *('a: "\\ud800"', '"\\ud800": a', "number: 0x" + "f" * 5000, "a: !!bool maybe"),
    bomb(),
    "a: " + "[" * 500,
    "a: 2026-13-45",
    "a: !!int x",
    "&a [*a]",
    "[]",
    "7",
    "a: " + "9" * 5000,
    "\0",
    "? [a]\n: b",
]
BAD += ["clouds: 7", "clouds: {red: {auth: 7}}", "clouds: {red: {auth: {auth_url: 'http://[::'}}}", "clouds: [red]"]
BAD += [
    "clouds: {red: {auth: {auth_url: 'http://h:x'}}}",
    "clouds: {1: {}}",
    "auth_url: 'http://[::'\nusername: a\npassword: b",
]
BAD += [f"number: &a {{}}\nlisten: {{x: [{'*a, ' * 9}]}}", "auth_url: http://h:x\nusername: a\npassword: b"]


@click.command()
@click.option("--listen")
@click.option("--vlan-range", multiple=True)
@click.option("--quota", multiple=True)
@click.option("--number", type=int)
def command(**_: Any) -> None:
    """What options from a file are for."""


def read_options(path: Path) -> None:
    context = click.Context(command)
    load_defaults(context, command.params[0], path)
    assert len(repr(context.default_map)) < 10_000_000


def read_cloud(path: Path) -> None:
    def trusted(*_: Any) -> ssl.SSLContext:
        return ssl.create_default_context()

    login.access({"OS_CLOUD": "red", "OS_CLIENT_CONFIG_FILE": str(path)}, trusted)


READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "identity": (IDENTITY, lambda path: WatchedFile(path, parse_identity)),
    "htpasswd": (f"alice: {HASH}\nbob: {HASH}\n", lambda path: WatchedFile(path, parse_htpasswd)),
    "keystone": (KEYSTONE, lambda path: KeystoneClient(read_settings(path))),
    "clouds": (CLOUDS, read_cloud),
    "options": (OPTIONS, read_options),
}


def take(read: Callable[[Path], Any], path: Path) -> bool:
    """Whether the file was taken; if not, one of our errors says why."""
    with no_hang():
        try:
            read(path)
        except (PatchbayError, click.ClickException) as error:
            said = str(error)
        else:
            return True
    assert 0 < len(said) < 100_000
    return False


@pytest.mark.parametrize("kind", list(READERS))
def test_a_file_with_anything_in_it_is_taken_or_explained(kind: str, tmp_path: Path) -> None:
    text, read = READERS[kind]
    chance = random.Random(f"{SEED} {kind}")
    mutations = Mutations(chance)
    path = tmp_path / kind
    path.write_text(text)
    path.chmod(0o600)
    for number in range(FILES):
        data = BAD[number].encode() if number < len(BAD) else mutations.file(text)
        path.write_bytes(data)
        try:
            take(read, path)
        except BaseException:
            print(f"{kind}: {data[:2000]!r}")
            raise


def test_an_identity_file_that_turns_bad_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "identity.yaml"
    path.write_text(IDENTITY)
    watched = WatchedFile(path, parse_identity)
    before = watched.current()
    mutations = Mutations(random.Random(SEED))
    for number in range(FILES):
        data = BAD[number].encode() if number < len(BAD) else mutations.file(IDENTITY)
        path.write_bytes(data)
        with no_hang():
            now = watched.current()
        try:
            parse_identity(data.decode(), path)
        except (BadIdentityFile, UnicodeDecodeError):
            assert now is before, data[:300]
        before = now


TOKEN = {
    "token": {
        "user": {"id": "u", "name": "alice"},
        "project": {"id": "p"},
        "roles": [{"name": "member"}],
        "expires_at": "2099-01-01T00:00:00.000000Z",
        "catalog": [{"type": "network", "endpoints": [{"interface": "public", "region_id": "R", "url": "http://n"}]}],
    }
}
NONSENSE: list[Any] = [None, 7, "", "x", [], {}, [1], {"a": 1}, True, 10**30, "9999-99-99", "0001-01-01T00:00:00", "\0"]


class StrangeKeystone:
    """Answers what a Keystone answers, with something wrong in it."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection, contextlib.suppress(OSError):
                    asked = b""
                    while b"\r\n\r\n" not in asked and (data := connection.recv(65536)):
                        asked += data
                    connection.sendall(self._answer(201 if asked.startswith(b"POST") else 200))

    def changed(self, right: Any) -> Any:
        """One thing in it is another."""
        if isinstance(right, dict) and right and self.chance.random() < 0.8:
            key = self.chance.choice(list(right))
            rest = {name: inner for name, inner in right.items() if name != key}
            return self.chance.choice(
                [{**right, key: self.changed(right[key])}, {**right, key: self.changed(right[key])}, rest]
            )
        if isinstance(right, list) and right and self.chance.random() < 0.6:
            return [self.changed(right[0])]
        return self.chance.choice(NONSENSE)

    def _answer(self, right: int) -> bytes:
        chance = self.chance
        status = right if chance.random() < 0.85 else chance.choice([200, 201, 300, 401, 404, 500, 999, 0])
        body = msgspec.json.encode(TOKEN if chance.random() < 0.3 else self.changed(TOKEN))
        body = (
            body if chance.random() < 0.85 else chance.choice([b"", b"{", b"[" * 5000, b"\xff", b"9" * 5000, b"<html>"])
        )
        subject = chance.choice([b"t"] * 6 + [b"", b"\xff", b"a b", b"t" * 70000, b"\x01"])
        length = chance.choice([str(len(body)).encode()] * 8 + [b"-1", b"x", b"99999", b"0"])
        head = b"HTTP/1.1 %d OK\r\nX-Subject-Token: %s\r\nContent-Length: %s\r\n\r\n" % (status, subject, length)
        whole = head + body
        return (
            whole if chance.random() < 0.93 else chance.choice([b"", whole[: chance.randrange(len(whole))], b"\0" * 99])
        )


@pytest.fixture
def strange_keystone(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrangeKeystone]:
    monkeypatch.setattr(keystone_client, "TIMEOUT_S", 3.0)
    found = StrangeKeystone(random.Random(SEED))
    yield found
    found.listener.close()


async def test_a_keystone_that_answers_anything_lets_nobody_in_by_accident(strange_keystone: StrangeKeystone) -> None:
    settings = KeystoneSettings(auth_url=f"http://127.0.0.1:{strange_keystone.port}", username="p", password="p")
    let_in = 0
    for number in range(FILES):
        validator = Validator(KeystoneClient(settings))
        try:
            found = await asyncio.wait_for(validator.found(f"token{number}"), 20)
        except (PatchbayError, Unauthorized):
            continue
        let_in += 1
        assert found.user_id, found
        assert all(isinstance(role, str) for role in found.roles)
    assert 0 < let_in < FILES


def test_a_client_that_logs_in_at_a_strange_keystone_says_so(strange_keystone: StrangeKeystone) -> None:
    said = {"OS_AUTH_URL": f"http://127.0.0.1:{strange_keystone.port}", "OS_USERNAME": "a", "OS_PASSWORD": "a"}
    for _ in range(FILES):
        with contextlib.suppress(PatchbayError):
            found = login.access(said, lambda *_: ssl.create_default_context())
            assert isinstance(found.endpoint, str)


def test_the_files_above_are_right_as_they_are(tmp_path: Path) -> None:
    for kind, (text, read) in READERS.items():
        path = tmp_path / kind
        path.write_text(text if kind != "htpasswd" else text.replace(": ", ":"))
        path.chmod(0o600)
        assert take(read, path) or kind == "clouds", "nobody answers at port 1"
    assert yaml.safe_load(CLOUDS)
