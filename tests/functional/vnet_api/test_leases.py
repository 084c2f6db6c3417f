"""MAC leases and IP leases, and what comes and goes in the model with them."""

from typing import Any

import pytest
import pytest_asyncio

from tests.functional.vnet_api.vnet_world import VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

MAC, OTHER_MAC = "00:21:cc:da:e9:cc", "00:21:cc:da:e9:cd"


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def world(vnet: VnetApi) -> None:
    """Two networks and two interfaces without leases."""
    await vnet.network("nw-test", "192.168.1.0")
    await vnet.network("nw-other", "192.168.2.0")
    await vnet.post("interfaces", uuid="if-test", mode="vif")
    await vnet.post("interfaces", uuid="if-test2", mode="vif")


async def mac_lease(vnet: VnetApi, uuid: str = "ml-test", interface: str = "if-test", mac: str = MAC) -> dict[str, Any]:
    """A new MAC lease."""
    made: dict[str, Any] = await vnet.post("mac_leases", uuid=uuid, interface_uuid=interface, mac_address=mac)
    return made


async def ip_lease(vnet: VnetApi, uuid: str, address: str, **values: Any) -> dict[str, Any]:
    """A new IP lease, in nw-test unless said."""
    given = {"network_uuid": "nw-test", "uuid": uuid, "ipv4_address": address, **values}
    made: dict[str, Any] = await vnet.post("ip_leases", **given)
    return made


def addresses(vnet: VnetApi) -> dict[str, list[str]]:
    """The addresses of every port, by its MAC and the name of its network's first subnet."""
    return {
        f"{port.mac_address} {vnet.db.subnets[port.fixed_ips[0].subnet_id].cidr}": sorted(
            ip.ip_address for ip in port.fixed_ips
        )
        for port in vnet.db.ports.values()
    }


async def test_a_mac_lease_shows_what_it_was_given(vnet: VnetApi) -> None:
    made = await mac_lease(vnet)
    assert (made["uuid"], made["interface_uuid"], made["mac_address"]) == ("ml-test", "if-test", MAC)
    assert made["interface_id"] == (await vnet.get("interfaces/if-test"))["id"]
    assert await vnet.get("mac_leases/ml-test") == made
    assert await vnet.items("mac_leases") == [made]
    assert not vnet.db.ports, "nobody knows yet where the interface is"


@pytest.mark.parametrize(
    ("values", "name", "part"),
    [
        ({"interface_uuid": None}, "MissingArgument", "interface_uuid"),
        ({"mac_address": None}, "MissingArgument", "mac_address"),
        ({"mac_address": "nonsense"}, "ArgumentError", "nonsense"),
        ({"uuid": "faulty_uuid"}, "InvalidUUID", "faulty_uuid"),
        ({"interface_uuid": "faulty_uuid"}, "InvalidUUID", "faulty_uuid"),
        ({"interface_uuid": "if-nowhere"}, "UnknownUUIDResource", "Interface#interface_uuid: if-nowhere"),
        ({"segment_uuid": "seg-nowhere"}, "UnknownUUIDResource", "seg-nowhere"),
    ],
)
async def test_what_a_mac_lease_cannot_be(vnet: VnetApi, values: dict[str, Any], name: str, part: str) -> None:
    given = {"uuid": "ml-test", "interface_uuid": "if-test", "mac_address": MAC, **values}
    given = {key: value for key, value in given.items() if value is not None}
    assert part in await vnet.refused("POST", "mac_leases", name, **given)
    assert await vnet.uuids("mac_leases") == []


async def test_a_mac_is_leased_to_an_interface_once(vnet: VnetApi) -> None:
    await mac_lease(vnet)
    await vnet.refused(
        "POST", "mac_leases", "DuplicateUUID", uuid="ml-test", interface_uuid="if-test2", mac_address=MAC
    )
    message = await vnet.refused("POST", "mac_leases", "ArgumentError", interface_uuid="if-test", mac_address=MAC)
    assert "ml-test" in message


async def test_an_interface_becomes_a_port_with_its_first_address(vnet: VnetApi) -> None:
    await mac_lease(vnet)
    made = await ip_lease(vnet, "il-lease", "192.168.1.10", mac_lease_uuid="ml-test", enable_routing=True)
    assert (made["interface_uuid"], made["mac_lease_uuid"], made["enable_routing"]) == ("if-test", "ml-test", True)
    assert (made["network_uuid"], made["ipv4_address"]) == ("nw-test", "192.168.1.10")
    assert await vnet.get("ip_leases/il-lease") == made
    assert await vnet.items("ip_leases") == [made]
    (port,) = vnet.db.ports.values()
    assert (port.mac_address, port.interface_name) == (MAC, "if-test")
    shown = await vnet.get("interfaces/if-test")
    assert (shown["network_uuid"], shown["ipv4_address"], shown["mac_address"]) == ("nw-test", "192.168.1.10", MAC)
    assert shown["mac_leases"][0]["ip_leases"] == [made]
    assert await vnet.delete("ip_leases/il-lease") == ["il-lease"]
    assert not vnet.db.ports
    assert (await vnet.get("interfaces/if-test"))["mac_address"] == MAC, "the interface and its MAC stay"


async def test_more_addresses_of_a_network_are_one_port_s_and_more_networks_and_macs_more_ports(vnet: VnetApi) -> None:
    await mac_lease(vnet)
    await mac_lease(vnet, "ml-more", mac=OTHER_MAC)
    await ip_lease(vnet, "il-a", "192.168.1.1", mac_lease_uuid="ml-test")
    await ip_lease(vnet, "il-b", "192.168.1.2", mac_lease_uuid="ml-test")
    await ip_lease(vnet, "il-c", "192.168.2.1", mac_lease_uuid="ml-test", network_uuid="nw-other")
    await ip_lease(vnet, "il-d", "192.168.1.3", mac_lease_uuid="ml-more")
    assert addresses(vnet) == {
        f"{MAC} 192.168.1.0/24": ["192.168.1.1", "192.168.1.2"],
        f"{MAC} 192.168.2.0/24": ["192.168.2.1"],
        f"{OTHER_MAC} 192.168.1.0/24": ["192.168.1.3"],
    }
    assert sorted(port.interface_name for port in vnet.db.ports.values()) == ["", "", "if-test"]
    assert await vnet.uuids("interfaces") == ["if-test", "if-test2"]
    shown = await vnet.get("interfaces/if-test")
    assert [lease["uuid"] for lease in shown["mac_leases"]] == ["ml-test", "ml-more"]
    assert [one["uuid"] for one in shown["ip_leases"]] == ["il-a", "il-b", "il-c", "il-d"]
    assert await vnet.uuids("mac_leases") == ["ml-test", "ml-more"]
    assert await vnet.uuids("ip_leases") == ["il-a", "il-b", "il-c", "il-d"]
    for uuid in ("il-a", "il-b"):
        await vnet.delete(f"ip_leases/{uuid}")
    assert addresses(vnet) == {
        f"{MAC} 192.168.2.0/24": ["192.168.2.1"],
        f"{OTHER_MAC} 192.168.1.0/24": ["192.168.1.3"],
    }
    assert await vnet.uuids("interfaces") == ["if-test", "if-test2"]
    assert await vnet.uuids("ip_leases") == ["il-c", "il-d"]
    await vnet.delete("mac_leases/ml-test")
    assert await vnet.uuids("ip_leases") == ["il-d"]
    assert (await vnet.get("interfaces/if-test"))["mac_address"] == OTHER_MAC
    await vnet.delete("interfaces/if-test")
    assert not vnet.db.ports
    assert await vnet.uuids("mac_leases") == await vnet.uuids("ip_leases") == []


@pytest.mark.parametrize(
    ("values", "name", "part"),
    [
        ({"network_uuid": None}, "MissingArgument", "network_uuid"),
        ({"ipv4_address": None}, "MissingArgument", "ipv4_address"),
        ({"ipv4_address": "nonsense"}, "ArgumentError", "nonsense"),
        ({"ipv4_address": "192.168.2.1"}, "ArgumentError", "IP Address 192.168.2.1 not in subnet 192.168.1.0/24."),
        ({"uuid": "faulty_uuid"}, "InvalidUUID", "faulty_uuid"),
        ({"network_uuid": "faulty_uuid"}, "InvalidUUID", "faulty_uuid"),
        ({"mac_lease_uuid": "faulty_uuid"}, "InvalidUUID", "faulty_uuid"),
        ({"interface_uuid": "faulty_uuid"}, "InvalidUUID", "faulty_uuid"),
        ({"network_uuid": "nw-nowhere"}, "UnknownUUIDResource", "nw-nowhere"),
        ({"mac_lease_uuid": "ml-nowhere"}, "UnknownUUIDResource", "ml-nowhere"),
        ({"interface_uuid": "if-nowhere"}, "UnknownUUIDResource", "if-nowhere"),
        ({"interface_uuid": "if-test2"}, "ArgumentError", "Could not find fitting interface or mac lease"),
        ({"interface_uuid": "if-test2", "mac_lease_uuid": "ml-test"}, "ArgumentError", "Could not find fitting"),
    ],
)
async def test_what_an_ip_lease_cannot_be(vnet: VnetApi, values: dict[str, Any], name: str, part: str) -> None:
    await mac_lease(vnet)
    given = {"uuid": "il-lease", "network_uuid": "nw-test", "ipv4_address": "192.168.1.10", **values}
    given = {key: value for key, value in given.items() if value is not None}
    assert part in await vnet.refused("POST", "ip_leases", name, **given)
    assert await vnet.uuids("ip_leases") == []
    assert not vnet.db.ports


async def test_an_interface_stands_for_its_first_mac_lease(vnet: VnetApi) -> None:
    await mac_lease(vnet)
    await mac_lease(vnet, "ml-more", mac=OTHER_MAC)
    made = await ip_lease(vnet, "il-lease", "192.168.1.10", interface_uuid="if-test")
    assert made["mac_lease_uuid"] == "ml-test"
    named = await ip_lease(vnet, "il-more", "192.168.1.11", interface_uuid="if-test", mac_lease_uuid="ml-more")
    assert named["mac_lease_uuid"] == "ml-more"


async def test_a_lease_of_nobody_is_attached_and_released_and_keeps_its_address(vnet: VnetApi) -> None:
    await mac_lease(vnet)
    free = await ip_lease(vnet, "il-free", "192.168.1.10")
    assert (free["interface_uuid"], free["mac_lease_uuid"], free["interface_id"]) == (None, None, None)
    assert not vnet.db.ports
    wanted = {"network_uuid": "nw-test", "ipv4_address": "192.168.1.10"}
    assert "il-free" in await vnet.refused("POST", "ip_leases", "ArgumentError", **wanted)
    assert "il-free" in await vnet.refused("POST", "ip_leases", "ArgumentError", **wanted, interface_uuid="if-test")
    assert "il-free" in await vnet.refused("POST", "interfaces", "ArgumentError", **wanted)
    attached = await vnet.put("ip_leases/il-free/attach", interface_uuid="if-test")
    assert (attached["interface_uuid"], attached["mac_lease_uuid"]) == ("if-test", "ml-test")
    assert addresses(vnet) == {f"{MAC} 192.168.1.0/24": ["192.168.1.10"]}
    message = await vnet.refused("PUT", "ip_leases/il-free/attach", "ArgumentError", mac_lease_uuid="ml-test")
    assert message.startswith("Already attached")
    assert (await vnet.put("ip_leases/il-free/release"))["interface_uuid"] is None
    assert not vnet.db.ports
    assert (await vnet.refused("PUT", "ip_leases/il-free/release", "ArgumentError")).startswith("Not attached")
    again = await vnet.put("ip_leases/il-free/attach", mac_lease_uuid="ml-test")
    assert again["ipv4_address"] == "192.168.1.10"
    await vnet.put("ip_leases/il-free/release")
    await vnet.delete("ip_leases/il-free")
    assert await vnet.uuids("ip_leases") == []


@pytest.mark.parametrize("action", ["attach", "release"])
async def test_what_is_attached_and_released_must_be_there(vnet: VnetApi, action: str) -> None:
    await ip_lease(vnet, "il-free", "192.168.1.10")
    await vnet.refused("PUT", f"ip_leases/il-nowhere/{action}", "UnknownUUIDResource", interface_uuid="if-test")
    await vnet.refused("PUT", f"ip_leases/nonsense/{action}", "InvalidUUID")
    if action == "attach":
        message = await vnet.refused("PUT", "ip_leases/il-free/attach", "ArgumentError")
        assert message.startswith("Need valid interface or mac lease")
        await vnet.refused("PUT", "ip_leases/il-free/attach", "UnknownUUIDResource", mac_lease_uuid="ml-nowhere")
        await vnet.refused("PUT", "ip_leases/il-free/attach", "ArgumentError", interface_uuid="if-test2")


async def test_nobody_s_lease_cannot_have_somebody_s_address(vnet: VnetApi) -> None:
    await mac_lease(vnet)
    await ip_lease(vnet, "il-a", "192.168.1.10", mac_lease_uuid="ml-test")
    message = await vnet.refused(
        "POST", "ip_leases", "ArgumentError", network_uuid="nw-test", ipv4_address="192.168.1.10"
    )
    assert "if-test" in message


async def test_an_ip_lease_changes_only_its_routing(vnet: VnetApi) -> None:
    await mac_lease(vnet)
    await ip_lease(vnet, "il-a", "192.168.1.10", mac_lease_uuid="ml-test")
    changed = await vnet.put("ip_leases/il-a", enable_routing=True)
    assert changed["enable_routing"] is True
    assert await vnet.get("ip_leases/il-a") == changed
    assert await vnet.put("ip_leases/il-a", ipv4_address="192.168.1.10", network_uuid="nw-test") == changed
    for values in ({"ipv4_address": "192.168.1.11"}, {"network_uuid": "nw-other"}):
        message = await vnet.refused("PUT", "ip_leases/il-a", "ArgumentError", **values)
        assert message.startswith("Unsupported update key")


async def test_a_mac_lease_moves_with_its_addresses_to_another_interface(vnet: VnetApi) -> None:
    await mac_lease(vnet)
    await ip_lease(vnet, "il-a", "192.168.1.10", mac_lease_uuid="ml-test")
    (port,) = vnet.db.ports.values()
    moved = await vnet.put("mac_leases/ml-test", interface_uuid="if-test2")
    assert (moved["interface_uuid"], moved["mac_address"]) == ("if-test2", MAC)
    assert (await vnet.get("ip_leases/il-a"))["interface_uuid"] == "if-test2"
    assert (await vnet.get("interfaces/if-test"))["mac_leases"] == []
    assert (await vnet.get("interfaces/if-test2"))["ipv4_address"] == "192.168.1.10"
    assert vnet.db.ports[port.id].interface_name == "if-test2", "it is the same port, by another name"
    await vnet.refused("PUT", "mac_leases/ml-test", "UnknownUUIDResource", interface_uuid="if-nowhere")
    await vnet.refused("PUT", "mac_leases/ml-test", "ArgumentError", mac_address=OTHER_MAC)
    await vnet.post("interfaces", uuid="if-sim", mode="simulated")
    await vnet.refused("PUT", "mac_leases/ml-test", "ArgumentError", interface_uuid="if-sim")
    assert (await vnet.put("mac_leases/ml-test"))["interface_uuid"] == "if-test2"


async def test_a_mac_lease_of_a_segment_is_on_its_wire(vnet: VnetApi) -> None:
    await vnet.post("segments", uuid="seg-a", mode="virtual")
    made = await vnet.post("mac_leases", uuid="ml-seg", interface_uuid="if-test", mac_address=MAC, segment_uuid="seg-a")
    assert made["segment_uuid"] == "seg-a"
    (port,) = vnet.db.ports.values()
    assert (port.mac_address, port.fixed_ips) == (MAC, ())
    await vnet.delete("mac_leases/ml-seg")
    assert not vnet.db.ports
    assert await vnet.uuids("mac_leases") == []


async def test_a_simulated_interface_has_a_router_for_each_of_its_networks(vnet: VnetApi) -> None:
    await vnet.post("interfaces", uuid="if-sim", mode="simulated")
    await mac_lease(vnet, "ml-sim", "if-sim")
    await ip_lease(vnet, "il-a", "192.168.1.1", interface_uuid="if-sim")
    await ip_lease(vnet, "il-b", "192.168.2.1", interface_uuid="if-sim", network_uuid="nw-other")
    assert len({port.device_id for port in vnet.db.ports.values()}) == len(vnet.db.routers) == 2, "nothing is routed"
    await vnet.delete("ip_leases/il-a")
    assert [port.device_id for port in vnet.db.ports.values()] == list(vnet.db.routers)
    await vnet.delete("mac_leases/ml-sim")
    assert not vnet.db.routers
    assert not vnet.db.ports
