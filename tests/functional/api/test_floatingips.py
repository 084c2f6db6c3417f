"""/v2.0/floatingips as the API reference describes it: create, associate, move, dissociate, delete, status."""

import pytest
from msgspec.structs import replace

from patchbay.intent.database import Delete, Insert, IntentDatabase, Update
from patchbay.service.access import touched
from tests.functional.api.api_world import Api
from tests.functional.api.router_world import Site, external, plug_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_floating_ip_has_an_address_and_a_port_of_the_external_network(api: Api) -> None:
    outside = await external(api)
    made = await api.create("floatingip", floating_network_id=outside["id"], description="d", project_id="p")
    assert (
        made
        | {
            "floating_network_id": outside["id"],
            "floating_ip_address": "203.0.113.2",
            "port_id": None,
            "fixed_ip_address": None,
            "router_id": None,
            "status": "DOWN",
            "port_details": None,
            "port_forwardings": [],
            "dns_name": "",
            "dns_domain": "",
            "qos_policy_id": None,
            "description": "d",
            "project_id": "p",
            "tenant_id": "p",
            "tags": [],
            "revision_number": 1,
        }
        == made
    )
    assert "name" not in made
    assert "subnet_id" not in made
    (port,) = await api.get("/ports")
    assert port | {"device_id": made["id"], "device_owner": "network:floatingip", "status": "N/A"} == port
    assert (port["project_id"], port["fixed_ips"][0]["ip_address"]) == ("", "203.0.113.2")
    await api.delete(f"/floatingips/{made['id']}")
    assert await api.get("/ports") == await api.get("/floatingips") == []


async def test_its_address_may_be_named_or_taken_from_a_subnet(api: Api) -> None:
    outside = await external(api, "203.0.113.0/24", "198.51.100.0/24")
    by_cidr = {one["cidr"]: one["id"] for one in await api.get("/subnets")}
    wanted = {"floating_network_id": outside["id"]}
    of_subnet = await api.create("floatingip", **wanted, subnet_id=by_cidr["198.51.100.0/24"])
    assert of_subnet["floating_ip_address"] == "198.51.100.2"
    named = await api.create("floatingip", **wanted, floating_ip_address="203.0.113.99")
    assert named["floating_ip_address"] == "203.0.113.99"


async def test_it_is_associated_moved_and_dissociated(api: Api) -> None:
    site = await Site.build(api)
    one, other = await site.port(name="web", device_owner="compute:x"), await site.port("10.0.0.50", "10.0.0.51")
    made = await site.floatingip(port_id=one["id"])
    address = one["fixed_ips"][0]["ip_address"]
    assert (made["port_id"], made["fixed_ip_address"]) == (one["id"], address)
    assert made["router_id"] == site.router["id"]
    details = {"name": "web", "network_id": one["network_id"], "mac_address": one["mac_address"], "device_id": ""}
    assert made["port_details"] == details | {
        "admin_state_up": True,
        "status": "DOWN",
        "device_owner": "compute:x",
    }
    same = await api.update("floatingip", made["id"], description="d")
    assert (same["port_id"], same["description"]) == (one["id"], "d")
    moved = await api.update("floatingip", made["id"], port_id=other["id"], fixed_ip_address="10.0.0.51")
    assert (moved["port_id"], moved["fixed_ip_address"]) == (other["id"], "10.0.0.51")
    readdressed = await api.update("floatingip", made["id"], port_id=other["id"], fixed_ip_address="10.0.0.50")
    assert readdressed["fixed_ip_address"] == "10.0.0.50"
    free = await api.update("floatingip", made["id"], port_id=None)
    assert (free["port_id"], free["fixed_ip_address"], free["router_id"], free["status"]) == (None,) * 3 + ("DOWN",)


async def test_it_goes_by_the_router_that_is_the_subnet_s_gateway(api: Api) -> None:
    site = await Site.build(api)
    gateway = {"network_id": site.outside["id"]}
    side = await api.create("router", external_gateway_info=gateway)
    by_port = await site.port("10.0.0.200")
    await api.act(f"/routers/{side['id']}/add_router_interface", {"port_id": by_port["id"]})
    made = await site.floatingip(port_id=(await site.port())["id"])
    assert made["router_id"] == site.router["id"]
    await api.update("floatingip", made["id"], port_id=None)
    await api.act(f"/routers/{site.router['id']}/remove_router_interface", {"subnet_id": site.inside["id"]})
    made = await site.floatingip(port_id=(await site.port())["id"])
    assert made["router_id"] == side["id"]


async def test_it_stays_when_its_port_goes(api: Api) -> None:
    site = await Site.build(api)
    port = await site.port()
    made = await site.floatingip(port_id=port["id"])
    await api.delete(f"/ports/{port['id']}")
    left = await api.get(f"/floatingips/{made['id']}")
    assert (left["port_id"], left["fixed_ip_address"], left["router_id"]) == (None, None, None)
    assert left["revision_number"] == 2


async def test_its_status_is_what_the_agent_of_the_router_s_host_says(api: Api, db: IntentDatabase) -> None:
    site = await Site.build(api)
    made = await site.floatingip(port_id=(await site.port())["id"])
    path = f"/floatingips/{made['id']}"
    router = db.routers[site.router["id"]]
    port_id = db.floatingips[made["id"]].floating_port_id
    await db.transact(Update(router, replace(touched(router), host="network1")))
    for attributes, status in (({}, "DOWN"), ({"up": True}, "ACTIVE"), ({"trouble": "no route"}, "ERROR")):
        plug = plug_of(made, port_id, **attributes)
        await db.transact(Insert(plug))
        assert (await api.get(path))["status"] == status
        assert [one["id"] for one in await api.get(f"/floatingips?status={status}")] == [made["id"]]
        await db.transact(Delete(plug))
    elsewhere = replace(plug_of(made, port_id, up=True), host="network2")
    await db.transact(Insert(elsewhere))
    assert (await api.get(path))["status"] == "DOWN"
    await db.transact(Delete(elsewhere))


async def test_floating_ips_are_listed_filtered_sorted_tagged_and_made_in_bulk(api: Api) -> None:
    site = await Site.build(api)
    port = await site.port()
    item = {"floating_network_id": site.outside["id"]}
    answer = await api.ask("POST", "/floatingips", {"floatingips": [item | {"port_id": port["id"]}, item, item]})
    assert answer.status_code == 201
    made = [one["id"] for one in answer.json()["floatingips"]]
    await api.ask("PUT", f"/floatingips/{made[1]}/tags", {"tags": ["x"]})

    async def found(query: str) -> set[str]:
        return {one["id"] for one in await api.get(f"/floatingips?{query}")}

    assert await found(f"port_id={port['id']}") == await found(f"router_id={site.router['id']}") == {made[0]}
    assert await found("port_id=") == await found("router_id=") == {made[1], made[2]}
    assert await found(f"floating_network_id={site.outside['id']}") == set(made)
    assert await found("tags=x") == {made[1]}
    third = (await api.get(f"/floatingips/{made[2]}"))["floating_ip_address"]
    assert await found(f"floating_ip_address={third}") == {made[2]}
    listed = await api.get("/floatingips?sort_key=floating_ip_address&sort_dir=desc")
    addresses = [one["floating_ip_address"] for one in listed]
    assert addresses == sorted(addresses, reverse=True)
