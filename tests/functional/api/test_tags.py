"""Tags on every kind of object."""

import pytest

from tests.functional.api.api_world import Api

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("collection", ["networks", "subnets", "ports", "instances"])
async def test_tags_are_put_added_asked_for_and_removed(api: Api, collection: str) -> None:
    network = await api.network("10.0.0.0/24")
    port = await api.create("port", network_id=network["id"])
    instance = await api.create("instance", name="i", host="compute1")
    ids = {
        "networks": network["id"],
        "subnets": network["subnets"][0],
        "ports": port["id"],
        "instances": instance["id"],
    }
    path = f"/{collection}/{ids[collection]}"
    before = (await api.get(path))["revision_number"]

    assert (await api.ask("PUT", f"{path}/tags", {"tags": ["b", "a"]})).json() == {"tags": ["b", "a"]}
    assert await api.get(f"{path}/tags") == ["a", "b"]
    assert (await api.get(path))["revision_number"] == before + 1
    assert (await api.ask("PUT", f"{path}/tags/c.json%2F1")).status_code == 201
    assert (await api.ask("GET", f"{path}/tags/c.json%2F1")).status_code == 204
    assert (await api.ask("POST", f"{path}/tags", {"tags": ["d"]})).status_code == 201
    assert await api.get(f"{path}/tags") == ["a", "b", "c.json/1", "d"]
    await api.delete(f"{path}/tags/a")
    assert (await api.get(path))["tags"] == ["b", "c.json/1", "d"]
    await api.delete(f"{path}/tags")
    assert await api.get(f"{path}/tags") == []


async def test_a_tag_that_is_there_already_changes_nothing(api: Api) -> None:
    network = await api.create("network")
    path = f"/networks/{network['id']}"
    for _ in range(2):
        assert (await api.ask("PUT", f"{path}/tags/a")).status_code == 201
    assert (await api.get(path))["revision_number"] == 2


async def test_an_object_takes_fifty_tags(api: Api) -> None:
    network = await api.create("network")
    path = f"/networks/{network['id']}/tags"
    assert (await api.ask("PUT", path, {"tags": [str(n) for n in range(50)]})).status_code == 200
    assert (await api.error("PUT", f"{path}/one-more"))[0] == 400
