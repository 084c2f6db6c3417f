"""Two projects: what a member may name and see, what is shared and how it stops, and how many there may be."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from patchbay.intent.database import IntentDatabase
from patchbay.service.settings import NetworkSettings
from tests.functional.api.api_world import Api
from tests.functional.api.tenants_world import Object, Tenants, tenants_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHARED = {"object_type": "network", "action": "access_as_shared"}
EXTERNAL = {"object_type": "network", "action": "access_as_external"}


@pytest_asyncio.fixture(loop_scope="session")
async def tenants(db: IntentDatabase, tmp_path: Path) -> AsyncIterator[Tenants]:
    async with tenants_of(db, tmp_path, NetworkSettings(quotas={"network": 7})) as world:
        yield world


async def network_of(world: Tenants, user: str, cidr: str = "10.0.0.0/24", **attributes: Any) -> Object:
    """A network with a subnet."""
    made = await world.create(user, "network", **attributes)
    await world.create(user, "subnet", network_id=made["id"], ip_version=4, cidr=cidr)
    return await world.get(user, f"/networks/{made['id']}")  # type: ignore[no-any-return]


async def refusal(world: Tenants, user: str, method: str, path: str, body: object) -> str:
    """The message of a 403."""
    status, kind, message = await world.error(user, method, path, body)
    assert (status, kind) == (403, "PolicyNotAuthorized"), message
    return message


@pytest.mark.parametrize(
    ("named", "rule"),
    [
        ({"shared": True}, "(rule:create_network and rule:create_network:shared)"),
        ({"router:external": True}, "(rule:create_network and rule:create_network:router:external)"),
        ({"provider:network_type": "vxlan"}, "(rule:create_network and rule:create_network:provider:network_type)"),
        (
            {"shared": True, "is_default": True},
            "((rule:create_network and rule:create_network:shared) and rule:create_network:is_default)",
        ),
    ],
)
async def test_what_of_a_network_only_administrators_set(tenants: Tenants, named: Object, rule: str) -> None:
    message = await refusal(tenants, "member", "POST", "/networks", {"network": named})
    assert message == f"{rule} is disallowed by policy"
    own = await tenants.create("member", "network", shared=False, router__external=False)
    text = await refusal(tenants, "member", "PUT", f"/networks/{own['id']}", {"network": named})
    assert text == f"{rule.replace('create', 'update')} is disallowed by policy"


async def test_what_of_a_router_and_floating_ip_only_administrators_set(tenants: Tenants) -> None:
    outside = await network_of(tenants, "admin", "203.0.113.0/24", router__external=True)
    gateway = {"network_id": outside["id"]}
    assert await tenants.create("member", "router", external_gateway_info=gateway)
    for named in ({"distributed": False}, {"ha": False}, {"external_gateway_info": {**gateway, "enable_snat": False}}):
        await refusal(tenants, "member", "POST", "/routers", {"router": named})
    body = {"floating_network_id": outside["id"], "floating_ip_address": "203.0.113.77"}
    await refusal(tenants, "member", "POST", "/floatingips", {"floatingip": body})
    assert await tenants.create("member", "floatingip", floating_network_id=outside["id"])


async def test_administrators_see_where_things_are_and_members_do_not(tenants: Tenants) -> None:
    made = await network_of(tenants, "member")
    port = await tenants.create("member", "port", network_id=made["id"])
    router = await tenants.create("member", "router")
    hidden = {"provider:network_type", "provider:physical_network", "provider:segmentation_id"}
    hidden |= {"binding:host_id", "binding:profile", "binding:vif_type", "binding:vif_details", "distributed", "ha"}
    for path in (f"/networks/{made['id']}", f"/ports/{port['id']}", f"/routers/{router['id']}"):
        shown, whole = await tenants.get("member", path), await tenants.get("admin", path)
        assert set(whole) - set(shown) == hidden & set(whole) != set()
        collection = path.split("/")[1]
        listed = await tenants.get("member", f"/{collection}?id={shown['id']}")
        assert listed == [shown]
    assert (await tenants.ask("member", "GET", "/ports?binding:host_id=compute1")).status_code == 400
    assert "binding:vnic_type" in port


async def test_on_a_shared_network_others_have_ports_and_its_owner_has_the_say(tenants: Tenants) -> None:
    made = await network_of(tenants, "stranger")
    subnet_id = made["subnets"][0]
    assert (await tenants.error("member", "POST", "/ports", {"port": {"network_id": made["id"]}}))[0] == 404
    await tenants.create(
        "stranger", "rbac_policy", object_id=made["id"], target_tenant=tenants.project("red"), **SHARED
    )

    port = await tenants.create("member", "port", network_id=made["id"], fixed_ips=[{"subnet_id": subnet_id}])
    for named in (
        {"mac_address": "fa:16:3e:00:00:01"},
        {"fixed_ips": [{"ip_address": "10.0.0.77"}]},
        {"device_owner": "network:dhcp"},
        {"port_security_enabled": False},
        {"allowed_address_pairs": [{"ip_address": "10.0.0.9"}]},
        {"binding:host_id": "compute1"},
    ):
        await refusal(tenants, "member", "POST", "/ports", {"port": {"network_id": made["id"], **named}})
        await refusal(tenants, "member", "PUT", f"/ports/{port['id']}", {"port": named})
    await refusal(tenants, "reader", "POST", "/ports", {"port": {"network_id": made["id"]}})
    subnet = {"network_id": made["id"], "ip_version": 4, "cidr": "10.9.0.0/24"}
    await refusal(tenants, "member", "POST", "/subnets", {"subnet": subnet})
    assert (await tenants.get("member", f"/subnets/{subnet_id}"))["cidr"] == "10.0.0.0/24"

    assert (await tenants.get("stranger", f"/ports/{port['id']}"))["project_id"] == tenants.project("red")
    await refusal(tenants, "stranger", "PUT", f"/ports/{port['id']}", {"port": {"name": "mine"}})
    mine = await tenants.create("stranger", "port", network_id=made["id"], fixed_ips=[{"ip_address": "10.0.0.77"}])
    assert (await tenants.error("member", "GET", f"/ports/{mine['id']}"))[0] == 404
    assert (await tenants.ask("stranger", "DELETE", f"/ports/{port['id']}")).status_code == 204


async def test_the_network_s_owner_attaches_nothing_to_the_ports_of_others(tenants: Tenants) -> None:
    made = await network_of(tenants, "stranger")
    await tenants.create(
        "stranger", "rbac_policy", object_id=made["id"], target_tenant=tenants.project("red"), **SHARED
    )
    port = await tenants.create("member", "port", network_id=made["id"])
    router = await tenants.create("stranger", "router")
    path = f"/routers/{router['id']}/add_router_interface"
    assert (await tenants.error("stranger", "PUT", path, {"port_id": port["id"]}))[:2] == (404, "PortNotFound")
    outside = await network_of(tenants, "admin", "203.0.113.0/24", router__external=True)
    message = await refusal(tenants, "stranger", "PUT", path, {"subnet_id": outside["subnets"][0]})
    assert message == "rule:create_port is disallowed by policy"


async def test_a_policy_that_somebody_needs_stays(tenants: Tenants) -> None:
    made = await network_of(tenants, "stranger")
    red = tenants.project("red")
    policy = await tenants.create("stranger", "rbac_policy", object_id=made["id"], target_tenant=red, **SHARED)
    path = f"/rbac-policies/{policy['id']}"
    body = {"rbac_policy": {"object_id": made["id"], "target_tenant": red, **SHARED}}
    assert (await tenants.error("stranger", "POST", "/rbac-policies", body))[:2] == (409, "DuplicateRbacPolicy")
    port = await tenants.create("member", "port", network_id=made["id"])
    assert (await tenants.error("stranger", "DELETE", path))[:2] == (409, "RbacPolicyInUse")
    change = {"rbac_policy": {"target_tenant": "somebody-else"}}
    assert (await tenants.error("stranger", "PUT", path, change))[:2] == (409, "RbacPolicyInUse")
    assert (await tenants.ask("member", "DELETE", f"/ports/{port['id']}")).status_code == 204
    assert (await tenants.ask("stranger", "PUT", path, change)).status_code == 200
    assert (await tenants.ask("member", "GET", f"/networks/{made['id']}")).status_code == 404
    assert (await tenants.ask("stranger", "DELETE", path)).status_code == 204


async def test_shared_is_the_policy_for_all(tenants: Tenants) -> None:
    made = await network_of(tenants, "stranger")
    body = {"rbac_policy": {"object_id": made["id"], "target_tenant": "*", **SHARED}}
    message = await refusal(tenants, "stranger", "POST", "/rbac-policies", body)
    assert "rule:create_rbac_policy:target_tenant" in message
    policy = (await tenants.ask("admin", "POST", "/rbac-policies", body)).json()["rbac_policy"]
    assert (await tenants.get("member", f"/networks/{made['id']}"))["shared"] is True
    assert [one["id"] for one in await tenants.get("admin", f"/rbac-policies?object_id={made['id']}")] == [policy["id"]]
    assert (await tenants.ask("admin", "DELETE", f"/rbac-policies/{policy['id']}")).status_code == 204
    assert (await tenants.get("admin", f"/networks/{made['id']}"))["shared"] is False
    assert (await tenants.ask("member", "GET", f"/networks/{made['id']}")).status_code == 404
    await tenants.ask("admin", "PUT", f"/networks/{made['id']}", {"network": {"shared": True}})
    assert [one["target_tenant"] for one in await tenants.get("stranger", "/rbac-policies")] == ["*"]


async def test_an_external_network_for_one_project(tenants: Tenants) -> None:
    made = await network_of(tenants, "admin", "203.0.113.0/24", router__external=True)
    path, gateway = f"/networks/{made['id']}", {"external_gateway_info": {"network_id": made["id"]}}
    for user in ("member", "stranger"):
        assert (await tenants.ask(user, "GET", path)).status_code == 200
    red = tenants.project("red")
    await tenants.create("admin", "rbac_policy", object_id=made["id"], target_tenant=red, **EXTERNAL)
    assert (await tenants.ask("stranger", "GET", path)).status_code == 200
    (for_all,) = await tenants.get("admin", f"/rbac-policies?object_id={made['id']}&target_tenant=*")
    router = await tenants.create("stranger", "router", **gateway)
    assert (await tenants.error("admin", "DELETE", f"/rbac-policies/{for_all['id']}"))[:2] == (409, "RbacPolicyInUse")
    assert (await tenants.ask("stranger", "DELETE", f"/routers/{router['id']}")).status_code == 204
    assert (await tenants.ask("admin", "DELETE", f"/rbac-policies/{for_all['id']}")).status_code == 204
    assert (await tenants.ask("stranger", "GET", path)).status_code == 404
    assert (await tenants.error("stranger", "POST", "/routers", {"router": gateway}))[:2] == (404, "NetworkNotFound")
    assert await tenants.create("member", "router", **gateway)
    shown = await tenants.get("member", path)
    assert (shown["router:external"], shown["shared"]) == (True, False)


@pytest.mark.parametrize(
    ("kind", "body", "user"),
    [
        ("subnetpool", {"name": "p", "prefixes": ["10.0.0.0/8"], "min_prefixlen": 24}, "subnet"),
        ("address_scope", {"name": "s", "ip_version": 4}, "subnetpool"),
        ("security_group", {"name": "g"}, "port"),
        ("address_group", {"name": "a", "addresses": ["10.0.0.0/8"]}, "security_group_rule"),
    ],
)
async def test_what_else_is_shared(tenants: Tenants, kind: str, body: Object, user: str) -> None:
    made = await tenants.create("stranger", kind, **body)
    own = await network_of(tenants, "member", "192.0.2.0/24")
    other = await tenants.create("member", "network")
    group = await tenants.create("member", "security_group", name="mine")
    using: Object = {
        "subnet": {"network_id": other["id"], "ip_version": 4, "subnetpool_id": made["id"]},
        "subnetpool": {"name": "q", "prefixes": ["10.0.0.0/8"], "min_prefixlen": 24, "address_scope_id": made["id"]},
        "port": {"network_id": own["id"], "security_groups": [made["id"]]},
        "security_group_rule": {
            "security_group_id": group["id"],
            "direction": "ingress",
            "remote_address_group_id": made["id"],
        },
    }[user]
    path = f"/{user.replace('_', '-')}s"
    assert (await tenants.ask("member", "POST", path, {user: using})).status_code == 404
    shared = {"object_type": kind, "object_id": made["id"], "action": "access_as_shared"}
    policy = await tenants.create("stranger", "rbac_policy", target_tenant=tenants.project("red"), **shared)
    answer = await tenants.ask("member", "POST", path, {user: using})
    assert answer.status_code == 201, answer.text
    where = f"/rbac-policies/{policy['id']}"
    assert (await tenants.error("stranger", "DELETE", where))[:2] == (409, "RbacPolicyInUse")
    used = answer.json()[user]["id"]
    assert (await tenants.ask("member", "DELETE", f"{path}/{used}")).status_code == 204
    assert (await tenants.ask("stranger", "DELETE", where)).status_code == 204


async def test_lists_of_what_is_shared_are_each_caller_s_own(tenants: Tenants) -> None:
    made, own = await tenants.create("stranger", "network"), await tenants.create("member", "network")
    await tenants.create(
        "stranger", "rbac_policy", object_id=made["id"], target_tenant=tenants.project("red"), **SHARED
    )
    for user, shared, others in (("member", made, own), ("stranger", None, made)):
        assert [one["id"] for one in await tenants.get(user, "/networks?shared=True")] == (
            [shared["id"]] if shared else []
        )
        assert [one["id"] for one in await tenants.get(user, "/networks?shared=false")] == [others["id"]]


async def test_policies_go_with_their_object(tenants: Tenants) -> None:
    made = await tenants.create("stranger", "network")
    await tenants.create("stranger", "rbac_policy", object_id=made["id"], target_tenant="x", **SHARED)
    assert (await tenants.ask("stranger", "DELETE", f"/networks/{made['id']}")).status_code == 204
    assert await tenants.get("admin", "/rbac-policies") == []


async def test_a_project_has_as_many_as_it_may(tenants: Tenants) -> None:
    red = tenants.project("red")
    assert (await tenants.get("member", f"/quotas/{red}"))["network"] == 7
    for _ in range(7):
        await tenants.create("member", "network")
    full = (409, "OverQuota", "Quota exceeded for resources: ['network'].")
    assert await tenants.error("member", "POST", "/networks", {"network": {}}) == full
    assert await tenants.create("stranger", "network")
    assert (await tenants.get("member", f"/quotas/{red}/details"))["network"] == {"limit": 7, "used": 7, "reserved": 0}
    quota = {"quota": {"network": 3}}
    assert (await tenants.error("admin", "PUT", f"/quotas/{red}", quota))[0] == 400
    assert (await tenants.ask("admin", "PUT", f"/quotas/{red}", {"quota": {"network": 9}})).json()["quota"][
        "port"
    ] == 500
    assert (await tenants.ask("member", "POST", "/networks", {"networks": [{}, {}, {}]})).status_code == 409
    assert (await tenants.ask("member", "POST", "/networks", {"networks": [{}, {}]})).status_code == 201
    assert [one["project_id"] for one in await tenants.get("admin", "/quotas")] == [red]
    assert (await tenants.ask("admin", "DELETE", f"/quotas/{red}")).status_code == 204
    assert await tenants.error("member", "POST", "/networks", {"network": {}}) == full
    await tenants.ask("admin", "PUT", f"/quotas/{red}", {"quota": {"network": -1}})
    assert await tenants.create("member", "network")


async def test_the_nameless_project_of_noauth_has_as_many_as_it_may(db: IntentDatabase) -> None:
    api = Api(db, NetworkSettings(quotas={"network": 3}))
    for _ in range(3):
        await api.create("network")
    assert (await api.error("POST", "/networks", {"network": {}}))[:2] == (409, "OverQuota")
    await api.http.aclose()


async def test_the_last_place_goes_to_one(tenants: Tenants, db: IntentDatabase, remote: str, tmp_path: Path) -> None:
    """Forty requests at two servers for seven places: seven get one, and no more are there."""
    there = await IntentDatabase.open([remote], timeout_s=20)
    (tmp_path / "other").mkdir()
    async with tenants_of(there, tmp_path / "other", NetworkSettings(quotas={"network": 7})) as other:
        asked = [
            world.ask("member", "POST", "/networks", {"network": {}}) for _ in range(20) for world in (tenants, other)
        ]
        answers = await asyncio.gather(*asked)
    await there.close()
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] * 7 + [409] * 33
    assert len(await tenants.get("member", "/networks")) == 7


async def test_those_that_fail_take_no_place_from_those_behind_them(tenants: Tenants) -> None:
    """Sixty ports at once, every third with one and the same MAC, and thirty places: all thirty are taken."""
    await tenants.ask("admin", "PUT", f"/quotas/{tenants.project('red')}", {"quota": {"port": 30}})
    made = await network_of(tenants, "member")
    same = {"network_id": made["id"], "mac_address": "fa:16:3e:00:00:01"}
    bodies = [same if number % 3 == 1 else {"network_id": made["id"]} for number in range(60)]
    answers = await asyncio.gather(*(tenants.ask("member", "POST", "/ports", {"port": body}) for body in bodies))
    kinds = [answer.json().get("NeutronError", {}).get("type", "made") for answer in answers]
    assert kinds.count("made") == 30
    assert set(kinds) <= {"made", "OverQuota", "MacAddressInUse"}
    ports = await tenants.get("member", "/ports")
    assert len(ports) == 30
    assert sum(port["mac_address"] == same["mac_address"] for port in ports) <= 1


async def test_without_a_limit_no_quota_row_is_written(tenants: Tenants) -> None:
    await tenants.create("member", "subnetpool", name="p", prefixes=["10.0.0.0/8"], min_prefixlen=24)
    assert not tenants.db.quotas
    made = await tenants.create("member", "network")
    (row,) = tenants.db.quotas.values()
    assert (row.project_id, row.limits, row.revision_number) == (made["project_id"], {}, 0)


async def test_an_unknown_quota_resource_and_a_wrong_number(tenants: Tenants) -> None:
    path = f"/quotas/{uuid.uuid4()}"
    for body in ({"cheese": 1}, {"network": -2}, {"network": "many"}, {"network": 2**40}):
        assert (await tenants.error("admin", "PUT", path, {"quota": body}))[0] == 400
    assert (await tenants.error("admin", "DELETE", path))[:2] == (404, "TenantQuotaNotFound")
