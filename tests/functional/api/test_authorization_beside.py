"""Every endpoint that is no collection of Neutron's API × role × owner: the rest of the authorization matrix.

Derived from the registries: an endpoint that is new in one of them and has no line here or in the matrix fails a test.
"""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from patchbay.api import enrolment
from patchbay.api.authentication.choice import AuthSettings, read_strategies
from patchbay.api.neutron.agent_schedulers import ADD, AGENTS_OF, REMOVE
from patchbay.api.neutron.routes import ACTIONS, COLLECTIONS, INSIDE, OTHERS
from patchbay.api.openvnet.app import create_vnet_app
from patchbay.api.openvnet.routes import ENDPOINTS, PREFIXES
from patchbay.intent.database import Insert, IntentDatabase
from patchbay.model import Host
from patchbay.service.policy import POLICIES
from patchbay.service.service import Service
from tests.functional.api.tenants_world import PASSWORDS, Object, Tenants, identity_text, tenants_of

ROLES = ("member", "reader", "nobody")
OWNERS = ("own", "other")


@pytest_asyncio.fixture(loop_scope="session")
async def tenants(db: IntentDatabase, tmp_path: Path) -> AsyncIterator[Tenants]:
    async with tenants_of(db, tmp_path) as world:
        yield world


def test_nothing_is_registered_that_no_test_holds() -> None:
    assert set(OTHERS) == {"extensions", "quotas"}
    assert set(INSIDE) == {("floatingips", "port_forwardings")}
    assert set(REMOVE) == set(ADD)
    # Asked by hosts that have no name yet: a token, or the key of a certificate, is the proof.
    assert set(enrolment.ACTIONS) == {"authority", "join", "renew"}


def test_every_policy_is_about_something_that_can_be_asked() -> None:
    verbs = {"create": "create", "update": "update", "delete": "delete"}
    known = {f"get_{one.member}" for one in COLLECTIONS.values()} | {"get_port_forwarding"}
    known |= {
        f"{verb}_{one.member}"
        for one in COLLECTIONS.values()
        for verb, field in verbs.items()
        if getattr(one, field) is not None
    }
    known |= {f"{verb}_port_forwarding" for verb in verbs} | {action for kind in ACTIONS for action in ACTIONS[kind]}
    known |= {f"{verb}_quota" for verb in ("get", "update", "delete")}
    known |= {f"get_{kind}" for _, kind in AGENTS_OF} | {f"get_{kind}" for kind in ADD}
    known |= {f"{verb}_{kind.removesuffix('s')}" for kind in ADD for verb in ("create", "delete")}
    assert {action.partition(":")[0] for action in POLICIES} <= known
    for path, collection in COLLECTIONS.items():
        assert f"get_{collection.member}" in POLICIES, path


async def forwarded(world: Tenants, owner: str) -> tuple[str, Object]:
    """A floating IP's port forwardings and one of them, of red (own) or blue."""
    project = world.project("red" if owner == "own" else "blue")
    outside = await world.create("admin", "network", router__external=True)
    await world.create("admin", "subnet", network_id=outside["id"], ip_version=4, cidr="203.0.113.0/24")
    inside = await world.create("admin", "network", project_id=project)
    subnet = await world.create(
        "admin", "subnet", network_id=inside["id"], ip_version=4, cidr="10.0.0.0/24", project_id=project
    )
    gateway = {"network_id": outside["id"]}
    router = await world.create("admin", "router", external_gateway_info=gateway, project_id=project)
    where = f"/routers/{router['id']}/add_router_interface"
    assert (await world.ask("admin", "PUT", where, {"subnet_id": subnet["id"]})).status_code == 200
    port = await world.create("admin", "port", network_id=inside["id"], project_id=project)
    floatingip = await world.create("admin", "floatingip", floating_network_id=outside["id"], project_id=project)
    path = f"/floatingips/{floatingip['id']}/port_forwardings"
    body = {"internal_port_id": port["id"], "internal_port": 22, "external_port": 22, "protocol": "tcp"}
    made = await world.ask("admin", "POST", path, {"port_forwarding": body})
    assert made.status_code == 201, made.text
    return path, made.json()["port_forwarding"]


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("role", [*ROLES, "admin", ""])
async def test_who_forwards_what(tenants: Tenants, role: str, owner: str) -> None:
    path, made = await forwarded(tenants, owner)
    is_seen = role == "admin" or (owner == "own" and role in ("member", "reader"))
    is_changed = role == "admin" or (owner == "own" and role == "member")
    refused = 401 if not role else 403 if is_seen else 404
    item = f"{path}/{made['id']}"
    for where in (path, item):
        assert (await tenants.ask(role, "GET", where)).status_code == (200 if is_seen else refused)
    more = {name: made[name] for name in ("internal_port_id", "protocol")} | {"internal_port": 80, "external_port": 80}
    for method, where, body, good in (
        ("POST", path, more, 201),
        ("PUT", item, {"description": "changed"}, 200),
        ("DELETE", item, None, 204),
    ):
        answer = await tenants.ask(role, method, where, None if body is None else {"port_forwarding": body})
        expected = good if is_changed else refused
        # A role that may not forward anything is told so before the floating IP is looked for.
        also = 403 if method == "POST" and not is_changed and role else expected
        assert answer.status_code in (expected, also), (method, answer.text)
    assert (await tenants.ask("admin", "GET", item)).status_code == (404 if is_changed else 200)


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("role", [*ROLES, "admin", ""])
async def test_who_schedules_and_who_sees_limits_and_versions(tenants: Tenants, role: str) -> None:
    if not tenants.db.hosts:
        await tenants.db.transact(Insert(Host(id=str(uuid.uuid4()), name="compute1")))
    served = (await tenants.get("admin", "/agents"))[0]["id"]
    own = {
        "networks": (await tenants.create("admin", "network", project_id=tenants.project("red")))["id"],
        "routers": (await tenants.create("admin", "router", project_id=tenants.project("red")))["id"],
    }
    refused = {"": 401, "admin": None}.get(role, 403)
    asked = [("GET", f"/{kind}/{own[kind]}/{sub}") for kind, sub in AGENTS_OF]
    for sub in ADD:
        asked += [("GET", f"/agents/{served}/{sub}"), ("POST", f"/agents/{served}/{sub}")]
        asked.append(("DELETE", f"/agents/{served}/{sub}/{uuid.uuid4()}"))
    asked.append(("GET", "/quotas"))
    for method, path in asked:
        status = (await tenants.ask(role, method, path, {} if method == "POST" else None)).status_code
        assert status not in (401, 403) if refused is None else status == refused, (method, path)
    for path in ("/extensions", "/extensions/router", "/quotas/project", "/quotas/tenant"):
        assert (await tenants.ask(role, "GET", path)).status_code == (401 if not role else 200)
    for path in ("/extensions", "/quotas"):
        for method in ("POST", "PUT", "DELETE"):
            assert (await tenants.ask(role, method, path, {})).status_code == (401 if not role else 405)


EVERYBODY, OWN, ADMINISTRATORS = "everybody", "own", "administrators"
IDENTITY = {
    "auth/projects": EVERYBODY,
    "auth/domains": EVERYBODY,
    "auth/catalog": EVERYBODY,
    "auth/system": EVERYBODY,
    "domains": EVERYBODY,
    "domains/default": EVERYBODY,
    "users/{user}": OWN,
    "users/{user}/projects": OWN,
    "projects/{project}": OWN,
    "users": ADMINISTRATORS,
    "projects": ADMINISTRATORS,
    "roles": ADMINISTRATORS,
    "services": ADMINISTRATORS,
    "endpoints": ADMINISTRATORS,
    "regions": ADMINISTRATORS,
    "role_assignments": ADMINISTRATORS,
    "": None,
    "auth": None,
    "auth/tokens/x": None,
    "groups": None,
    "credentials": None,
    "policies": None,
    "role_inferences": None,
    "users/{user}/application_credentials": None,
    "users/{user}/groups": None,
    "projects/{project}/users/{user}/roles": None,
    "OS-TRUST/trusts": None,
    "OS-REVOKE/events": None,
    "OS-EP-FILTER/endpoint_groups": None,
    "ec2tokens": None,
    "limits": None,
}
"""Paths below /v3 and who reads them; None: there is no such thing, which only administrators are told."""


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("role", [*ROLES, "admin", ""])
async def test_who_reads_what_of_identity(tenants: Tenants, role: str, owner: str) -> None:
    headers = {"X-Auth-Token": (await tenants.log_in(role)).headers["x-subject-token"]} if role else {}
    name = (role or "member") if owner == "own" else "stranger"
    project = {"admin": "cloud", "stranger": "blue"}.get(name, "red")
    user = tenants.identity.user(name)
    assert user is not None
    for pattern, who in IDENTITY.items():
        path = "/v3/" + pattern.format(user=user.id, project=tenants.project(project))
        answer = await tenants.http.get(path, headers=headers)
        is_allowed = who == EVERYBODY or role == "admin" or (who == OWN and owner == "own")
        there = {404} if who is None else {200, 404} if who == OWN and owner == "other" else {200}
        if pattern == "":
            there = {200}  # the version, which everybody may ask for
        elif not role:
            there = {401}
        elif not is_allowed:
            there = {403} if pattern.partition("/")[0] != "auth" else {404}
        assert answer.status_code in there, (path, answer.text)
        assert "$2b$" not in answer.text
        for method in ("POST", "PUT", "PATCH", "DELETE") if pattern else ():
            changed = await tenants.http.request(method, path, headers=headers, json={})
            assert changed.status_code == (405 if role else 401), (method, path)


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("strategy", ["builtin", "http_basic"])
async def test_openvnet_answers_administrators_only(db: IntentDatabase, tmp_path: Path, strategy: str) -> None:
    """Every endpoint, under each prefix and in each notation: who is none changes and learns nothing."""
    (tmp_path / "identity").write_text(identity_text())
    (tmp_path / "htpasswd").write_text("".join(f"{name}:{hashed}\n" for name, hashed in PASSWORDS.items()))
    settings = AuthSettings(strategy=strategy, identity=tmp_path / "identity", htpasswd=tmp_path / "htpasswd")
    app = create_vnet_app(Service(db), authentication=read_strategies(settings, tmp_path, db).openvnet)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:  # type: ignore[arg-type]
        for endpoint in ENDPOINTS:
            inner = "/".join("x" if part.startswith(":") else part for part in endpoint.path.strip("/").split("/"))
            for prefix in PREFIXES:
                path = "/".join(("", *prefix, inner))
                for name, ending, status in (
                    *(("", ending, 401) for ending in ("", ".yml")),
                    *((name, "", 403) for name in ROLES),
                    ("member", ".json", 403),
                ):
                    auth = (name, name) if name else None
                    answer = await client.request(endpoint.method, path + ending, auth=auth)
                    assert answer.status_code == status, (endpoint.method, path)
            answer = await client.request(endpoint.method, path, auth=("admin", "admin"))
            assert answer.status_code not in (401, 403), (endpoint.method, path)
