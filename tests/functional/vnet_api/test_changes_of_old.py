"""Requests that OpenVNet's API had in 2013 and 2014, and that its vnctl sends still."""

import pytest

from tests.functional.vnet_api.vnet_world import VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def router(vnet: VnetApi) -> None:
    """Two networks with DHCP, joined by a route link."""
    await vnet.post("route_links", uuid="rl-a", mac_address="02:00:00:00:00:aa")
    for number in (1, 2):
        await vnet.network(f"nw-{number}", f"10.0.{number}.0")
        at = {"network_uuid": f"nw-{number}", "ipv4_address": f"10.0.{number}.1"}
        await vnet.post("interfaces", uuid=f"if-{number}", mode="simulated", **at)
        await vnet.post("network_services", uuid=f"ns-{number}", interface_uuid=f"if-{number}", mode="dhcp")
        ends = {"interface_uuid": f"if-{number}", "route_link_uuid": "rl-a"}
        await vnet.post("routes", uuid=f"r-{number}", ipv4_network=f"10.0.{number}.0", **ends)


async def announced(vnet: VnetApi) -> dict[str, list[str]]:
    """Where DHCP sends the clients of each subnet."""
    subnets = await vnet.neutron("GET", "/subnets")
    return {subnet["cidr"]: [route["destination"] for route in subnet["host_routes"]] for subnet in subnets}


async def test_an_interface_gets_another_uuid_and_what_refers_to_it_follows(vnet: VnetApi) -> None:
    await router(vnet)
    await vnet.post("filters", uuid="fil-a", interface_uuid="if-1", mode="static")
    await vnet.put(
        "interfaces/if-1/segments/" + (await vnet.post("segments", uuid="seg-a", mode="virtual"))["uuid"], static=True
    )
    before = await vnet.get("interfaces/if-1")
    renamed = await vnet.put("interfaces/if-1/rename", new_uuid="if-new")
    assert (renamed["uuid"], renamed["id"], renamed["ipv4_address"]) == ("if-new", before["id"], "10.0.1.1")
    assert [lease["uuid"] for lease in renamed["ip_leases"]] == [lease["uuid"] for lease in before["ip_leases"]]
    assert {lease["interface_uuid"] for lease in await vnet.items("ip_leases")} == {"if-new", "if-2"}
    for path in ("routes/r-1", "network_services/ns-1", "filters/fil-a"):
        assert (await vnet.get(path))["interface_uuid"] == "if-new"
    assert [one["segment_uuid"] for one in await vnet.items("interfaces/if-new/segments")] == ["seg-a"]
    await vnet.refused("GET", "interfaces/if-1", "UnknownUUIDResource")
    await vnet.refused("PUT", "interfaces/if-new/rename", "DuplicateUUID", new_uuid="if-2")
    await vnet.refused("PUT", "interfaces/if-new/rename", "InvalidUUID", new_uuid="nw-2")
    await vnet.refused("PUT", "interfaces/if-new/rename", "MissingArgument")
    assert (await vnet.put("interfaces/if-new/rename", new_uuid="if-new"))["uuid"] == "if-new"
    assert await announced(vnet) == {"10.0.1.0/24": ["10.0.2.0/24"], "10.0.2.0/24": ["10.0.1.0/24"]}
    await vnet.delete("interfaces/if-new")
    assert await vnet.uuids("routes") == ["r-2"]
    assert await vnet.uuids("filters") == []
    await vnet.post("interfaces", uuid="if-1", network_uuid="nw-1", ipv4_address="10.0.1.1")


async def test_a_renamed_interface_is_attached_by_its_new_name_or_by_its_port_s(vnet: VnetApi) -> None:
    await vnet.network("nw-a", "10.0.1.0")
    await vnet.post("interfaces", uuid="if-a", network_uuid="nw-a", ipv4_address="10.0.1.1")
    await vnet.post("interfaces", uuid="if-b", network_uuid="nw-a", ipv4_address="10.0.1.2", port_name="eth1")
    await vnet.put("interfaces/if-a/rename", new_uuid="if-c")
    await vnet.put("interfaces/if-b/rename", new_uuid="if-d")
    names = {port.fixed_ips[0].ip_address: port.interface_name for port in vnet.db.ports.values()}
    assert names == {"10.0.1.1": "if-c", "10.0.1.2": "eth1"}
    await vnet.refused("POST", "interfaces", "ArgumentError", network_uuid="nw-a", port_name="eth1")
    await vnet.post("interfaces", uuid="if-a", network_uuid="nw-a")


async def test_a_port_of_neutron_s_gets_a_uuid_by_choice(vnet: VnetApi) -> None:
    await vnet.network("nw-a", "10.0.1.0")
    (network,) = vnet.db.networks
    port = await vnet.neutron("POST", "/ports", {"port": {"network_id": network, "name": "theirs"}})
    (uuid,) = await vnet.uuids("interfaces")
    shown = await vnet.put(f"interfaces/{uuid}/rename", new_uuid="if-chosen")
    assert (shown["uuid"], shown["display_name"], shown["mac_address"]) == ("if-chosen", "theirs", port["mac_address"])
    assert await vnet.uuids("interfaces") == ["if-chosen"]
    await vnet.neutron("DELETE", f"/ports/{port['id']}")
    assert await vnet.uuids("interfaces") == []


async def test_route_links_and_translations_change(vnet: VnetApi) -> None:
    await router(vnet)
    assert (await vnet.put("route_links/rl-a", mac_address="02-00-00-00-00-bb"))["mac_address"] == "02:00:00:00:00:bb"
    assert (await vnet.put("route_links/rl-a"))["mac_address"] == "02:00:00:00:00:bb"
    await vnet.refused("PUT", "route_links/rl-b", "UnknownUUIDResource", mac_address="02:00:00:00:00:bb")
    await vnet.neutron("POST", "/routers", {"router": {"name": "theirs", "distributed": True}})
    (theirs,) = [uuid for uuid in await vnet.uuids("route_links") if uuid != "rl-a"]
    changed = await vnet.put(f"route_links/{theirs}", mac_address="02:00:00:00:00:cc")
    assert (changed["uuid"], changed["mac_address"]) == (theirs, "02:00:00:00:00:cc")
    assert await vnet.uuids("route_links") == ["rl-a", theirs]
    await vnet.post("translations", uuid="tr-a", interface_uuid="if-1", mode="static_address")
    assert (await vnet.put("translations/tr-a", passthrough=True))["passthrough"] is True
    await vnet.refused("PUT", "translations/tr-a", "ArgumentError", passthrough="perhaps")


async def test_a_route_is_announced_as_its_flags_say_now(vnet: VnetApi) -> None:
    await router(vnet)
    assert (await vnet.put("routes/r-1", egress=False))["egress"] is False
    assert await announced(vnet) == {"10.0.1.0/24": ["10.0.2.0/24"], "10.0.2.0/24": []}
    await vnet.put("routes/r-1", egress=True, ingress=False, ipv4_network="10.0.1.0", interface_uuid="if-1")
    assert await announced(vnet) == {"10.0.1.0/24": [], "10.0.2.0/24": ["10.0.1.0/24"]}
    await vnet.put("routes/r-1", ingress=True)
    assert await announced(vnet) == {"10.0.1.0/24": ["10.0.2.0/24"], "10.0.2.0/24": ["10.0.1.0/24"]}
    refused = await vnet.refused("PUT", "routes/r-1", "ArgumentError", ipv4_network="10.9.0.0")
    assert "ipv4_network" in refused
    await vnet.refused("PUT", "routes/r-9", "UnknownUUIDResource", egress=False)
