"""One model: what is made through one API is there in the other, and is changed and deleted there."""

from typing import Any

import pytest

from tests.functional.vnet_api.vnet_world import VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

MAC = "52:54:00:0d:84:01"


async def neutron_network(vnet: VnetApi, cidr: str = "10.0.1.0/24", **values: Any) -> tuple[str, str]:
    """Ids of a network and its subnet, made by Neutron's API."""
    network = await vnet.neutron("POST", "/networks", {"network": {"name": "red", **values}})
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": cidr, "name": "red-v4"}
    return network["id"], (await vnet.neutron("POST", "/subnets", {"subnet": subnet}))["id"]


async def neutron_port(vnet: VnetApi, network_id: str, *addresses: str, **values: Any) -> dict[str, Any]:
    """A port made by Neutron's API."""
    fixed_ips = [{"ip_address": address} for address in addresses]
    port = {"network_id": network_id, "fixed_ips": fixed_ips, **values}
    made: dict[str, Any] = await vnet.neutron("POST", "/ports", {"port": port})
    return made


async def test_openvnet_s_network_is_neutron_s(vnet: VnetApi) -> None:
    await vnet.network("nw-a", "10.0.1.0", display_name="net a", domain_name="a.test")
    (network,) = await vnet.neutron("GET", "/networks")
    assert (network["name"], network["dns_domain"], network["provider:network_type"]) == ("net a", "a.test.", "vxlan")
    (subnet,) = await vnet.neutron("GET", "/subnets")
    assert (subnet["cidr"], subnet["gateway_ip"], subnet["enable_dhcp"]) == ("10.0.1.0/24", None, False)
    change = {"network": {"name": "renamed", "dns_domain": "b.test."}}
    await vnet.neutron("PUT", f"/networks/{network['id']}", change)
    shown = await vnet.get("networks/nw-a")
    assert (shown["display_name"], shown["domain_name"]) == ("renamed", "b.test")
    await vnet.neutron("DELETE", f"/networks/{network['id']}")
    await vnet.refused("GET", "networks/nw-a", "UnknownUUIDResource")
    assert await vnet.uuids("networks") == []
    assert (await vnet.network("nw-a", "10.0.2.0"))["ipv4_network"] == "10.0.2.0", "its uuid is free again"


async def test_neutron_s_network_is_openvnet_s(vnet: VnetApi) -> None:
    network_id, subnet_id = await neutron_network(vnet, dns_domain="red.test.")
    (shown,) = await vnet.items("networks")
    assert (shown["display_name"], shown["ipv4_network"], shown["ipv4_prefix"]) == ("red", "10.0.1.0", 24)
    assert (shown["domain_name"], shown["mode"]) == ("red.test", "virtual")
    assert await vnet.get(f"networks/{shown['uuid']}") == shown
    assert len(shown["uuid"]) <= len("nw-") + 16
    changed = await vnet.put(f"networks/{shown['uuid']}", display_name="blue", domain_name="blue.test")
    assert changed["uuid"] == shown["uuid"], "a uuid does not change"
    network = await vnet.neutron("GET", f"/networks/{network_id}")
    assert (network["name"], network["dns_domain"]) == ("blue", "blue.test.")
    assert (await vnet.neutron("GET", f"/subnets/{subnet_id}"))["name"] == "blue"
    await vnet.delete(f"networks/{shown['uuid']}")
    assert await vnet.neutron("GET", "/networks") == []


async def test_a_network_of_neutron_s_without_or_with_two_subnets_is_a_segment(vnet: VnetApi) -> None:
    bare = await vnet.neutron("POST", "/networks", {"network": {"name": "bare"}})
    (segment,) = await vnet.items("segments")
    assert segment["mode"] == "virtual"
    assert await vnet.uuids("networks") == []
    made = await vnet.network("nw-a", "10.0.1.0", segment_uuid=segment["uuid"])
    assert made["segment_uuid"] is None, "with one network it is that network"
    assert await vnet.uuids("segments") == []
    subnet = {"network_id": bare["id"], "ip_version": 4, "cidr": "10.0.2.0/24"}
    await vnet.neutron("POST", "/subnets", {"subnet": subnet})
    assert await vnet.uuids("segments") == [segment["uuid"]], "uuids stay while the network is there"
    assert {one["segment_uuid"] for one in await vnet.items("networks")} == {segment["uuid"]}
    await vnet.delete(f"segments/{segment['uuid']}")
    assert await vnet.neutron("GET", "/networks") == []


async def test_openvnet_s_interface_is_neutron_s_port(vnet: VnetApi) -> None:
    await vnet.network("nw-a", "10.0.1.0")
    given = {"network_uuid": "nw-a", "ipv4_address": "10.0.1.5", "mac_address": MAC, "display_name": "one"}
    await vnet.post("interfaces", uuid="if-a", **given)
    (port,) = await vnet.neutron("GET", "/ports")
    assert (port["name"], port["mac_address"], port["fixed_ips"][0]["ip_address"]) == ("one", MAC, "10.0.1.5")
    change = {"port": {"name": "two", "fixed_ips": [{"ip_address": "10.0.1.6"}, {"ip_address": "10.0.1.7"}]}}
    await vnet.neutron("PUT", f"/ports/{port['id']}", change)
    shown = await vnet.get("interfaces/if-a")
    assert (shown["display_name"], shown["ipv4_address"]) == ("two", "10.0.1.6")
    leases = await vnet.items("ip_leases")
    assert {one["ipv4_address"] for one in leases} == {"10.0.1.6", "10.0.1.7"}
    assert {one["interface_uuid"] for one in leases} == {"if-a"}
    await vnet.delete(f"ip_leases/{leases[0]['uuid']}")
    port = await vnet.neutron("GET", f"/ports/{port['id']}")
    assert [ip["ip_address"] for ip in port["fixed_ips"]] == [leases[1]["ipv4_address"]]
    await vnet.neutron("DELETE", f"/ports/{port['id']}")
    for path in ("interfaces", "mac_leases", "ip_leases"):
        assert await vnet.uuids(path) == []
    await vnet.post("interfaces", uuid="if-a", **given)
    assert await vnet.uuids("mac_leases") == [(await vnet.get("interfaces/if-a"))["mac_leases"][0]["uuid"]]


async def test_neutron_s_port_is_openvnet_s_interface(vnet: VnetApi) -> None:
    network_id, _ = await neutron_network(vnet)
    port = await neutron_port(vnet, network_id, "10.0.1.5", "10.0.1.6", name="one", mac_address=MAC)
    (shown,) = await vnet.items("interfaces")
    (network,) = await vnet.uuids("networks")
    assert (shown["mode"], shown["display_name"], shown["mac_address"]) == ("vif", "one", MAC)
    assert (shown["network_uuid"], shown["ipv4_address"]) == (network, "10.0.1.5")
    (mac_lease,) = await vnet.items("mac_leases")
    assert (mac_lease["interface_uuid"], mac_lease["mac_address"]) == (shown["uuid"], MAC)
    assert await vnet.get(f"mac_leases/{mac_lease['uuid']}") == mac_lease
    leases = await vnet.items("ip_leases")
    assert [one["ipv4_address"] for one in leases] == ["10.0.1.5", "10.0.1.6"]
    for lease in leases:
        assert await vnet.get(f"ip_leases/{lease['uuid']}") == lease
        assert lease["mac_lease_uuid"] == mac_lease["uuid"]
    changed = await vnet.put(f"interfaces/{shown['uuid']}", display_name="two", enable_routing=True)
    assert (changed["uuid"], changed["enable_routing"]) == (shown["uuid"], True)
    assert (await vnet.neutron("GET", f"/ports/{port['id']}"))["name"] == "two"
    await vnet.delete(f"interfaces/{shown['uuid']}")
    assert await vnet.neutron("GET", "/ports") == []


async def test_leases_of_neutron_s_port_come_and_go(vnet: VnetApi) -> None:
    network_id, _ = await neutron_network(vnet)
    port = await neutron_port(vnet, network_id, "10.0.1.5")
    (interface,) = await vnet.uuids("interfaces")
    (network,) = await vnet.uuids("networks")
    given = {"network_uuid": network, "interface_uuid": interface}
    await vnet.post("ip_leases", uuid="il-more", ipv4_address="10.0.1.6", **given)
    await vnet.post("mac_leases", uuid="ml-more", interface_uuid=interface, mac_address=MAC)
    await vnet.post(
        "ip_leases", uuid="il-other", ipv4_address="10.0.1.7", network_uuid=network, mac_lease_uuid="ml-more"
    )
    assert await vnet.uuids("interfaces") == [interface], "the second port is the same interface's"
    assert sorted(len(one["fixed_ips"]) for one in await vnet.neutron("GET", "/ports")) == [1, 2]
    first = next(one for one in await vnet.items("ip_leases") if one["ipv4_address"] == "10.0.1.5")
    released = await vnet.put(f"ip_leases/{first['uuid']}/release")
    assert (released["uuid"], released["interface_uuid"]) == (first["uuid"], None)
    shown = await vnet.neutron("GET", f"/ports/{port['id']}")
    assert [ip["ip_address"] for ip in shown["fixed_ips"]] == ["10.0.1.6"]
    await vnet.put(f"ip_leases/{first['uuid']}/attach", interface_uuid=interface)
    await vnet.delete(f"interfaces/{interface}")
    assert await vnet.neutron("GET", "/ports") == []
    for path in ("interfaces", "mac_leases", "ip_leases"):
        assert await vnet.uuids(path) == []


async def test_ports_of_neutron_s_routers_are_simulated_and_only_neutron_s_to_delete(vnet: VnetApi) -> None:
    _, subnet_id = await neutron_network(vnet)
    router = await vnet.neutron("POST", "/routers", {"router": {"name": "r"}})
    await vnet.neutron("PUT", f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet_id})
    (interface,) = await vnet.items("interfaces")
    assert (interface["mode"], interface["ipv4_address"]) == ("simulated", "10.0.1.1")
    await vnet.refused("DELETE", f"interfaces/{interface['uuid']}", "ArgumentError")
    assert len(vnet.db.ports) == 1


async def test_relations_do_not_survive_what_neutron_deleted(vnet: VnetApi) -> None:
    await vnet.datapath()
    await vnet.network("nw-a", "10.0.1.0")
    await vnet.post("interfaces", uuid="if-a", network_uuid="nw-a", ipv4_address="10.0.1.5")
    await vnet.post("datapaths/dp-test/networks/nw-a")
    await vnet.put("interfaces/if-a/networks/nw-a", static=True)
    (port,) = await vnet.neutron("GET", "/ports")
    await vnet.neutron("DELETE", f"/ports/{port['id']}")
    (network,) = await vnet.neutron("GET", "/networks")
    await vnet.neutron("DELETE", f"/networks/{network['id']}")
    assert await vnet.items("datapaths/dp-test/networks") == []
    await vnet.network("nw-a", "10.0.1.0")
    await vnet.post("interfaces", uuid="if-a")
    assert await vnet.items("datapaths/dp-test/networks") == []
    assert await vnet.items("interfaces/if-a/networks") == []


async def test_a_simulated_interface_without_an_address_is_removed_as_a_router_s_too(vnet: VnetApi) -> None:
    await vnet.network("nw-a", "10.0.1.0")
    await vnet.post("interfaces", uuid="if-a", network_uuid="nw-a", mode="simulated")
    (port,) = vnet.db.ports.values()
    await vnet.neutron("PUT", f"/routers/{port.device_id}/remove_router_interface", {"port_id": port.id})
    assert await vnet.uuids("interfaces") == []


async def test_a_simulated_interface_that_neutron_removes_takes_its_own_router_along(vnet: VnetApi) -> None:
    await vnet.network("nw-a", "10.0.1.0")
    await vnet.post("interfaces", uuid="if-a", network_uuid="nw-a", ipv4_address="10.0.1.1", mode="simulated")
    await vnet.post("interfaces", uuid="if-b", network_uuid="nw-a", ipv4_address="10.0.1.2", mode="simulated")
    await vnet.post("route_links", uuid="rl-a")
    await vnet.post("routes", interface_uuid="if-b", route_link_uuid="rl-a", ipv4_network="10.0.1.0")
    for port in await vnet.neutron("GET", "/ports"):
        gone = {"port_id": port["id"]}
        await vnet.neutron("PUT", f"/routers/{port['device_id']}/remove_router_interface", gone)
    assert [router["name"] for router in await vnet.neutron("GET", "/routers")] == ["rl-a"]
    assert await vnet.uuids("interfaces") == []


async def test_neutron_does_not_hand_out_the_address_of_a_lease_that_is_nobody_s(vnet: VnetApi) -> None:
    await vnet.network("nw-a", "10.0.1.0", ipv4_prefix=29)
    await vnet.post("interfaces", uuid="if-a", network_uuid="nw-a", ipv4_address="10.0.1.1")
    (lease,) = (await vnet.get("interfaces/if-a"))["ip_leases"]
    await vnet.put(f"ip_leases/{lease['uuid']}/release")
    await vnet.post("ip_leases", uuid="il-b", network_uuid="nw-a", ipv4_address="10.0.1.3")
    (network,) = vnet.db.networks
    taken = [(await neutron_any_port(vnet, network))["fixed_ips"][0]["ip_address"] for _ in range(4)]
    assert sorted(taken) == ["10.0.1.2", "10.0.1.4", "10.0.1.5", "10.0.1.6"]
    full = await vnet.neutron_http.request("POST", "/v2.0/ports", json={"port": {"network_id": network}})
    assert full.json()["NeutronError"]["type"] == "IpAddressGenerationFailure"
    await vnet.post("interfaces", uuid="if-c", mac_address="02:00:00:00:00:0c")
    await vnet.put("ip_leases/il-b/attach", interface_uuid="if-c")
    await vnet.delete(f"ip_leases/{lease['uuid']}")
    assert (await neutron_any_port(vnet, network))["fixed_ips"][0]["ip_address"] == "10.0.1.1"


async def neutron_any_port(vnet: VnetApi, network_id: str) -> dict[str, Any]:
    """A port with an address that Neutron's API chooses."""
    made: dict[str, Any] = await vnet.neutron("POST", "/ports", {"port": {"network_id": network_id}})
    return made


async def test_what_neutron_leaves_of_a_simulated_interface_can_be_deleted(vnet: VnetApi) -> None:
    for number in (1, 2):
        await vnet.network(f"nw-{number}", f"10.0.{number}.0")
    await vnet.post("interfaces", uuid="if-a", network_uuid="nw-1", ipv4_address="10.0.1.1", mode="simulated")
    await vnet.post("ip_leases", interface_uuid="if-a", network_uuid="nw-2", ipv4_address="10.0.2.1")
    first = next(port for port in vnet.db.ports.values() if port.fixed_ips[0].ip_address == "10.0.1.1")
    await vnet.neutron("PUT", f"/routers/{first.device_id}/remove_router_interface", {"port_id": first.id})
    (left,) = await vnet.items("interfaces")
    assert left["ipv4_address"] == "10.0.2.1"
    await vnet.delete(f"interfaces/{left['uuid']}")
    assert await vnet.neutron("GET", "/ports") == []
    assert await vnet.neutron("GET", "/routers") == []
