"""Route links and routes: what is kept of them, and the distributed routers that they make."""

import itertools
from typing import Any

import pytest

from tests.functional.vnet_api.vnet_world import ALWAYS, Object, VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROUTE = {"interface_uuid": "if-gw1", "route_link_uuid": "rl-one", "ipv4_network": "172.16.1.0"}


async def two_networks(vnet: VnetApi) -> None:
    """Two networks with a simulated interface on each, and a route link."""
    for number in (1, 2):
        await vnet.network(f"nw-net{number}", f"172.16.{number}.0")
        await gateway(vnet, number)
    await vnet.post("route_links", uuid="rl-one", mac_address="52:54:00:60:11:11")


async def gateway(vnet: VnetApi, number: int, **more: Any) -> Object:
    """The simulated interface of one of the networks."""
    made: Object = await vnet.post(
        "interfaces",
        uuid=f"if-gw{number}",
        mode="simulated",
        network_uuid=f"nw-net{number}",
        mac_address=f"52:54:00:74:00:0{number}",
        ipv4_address=f"172.16.{number}.254",
        **more,
    )
    return made


async def routers(vnet: VnetApi) -> list[Object]:
    """The routers that Neutron shows, but those of single interfaces."""
    found: list[Object] = await vnet.neutron("GET", "/routers")
    return [router for router in found if "openvnet-interface" not in router["tags"]]


async def addresses(vnet: VnetApi, router_id: str) -> set[str]:
    """The addresses of a router's interfaces, as Neutron shows them."""
    ports = await vnet.neutron("GET", f"/ports?device_id={router_id}")
    assert {port["device_owner"] for port in ports} <= {"network:router_interface_distributed"}
    return {ip["ip_address"] for port in ports for ip in port["fixed_ips"]}


async def test_a_route_link_is_a_distributed_router_of_neutron(vnet: VnetApi) -> None:
    shown = await vnet.post("route_links", uuid="rl-one", mac_address="52:54:00:60:11:11")
    assert set(shown) >= ALWAYS
    assert shown["mac_address"] == "52:54:00:60:11:11"
    [router] = await routers(vnet)
    assert router["name"] == "rl-one"
    assert router["distributed"] is True
    await vnet.neutron("DELETE", f"/routers/{router['id']}")
    assert await vnet.uuids("route_links") == []
    await vnet.refused("GET", "route_links/rl-one", "UnknownUUIDResource")
    await vnet.post("route_links", uuid="rl-one")
    assert len(await routers(vnet)) == 1


async def test_a_route_link_without_mac_has_none_and_a_wrong_one_is_refused(vnet: VnetApi) -> None:
    assert (await vnet.post("route_links"))["mac_address"] is None
    assert "52:54" in await vnet.refused("POST", "route_links", "ArgumentError", mac_address="52:54")
    assert "faulty" in await vnet.refused("POST", "route_links", "InvalidUUID", topology_uuid="faulty")
    message = await vnet.refused("POST", "route_links", "UnknownUUIDResource", topology_uuid="topo-none")
    assert "topo-none" in message
    assert len(await routers(vnet)) == 1


async def test_a_route_link_is_made_in_a_topology(vnet: VnetApi) -> None:
    await vnet.post("topologies", uuid="topo-one", mode="simple_overlay")
    await vnet.post("route_links", uuid="rl-one", topology_uuid="topo-one")
    [relation] = await vnet.items("topologies/topo-one/route_links")
    assert relation["route_link_uuid"] == "rl-one"
    await vnet.delete("route_links/rl-one")
    assert await vnet.items("topologies/topo-one/route_links") == []


async def test_the_seeds_router_is_one_distributed_router_with_two_interfaces(vnet: VnetApi) -> None:
    await two_networks(vnet)
    for number in (1, 2):
        await vnet.post("network_services", interface_uuid=f"if-gw{number}", display_name="router")
        made = await vnet.post(
            "routes",
            uuid=f"r-vnet{number}",
            interface_uuid=f"if-gw{number}",
            route_link_uuid="rl-one",
            ipv4_network=f"172.16.{number}.0",
        )
        assert made["ipv4_prefix"] == 24
        assert made["network_uuid"] == f"nw-net{number}"
    [router] = await routers(vnet)
    assert await addresses(vnet, router["id"]) == {"172.16.1.254", "172.16.2.254"}
    assert router["routes"] == []
    assert await vnet.uuids("routes") == ["r-vnet1", "r-vnet2"]
    assert len(vnet.db.routers) == 1, "the routers of the single interfaces are gone"


async def test_a_route_shows_all_that_it_was_given(vnet: VnetApi) -> None:
    await two_networks(vnet)
    values = {**ROUTE, "network_uuid": "nw-net1", "ipv4_network": "192.168.10.0", "ipv4_prefix": 16}
    made = await vnet.post("routes", uuid="r-test", **values, ingress=True, egress=False)
    assert made.items() >= {**values, "uuid": "r-test", "ingress": True, "egress": False, "mode": "gateway"}.items()
    assert set(made) >= ALWAYS
    assert await vnet.get("routes/r-test") == made
    assert await vnet.delete("routes/r-test") == ["r-test"]
    await vnet.refused("GET", "routes/r-test", "UnknownUUIDResource")


@pytest.mark.parametrize("missing", list(ROUTE))
async def test_a_route_needs_interface_route_link_and_network_address(vnet: VnetApi, missing: str) -> None:
    values = {name: value for name, value in ROUTE.items() if name != missing}
    assert missing in await vnet.refused("POST", "routes", "MissingArgument", **values)


@pytest.mark.parametrize(
    ("values", "name", "part"),
    [
        ({"uuid": "faulty"}, "InvalidUUID", "faulty"),
        ({"interface_uuid": "faulty"}, "InvalidUUID", "faulty"),
        ({"interface_uuid": "if-notfound"}, "UnknownUUIDResource", "if-notfound"),
        ({"network_uuid": "faulty"}, "InvalidUUID", "faulty"),
        ({"network_uuid": "nw-notfound"}, "UnknownUUIDResource", "nw-notfound"),
        ({"route_link_uuid": "faulty"}, "InvalidUUID", "faulty"),
        ({"route_link_uuid": "rl-notfound"}, "UnknownUUIDResource", "rl-notfound"),
        ({"ipv4_network": "172.16.1"}, "ArgumentError", "172.16.1"),
        ({"ipv4_prefix": 33}, "ArgumentError", "ipv4_prefix"),
        ({"ipv4_prefix": -1}, "ArgumentError", "ipv4_prefix"),
        ({"ipv4_prefix": "many"}, "ArgumentError", "ipv4_prefix"),
        ({"ingress": "perhaps"}, "ArgumentError", "ingress"),
        ({"egress": "perhaps"}, "ArgumentError", "egress"),
        ({"uuid": "r-old"}, "DuplicateUUID", "r-old"),
    ],
)
async def test_wrong_routes_are_refused_and_change_nothing(
    vnet: VnetApi, values: dict[str, Any], name: str, part: str
) -> None:
    await two_networks(vnet)
    await vnet.post("routes", uuid="r-old", **{**ROUTE, "interface_uuid": "if-gw2", "ipv4_network": "172.16.2.0"})
    assert part in await vnet.refused("POST", "routes", name, **{**ROUTE, **values})
    assert await vnet.uuids("routes") == ["r-old"]
    [router] = await routers(vnet)
    assert await addresses(vnet, router["id"]) == {"172.16.2.254"}


async def test_a_route_elsewhere_is_an_extra_route_straight_onto_the_network(vnet: VnetApi) -> None:
    await two_networks(vnet)
    await vnet.post("routes", uuid="r-own", **ROUTE)
    await vnet.post("routes", uuid="r-all", **{**ROUTE, "ipv4_network": "0.0.0.0", "ipv4_prefix": 0})
    await vnet.post("routes", uuid="r-odd", **{**ROUTE, "ipv4_network": "10.9.8.7", "ipv4_prefix": 16})
    await vnet.post("routes", uuid="r-same", **{**ROUTE, "ipv4_network": "10.9.0.0", "ipv4_prefix": 16})
    assert (await vnet.get("routes/r-odd"))["ipv4_network"] == "10.9.8.7"

    async def extra() -> list[tuple[str, str]]:
        [router] = await routers(vnet)
        return [(route["destination"], route["nexthop"]) for route in router["routes"]]

    assert await extra() == [("0.0.0.0/0", "172.16.1.254"), ("10.9.0.0/16", "172.16.1.254")]
    await vnet.delete("routes/r-odd")
    assert ("10.9.0.0/16", "172.16.1.254") in await extra(), "another route wants it still"
    await vnet.delete("routes/r-same")
    assert await extra() == [("0.0.0.0/0", "172.16.1.254")]
    await vnet.delete("routes/r-own")
    [router] = await routers(vnet)
    assert await addresses(vnet, router["id"]) == {"172.16.1.254"}, "r-all holds the interface"
    await vnet.delete("routes/r-all")
    assert await extra() == []
    assert await addresses(vnet, router["id"]) == set()
    assert (await vnet.get("interfaces/if-gw1"))["ipv4_address"] == "172.16.1.254"


async def test_the_prefix_length_is_that_of_the_interfaces_own_network_or_24(vnet: VnetApi) -> None:
    await vnet.network("nw-net1", "172.16.1.0", ipv4_prefix=25)
    await vnet.post("interfaces", uuid="if-gw1", mode="simulated", network_uuid="nw-net1", ipv4_address="172.16.1.126")
    await vnet.post("route_links", uuid="rl-one")
    assert (await vnet.post("routes", **ROUTE))["ipv4_prefix"] == 25
    assert (await vnet.post("routes", **{**ROUTE, "ipv4_network": "10.0.0.0"}))["ipv4_prefix"] == 24


PARTS = ("routes/r-1", "routes/r-2", "interfaces/if-gw1", "interfaces/if-gw2", "route_links/rl-one")


@pytest.mark.parametrize("order", list(itertools.permutations(PARTS)))
async def test_parts_go_in_any_order_and_nothing_is_left(vnet: VnetApi, order: tuple[str, ...]) -> None:
    await two_networks(vnet)
    for number in (1, 2):
        await vnet.post(
            "routes",
            uuid=f"r-{number}",
            interface_uuid=f"if-gw{number}",
            route_link_uuid="rl-one",
            ipv4_network="10.0.0.0" if number == 2 else "172.16.1.0",
        )
    for part in order:
        answer = await vnet.ask("DELETE", part)
        assert answer.status_code in ((200, 404) if part.startswith("routes") else (200,)), answer.text
    assert await vnet.uuids("routes") == []
    assert not vnet.db.routers
    assert not vnet.db.ports
    assert {row.kind for row in vnet.db.vnet_objects.values()} == {"network"}


async def test_interfaces_outlive_their_route_link_and_answer_by_themselves(vnet: VnetApi) -> None:
    await two_networks(vnet)
    await vnet.post("routes", **ROUTE)
    await vnet.delete("route_links/rl-one")
    assert await vnet.uuids("routes") == []
    assert await vnet.uuids("interfaces") == ["if-gw1", "if-gw2"]
    assert await routers(vnet) == []
    for port in vnet.db.ports.values():
        assert vnet.db.routers[port.device_id].tags == ("openvnet-interface",)


async def test_one_interface_is_in_one_route_link(vnet: VnetApi) -> None:
    await two_networks(vnet)
    await vnet.post("route_links", uuid="rl-two")
    await vnet.post("routes", uuid="r-1", **ROUTE)
    message = await vnet.refused("POST", "routes", "ArgumentError", **{**ROUTE, "route_link_uuid": "rl-two"})
    assert "rl-one" in message
    await vnet.delete("routes/r-1")
    await vnet.post("routes", **{**ROUTE, "route_link_uuid": "rl-two"})


async def test_a_route_over_a_plugged_interface_is_only_kept(vnet: VnetApi) -> None:
    await two_networks(vnet)
    await vnet.post("interfaces", uuid="if-vm", mode="vif", network_uuid="nw-net1", ipv4_address="172.16.1.9")
    made = await vnet.post("routes", uuid="r-vm", **{**ROUTE, "interface_uuid": "if-vm"})
    assert made["network_uuid"] == "nw-net1"
    assert await vnet.uuids("routes") == ["r-vm"]
    [router] = await routers(vnet)
    assert await addresses(vnet, router["id"]) == set()
    await vnet.delete("routes/r-vm")


async def test_what_neutron_routes_is_shown_and_taken_back(vnet: VnetApi) -> None:
    network = await vnet.neutron("POST", "/networks", {"network": {}})
    subnet = await vnet.neutron(
        "POST", "/subnets", {"subnet": {"network_id": network["id"], "ip_version": 4, "cidr": "10.1.0.0/20"}}
    )
    router = await vnet.neutron("POST", "/routers", {"router": {"name": "r", "distributed": True}})
    await vnet.neutron("PUT", f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    extra = {"destination": "10.7.0.0/16", "nexthop": "10.1.0.9"}
    await vnet.neutron("PUT", f"/routers/{router['id']}", {"router": {"routes": [extra]}})

    [link] = await vnet.uuids("route_links")
    own, further = await vnet.items("routes")
    assert (own["ipv4_network"], own["ipv4_prefix"], own["route_link_uuid"]) == ("10.1.0.0", 20, link)
    assert (further["ipv4_network"], further["ipv4_prefix"]) == ("10.7.0.0", 16)
    assert own["interface_uuid"] == further["interface_uuid"]
    assert [own["network_uuid"]] == await vnet.uuids("networks")
    assert await vnet.get(f"routes/{own['uuid']}") == own

    message = await vnet.refused("DELETE", f"routes/{own['uuid']}", "DeleteRestrictionError")
    assert "route" in message
    await vnet.delete(f"routes/{further['uuid']}")
    assert (await vnet.neutron("GET", f"/routers/{router['id']}"))["routes"] == []
    await vnet.delete(f"routes/{own['uuid']}")
    assert await vnet.neutron("GET", f"/ports?device_id={router['id']}") == []
    await vnet.delete(f"route_links/{link}")
    assert await vnet.neutron("GET", "/routers") == []


async def test_what_neutron_takes_back_is_gone(vnet: VnetApi) -> None:
    await two_networks(vnet)
    await vnet.post("routes", uuid="r-own", **ROUTE)
    await vnet.post("routes", uuid="r-far", **{**ROUTE, "ipv4_network": "10.0.0.0"})
    [router] = await routers(vnet)
    await vnet.neutron("PUT", f"/routers/{router['id']}", {"router": {"routes": []}})
    assert await vnet.uuids("routes") == ["r-own"]
    [port] = await vnet.neutron("GET", f"/ports?device_id={router['id']}")
    await vnet.neutron("PUT", f"/routers/{router['id']}/remove_router_interface", {"port_id": port["id"]})
    assert await vnet.uuids("routes") == []
    assert await vnet.uuids("interfaces") == ["if-gw2"]


async def later(vnet: VnetApi) -> None:
    """A route over an interface without address, in a route link with a second interface."""
    await two_networks(vnet)
    await vnet.post("routes", interface_uuid="if-gw2", route_link_uuid="rl-one", ipv4_network="172.16.2.0")
    await vnet.delete("interfaces/if-gw1")
    await vnet.post("interfaces", uuid="if-gw1", mode="simulated")
    made = await vnet.post("routes", uuid="r-own", **ROUTE)
    assert made["network_uuid"] is None
    await vnet.post("routes", uuid="r-far", **{**ROUTE, "ipv4_network": "10.0.0.0"})
    await vnet.post("mac_leases", uuid="ml-one", interface_uuid="if-gw1", mac_address="52:54:00:74:00:01")


async def test_a_route_waits_for_its_interfaces_address(vnet: VnetApi) -> None:
    await later(vnet)
    [router] = await routers(vnet)
    assert await addresses(vnet, router["id"]) == {"172.16.2.254"}
    assert router["routes"] == []
    lease = {"network_uuid": "nw-net1", "mac_lease_uuid": "ml-one", "ipv4_address": "172.16.1.254"}
    await vnet.post("ip_leases", uuid="il-one", **lease)
    [router] = await routers(vnet)
    assert await addresses(vnet, router["id"]) == {"172.16.1.254", "172.16.2.254"}
    assert router["routes"] == [{"destination": "10.0.0.0/24", "nexthop": "172.16.1.254"}]
    assert len(vnet.db.routers) == 1
    assert (await vnet.get("routes/r-own"))["network_uuid"] == "nw-net1"


async def test_a_route_waits_again_when_the_address_goes(vnet: VnetApi) -> None:
    await later(vnet)
    lease = {"network_uuid": "nw-net1", "mac_lease_uuid": "ml-one", "ipv4_address": "172.16.1.254"}
    for ends in ("delete", "release"):
        await vnet.post("ip_leases", uuid="il-one", **lease)
        if ends == "delete":
            await vnet.delete("ip_leases/il-one")
        else:
            await vnet.put("ip_leases/il-one/release")
        [router] = await routers(vnet)
        assert await addresses(vnet, router["id"]) == {"172.16.2.254"}
        assert router["routes"] == []
        assert {"r-own", "r-far"} < set(await vnet.uuids("routes"))
    await vnet.put("ip_leases/il-one/attach", mac_lease_uuid="ml-one")
    assert await addresses(vnet, router["id"]) == {"172.16.1.254", "172.16.2.254"}
    await vnet.delete("routes/r-own")
    await vnet.delete("routes/r-far")
    assert await addresses(vnet, router["id"]) == {"172.16.2.254"}


async def test_an_interface_takes_waiting_routes_along(vnet: VnetApi) -> None:
    await later(vnet)
    await vnet.delete("interfaces/if-gw1")
    assert len(await vnet.uuids("routes")) == 1
    await gateway(vnet, 1)
    [router] = await routers(vnet)
    assert await addresses(vnet, router["id"]) == {"172.16.2.254"}


async def announced(vnet: VnetApi) -> dict[str, set[tuple[str, str]]]:
    """The host routes of each subnet, which DHCP announces."""
    subnets = await vnet.neutron("GET", "/subnets")
    return {
        subnet["cidr"]: {(route["destination"], route["nexthop"]) for route in subnet["host_routes"]}
        for subnet in subnets
    }


async def linked(vnet: VnetApi, number: int, **more: Any) -> None:
    """A route of one of the networks into the route link."""
    values = {"interface_uuid": f"if-gw{number}", "ipv4_network": f"172.16.{number}.0", **more}
    await vnet.post("routes", uuid=f"r-{number}", route_link_uuid="rl-one", **values)


async def test_each_network_is_told_where_the_route_link_leads(vnet: VnetApi) -> None:
    await two_networks(vnet)
    await linked(vnet, 1)
    assert await announced(vnet) == {"172.16.1.0/24": set(), "172.16.2.0/24": set()}
    await linked(vnet, 2)
    both = {
        "172.16.1.0/24": {("172.16.2.0/24", "172.16.1.254")},
        "172.16.2.0/24": {("172.16.1.0/24", "172.16.2.254")},
    }
    assert await announced(vnet) == both
    far = {"interface_uuid": "if-gw2", "route_link_uuid": "rl-one", "ipv4_network": "10.0.0.0"}
    await vnet.post("routes", uuid="r-far", **far)
    assert ("10.0.0.0/24", "172.16.1.254") in (await announced(vnet))["172.16.1.0/24"]
    await vnet.post("routes", uuid="r-quiet", **{**far, "ipv4_network": "10.1.0.0"}, egress=False)
    assert "10.1.0.0/24" not in {route for route, _ in (await announced(vnet))["172.16.1.0/24"]}
    await vnet.delete("routes/r-far")
    assert await announced(vnet) == both
    await vnet.delete("interfaces/if-gw2")
    assert await announced(vnet) == {"172.16.1.0/24": set(), "172.16.2.0/24": set()}


async def test_a_network_without_ingress_is_told_nothing(vnet: VnetApi) -> None:
    await two_networks(vnet)
    await linked(vnet, 1, ingress=False)
    await linked(vnet, 2)
    told = await announced(vnet)
    assert told["172.16.1.0/24"] == set()
    assert told["172.16.2.0/24"] == {("172.16.1.0/24", "172.16.2.254")}
    await vnet.delete("route_links/rl-one")
    assert await announced(vnet) == {"172.16.1.0/24": set(), "172.16.2.0/24": set()}


async def test_what_is_announced_follows_the_address(vnet: VnetApi) -> None:
    await later(vnet)
    assert await announced(vnet) == {"172.16.1.0/24": set(), "172.16.2.0/24": set()}
    lease = {"network_uuid": "nw-net1", "mac_lease_uuid": "ml-one", "ipv4_address": "172.16.1.254"}
    await vnet.post("network_services", uuid="ns-1", mode="dhcp", interface_uuid="if-gw1")
    await vnet.post("ip_leases", uuid="il-one", **lease)
    told = await announced(vnet)
    assert told["172.16.1.0/24"] == {("172.16.2.0/24", "172.16.1.254")}
    assert told["172.16.2.0/24"] == {("172.16.1.0/24", "172.16.2.254"), ("10.0.0.0/24", "172.16.2.254")}
    await vnet.delete("interfaces/if-gw1")
    assert await announced(vnet) == {"172.16.1.0/24": set(), "172.16.2.0/24": set()}
    assert not any(subnet["enable_dhcp"] for subnet in await vnet.neutron("GET", "/subnets"))
