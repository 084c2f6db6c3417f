"""Where distributed routers have their gateways, and what moves when a host is gone."""

import msgspec
import pytest

from patchbay.intent.database import Insert
from patchbay.model.router import FLOATING_GATEWAY, ROUTER_GATEWAY, ROUTER_INTERFACE_DISTRIBUTED
from tests.functional.api.cloud_world import Cloud, port_on
from tests.functional.api.router_world import Site, external, plug_of, router_on, subnet

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_of_a_distributed_router_only_the_gateway_moves(cloud: Cloud) -> None:
    network = await cloud.network(enable_dhcp=False)
    await cloud.host("compute1", "l3")
    inside, gateway = port_on(network, ROUTER_INTERFACE_DISTRIBUTED, 1), port_on(network, ROUTER_GATEWAY, 2)
    router = await cloud.router(inside, gateway, distributed=True)
    await cloud.until(lambda: cloud.db.ports[gateway.id].host == "compute1", "the gateway has a host")
    await cloud.host("compute2", "l3")
    await cloud.dies("compute1")
    await cloud.until(lambda: cloud.db.ports[gateway.id].host == "compute2", "the gateway moves")
    assert cloud.db.routers[router.id].host == "compute2"
    assert cloud.db.ports[inside.id] == msgspec.structs.replace(inside, device_id=router.id)


async def test_a_distributed_router_lives_where_its_gateway_is_reached_and_best_all_its_networks(cloud: Cloud) -> None:
    outside, wire = [
        await cloud.api.create("network", name=name, provider__network_type="flat", provider__physical_network=name)
        for name in ("outer", "inner")
    ]
    await cloud.host("compute1", "l3", inner="br-in")
    alone = await cloud.router(port_on(wire, ROUTER_INTERFACE_DISTRIBUTED, 1), distributed=True)
    await cloud.until(lambda: cloud.db.routers[alone.id].host == "compute1", "the only host")
    await cloud.host("compute2", "l3", outer="br-out")
    ports = port_on(wire, ROUTER_INTERFACE_DISTRIBUTED, 2), port_on(outside, ROUTER_GATEWAY, 3)
    router = await cloud.router(*ports, distributed=True)
    await cloud.until(lambda: cloud.db.routers[router.id].host == "compute2", "the host with the way out")
    await cloud.host("compute3", "l3", outer="br-out", inner="br-in")
    await cloud.until(lambda: cloud.db.routers[router.id].host == "compute3", "a host that all its networks reach")
    assert cloud.db.routers[alone.id].host == "compute1"


async def test_a_floating_ip_lives_with_its_port_where_the_external_network_reaches_it(cloud: Cloud) -> None:
    api, db = cloud.api, cloud.db
    await cloud.host("compute1", "l3", outer="br-out")
    flat = {"provider__network_type": "flat", "provider__physical_network": "outer"}
    outside = await api.network("203.0.113.0/24", router__external=True, **flat)
    inside = await subnet(api, "10.0.0.0/24", enable_dhcp=False)
    router = await router_on(api, inside, distributed=True, external_gateway_info={"network_id": outside["id"]})
    await cloud.until(lambda: db.routers[router["id"]].host == "compute1", "a home")
    await cloud.host("compute2", "l3", outer="br-out")
    await cloud.host("compute3", "l3")
    await cloud.host("compute4", outer="br-out")
    site = Site(api, outside, inside, router)
    ports = {name: await site.port(binding__host_id=name) for name in ("compute1", "compute2", "compute3", "compute4")}
    floatingips = {name: await site.floatingip(port_id=port["id"]) for name, port in ports.items()}

    def ways_out() -> dict[str, str]:
        found = (db.ports[id_] for id_ in db.ports_by_device.get(router["id"], ()))
        return {port.host: port.id for port in found if port.device_owner == FLOATING_GATEWAY}

    await cloud.until(lambda: set(ways_out()) == {"compute2"}, "a way out on compute2, which can, and no other")
    (way_out,) = ways_out().values()
    assert (db.ports[way_out].network_id, db.ports[way_out].fixed_ips) == (outside["id"], ())
    for name, home in (("compute2", "compute2"), ("compute3", "compute1"), ("compute4", "compute1")):
        floating_port = db.floatingips[floatingips[name]["id"]].floating_port_id
        plug = plug_of(floatingips[name], floating_port, up=True)
        await db.transact(Insert(msgspec.structs.replace(plug, host=home)))
        assert (await api.get(f"/floatingips/{floatingips[name]['id']}"))["status"] == "ACTIVE", name
    refused = await api.error("DELETE", f"/ports/{way_out}")
    assert refused[:2] == (409, "ServicePortInUse")

    await api.update("port", ports["compute2"]["id"], binding__host_id="compute1")
    await cloud.until(lambda: not ways_out(), "the instance has moved to the router's home")
    await api.update("port", ports["compute2"]["id"], binding__host_id="compute2")
    await cloud.until(lambda: set(ways_out()) == {"compute2"}, "the instance is back")
    await cloud.dies("compute1")
    await cloud.until(lambda: set(ways_out()) == {"compute1"}, "compute2 is the home; the dead host has the way out")
    assert db.routers[router["id"]].host == "compute2"
    await api.update("router", router["id"], admin_state_up=False, distributed=False)
    await cloud.until(lambda: not ways_out(), "a centralized router has none")


async def test_a_router_goes_with_its_ways_out_and_its_external_network_too(cloud: Cloud) -> None:
    api, db = cloud.api, cloud.db
    outside, inside = await external(api), await subnet(api, "10.0.0.0/24", enable_dhcp=False)
    router = await router_on(api, inside, distributed=True, external_gateway_info={"network_id": outside["id"]})
    await cloud.host("compute1", "l3")
    await cloud.until(lambda: db.routers[router["id"]].host == "compute1", "a home")
    await cloud.host("compute2", "l3")
    site = Site(api, outside, inside, router)
    port = await site.port(binding__host_id="compute2")
    floatingip = await site.floatingip(port_id=port["id"])
    owner = f"/ports?device_owner={FLOATING_GATEWAY}"
    await cloud.until(lambda: any(each.device_owner == FLOATING_GATEWAY for each in db.ports.values()), "a way out")
    assert [each["binding:host_id"] for each in await api.get(owner)] == ["compute2"]
    await api.delete(f"/floatingips/{floatingip['id']}")
    await api.act(f"/routers/{router['id']}/remove_router_interface", {"subnet_id": inside["id"]})
    await api.delete(f"/routers/{router['id']}")
    await api.delete(f"/networks/{outside['id']}")
    assert await api.get(owner) == []
