"""Topologies with their relations and underlays: kept and shown."""

import pytest

from tests.functional.vnet_api.vnet_world import Object, VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

OTHERS = {
    "datapaths": ("datapath", "dp"),
    "networks": ("network", "nw"),
    "segments": ("segment", "seg"),
    "route_links": ("route_link", "rl"),
    "mac_range_groups": ("mac_range_group", "mrg"),
}


async def other(vnet: VnetApi, collection: str) -> tuple[Object, Object]:
    """An object that a topology may have, and what must be said to give it to one."""
    if collection == "datapaths":
        await vnet.network("nw-under", "172.16.9.0")
        values = {"network_uuid": "nw-under", "ipv4_address": "172.16.9.1", "mac_address": "52:54:00:00:00:09"}
        await vnet.post("interfaces", uuid="if-host", mode="host", **values)
        return await vnet.datapath("dp-one"), {"interface_uuid": "if-host"}
    if collection == "networks":
        return await vnet.network("nw-one", "172.16.1.0"), {}
    mode = {"mode": "virtual"} if collection == "segments" else {}
    return dict(await vnet.post(collection, uuid=f"{OTHERS[collection][1]}-one", **mode)), {}


@pytest.mark.parametrize("mode", ["simple_overlay", "simple_underlay"])
async def test_a_topology_has_a_mode(vnet: VnetApi, mode: str) -> None:
    made = await vnet.post("topologies", uuid="topo-one", mode=mode)
    assert made["mode"] == mode
    assert await vnet.put("topologies/topo-one", mode="another") == made
    await vnet.refused("PUT", "topologies/topo-none", "UnknownUUIDResource")
    assert "sideways" in await vnet.refused("POST", "topologies", "ArgumentError", mode="sideways")


@pytest.mark.parametrize("collection", OTHERS)
async def test_relations_of_a_topology_come_and_go(vnet: VnetApi, collection: str) -> None:
    member, prefix = OTHERS[collection]
    topology = await vnet.post("topologies", uuid="topo-one", mode="simple_underlay")
    one, values = await other(vnet, collection)
    path = f"topologies/topo-one/{collection}"
    made = await vnet.post(f"{path}/{one['uuid']}", **values)
    assert (made["topology_id"], made[f"{member}_id"]) == (topology["id"], one["id"])
    assert made[f"{member}_uuid"] == one["uuid"]
    assert await vnet.items(path) == [made]
    await vnet.refused("POST", f"{path}/{one['uuid']}", "RelationAlreadyExists", **values)
    assert await vnet.delete(f"{path}/{one['uuid']}") == [one["uuid"]]
    assert await vnet.delete(f"{path}/{one['uuid']}") == [one["uuid"]], "as in OpenVNet, once more is no error"
    assert await vnet.items(path) == []
    await vnet.post(f"{path}/{one['uuid']}", **values)
    await vnet.delete(f"{collection}/{one['uuid']}")
    assert await vnet.items(path) == []
    for uuid, name in ((f"{prefix}-none", "UnknownUUIDResource"), ("nothing", "InvalidUUID")):
        for method in ("POST", "DELETE"):
            assert uuid in await vnet.refused(method, f"{path}/{uuid}", name, **values)
    for topology_uuid, name in (("topo-none", "UnknownUUIDResource"), ("nothing", "InvalidUUID")):
        assert topology_uuid in await vnet.refused("GET", f"topologies/{topology_uuid}/{collection}", name)


async def test_a_datapath_of_a_topology_names_its_interface_and_lease(vnet: VnetApi) -> None:
    await vnet.post("topologies", uuid="topo-one", mode="simple_underlay")
    await other(vnet, "datapaths")
    path = "topologies/topo-one/datapaths/dp-one"
    assert "interface_uuid" in await vnet.refused("POST", path, "MissingArgument")
    for name, value, error in (
        ("interface_uuid", "faulty", "InvalidUUID"),
        ("interface_uuid", "if-none", "UnknownUUIDResource"),
        ("ip_lease_uuid", "faulty", "InvalidUUID"),
        ("ip_lease_uuid", "il-none", "UnknownUUIDResource"),
    ):
        assert value in await vnet.refused("POST", path, error, **{"interface_uuid": "if-host", name: value})
    [lease] = await vnet.uuids("ip_leases")
    made = await vnet.post(path, interface_uuid="if-host")
    assert (made["interface_uuid"], made["ip_lease_uuid"]) == ("if-host", lease), "its first lease"
    assert made["ip_lease_id"] == (await vnet.get(f"ip_leases/{lease}"))["id"]
    await vnet.delete("topologies/topo-one/datapaths/dp-one")
    await vnet.post(
        "ip_leases", uuid="il-two", network_uuid="nw-under", interface_uuid="if-host", ipv4_address="172.16.9.2"
    )
    assert (await vnet.post(path, interface_uuid="if-host", ip_lease_uuid="il-two"))["ip_lease_uuid"] == "il-two"
    await vnet.delete("interfaces/if-host")
    assert await vnet.items("topologies/topo-one/datapaths") == []


async def test_topologies_lie_on_others(vnet: VnetApi) -> None:
    over = await vnet.post("topologies", uuid="topo-over", mode="simple_overlay")
    under = await vnet.post("topologies", uuid="topo-under", mode="simple_underlay")
    path = "topologies/topo-over/underlays"
    made = await vnet.post(f"{path}/topo-under")
    assert (made["overlay_id"], made["underlay_id"]) == (over["id"], under["id"])
    assert await vnet.items(path) == [under]
    assert await vnet.items("topologies/topo-under/underlays") == []
    await vnet.refused("POST", f"{path}/topo-under", "RelationAlreadyExists")
    await vnet.refused("POST", f"{path}/topo-over", "ArgumentError")
    assert await vnet.delete(f"{path}/topo-under") == ["topo-under"]
    assert await vnet.delete(f"{path}/topo-under") == ["topo-under"]
    assert await vnet.items(path) == []
    for uuid, name in (("topo-none", "UnknownUUIDResource"), ("nothing", "InvalidUUID")):
        for method in ("POST", "DELETE"):
            assert uuid in await vnet.refused(method, f"{path}/{uuid}", name)
            assert uuid in await vnet.refused(method, f"topologies/{uuid}/underlays/topo-under", name)
        assert uuid in await vnet.refused("GET", f"topologies/{uuid}/underlays", name)


@pytest.mark.parametrize("gone", ["topo-over", "topo-under"])
async def test_a_topology_takes_its_relations_along(vnet: VnetApi, gone: str) -> None:
    await vnet.post("topologies", uuid="topo-over", mode="simple_overlay")
    await vnet.post("topologies", uuid="topo-under", mode="simple_underlay")
    await vnet.post("topologies/topo-over/underlays/topo-under")
    await vnet.network("nw-one", "172.16.1.0")
    await vnet.post(f"topologies/{gone}/networks/nw-one")
    await vnet.delete(f"topologies/{gone}")
    assert {row.kind for row in vnet.db.vnet_objects.values()} == {"network", "topology"}
