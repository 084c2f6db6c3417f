"""A member of one project who wants to see, change, take or use up what is another's, by every name it can give."""

import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from patchbay.intent.database import IntentDatabase
from patchbay.service.settings import NetworkSettings
from tests.functional.api.tenants_world import Object, Tenants, tenants_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHARED = {"object_type": "network", "action": "access_as_shared"}


@pytest_asyncio.fixture(loop_scope="session")
async def tenants(db: IntentDatabase, tmp_path: Path) -> AsyncIterator[Tenants]:
    async with tenants_of(db, tmp_path, NetworkSettings(quotas={"instance": 4})) as world:
        yield world


async def network_of(world: Tenants, user: str, cidr: str = "10.0.0.0/24", **attributes: Any) -> Object:
    """A network with a subnet."""
    made = await world.create(user, "network", **attributes)
    await world.create(user, "subnet", network_id=made["id"], ip_version=4, cidr=cidr)
    return await world.get(user, f"/networks/{made['id']}")  # type: ignore[no-any-return]


async def shared_by_blue(world: Tenants) -> Object:
    """Blue's network, which red may use; nobody routes there."""
    made = await network_of(world, "stranger", name="shared")
    await world.create("stranger", "rbac_policy", object_id=made["id"], target_tenant=world.project("red"), **SHARED)
    return made


async def outside_of(world: Tenants) -> Object:
    """An external network."""
    return await network_of(world, "admin", "203.0.113.0/24", router__external=True)


async def status(world: Tenants, method: str, path: str, body: object = None, user: str = "member") -> int:
    """The status of the hostile member's request."""
    return (await world.ask(user, method, path, body)).status_code


async def blue_things(world: Tenants) -> dict[str, str]:
    """The id of something of blue's of each kind."""
    outside = await outside_of(world)
    network = await network_of(world, "stranger", "10.8.0.0/24")
    subnet_id = network["subnets"][0]
    router = await world.create("stranger", "router", external_gateway_info={"network_id": outside["id"]})
    await world.ask("stranger", "PUT", f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet_id})
    port = await world.create("stranger", "port", network_id=network["id"])
    floatingip = await world.create("stranger", "floatingip", floating_network_id=outside["id"])
    forwarding = {"internal_port_id": port["id"], "internal_port": 22, "external_port": 22, "protocol": "tcp"}
    path = f"/floatingips/{floatingip['id']}/port_forwardings"
    made = await world.ask("stranger", "POST", path, {"port_forwarding": forwarding})
    group = await world.create("stranger", "security_group", name="g")
    address_group = await world.create("stranger", "address_group", name="a", addresses=["192.0.2.0/24"])
    pool = await world.create("stranger", "subnetpool", name="p", prefixes=["10.0.0.0/8"], min_prefixlen=24)
    scope = await world.create("stranger", "address_scope", name="s", ip_version=4)
    policy = await world.create("stranger", "rbac_policy", object_id=network["id"], target_tenant="green", **SHARED)
    bound = await world.create("stranger", "port", network_id=network["id"])
    instance = await world.create("stranger", "instance", name="i", host="compute1", ports=[bound["id"]])
    return {
        "network": network["id"],
        "subnet": subnet_id,
        "router": router["id"],
        "port": port["id"],
        "floatingip": floatingip["id"],
        "forwarding": made.json()["port_forwarding"]["id"],
        "security_group": group["id"],
        "rule": group["security_group_rules"][0]["id"],
        "address_group": address_group["id"],
        "subnetpool": pool["id"],
        "address_scope": scope["id"],
        "rbac_policy": policy["id"],
        "instance": instance["id"],
    }


def requests_naming(own: dict[str, str]) -> list[tuple[str, str, str, Object | None]]:
    """What is named, and a request that names it with ``{}`` in its path or its body."""
    port = {"network_id": own["network"]}
    rule = {"security_group_id": own["security_group"], "direction": "ingress"}
    subnet = {"network_id": own["network"], "ip_version": 4}
    gateway, fixed = {"network_id": "{}"}, [{"subnet_id": "{}"}]
    pool = {"name": "mine", "prefixes": ["172.16.0.0/12"], "min_prefixlen": 24, "address_scope_id": "{}"}
    forwarding = {"internal_port_id": "{}", "internal_port": 22, "external_port": 22, "protocol": "tcp"}
    forwardings, floatingip = f"/floatingips/{own['floatingip']}/port_forwardings", {"floating_network_id": "{}"}
    from_outside = {"floating_network_id": own["outside"]}
    interface, router = f"/routers/{own['router']}/{{}}_router_interface", f"/routers/{own['router']}"
    policies = {
        kind: {"object_type": kind, "object_id": "{}", "action": "access_as_shared", "target_tenant": "x"}
        for kind in ("network", "security_group", "subnetpool", "address_scope", "address_group")
    }
    named: list[tuple[str, str, str, Object | None]] = [
        ("network", "POST", "/ports", {"port": {"network_id": "{}"}}),
        ("network", "POST", "/ports", {"ports": [port, {"network_id": "{}"}]}),
        ("network", "POST", "/subnets", {"subnet": {"network_id": "{}", "ip_version": 4, "cidr": "10.7.0.0/24"}}),
        ("network", "POST", "/routers", {"router": {"external_gateway_info": gateway}}),
        ("network", "PUT", router, {"router": {"external_gateway_info": gateway}}),
        ("network", "POST", "/floatingips", {"floatingip": floatingip}),
        ("subnet", "POST", "/ports", {"port": {**port, "fixed_ips": fixed}}),
        ("subnet", "PUT", f"/ports/{own['port']}", {"port": {"fixed_ips": fixed}}),
        ("subnet", "POST", "/floatingips", {"floatingip": {**from_outside, "subnet_id": "{}"}}),
        ("subnet", "PUT", interface.format("add"), {"subnet_id": "{}"}),
        ("subnet", "PUT", interface.format("remove"), {"subnet_id": "{}"}),
        ("port", "PUT", interface.format("add"), {"port_id": "{}"}),
        ("port", "PUT", interface.format("remove"), {"port_id": "{}"}),
        ("port", "POST", "/floatingips", {"floatingip": {**from_outside, "port_id": "{}"}}),
        ("port", "PUT", f"/floatingips/{own['floatingip']}", {"floatingip": {"port_id": "{}"}}),
        ("port", "POST", forwardings, {"port_forwarding": forwarding}),
        ("port", "POST", "/instances", {"instance": {"name": "mine", "host": "compute1", "ports": ["{}"]}}),
        ("router", "POST", "/ports", {"port": {**port, "device_owner": "network:router_interface", "device_id": "{}"}}),
        (
            "router",
            "PUT",
            f"/ports/{own['port']}",
            {"port": {"device_owner": "network:router_gateway", "device_id": "{}"}},
        ),
        ("floatingip", "POST", "/ports", {"port": {**port, "device_owner": "network:floatingip", "device_id": "{}"}}),
        ("floatingip", "POST", "/floatingips/{}/port_forwardings", {"port_forwarding": forwarding}),
        ("floatingip", "GET", "/floatingips/{}/port_forwardings", None),
        ("forwarding", "GET", f"{forwardings}/{{}}", None),
        ("forwarding", "DELETE", f"{forwardings}/{{}}", None),
        ("security_group", "POST", "/ports", {"port": {**port, "security_groups": ["{}"]}}),
        ("security_group", "PUT", f"/ports/{own['port']}", {"port": {"security_groups": ["{}"]}}),
        ("security_group", "POST", "/security-group-rules", {"security_group_rule": {**rule, "remote_group_id": "{}"}}),
        (
            "security_group",
            "POST",
            "/security-group-rules",
            {"security_group_rule": {"security_group_id": "{}", "direction": "ingress"}},
        ),
        (
            "address_group",
            "POST",
            "/security-group-rules",
            {"security_group_rule": {**rule, "remote_address_group_id": "{}"}},
        ),
        ("subnetpool", "POST", "/subnets", {"subnet": {**subnet, "subnetpool_id": "{}"}}),
        ("address_scope", "POST", "/subnetpools", {"subnetpool": pool}),
        ("address_scope", "PUT", f"/subnetpools/{own['subnetpool']}", {"subnetpool": {"address_scope_id": "{}"}}),
        *((kind, "POST", "/rbac-policies", {"rbac_policy": body}) for kind, body in policies.items()),
    ]
    for kind, path in PATHS.items():
        changes = {} if kind == "rule" else {"PUT": {kind: {"description": "x"}}}
        if kind == "rbac_policy":
            changes = {"PUT": {kind: {"target_tenant": "x"}}}
        named += [(kind, "GET", f"{path}/{{}}", None), (kind, "DELETE", f"{path}/{{}}", None)]
        named += [(kind, verb, f"{path}/{{}}", body) for verb, body in changes.items()]
        named.append((kind, "GET", f"{path}?limit=1&marker={{}}", None))
        named += [(kind, "PUT", f"{path}/{{}}/tags", {"tags": ["x"]}), (kind, "PUT", f"{path}/{{}}/tags/x", None)]
    return named


PATHS = {
    "network": "/networks",
    "subnet": "/subnets",
    "router": "/routers",
    "port": "/ports",
    "floatingip": "/floatingips",
    "security_group": "/security-groups",
    "rule": "/security-group-rules",
    "address_group": "/address-groups",
    "subnetpool": "/subnetpools",
    "address_scope": "/address-scopes",
    "rbac_policy": "/rbac-policies",
    "instance": "/instances",
}


async def test_what_is_blue_s_answers_as_what_is_not_there(tenants: Tenants) -> None:
    """Every request that names something of another's gets the very words that one for nothing at all gets."""
    blue = await blue_things(tenants)
    network = await network_of(tenants, "member", "10.9.0.0/24")
    outside = (await tenants.get("admin", "/networks?router:external=true"))[0]["id"]
    own = {"network": network["id"], "outside": outside}
    for kind, body in {
        "port": {"network_id": network["id"]},
        "router": {},
        "floatingip": {"floating_network_id": outside},
        "security_group": {"name": "mine"},
        "subnetpool": {"name": "pool", "prefixes": ["10.0.0.0/8"], "min_prefixlen": 24},
    }.items():
        own[kind] = (await tenants.create("member", kind, **body))["id"]
    before = await everything(tenants)
    for kind, method, path, body in requests_naming(own):
        answers = []
        for name in (blue[kind], str(uuid.uuid4())):
            text = json.dumps(body).replace("{}", name)
            answer = await tenants.ask("member", method, path.replace("{}", name), json.loads(text))
            assert answer.status_code in (400, 404), (kind, method, path, answer.text)
            answers.append((answer.status_code, answer.text.replace(name, "{}")))
        assert answers[0] == answers[1], (method, path, body)
    assert await everything(tenants) == before


async def everything(world: Tenants) -> object:
    """All that an administrator sees."""
    return {path: await world.get("admin", path) for path in PATHS.values()}


async def test_a_policy_for_one_project_does_not_become_one_for_all(tenants: Tenants) -> None:
    made = await tenants.create("member", "network")
    policy = await tenants.create("member", "rbac_policy", object_id=made["id"], target_tenant="blue", **SHARED)
    for named in ({"target_tenant": "*"}, {"target_project": "*"}, {"target_tenant": "*", "target_project": "*"}):
        answer = await tenants.error("member", "PUT", f"/rbac-policies/{policy['id']}", {"rbac_policy": named})
        assert answer[:2] == (403, "PolicyNotAuthorized")
    assert not (await tenants.get("admin", f"/networks/{made['id']}"))["shared"]


async def test_nobody_gets_at_others_by_the_port_of_a_router(tenants: Tenants) -> None:
    """A router's interface has no port security, so no port that something is plugged at becomes one."""
    made, router = await shared_by_blue(tenants), await tenants.create("member", "router")
    attach = f"/routers/{router['id']}/add_router_interface"
    port = await tenants.create("member", "port", network_id=made["id"])
    first = await tenants.create("member", "instance", name="i1", host="compute1", ports=[port["id"]])
    free = {"port": {"device_id": ""}}
    assert await status(tenants, "PUT", f"/ports/{port['id']}", free) == 200
    assert (await tenants.error("member", "PUT", attach, {"port_id": port["id"]}))[:2] == (409, "PortInUse")
    second = await tenants.create("member", "instance", name="i2", host="compute2", ports=[port["id"]])
    assert await status(tenants, "DELETE", f"/instances/{second['id']}") == 204
    assert (await tenants.get("admin", f"/ports/{port['id']}"))["binding:host_id"] == ""
    assert await status(tenants, "PUT", attach, {"port_id": port["id"]}) == 409
    assert await status(tenants, "DELETE", f"/instances/{first['id']}") == 204
    assert await status(tenants, "PUT", attach, {"port_id": port["id"]}) == 200
    for named in ({"device_owner": ""}, {"device_id": ""}, {"port_security_enabled": True, "device_owner": "x"}):
        assert await status(tenants, "PUT", f"/ports/{port['id']}", {"port": named}) in (403, 409)


async def test_the_gateway_of_a_network_for_all_is_not_for_all(tenants: Tenants) -> None:
    made, router = await network_of(tenants, "stranger"), await tenants.create("member", "router")
    await tenants.ask("admin", "PUT", f"/networks/{made['id']}", {"network": {"shared": True}})
    path = f"/routers/{router['id']}/add_router_interface"
    answer = await tenants.error("member", "PUT", path, {"subnet_id": made["subnets"][0]})
    assert (answer[0], "is not owned by project" in answer[2]) == (400, True)
    port = await tenants.create("member", "port", network_id=made["id"])
    assert port["fixed_ips"][0]["ip_address"] != "10.0.0.1"


async def test_a_network_stays_shared_while_a_router_of_another_s_is_there(tenants: Tenants) -> None:
    made, router = await shared_by_blue(tenants), await tenants.create("member", "router")
    (policy,) = await tenants.get("stranger", "/rbac-policies")
    named = {"subnet_id": made["subnets"][0]}
    assert await status(tenants, "PUT", f"/routers/{router['id']}/add_router_interface", named) == 200
    where = f"/rbac-policies/{policy['id']}"
    assert (await tenants.error("stranger", "DELETE", where))[:2] == (409, "RbacPolicyInUse")
    assert await status(tenants, "PUT", f"/routers/{router['id']}/remove_router_interface", named) == 200
    assert await status(tenants, "DELETE", where, user="stranger") == 204
    assert await status(tenants, "GET", f"/networks/{made['id']}") == 404


@pytest.mark.parametrize(
    "named",
    [
        {"dns_domain": "bank.example."},
        {"dns_name": "www.bank.example"},
        {"extra_dhcp_opts": [{"opt_name": "client-id", "opt_value": "01:fa:16:3e:00:00:01"}]},
        {"extra_dhcp_opts": [{"opt_name": "61", "opt_value": "01:fa:16:3e:00:00:01"}]},
    ],
)
async def test_a_guest_takes_no_names_and_leases_of_others(tenants: Tenants, named: Object) -> None:
    made = await shared_by_blue(tenants)
    body = {"network_id": made["id"], **named}
    assert (await tenants.error("member", "POST", "/ports", {"port": body}))[:2] == (403, "PolicyNotAuthorized")
    port = await tenants.create("member", "port", network_id=made["id"])
    path = f"/ports/{port['id']}"
    assert (await tenants.error("member", "PUT", path, {"port": named}))[:2] == (403, "PolicyNotAuthorized")
    assert await status(tenants, "POST", "/ports", {"port": body}, user="stranger") == 201
    own = await network_of(tenants, "member", "10.3.0.0/24")
    assert await status(tenants, "POST", "/ports", {"port": {**body, "network_id": own["id"]}}) == 201


async def test_a_guest_has_no_name_that_is_taken(tenants: Tenants) -> None:
    made = await shared_by_blue(tenants)
    await tenants.create("stranger", "port", network_id=made["id"], dns_name="db")
    body = {"port": {"network_id": made["id"], "dns_name": "DB"}}
    assert (await tenants.error("member", "POST", "/ports", body))[:2] == (409, "DnsNameInUse")
    port = await tenants.create("member", "port", network_id=made["id"], dns_name="web")
    change = {"port": {"dns_name": "db"}}
    assert (await tenants.error("member", "PUT", f"/ports/{port['id']}", change))[:2] == (409, "DnsNameInUse")
    other = await tenants.create("member", "port", network_id=made["id"])
    await tenants.create("member", "instance", name="db", host="compute1", ports=[other["id"]])
    assert (await tenants.get("member", f"/ports/{other['id']}"))["dns_name"] == ""


async def test_no_lease_by_way_of_a_comma(tenants: Tenants) -> None:
    made = await network_of(tenants, "member")
    options = [{"opt_name": "client-id", "opt_value": "x,fa:16:3e:00:00:01"}]
    body = {"port": {"network_id": made["id"], "extra_dhcp_opts": options}}
    assert await status(tenants, "POST", "/ports", body) == 400


async def test_a_default_pool_that_is_not_shared_is_nobody_s(tenants: Tenants) -> None:
    pool = {"name": "p", "prefixes": ["10.0.0.0/8"], "min_prefixlen": 24, "is_default": True}
    made, network = await tenants.create("admin", "subnetpool", **pool), await tenants.create("member", "network")
    body = {"subnet": {"network_id": network["id"], "ip_version": 4, "use_default_subnetpool": True}}
    answer = await tenants.error("member", "POST", "/subnets", body)
    assert (answer[0], "No default subnetpool" in answer[2]) == (400, True)
    shared = {"object_type": "subnetpool", "object_id": made["id"], "action": "access_as_shared"}
    await tenants.create("admin", "rbac_policy", target_tenant=tenants.project("red"), **shared)
    assert await status(tenants, "POST", "/subnets", body) == 201
