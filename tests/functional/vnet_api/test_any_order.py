"""Whatever the order in which OpenVNet's objects come and go, what is there in the end follows from what was said."""

import asyncio
import random
from typing import Any

import pytest

from patchbay.model import Router
from tests.functional.vnet_api.vnet_world import VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

Call = tuple[str, dict[str, Any]]


def calls() -> list[Call]:
    """Two networks, a route link between them, DHCP and DNS; one router address is given with the interface."""
    made: list[Call] = [
        ("route_links", {"uuid": "rl-one"}),
        ("networks", {"uuid": "nw-1", "ipv4_network": "172.16.1.0", "display_name": "net1"}),
        ("networks", {"uuid": "nw-2", "ipv4_network": "172.16.2.0", "display_name": "net2"}),
        (
            "interfaces",
            {"uuid": "if-gw1", "mode": "simulated", "network_uuid": "nw-1", "ipv4_address": "172.16.1.254"},
        ),
        ("interfaces", {"uuid": "if-gw2", "mode": "simulated"}),
        ("mac_leases", {"uuid": "ml-gw2", "interface_uuid": "if-gw2", "mac_address": "52:54:00:00:02:54"}),
        (
            "ip_leases",
            {"uuid": "il-gw2", "mac_lease_uuid": "ml-gw2", "network_uuid": "nw-2", "ipv4_address": "172.16.2.254"},
        ),
        ("interfaces", {"uuid": "if-vm", "mode": "vif", "network_uuid": "nw-1", "ipv4_address": "172.16.1.9"}),
        ("network_services", {"uuid": "ns-dhcp", "mode": "dhcp", "interface_uuid": "if-gw2"}),
        ("network_services", {"uuid": "ns-dns", "mode": "dns", "interface_uuid": "if-gw2"}),
        ("dns_services", {"uuid": "dnss-1", "network_service_uuid": "ns-dns", "public_dns": "192.0.2.53"}),
    ]
    for uuid, interface, prefix in (
        ("r-1", "if-gw1", "172.16.1.0"),
        ("r-2", "if-gw2", "172.16.2.0"),
        ("r-far1", "if-gw1", "10.1.0.0"),
        ("r-far2", "if-gw2", "10.2.0.0"),
        ("r-vm", "if-vm", "10.3.0.0"),
    ):
        values = {"uuid": uuid, "interface_uuid": interface, "route_link_uuid": "rl-one", "ipv4_network": prefix}
        made.append(("routes", {**values, "ipv4_prefix": 24}))
    return made


async def say(vnet: VnetApi, wanted: list[Call]) -> None:
    """Makes the calls; one that names what is not there yet is made again later."""
    while wanted:
        left = []
        for collection, values in wanted:
            answer = await vnet.ask("POST", collection, values)
            if answer.status_code == 404:
                left.append((collection, values))
            else:
                assert answer.status_code == 200, answer.text
        assert len(left) < len(wanted), f"nobody makes what these need: {left}"
        wanted = left


def found(vnet: VnetApi) -> dict[str, object]:
    """What the model holds, without ids, times and numbers that were chosen."""
    db = vnet.db
    check_routers(vnet)
    return {
        "subnets": sorted(
            (one.cidr, one.enable_dhcp, one.dns_nameservers, tuple((r.destination, r.nexthop) for r in one.host_routes))
            for one in db.subnets.values()
        ),
        "ports": sorted(
            (tuple(ip.ip_address for ip in one.fixed_ips), one.device_owner, router_name(db.routers.get(one.device_id)))
            for one in db.ports.values()
        ),
        "routers": sorted(
            (router_name(one), tuple((r.destination, r.nexthop) for r in one.routes)) for one in db.routers.values()
        ),
        "rows": sorted((row.kind, row.uuid) for row in db.vnet_objects.values() if row.uuid.count("-") == 1),
    }


def router_name(router: Router | None) -> str:
    """The uuid of the route link, or interface, that the router is."""
    return "" if router is None else router.name


def check_routers(vnet: VnetApi) -> None:
    """A router of a single interface has just that."""
    for router in vnet.db.routers.values():
        if "openvnet-interface" in router.tags:
            assert len(vnet.db.ports_by_device.get(router.id, ())) == 1, router.name


def without_chosen(state: dict[str, object]) -> dict[str, object]:
    """The state without rows whose uuids were made up."""
    rows = state["rows"]
    assert isinstance(rows, list)
    named = {values["uuid"] for _, values in calls()}
    return {**state, "rows": [row for row in rows if row[1] in named]}


WANTED_SUBNETS = [
    (
        "172.16.1.0/24",
        False,
        (),
        (("10.2.0.0/24", "172.16.1.254"), ("172.16.2.0/24", "172.16.1.254")),
    ),
    (
        "172.16.2.0/24",
        True,
        ("192.0.2.53",),
        (("10.1.0.0/24", "172.16.2.254"), ("172.16.1.0/24", "172.16.2.254")),
    ),
]


@pytest.mark.parametrize("seed", range(25))
async def test_objects_come_in_any_order(vnet: VnetApi, seed: int) -> None:
    wanted = calls()
    random.Random(seed).shuffle(wanted)
    await say(vnet, wanted)
    state = without_chosen(found(vnet))
    assert state["subnets"] == WANTED_SUBNETS
    assert state["routers"] == [("rl-one", (("10.1.0.0/24", "172.16.1.254"), ("10.2.0.0/24", "172.16.2.254")))]
    assert state["ports"] == [
        (("172.16.1.254",), "network:router_interface_distributed", "rl-one"),
        (("172.16.1.9",), "", ""),
        (("172.16.2.254",), "network:router_interface_distributed", "rl-one"),
    ]
    assert state["rows"] == sorted(state["rows"])  # type: ignore[type-var]
    assert len(state["rows"]) == len(calls())  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(15))
async def test_what_went_and_came_again_is_as_before(vnet: VnetApi, seed: int) -> None:
    chance = random.Random(seed)
    await say(vnet, calls())
    before = without_chosen(found(vnet))
    collections = {values["uuid"]: collection for collection, values in calls()}
    gone = chance.sample(sorted(set(collections) - {"nw-1", "nw-2"}), 6)
    for uuid in gone:
        assert (await vnet.ask("DELETE", f"{collections[uuid]}/{uuid}")).status_code in {200, 404}
        check_routers(vnet)
    there = {row.uuid for row in vnet.db.vnet_objects.values()}
    await say(vnet, [(collection, values) for collection, values in calls() if values["uuid"] not in there])
    assert without_chosen(found(vnet)) == before


@pytest.mark.parametrize("seed", range(15))
async def test_objects_go_in_any_order_and_nothing_is_left(vnet: VnetApi, seed: int) -> None:
    await say(vnet, calls())
    left = [(collection, values["uuid"]) for collection, values in calls()]
    random.Random(seed).shuffle(left)
    while left:
        again = []
        for collection, uuid in left:
            answer = await vnet.ask("DELETE", f"{collection}/{uuid}")
            assert answer.status_code in {200, 400, 404}, answer.text
            if answer.status_code == 400:
                assert "DeleteRestrictionError" in answer.text
                again.append((collection, uuid))
        assert len(again) < len(left), again
        left = again
    db = vnet.db
    for table in (db.routers, db.ports, db.subnets, db.networks, db.vnet_objects):
        assert not table


async def test_objects_come_and_go_at_once(vnet: VnetApi) -> None:
    others = [call for call in calls() if call[0] != "routes"]
    await say(vnet, others)
    await asyncio.gather(*(vnet.post(collection, **values) for collection, values in calls() if collection == "routes"))
    state = without_chosen(found(vnet))
    assert state["subnets"] == WANTED_SUBNETS
    await asyncio.gather(
        *(vnet.delete(f"{collection}/{values['uuid']}") for collection, values in calls() if collection == "routes")
    )
    state = without_chosen(found(vnet))
    assert state["routers"] == [("if-gw1", ()), ("if-gw2", ()), ("rl-one", ())]
    assert all(not subnet.host_routes for subnet in vnet.db.subnets.values())
