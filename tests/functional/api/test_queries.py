"""Filters, fields, sorting, pages."""

from typing import Any

import pytest
import pytest_asyncio

from patchbay.api.neutron.attributes import NOT_VISIBLE
from patchbay.api.neutron.routes import COLLECTIONS
from patchbay.intent.database import Insert, IntentDatabase
from patchbay.model import Host
from patchbay.service.access import new_id
from tests.functional.api.api_world import Api, Object

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def three(api: Api) -> list[Object]:
    """Networks a, b and c; a and c are of project p1."""
    vlan = {"provider__network_type": "vlan", "provider__physical_network": "physnet1"}
    return [
        await api.create("network", name="a", project_id="p1", mtu=1400, description="one"),
        await api.create("network", name="b", shared=True, **vlan, provider__segmentation_id=7),
        await api.create("network", name="c", project_id="p1", router__external=True, admin_state_up=False),
    ]


async def names(api: Api, query: str, collection: str = "networks") -> str:
    return "".join(sorted(item["name"] for item in await api.get(f"/{collection}?{query}")))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "abc"),
        ("name=a", "a"),
        ("name=a&name=b", "ab"),
        ("name=x", ""),
        ("name=a&name=x&project_id=p1", "a"),
        ("name=b&project_id=p1", ""),
        ("tenant_id=p1", "ac"),
        ("project_id=", "b"),
        ("admin_state_up=True", "ab"),
        ("admin_state_up=false", "c"),
        ("admin_state_up=0&admin_state_up=1", "abc"),
        ("shared=True", "b"),
        ("router:external=true", "c"),
        ("router%3Aexternal=False", "ab"),
        ("provider:network_type=vxlan", "ac"),
        ("provider:segmentation_id=7", "b"),
        ("provider:physical_network=physnet1", "b"),
        ("mtu=1400&mtu=1500", "ab"),
        ("status=ACTIVE", "abc"),
        ("status=DOWN", ""),
        ("description=one", "a"),
        ("description=", "bc"),
        ("revision_number=1", "abc"),
        ("changed_since=2001-01-01T00:00:00Z", "abc"),
        ("changed_since=2999-01-01T00:00:00Z", ""),
    ],
)
async def test_filters_find_the_networks_that_match(api: Api, three: list[Object], query: str, expected: str) -> None:
    assert await names(api, query) == expected


async def test_networks_are_found_by_id_and_by_subnet(api: Api, three: list[Object]) -> None:
    subnet = await api.create("subnet", name="s", network_id=three[0]["id"], ip_version=4, cidr="10.0.0.0/24")
    assert await names(api, f"id={three[0]['id']}&id={three[2]['id']}&id=nobody") == "ac"
    assert await names(api, f"subnets={subnet['id']}") == "a"
    assert await names(api, f"network_id={three[0]['id']}&cidr=10.0.0.0/24&ip_version=4", "subnets") == "s"
    assert await names(api, "gateway_ip=10.0.0.1&enable_dhcp=true", "subnets") == "s"
    assert await names(api, "allocation_pools=start=10.0.0.2&dns_nameservers=9.9.9.9", "subnets") == ""
    assert await names(api, "allocation_pools=start=10.0.0.2", "subnets") == "s"
    assert await names(api, "ip_version=6", "subnets") == ""


async def test_ports_are_found_by_their_addresses_devices_and_hosts(api: Api) -> None:
    network = await api.network("10.0.0.0/24", "fd00::/64")
    subnet = next(item for item in await api.get("/subnets") if item["ip_version"] == 4)["id"]
    common = {"network_id": network["id"], "device_owner": "compute:nova"}
    await api.create("port", name="a", **common, device_id="vm1", fixed_ips=[{"ip_address": "10.0.0.11"}])
    await api.create("port", name="b", **common, device_id="vm2", fixed_ips=[{"ip_address": "10.0.0.12"}])
    await api.create("port", name="c", network_id=network["id"], fixed_ips=[{"ip_address": "fd00::11"}])
    await api.create("port", name="d", **common, mac_address="fa:16:3e:00:00:01", fixed_ips=[], binding__host_id="h")
    queries = {
        "fixed_ips=ip_address%3D10.0.0.11": "a",
        "fixed_ips=ip_address%3D10.0.0.11&fixed_ips=ip_address%3D10.0.0.12": "ab",
        "fixed_ips=ip_address%3DFD00:0::11": "c",
        f"fixed_ips=subnet_id%3D{subnet}": "ab",
        f"fixed_ips=subnet_id%3D{subnet}&fixed_ips=ip_address%3D10.0.0.12": "b",
        "fixed_ips=ip_address_substr%3D0.1": "ab",
        "fixed_ips=ip_address_substr%3D::": "c",
        "device_id=vm1": "a",
        "device_id=": "cd",
        "device_owner=compute:nova": "abd",
        "mac_address=FA-16-3E-00-00-01": "d",
        "binding:host_id=h": "d",
        "binding:vif_type=unbound": "abc",
        f"network_id={network['id']}&name=a&name=d": "ad",
        "network_id=nowhere": "",
        "status=DOWN": "abcd",
    }
    assert {query: await names(api, query, "ports") for query in queries} == queries


async def test_fields_choose_what_is_shown(api: Api, three: list[Object]) -> None:
    assert await api.get("/networks?name=a&fields=id&fields=mtu&fields=colour") == [{"id": three[0]["id"], "mtu": 1400}]
    assert await api.get(f"/networks/{three[0]['id']}?fields=name") == {"name": "a"}


async def in_order(api: Api, query: str) -> list[Any]:
    return [item["name"] for item in await api.get(f"/networks?{query}")]


async def test_lists_are_sorted_by_several_keys(api: Api, three: list[Object]) -> None:
    assert await in_order(api, "sort_key=name&sort_dir=desc") == ["c", "b", "a"]
    assert await in_order(api, "sort_key=mtu&sort_dir=asc") == ["a", "c", "b"]
    query = "sort_key=project_id&sort_dir=desc&sort_key=name&sort_dir=asc"
    assert await in_order(api, query) == ["a", "c", "b"]
    by_id = [network["name"] for network in sorted(three, key=lambda network: network["id"])]
    assert await in_order(api, "") == by_id
    assert await in_order(api, "sort_key=provider:segmentation_id&sort_dir=asc") == ["a", "c", "b"]


async def test_pages_follow_their_links_both_ways(api: Api) -> None:
    for name in "abcde":
        await api.create("network", name=name)
    query = "/networks?limit=2&sort_key=name&sort_dir=asc&fields=name"
    pages, path = [], query
    while path:
        body = (await api.ask("GET", path)).json()
        pages.append("".join(item["name"] for item in body["networks"]))
        links = {link["rel"]: link["href"].removeprefix("http://api/v2.0") for link in body["networks_links"]}
        last, path = path, links.get("next", "")
    assert pages == ["ab", "cd", "e"]
    body = (await api.ask("GET", links["previous"])).json()
    assert [item["name"] for item in body["networks"]] == ["c", "d"]
    assert "marker=" in last


async def test_pages_without_sorting_are_by_id_and_reverse_from_the_end(api: Api, three: list[Object]) -> None:
    ids = sorted(network["id"] for network in three)
    first = (await api.ask("GET", "/networks?limit=2")).json()
    assert [network["id"] for network in first["networks"]] == ids[:2]
    rest = await api.get(f"/networks?limit=2&marker={ids[1]}")
    assert [network["id"] for network in rest] == ids[2:]
    assert [network["id"] for network in await api.get("/networks?limit=2&page_reverse=True")] == ids[1:]
    back = await api.get(f"/networks?limit=2&page_reverse=True&marker={ids[2]}")
    assert [network["id"] for network in back] == ids[:2]
    whole = (await api.ask("GET", "/networks?limit=0")).json()
    assert "networks_links" not in whole
    assert len(whole["networks"]) == 3


async def test_tags_filter_by_all_any_and_none(api: Api) -> None:
    for name, tags in {"a": ["red"], "b": ["red", "blue"], "c": [], "d": ["blue"]}.items():
        network = await api.create("network", name=name)
        await api.ask("PUT", f"/networks/{network['id']}/tags", {"tags": tags})
    queries = {
        "tags=red": "ab",
        "tags=red,blue": "b",
        "tags=red&tags=blue": "b",
        "tags-any=red,blue": "abd",
        "not-tags=red": "cd",
        "not-tags=red,blue": "acd",
        "not-tags-any=red,blue": "c",
        "tags=red&not-tags=blue": "a",
    }
    assert {query: await names(api, query) for query in queries} == queries


@pytest.mark.parametrize("collection", list(COLLECTIONS))
async def test_every_attribute_that_says_so_filters_and_sorts(api: Api, db: IntentDatabase, collection: str) -> None:
    network = await api.network("10.0.0.0/24", "fd00::/64")
    ports = [await api.create("port", network_id=network["id"]) for _ in range(2)]
    for name, port in zip("ab", ports, strict=True):
        await api.create("instance", name=name, host="compute1", ports=[port["id"]])
    await api.create("router")
    await api.create("subnetpool", name="pool", prefixes=["10.9.0.0/16"])
    await api.ask("POST", "/address-scopes", {"address_scope": {"name": "scope", "ip_version": 4}})
    await api.ask("POST", "/address-groups", {"address_group": {"name": "group"}})
    outside = await api.network("203.0.113.0/24", router__external=True)
    await api.create("floatingip", floating_network_id=outside["id"])
    await db.transact(Insert(Host(id=new_id(), name="compute1")), Insert(Host(id=new_id(), name="compute2")))
    for name, attribute in COLLECTIONS[collection].attributes.items():
        if attribute.is_filter:
            known = {"fixed_ips": "ip_address=10.0.0.2", "cidr": "10.0.0.0/24", "ethertype": "IPv4"}
            value = known.get(name, "10.0.0.0/24" if name == "remote_ip_prefix" else "1")
            assert (await api.ask("GET", f"/{collection}?{name}={value}")).status_code == 200, name
        if attribute.is_sort_key and name not in NOT_VISIBLE:
            assert len(await api.get(f"/{collection}?sort_key={name}&sort_dir=desc")) > 0, name
