"""Interfaces: rows until they have an address, then ports."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from patchbay.intent.database import Insert
from patchbay.model import Host
from patchbay.model.router import ROUTER_INTERFACE_DISTRIBUTED
from patchbay.service.vnet.bindings import Bindings
from tests.functional.vnet_api.vnet_world import VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

MODES = ["vif", "simulated", "host", "internal", "patch", "promiscuous", "remote", "edge"]
MAC, ADDRESS = "52:54:00:0d:84:01", "192.168.1.10"


async def interface(vnet: VnetApi, uuid: str = "if-test", **values: Any) -> dict[str, Any]:
    """A new interface in nw-test."""
    given = {"network_uuid": "nw-test", "ipv4_address": ADDRESS, "mac_address": MAC, **values}
    made: dict[str, Any] = await vnet.post("interfaces", uuid=uuid, **given)
    return made


@pytest.mark.parametrize("mode", MODES)
async def test_an_interface_shows_what_it_was_given(vnet: VnetApi, mode: str) -> None:
    network, datapath = await vnet.network(), await vnet.datapath()
    made = await interface(vnet, mode=mode, owner_datapath_uuid="dp-test", display_name="first")
    assert made["uuid"] == "if-test"
    assert (made["mode"], made["display_name"]) == (mode, "first")
    assert (made["network_uuid"], made["ipv4_address"], made["mac_address"]) == ("nw-test", ADDRESS, MAC)
    assert (made["owner_datapath_uuid"], made["owner_datapath_id"]) == ("dp-test", datapath["id"])
    assert (made["enable_filtering"], made["enable_routing"], made["enable_route_translation"]) == (False,) * 3
    (mac_lease,) = made["mac_leases"]
    assert (mac_lease["mac_address"], mac_lease["interface_id"]) == (MAC, made["id"])
    (ip_lease,) = mac_lease["ip_leases"]
    assert made["ip_leases"] == [ip_lease]
    assert (ip_lease["ipv4_address"], ip_lease["network_id"]) == (ADDRESS, network["id"])
    assert (ip_lease["mac_lease_id"], ip_lease["mac_lease_uuid"]) == (mac_lease["id"], mac_lease["uuid"])
    assert await vnet.get("interfaces/if-test") == made
    assert await vnet.items("interfaces") == [made]


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "simulated"])
async def test_an_interface_is_a_port_known_by_the_name_of_a_bridge_s_port(vnet: VnetApi, mode: str) -> None:
    await vnet.network()
    await interface(vnet, mode=mode, display_name="first")
    (port,) = vnet.db.ports.values()
    assert (port.name, port.mac_address, port.interface_name) == ("first", MAC, "if-test")
    assert [ip.ip_address for ip in port.fixed_ips] == [ADDRESS]
    assert (port.device_owner, port.host) == ("", "")
    assert not vnet.db.routers


async def test_a_simulated_interface_is_a_port_of_a_distributed_router_of_its_own(vnet: VnetApi) -> None:
    await vnet.network()
    await interface(vnet, mode="simulated")
    (port,) = vnet.db.ports.values()
    (router,) = vnet.db.routers.values()
    assert (port.device_owner, port.device_id, port.host) == (ROUTER_INTERFACE_DISTRIBUTED, router.id, "")
    assert (port.mac_address, port.interface_name) == (MAC, "")
    assert (router.name, router.distributed) == ("if-test", True)
    assert await vnet.uuids("route_links") == [], "a router of one interface is no route link"
    await vnet.delete("interfaces/if-test")
    assert not (vnet.db.ports)
    assert not (vnet.db.routers)


async def test_an_interface_without_addresses_is_a_row_only(vnet: VnetApi) -> None:
    made = await vnet.post("interfaces", mode="vif")
    assert (made["mode"], made["mac_leases"], made["ip_leases"]) == ("vif", [], [])
    assert (made["network_uuid"], made["ipv4_address"], made["mac_address"]) == (None, None, None)
    assert not vnet.db.ports
    named = await vnet.post("interfaces", uuid="if-b", mac_address=MAC)
    assert named["mac_address"] == MAC
    assert [lease["mac_address"] for lease in named["mac_leases"]] == [MAC]
    assert not vnet.db.ports
    assert await vnet.uuids("interfaces") == [made["uuid"], "if-b"]
    await vnet.delete("interfaces/if-b")
    await vnet.delete(f"interfaces/{made['uuid']}")
    assert not vnet.db.vnet_objects


async def test_the_mode_is_vif_unless_said_as_in_2013(vnet: VnetApi) -> None:
    await vnet.network()
    assert (await interface(vnet))["mode"] == "vif"


async def test_a_network_without_address_makes_a_port_without_one(vnet: VnetApi) -> None:
    await vnet.network()
    made = await vnet.post("interfaces", uuid="if-a", network_uuid="nw-test")
    assert (made["network_uuid"], made["ipv4_address"], made["ip_leases"]) == ("nw-test", None, [])
    (port,) = vnet.db.ports.values()
    assert port.fixed_ips == ()
    assert made["mac_address"] == port.mac_address


async def test_an_address_without_mac_gets_one(vnet: VnetApi) -> None:
    await vnet.network()
    made = await vnet.post("interfaces", network_uuid="nw-test", ipv4_address=ADDRESS)
    (port,) = vnet.db.ports.values()
    assert made["mac_address"] == port.mac_address
    assert made["ipv4_address"] == ADDRESS
    assert len(made["mac_leases"]) == 1


async def test_a_mac_comes_from_a_range_group(vnet: VnetApi) -> None:
    await vnet.network()
    await vnet.post("mac_range_groups", uuid="mrg-a")
    await vnet.post(
        "mac_range_groups/mrg-a/mac_ranges",
        begin_mac_address="52:54:00:00:00:05",
        end_mac_address="52:54:00:00:00:06",
    )
    for number in (1, 2):
        made = await vnet.post(
            "interfaces", network_uuid="nw-test", ipv4_address=f"192.168.1.{number}", mac_range_group_uuid="mrg-a"
        )
        assert made["mac_address"] in {"52:54:00:00:00:05", "52:54:00:00:00:06"}
    assert len({port.mac_address for port in vnet.db.ports.values()}) == 2
    assert "mrg-a" in await vnet.refused("POST", "interfaces", "ArgumentError", mac_range_group_uuid="mrg-a")


@pytest.mark.parametrize(
    ("values", "name", "part"),
    [
        ({"mac_address": "i am not a mac address"}, "ArgumentError", "Could not parse MAC address"),
        ({"ipv4_address": "i am not an ip address"}, "ArgumentError", "Could not parse IPv4 address"),
        ({"ipv4_address": "192.168.2.10"}, "ArgumentError", "IP Address 192.168.2.10 not in subnet 192.168.1.0/24."),
        ({"ipv4_address": "192.168.1.255"}, "ArgumentError", "192.168.1.255"),
        ({"mode": "imaginary"}, "ArgumentError", ":mode"),
        ({"enable_routing": "maybe"}, "ArgumentError", ":enable_routing"),
        ({"uuid": "faulty_uuid"}, "InvalidUUID", "faulty_uuid"),
        ({"network_uuid": "faulty_uuid"}, "InvalidUUID", "faulty_uuid"),
        ({"owner_datapath_uuid": "faulty_uuid"}, "InvalidUUID", "faulty_uuid"),
        ({"segment_uuid": "faulty_uuid"}, "InvalidUUID", "faulty_uuid"),
        ({"network_uuid": "nw-nowhere"}, "UnknownUUIDResource", "Network#network_uuid: nw-nowhere"),
        ({"owner_datapath_uuid": "dp-nowhere"}, "UnknownUUIDResource", "dp-nowhere"),
        ({"segment_uuid": "seg-nowhere"}, "UnknownUUIDResource", "seg-nowhere"),
        ({"mac_range_group_uuid": "mrg-nowhere"}, "UnknownUUIDResource", "mrg-nowhere"),
    ],
)
async def test_what_an_interface_cannot_be(vnet: VnetApi, values: dict[str, Any], name: str, part: str) -> None:
    await vnet.network()
    given = {"network_uuid": "nw-test", "ipv4_address": ADDRESS, **values}
    assert part in await vnet.refused("POST", "interfaces", name, **given)
    assert not vnet.db.ports
    assert await vnet.uuids("interfaces") == []


async def test_addresses_macs_and_names_of_ports_are_one_interface_s(vnet: VnetApi) -> None:
    await vnet.network()
    await interface(vnet)
    other = {"network_uuid": "nw-test", "ipv4_address": "192.168.1.11", "mac_address": "52:54:00:0d:84:02"}
    assert ADDRESS in await vnet.refused("POST", "interfaces", "ArgumentError", **{**other, "ipv4_address": ADDRESS})
    message = await vnet.refused("POST", "interfaces", "ArgumentError", **{**other, "mac_address": MAC})
    assert MAC in message
    assert "if-test" in message
    message = await vnet.refused("POST", "interfaces", "ArgumentError", **other, port_name="if-test")
    assert "port_name if-test" in message
    await vnet.refused("POST", "interfaces", "DuplicateUUID", uuid="if-test")
    assert len(vnet.db.ports) == 1
    await vnet.network("nw-other")
    await vnet.post("interfaces", **{**other, "network_uuid": "nw-other", "mac_address": MAC, "ipv4_address": ADDRESS})


def host_with(*dpids: int, name: str = "vnet3") -> Host:
    """A host that has the bridges of these numbers."""
    return Host(id=str(uuid5(NAMESPACE_URL, name)), name=name, datapaths={f"{dpid:016x}": "br0" for dpid in dpids})


def bound(vnet: VnetApi) -> dict[str, tuple[str, str]]:
    """The name of the bridge's port and the host of each interface's port, by MAC."""
    return {port.mac_address[-2:]: (port.interface_name, port.host) for port in vnet.db.ports.values()}


async def until(vnet: VnetApi, condition: Callable[[], bool], what: str) -> None:
    """Returns when the condition holds of the database."""
    changed = asyncio.Event()
    vnet.db.subscribe(lambda _changes: changed.set())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10):
            while not condition():
                await changed.wait()
                changed.clear()
    assert condition(), what


async def test_an_interface_is_bound_to_the_host_of_its_datapath(vnet: VnetApi) -> None:
    await vnet.network()
    await vnet.datapath("dp-here", "0xa1")
    await vnet.datapath("dp-there", "0xa2")
    await vnet.db.transact(Insert(host_with(0xA1)))
    await interface(vnet, "if-a", owner_datapath_uuid="dp-here", port_name="veth")
    other = {"ipv4_address": "192.168.1.2", "mac_address": "52:54:00:0d:84:02", "port_name": "other"}
    await interface(vnet, "if-b", owner_datapath_uuid="dp-there", **other)
    assert bound(vnet) == {"01": ("veth", "vnet3"), "02": ("", "")}, "nobody knows where dp-there is"
    moved = await vnet.put("interfaces/if-b", owner_datapath_uuid="dp-here")
    assert moved["owner_datapath_uuid"] == "dp-here"
    assert bound(vnet) == {"01": ("veth", "vnet3"), "02": ("other", "vnet3")}
    await vnet.put("interfaces/if-b", owner_datapath_uuid="dp-there")
    assert bound(vnet)["02"] == ("", "")


async def test_a_port_s_name_is_one_interface_s_on_each_datapath(vnet: VnetApi) -> None:
    await vnet.network()
    await vnet.datapath("dp-a", "0xa1")
    await vnet.datapath("dp-b", "0xa2")
    other = {"ipv4_address": "192.168.1.2", "mac_address": "52:54:00:0d:84:02", "port_name": "eth1"}
    await interface(vnet, "if-a", owner_datapath_uuid="dp-a", port_name="eth1")
    message = await vnet.refused(
        "POST", "interfaces", "ArgumentError", network_uuid="nw-test", owner_datapath_uuid="dp-a", **other
    )
    assert "if-a" in message
    await interface(vnet, "if-b", owner_datapath_uuid="dp-b", **other)
    await vnet.db.transact(Insert(host_with(0xA1, name="h1")), Insert(host_with(0xA2, name="h2")))
    following = asyncio.create_task(Bindings(vnet.service).run())
    await until(vnet, lambda: bound(vnet) == {"01": ("eth1", "h1"), "02": ("eth1", "h2")}, "both are bound")
    following.cancel()


@pytest.mark.parametrize("last", ["host", "datapath", "interface"])
async def test_whatever_comes_last_the_interface_is_bound(vnet: VnetApi, last: str) -> None:
    following = asyncio.create_task(Bindings(vnet.service).run())
    await vnet.network()
    await vnet.datapath("dp-a", "0xa1" if last != "datapath" else "0xa9")
    if last != "host":
        await vnet.db.transact(Insert(host_with(0xA1)))
    await interface(vnet, owner_datapath_uuid="dp-a")
    if last == "host":
        await vnet.db.transact(Insert(host_with(0xA1)))
    if last == "datapath":
        await vnet.put("datapaths/dp-a", dpid="0xa1")
    await until(vnet, lambda: bound(vnet) == {"01": ("if-test", "vnet3")}, f"bound after the {last}")
    following.cancel()


async def test_an_interface_changes_its_name_and_flags(vnet: VnetApi) -> None:
    await vnet.network()
    await interface(vnet)
    values = {"enable_filtering": True, "enable_routing": True, "enable_route_translation": True}
    changed = await vnet.put("interfaces/if-test", display_name="updated", **values)
    assert changed.items() >= {"display_name": "updated", **values}.items()
    assert [port.name for port in vnet.db.ports.values()] == ["updated"]
    assert await vnet.get("interfaces/if-test") == changed
    row = await vnet.post("interfaces", uuid="if-row")
    assert (await vnet.put("interfaces/if-row", display_name="row"))["display_name"] == "row"
    assert row["display_name"] is None
    await vnet.refused("PUT", "interfaces/if-nowhere", "UnknownUUIDResource")
    await vnet.refused("PUT", "interfaces/nonsense", "InvalidUUID")
    await vnet.refused("PUT", "interfaces/if-test", "UnknownUUIDResource", owner_datapath_uuid="dp-nowhere")


async def test_a_deleted_interface_takes_its_leases_along(vnet: VnetApi) -> None:
    await vnet.network()
    for _ in range(2):
        await interface(vnet)
        assert await vnet.delete("interfaces/if-test") == ["if-test"]
        for path in ("interfaces", "mac_leases", "ip_leases"):
            assert await vnet.uuids(path) == []
    assert {row.kind for row in vnet.db.vnet_objects.values()} == {"network"}


async def test_ports_of_bridges_are_an_interface_s_by_name(vnet: VnetApi) -> None:
    await vnet.network()
    datapath, made = await vnet.datapath(), await interface(vnet)
    await vnet.db.transact(Insert(host_with(0xAAAAAAAAAAAA)))
    (given,) = await vnet.items("interfaces/if-test/ports")
    assert (given["port_name"], given["datapath_uuid"], given["singular"]) == (None, None, None)
    port = await vnet.post("interfaces/if-test/ports", datapath_uuid="dp-test", port_name="vif-foo", singular=True)
    assert (port["port_name"], port["datapath_id"], port["singular"]) == ("vif-foo", datapath["id"], True)
    assert (port["interface_id"], port["interface_mode"]) == (made["id"], "vif")
    assert await vnet.items("interfaces/if-test/ports") == [port]
    assert [one.interface_name for one in vnet.db.ports.values()] == ["vif-foo"]
    assert await vnet.delete("interfaces/if-test/ports", port_name="vif-bar") == []
    assert await vnet.delete("interfaces/if-test/ports", port_name="vif-foo") == [port]
    assert await vnet.items("interfaces/if-test/ports") == []
    assert [one.interface_name for one in vnet.db.ports.values()] == [""], "no port of a bridge is its own now"


async def test_ports_of_bridges_need_their_interface_and_datapath(vnet: VnetApi) -> None:
    await vnet.post("interfaces", uuid="if-test")
    for method in ("POST", "GET", "DELETE"):
        await vnet.refused(method, "interfaces/if-nowhere/ports", "UnknownUUIDResource")
        await vnet.refused(method, "interfaces/nonsense/ports", "InvalidUUID")
    for method in ("POST", "DELETE"):
        await vnet.refused(method, "interfaces/if-test/ports", "UnknownUUIDResource", datapath_uuid="dp-nowhere")
        await vnet.refused(method, "interfaces/if-test/ports", "InvalidUUID", datapath_uuid="nonsense")


async def test_a_segment_puts_an_interface_on_its_wire_without_an_address(vnet: VnetApi) -> None:
    await vnet.post("segments", uuid="seg-a", mode="virtual")
    await vnet.post("segments", uuid="seg-b", mode="virtual")
    await vnet.network("nw-a", "10.0.1.0", segment_uuid="seg-a")
    made = await vnet.post("interfaces", uuid="if-a", segment_uuid="seg-a", mac_address=MAC)
    assert made["mac_leases"][0]["segment_uuid"] == "seg-a"
    (port,) = vnet.db.ports.values()
    assert port.fixed_ips == ()
    await vnet.post("ip_leases", uuid="il-a", interface_uuid="if-a", network_uuid="nw-a", ipv4_address="10.0.1.5")
    assert [ip.ip_address for ip in vnet.db.ports[port.id].fixed_ips] == ["10.0.1.5"]
    await vnet.delete("ip_leases/il-a")
    assert vnet.db.ports[port.id].fixed_ips == (), "the wire stays"
    await vnet.refused("POST", "interfaces", "InvalidID", segment_uuid="seg-b", network_uuid="nw-a")


KINDS = {
    "networks": ("nw-other", {"ipv4_network": "10.0.0.0"}),
    "segments": ("seg-other", {"mode": "virtual"}),
    "route_links": ("rl-other", {}),
}


@pytest.mark.parametrize("other", KINDS)
async def test_relations_are_static_when_said(vnet: VnetApi, other: str) -> None:
    uuid, values = KINDS[other]
    await vnet.post(other, uuid=uuid, **values)  # type: ignore[arg-type]
    made = await vnet.post("interfaces", uuid="if-test")
    path, member = f"interfaces/if-test/{other}/{uuid}", other.removesuffix("s")
    assert await vnet.put(path) == {}
    shown = await vnet.put(path, static=True)
    assert (shown["static"], shown["interface_id"], shown[f"{member}_uuid"]) == (True, made["id"], uuid)
    assert await vnet.put(path, static=True) == shown
    assert await vnet.items(f"interfaces/if-test/{other}") == [shown]
    assert (await vnet.put(path, static=False))["static"] is False
    assert await vnet.items(f"interfaces/if-test/{other}") == []
    await vnet.refused("PUT", path, "UnknownResource", static=False)
    await vnet.refused("PUT", path, "ArgumentError", static="perhaps")
    prefix = uuid.partition("-")[0]
    await vnet.refused("PUT", f"interfaces/if-test/{other}/{prefix}-nowhere", "UnknownUUIDResource")
    await vnet.refused("PUT", f"interfaces/if-test/{other}/nonsense", "InvalidUUID")
    await vnet.refused("PUT", f"interfaces/if-nowhere/{other}/{uuid}", "UnknownUUIDResource")
    await vnet.refused("PUT", f"interfaces/nonsense/{other}/{uuid}", "InvalidUUID")


async def test_relations_follow_from_addresses(vnet: VnetApi) -> None:
    await vnet.post("segments", uuid="seg-a", mode="virtual")
    await vnet.network("nw-test", segment_uuid="seg-a")
    await interface(vnet)
    for other, uuid in (("networks", "nw-test"), ("segments", "seg-a")):
        (shown,) = await vnet.items(f"interfaces/if-test/{other}")
        assert (shown[f"{other.removesuffix('s')}_uuid"], shown["static"]) == (uuid, False)
        assert (await vnet.put(f"interfaces/if-test/{other}/{uuid}", static=True))["static"] is True
        assert [one["static"] for one in await vnet.items(f"interfaces/if-test/{other}")] == [True]
        assert (await vnet.put(f"interfaces/if-test/{other}/{uuid}", static=False))["static"] is False
        assert [one["static"] for one in await vnet.items(f"interfaces/if-test/{other}")] == [False]
