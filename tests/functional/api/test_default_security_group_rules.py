"""Rules that new security groups begin with: administrators change them, and groups that are there stay as they are."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from patchbay.intent.database import IntentDatabase
from tests.functional.api.api_world import Api, Object
from tests.functional.api.tenants_world import Tenants, tenants_of

pytestmark = pytest.mark.asyncio(loop_scope="session")
PATH = "/default-security-group-rules"


@pytest_asyncio.fixture(loop_scope="session")
async def tenants(db: IntentDatabase, tmp_path: Path) -> AsyncIterator[Tenants]:
    """Users of two projects."""
    async with tenants_of(db, tmp_path) as world:
        yield world


async def new_rule(api: Api, **attributes: Any) -> Object:
    answer = await api.ask("POST", PATH, {"default_security_group_rule": {"direction": "ingress", **attributes}})
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["default_security_group_rule"])


async def refusal(api: Api, **attributes: Any) -> tuple[int, str, str]:
    return await api.error("POST", PATH, {"default_security_group_rule": {"direction": "ingress", **attributes}})


def said(group: Object) -> set[tuple[str, str, Any, Any, bool]]:
    return {
        (one["direction"], one["ethertype"], one["protocol"], one["port_range_min"], one["remote_group_id"] is not None)
        for one in group["security_group_rules"]
    }


LEGACY = {("egress", "IPv4", None, None, False), ("egress", "IPv6", None, None, False)}
INNER = {("ingress", "IPv4", None, None, True), ("ingress", "IPv6", None, None, True)}
SSH = ("ingress", "IPv4", "tcp", 22, False)


async def test_a_new_rule_is_in_the_groups_that_are_made_afterwards(api: Api) -> None:
    before = (await api.ask("POST", "/security-groups", {"security_group": {"name": "before"}})).json()
    rule = await new_rule(api, protocol="TCP", port_range_min=22, port_range_max=22)
    assert (rule["protocol"], rule["used_in_default_sg"], rule["used_in_non_default_sg"]) == ("tcp", False, True)
    after = (await api.ask("POST", "/security-groups", {"security_group": {"name": "a", "project_id": "new"}})).json()
    assert said(before["security_group"]) == LEGACY
    assert said(after["security_group"]) == LEGACY | {SSH}
    (default,) = await api.get("/security-groups?project_id=new&name=default")
    assert said(default) == LEGACY | INNER
    await api.delete(f"{PATH}/{rule['id']}")
    assert (await api.error("GET", f"{PATH}/{rule['id']}"))[:2] == (404, "DefaultSecurityGroupRuleNotFound")
    last = (await api.ask("POST", "/security-groups", {"security_group": {"name": "last"}})).json()
    assert said(last["security_group"]) == LEGACY


async def test_neutrons_own_rules_can_go_and_come_back(api: Api) -> None:
    for rule in await api.get(PATH):
        await api.delete(f"{PATH}/{rule['id']}")
        assert (await api.error("DELETE", f"{PATH}/{rule['id']}"))[0] == 404
    assert await api.get(PATH) == []
    (empty,) = await api.get("/security-groups?project_id=closed")
    assert said(empty) == set()
    inner = {"remote_group_id": "PARENT", "used_in_default_sg": True, "used_in_non_default_sg": False}
    again = await new_rule(api, **inner)
    assert [one["id"] for one in await api.get(PATH)] == [again["id"]]
    (default,) = await api.get("/security-groups?project_id=inner")
    assert said(default) == {("ingress", "IPv4", None, None, True)}
    assert default["security_group_rules"][0]["remote_group_id"] == default["id"]


async def test_no_group_gets_two_rules_that_say_the_same(api: Api) -> None:
    ssh = {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    rule = await new_rule(api, **ssh, used_in_default_sg=True)
    for used in ({}, {"used_in_default_sg": True, "used_in_non_default_sg": False}, {"protocol": "6"}):
        status, kind, message = await refusal(api, **(ssh | used))
        assert (status, kind) == (409, "DefaultSecurityGroupRuleExists")
        assert rule["id"] in message
    await api.delete(f"{PATH}/{rule['id']}")
    await new_rule(api, **ssh, used_in_default_sg=True, used_in_non_default_sg=False)
    await new_rule(api, **ssh)
    twice = {"default_security_group_rules": [{"direction": "egress", "protocol": "udp"}] * 2}
    assert (await api.error("POST", PATH, twice))[:2] == (409, "DuplicateDefaultSgRuleInPost")
    assert (await refusal(api, port_range_min=1, port_range_max=2))[:2] == (
        400,
        "SecurityGroupProtocolRequiredWithPorts",
    )


async def test_a_rule_whose_remote_group_is_gone_is_left_out(api: Api) -> None:
    web = (await api.ask("POST", "/security-groups", {"security_group": {"name": "web"}})).json()["security_group"]
    await new_rule(api, remote_group_id=web["id"])
    with_it = (await api.ask("POST", "/security-groups", {"security_group": {"name": "a"}})).json()["security_group"]
    assert len(with_it["security_group_rules"]) == 3
    await api.delete(f"/security-groups/{web['id']}")
    without = (await api.ask("POST", "/security-groups", {"security_group": {"name": "b"}})).json()["security_group"]
    assert said(without) == LEGACY


async def test_administrators_change_them_and_everybody_sees_them(tenants: Tenants) -> None:
    body = {"default_security_group_rule": {"direction": "ingress", "protocol": "icmp"}}
    assert (await tenants.error("member", "POST", PATH, body))[:2] == (403, "PolicyNotAuthorized")
    made = (await tenants.ask("admin", "POST", PATH, body)).json()["default_security_group_rule"]
    assert made["id"] in {one["id"] for one in await tenants.get("reader", PATH)}
    assert (await tenants.error("member", "DELETE", f"{PATH}/{made['id']}"))[:2] == (403, "PolicyNotAuthorized")
    group = await tenants.create("member", "security_group", name="web")
    assert ("ingress", "IPv4", "icmp", None, False) in said(group)


async def test_two_servers_make_one_rule(api: Api, db: IntentDatabase, remote: str) -> None:
    database = await IntentDatabase.open([remote], timeout_s=20)
    other = Api(database)
    for port in range(1, 6):
        said = {"direction": "ingress", "protocol": "tcp", "port_range_min": port, "port_range_max": port}
        body = {"default_security_group_rule": said}
        answers = await asyncio.gather(*(server.ask("POST", PATH, body) for server in (api, other) * 3))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    assert len(db.default_security_group_rules) == 5
    await other.http.aclose()
    await database.close()
