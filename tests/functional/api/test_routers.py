"""/v2.0/routers as the API reference describes it: create, show, change, gateways, routes, delete."""

import pytest
from msgspec.structs import replace

from patchbay.intent.database import IntentDatabase, Update
from patchbay.model import Port
from patchbay.service.access import touched
from tests.functional.api.api_world import Api
from tests.functional.api.router_world import external, router_on, subnet

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_router_has_neutron_s_attributes(api: Api) -> None:
    router = await api.create("router", name="r", description="d", admin_state_up=False, project_id="p")
    assert (
        router
        | {
            "name": "r",
            "description": "d",
            "admin_state_up": False,
            "project_id": "p",
            "tenant_id": "p",
            "status": "ACTIVE",
            "external_gateway_info": None,
            "routes": [],
            "distributed": False,
            "ha": False,
            "flavor_id": None,
            "availability_zones": [],
            "availability_zone_hints": [],
            "tags": [],
            "revision_number": 1,
        }
        == router
    )
    assert router["created_at"] == router["updated_at"]
    changed = await api.update("router", router["id"], name="s", distributed=True)
    assert (changed["name"], changed["distributed"], changed["revision_number"]) == ("s", True, 2)
    same = await api.update("router", router["id"], name="s")
    assert same == changed == await api.get(f"/routers/{router['id']}")
    await api.delete(f"/routers/{router['id']}")
    assert await api.get("/routers") == []


async def test_routers_are_listed_filtered_sorted_tagged_and_made_in_bulk(api: Api) -> None:
    answer = await api.ask("POST", "/routers", {"routers": [{"name": name} for name in "cab"]})
    assert answer.status_code == 201
    made = {router["name"]: router["id"] for router in answer.json()["routers"]}
    await api.ask("PUT", f"/routers/{made['a']}/tags", {"tags": ["x"]})
    assert [one["name"] for one in await api.get("/routers?sort_key=name&sort_dir=desc")] == ["c", "b", "a"]
    assert [one["id"] for one in await api.get("/routers?name=b")] == [made["b"]]
    assert [one["id"] for one in await api.get("/routers?tags=x&fields=id")] == [made["a"]]
    assert len(await api.get("/routers?admin_state_up=true&distributed=false&ha=false")) == 3


async def test_a_gateway_is_a_port_of_the_external_network(api: Api, db: IntentDatabase) -> None:
    outside = await external(api, "203.0.113.0/24", "2001:db8::/64")
    router = await api.create("router", external_gateway_info={"network_id": outside["id"]})
    shown = router["external_gateway_info"]
    assert (shown["network_id"], shown["enable_snat"]) == (outside["id"], True)
    assert [ip["ip_address"] for ip in shown["external_fixed_ips"]] == ["203.0.113.2", "2001:db8::2"]
    (port,) = await api.get(f"/ports?device_id={router['id']}")
    assert port | {"device_owner": "network:router_gateway", "network_id": outside["id"], "project_id": ""} == port
    assert port["fixed_ips"] == shown["external_fixed_ips"]
    info = {"network_id": outside["id"], "enable_snat": False}
    changed = await api.update("router", router["id"], external_gateway_info=info)
    assert changed["external_gateway_info"] == shown | {"enable_snat": False}
    cleared = await api.update("router", router["id"], external_gateway_info={})
    assert cleared["external_gateway_info"] is None
    assert not db.ports
    assert db.routers[router["id"]].enable_snat


async def test_a_gateway_has_the_addresses_that_are_asked_for(api: Api) -> None:
    outside = await external(api, "203.0.113.0/24", "198.51.100.0/24")
    first, second = sorted(outside["subnets"], key=lambda id_: id_)
    wanted = [{"subnet_id": first}, {"subnet_id": second}]
    info = {"network_id": outside["id"], "external_fixed_ips": wanted}
    router = await api.create("router", external_gateway_info=info)
    port_id = (await api.get(f"/ports?device_id={router['id']}"))[0]["id"]
    assert {ip["subnet_id"] for ip in router["external_gateway_info"]["external_fixed_ips"]} == {first, second}
    info["external_fixed_ips"] = [{"ip_address": "203.0.113.77"}]
    router = await api.update("router", router["id"], external_gateway_info=info)
    assert [ip["ip_address"] for ip in router["external_gateway_info"]["external_fixed_ips"]] == ["203.0.113.77"]
    assert (await api.get(f"/ports?device_id={router['id']}"))[0]["id"] == port_id
    assert router["revision_number"] == 2


async def test_a_gateway_moves_to_another_network(api: Api) -> None:
    one, other = await external(api), await external(api, "198.51.100.0/24")
    router = await api.create("router", external_gateway_info={"network_id": one["id"]})
    router = await api.update("router", router["id"], external_gateway_info={"network_id": other["id"]})
    (port,) = await api.get("/ports")
    assert port["network_id"] == other["id"] == router["external_gateway_info"]["network_id"]


async def test_an_interface_by_subnet_is_a_port_with_the_gateway_s_address(api: Api) -> None:
    inside = await subnet(api, "10.0.0.0/24")
    router = await api.create("router", project_id="p")
    path = f"/routers/{router['id']}/add_router_interface"
    answer = await api.act(path, {"subnet_id": inside["id"]})
    (port,) = await api.get(f"/ports?device_id={router['id']}")
    assert answer == {
        "id": router["id"],
        "tenant_id": "p",
        "project_id": "p",
        "port_id": port["id"],
        "network_id": inside["network_id"],
        "subnet_id": inside["id"],
        "subnet_ids": [inside["id"]],
    }
    assert port["device_owner"] == "network:router_interface"
    assert port["fixed_ips"] == [{"subnet_id": inside["id"], "ip_address": "10.0.0.1"}]
    assert (await api.get(f"/routers/{router['id']}"))["revision_number"] == 2
    gone = await api.act(f"/routers/{router['id']}/remove_router_interface", {"subnet_id": inside["id"]})
    assert gone == answer
    assert await api.get("/ports") == []


async def test_an_interface_by_port_is_that_port(api: Api) -> None:
    inside = await subnet(api, "10.0.0.0/24", gateway_ip=None)
    port = await api.create("port", network_id=inside["network_id"])
    router = await api.create("router")
    answer = await api.act(f"/routers/{router['id']}/add_router_interface", {"port_id": port["id"]})
    assert (answer["port_id"], answer["subnet_ids"]) == (port["id"], [inside["id"]])
    taken = await api.get(f"/ports/{port['id']}")
    assert (taken["device_id"], taken["device_owner"]) == (router["id"], "network:router_interface")
    await api.act(f"/routers/{router['id']}/remove_router_interface", {"port_id": port["id"]})
    assert await api.get("/ports") == []


async def test_ipv6_subnets_of_one_network_share_a_port(api: Api) -> None:
    network = await api.network("2001:db8:1::/64", "2001:db8:2::/64", "10.0.0.0/24")
    by_cidr = {one["cidr"]: one["id"] for one in await api.get(f"/subnets?network_id={network['id']}")}
    router = await api.create("router")
    path = f"/routers/{router['id']}/add_router_interface"
    ports = [(await api.act(path, {"subnet_id": by_cidr[cidr]}))["port_id"] for cidr in sorted(by_cidr)]
    assert ports[1] == ports[2] != ports[0]
    path = f"/routers/{router['id']}/remove_router_interface"
    answer = await api.act(path, {"subnet_id": by_cidr["2001:db8:1::/64"]})
    assert (answer["port_id"], answer["subnet_ids"]) == (ports[1], [by_cidr["2001:db8:1::/64"]])
    kept = await api.get(f"/ports/{ports[1]}")
    assert [ip["ip_address"] for ip in kept["fixed_ips"]] == ["2001:db8:2::1"]


async def test_new_ports_are_where_the_router_lives(api: Api, db: IntentDatabase) -> None:
    outside, inside = await external(api), await subnet(api, "10.0.0.0/24")
    router = await api.create("router")
    row = db.routers[router["id"]]
    await db.transact(Update(row, replace(touched(row), host="network1")))
    await api.act(f"/routers/{router['id']}/add_router_interface", {"subnet_id": inside["id"]})
    await api.update("router", router["id"], external_gateway_info={"network_id": outside["id"]})
    ports: list[Port] = list(db.ports.values())
    assert [port.host for port in ports] == ["network1"] * 2


async def test_routes_are_set_added_and_removed(api: Api) -> None:
    router = await router_on(api, await subnet(api, "10.0.0.0/24"))
    one, two, three = ({"destination": f"10.{n}.0.0/16", "nexthop": f"10.0.0.{n}"} for n in (7, 8, 9))
    assert (await api.update("router", router["id"], routes=[two, one]))["routes"] == [one, two]
    body = {"router": {"routes": [two, three]}}
    added = await api.act(f"/routers/{router['id']}/add_extraroutes", body)
    assert added["router"]["routes"] == [one, two, three]
    removed = await api.act(f"/routers/{router['id']}/remove_extraroutes", body)
    assert removed["router"]["routes"] == [one]
    assert (await api.update("router", router["id"], routes=None))["routes"] == []


async def test_a_router_goes_with_its_gateway_but_not_with_interfaces(api: Api) -> None:
    outside, inside = await external(api), await subnet(api, "10.0.0.0/24")
    router = await router_on(api, inside, external_gateway_info={"network_id": outside["id"]})
    error = await api.error("DELETE", f"/routers/{router['id']}")
    assert error[:2] == (409, "RouterInUse")
    assert "has ports still attached" in error[2]
    await api.act(f"/routers/{router['id']}/remove_router_interface", {"subnet_id": inside["id"]})
    await api.delete(f"/routers/{router['id']}")
    assert await api.get("/ports") == []
    await api.delete(f"/networks/{outside['id']}")
