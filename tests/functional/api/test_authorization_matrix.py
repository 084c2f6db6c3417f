"""Every endpoint × role × owner: generated from the API's own registry, so that a new endpoint cannot be forgotten.

What is expected is said here once more, in the words of Neutron's documentation, and not read from the policies.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from patchbay.api.neutron.agent_schedulers import ADD, AGENTS_OF
from patchbay.api.neutron.routes import ACTIONS, COLLECTIONS
from patchbay.intent.database import Insert, IntentDatabase
from patchbay.model import Host
from patchbay.service.tags import GETTERS as TAGGED
from tests.functional.api.tenants_world import Object, Tenants, tenants_of

OWNERS = ("own", "other", "shared")
ROLES = ("member", "reader", "nobody")
Maker = Callable[[Tenants, str], Awaitable[Object]]

SHAREABLE = {
    "networks": "network",
    "security-groups": "security_group",
    "subnetpools": "subnetpool",
    "address-scopes": "address_scope",
    "address-groups": "address_group",
}
"""Collections whose objects RBAC policies share; the others' are of one project alone."""
INSIDE = {
    "subnets": ("network", "network_id"),
    "ports": ("network", "network_id"),
    "security-group-rules": ("security_group", "security_group_id"),
}
"""Collections whose objects are inside of one that is shared. Ports there are their owners' business alone."""
ADMINS_ONLY = {"agents"}
FOR_ALL = {"default-security-group-rules"}
"""Everybody reads them, administrators change them."""


@pytest_asyncio.fixture(loop_scope="session")
async def tenants(db: IntentDatabase, tmp_path: Path) -> AsyncIterator[Tenants]:
    async with tenants_of(db, tmp_path) as world:
        yield world


def name() -> str:
    return f"n{uuid.uuid4().hex[:12]}"


async def network(world: Tenants, project: str) -> Object:
    return await world.create("admin", "network", name=name(), project_id=project)


_cidrs = iter(f"10.{high}.{low}.0/24" for high in range(256) for low in range(256))


async def subnet(world: Tenants, project: str, cidr: str = "") -> Object:
    parent = await network(world, project)
    body = {"network_id": parent["id"], "ip_version": 4, "cidr": cidr or next(_cidrs), "project_id": project}
    return await world.create("admin", "subnet", name=name(), **body)


async def port(world: Tenants, project: str) -> Object:
    parent = await network(world, project)
    return await world.create("admin", "port", name=name(), network_id=parent["id"], project_id=project)


async def external(world: Tenants) -> Object:
    found = await world.get("admin", "/networks?name=outside")
    if found:
        return found[0]  # type: ignore[no-any-return]
    made = await world.create("admin", "network", name="outside", router__external=True)
    await world.create("admin", "subnet", network_id=made["id"], ip_version=4, cidr="203.0.113.0/24")
    return made


async def floatingip(world: Tenants, project: str) -> Object:
    outside = await external(world)
    return await world.create("admin", "floatingip", floating_network_id=outside["id"], project_id=project)


async def security_group_rule(world: Tenants, project: str) -> Object:
    group = await world.create("admin", "security_group", name=name(), project_id=project)
    return await world.create(
        "admin", "security_group_rule", security_group_id=group["id"], direction="ingress", project_id=project
    )


async def rbac_policy(world: Tenants, project: str) -> Object:
    parent = await network(world, project)
    shared = {"object_type": "network", "object_id": parent["id"], "action": "access_as_shared"}
    return await world.create("admin", "rbac_policy", target_tenant=name(), project_id=project, **shared)


async def instance(world: Tenants, project: str) -> Object:
    return await world.create("admin", "instance", name=name(), host="compute1", project_id=project)


async def agent(world: Tenants, _project: str) -> Object:
    if not world.db.hosts:
        await world.db.transact(Insert(Host(id=str(uuid.uuid4()), name="compute1")))
    return (await world.get("admin", "/agents"))[0]  # type: ignore[no-any-return]


async def default_rule(world: Tenants, _project: str) -> Object:
    return (await world.get("admin", "/default-security-group-rules"))[0]  # type: ignore[no-any-return]


def simple(member: str, **attributes: object) -> Maker:
    async def make(world: Tenants, project: str) -> Object:
        return await world.create("admin", member, name=name(), project_id=project, **attributes)

    return make


MAKERS: dict[str, Maker] = {
    "networks": network,
    "subnets": subnet,
    "ports": port,
    "routers": simple("router"),
    "floatingips": floatingip,
    "subnetpools": simple("subnetpool", prefixes=["10.0.0.0/8"], min_prefixlen=24),
    "address-scopes": simple("address_scope", ip_version=4),
    "security-groups": simple("security_group"),
    "security-group-rules": security_group_rule,
    "address-groups": simple("address_group", addresses=["10.0.0.0/8"]),
    "rbac-policies": rbac_policy,
    "instances": instance,
    "agents": agent,
    "default-security-group-rules": default_rule,
}
WITH_PARENT = {"subnets", "ports", "security-group-rules"}
CHANGES: dict[str, Object] = {
    "floatingips": {"description": "changed"},
    "rbac-policies": {"target_tenant": "somebody-else"},
    "agents": {"description": "changed"},
    "instances": {"description": "changed"},
}
"""What an update says, where it is not a name."""


def creation(path: str, made: Object, project: str) -> Object:
    """The body of a creation of an object like ``made``."""
    common = {"project_id": project}
    own: dict[str, Object] = {
        "subnets": {"network_id": made.get("network_id"), "ip_version": 4, "cidr": next(_cidrs)},
        "ports": {"network_id": made.get("network_id")},
        "floatingips": {"floating_network_id": made.get("floating_network_id")},
        "subnetpools": {"name": name(), "prefixes": ["10.0.0.0/8"], "min_prefixlen": 24},
        "address-scopes": {"name": name(), "ip_version": 4},
        "security-group-rules": {
            "security_group_id": made.get("security_group_id"),
            "direction": "egress",
            "protocol": "tcp",
        },
        "rbac-policies": {
            "object_type": "network",
            "object_id": made.get("object_id"),
            "action": "access_as_shared",
            "target_tenant": name(),
        },
        "instances": {"name": name(), "host": "compute1"},
    }
    return {**own.get(path, {"name": name()}), **common}


async def prepared(world: Tenants, path: str, owner: str) -> Object:
    """An object of red (own) or blue, shared with red if it is to be."""
    made = await MAKERS[path](world, world.project("red" if owner == "own" else "blue"))
    if owner == "shared":
        kind, name_of_id = INSIDE.get(path) or (SHAREABLE[path], "id")
        shared = {"object_type": kind, "object_id": made[name_of_id], "action": "access_as_shared"}
        await world.create("admin", "rbac_policy", target_tenant=world.project("red"), **shared)
    return made


def seen(path: str, role: str, owner: str) -> bool:
    if path in FOR_ALL or owner == "shared":
        return path != "ports"
    return path not in ADMINS_ONLY and owner == "own" and role in ("member", "reader")


def changes(path: str, role: str, owner: str) -> bool:
    return seen(path, role, owner) and role == "member" and owner == "own" and path not in FOR_ALL


def owners(path: str) -> tuple[str, ...]:
    """Whose an object may be: what cannot be shared is own or other."""
    return OWNERS if path in SHAREABLE or path in INSIDE else OWNERS[:2]


CASES = [(path, role, owner) for path in COLLECTIONS for role in ROLES for owner in owners(path)]


def test_every_collection_is_in_the_matrix() -> None:
    assert set(MAKERS) == set(COLLECTIONS)


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(("path", "role", "owner"), CASES)
async def test_who_reads_and_changes_what(tenants: Tenants, path: str, role: str, owner: str) -> None:
    collection = COLLECTIONS[path]
    made = await prepared(tenants, path, owner)
    item = f"/{path}/{made['id']}"
    is_seen, is_changed = seen(path, role, owner), changes(path, role, owner)

    listed = await tenants.get(role, f"/{path}")
    assert (made["id"] in [one["id"] for one in listed]) == is_seen
    assert (await tenants.ask(role, "GET", item)).status_code == (200 if is_seen else 404)

    refused = 403 if is_seen else 404
    if collection.update is not None:
        body = {collection.member: CHANGES.get(path, {"name": name()})}
        answer = await tenants.ask(role, "PUT", item, body)
        assert answer.status_code == (200 if is_changed else refused), answer.text
    if collection.delete is not None:
        answer = await tenants.ask(role, "DELETE", item)
        assert answer.status_code == (204 if is_changed else refused), answer.text
        assert (await tenants.ask("admin", "GET", item)).status_code == (404 if is_changed else 200)


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", [path for path, one in COLLECTIONS.items() if one.create is not None])
async def test_who_creates_what(tenants: Tenants, path: str, role: str) -> None:
    collection = COLLECTIONS[path]
    red, blue = tenants.project("red"), tenants.project("blue")
    made = await MAKERS[path](tenants, red)
    body = creation(path, made, red)
    if path in FOR_ALL:
        body = {"direction": "ingress", "protocol": "tcp"}
    answer = await tenants.ask(role, "POST", f"/{path}", {collection.member: body})
    allowed = role == "member" and path not in FOR_ALL
    # Who does not see the network or group finds nothing there to create something in.
    refused = 404 if role == "nobody" and path in WITH_PARENT else 403
    assert answer.status_code == (201 if allowed else refused), answer.text
    if path not in FOR_ALL:
        other = {**creation(path, made, blue)}
        assert (await tenants.error(role, "POST", f"/{path}", {collection.member: other}))[:2] == (
            400,
            "HTTPBadRequest",
        )


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("path", COLLECTIONS)
async def test_administrators_do_all_and_the_unknown_nothing(tenants: Tenants, path: str) -> None:
    collection = COLLECTIONS[path]
    made = await MAKERS[path](tenants, tenants.project("blue"))
    item, body = f"/{path}/{made['id']}", {collection.member: CHANGES.get(path, {"name": name()})}
    for method, where in (("GET", f"/{path}"), ("POST", f"/{path}"), ("GET", item), ("PUT", item), ("DELETE", item)):
        answer = await tenants.ask("", method, where, body)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Keystone uri="http://api/v3"'
    assert (await tenants.ask("admin", "GET", item)).status_code == 200
    if collection.update is not None:
        assert (await tenants.ask("admin", "PUT", item, body)).status_code == 200
    if collection.delete is not None:
        expected = 409 if path == "agents" else 204
        answer = await tenants.ask("admin", "DELETE", item)
        assert answer.status_code in (204, expected), answer.text


PATHS = {
    "routers": "/routers",
    "subnetpools": "/subnetpools",
    "address_groups": "/address-groups",
}


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("kind", "owner", "action"),
    [(kind, owner, action) for kind in ACTIONS for owner in owners(PATHS[kind][1:]) for action in ACTIONS[kind]],
)
async def test_who_acts_on_what(tenants: Tenants, kind: str, action: str, role: str, owner: str) -> None:
    path = PATHS[kind].strip("/")
    made = await prepared(tenants, path, owner)
    answer = await tenants.ask(role, "PUT", f"{PATHS[kind]}/{made['id']}/{action}", {})
    if not seen(path, role, owner):
        assert answer.status_code == 404
    elif not changes(path, role, owner):
        assert (answer.status_code, answer.json()["NeutronError"]["message"]) == (
            403,
            f"rule:{action} is disallowed by policy",
        )
    else:
        assert answer.status_code == 400  # the body says nothing; but the member may ask


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("kind", "owner"), [(kind, owner) for kind in TAGGED for owner in owners(kind.replace("_", "-"))]
)
async def test_who_tags_what(tenants: Tenants, kind: str, role: str, owner: str) -> None:
    path = kind.replace("_", "-")
    made = await prepared(tenants, path, owner)
    is_seen, is_changed = seen(path, role, owner), changes(path, role, owner)
    refused = 403 if is_seen else 404
    where = f"/{path}/{made['id']}/tags"
    assert (await tenants.ask(role, "GET", where)).status_code == (200 if is_seen else 404)
    for method, path_, good in (("PUT", "/t1", 201), ("DELETE", "/t1", 204), ("DELETE", "", 204)):
        assert (await tenants.ask(role, method, where + path_)).status_code == (good if is_changed else refused)
    answer = await tenants.ask(role, "PUT", where, {"tags": ["a"]})
    assert answer.status_code == (200 if is_changed else refused)


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("role", ROLES)
async def test_scheduling_and_quotas_of_others_are_for_administrators(tenants: Tenants, role: str) -> None:
    served = await agent(tenants, "")
    own = {"networks": await network(tenants, tenants.project("red"))}
    own["routers"] = await MAKERS["routers"](tenants, tenants.project("red"))
    for kind, sub in AGENTS_OF:
        assert (await tenants.ask(role, "GET", f"/{kind}/{own[kind]['id']}/{sub}")).status_code == 403
    for sub in ADD:
        assert (await tenants.ask(role, "GET", f"/agents/{served['id']}/{sub}")).status_code == 403
        assert (await tenants.ask(role, "POST", f"/agents/{served['id']}/{sub}", {})).status_code == 403
        assert (await tenants.ask(role, "DELETE", f"/agents/{served['id']}/{sub}/{uuid.uuid4()}")).status_code == 403
    red, blue = tenants.project("red"), tenants.project("blue")
    reads = role in ("member", "reader")
    assert (await tenants.ask(role, "GET", "/quotas")).status_code == 403
    for project, good in ((red, reads), (blue, False)):
        for part in ("", "/default", "/details"):
            answer = await tenants.ask(role, "GET", f"/quotas/{project}{part}")
            assert answer.status_code == (200 if good else 403)
        assert (await tenants.ask(role, "PUT", f"/quotas/{project}", {"quota": {"port": 9}})).status_code == 403
        assert (await tenants.ask(role, "DELETE", f"/quotas/{project}")).status_code == 403
    assert (await tenants.ask("", "GET", f"/quotas/{red}")).status_code == 401
