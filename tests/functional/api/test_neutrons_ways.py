"""Small ways of Neutron's that its own API tests (tempest) hold a service to."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from patchbay.intent.database import Insert, IntentDatabase
from patchbay.model import Host
from patchbay.service.access import new_id
from patchbay.service.settings import NetworkSettings
from tests.functional.api.tenants_world import Object, Tenants, tenants_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def tenants(db: IntentDatabase, tmp_path: Path) -> AsyncIterator[Tenants]:
    """Users of two projects, with Neutron's quotas."""
    async with tenants_of(db, tmp_path, NetworkSettings(quotas={})) as world:
        yield world


async def network_of(world: Tenants, user: str, cidr: str, **attributes: Any) -> tuple[Object, Object]:
    """A network and its subnet."""
    network = await world.create(user, "network", **attributes)
    return network, await world.create(user, "subnet", network_id=network["id"], ip_version=4, cidr=cidr)


async def share(world: Tenants, user: str, kind: str, made: Object, target: str, action: str = "shared") -> Object:
    """A policy that shares the object."""
    said = {"object_type": kind, "object_id": made["id"], "action": f"access_as_{action}", "target_tenant": target}
    return await world.create(user, "rbac_policy", **said)


async def ids(world: Tenants, user: str, path: str) -> set[str]:
    return {one["id"] for one in await world.get(user, path)}


async def test_subnets_say_whether_they_are_outside_and_are_listed_by_who_may_use_them(tenants: Tenants) -> None:
    _, outside = await network_of(tenants, "admin", "203.0.113.0/24", router__external=True)
    _, own = await network_of(tenants, "member", "10.0.0.0/24")
    lent, common = await network_of(tenants, "admin", "10.1.0.0/24")
    _, foreign = await network_of(tenants, "admin", "10.2.0.0/24")
    await share(tenants, "admin", "network", lent, tenants.project("red"))
    assert (outside["router:external"], own["router:external"]) == (True, False)
    assert await ids(tenants, "reader", "/subnets?router:external=true") == {outside["id"]}
    assert await ids(tenants, "reader", "/subnets?shared=true") == {common["id"]}
    assert await ids(tenants, "reader", "/subnets?shared=False") == {own["id"], outside["id"]}
    everything = {one["id"] for one in (outside, own, common, foreign)}
    assert await ids(tenants, "admin", "/subnets?shared=false") == everything
    assert "shared" not in own
    text = "Attribute 'shared' not allowed in POST"
    body = {"subnet": {"network_id": lent["id"], "ip_version": 4, "cidr": "10.3.0.0/24", "shared": True}}
    assert (await tenants.error("admin", "POST", "/subnets", body))[2] == text


async def test_kinds_of_agents_are_found_however_they_are_capitalised(tenants: Tenants, db: IntentDatabase) -> None:
    await db.transact(Insert(Host(id=new_id(), name="compute1", services=("dhcp",))))
    found = await tenants.get("admin", "/agents?agent_type=DHCP%20Agent")
    assert [one["agent_type"] for one in found] == ["DHCP agent"]
    assert await tenants.get("admin", "/agents?agent_type=DHCP") == []


async def test_members_say_what_their_subnets_are_for(tenants: Tenants) -> None:
    _, made = await network_of(tenants, "member", "10.0.0.0/24")
    body = {"subnet": {"service_types": ["compute:nova"]}}
    changed = (await tenants.ask("member", "PUT", f"/subnets/{made['id']}", body)).json()["subnet"]
    assert (changed["service_types"], changed["revision_number"]) == (["compute:nova"], made["revision_number"] + 1)


async def test_a_policy_shows_its_target_once(tenants: Tenants) -> None:
    made = await tenants.create("member", "network")
    policy = await share(tenants, "member", "network", made, "somebody")
    assert "target_project" not in policy
    body = {"rbac_policy": {"target_tenant": "somebody-else"}}
    changed = (await tenants.ask("member", "PUT", f"/rbac-policies/{policy['id']}", body)).json()["rbac_policy"]
    assert changed == policy | {"target_tenant": "somebody-else"}
    path = "/rbac-policies?sort_key=target_project&sort_dir=asc"
    assert (await tenants.error("member", "GET", path))[0] == 400


async def test_an_external_network_is_given_from_all_to_the_one_that_uses_it(tenants: Tenants) -> None:
    red, blue = tenants.project("red"), tenants.project("blue")
    made, _ = await network_of(tenants, "admin", "203.0.113.0/24", router__external=True)
    await tenants.create("member", "router", external_gateway_info={"network_id": made["id"]})
    (policy,) = await tenants.get("admin", f"/rbac-policies?object_id={made['id']}")
    path = f"/rbac-policies/{policy['id']}"
    refused = await tenants.error("admin", "PUT", path, {"rbac_policy": {"target_tenant": blue}})
    assert refused[:2] == (409, "RbacPolicyInUse")
    answer = await tenants.ask("admin", "PUT", path, {"rbac_policy": {"target_tenant": red}})
    assert answer.status_code == 200, answer.text
    assert await ids(tenants, "member", "/networks") == {made["id"]}
    assert await ids(tenants, "stranger", "/networks") == set()


async def test_the_default_external_network_is_for_all(tenants: Tenants) -> None:
    made, _ = await network_of(tenants, "admin", "203.0.113.0/24", router__external=True, is_default=True)
    (policy,) = await tenants.get("admin", f"/rbac-policies?object_id={made['id']}")
    path = f"/rbac-policies/{policy['id']}"
    assert (await tenants.error("admin", "DELETE", path))[:2] == (409, "RbacPolicyInUse")
    body = {"rbac_policy": {"target_tenant": tenants.project("red")}}
    assert (await tenants.error("admin", "PUT", path, body))[:2] == (409, "RbacPolicyInUse")
    assert (await tenants.get("stranger", f"/networks/{made['id']}"))["router:external"] is True
    await tenants.ask("admin", "PUT", f"/networks/{made['id']}", {"network": {"is_default": False}})
    assert (await tenants.ask("admin", "DELETE", path)).status_code == 204


async def test_a_pool_is_shared_with_those_only_who_see_its_address_scope(tenants: Tenants) -> None:
    blue = tenants.project("blue")
    scope = await tenants.create("admin", "address_scope", name="s", ip_version=4)
    await share(tenants, "admin", "address_scope", scope, tenants.project("red"))
    pool = {"name": "p", "prefixes": ["10.0.0.0/16"], "min_prefixlen": 24, "address_scope_id": scope["id"]}
    made = await tenants.create("member", "subnetpool", **pool)
    said = {"object_type": "subnetpool", "object_id": made["id"], "action": "access_as_shared", "target_tenant": blue}
    refused = await tenants.error("member", "POST", "/rbac-policies", {"rbac_policy": said})
    assert refused[:2] == (400, "InvalidInput")
    assert await tenants.get("member", "/rbac-policies") == []
    await share(tenants, "admin", "address_scope", scope, blue)
    await share(tenants, "member", "subnetpool", made, blue)
    assert await ids(tenants, "stranger", "/subnetpools") == {made["id"]}


async def test_a_pool_in_an_address_scope_of_another_project_is_changed_by_administrators(tenants: Tenants) -> None:
    scope = await tenants.create("admin", "address_scope", name="s", ip_version=4, shared=True)
    made = await tenants.create("member", "subnetpool", name="p", prefixes=["10.0.0.0/16"], min_prefixlen=24)
    path = f"/subnetpools/{made['id']}"
    await tenants.ask("admin", "PUT", path, {"subnetpool": {"address_scope_id": scope["id"]}})
    body = {"subnetpool": {"prefixes": ["10.0.0.0/15"]}}
    assert (await tenants.error("member", "PUT", path, body))[:2] == (400, "IllegalSubnetPoolUpdate")
    assert (await tenants.ask("admin", "PUT", path, body)).json()["subnetpool"]["prefixes"] == ["10.0.0.0/15"]


async def test_a_group_s_first_rules_count_too(tenants: Tenants) -> None:
    red = tenants.project("red")
    await tenants.get("member", "/security-groups")
    await tenants.ask("admin", "PUT", f"/quotas/{red}", {"quota": {"security_group_rule": 0, "force": True}})
    refused = await tenants.error("member", "POST", "/security-groups", {"security_group": {"name": "a"}})
    assert refused == (409, "OverQuota", "Quota exceeded for resources: ['security_group_rule'].")
    limits = {"quota": {"security_group": -1, "security_group_rule": 11}}
    assert (await tenants.ask("admin", "PUT", f"/quotas/{red}", limits)).status_code == 200
    bodies = [{"security_group": {"name": str(number)}} for number in range(12)]
    answers = await asyncio.gather(*(tenants.ask("member", "POST", "/security-groups", body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 9
    assert len(await tenants.get("member", "/security-group-rules")) == 4 + 2 * 3


async def test_a_floating_ip_does_not_lead_to_a_port_of_another_project(tenants: Tenants) -> None:
    outside, _ = await network_of(tenants, "admin", "203.0.113.0/24", router__external=True)
    own, subnet = await network_of(tenants, "member", "10.0.0.0/24")
    router = await tenants.create("member", "router", external_gateway_info={"network_id": outside["id"]})
    path = f"/routers/{router['id']}/add_router_interface"
    assert (await tenants.ask("member", "PUT", path, {"subnet_id": subnet["id"]})).status_code == 200
    theirs = await tenants.create("admin", "port", network_id=own["id"], project_id=tenants.project("blue"))
    hidden = await tenants.create("admin", "port", network_id=outside["id"])
    floating = await tenants.create("member", "floatingip", floating_network_id=outside["id"])
    for port, expected in ((theirs, (400, "BadRequest")), (hidden, (404, "PortNotFound"))):
        body = {"floatingip": {"port_id": port["id"]}}
        assert (await tenants.error("member", "PUT", f"/floatingips/{floating['id']}", body))[:2] == expected


async def test_an_empty_update_takes_a_floating_ip_from_its_port(tenants: Tenants) -> None:
    outside, _ = await network_of(tenants, "admin", "203.0.113.0/24", router__external=True)
    inside, subnet = await network_of(tenants, "member", "10.0.0.0/24")
    router = await tenants.create("member", "router", external_gateway_info={"network_id": outside["id"]})
    await tenants.ask("member", "PUT", f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    port = await tenants.create("member", "port", network_id=inside["id"])
    made = await tenants.create("member", "floatingip", floating_network_id=outside["id"], port_id=port["id"])
    assert made["port_id"] == port["id"]
    named = await tenants.ask("member", "PUT", f"/floatingips/{made['id']}", {"floatingip": {"description": "web"}})
    assert named.json()["floatingip"]["port_id"] == port["id"]
    freed = await tenants.ask("member", "PUT", f"/floatingips/{made['id']}", {"floatingip": {}})
    assert freed.json()["floatingip"]["port_id"] is None
