"""Values that no network can work with are refused, and requests that come at once do not get the same thing."""

import asyncio

import pytest

from tests.functional.vnet_api.vnet_world import VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

GROUPS = ("ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "00:00:00:00:00:00")


@pytest.mark.parametrize("mac_address", GROUPS)
async def test_an_interface_has_a_mac_of_its_own(vnet: VnetApi, mac_address: str) -> None:
    await vnet.network("nw-a", "10.0.1.0")
    refused = await vnet.refused("POST", "interfaces", "ArgumentError", uuid="if-a", mac_address=mac_address)
    assert mac_address in refused
    await vnet.refused("POST", "interfaces", "ArgumentError", network_uuid="nw-a", mac_address=mac_address)
    await vnet.post("interfaces", uuid="if-a")
    await vnet.refused("POST", "mac_leases", "ArgumentError", interface_uuid="if-a", mac_address=mac_address)
    assert await vnet.uuids("mac_leases") == []


@pytest.mark.parametrize("ipv4_network", ["127.0.0.0", "224.0.1.0", "0.0.0.0", "255.255.255.0"])
async def test_a_network_has_addresses_that_hosts_can_have(vnet: VnetApi, ipv4_network: str) -> None:
    assert ipv4_network in await vnet.refused("POST", "networks", "ArgumentError", ipv4_network=ipv4_network)
    assert await vnet.neutron("GET", "/networks") == []


@pytest.mark.parametrize("domain_name", ["a..b", "with space", "a\nb", "-a", "a_b", "x" * 64, "é"])
async def test_a_domain_is_one(vnet: VnetApi, domain_name: str) -> None:
    values = {"ipv4_network": "10.0.1.0", "domain_name": domain_name}
    assert "domain_name" in await vnet.refused("POST", "networks", "ArgumentError", **values)
    await vnet.network("nw-a", "10.0.1.0", domain_name="Vnet.Example.")
    assert (await vnet.get("networks/nw-a"))["domain_name"] == "vnet.example"
    await vnet.refused("PUT", "networks/nw-a", "ArgumentError", domain_name=domain_name)


@pytest.mark.parametrize(
    ("path", "name"), [("interfaces", "port_name"), ("interfaces", "display_name"), ("networks", "display_name")]
)
async def test_texts_are_as_long_as_openvnet_s_columns(vnet: VnetApi, path: str, name: str) -> None:
    assert name in await vnet.refused("POST", path, "ArgumentError", ipv4_network="10.0.1.0", **{name: "x" * 256})
    await vnet.post(path, ipv4_network="10.0.1.0", **{name: "x" * 255})


async def test_dhcp_needs_room(vnet: VnetApi) -> None:
    await vnet.network("nw-a", "10.0.1.0", ipv4_prefix=31)
    await vnet.post("interfaces", uuid="if-a", mode="simulated", network_uuid="nw-a", ipv4_address="10.0.1.0")
    assert "DHCP" in await vnet.refused("POST", "network_services", "ArgumentError", interface_uuid="if-a", mode="dhcp")
    await vnet.post("interfaces", uuid="if-b", mode="simulated")
    await vnet.post("mac_leases", uuid="ml-b", interface_uuid="if-b", mac_address="02:00:00:00:00:01")
    await vnet.post("network_services", interface_uuid="if-b", mode="dhcp")
    await vnet.post("ip_leases", interface_uuid="if-b", network_uuid="nw-a", ipv4_address="10.0.1.1")
    (subnet,) = await vnet.neutron("GET", "/subnets")
    assert not subnet["enable_dhcp"]


@pytest.mark.parametrize("owner", [{}, {"owner_datapath_uuid": "dp-test"}])
async def test_one_port_of_a_bridge_is_one_interface_s_however_many_ask_at_once(
    vnet: VnetApi, owner: dict[str, str]
) -> None:
    await vnet.network("nw-a", "10.0.1.0")
    await vnet.datapath()
    asked = {"network_uuid": "nw-a", "port_name": "eth1", **owner}
    requests = [vnet.ask("POST", "interfaces", {**asked, "ipv4_address": f"10.0.1.{n}"}) for n in range(1, 11)]
    answers = await asyncio.gather(*requests)
    made = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(made) == 1
    await vnet.refused("POST", "interfaces", "ArgumentError", **asked)
    gone = [vnet.ask("DELETE", f"interfaces/{made[0]['uuid']}"), vnet.ask("DELETE", f"interfaces/{made[0]['uuid']}")]
    assert sorted([answer.status_code for answer in await asyncio.gather(*gone)]) == [200, 404]
    await vnet.post("interfaces", uuid="if-a", ipv4_address="10.0.1.20", **asked)
    (port,) = await vnet.neutron("GET", "/ports")
    await vnet.neutron("DELETE", f"/ports/{port['id']}")
    await vnet.post("interfaces", uuid="if-b", ipv4_address="10.0.1.20", **asked)
    await vnet.delete("interfaces/if-b/ports", port_name="eth1")
    await vnet.post("interfaces", uuid="if-a", ipv4_address="10.0.1.21", **asked)


@pytest.mark.parametrize(
    ("first", "last"),
    [("01:00:00:00:00:00", "01:00:00:00:00:ff"), ("02:00:00:00:00:00", "04:00:00:00:00:00"), (GROUPS[2], GROUPS[2])],
)
async def test_a_range_has_macs_that_interfaces_can_have(vnet: VnetApi, first: str, last: str) -> None:
    await vnet.post("mac_range_groups", uuid="mrg-a")
    ends = {"begin_mac_address": first, "end_mac_address": last}
    await vnet.refused("POST", "mac_range_groups/mrg-a/mac_ranges", "ArgumentError", **ends)
    assert await vnet.items("mac_range_groups/mrg-a/mac_ranges") == []
