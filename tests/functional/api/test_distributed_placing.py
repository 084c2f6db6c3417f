"""Where distributed routers have their gateways, and what moves when a host is gone."""

import msgspec
import pytest

from patchbay.model.router import ROUTER_GATEWAY, ROUTER_INTERFACE_DISTRIBUTED
from tests.functional.api.cloud_world import Cloud, port_on

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
