"""Security groups and their rules: what a project has, what new groups get, what goes along with a group."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from patchbay.api.neutron.security_groups import view_security_group
from patchbay.intent.database import Insert, IntentDatabase
from patchbay.model import RBACPolicy
from patchbay.service.access import new_id
from patchbay.service.context import RequestContext
from patchbay.service.security_errors import SecurityGroupCannotRemoveDefault, SecurityGroupNotFound
from patchbay.service.security_group_rules import create_security_group_rules, get_security_group_rule
from patchbay.service.security_groups import default_group_id, delete_security_group, ensure_default, get_security_group
from patchbay.service.security_specs import SecurityGroupRuleSpec
from tests.functional.api.api_world import Api, Object
from tests.functional.api.security_world import address_group, group, rule

pytestmark = pytest.mark.asyncio(loop_scope="session")

MEMBER = RequestContext(project_id="red", is_admin=False)


@pytest_asyncio.fixture(loop_scope="session")
async def other(remote: str, api: Api) -> AsyncIterator[Api]:
    """The second server."""
    database = await IntentDatabase.open([remote], timeout_s=20)
    server = Api(database)
    yield server
    await server.http.aclose()
    await database.close()


def said(one: Object) -> tuple[str, ...]:
    """What a rule says, in short."""
    remote = one["remote_group_id"] or one["remote_address_group_id"] or one["remote_ip_prefix"]
    names = ("direction", "ethertype", "protocol", "port_range_min", "port_range_max")
    return tuple(str(one[name]) for name in names if one[name] is not None) + ((remote,) if remote else ())


EGRESS = [("egress", "IPv4"), ("egress", "IPv6")]


async def test_a_project_has_its_default_group_from_its_first_look_on(api: Api) -> None:
    (default,) = await api.get("/security-groups?project_id=red")
    assert (default["id"], default["name"], default["project_id"]) == (default_group_id("red"), "default", "red")
    assert (default["description"], default["stateful"], default["shared"]) == ("Default security group", True, False)
    inner = [("ingress", version, default["id"]) for version in ("IPv4", "IPv6")]
    assert sorted(map(said, default["security_group_rules"])) == sorted([*EGRESS, *inner])
    assert all(one["belongs_to_default_sg"] for one in default["security_group_rules"])
    assert len(await api.get("/security-group-rules?project_id=blue")) == 4
    assert {one["project_id"] for one in await api.get("/security-groups")} == {"", "red", "blue"}
    assert len(await api.get("/security-groups?name=default&project_id=red")) == 1


async def test_a_new_group_lets_everything_out_and_nothing_in(api: Api) -> None:
    made = await group(api, name="web", description="d", project_id="red")
    rules = made.pop("security_group_rules")
    assert made.pop("created_at") == made.pop("updated_at")
    assert made == {
        "id": made["id"],
        "name": "web",
        "tenant_id": "red",
        "project_id": "red",
        "stateful": True,
        "shared": False,
        "description": "d",
        "tags": [],
        "revision_number": 1,
    }
    assert sorted(map(said, rules)) == EGRESS
    assert {(one["project_id"], one["security_group_id"], one["belongs_to_default_sg"]) for one in rules} == {
        ("red", made["id"], False)
    }
    assert [one["name"] for one in await api.get("/security-groups?project_id=red&sort_key=name&sort_dir=asc")] == [
        "default",
        "web",
    ]
    assert (await group(api, stateful="false"))["stateful"] is False


async def test_a_rule_is_shown_as_neutron_shows_it(api: Api) -> None:
    web = await group(api, name="web")
    made = await rule(
        api,
        web,
        protocol="TCP",
        port_range_min="80",
        port_range_max=443,
        remote_ip_prefix="10.1.2.3/8",
        ethertype="ipv4",
    )
    times = [made.pop(name) for name in ("created_at", "updated_at")]
    assert times[0] == times[1]
    assert made == {
        "id": made["id"],
        "tenant_id": "",
        "project_id": "",
        "security_group_id": web["id"],
        "direction": "ingress",
        "ethertype": "IPv4",
        "protocol": "tcp",
        "port_range_min": 80,
        "port_range_max": 443,
        "remote_ip_prefix": "10.1.2.3/8",
        "normalized_cidr": "10.0.0.0/8",
        "remote_group_id": None,
        "remote_address_group_id": None,
        "belongs_to_default_sg": False,
        "description": "",
        "revision_number": 1,
    }
    shown = await api.get(f"/security-groups/{web['id']}")
    assert made["id"] in [one["id"] for one in shown["security_group_rules"]]
    assert shown["revision_number"] == 2
    await api.delete(f"/security-group-rules/{made['id']}")
    shown = await api.get(f"/security-groups/{web['id']}")
    assert (len(shown["security_group_rules"]), shown["revision_number"]) == (2, 3)


CASES: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"protocol": "any"}, ("ingress", "IPv4")),
    ({"protocol": 6}, ("ingress", "IPv4", "6")),
    ({"protocol": "0"}, ("ingress", "IPv4", "0")),
    ({"protocol": "vrrp"}, ("ingress", "IPv4", "vrrp")),
    ({"protocol": "ipip", "direction": "egress"}, ("egress", "IPv4", "ipip")),
    ({"protocol": "tcp", "port_range_min": 1, "port_range_max": 65535}, ("ingress", "IPv4", "tcp")),
    ({"port_range_min": 1, "port_range_max": 65535}, ("ingress", "IPv4")),
    ({"protocol": "132", "port_range_min": 5, "port_range_max": 6}, ("ingress", "IPv4", "132", "5", "6")),
    ({"protocol": "icmp"}, ("ingress", "IPv4", "icmp")),
    ({"protocol": "icmp", "port_range_min": 0}, ("ingress", "IPv4", "icmp", "0")),
    ({"protocol": "icmp", "port_range_min": 8, "port_range_max": 0}, ("ingress", "IPv4", "icmp", "8", "0")),
    ({"protocol": "icmp", "ethertype": "IPv6"}, ("ingress", "IPv6", "ipv6-icmp")),
    ({"protocol": "icmpv6", "ethertype": "IPv6", "port_range_min": 128}, ("ingress", "IPv6", "ipv6-icmp", "128")),
    ({"protocol": "1", "ethertype": "IPv6"}, ("ingress", "IPv6", "58")),
    ({"protocol": "ipv6-frag", "ethertype": "IPv6"}, ("ingress", "IPv6", "ipv6-frag")),
    ({"remote_ip_prefix": "10.0.0.1"}, ("ingress", "IPv4", "10.0.0.1/32")),
    ({"remote_ip_prefix": ""}, ("ingress", "IPv4")),
    ({"remote_ip_prefix": "FD00::1/64", "ethertype": "IPv6"}, ("ingress", "IPv6", "fd00::1/64")),
    ({"remote_ip_prefix": "0.0.0.0/0", "protocol": "udp"}, ("ingress", "IPv4", "udp", "0.0.0.0/0")),
]


@pytest.mark.parametrize(("given", "kept"), CASES, ids=str)
async def test_what_a_rule_may_say(api: Api, given: dict[str, Any], kept: tuple[str, ...]) -> None:
    assert said(await rule(api, await group(api), **given)) == kept


async def test_several_rules_at_once_are_all_made_or_none(api: Api) -> None:
    web = await group(api, name="web")
    one = {"security_group_id": web["id"], "direction": "ingress", "protocol": "tcp"}
    ports = [one | {"port_range_min": port, "port_range_max": port} for port in (22, 80)]
    answer = await api.ask("POST", "/security-group-rules", {"security_group_rules": ports})
    assert answer.status_code == 201
    assert [each["port_range_min"] for each in answer.json()["security_group_rules"]] == [22, 80]
    more = [ports[0] | {"port_range_max": 23}, ports[1]]
    assert (await api.error("POST", "/security-group-rules", {"security_group_rules": more}))[0] == 409
    assert len(await api.get(f"/security-group-rules?security_group_id={web['id']}")) == 4
    answer = await api.ask("POST", "/security-groups", {"security_groups": [{"name": "a"}, {"name": "b"}]})
    assert [each["name"] for each in answer.json()["security_groups"]] == ["a", "b"]


async def test_rules_are_found_by_what_they_say(api: Api) -> None:
    web, db = await group(api, name="web"), await group(api, name="db")
    offices = await address_group(api)
    ssh = await rule(api, web, protocol="tcp", port_range_min=22, port_range_max=22, remote_group_id=db["id"])
    office = await rule(api, web, protocol="udp", remote_address_group_id=offices["id"])
    for query, wanted in (
        (f"remote_group_id={db['id']}", [ssh]),
        (f"remote_address_group_id={offices['id']}", [office]),
        (f"security_group_id={web['id']}&direction=ingress", [ssh, office]),
        ("protocol=TCP&port_range_min=22", [ssh]),
        (f"security_group_id={db['id']}&ethertype=ipv6&direction=egress&fields=protocol", [{"protocol": None}]),
        ("protocol=tcp&belongs_to_default_sg=true", []),
        ("protocol=udp&belongs_to_default_sg=false", [office]),
    ):
        found = await api.get(f"/security-group-rules?{query}")
        assert sorted(found, key=str) == sorted(wanted, key=str), query
    found = await api.get("/security-groups?sort_key=name&sort_dir=desc&limit=2&fields=name")
    assert found == [{"name": "web"}, {"name": "default"}]
    assert [one["id"] for one in await api.get(f"/security-groups?shared=false&name=db&id={db['id']}")] == [db["id"]]


async def test_groups_have_tags_and_revisions(api: Api) -> None:
    web = await group(api, name="web")
    path = f"/security-groups/{web['id']}"
    assert (await api.ask("PUT", f"{path}/tags", {"tags": ["b", "a"]})).status_code == 200
    assert [one["id"] for one in await api.get("/security-groups?tags=a,b")] == [web["id"]]
    changed = await api.act(path, {"security_group": {"name": "www", "description": "d", "stateful": False}})
    shown = changed["security_group"]
    assert (shown["name"], shown["description"], shown["stateful"], shown["tags"]) == ("www", "d", False, ["a", "b"])
    assert shown["revision_number"] == 3
    assert (await api.act(path, {"security_group": {"name": "www"}}))["security_group"]["revision_number"] == 3


async def test_with_a_group_go_its_rules_and_those_about_its_members(api: Api) -> None:
    web, db = await group(api, name="web"), await group(api, name="db")
    about = await rule(api, db, remote_group_id=web["id"])
    await rule(api, web, remote_group_id=web["id"])
    await api.delete(f"/security-groups/{web['id']}")
    assert (await api.error("GET", f"/security-group-rules/{about['id']}"))[0] == 404
    assert await api.get(f"/security-group-rules?security_group_id={web['id']}") == []
    shown = await api.get(f"/security-groups/{db['id']}")
    assert (len(shown["security_group_rules"]), shown["revision_number"]) == (2, 3)


async def test_only_administrators_delete_a_default_group_and_it_comes_back(api: Api) -> None:
    await ensure_default(api.service, MEMBER, "red")
    with pytest.raises(SecurityGroupCannotRemoveDefault):
        await delete_security_group(api.service, MEMBER, default_group_id("red"))
    await api.delete(f"/security-groups/{default_group_id('red')}")
    assert default_group_id("red") not in api.db.security_groups
    (again,) = await api.get("/security-groups?project_id=red")
    assert again["id"] == default_group_id("red")


async def test_a_project_sees_its_own_groups_and_rules(api: Api) -> None:
    service = api.service
    await ensure_default(service, MEMBER, "blue")
    assert default_group_id("blue") not in api.db.security_groups, "made for another project"
    hers, his = await group(api, project_id="red"), await group(api, project_id="blue")
    assert get_security_group(service, MEMBER, hers["id"]).id == hers["id"]
    with pytest.raises(SecurityGroupNotFound):
        get_security_group(service, MEMBER, his["id"])
    for spec in (
        SecurityGroupRuleSpec(security_group_id=his["id"], direction="ingress"),
        SecurityGroupRuleSpec(security_group_id=hers["id"], direction="ingress", remote_group_id=his["id"]),
    ):
        with pytest.raises(SecurityGroupNotFound):
            await create_security_group_rules(service, MEMBER, [spec])
    by_admin = await rule(api, hers, protocol="tcp", project_id="red")
    assert get_security_group_rule(service, MEMBER, by_admin["id"]).protocol == "tcp"


async def test_a_group_that_everybody_may_use_is_shown_as_shared(api: Api, db: IntentDatabase) -> None:
    web = await group(api, name="web")
    policy = RBACPolicy(
        id=new_id(), project_id="", object_type="security_group", object_id=web["id"], action="access_as_shared",
        target_project="*",
    )  # fmt: skip
    await db.transact(Insert(policy))
    assert view_security_group(api.service, db.security_groups[web["id"]])["shared"] is True
    assert [one["id"] for one in await api.get("/security-groups?shared=true")] == [web["id"]]
    await api.delete(f"/security-groups/{web['id']}")
    assert not db.rbac_policies, "a policy of a group that is gone"


async def test_the_rules_that_new_groups_get_are_neutrons_at_first(api: Api) -> None:
    found = await api.get("/default-security-group-rules")
    assert len(found) == 4
    assert {one["description"] for one in found} == {
        "Legacy default SG rule for ingress traffic",
        "Legacy default SG rule for egress traffic",
    }
    inner = await api.get("/default-security-group-rules?used_in_non_default_sg=false")
    assert {(one["direction"], one["ethertype"], one["remote_group_id"]) for one in inner} == {
        ("ingress", "IPv4", "PARENT"),
        ("ingress", "IPv6", "PARENT"),
    }
    assert await api.get(f"/default-security-group-rules/{found[0]['id']}") == found[0]


async def test_two_servers_make_one_default_group(api: Api, other: Api) -> None:
    for number in range(10):
        project = f"p{number}"
        network = await api.network("10.0.0.0/24", project_id=project)
        body = {"port": {"network_id": network["id"], "project_id": project}}
        answers = await asyncio.gather(
            *(server.ask("GET", f"/security-groups?project_id={project}") for server in (api, other)),
            *(server.ask("POST", "/ports", body) for server in (api, other) for _ in range(3)),
        )
        assert {answer.status_code for answer in answers} == {200, 201}
        (default,) = await other.get(f"/security-groups?project_id={project}")
        assert len(default["security_group_rules"]) == 4
        ports = await api.get(f"/ports?network_id={network['id']}")
        assert [port["security_groups"] for port in ports] == [[default["id"]]] * 6


async def test_two_servers_write_a_rule_once(api: Api, other: Api) -> None:
    for _ in range(10):
        web = await group(api)
        body = {"security_group_rule": {"security_group_id": web["id"], "direction": "ingress", "protocol": "tcp"}}
        answers = await asyncio.gather(*(server.ask("POST", "/security-group-rules", body) for server in (api, other)))
        assert sorted(answer.status_code for answer in answers) == [201, 409]
        assert len(await api.get(f"/security-group-rules?security_group_id={web['id']}")) == 3


async def test_a_group_is_deleted_or_used_but_not_both(api: Api, other: Api) -> None:
    network = await api.network("10.0.0.0/24")
    for _ in range(15):
        web, rest = await group(api), await group(api)
        uses = (
            ("/ports", {"port": {"network_id": network["id"], "security_groups": [web["id"]]}}),
            ("/security-group-rules", {"security_group_rule": {"security_group_id": rest["id"], "direction": "ingress",
                                                               "remote_group_id": web["id"]}}),
        )  # fmt: skip
        gone, port, _ = await asyncio.gather(
            api.ask("DELETE", f"/security-groups/{web['id']}"), *(other.ask("POST", *use) for use in uses)
        )
        assert (gone.status_code, port.status_code) in ((204, 404), (409, 201))
        there = {one["id"] for one in await api.get("/security-groups")}
        assert (web["id"] in there) == (gone.status_code == 409)


async def test_stateful_and_stateless_never_meet_on_a_port(api: Api, other: Api) -> None:
    network = await api.network("10.0.0.0/24")
    for _ in range(15):
        one, two = await group(api), await group(api)
        body = {"port": {"network_id": network["id"], "security_groups": [one["id"], two["id"]]}}
        turned, port = await asyncio.gather(
            api.ask("PUT", f"/security-groups/{one['id']}", {"security_group": {"stateful": False}}),
            other.ask("POST", "/ports", body),
        )
        assert (turned.status_code, port.status_code) in ((200, 409), (409, 201))
