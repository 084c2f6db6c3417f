"""Groups of IP and MAC ranges, and their ranges."""

from ipaddress import IPv4Address
from typing import Any

import pytest

from tests.functional.vnet_api.vnet_world import ALWAYS, VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_group_of_ip_ranges_counts_upwards_unless_it_says_how(vnet: VnetApi) -> None:
    group = await vnet.post("ip_range_groups", uuid="iprg-one")
    assert group["uuid"] == "iprg-one"
    assert group["allocation_type"] == "incremental"
    assert set(group) >= ALWAYS
    for allocation_type in ("incremental", "decremental", "random"):
        made = await vnet.post("ip_range_groups", allocation_type=allocation_type)
        assert made["allocation_type"] == allocation_type
        assert made["uuid"].startswith("iprg-")
        assert len(made["uuid"]) == len("iprg-") + 8
    message = await vnet.refused("POST", "ip_range_groups", "ArgumentError", allocation_type="sideways")
    assert "allocation_type" in message
    assert "sideways" in message


async def test_a_group_of_ip_ranges_changes_its_allocation_type(vnet: VnetApi) -> None:
    await vnet.post("ip_range_groups", uuid="iprg-one", allocation_type="random")
    changed = await vnet.put("ip_range_groups/iprg-one", allocation_type="decremental")
    assert changed["allocation_type"] == "decremental"
    assert (await vnet.get("ip_range_groups/iprg-one"))["allocation_type"] == "decremental"
    unsaid = await vnet.put("ip_range_groups/iprg-one")
    assert unsaid["allocation_type"] == "incremental", "OpenVNet's default counts for changes too"
    await vnet.refused("PUT", "ip_range_groups/iprg-one", "ArgumentError", allocation_type="sideways")


async def test_ip_ranges_of_a_group_come_go_and_show_their_ends_as_numbers(vnet: VnetApi) -> None:
    group = await vnet.post("ip_range_groups", uuid="iprg-one")
    await vnet.post("ip_range_groups", uuid="iprg-two")
    path = "ip_range_groups/iprg-one/ip_ranges"
    shown = await vnet.post(path, uuid="ipr-a", begin_ipv4_address="10.0.0.5", end_ipv4_address="10.0.0.9")
    assert shown["uuid"] == "ipr-a"
    assert shown["ip_range_group_id"] == group["id"]
    assert shown["begin_ipv4_address"] == int(IPv4Address("10.0.0.5"))
    assert shown["end_ipv4_address"] == int(IPv4Address("10.0.0.9"))
    await vnet.post(path, begin_ipv4_address="10.0.1.5", end_ipv4_address="10.0.1.5")
    assert (await vnet.uuids(path))[0] == "ipr-a"
    assert len(await vnet.uuids(path)) == 2
    assert await vnet.uuids("ip_range_groups/iprg-two/ip_ranges") == []
    await vnet.refused("DELETE", "ip_range_groups/iprg-two/ip_ranges/ipr-a", "UnknownUUIDResource")
    assert await vnet.delete(f"{path}/ipr-a") == ["ipr-a"]
    assert len(await vnet.uuids(path)) == 1
    await vnet.refused("DELETE", f"{path}/ipr-a", "UnknownUUIDResource")


@pytest.mark.parametrize(
    ("values", "name", "part"),
    [
        ({"begin_ipv4_address": "10.0.0.5"}, "MissingArgument", "end_ipv4_address"),
        ({"end_ipv4_address": "10.0.0.5"}, "MissingArgument", "begin_ipv4_address"),
        ({"begin_ipv4_address": "10.0.0.5", "end_ipv4_address": "10.0.0.4"}, "ArgumentError", "begin"),
        ({"begin_ipv4_address": "10.0.0.256", "end_ipv4_address": "10.0.0.4"}, "ArgumentError", "10.0.0.256"),
        ({"begin_ipv4_address": "fe80::1", "end_ipv4_address": "10.0.0.4"}, "ArgumentError", "fe80::1"),
        (
            {"uuid": "ip-1", "begin_ipv4_address": "10.0.0.1", "end_ipv4_address": "10.0.0.4"},
            "InvalidUUID",
            "ip-1",
        ),
        (
            {"uuid": "ipr-old", "begin_ipv4_address": "10.0.0.1", "end_ipv4_address": "10.0.0.4"},
            "DuplicateUUID",
            "ipr-old",
        ),
    ],
)
async def test_wrong_ip_ranges_are_refused(vnet: VnetApi, values: dict[str, Any], name: str, part: str) -> None:
    path = "ip_range_groups/iprg-one/ip_ranges"
    await vnet.post("ip_range_groups", uuid="iprg-one")
    await vnet.post(path, uuid="ipr-old", begin_ipv4_address="10.0.0.5", end_ipv4_address="10.0.0.9")
    assert part in await vnet.refused("POST", path, name, **values)
    assert await vnet.uuids(path) == ["ipr-old"]


async def test_a_group_takes_its_ranges_along(vnet: VnetApi) -> None:
    await vnet.post("ip_range_groups", uuid="iprg-one")
    values = {"uuid": "ipr-a", "begin_ipv4_address": "10.0.0.5", "end_ipv4_address": "10.0.0.9"}
    await vnet.post("ip_range_groups/iprg-one/ip_ranges", **values)
    await vnet.delete("ip_range_groups/iprg-one")
    await vnet.refused("GET", "ip_range_groups/iprg-one/ip_ranges", "UnknownUUIDResource")
    await vnet.post("ip_range_groups", uuid="iprg-one")
    assert await vnet.uuids("ip_range_groups/iprg-one/ip_ranges") == []
    await vnet.post("ip_range_groups/iprg-one/ip_ranges", **values)
    assert not [row for row in vnet.db.vnet_objects.values() if row.uuid == "ipr-a" and row.kind != "ip_range"]


async def test_a_group_of_mac_ranges_is_random_unless_it_says_how(vnet: VnetApi) -> None:
    assert (await vnet.post("mac_range_groups", uuid="mrg-one"))["allocation_type"] == "random"
    assert (await vnet.post("mac_range_groups", allocation_type="incremental"))["allocation_type"] == "incremental"
    assert (await vnet.put("mac_range_groups/mrg-one"))["allocation_type"] == "random"
    changed = await vnet.put("mac_range_groups/mrg-one", allocation_type="incremental")
    assert changed["allocation_type"] == "incremental"


async def test_mac_ranges_of_a_group_come_go_and_show_their_ends_as_numbers(vnet: VnetApi) -> None:
    group = await vnet.post("mac_range_groups", uuid="mrg-one")
    await vnet.post("mac_range_groups", uuid="mrg-two")
    path = "mac_range_groups/mrg-one/mac_ranges"
    ends = {"begin_mac_address": "08:00:27:AA:00:00", "end_mac_address": "08-00-27-cc-ff-ff"}
    shown = await vnet.post(path, uuid="mr-a", **ends)
    assert shown["uuid"] == "mr-a"
    assert shown["mac_range_group_id"] == group["id"]
    assert (shown["begin_mac_address"], shown["end_mac_address"]) == (0x080027AA0000, 0x080027CCFFFF)
    assert await vnet.uuids(path) == ["mr-a"]
    assert await vnet.uuids("mac_range_groups/mrg-two/mac_ranges") == []
    await vnet.refused("DELETE", "mac_range_groups/mrg-two/mac_ranges/mr-a", "UnknownUUIDResource")
    assert await vnet.delete(f"{path}/mr-a") == ["mr-a"]
    assert await vnet.uuids(path) == []


@pytest.mark.parametrize(
    ("values", "name", "part"),
    [
        ({"begin_mac_address": "08:00:27:00:00:01"}, "MissingArgument", "end_mac_address"),
        ({"end_mac_address": "08:00:27:00:00:01"}, "MissingArgument", "begin_mac_address"),
        (
            {"begin_mac_address": "08:00:27:00:00:02", "end_mac_address": "08:00:27:00:00:01"},
            "ArgumentError",
            "begin_mac_address",
        ),
        ({"begin_mac_address": "08:00:27:00:00", "end_mac_address": "08:00:27:00:00:01"}, "ArgumentError", "MAC"),
        (
            {"uuid": "mrg-1", "begin_mac_address": "08:00:27:00:00:00", "end_mac_address": "08:00:27:00:00:01"},
            "InvalidUUID",
            "mrg-1",
        ),
    ],
)
async def test_wrong_mac_ranges_are_refused(vnet: VnetApi, values: dict[str, Any], name: str, part: str) -> None:
    await vnet.post("mac_range_groups", uuid="mrg-one")
    assert part in await vnet.refused("POST", "mac_range_groups/mrg-one/mac_ranges", name, **values)
    assert await vnet.uuids("mac_range_groups/mrg-one/mac_ranges") == []


@pytest.mark.parametrize("kind", ["ip", "mac"])
async def test_ranges_of_no_group_are_refused(vnet: VnetApi, kind: str) -> None:
    prefix = {"ip": "iprg", "mac": "mrg"}[kind]
    address = {"ip": "10.0.0.1", "mac": "08:00:27:00:00:01"}[kind]
    name = {"ip": "ipv4_address", "mac": "mac_address"}[kind]
    ends = {f"begin_{name}": address, f"end_{name}": address}
    for owner, error in ((f"{prefix}-notfound", "UnknownUUIDResource"), ("nothing", "InvalidUUID")):
        path = f"{kind}_range_groups/{owner}/{kind}_ranges"
        assert owner in await vnet.refused("POST", path, error, **ends)
        assert owner in await vnet.refused("GET", path, error)
        assert owner in await vnet.refused("DELETE", f"{path}/{'ipr' if kind == 'ip' else 'mr'}-a", error)
