"""Instances bind their ports, move with them, and let them go."""

import pytest

from tests.functional.api.api_world import Api, Object

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def two_ports(api: Api) -> tuple[Object, Object]:
    network = await api.network("10.0.0.0/24")
    one, two = [await api.create("port", network_id=network["id"]) for _ in range(2)]
    return one, two


async def binding(api: Api, port: Object) -> tuple[str, str, str]:
    shown = await api.get(f"/ports/{port['id']}")
    return shown["device_id"], shown["device_owner"], shown["binding:host_id"]


async def test_an_instance_binds_its_ports_to_its_host(api: Api) -> None:
    one, two = await two_ports(api)
    instance = await api.create("instance", name="web", host="compute1", ports=[one["id"], two["id"]])
    assert instance["interfaces"] == {"eth0": one["id"], "eth1": two["id"]}
    assert (instance["plugging"], instance["status"]) == ("hybrid", "DOWN")
    expected = (instance["id"], "compute:patchbay", "compute1")
    assert await binding(api, one) == await binding(api, two) == expected
    assert await api.get(f"/instances/{instance['id']}") == instance


async def test_an_instance_that_goes_leaves_its_ports_unbound(api: Api) -> None:
    one, _ = await two_ports(api)
    instance = await api.create("instance", name="web", host="compute1", interfaces={"net0": one["id"]})
    await api.delete(f"/instances/{instance['id']}")
    assert await binding(api, one) == ("", "", "")
    assert await api.get("/instances") == []


async def test_an_instance_moves_with_its_ports(api: Api) -> None:
    one, two = await two_ports(api)
    instance = await api.create("instance", name="web", host="compute1", ports=[one["id"]])
    await api.update("instance", instance["id"], host="compute2", ports=[one["id"], two["id"]])
    assert (await binding(api, one))[2] == (await binding(api, two))[2] == "compute2"
    changed = await api.update("instance", instance["id"], ports=[two["id"]], description="d")
    assert changed["interfaces"] == {"eth0": two["id"]}
    assert await binding(api, one) == ("", "", "")


async def test_a_port_that_goes_leaves_its_instance(api: Api) -> None:
    one, two = await two_ports(api)
    instance = await api.create("instance", name="web", host="compute1", ports=[one["id"], two["id"]])
    await api.delete(f"/ports/{one['id']}")
    assert (await api.get(f"/instances/{instance['id']}"))["interfaces"] == {"eth1": two["id"]}


async def test_a_name_is_taken_on_its_own_host_only(api: Api) -> None:
    await api.create("instance", name="web", host="compute1")
    other = await api.create("instance", name="web", host="compute2", plugging="direct")
    assert other["plugging"] == "direct"
    error = await api.error("PUT", f"/instances/{other['id']}", {"instance": {"host": "compute1"}})
    assert error[:2] == (409, "InstanceNameInUse")
    assert {one["host"] for one in await api.get("/instances?name=web")} == {"compute1", "compute2"}


async def test_instances_are_made_in_bulk_all_or_none(api: Api) -> None:
    one, two = await two_ports(api)
    items = [{"name": "a", "host": "h", "ports": [one["id"]]}, {"name": "b", "host": "h", "ports": [one["id"]]}]
    assert (await api.error("POST", "/instances", {"instances": items}))[:2] == (409, "PortInUse")
    assert await binding(api, one) == ("", "", "")
    items[1] = {"name": "a", "host": "h"}
    assert (await api.error("POST", "/instances", {"instances": items}))[:2] == (409, "InstanceNameInUse")
    items[1] = {"name": "b", "host": "h", "ports": [two["id"]]}
    assert (await api.ask("POST", "/instances", {"instances": items})).status_code == 201
