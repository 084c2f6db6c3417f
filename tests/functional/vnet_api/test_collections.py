"""What every collection of OpenVNet's WebAPI does alike: create, list page by page, show, delete, refuse."""

from typing import Any

import pytest

from tests.functional.vnet_api.vnet_world import ALWAYS, VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIMPLE: dict[str, tuple[str, dict[str, Any]]] = {
    "ip_range_groups": ("iprg", {}),
    "mac_range_groups": ("mrg", {}),
    "ip_lease_containers": ("ilc", {}),
    "ip_retention_containers": ("irc", {"lease_time": 60, "grace_time": 30}),
    "lease_policies": ("lp", {}),
    "topologies": ("topo", {"mode": "simple_underlay"}),
    "route_links": ("rl", {}),
    "network_services": ("ns", {"mode": "dns"}),
}
"""Collections whose objects need no other: the prefix of their uuids, and what is required."""

collections = pytest.mark.parametrize("collection", SIMPLE)


@collections
async def test_an_empty_collection_is_an_empty_page(vnet: VnetApi, collection: str) -> None:
    assert await vnet.get(collection) == {"total_count": 0, "offset": 0, "limit": 30, "items": []}


@collections
async def test_an_object_keeps_the_uuid_that_it_was_given(vnet: VnetApi, collection: str) -> None:
    prefix, values = SIMPLE[collection]
    made = await vnet.post(collection, uuid=f"{prefix}-test1", **values)
    assert made["uuid"] == f"{prefix}-test1"
    assert set(made) >= ALWAYS
    assert made.items() >= values.items()
    assert await vnet.get(f"{collection}/{prefix}-test1") == made
    assert await vnet.items(collection) == [made]


@collections
async def test_an_object_without_uuid_is_given_one(vnet: VnetApi, collection: str) -> None:
    prefix, values = SIMPLE[collection]
    made = await vnet.post(collection, **values)
    assert made["uuid"].startswith(f"{prefix}-")
    assert await vnet.uuids(collection) == [made["uuid"]]


@collections
async def test_a_deleted_object_is_gone_and_may_come_again(vnet: VnetApi, collection: str) -> None:
    prefix, values = SIMPLE[collection]
    uuid = f"{prefix}-test1"
    for _ in range(2):
        await vnet.post(collection, uuid=uuid, **values)
        assert await vnet.delete(f"{collection}/{uuid}") == [uuid]
        assert uuid in await vnet.refused("GET", f"{collection}/{uuid}", "UnknownUUIDResource")
        assert await vnet.uuids(collection) == []
    assert not vnet.db.vnet_objects, "nothing stays behind"


@collections
async def test_unknown_and_malformed_uuids_are_told_apart(vnet: VnetApi, collection: str) -> None:
    prefix, _ = SIMPLE[collection]
    for method in ("GET", "DELETE"):
        for uuid, name in ((f"{prefix}-notfound", "UnknownUUIDResource"), ("this_aint_no_uuid", "InvalidUUID")):
            assert uuid in await vnet.refused(method, f"{collection}/{uuid}", name)


@collections
@pytest.mark.parametrize("uuid", ["faulty", "xx-1", "{}-", "{}-ABC", "{}-a_b", "{}-12345678901234567"])
async def test_no_object_is_made_with_a_malformed_uuid(vnet: VnetApi, collection: str, uuid: str) -> None:
    prefix, values = SIMPLE[collection]
    uuid = uuid.format(prefix)
    assert uuid in await vnet.refused("POST", collection, "InvalidUUID", uuid=uuid, **values)
    assert await vnet.uuids(collection) == []


@collections
async def test_no_two_objects_have_one_uuid(vnet: VnetApi, collection: str) -> None:
    prefix, values = SIMPLE[collection]
    await vnet.post(collection, uuid=f"{prefix}-test1", **values)
    message = await vnet.refused("POST", collection, "DuplicateUUID", uuid=f"{prefix}-test1", **values)
    assert f"{prefix}-test1" in message
    assert await vnet.uuids(collection) == [f"{prefix}-test1"]


@collections
async def test_objects_are_listed_page_by_page_in_the_order_of_their_creation(vnet: VnetApi, collection: str) -> None:
    prefix, values = SIMPLE[collection]
    uuids = [f"{prefix}-{letter}" for letter in "zbya"]
    for uuid in uuids:
        await vnet.post(collection, uuid=uuid, **values)
    assert await vnet.uuids(collection) == uuids
    page = await vnet.get(collection, offset=1, limit=2)
    assert (page["total_count"], page["offset"], page["limit"]) == (4, 1, 2)
    assert [item["uuid"] for item in page["items"]] == uuids[1:3]
    assert (await vnet.get(collection, offset=4))["items"] == []


@collections
async def test_unknown_parameters_are_left_out_silently(vnet: VnetApi, collection: str) -> None:
    prefix, values = SIMPLE[collection]
    made = await vnet.post(collection, uuid=f"{prefix}-test1", **values, colour="red")
    assert "colour" not in made


@pytest.mark.parametrize(("collection", "missing"), [("topologies", "mode"), ("network_services", "mode")])
async def test_what_is_required_is_missed(vnet: VnetApi, collection: str, missing: str) -> None:
    assert missing in await vnet.refused("POST", collection, "MissingArgument")
