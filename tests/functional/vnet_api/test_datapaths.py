"""Datapaths, and what they are related to."""

import pytest

from patchbay.intent.database import Insert
from patchbay.model import Host
from tests.functional.vnet_api.vnet_world import VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

GIVEN = {
    "uuid": "dp-test",
    "display_name": "our test datapath",
    "dpid": "0x0000aaaaaaaaaaaa",
    "node_id": "vna45",
    "enable_ovs_learn_action": True,
}
RELATED = pytest.mark.parametrize("other", ["networks", "segments", "route_links"])
PREFIX = {"networks": "nw", "segments": "seg", "route_links": "rl"}
VALUES = {"networks": {"ipv4_network": "10.0.0.0"}, "segments": {"mode": "virtual"}, "route_links": {}}


async def test_a_datapath_shows_what_it_was_given(vnet: VnetApi) -> None:
    made = await vnet.post("datapaths", **GIVEN)
    assert made.items() >= GIVEN.items()
    assert made["is_connected"] is False
    assert await vnet.get("datapaths/dp-test") == made
    assert await vnet.items("datapaths") == [made]
    dpids = [row.dpid for row in vnet.db.vnet_objects.values() if row.kind == "datapath"]
    assert dpids == ["0000aaaaaaaaaaaa"], "as agents look for it"
    await vnet.delete("datapaths/dp-test")
    assert not vnet.db.vnet_objects


@pytest.mark.parametrize("missing", ["display_name", "dpid", "node_id"])
async def test_a_datapath_needs_a_name_a_number_and_a_node(vnet: VnetApi, missing: str) -> None:
    given = {name: value for name, value in GIVEN.items() if name != missing}
    assert missing in await vnet.refused("POST", "datapaths", "MissingArgument", **given)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("0x000002fdee8e0a44", "0x000002fdee8e0a44"),
        ("000002FDEE8E0A44", "0x000002fdee8e0a44"),
        ("2fdee8e0a44", "0x000002fdee8e0a44"),
        ("0X1", "0x0000000000000001"),
    ],
)
async def test_a_number_is_sixteen_hexadecimal_digits_however_it_is_said(vnet: VnetApi, said: str, shown: str) -> None:
    assert (await vnet.post("datapaths", **{**GIVEN, "dpid": said}))["dpid"] == shown


@pytest.mark.parametrize("wrong", ["0x", "0", "xyz", "0x12345678901234567", "-1", "1 2"])
async def test_what_is_no_number_is_refused(vnet: VnetApi, wrong: str) -> None:
    assert "dpid" in await vnet.refused("POST", "datapaths", "ArgumentError", **{**GIVEN, "dpid": wrong})


async def test_a_bridge_is_one_datapath(vnet: VnetApi) -> None:
    await vnet.post("datapaths", **GIVEN)
    message = await vnet.refused("POST", "datapaths", "ArgumentError", **{**GIVEN, "uuid": "dp-other"})
    assert "dp-test" in message
    assert "0x0000aaaaaaaaaaaa" in message
    await vnet.post("datapaths", **{**GIVEN, "uuid": "dp-other", "dpid": "1"})
    await vnet.refused("PUT", "datapaths/dp-other", "ArgumentError", dpid="0xaaaaaaaaaaaa")
    assert (await vnet.put("datapaths/dp-other", dpid="1", node_id="x"))["node_id"] == "x"
    assert (await vnet.put("datapaths/dp-other", dpid="2"))["dpid"] == "0x0000000000000002"
    await vnet.datapath("dp-third", "1")
    await vnet.refused("PUT", "datapaths/dp-other", "ArgumentError", dpid="1")


async def test_a_datapath_changes_its_name_and_how_it_learns(vnet: VnetApi) -> None:
    await vnet.post("datapaths", **GIVEN)
    changed = await vnet.put("datapaths/dp-test", display_name="changed", enable_ovs_learn_action=False)
    assert changed["display_name"] == "changed"
    assert changed["enable_ovs_learn_action"] is False
    assert changed["dpid"] == GIVEN["dpid"]
    assert await vnet.get("datapaths/dp-test") == changed
    await vnet.refused("PUT", "datapaths/dp-nowhere", "UnknownUUIDResource", display_name="x")


async def test_parameters_of_2013_are_kept(vnet: VnetApi) -> None:
    made = await vnet.post("datapaths", **GIVEN, dc_segment_id="seg1", ipv4_address="192.168.122.207")
    assert made["dc_segment_id"] == "seg1"
    assert made["ipv4_address"] == "192.168.122.207"
    await vnet.refused("POST", "datapaths", "ArgumentError", **GIVEN, ipv4_address="here")


async def test_it_is_connected_while_a_host_has_the_bridge(vnet: VnetApi) -> None:
    await vnet.post("datapaths", **GIVEN)
    host = Host(id="00000000-0000-4000-8000-000000000001", name="vnet3", datapaths={"0000aaaaaaaaaaaa": "br0"})
    await vnet.db.transact(Insert(host))
    assert (await vnet.get("datapaths/dp-test"))["is_connected"] is True


async def other_object(vnet: VnetApi, other: str) -> str:
    """Something to be related to."""
    uuid = f"{PREFIX[other]}-other"
    await vnet.post(other, uuid=uuid, **VALUES[other])  # type: ignore[arg-type]
    return uuid


@RELATED
async def test_a_datapath_is_related_to_others_by_interface_and_mac(vnet: VnetApi, other: str) -> None:
    datapath = await vnet.datapath()
    uuid = await other_object(vnet, other)
    interface = await vnet.post("interfaces", uuid="if-test", mode="host")
    member = other.removesuffix("s")
    made = await vnet.post(f"datapaths/dp-test/{other}/{uuid}", interface_uuid="if-test", mac_address="2:0:0:cc:0:2")
    assert made["mac_address"] == "02:00:00:cc:00:02"
    assert made["datapath_id"] == datapath["id"]
    assert made["interface_id"] == interface["id"]
    assert made[f"{member}_id"] == (await vnet.get(f"{other}/{uuid}"))["id"]
    assert await vnet.uuids(f"datapaths/dp-test/{other}") == [uuid]
    assert uuid in await vnet.refused("POST", f"datapaths/dp-test/{other}/{uuid}", "RelationAlreadyExists")
    assert await vnet.delete(f"datapaths/dp-test/{other}/{uuid}") == [uuid]
    assert await vnet.uuids(f"datapaths/dp-test/{other}") == []
    assert await vnet.delete(f"datapaths/dp-test/{other}/{uuid}") == [uuid], "as in OpenVNet, once more is no error"


@RELATED
async def test_parameters_of_2013_need_no_interface(vnet: VnetApi, other: str) -> None:
    await vnet.datapath()
    uuid = await other_object(vnet, other)
    name = "mac_address" if other == "route_links" else "broadcast_mac_address"
    made = await vnet.post(f"datapaths/dp-test/{other}/{uuid}", **{name: "08:00:27:10:03:01"})
    assert made["mac_address"] == made["broadcast_mac_address"] == "08:00:27:10:03:01"
    assert made["interface_uuid"] is None
    await vnet.refused("POST", f"datapaths/dp-test/{other}/{uuid}", "ArgumentError", mac_address="nonsense")


@RELATED
async def test_both_ends_must_be_there(vnet: VnetApi, other: str) -> None:
    await vnet.datapath()
    uuid = await other_object(vnet, other)
    prefix = PREFIX[other]
    for method in ("POST", "DELETE"):
        await vnet.refused(method, f"datapaths/dp-nowhere/{other}/{uuid}", "UnknownUUIDResource")
        await vnet.refused(method, f"datapaths/dp-test/{other}/{prefix}-nowhere", "UnknownUUIDResource")
        await vnet.refused(method, f"datapaths/nonsense/{other}/{uuid}", "InvalidUUID")
        await vnet.refused(method, f"datapaths/dp-test/{other}/nonsense", "InvalidUUID")
    path = f"datapaths/dp-test/{other}/{uuid}"
    await vnet.refused("POST", path, "UnknownUUIDResource", interface_uuid="if-nowhere")
    await vnet.refused("POST", path, "InvalidUUID", interface_uuid="nonsense")
    await vnet.refused("GET", f"datapaths/dp-nowhere/{other}", "UnknownUUIDResource")


@RELATED
@pytest.mark.parametrize("goes", ["datapath", "other"])
async def test_a_relation_goes_with_either_end(vnet: VnetApi, other: str, goes: str) -> None:
    await vnet.datapath()
    uuid = await other_object(vnet, other)
    await vnet.post(f"datapaths/dp-test/{other}/{uuid}")
    await vnet.delete("datapaths/dp-test" if goes == "datapath" else f"{other}/{uuid}")
    if goes == "datapath":
        await vnet.datapath()
    else:
        await other_object(vnet, other)
    assert await vnet.uuids(f"datapaths/dp-test/{other}") == []
