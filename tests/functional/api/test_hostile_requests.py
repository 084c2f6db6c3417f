"""What a member tries with more of everything, with what it is not shown, with odd requests, and at just the moment."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from patchbay.intent.database import IntentDatabase
from patchbay.service.settings import NetworkSettings
from tests.functional.api.tenants_world import Object, Tenants, tenants_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

FEW = {"instance": 2, "address_group": 2, "address_scope": 2, "security_group_rule": 12}
MANY = dict.fromkeys(("rbac_policy", "security_group"), -1)


@pytest_asyncio.fixture(loop_scope="session")
async def tenants(db: IntentDatabase, tmp_path: Path) -> AsyncIterator[Tenants]:
    settings = NetworkSettings(quotas=FEW | MANY, max_addresses_per_group=3, max_routes=2)
    async with tenants_of(db, tmp_path, settings) as world:
        yield world


async def network_of(world: Tenants, user: str, cidr: str = "10.0.0.0/24") -> Object:
    """A network with a subnet."""
    made = await world.create(user, "network")
    await world.create(user, "subnet", network_id=made["id"], ip_version=4, cidr=cidr)
    return await world.get(user, f"/networks/{made['id']}")  # type: ignore[no-any-return]


async def share(world: Tenants, kind: str, object_id: str) -> str:
    """Blue shares its object with red; the policy's id."""
    shared = {"object_type": kind, "object_id": object_id, "action": "access_as_shared"}
    made = await world.create("stranger", "rbac_policy", target_tenant=world.project("red"), **shared)
    return str(made["id"])


# More of everything


@pytest.mark.parametrize(
    ("member", "path", "bodies"),
    [
        ("instance", "instances", [{"name": f"i{number}", "host": "compute1"} for number in range(3)]),
        ("address_group", "address-groups", [{"name": "a", "addresses": ["192.0.2.0/24"]}] * 3),
        ("address_scope", "address-scopes", [{"name": "s", "ip_version": 4}] * 3),
    ],
)
async def test_what_takes_room_is_counted(tenants: Tenants, member: str, path: str, bodies: list[Object]) -> None:
    """In bulk, all at once, and with somebody else's project named."""
    over = (409, "OverQuota")
    assert (await tenants.error("member", "POST", f"/{path}", {path.replace("-", "_"): bodies}))[:2] == over
    asked = [tenants.ask("member", "POST", f"/{path}", {member: body}) for body in bodies]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409]
    other = {member: {**bodies[0], "tenant_id": tenants.project("blue")}}
    assert (await tenants.error("member", "POST", f"/{path}", other))[0] == 400
    assert (await tenants.ask("stranger", "POST", f"/{path}", {member: {**bodies[0], "name": "b"}})).status_code == 201


async def test_rules_are_counted_however_they_come(tenants: Tenants) -> None:
    groups = [(await tenants.create("member", "security_group", name=f"g{number}"))["id"] for number in range(2)]
    counted = len(await tenants.get("member", "/security-group-rules"))
    left = FEW["security_group_rule"] - counted
    rules = [
        {"security_group_id": groups[0], "direction": "ingress", "protocol": "tcp", "port_range_min": n} for n in (1, 2)
    ]
    bulk = [{**rules[0], "port_range_min": n, "port_range_max": n} for n in range(1, left + 2)]
    path = "/security-group-rules"
    assert (await tenants.error("member", "POST", path, {"security_group_rules": bulk}))[1] == "OverQuota"
    asked = [
        tenants.ask("member", "POST", path, {"security_group_rule": {**one, "security_group_id": group}})
        for one in bulk
        for group in groups
    ]
    made = [answer for answer in await asyncio.gather(*asked) if answer.status_code == 201]
    assert len(made) == left
    assert len(await tenants.get("member", path)) == FEW["security_group_rule"]


async def test_what_is_inside_of_objects_is_bounded(tenants: Tenants) -> None:
    blocks = [f"10.{number}.0.0/16" for number in range(4)]
    body = {"address_group": {"name": "a", "addresses": blocks}}
    assert (await tenants.error("member", "POST", "/address-groups", body))[0] == 400
    group = await tenants.create("member", "address_group", name="a", addresses=blocks[:3])
    path = f"/address-groups/{group['id']}/add_addresses"
    assert (await tenants.error("member", "PUT", path, {"addresses": blocks[3:]}))[0] == 400

    network, router = await network_of(tenants, "member"), await tenants.create("member", "router")
    where = f"/routers/{router['id']}"
    await tenants.ask("member", "PUT", f"{where}/add_router_interface", {"subnet_id": network["subnets"][0]})
    routes = [{"destination": block, "nexthop": "10.0.0.9"} for block in ("10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16")]
    answer = await tenants.error("member", "PUT", where, {"router": {"routes": routes}})
    assert answer[:2] == (400, "RoutesExhausted")
    assert (await tenants.ask("member", "PUT", where, {"router": {"routes": routes[:2]}})).status_code == 200
    more = {"router": {"routes": routes[2:]}}
    assert (await tenants.error("member", "PUT", f"{where}/add_extraroutes", more))[:2] == (400, "RoutesExhausted")

    port = {"network_id": network["id"], "fixed_ips": [{"subnet_id": network["subnets"][0]}] * 101}
    assert (await tenants.error("member", "POST", "/ports", {"port": port}))[0] == 400
    options = [{"opt_name": f"o{number}", "opt_value": "x"} for number in range(101)]
    port = {"network_id": network["id"], "extra_dhcp_opts": options}
    assert (await tenants.error("member", "POST", "/ports", {"port": port}))[0] == 400


def texts(number: int) -> list[str]:
    """So many different short texts."""
    return [f"{index:x}" for index in range(number)]


def addresses(number: int) -> list[str]:
    """So many different addresses."""
    return [f"10.{index >> 16}.{index >> 8 & 255}.{index & 255}" for index in range(number)]


PATIENCE_S = 2.0
"""Processor time of one request."""

LARGE: list[tuple[str, str, Object]] = [
    ("ports", "port", {"tags": texts(20_000)}),
    ("ports", "port", {"security_groups": texts(20_000)}),
    ("ports", "port", {"allowed_address_pairs": [{"ip_address": each} for each in addresses(6_000)]}),
    ("ports", "port", {"fixed_ips": [{"ip_address": each} for each in addresses(6_000)]}),
    ("subnets", "subnet", {"dns_nameservers": addresses(10_000)}),
    ("subnets", "subnet", {"service_types": texts(20_000)}),
    (
        "subnets",
        "subnet",
        {"host_routes": [{"destination": f"{each}/32", "nexthop": "10.0.0.9"} for each in addresses(3_000)]},
    ),
    ("subnets", "subnet", {"allocation_pools": [{"start": each, "end": each} for each in addresses(3_000)]}),
    ("subnets", "subnet", {"dhcp_ranges": [{"start": each, "end": each} for each in addresses(3_000)]}),
    ("subnetpools", "subnetpool", {"prefixes": [f"{each}/32" for each in addresses(8_000)][::2]}),
    ("address-groups", "address_group", {"addresses": [f"{each}/32" for each in addresses(8_000)]}),
    ("instances", "instance", {"ports": texts(20_000)}),
    ("instances", "instance", {"public_keys": texts(20_000)}),
]
ROUTES = [{"destination": f"{each}/32", "nexthop": "10.0.0.9"} for each in addresses(3_000)]


@pytest.mark.parametrize(("path", "member", "named"), LARGE)
async def test_a_large_request_keeps_nobody_waiting(tenants: Tenants, path: str, member: str, named: Object) -> None:
    """It is carried out or refused, in time that grows with its size and not with the square of it."""
    network = await network_of(tenants, "member")
    base: Object = {
        "port": {"network_id": network["id"]},
        "subnet": {"network_id": network["id"], "ip_version": 4, "cidr": "10.64.0.0/10"},
        "instance": {"host": "compute1"},
    }.get(member, {})
    began = time.process_time()
    answer = await tenants.ask("member", "POST", f"/{path}", {member: {"name": "x", **base, **named}})
    assert answer.status_code < 500
    assert time.process_time() - began < PATIENCE_S


async def test_large_changes_and_many_at_once_keep_nobody_waiting(tenants: Tenants) -> None:
    network, router = await network_of(tenants, "member"), await tenants.create("member", "router")
    scope = await tenants.create("member", "address_scope", name="s", ip_version=4)
    pool = {"name": "p", "prefixes": ["10.0.0.0/8"], "min_prefixlen": 24, "address_scope_id": scope["id"]}
    group = await tenants.create("member", "address_group", name="a", addresses=["192.0.2.0/24"])
    pools = [{**pool, "prefixes": [f"10.{number >> 8}.{number & 255}.0/24"]} for number in range(500)]
    began = time.process_time()
    for method, path, body, status in (
        ("PUT", f"/routers/{router['id']}", {"router": {"routes": ROUTES}}, 400),
        ("PUT", f"/routers/{router['id']}/remove_extraroutes", {"router": {"routes": ROUTES}}, 200),
        ("PUT", f"/networks/{network['id']}/tags", {"tags": texts(20_000)}, 400),
        ("PUT", f"/address-groups/{group['id']}/add_addresses", {"addresses": addresses(8_000)}, 400),
        ("PUT", f"/address-groups/{group['id']}/remove_addresses", {"addresses": addresses(8_000)}, 404),
        ("POST", "/ports", {"ports": [{"network_id": network["id"]}] * 501}, 400),
        ("POST", "/networks", {"networks": [{}] * 50_000}, 400),
        ("POST", "/subnetpools", {"subnetpools": [pool] * 501}, 400),
        ("POST", "/subnetpools", {"subnetpools": pools}, 201),
    ):
        answer = await tenants.ask("member", method, path, body)
        assert answer.status_code == status, (path, answer.text[:300])
    assert time.process_time() - began < 4 * PATIENCE_S


# What it is not shown

HIDDEN = [
    ("networks", "provider:segmentation_id", "1"),
    ("networks", "provider:physical_network", "physnet1"),
    ("ports", "binding:host_id", "compute1"),
    ("ports", "binding:profile", "x=y"),
    ("routers", "distributed", "True"),
    ("routers", "ha", "False"),
]


@pytest.mark.parametrize(("path", "name", "value"), HIDDEN)
async def test_what_is_hidden_is_told_by_no_list(tenants: Tenants, path: str, name: str, value: str) -> None:
    network = await network_of(tenants, "member")
    await tenants.create("member", "port", network_id=network["id"])
    await tenants.create("member", "router")
    for query in (f"{name}={value}", f"sort_key={name}&sort_dir=asc", f"sort_key=id&sort_dir=asc&{name}={value}"):
        assert (await tenants.ask("member", "GET", f"/{path}?{query}")).status_code == 400
    for one in await tenants.get("member", f"/{path}?fields={name}&fields=id"):
        assert set(one) == {"id"}
    one = (await tenants.get("member", f"/{path}"))[0]
    assert await tenants.get("member", f"/{path}/{one['id']}?fields={name}") == {}
    answer = await tenants.ask("member", "PUT", f"/{path}/{one['id']}", {path[:-1]: {"name": "x"}})
    assert name not in answer.text


async def test_actions_show_no_more_than_a_look(tenants: Tenants) -> None:
    router = await tenants.create("member", "router")
    for action in ("add_extraroutes", "remove_extraroutes"):
        answer = await tenants.ask("member", "PUT", f"/routers/{router['id']}/{action}", {"router": {"routes": []}})
        assert set(answer.json()["router"]) == set(router)


async def test_filters_on_what_is_blue_s_find_nothing(tenants: Tenants) -> None:
    network = await network_of(tenants, "stranger")
    port = await tenants.create("stranger", "port", network_id=network["id"], name="secret", dns_name="secret")
    group = port["security_groups"][0]
    address, blue = port["fixed_ips"][0]["ip_address"], tenants.project("blue")
    for query in (
        *(f"{key}={port[key]}" for key in ("id", "name", "mac_address", "network_id", "project_id", "tenant_id")),
        *(f"fixed_ips=ip_address={address}", f"security_groups={group}", "dns_name=secret"),
        *(f"sort_key=name&sort_dir=asc&limit=5&project_id={blue}", "changed_since=2000-01-01T00:00:00Z"),
    ):
        assert await tenants.get("member", f"/ports?{query}") == [], query
    for path in ("networks", "subnets", "security-groups", "security-group-rules", "instances", "rbac-policies"):
        assert await tenants.get("member", f"/{path}?tenant_id={blue}") == []
        assert await tenants.get("member", f"/{path}?project_id={blue}") == []


# Odd requests

PATHS = [
    "/v2.0//networks/{}",
    "//v2.0/networks/{}",
    "/v2.0/networks//{}",
    "/v2.0/networks/{}.json",
    "/v2.0/networks.json/{}",
    "/v2.0/networks/{}/",
    "/v2.0/./networks/{}",
    "/v2.0/ports/../networks/{}",
    "/v2.0/ports%2f..%2fnetworks/{}",
    "/v2.0%2fnetworks%2f{}",
    "/v2.0/networks/{}%00",
    "/v2.0/networks/{}%2ftags",
    "/v2.0/NETWORKS/{}",
    "/identity/v2.0/networks/{}",
    "/v3/../v2.0/networks/{}",
    "/v3/v2.0/networks/{}",
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "POST", "OPTIONS", "TRACE", "get"])
async def test_no_path_or_verb_leads_to_what_is_blue_s(tenants: Tenants, method: str) -> None:
    network = await tenants.create("stranger", "network", name="hers")
    token = (await tenants.log_in("member")).headers["x-subject-token"]
    for path in PATHS:
        for headers in ({"X-Auth-Token": token}, {}):
            where = path.format(network["id"])
            answer = await tenants.http.request(method, where, headers=headers, json={"network": {"name": "mine"}})
            assert 400 <= answer.status_code < 500, (where, answer.text)
            assert "hers" not in answer.text
    assert (await tenants.get("stranger", f"/networks/{network['id']}"))["name"] == "hers"


FORGED = {
    "X-Project-Id": "blue",
    "X-Tenant-Id": "blue",
    "X-Roles": "admin",
    "X-Role": "admin",
    "X-Identity-Status": "Confirmed",
    "X-Is-Admin-Project": "True",
    "X-User-Id": "admin",
    "X-Forwarded-User": "admin",
    "X-Service-Token": "x",
    "X-Service-Roles": "admin",
    "X-HTTP-Method-Override": "DELETE",
    "X-Forwarded-For": "127.0.0.1",
    "OpenStack-System-Scope": "all",
}


async def test_headers_make_nobody_of_anybody(tenants: Tenants) -> None:
    network = await tenants.create("stranger", "network")
    where, headers = f"/v2.0/networks/{network['id']}", {**FORGED, "X-Project-Id": tenants.project("blue")}
    for more in ({}, {"X-Auth-Token": (await tenants.log_in("member")).headers["x-subject-token"]}):
        for method in ("GET", "PUT", "DELETE"):
            body = {"network": {"shared": True}} if method == "PUT" else None
            answer = await tenants.http.request(method, where, headers={**headers, **more}, json=body)
            assert answer.status_code == (404 if more else 401)
        made = await tenants.http.post("/v2.0/networks", headers={**headers, **more}, json={"network": {}})
        assert made.status_code == (201 if more else 401)
        assert not more or made.json()["network"]["project_id"] == tenants.project("red")
    listed = await tenants.ask("member", "GET", f"/networks?tenant_id={tenants.project('blue')}&is_admin=true")
    assert listed.status_code == 400
    assert (await tenants.ask("stranger", "GET", f"/networks/{network['id']}")).status_code == 200


async def test_an_object_moves_to_no_other_project(tenants: Tenants) -> None:
    made, red = await tenants.create("member", "network"), tenants.project("red")
    for named in ("project_id", "tenant_id"):
        for project in (tenants.project("blue"), "", red):
            body = {"network": {named: project}}
            assert (await tenants.ask("member", "PUT", f"/networks/{made['id']}", body)).status_code == 400
    for body in ({"project_id": red, "tenant_id": tenants.project("blue")}, {"project_id": ""}, {"tenant_id": None}):
        assert (await tenants.ask("member", "POST", "/networks", {"network": body})).status_code == 400
    both = {"networks": [{}, {"tenant_id": tenants.project("blue")}]}
    assert (await tenants.ask("member", "POST", "/networks", both)).status_code == 400


# At just the moment


async def test_what_is_unshared_is_used_by_nobody_afterwards(tenants: Tenants) -> None:
    """A policy goes while red uses what it shares: either red was first, and it stays, or red has nothing."""
    await tenants.ask("admin", "PUT", f"/quotas/{tenants.project('blue')}", {"quota": {"security_group_rule": -1}})
    for number in range(12):
        network = await network_of(tenants, "stranger", f"10.{number}.0.0/24")
        group = await tenants.create("stranger", "security_group", name="hers")
        own = await tenants.create("member", "network")
        policies = [await share(tenants, "network", network["id"]), await share(tenants, "security_group", group["id"])]
        router = await tenants.create("member", "router")
        interface = f"/routers/{router['id']}/add_router_interface"
        on_network, in_group = (
            {"network_id": network["id"]},
            {"network_id": own["id"], "security_groups": [group["id"]]},
        )
        uses = [
            tenants.ask("member", "POST", "/ports", {"port": on_network}),
            tenants.ask("member", "POST", "/ports", {"port": in_group}),
            tenants.ask("member", "PUT", interface, {"subnet_id": network["subnets"][0]}),
        ]
        ends = [tenants.ask("stranger", "DELETE", f"/rbac-policies/{one}") for one in policies]
        used, in_it, routed, *ended = (
            await asyncio.gather(*uses, *ends) if number % 2 else await reversed_order(uses, ends)
        )
        left = [answer.status_code for answer in ended]
        assert left == [409 if used.is_success or routed.is_success else 204, 409 if in_it.is_success else 204]
        await tenants.ask("member", "PUT", interface.replace("add", "remove"), {"subnet_id": network["subnets"][0]})
        for answer in (used, in_it):
            if answer.is_success:
                await tenants.ask("member", "DELETE", f"/ports/{answer.json()['port']['id']}")
        assert (await tenants.ask("member", "DELETE", f"/routers/{router['id']}")).status_code == 204


async def reversed_order(first: list[object], last: list[object]) -> list[object]:
    """The answers in the order of the arguments, of requests that are made in the other."""
    answers = await asyncio.gather(*last, *first)  # type: ignore[call-overload]
    return [*answers[len(last) :], *answers[: len(last)]]


async def test_of_two_changes_of_a_port_none_gets_past_the_other(tenants: Tenants) -> None:
    """A port of a shared network gets no port of the network's own, whatever is changed at once."""
    network = await network_of(tenants, "stranger")
    await share(tenants, "network", network["id"])
    port = await tenants.create("member", "port", network_id=network["id"])
    path, router = f"/ports/{port['id']}", await tenants.create("member", "router")
    changes = [
        {"device_owner": "network:dhcp"},
        {"device_owner": "compute:x", "device_id": router["id"]},
        {"device_id": str(uuid.uuid4())},
        {"device_id": ""},
        {"security_groups": []},
    ]
    asked = [tenants.ask("member", "PUT", path, {"port": change}) for change in changes * 4]
    attach = f"/routers/{router['id']}/add_router_interface"
    asked += [tenants.ask("member", "PUT", attach, {"port_id": port["id"]})] * 1
    await asyncio.gather(*asked)
    found = await tenants.get("admin", path)
    if found["device_owner"] == "network:router_interface":
        assert found["device_id"] == router["id"]
    else:
        assert (found["port_security_enabled"], found["device_owner"][:8] == "network:") == (True, False)
