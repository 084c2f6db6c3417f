"""A request that makes an object, sent again, is told that the uuid is taken, and nothing else happens."""

import pytest

from tests.functional.vnet_api.vnet_world import Object, VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

AT = {"network_uuid": "nw-a", "mac_address": "02:00:00:00:00:01", "ipv4_address": "10.0.0.1"}
REQUESTS: tuple[tuple[str, Object], ...] = (
    ("networks", {"uuid": "nw-a", "ipv4_network": "10.0.0.0"}),
    ("networks", {"uuid": "nw-p", "ipv4_network": "10.1.0.0", "mode": "physical"}),
    ("segments", {"uuid": "seg-a", "mode": "virtual"}),
    ("networks", {"uuid": "nw-s", "ipv4_network": "10.2.0.0", "segment_uuid": "seg-a"}),
    ("datapaths", {"uuid": "dp-a", "display_name": "a", "node_id": "a", "dpid": "0xa"}),
    ("interfaces", {"uuid": "if-a", **AT}),
    ("interfaces", {"uuid": "if-r", **AT, "ipv4_address": "10.0.0.254", "mac_address": "02:00:00:00:00:fe"}),
    ("interfaces", {"uuid": "if-s", "mode": "simulated", "network_uuid": "nw-s", "ipv4_address": "10.2.0.1"}),
    ("mac_leases", {"uuid": "ml-a", "interface_uuid": "if-a", "mac_address": "02:00:00:00:00:02"}),
    ("ip_leases", {"uuid": "il-a", "interface_uuid": "if-a", "network_uuid": "nw-a", "ipv4_address": "10.0.0.2"}),
    ("ip_leases", {"uuid": "il-n", "network_uuid": "nw-a", "ipv4_address": "10.0.0.3"}),
    ("route_links", {"uuid": "rl-a", "mac_address": "02:00:00:00:00:aa"}),
    ("routes", {"uuid": "r-a", "interface_uuid": "if-s", "route_link_uuid": "rl-a", "ipv4_network": "10.2.0.0"}),
    ("network_services", {"uuid": "ns-a", "interface_uuid": "if-s", "mode": "dhcp"}),
    ("filters", {"uuid": "fil-a", "interface_uuid": "if-a", "mode": "static"}),
    ("translations", {"uuid": "tr-a", "interface_uuid": "if-a", "mode": "static_address"}),
    ("topologies", {"uuid": "topo-a", "mode": "simple_overlay"}),
    ("ip_range_groups", {"uuid": "iprg-a"}),
    (
        "ip_range_groups/iprg-a/ip_ranges",
        {"uuid": "ipr-a", "begin_ipv4_address": "1.1.1.1", "end_ipv4_address": "1.1.1.9"},
    ),
    ("lease_policies", {"uuid": "lp-a", "timing": "immediate"}),
)


async def test_every_object_is_made_once(vnet: VnetApi) -> None:
    for path, values in REQUESTS:
        await vnet.post(path, **values)
    db = vnet.db
    tables = (db.networks, db.subnets, db.ports, db.routers, db.vnet_objects)
    before = [dict(table) for table in tables]
    for path, values in REQUESTS:
        assert values["uuid"] in await vnet.refused("POST", path, "DuplicateUUID", **values)
    assert [dict(table) for table in tables] == before
