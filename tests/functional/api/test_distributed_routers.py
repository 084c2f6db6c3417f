"""Distributed routers through the API: the owner of their interfaces, where they are bound, what is refused."""

import msgspec
import pytest

from patchbay.intent.database import Insert, IntentDatabase, Update
from patchbay.model import HostRoute, Plug
from patchbay.service.access import new_id
from patchbay.service.settings import NetworkSettings
from tests.functional.api.api_world import Api, Object
from tests.functional.api.router_world import Site, external, router_on, subnet

pytestmark = pytest.mark.asyncio(loop_scope="session")

CENTRAL, DISTRIBUTED = "network:router_interface", "network:router_interface_distributed"


async def interfaces(api: Api, router: Object, owner: str = DISTRIBUTED) -> list[Object]:
    """The router's ports with this owner."""
    return await api.get(f"/ports?device_id={router['id']}&device_owner={owner}")  # type: ignore[no-any-return]


async def test_interfaces_of_a_distributed_router_are_bound_nowhere(api: Api) -> None:
    red, blue = await subnet(api, "10.0.0.0/24"), await subnet(api, "10.0.1.0/24")
    router = await router_on(api, red, distributed=True)
    port = await api.create("port", network_id=blue["network_id"], binding__host_id="compute1")
    await api.act(f"/routers/{router['id']}/add_router_interface", {"port_id": port["id"]})
    assert router["distributed"]
    ports = await interfaces(api, router)
    assert {one["network_id"] for one in ports} == {red["network_id"], blue["network_id"]}
    assert {(one["binding:host_id"], one["binding:vif_type"], one["status"]) for one in ports} == {
        ("", "distributed", "DOWN")
    }
    assert await interfaces(api, router, CENTRAL) == []
    await api.act(f"/routers/{router['id']}/remove_router_interface", {"subnet_id": red["id"]})
    await api.act(f"/routers/{router['id']}/remove_router_interface", {"port_id": port["id"]})
    assert await api.get(f"/ports?device_id={router['id']}") == []


async def test_an_interface_is_active_when_any_host_has_it(api: Api, db: IntentDatabase) -> None:
    red = await subnet(api, "10.0.0.0/24")
    (port,) = await interfaces(api, await router_on(api, red, distributed=True))
    plugs = [
        Plug(id=new_id(), port_id=port["id"], network_id=red["network_id"], host=host, up=up)
        for host, up in (("compute1", False), ("compute2", True))
    ]
    await db.transact(*map(Insert, plugs))
    assert (await api.get(f"/ports/{port['id']}"))["status"] == "ACTIVE"


async def test_a_router_that_is_switched_off_becomes_distributed_and_centralized_again(
    api: Api, db: IntentDatabase
) -> None:
    red = await subnet(api, "10.0.0.0/24")
    router = await router_on(api, red)
    path = f"/routers/{router['id']}"
    refused = await api.ask("PUT", path, {"router": {"distributed": True}})
    assert refused.status_code == 400
    assert refused.json()["NeutronError"]["message"] == (
        "Bad router request: Cannot change the 'distributed' attribute of active routers. Please set router "
        "admin_state_up to False prior to upgrade."
    )
    (port,) = await interfaces(api, router, CENTRAL)
    changed = await api.update("router", router["id"], admin_state_up=False, distributed=True)
    (distributed,) = await interfaces(api, router)
    assert changed["distributed"]
    assert (distributed["id"], distributed["mac_address"]) == (port["id"], port["mac_address"])
    assert distributed["revision_number"] == port["revision_number"] + 1
    await api.update("router", router["id"], distributed=False)
    assert [one["id"] for one in await interfaces(api, router, CENTRAL)] == [port["id"]]
    assert await interfaces(api, router) == []
    assert db.ports[port["id"]].host == db.routers[router["id"]].host


async def test_neither_the_port_api_nor_another_owner_gets_around_the_router(api: Api) -> None:
    red = await subnet(api, "10.0.0.0/24")
    router = await router_on(api, red, distributed=True)
    (port,) = await interfaces(api, router)
    refused = await api.ask("DELETE", f"/ports/{port['id']}")
    assert (refused.status_code, refused.json()["NeutronError"]["type"]) == (409, "ServicePortInUse")
    assert f"has device owner {DISTRIBUTED}" in refused.json()["NeutronError"]["message"]
    changes: tuple[Object, ...] = (
        {"binding:host_id": "compute1"},
        {"device_owner": "compute:nova"},
        {"fixed_ips": []},
    )
    for change in changes:
        refused = await api.ask("PUT", f"/ports/{port['id']}", {"port": change})
        assert (refused.status_code, refused.json()["NeutronError"]["type"]) == (409, "UnsupportedPortDeviceOwner")
    refused = await api.ask("PUT", f"/ports/{port['id']}", {"port": {"mac_address": "fa:16:3e:00:00:01"}})
    assert (refused.status_code, refused.json()["NeutronError"]["type"]) == (409, "PortBound")
    by_hand = {"network_id": red["network_id"], "device_id": router["id"], "device_owner": DISTRIBUTED}
    refused = await api.ask("POST", "/ports", {"port": by_hand})
    assert (refused.status_code, refused.json()["NeutronError"]["type"]) == (400, "InvalidInput")
    refused = await api.ask("DELETE", f"/routers/{router['id']}")
    assert (refused.status_code, refused.json()["NeutronError"]["type"]) == (409, "RouterInUse")
    refused = await api.ask("DELETE", f"/subnets/{red['id']}")
    assert (refused.status_code, refused.json()["NeutronError"]["type"]) == (409, "SubnetInUse")


async def test_a_floating_ip_leads_through_a_distributed_router(api: Api) -> None:
    site = await Site.build(api)
    await api.update("router", site.router["id"], admin_state_up=False, distributed=True)
    port = await site.port()
    floatingip = await site.floatingip(port_id=port["id"])
    assert floatingip["router_id"] == site.router["id"]
    used = await api.ask(
        "PUT", f"/routers/{site.router['id']}/remove_router_interface", {"subnet_id": site.inside["id"]}
    )
    assert (used.status_code, used.json()["NeutronError"]["type"]) == (409, "RouterInterfaceInUseByFloatingIP")


async def test_a_route_by_an_address_of_the_router_itself_is_refused(api: Api) -> None:
    red = await subnet(api, "10.0.0.0/24")
    router = await router_on(api, red, distributed=True)
    routes = [{"destination": "10.9.0.0/16", "nexthop": red["gateway_ip"]}]
    refused = await api.ask("PUT", f"/routers/{router['id']}", {"router": {"routes": routes}})
    assert (refused.status_code, refused.json()["NeutronError"]["type"]) == (400, "InvalidRoutes")
    assert "the nexthop is used by router" in refused.json()["NeutronError"]["message"]


async def test_a_router_that_has_such_a_route_from_elsewhere_can_be_changed(api: Api, db: IntentDatabase) -> None:
    red, outside = await subnet(api, "10.0.0.0/24"), await external(api)
    router = await router_on(api, red, distributed=True)
    straight = HostRoute("10.9.0.0/16", red["gateway_ip"])
    old = db.routers[router["id"]]
    await db.transact(Update(old, msgspec.structs.replace(old, routes=(straight,))))
    more = {"routes": [{"destination": "10.8.0.0/16", "nexthop": "10.0.0.9"}]}
    changed = await api.act(f"/routers/{router['id']}/add_extraroutes", {"router": more})
    assert len(changed["router"]["routes"]) == 2
    await api.update("router", router["id"], external_gateway_info={"network_id": outside["id"]})
    again = {"routes": [{"destination": "10.7.0.0/16", "nexthop": red["gateway_ip"]}]}
    error = await api.error("PUT", f"/routers/{router['id']}/add_extraroutes", {"router": again})
    assert error[:2] == (400, "InvalidRoutes")
    changed = await api.update("router", router["id"], routes=more["routes"])
    assert changed["routes"] == more["routes"]


async def test_the_operator_says_what_routers_are_whose_request_does_not(db: IntentDatabase) -> None:
    world = Api(db, NetworkSettings(router_distributed=True))
    made = [await world.create("router"), await world.create("router", distributed=False)]
    assert [router["distributed"] for router in made] == [True, False]
    assert not NetworkSettings().router_distributed
    await world.http.aclose()


async def test_routers_are_found_by_being_distributed_and_the_extension_is_named(api: Api) -> None:
    outside = await external(api)
    router = await api.create("router", distributed=True, external_gateway_info={"network_id": outside["id"]})
    await api.create("router")
    assert [one["id"] for one in await api.get("/routers?distributed=true")] == [router["id"]]
    assert (await api.get("/extensions/dvr"))["name"] == "Distributed Virtual Router"
