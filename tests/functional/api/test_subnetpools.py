"""Subnet pools and address scopes: what a subnet gets from a pool, and which pools may stand side by side."""

import asyncio
from ipaddress import ip_network
from itertools import combinations
from typing import Any

import pytest

from patchbay.intent.database import IntentDatabase
from tests.functional.api.api_world import Api, Object, snapshot

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def pool(api: Api, *prefixes: str, **attributes: Any) -> Object:
    return await api.create("subnetpool", **({"name": "pool", "prefixes": list(prefixes)} | attributes))


async def scope(api: Api, **attributes: Any) -> Object:
    answer = await api.ask("POST", "/address-scopes", {"address_scope": {"name": "s", "ip_version": 4} | attributes})
    assert answer.status_code == 201, answer.text
    created: Object = answer.json()["address_scope"]
    return created


async def cut(api: Api, from_: Object, network_id: str = "", **attributes: Any) -> Object:
    if not network_id:
        network_id = (await api.create("network"))["id"]
    version = from_["ip_version"]
    return await api.create(
        "subnet", network_id=network_id, ip_version=version, subnetpool_id=from_["id"], **attributes
    )


async def test_a_pool_without_wishes_has_neutron_s_defaults(api: Api) -> None:
    created = await pool(api, "10.1.0.0/16", "10.0.0.0/16", "10.0.4.0/24")
    times = {name: created.pop(name) for name in ("created_at", "updated_at")}
    assert created == {
        "id": created["id"],
        "name": "pool",
        "tenant_id": "",
        "project_id": "",
        "ip_version": 4,
        "prefixes": ["10.0.0.0/15"],
        "default_prefixlen": "8",
        "min_prefixlen": "8",
        "max_prefixlen": "32",
        "default_quota": None,
        "address_scope_id": None,
        "shared": False,
        "is_default": False,
        "description": "",
        "tags": [],
        "revision_number": 1,
    }
    six = await pool(api, "2001:db8::/32")
    assert [six[name] for name in ("default_prefixlen", "min_prefixlen", "max_prefixlen")] == ["64", "64", "128"]
    assert [one["id"] for one in await api.get("/subnetpools?ip_version=6")] == [six["id"]]
    assert await api.get(f"/subnetpools/{created['id']}") == created | times


async def test_subnets_come_from_the_smallest_free_prefix_and_go_back(api: Api) -> None:
    from_ = await pool(api, "10.0.0.0/16", "192.168.0.0/24", default_prefixlen=26)
    first, second = await cut(api, from_), await cut(api, from_, prefixlen=25)
    assert (first["cidr"], second["cidr"]) == ("192.168.0.0/26", "192.168.0.128/25")
    assert (first["gateway_ip"], first["subnetpool_id"]) == ("192.168.0.1", from_["id"])
    assert first["allocation_pools"] == [{"start": "192.168.0.2", "end": "192.168.0.62"}]
    assert (await cut(api, from_, prefixlen=24))["cidr"] == "10.0.0.0/24"
    assert (await cut(api, from_, cidr="10.0.77.0/24"))["cidr"] == "10.0.77.0/24"
    around = await cut(api, from_, gateway_ip="10.0.99.254", prefixlen=24)
    assert (around["cidr"], around["gateway_ip"]) == ("10.0.99.0/24", "10.0.99.254")
    await api.delete(f"/subnets/{first['id']}")
    assert (await cut(api, from_))["cidr"] == "192.168.0.0/26"
    assert len(await api.get(f"/subnets?subnetpool_id={from_['id']}")) == 5


async def test_of_ipv6_pools_each_subnet_gets_its_64(api: Api) -> None:
    from_ = await pool(api, "2001:db8:0:0::/62")
    modes = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    cidrs = [(await cut(api, from_, **modes))["cidr"] for _ in range(4)]
    assert cidrs == ["2001:db8::/64", "2001:db8:0:1::/64", "2001:db8:0:2::/64", "2001:db8:0:3::/64"]


async def test_the_default_pool_of_a_version_is_used_when_asked_for(api: Api) -> None:
    network = await api.create("network")
    body = {"network_id": network["id"], "ip_version": 4, "use_default_subnetpool": True}
    error = await api.error("POST", "/subnets", {"subnet": body})
    assert "No default subnetpool found for IPv4" in error[2]
    default = await pool(api, "10.0.0.0/16", is_default=True, default_prefixlen=24)
    error = await api.error(
        "POST", "/subnetpools", {"subnetpool": {"name": "p", "prefixes": ["10.9.0.0/16"], "is_default": True}}
    )
    assert error[:2] == (400, "InvalidInput")
    await pool(api, "fd00::/48", is_default=True)
    subnet = await api.create("subnet", **body)
    assert (subnet["subnetpool_id"], subnet["cidr"]) == (default["id"], "10.0.0.0/24")
    assert "use_default_subnetpool" not in subnet


async def test_a_project_gets_no_more_than_its_quota(api: Api) -> None:
    from_ = await pool(api, "10.0.0.0/16", default_quota=384, default_prefixlen=24)
    await cut(api, from_, project_id="a")
    network = await api.create("network")
    body = {"network_id": network["id"], "ip_version": 4, "subnetpool_id": from_["id"], "project_id": "a"}
    assert (await api.error("POST", "/subnets", {"subnet": body}))[:2] == (409, "SubnetPoolQuotaExceeded")
    await cut(api, from_, project_id="b")
    await cut(api, from_, project_id="a", prefixlen=25)


async def test_two_servers_never_cut_overlapping_subnets(api: Api, remote: str) -> None:
    from_ = await pool(api, "10.0.0.0/20", default_prefixlen=24)
    networks = [(await api.create("network"))["id"] for _ in range(16)]
    other_db = await IntentDatabase.open([remote], timeout_s=20)
    other = Api(other_db)
    try:
        made = await asyncio.gather(
            *(cut(server, from_, id_) for server, id_ in zip([api, other] * 8, networks, strict=True))
        )
    finally:
        await other.http.aclose()
        await other_db.close()
    cidrs = [ip_network(subnet["cidr"]) for subnet in made]
    assert not [pair for pair in combinations(cidrs, 2) if pair[0].overlaps(pair[1])]
    assert sorted(cidrs) == list(ip_network("10.0.0.0/20").subnets(new_prefix=24))


async def test_many_requests_to_one_server_all_get_their_subnet(api: Api) -> None:
    from_ = await pool(api, "10.0.0.0/16", default_prefixlen=24)
    networks = [(await api.create("network"))["id"] for _ in range(40)]
    made = await asyncio.gather(*(cut(api, from_, id_) for id_ in networks))
    assert len({subnet["cidr"] for subnet in made}) == 40


async def test_a_pool_changes_but_keeps_its_prefixes(api: Api) -> None:
    from_ = await pool(api, "10.0.0.0/24")
    changed = await api.update(
        "subnetpool", from_["id"], name="p2", prefixes=["10.0.0.0/23"], default_prefixlen=26, default_quota=5
    )
    assert (changed["prefixes"], changed["default_prefixlen"], changed["name"]) == (["10.0.0.0/23"], "26", "p2")
    path = f"/subnetpools/{from_['id']}"
    error = await api.error("PUT", path, {"subnetpool": {"prefixes": ["10.0.0.0/24"]}})
    assert error[:2] == (400, "IllegalSubnetPoolPrefixUpdate")
    error = await api.error("PUT", path, {"subnetpool": {"prefixes": ["10.0.0.0/23", "fd00::/64"]}})
    assert error[:2] == (400, "PrefixVersionMismatch")
    error = await api.error("PUT", path, {"subnetpool": {"min_prefixlen": 27}})
    assert error[1:] == (
        "IllegalSubnetPoolPrefixBounds",
        "Illegal prefix bounds: default_prefixlen=26, min_prefixlen=27.",
    )
    await api.ask("PUT", f"{path}/tags", {"tags": ["t"]})
    assert (await api.get(path))["tags"] == ["t"]


async def test_prefixes_are_added_and_those_unused_removed(api: Api) -> None:
    from_ = await pool(api, "10.0.0.0/24")
    path = f"/subnetpools/{from_['id']}"
    answer = await api.ask("PUT", f"{path}/add_prefixes", {"prefixes": ["10.0.1.0/24", "172.16.0.0/16"]})
    assert answer.json() == {"prefixes": ["10.0.0.0/23", "172.16.0.0/16"]}
    await cut(api, from_, cidr="10.0.1.0/26")
    error = await api.error("PUT", f"{path}/remove_prefixes", {"prefixes": ["10.0.1.0/24"]})
    assert error[:2] == (400, "IllegalSubnetPoolPrefixUpdate")
    answer = await api.ask("PUT", f"{path}/remove_prefixes", {"prefixes": ["10.0.1.64/26", "172.16.0.0/16"]})
    assert answer.json() == {"prefixes": ["10.0.0.0/24", "10.0.1.0/26", "10.0.1.128/25"]}
    assert (await api.get(path))["prefixes"] == answer.json()["prefixes"]
    for wrong in ({}, {"prefixes": []}, {"prefixes": ["blue"]}, [], {"prefixes": ["fd00::/64"]}):
        for action in ("add_prefixes", "remove_prefixes"):
            assert (await api.error("PUT", f"{path}/{action}", wrong))[0] == 400
    assert (await api.error("POST", f"{path}/add_prefixes", {"prefixes": ["10.7.0.0/24"]}))[0] == 405


async def test_a_pool_with_subnets_and_a_scope_with_pools_stay(api: Api) -> None:
    around = await scope(api)
    from_ = await pool(api, "10.0.0.0/16", default_prefixlen=24, address_scope_id=around["id"])
    subnet = await cut(api, from_)
    assert (await api.error("DELETE", f"/subnetpools/{from_['id']}"))[:2] == (400, "SubnetPoolDeleteError")
    assert (await api.error("DELETE", f"/address-scopes/{around['id']}"))[:2] == (409, "AddressScopeInUse")
    await api.delete(f"/subnets/{subnet['id']}")
    await api.delete(f"/subnetpools/{from_['id']}")
    await api.delete(f"/address-scopes/{around['id']}")
    assert (await api.get("/address-scopes"), await api.get("/subnetpools")) == ([], [])


async def test_a_network_shows_the_scopes_of_its_pools_and_keeps_to_them(api: Api) -> None:
    around = await scope(api)
    inside = [await pool(api, f"10.{n}.0.0/16", default_prefixlen=24, address_scope_id=around["id"]) for n in range(2)]
    outside = await pool(api, "10.0.0.0/16", default_prefixlen=24)
    network = await api.create("network")
    for from_ in inside:
        await cut(api, from_, network["id"])
    shown = await api.get(f"/networks/{network['id']}")
    assert (shown["ipv4_address_scope"], shown["ipv6_address_scope"]) == (around["id"], None)
    body = {"network_id": network["id"], "ip_version": 4}
    error = await api.error("POST", "/subnets", {"subnet": body | {"subnetpool_id": outside["id"]}})
    assert error[:2] == (400, "NetworkAddressScopeAffinityError")
    error = await api.error("POST", "/subnets", {"subnet": body | {"cidr": "172.16.0.0/24"}})
    assert error[:2] == (400, "NetworkSubnetPoolAffinityError")
    error = await api.error("PUT", f"/subnetpools/{inside[0]['id']}", {"subnetpool": {"address_scope_id": None}})
    assert error[:2] == (400, "NetworkAddressScopeAffinityError")
    await api.create("subnet", network_id=network["id"], ip_version=6, cidr="fd00::/64")


async def test_prefixes_in_one_scope_never_overlap_whichever_server_is_asked(api: Api, remote: str) -> None:
    around = await scope(api)
    other_db = await IntentDatabase.open([remote], timeout_s=20)
    other = Api(other_db)
    body = {"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/16"], "address_scope_id": around["id"]}}
    try:
        answers = await asyncio.gather(*(server.ask("POST", "/subnetpools", body) for server in [api, other] * 3))
    finally:
        await other.http.aclose()
        await other_db.close()
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["NeutronError"]["type"] == "AddressScopePrefixConflict"
    apart = await pool(api, "10.0.128.0/17")
    error = await api.error("PUT", f"/subnetpools/{apart['id']}", {"subnetpool": {"address_scope_id": around["id"]}})
    assert error[:2] == (409, "AddressScopePrefixConflict")


async def test_address_scopes_are_shared_for_good(api: Api) -> None:
    around = await scope(api, ip_version=6)
    assert around == {
        "id": around["id"],
        "name": "s",
        "tenant_id": "",
        "project_id": "",
        "ip_version": 6,
        "shared": False,
    }
    path = f"/address-scopes/{around['id']}"
    answer = await api.ask("PUT", path, {"address_scope": {"shared": True, "name": "t"}})
    assert answer.json()["address_scope"] == around | {"shared": True, "name": "t"}
    assert (await api.error("PUT", path, {"address_scope": {"shared": False}}))[:2] == (400, "AddressScopeUpdateError")
    assert [one["name"] for one in await api.get("/address-scopes?ip_version=6&shared=true")] == ["t"]


WRONG_POOLS = [
    ({"prefixes": []}, 400, "EmptySubnetPoolPrefixList"),
    ({"prefixes": ["10.0.0.0/16", "fd00::/64"]}, 400, "PrefixVersionMismatch"),
    ({"prefixes": ["blue"]}, 400, "HTTPBadRequest"),
    ({"prefixes": "10.0.0.0/8"}, 400, "HTTPBadRequest"),
    ({"prefixes": ["10.0.0.0/8"] * 2}, 400, "HTTPBadRequest"),
    ({"name": ""}, 400, "HTTPBadRequest"),
    ({"ip_version": 4}, 400, "HTTPBadRequest"),
    ({"min_prefixlen": 25, "max_prefixlen": 24}, 400, "IllegalSubnetPoolPrefixBounds"),
    ({"max_prefixlen": 33}, 400, "IllegalSubnetPoolPrefixBounds"),
    ({"default_prefixlen": 7}, 400, "IllegalSubnetPoolPrefixBounds"),
    ({"default_prefixlen": 25, "max_prefixlen": 24}, 400, "IllegalSubnetPoolPrefixBounds"),
    ({"min_prefixlen": -1}, 400, "HTTPBadRequest"),
    ({"default_quota": -1}, 400, "HTTPBadRequest"),
    ({"address_scope_id": "11111111-2222-4333-8444-555555555555"}, 404, "AddressScopeNotFound"),
    ({"address_scope_id": "{six}"}, 400, "IllegalSubnetPoolIpVersionAssociationToAddressScope"),
]


@pytest.mark.parametrize(("attributes", "status", "kind"), WRONG_POOLS)
async def test_a_wrong_pool_is_refused(api: Api, attributes: Object, status: int, kind: str) -> None:
    six = await scope(api, ip_version=6)
    before = snapshot(api.db)
    item = {"name": "p", "prefixes": ["10.0.0.0/8"]} | attributes
    item = {name: six["id"] if value == "{six}" else value for name, value in item.items()}
    assert (await api.error("POST", "/subnetpools", {"subnetpool": item}))[:2] == (status, kind)
    assert snapshot(api.db) == before


WRONG_SUBNETS = [
    ({"prefixlen": 23}, 400, "MinPrefixSubnetAllocationError"),
    ({"prefixlen": 29}, 400, "MaxPrefixSubnetAllocationError"),
    ({"cidr": "10.0.0.0/23"}, 400, "MinPrefixSubnetAllocationError"),
    ({"cidr": "10.0.1.0/24"}, 409, "SubnetAllocationError"),
    ({"cidr": "10.7.0.0/24"}, 409, "SubnetAllocationError"),
    ({"cidr": "10.0.0.0/24", "prefixlen": 24}, 400, "BadRequest"),
    ({"ip_version": 6}, 400, "BadRequest"),
    ({"use_default_subnetpool": True}, 400, "BadRequest"),
    ({"allocation_pools": [{"start": "10.0.0.5", "end": "10.0.0.9"}]}, 400, "BadRequest"),
    ({"subnetpool_id": "11111111-2222-4333-8444-555555555555"}, 404, "SubnetPoolNotFound"),
    ({"subnetpool_id": None}, 400, "BadRequest"),
    ({"subnetpool_id": "{other}"}, 400, "NetworkSubnetPoolAffinityError"),
    ({}, 409, "SubnetAllocationError"),
]


@pytest.mark.parametrize(("attributes", "status", "kind"), WRONG_SUBNETS)
async def test_a_wrong_subnet_of_a_pool_is_refused(api: Api, attributes: Object, status: int, kind: str) -> None:
    from_ = await pool(api, "10.0.0.0/23", min_prefixlen=24, max_prefixlen=28)
    other = await pool(api, "10.4.0.0/23", default_prefixlen=24)
    taken = await cut(api, from_, cidr="10.0.1.0/24")
    await cut(api, from_, cidr="10.0.0.0/25")
    before = snapshot(api.db)
    item = {"network_id": taken["network_id"], "ip_version": 4, "subnetpool_id": from_["id"]} | attributes
    item = {name: other["id"] if value == "{other}" else value for name, value in item.items()}
    assert (await api.error("POST", "/subnets", {"subnet": item}))[:2] == (status, kind)
    assert snapshot(api.db) == before
