"""Tokens that nobody gave, or that say more than they should, and identities that somebody only claims to have."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml

from patchbay.api.app import create_app
from patchbay.api.authentication.choice import AuthSettings, read_strategies
from patchbay.api.openvnet.app import create_vnet_app
from patchbay.intent.database import IntentDatabase
from patchbay.service.identity.tokens import Tokens
from patchbay.service.service import Service
from tests.functional.api.tenants_world import PASSWORDS, Tenants, identity_text, tenants_of
from tests.functional.api.test_hostile_requests import FORGED

pytestmark = pytest.mark.asyncio(loop_scope="session")
DEFAULT = {"name": "Default"}


@pytest_asyncio.fixture(loop_scope="session")
async def tenants(db: IntentDatabase, tmp_path: Path) -> AsyncIterator[Tenants]:
    async with tenants_of(db, tmp_path) as world:
        yield world


def changed(world: Tenants, change: Callable[[Any], object]) -> None:
    """The identity file with a change of what it says."""
    said = yaml.safe_load(identity_text())
    change(said)
    world.file.write_text(yaml.safe_dump(said))


async def listing(world: Tenants, token: str) -> int:
    """The status of a look with this token."""
    return (await world.http.get("/v2.0/networks", headers={"X-Auth-Token": token})).status_code


async def logged_in(world: Tenants, identity: object, scope: object = None) -> httpx.Response:
    """The answer to a login."""
    auth = {"identity": identity} if scope is None else {"identity": identity, "scope": scope}
    return await world.http.post("/v3/auth/tokens", json={"auth": auth})


def by_password(name: str) -> dict[str, Any]:
    """The identity of a login by password."""
    return {"methods": ["password"], "password": {"user": {"name": name, "domain": DEFAULT, "password": name}}}


def in_project(name: str) -> dict[str, Any]:
    """The scope of a project."""
    return {"project": {"name": name, "domain": DEFAULT}}


def text(data: bytes) -> str:
    """Base64 as tokens have it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


async def test_a_token_is_signed_by_this_cloud_s_key_or_is_none(tenants: Tenants) -> None:
    good = (await tenants.log_in("member")).headers["x-subject-token"]
    body = base64.urlsafe_b64decode(good.partition(".")[0] + "==")
    said = json.loads(body)
    admin = tenants.identity.user("admin")
    assert admin is not None
    cloud = tenants.project("cloud")
    forged = json.dumps([admin.id, cloud, "", "password", said[4], said[5], said[6], said[7]]).encode()
    other = Tokens(b"x" * 32, 3600).issue(admin.id, cloud, "password", admin.password)[0]
    none = text(b'{"alg":"none","typ":"JWT"}')
    for token in (
        *(text(forged) + "." + text(hmac.digest(key, forged, hashlib.sha256)) for key in (b"", b"\0" * 32, b"k" * 31)),
        text(forged) + "." + text(hmac.digest(b"k" * 32, forged, hashlib.sha1)),
        text(forged) + "." + text(hmac.digest(b"k" * 32, forged, hashlib.sha512)),
        text(forged) + "." + text(hashlib.sha256(b"k" * 32 + forged).digest()),
        text(forged) + "." + good.partition(".")[2],
        *(f"{none}.{text(forged)}{end}" for end in ("", ".", "." + text(b"none"))),
        other,
        *(good + end for end in ("=", "==", ".", ".x", "%00", " x")),
        good.replace("-", "+").replace("_", "/") if set("-_") & set(good) else good.swapcase(),
        *(f"{word} {good}" for word in ("Bearer", "v3")),
        f"{good},{good}",
    ):
        assert await listing(tenants, token) == 401, token
    assert await listing(tenants, good) == 200


async def test_a_token_ends(tenants: Tenants) -> None:
    admin = tenants.identity.user("admin")
    assert admin is not None
    ended = tenants.tokens.issue(admin.id, tenants.project("cloud"), "password", admin.password, until=int(time.time()))
    assert await listing(tenants, ended[0]) == 401
    again = {"methods": ["token"], "token": {"id": ended[0]}}
    assert (await logged_in(tenants, again)).status_code == 401
    soon = tenants.tokens.issue(admin.id, "", "password", admin.password, until=int(time.time()) + 60)
    renewed = await logged_in(tenants, {"methods": ["token"], "token": {"id": soon[0]}}, in_project("cloud"))
    read = tenants.tokens.read(renewed.headers["x-subject-token"])
    assert read is not None
    assert read.expires_at == soon[1].expires_at


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said["users"].pop("member"),
        lambda said: said["users"]["member"].update(enabled=False),
        lambda said: said["users"]["member"].update(password=PASSWORDS["reader"]),
        lambda said: said["users"]["member"].update(roles={"blue": ["member"]}),
        lambda said: said["projects"]["red"].update(enabled=False),
        lambda said: said["projects"]["red"].update(id="another"),
    ],
)
async def test_who_has_gone_has_no_token(tenants: Tenants, change: Callable[[Any], object]) -> None:
    token = (await tenants.log_in("member")).headers["x-subject-token"]
    assert await listing(tenants, token) == 200
    changed(tenants, change)
    assert await listing(tenants, token) == 401
    assert (await logged_in(tenants, {"methods": ["token"], "token": {"id": token}})).status_code == 401
    subject = {"X-Auth-Token": token, "X-Subject-Token": token}
    assert (await tenants.http.get("/v3/auth/tokens", headers=subject)).status_code == 401


async def test_another_scope_gives_no_more_than_the_user_has(tenants: Tenants) -> None:
    token = (await tenants.log_in("member")).headers["x-subject-token"]
    again = {"methods": ["token"], "token": {"id": token}}
    for scope in (
        *(in_project(name) for name in ("blue", "cloud", "")),
        {"project": {"id": tenants.project("blue")}},
        {"project": {"name": "red", "domain": {"id": "other"}}},
        *({"system": {"all": True}}, {"domain": {"id": "default"}}, {"OS-TRUST:trust": {"id": "x"}}),
    ):
        for identity in (again, by_password("member")):
            assert (await logged_in(tenants, identity, scope)).status_code == 401, scope
    both = {"methods": ["token", "password"], "token": {"id": token}, "password": by_password("admin")["password"]}
    answer = await logged_in(tenants, both)
    assert answer.json()["token"]["user"]["name"] == "member"


async def test_a_token_without_a_project_has_no_rights(tenants: Tenants) -> None:
    await tenants.create("stranger", "network", name="hers")
    shared = await tenants.create("admin", "network", shared=True)
    answer = await logged_in(tenants, by_password("admin"), "unscoped")
    token = answer.headers["x-subject-token"]
    assert "roles" not in answer.json()["token"]
    headers = {"X-Auth-Token": token, "X-Project-Id": tenants.project("blue")}
    listed = await tenants.http.get("/v2.0/networks", headers=headers)
    assert [one["id"] for one in listed.json()["networks"]] == [shared["id"]]
    for path, body in (
        ("networks", {"network": {}}),
        ("ports", {"port": {"network_id": shared["id"]}}),
        ("security-groups", {"security_group": {"name": "g"}}),
        ("instances", {"instance": {"name": "i", "host": "compute1"}}),
    ):
        assert (await tenants.http.post(f"/v2.0/{path}", headers=headers, json=body)).status_code == 403
    assert (await tenants.http.get("/v2.0/security-groups", headers=headers)).json() == {"security_groups": []}
    assert (await tenants.http.get("/v2.0/agents", headers=headers)).json() == {"agents": []}
    assert (await tenants.http.get("/v3/users", headers=headers)).status_code == 403
    assert all(group["project_id"] for group in await tenants.get("admin", "/security-groups"))


async def test_an_application_credential_has_no_role_that_its_user_has_not(tenants: Tenants) -> None:
    def credential(said: Any, project: str, roles: list[str]) -> None:
        given = {"secret": PASSWORDS["stranger"], "project": project, "roles": roles}
        said["users"]["member"]["application_credentials"] = {"ci": given}

    async def by_credential() -> httpx.Response:
        named = {"name": "ci", "user": {"name": "member", "domain": DEFAULT}, "secret": "stranger"}
        return await logged_in(tenants, {"methods": ["application_credential"], "application_credential": named})

    changed(tenants, lambda said: credential(said, "red", ["member", "reader"]))
    answer = await by_credential()
    token = answer.headers["x-subject-token"]
    headers = {"X-Auth-Token": token}
    body: dict[str, Any] = {"network": {"shared": True}}
    assert (await tenants.http.post("/v2.0/networks", headers=headers, json=body)).status_code == 403
    changed(
        tenants,
        lambda said: (credential(said, "red", ["member"]), said["users"]["member"].update(roles={"red": ["reader"]})),
    )
    assert (await tenants.http.post("/v2.0/networks", headers=headers, json={"network": {}})).status_code == 403
    for scope in (in_project("red"), "unscoped", None):
        again = {"methods": ["token"], "token": {"id": token}}
        assert (await logged_in(tenants, again, scope)).status_code == 401
    changed(tenants, lambda said: None)
    assert await listing(tenants, token) == 401
    assert (await by_credential()).status_code == 401


async def test_tokens_of_others_are_not_to_be_looked_at_or_ended(tenants: Tenants) -> None:
    hers = (await tenants.log_in("stranger")).headers["x-subject-token"]
    for user, status in (("member", 403), ("reader", 403), ("nobody", 403)):
        mine = (await tenants.log_in(user)).headers["x-subject-token"]
        headers = {"X-Auth-Token": mine, "X-Subject-Token": hers}
        for method in ("GET", "HEAD", "DELETE"):
            assert (await tenants.http.request(method, "/v3/auth/tokens", headers=headers)).status_code == status
    assert await listing(tenants, hers) == 200


async def test_http_basic_believes_the_password_alone(db: IntentDatabase, tmp_path: Path) -> None:
    htpasswd, identity = tmp_path / "htpasswd", tmp_path / "identity"
    htpasswd.write_text("".join(f"{name}:{hashed}\n" for name, hashed in PASSWORDS.items()))
    identity.write_text(identity_text())
    strategies = read_strategies(
        AuthSettings(strategy="http_basic", htpasswd=htpasswd, identity=identity), tmp_path, db
    )
    service = Service(db)
    apps = (
        create_app(service, authentication=strategies.neutron),
        create_vnet_app(service, authentication=strategies.openvnet),
    )
    forged = {name: value for name, value in FORGED.items() if name not in ("X-Project-Id", "X-Tenant-Id")}
    for app, path, statuses in ((apps[0], "/v2.0/quotas", (401, 403)), (apps[1], "/api/1.0/networks", (401, 403))):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:  # type: ignore[arg-type]
            for auth, status in ((None, statuses[0]), (("member", "member"), statuses[1]), (("admin", "admin"), 200)):
                answer = await client.get(path, headers=forged, auth=auth)
                assert answer.status_code == status, answer.text
            for name in ("X-Project-Id", "X-Tenant-Id"):
                answer = await client.get(path, headers={name: "blue"}, auth=("member", "member"))
                assert answer.status_code == 403
            for authorization in ("Basic", "Basic !", "Basic YQ==", "Bearer x", "Negotiate x", "Basic OmFkbWlu"):
                assert (await client.get(path, headers={"Authorization": authorization})).status_code == 401
