"""Network services and DNS services: what is kept, and the DHCP and name servers of Neutron's subnets."""

from ipaddress import IPv4Address
from typing import Any

import pytest

from tests.functional.vnet_api.vnet_world import ALWAYS, Object, VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def served(vnet: VnetApi) -> None:
    """A network with two simulated interfaces."""
    await vnet.network("nw-net1", "172.16.1.0")
    for number in (1, 2):
        await vnet.post(
            "interfaces",
            uuid=f"if-{number}",
            mode="simulated",
            network_uuid="nw-net1",
            ipv4_address=f"172.16.1.25{number}",
        )


async def subnet(vnet: VnetApi) -> Object:
    """The one subnet, as Neutron shows it."""
    [found] = await vnet.neutron("GET", "/subnets")
    return dict(found)


async def test_a_network_service_shows_all_that_it_was_given(vnet: VnetApi) -> None:
    await served(vnet)
    values = {
        "uuid": "ns-test",
        "display_name": "display name",
        "interface_uuid": "if-1",
        "mode": "dhcp",
        "incoming_port": 40,
        "outgoing_port": 100,
    }
    made = await vnet.post("network_services", **values)
    assert made.items() >= values.items()
    assert set(made) >= ALWAYS
    assert made["interface_id"] == (await vnet.get("interfaces/if-1"))["id"]
    assert await vnet.get("network_services/ns-test") == made
    changed = await vnet.put("network_services/ns-test", display_name="new display name", mode="router")
    assert (changed["display_name"], changed["mode"]) == ("new display name", "dhcp")
    assert (await vnet.get("network_services/ns-test"))["display_name"] == "new display name"


@pytest.mark.parametrize(
    ("values", "mode"),
    [
        ({"display_name": "router"}, "router"),
        ({"display_name": "dhcp"}, "dhcp"),
        ({"type": "dns", "display_name": "dhcp"}, "dns"),
        ({"mode": "router", "type": "dns"}, "router"),
    ],
)
async def test_the_mode_has_older_names(vnet: VnetApi, values: dict[str, Any], mode: str) -> None:
    assert (await vnet.post("network_services", **values))["mode"] == mode


@pytest.mark.parametrize(
    ("values", "name", "part"),
    [
        ({"mode": None, "display_name": "my service"}, "MissingArgument", "mode"),
        ({"mode": "telnet"}, "ArgumentError", "telnet"),
        ({"type": "telnet"}, "ArgumentError", "telnet"),
        ({"interface_uuid": "faulty"}, "InvalidUUID", "faulty"),
        ({"interface_uuid": "if-none"}, "UnknownUUIDResource", "if-none"),
        ({"incoming_port": "in"}, "ArgumentError", "incoming_port"),
        ({"outgoing_port": "out"}, "ArgumentError", "outgoing_port"),
    ],
)
async def test_wrong_network_services_are_refused(vnet: VnetApi, values: dict[str, Any], name: str, part: str) -> None:
    given = {key: value for key, value in {"mode": "router", **values}.items() if value is not None}
    assert part in await vnet.refused("POST", "network_services", name, **given)
    assert await vnet.uuids("network_services") == []


async def test_dhcp_is_on_while_a_service_wants_it(vnet: VnetApi) -> None:
    await served(vnet)
    assert (await subnet(vnet))["enable_dhcp"] is False
    await vnet.post("network_services", uuid="ns-1", mode="dhcp", interface_uuid="if-1")
    await vnet.post("network_services", uuid="ns-2", mode="dhcp", interface_uuid="if-2")
    await vnet.post("network_services", uuid="ns-3", mode="router", interface_uuid="if-2")
    assert (await subnet(vnet))["enable_dhcp"] is True
    await vnet.delete("network_services/ns-1")
    assert (await subnet(vnet))["enable_dhcp"] is True
    await vnet.delete("interfaces/if-2")
    assert (await subnet(vnet))["enable_dhcp"] is False
    assert await vnet.uuids("network_services") == []


async def test_dhcp_waits_for_the_interfaces_address(vnet: VnetApi) -> None:
    await vnet.network("nw-net1", "172.16.1.0")
    await vnet.post("interfaces", uuid="if-1", mode="simulated", mac_address="52:54:00:74:00:01")
    await vnet.post("network_services", uuid="ns-1", mode="dhcp", interface_uuid="if-1")
    await vnet.post("network_services", uuid="ns-2", mode="dns", interface_uuid="if-1")
    await vnet.post("dns_services", uuid="dnss-1", network_service_uuid="ns-2", public_dns="192.0.2.1")
    assert (await subnet(vnet))["enable_dhcp"] is False
    await vnet.post("ip_leases", uuid="il-1", network_uuid="nw-net1", interface_uuid="if-1", ipv4_address="172.16.1.9")
    shown = await subnet(vnet)
    assert (shown["enable_dhcp"], shown["dns_nameservers"]) == (True, ["192.0.2.1"])
    await vnet.delete("network_services/ns-1")
    await vnet.delete("network_services/ns-2")
    shown = await subnet(vnet)
    assert (shown["enable_dhcp"], shown["dns_nameservers"]) == (False, [])


async def test_public_dns_are_the_name_servers_of_the_subnet(vnet: VnetApi) -> None:
    await served(vnet)
    service = await vnet.post("network_services", uuid="ns-1", mode="dns", interface_uuid="if-1")
    made = await vnet.post("dns_services", uuid="dnss-1", network_service_uuid="ns-1", public_dns="8.8.8.8, 8.8.4.4")
    assert (made["network_service_uuid"], made["network_service_id"]) == ("ns-1", service["id"])
    assert made["public_dns"] == "8.8.8.8,8.8.4.4"
    assert (await subnet(vnet))["dns_nameservers"] == ["8.8.8.8", "8.8.4.4"]
    await vnet.post("network_services", uuid="ns-2", mode="dns", interface_uuid="if-2")
    await vnet.post("dns_services", uuid="dnss-2", network_service_uuid="ns-2", public_dns="8.8.4.4")
    changed = await vnet.put("dns_services/dnss-1", public_dns="1.2.3.4")
    assert changed["public_dns"] == "1.2.3.4"
    assert (await subnet(vnet))["dns_nameservers"] == ["8.8.4.4", "1.2.3.4"]
    assert (await vnet.put("dns_services/dnss-1"))["public_dns"] == "1.2.3.4"
    await vnet.delete("dns_services/dnss-1")
    assert (await subnet(vnet))["dns_nameservers"] == ["8.8.4.4"]
    await vnet.delete("network_services/ns-2")
    assert (await subnet(vnet))["dns_nameservers"] == []
    assert await vnet.uuids("dns_services") == []


@pytest.mark.parametrize(
    ("values", "name", "part"),
    [
        ({"network_service_uuid": None}, "MissingArgument", "network_service_uuid"),
        ({"network_service_uuid": "faulty"}, "InvalidUUID", "faulty"),
        ({"network_service_uuid": "ns-none"}, "UnknownUUIDResource", "ns-none"),
        ({"network_service_uuid": "ns-dhcp"}, "ArgumentError", "dns"),
        ({"public_dns": "8.8.8.8,example.org"}, "ArgumentError", "public_dns"),
        ({"public_dns": "2001:db8::1"}, "ArgumentError", "public_dns"),
        ({"uuid": "faulty"}, "InvalidUUID", "faulty"),
        ({"uuid": "dnss-old"}, "DuplicateUUID", "dnss-old"),
    ],
)
async def test_wrong_dns_services_are_refused(vnet: VnetApi, values: dict[str, Any], name: str, part: str) -> None:
    await vnet.post("network_services", uuid="ns-dns", mode="dns")
    await vnet.post("network_services", uuid="ns-dhcp", mode="dhcp")
    await vnet.post("dns_services", uuid="dnss-old", network_service_uuid="ns-dns")
    given = {"network_service_uuid": "ns-dns", **values}
    given = {key: value for key, value in given.items() if value is not None}
    assert part in await vnet.refused("POST", "dns_services", name, **given)
    assert await vnet.uuids("dns_services") == ["dnss-old"]
    await vnet.refused("PUT", "dns_services/dnss-old", "ArgumentError", public_dns="nowhere")
    await vnet.refused("PUT", "dns_services/dnss-none", "UnknownUUIDResource", public_dns="8.8.8.8")


async def test_dns_records_come_and_go(vnet: VnetApi) -> None:
    await vnet.post("network_services", uuid="ns-1", mode="dns")
    for uuid in ("dnss-1", "dnss-2"):
        await vnet.post("dns_services", uuid=uuid, network_service_uuid="ns-1")
    path = "dns_services/dnss-1/dns_records"
    made = await vnet.post(path, uuid="dnsr-new", name="test-server", ipv4_address="192.168.1.10")
    assert (made["uuid"], made["name"], made["ttl"]) == ("dnsr-new", "test-server", None)
    assert made["ipv4_address"] == int(IPv4Address("192.168.1.10"))
    assert made["dns_service_id"] == (await vnet.get("dns_services/dnss-1"))["id"]
    assert await vnet.uuids(path) == ["dnsr-new"]
    assert await vnet.uuids("dns_services/dnss-2/dns_records") == []
    await vnet.refused("DELETE", "dns_services/dnss-2/dns_records/dnsr-new", "UnknownUUIDResource")
    assert await vnet.delete(f"{path}/dnsr-new") == ["dnsr-new"]
    assert await vnet.uuids(path) == []
    await vnet.post(path, uuid="dnsr-new", name="test-server", ipv4_address="192.168.1.10")
    await vnet.delete("dns_services/dnss-1")
    await vnet.post("dns_services", uuid="dnss-1", network_service_uuid="ns-1")
    assert await vnet.uuids(path) == []


@pytest.mark.parametrize(
    ("values", "name", "part"),
    [
        ({"uuid": None}, "MissingArgument", "uuid"),
        ({"name": None}, "MissingArgument", "name"),
        ({"ipv4_address": None}, "MissingArgument", "ipv4_address"),
        ({"uuid": "faulty"}, "InvalidUUID", "faulty"),
        ({"uuid": "dnsr-old"}, "DuplicateUUID", "dnsr-old"),
        ({"ipv4_address": "localhost"}, "ArgumentError", "localhost"),
    ],
)
async def test_wrong_dns_records_are_refused(vnet: VnetApi, values: dict[str, Any], name: str, part: str) -> None:
    await vnet.post("network_services", uuid="ns-1", mode="dns")
    await vnet.post("dns_services", uuid="dnss-1", network_service_uuid="ns-1")
    path = "dns_services/dnss-1/dns_records"
    await vnet.post(path, uuid="dnsr-old", name="old", ipv4_address="192.168.1.1")
    given = {"uuid": "dnsr-new", "name": "test-server", "ipv4_address": "192.168.1.10", **values}
    given = {key: value for key, value in given.items() if value is not None}
    assert part in await vnet.refused("POST", path, name, **given)
    assert await vnet.uuids(path) == ["dnsr-old"]
    for owner, error in (("dnss-none", "UnknownUUIDResource"), ("nothing", "InvalidUUID")):
        values = {"uuid": "dnsr-new", "name": "n", "ipv4_address": "192.0.2.1"}
        assert owner in await vnet.refused("POST", f"dns_services/{owner}/dns_records", error, **values)
        assert owner in await vnet.refused("GET", f"dns_services/{owner}/dns_records", error)
        assert owner in await vnet.refused("DELETE", f"dns_services/{owner}/dns_records/dnsr-old", error)


@pytest.mark.parametrize("by", ["interface", "ip_lease"])
async def test_a_dhcp_server_makes_room_for_an_address_that_is_named(vnet: VnetApi, by: str) -> None:
    await served(vnet)
    [network] = await vnet.neutron("GET", "/networks")
    server = {"network_id": network["id"], "device_owner": "network:dhcp", "device_id": "dhcp-1"}
    port = await vnet.neutron("POST", "/ports", {"port": server})
    [before] = port["fixed_ips"]
    values = {"network_uuid": "nw-net1", "ipv4_address": before["ip_address"]}
    if by == "interface":
        await vnet.post("interfaces", uuid="if-new", mode="vif", **values)
    else:
        await vnet.post("interfaces", uuid="if-new", mode="vif", mac_address="52:54:00:00:00:09")
        await vnet.post("ip_leases", interface_uuid="if-new", **values)
    assert (await vnet.get("interfaces/if-new"))["ipv4_address"] == before["ip_address"]
    [after] = (await vnet.neutron("GET", f"/ports/{port['id']}"))["fixed_ips"]
    assert after["ip_address"] == "172.16.1.254", "the highest free one"


async def test_nobody_but_a_dhcp_server_makes_room(vnet: VnetApi) -> None:
    await served(vnet)
    values = {"network_uuid": "nw-net1", "ipv4_address": "172.16.1.251"}
    assert "172.16.1.251" in await vnet.refused("POST", "interfaces", "ArgumentError", mode="vif", **values)
