"""The built-in identity endpoint and the strategies: who gets a token, for what, how long, and who gets none."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml

from patchbay.api.app import create_app
from patchbay.api.authentication.choice import AuthSettings, Strategies, read_strategies
from patchbay.api.openvnet.app import create_vnet_app
from patchbay.intent.database import IntentDatabase
from patchbay.service.service import Service
from tests.functional.api.tenants_world import PASSWORDS, Tenants, identity_text, tenants_of

pytestmark = pytest.mark.asyncio(loop_scope="session")
DEFAULT = {"name": "Default"}


@pytest_asyncio.fixture(loop_scope="session")
async def tenants(db: IntentDatabase, tmp_path: Path) -> AsyncIterator[Tenants]:
    async with tenants_of(db, tmp_path) as world:
        yield world


def password(name: str, secret: str, scope: object = None) -> dict[str, Any]:
    """The body of a login."""
    user = {"name": name, "domain": DEFAULT, "password": secret}
    auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
    return {"auth": auth if scope is None else {**auth, "scope": scope}}


def changed(world: Tenants, change: Any) -> None:
    """The identity file with a change of what it says."""
    said = yaml.safe_load(world.file.read_text())
    change(said)
    world.file.write_text(yaml.safe_dump(said))


async def test_a_login_shows_who_and_where(tenants: Tenants) -> None:
    answer = await tenants.log_in("member")
    assert answer.status_code == 201
    token = answer.json()["token"]
    assert (token["user"]["name"], token["project"]["name"]) == ("member", "red")
    assert [role["name"] for role in token["roles"]] == ["member", "reader"]
    urls = {one["type"]: one["endpoints"][0]["url"] for one in token["catalog"]}
    assert urls == {"network": "http://api", "identity": "http://api/v3"}
    headers = {"X-Auth-Token": answer.headers["x-subject-token"]}
    shown = await tenants.http.get("/v3/auth/tokens", headers={**headers, "X-Subject-Token": headers["X-Auth-Token"]})
    assert shown.json()["token"] == token
    assert (await tenants.http.get("/identity/v3/auth/projects", headers=headers)).json()["projects"][0][
        "name"
    ] == "red"


async def test_versions_need_no_token(tenants: Tenants) -> None:
    assert (await tenants.http.get("/v3")).json()["version"]["id"].startswith("v3")
    assert (await tenants.http.get("/identity")).json()["versions"]["values"][0]["links"][0]["href"] == (
        "http://api/identity/v3/"
    )
    assert (await tenants.http.get("/")).json()["versions"][0]["id"] == "v2.0"
    assert (await tenants.http.get("/v2.0")).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        password("member", "wrong"),
        password("member", ""),
        password("member", "x" * 100),
        password("nobody-of-this-name", "member"),
        password("member", "member", {"project": {"name": "blue", "domain": DEFAULT}}),
        password("member", "member", {"project": {"name": "unheard-of", "domain": DEFAULT}}),
        password("member", "member", {"system": {"all": True}}),
        {"auth": {"identity": {"methods": ["token"], "token": {"id": "a.b"}}}},
    ],
)
async def test_who_gets_no_token_is_told_nothing_more(tenants: Tenants, body: object) -> None:
    answer = await tenants.http.post("/v3/auth/tokens", json=body)
    assert answer.status_code == 401
    message = "The request you have made requires authentication."
    assert answer.json() == {"error": {"code": 401, "title": "Unauthorized", "message": message}}
    assert "x-subject-token" not in answer.headers


@pytest.mark.parametrize(
    "body", ["{", "[]", '{"auth": {}}', '{"auth": {"identity": {"methods": []}}}', "null", "x" * 999]
)
async def test_what_is_no_login_is_refused_without_a_quotation(tenants: Tenants, body: str) -> None:
    answer = await tenants.http.post("/v3/auth/tokens", content=body)
    assert answer.status_code == 400


async def test_guessing_ends_soon_and_the_right_password_of_before_still_works(tenants: Tenants) -> None:
    good = await tenants.log_in("member")
    bad = [tenants.http.post("/v3/auth/tokens", json=password("member", f"guess{n}")) for n in range(12)]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*bad))
    assert statuses == [401] * 5 + [429] * 7
    late = await tenants.http.post("/v3/auth/tokens", json=password("member", "guess"))
    assert (late.status_code, 0 < int(late.headers["retry-after"]) <= 60) == (429, True)
    assert (good.status_code, (await tenants.log_in("member")).status_code) == (201, 201)
    assert (await tenants.log_in("reader")).status_code == 201


async def test_a_forged_or_altered_token_is_none(tenants: Tenants) -> None:
    good = (await tenants.log_in("reader")).headers["x-subject-token"]
    body, signature = good.split(".")
    other = base64.urlsafe_b64encode(base64.urlsafe_b64decode(body + "==").replace(b"password", b"passwore"))
    forged = (
        f"{other.decode().rstrip('=')}.{signature}",
        body,
        f"{body}.",
        f"{good}A",
        good[:-2],
        ".",
        "é",
        "x" * 9000,
    )
    for text in forged:
        answer = await tenants.http.get("/v2.0/networks", headers={"X-Auth-Token": text.encode()})
        assert answer.status_code == 401
    assert (await tenants.http.get("/v2.0/networks", headers={"X-Auth-Token": good})).status_code == 200


async def test_a_token_that_was_given_back_is_void_also_after_a_restart(tenants: Tenants, tmp_path: Path) -> None:
    token = (await tenants.log_in("member")).headers["x-subject-token"]
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}
    assert (await tenants.http.delete("/v3/auth/tokens", headers=headers)).status_code == 204
    assert (await tenants.http.get("/v2.0/networks", headers=headers)).status_code == 401
    assert token not in (tmp_path / "revoked").read_text()
    async with tenants_of(tenants.db, tmp_path) as again:
        assert (await again.http.get("/v2.0/networks", headers=headers)).status_code == 401


async def test_what_the_file_says_now_counts(tenants: Tenants) -> None:
    assert (await tenants.ask("member", "POST", "/networks", {"network": {}})).status_code == 201
    changed(tenants, lambda said: said["users"]["member"]["roles"].update(red=["reader"]))
    assert (await tenants.ask("member", "POST", "/networks", {"network": {}})).status_code == 403
    tenants.file.write_text("users: [broken")
    assert (await tenants.ask("member", "GET", "/networks")).status_code == 200
    tenants.file.write_text(identity_text())
    changed(tenants, lambda said: said["users"]["member"].update(password=PASSWORDS["reader"]))
    assert (await tenants.ask("member", "GET", "/networks")).status_code == 401
    tenants.file.write_text(identity_text())
    changed(tenants, lambda said: said["users"]["reader"].update(enabled=False))
    assert (await tenants.log_in("reader")).status_code == 401


async def test_an_application_credential_has_its_own_secret_and_roles(tenants: Tenants) -> None:
    credential = {"secret": PASSWORDS["stranger"], "project": "red", "roles": ["reader"]}
    changed(tenants, lambda said: said["users"]["member"].update(application_credentials={"ci": credential}))
    method = {"name": "ci", "user": {"name": "member", "domain": DEFAULT}, "secret": "stranger"}
    identity = {"methods": ["application_credential"], "application_credential": method}
    answer = await tenants.http.post("/v3/auth/tokens", json={"auth": {"identity": identity}})
    assert answer.status_code == 201
    token = answer.headers["x-subject-token"]
    headers = {"X-Auth-Token": token}
    assert (await tenants.http.get("/v2.0/networks", headers=headers)).status_code == 200
    assert (await tenants.http.post("/v2.0/networks", json={"network": {}}, headers=headers)).status_code == 403
    again = {"auth": {"identity": {"methods": ["token"], "token": {"id": token}}}}
    assert (await tenants.http.post("/v3/auth/tokens", json=again)).status_code == 401


async def test_users_and_projects_are_for_administrators(tenants: Tenants) -> None:
    for user, expected in (("admin", 200), ("member", 403)):
        await tenants.ask(user, "GET", "/networks")
        headers = {"X-Auth-Token": tenants.token[user]}
        for path in ("projects", "users", "roles", "role_assignments", "endpoints", "services"):
            answer = await tenants.http.get(f"/v3/{path}", headers=headers)
            assert answer.status_code == expected
            assert "$2b$" not in answer.text
    named = await tenants.http.get("/v3/projects?name=blue", headers={"X-Auth-Token": tenants.token["admin"]})
    assert [one["id"] for one in named.json()["projects"]] == [tenants.project("blue")]


def applications(db: IntentDatabase, strategies: Strategies) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
    """Clients of Neutron's and of OpenVNet's API with these strategies."""
    service = Service(db)
    apps = (
        create_app(service, authentication=strategies.neutron),
        create_vnet_app(service, authentication=strategies.openvnet),
    )
    neutron, openvnet = (
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api")  # type: ignore[arg-type]
        for app in apps
    )
    return neutron, openvnet


async def test_http_basic_with_an_htpasswd_file(db: IntentDatabase, tmp_path: Path) -> None:
    htpasswd, identity = tmp_path / "htpasswd", tmp_path / "identity"
    htpasswd.write_text("".join(f"{name}:{hashed}\n" for name, hashed in PASSWORDS.items()) + "# nobody\n")
    identity.write_text(identity_text())
    settings = AuthSettings(strategy="http_basic", htpasswd=htpasswd, identity=identity)
    neutron, openvnet = applications(db, read_strategies(settings, tmp_path, db))
    assert (await neutron.get("/v2.0/networks")).headers["www-authenticate"].startswith("Basic realm=")
    made = await neutron.post("/v2.0/networks", json={"network": {}}, auth=("member", "member"))
    assert made.json()["network"]["project_id"] != ""
    refused = await neutron.post("/v2.0/networks", json={"network": {}}, auth=("reader", "reader"))
    assert refused.status_code == 403
    other = await neutron.get("/v2.0/networks", auth=("member", "member"), headers={"X-Project-Id": "blue"})
    assert (other.status_code, other.json()["NeutronError"]["type"]) == (403, "NoRoles")
    assert (await neutron.get("/v2.0/networks", auth=("member", "reader"))).status_code == 401
    path = "/api/1.0/networks"
    for user, expected in (("admin", 200), ("member", 403)):
        assert (await openvnet.get(path, auth=(user, user))).status_code == expected
    assert (await openvnet.get(path)).status_code == 401
    alone = AuthSettings(strategy="http_basic", htpasswd=htpasswd)
    neutron, _ = applications(db, read_strategies(alone, tmp_path, db))
    shared = await neutron.post("/v2.0/networks", json={"network": {"shared": True}}, auth=("reader", "reader"))
    assert shared.status_code == 201


async def test_with_the_built_in_strategy_openvnet_takes_passwords_of_administrators(
    db: IntentDatabase, tmp_path: Path
) -> None:
    identity = tmp_path / "identity"
    identity.write_text(identity_text())
    settings = AuthSettings(strategy="builtin", identity=identity)
    _, openvnet = applications(db, read_strategies(settings, tmp_path, db))
    for user, expected in (("admin", 200), ("stranger", 403), ("unknown", 401)):
        assert (await openvnet.get("/api/1.0/networks", auth=(user, user))).status_code == expected
    assert (tmp_path / "token-key").stat().st_mode & 0o777 == 0o600
