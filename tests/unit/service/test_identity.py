"""Tokens, passwords, the identity file and the count of failures, each by itself."""

import asyncio
from pathlib import Path

import pytest

from patchbay.service.identity.errors import BadIdentityFile, TooManyFailures
from patchbay.service.identity.failures import PER_ADDRESS, PER_USER, WINDOW_S, Failures
from patchbay.service.identity.file import parse_identity
from patchbay.service.identity.htpasswd import parse_htpasswd
from patchbay.service.identity.passwords import Verifier, hash_password
from patchbay.service.identity.tokens import Tokens, read_key

HASH = hash_password("right", rounds=4)


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_failures_are_counted_by_user_and_address_and_forgotten() -> None:
    clock = Clock()
    failures = Failures(clock)
    for _ in range(PER_USER):
        failures.check("a", "alice")
        failures.failed("a", "alice")
    with pytest.raises(TooManyFailures) as caught:
        failures.check("a", "alice")
    assert caught.value.retry_after_s == WINDOW_S
    failures.check("a", "bob")
    failures.check("b", "alice")
    for number in range(PER_ADDRESS - PER_USER):
        failures.failed("a", f"user{number}")
    with pytest.raises(TooManyFailures):
        failures.check("a", "carol")
    clock.now = WINDOW_S + 1
    failures.check("a", "alice")


def test_addresses_of_one_ipv6_network_are_one() -> None:
    failures = Failures(Clock())
    for number in range(PER_USER):
        failures.failed(f"2001:db8::{number:x}", "alice")
    with pytest.raises(TooManyFailures):
        failures.check("2001:db8::ffff:1", "alice")
    failures.check("2001:db8:0:1::1", "alice")
    failures.check("", "alice")


def test_a_login_that_succeeds_forgets_those_that_failed() -> None:
    failures = Failures(Clock())
    for _ in range(PER_USER - 1):
        failures.failed("a", "alice")
    failures.succeeded("a", "alice")
    failures.failed("a", "alice")
    failures.check("a", "alice")


def test_a_token_ends_and_is_of_one_key() -> None:
    tokens, others = Tokens(b"1" * 32, 60), Tokens(b"2" * 32, 60)
    text, token = tokens.issue("user", "project", "password", HASH)
    assert tokens.read(text) == token
    assert others.read(text) is None
    past, _ = tokens.issue("user", "project", "token", HASH, until=1)
    assert tokens.read(past) is None


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    key = read_key(tmp_path / "key")
    assert read_key(tmp_path / "key") == key
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "short").write_bytes(b"x")
    with pytest.raises(ValueError, match="holds no key"):
        read_key(tmp_path / "short")


def test_passwords() -> None:
    async def right(hashed: str, password: str) -> bool:
        return await verifier.is_right(hashed, password)

    verifier = Verifier()
    assert asyncio.run(right(HASH, "right"))
    assert verifier.is_known(HASH, "right")
    for hashed, password in ((HASH, "wrong"), (HASH, ""), (HASH, "r" * 73), (HASH, "right\0"), ("", "right")):
        assert not asyncio.run(right(hashed, password))
        assert not verifier.is_known(hashed, password)
    for password in ("", "x" * 73, "a\0b"):
        with pytest.raises(ValueError, match="1 to 72 bytes"):
            hash_password(password)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("users: [", "is not YAML"),
        ("users: {a: {password: plain}}", "not a bcrypt hash"),
        ("users: {a: {roles: {red: [member]}}}", "project red, which is not among the projects"),
        ("projects: {red: {}}\nusers: {a: {default_project: red}}", "no role in its default project"),
        ("users: {a: {pasword: x}}", "pasword"),
        ("cheese: {}", "cheese"),
    ],
)
def test_an_identity_file_that_is_wrong_says_where(text: str, words: str) -> None:
    with pytest.raises(BadIdentityFile) as caught:
        parse_identity(text, "FILE")
    assert str(caught.value).startswith("FILE: ")
    assert words in str(caught.value)


def test_ids_follow_from_names_unless_given() -> None:
    text = f"projects: {{red: , blue: {{id: b1}}}}\nusers: {{a: {{password: {HASH}, roles: {{red: [member]}}}}}}"
    first, second = parse_identity(text, "f"), parse_identity(text, "g")
    assert first == second
    assert {len(id_) for id_ in first.projects} == {2, 32}
    user = first.user("a")
    assert user is not None
    red = first.project("red")
    assert red is not None
    assert (user.default_project_id, user.roles_in(red.id)) == (red.id, {"member", "reader"})


def test_htpasswd_files() -> None:
    assert parse_htpasswd(f"# users\nalice:{HASH}\n\n", "f") == {"alice": HASH}
    for line in ("alice", "alice:{SHA}x", ":" + HASH, "alice:$apr1$x$y"):
        with pytest.raises(BadIdentityFile, match="line 1"):
            parse_htpasswd(line, "f")
