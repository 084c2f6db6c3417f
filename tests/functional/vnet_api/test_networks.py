"""Networks and segments, and what they are in the model."""

import pytest

from patchbay.intent.database import Insert
from patchbay.model import Host
from patchbay.model.network import FLAT, VXLAN
from patchbay.service.settings import NetworkSettings
from tests.functional.vnet_api.vnet_world import VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

GIVEN = {
    "uuid": "nw-test",
    "display_name": "our test network",
    "ipv4_network": "192.168.2.0",
    "ipv4_prefix": 24,
    "domain_name": "vdc.test.domain",
    "mode": "virtual",
}


async def test_a_network_shows_what_it_was_given(vnet: VnetApi) -> None:
    await vnet.post("topologies", uuid="topo-test", mode="simple_underlay")
    made = await vnet.post("networks", **GIVEN, topology_uuid="topo-test")
    assert made.items() >= GIVEN.items()
    assert made["network_mode"] == "virtual"
    assert made["segment_uuid"] is None
    assert await vnet.get("networks/nw-test") == made
    assert await vnet.items("networks") == [made]
    assert [one["network_uuid"] for one in await vnet.items("topologies/topo-test/networks")] == ["nw-test"]


async def test_a_network_is_a_vxlan_network_with_a_subnet_and_nothing_more(vnet: VnetApi) -> None:
    await vnet.post("networks", **GIVEN)
    (network,) = vnet.db.networks.values()
    (subnet,) = vnet.db.subnets.values()
    assert (network.name, network.network_type, network.dns_domain) == ("our test network", VXLAN, "vdc.test.domain.")
    assert (subnet.network_id, subnet.cidr, subnet.gateway_ip, subnet.enable_dhcp) == (
        network.id,
        "192.168.2.0/24",
        None,
        False,
    )
    assert not vnet.db.ports


async def test_only_the_address_is_required(vnet: VnetApi) -> None:
    made = await vnet.post("networks", ipv4_network="10.0.0.0")
    assert made["ipv4_prefix"] == 24
    assert made["mode"] == "virtual"
    assert made["display_name"] is None
    assert made["domain_name"] == made["uuid"].removeprefix("nw-"), "as OpenVNet: the uuid's own part"
    assert len(made["uuid"]) == len("nw-") + 8
    assert "ipv4_network" in await vnet.refused("POST", "networks", "MissingArgument")


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"ipv4_network": "not an address"}, "ArgumentError"),
        ({"ipv4_network": "10.0.0.0/24"}, "ArgumentError"),
        ({"ipv4_network": "2001:db8::"}, "ArgumentError"),
        ({"ipv4_prefix": 0}, "ArgumentError"),
        ({"ipv4_prefix": 33}, "ArgumentError"),
        ({"ipv4_prefix": "many"}, "ArgumentError"),
        ({"mode": "imaginary"}, "ArgumentError"),
        ({"network_mode": "imaginary"}, "ArgumentError"),
        ({"uuid": "nonsense"}, "InvalidUUID"),
        ({"segment_uuid": "nonsense"}, "InvalidUUID"),
        ({"segment_uuid": "seg-nowhere"}, "UnknownUUIDResource"),
        ({"topology_uuid": "topo-nowhere"}, "UnknownUUIDResource"),
    ],
)
async def test_what_a_network_cannot_be(vnet: VnetApi, values: dict[str, object], name: str) -> None:
    given = {**GIVEN, **values}
    await vnet.refused("POST", "networks", name, **given)
    assert not vnet.db.networks
    assert not vnet.db.vnet_objects


@pytest.mark.parametrize("prefix", [1, 8, 30, 31, 32])
async def test_prefixes_of_any_length(vnet: VnetApi, prefix: int) -> None:
    made = await vnet.post("networks", ipv4_network="128.0.0.0", ipv4_prefix=prefix)
    assert (made["ipv4_network"], made["ipv4_prefix"]) == ("128.0.0.0", prefix)


async def test_two_networks_may_have_the_same_addresses(vnet: VnetApi) -> None:
    await vnet.network("nw-net1", "172.16.1.0", domain_name="dom1")
    await vnet.network("nw-net3", "172.16.1.0", domain_name="dom2")
    assert len({network.segmentation_id for network in vnet.db.networks.values()}) == 2


async def test_a_network_changes_its_names_and_nothing_else(vnet: VnetApi) -> None:
    await vnet.post("networks", **GIVEN)
    changed = await vnet.put("networks/nw-test", display_name="new", domain_name="new.vdc.test.domain")
    assert (changed["display_name"], changed["domain_name"]) == ("new", "new.vdc.test.domain")
    assert await vnet.get("networks/nw-test") == changed
    assert (await vnet.put("networks/nw-test", ipv4_network="192.168.2.0", ipv4_prefix=24)) == changed
    for values in ({"ipv4_network": "192.168.3.0"}, {"ipv4_prefix": 25}, {"network_mode": "physical"}):
        message = await vnet.refused("PUT", "networks/nw-test", "ArgumentError", **values)
        assert "Unsupported update key" in message
    await vnet.refused("PUT", "networks/nw-nowhere", "UnknownUUIDResource", display_name="x")


async def test_a_deleted_network_is_gone_with_its_subnet(vnet: VnetApi) -> None:
    for _ in range(2):
        await vnet.post("networks", **GIVEN)
        assert await vnet.delete("networks/nw-test") == ["nw-test"]
        assert not (vnet.db.networks)
        assert not (vnet.db.subnets)
        assert not (vnet.db.vnet_objects)
    await vnet.refused("DELETE", "networks/nw-test", "UnknownUUIDResource")


async def test_a_network_in_use_stays(vnet: VnetApi) -> None:
    await vnet.post("networks", **GIVEN)
    await vnet.post("interfaces", uuid="if-a", network_uuid="nw-test", ipv4_address="192.168.2.1")
    message = await vnet.refused("DELETE", "networks/nw-test", "DeleteRestrictionError")
    assert message.startswith("cannot delete network(id: ")
    assert "nw-test" in message
    await vnet.delete("interfaces/if-a")
    await vnet.delete("networks/nw-test")


async def test_physical_networks_share_the_wire_of_one_physical_network(vnet: VnetApi) -> None:
    first = await vnet.network("nw-a", "10.0.1.0", mode="physical", display_name="a", domain_name="a.test")
    assert first["mode"] == "physical"
    assert first["segment_uuid"] is None
    await vnet.network("nw-b", "10.0.2.0", network_mode="physical", display_name="b", domain_name="b.test")
    (network,) = vnet.db.networks.values()
    assert (network.network_type, network.physical_network) == (FLAT, "public")
    assert [subnet.network_id for subnet in vnet.db.subnets.values()] == [network.id] * 2
    shown = {one["uuid"]: one for one in await vnet.items("networks")}
    assert {uuid: one["display_name"] for uuid, one in shown.items()} == {"nw-a": "a", "nw-b": "b"}
    assert {uuid: one["domain_name"] for uuid, one in shown.items()} == {"nw-a": "a.test", "nw-b": "b.test"}
    assert await vnet.uuids("segments") == [shown["nw-a"]["segment_uuid"]] == [shown["nw-b"]["segment_uuid"]]
    message = await vnet.refused("POST", "networks", "ArgumentError", ipv4_network="10.0.1.0", mode="physical")
    assert "10.0.1.0/24" in message
    await vnet.delete("networks/nw-a")
    assert await vnet.uuids("networks") == ["nw-b"]
    await vnet.delete("networks/nw-b")
    assert not vnet.db.networks


async def test_the_physical_network_is_the_setting_or_the_first_that_a_host_has(vnet: VnetApi) -> None:
    mappings = {"zone2": "br-ex2", "zone1": "br-ex1"}
    await vnet.db.transact(Insert(Host(id="00000000-0000-4000-8000-000000000001", name="h", bridge_mappings=mappings)))
    await vnet.network("nw-a", "10.0.1.0", mode="physical")
    told = VnetApi(vnet.db, NetworkSettings(vnet_physical_network="zone9"))
    await told.network("nw-b", "10.0.1.0", mode="physical")
    await told.close()
    assert {network.physical_network for network in vnet.db.networks.values()} == {"zone1", "zone9"}


async def test_a_segment_is_a_network_without_subnets(vnet: VnetApi) -> None:
    await vnet.post("topologies", uuid="topo-test", mode="simple_underlay")
    made = await vnet.post("segments", uuid="seg-test", mode="virtual", topology_uuid="topo-test")
    assert (made["uuid"], made["mode"], made["class_name"]) == ("seg-test", "virtual", "Segment")
    assert await vnet.get("segments/seg-test") == made
    assert await vnet.items("segments") == [made]
    assert await vnet.uuids("networks") == []
    assert [one["segment_uuid"] for one in await vnet.items("topologies/topo-test/segments")] == ["seg-test"]
    (network,) = vnet.db.networks.values()
    assert network.network_type == VXLAN
    assert await vnet.delete("segments/seg-test") == ["seg-test"]
    assert not vnet.db.networks


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({}, "MissingArgument"),
        ({"mode": "klein soldaatje, groot soldaatje"}, "ArgumentError"),
        ({"mode": "internal"}, "ArgumentError"),
        ({"mode": "virtual", "uuid": "nonsense"}, "InvalidUUID"),
        ({"mode": "virtual", "topology_uuid": "topo-nowhere"}, "UnknownUUIDResource"),
    ],
)
async def test_what_a_segment_cannot_be(vnet: VnetApi, values: dict[str, object], name: str) -> None:
    await vnet.refused("POST", "segments", name, **values)
    assert not vnet.db.networks


async def test_networks_of_a_segment_are_on_one_wire_and_go_with_it(vnet: VnetApi) -> None:
    segment = await vnet.post("segments", uuid="seg-a", mode="virtual")
    for uuid, address in (("nw-a", "10.0.1.0"), ("nw-b", "10.0.2.0")):
        made = await vnet.network(uuid, address, segment_uuid="seg-a", display_name=uuid)
        assert (made["segment_uuid"], made["segment_id"], made["display_name"]) == ("seg-a", segment["id"], uuid)
    assert len(vnet.db.networks) == 1
    await vnet.refused("POST", "networks", "ArgumentError", ipv4_network="10.0.1.0", segment_uuid="seg-a")
    await vnet.delete("networks/nw-a")
    assert await vnet.uuids("segments") == ["seg-a"]
    interface = await vnet.post("interfaces", network_uuid="nw-b", ipv4_address="10.0.2.1")
    assert "seg-a" in await vnet.refused("DELETE", "segments/seg-a", "DeleteRestrictionError")
    await vnet.delete(f"interfaces/{interface['uuid']}")
    await vnet.delete("segments/seg-a")
    assert await vnet.uuids("networks") == []
    assert not (vnet.db.networks)
    assert not (vnet.db.subnets)
    assert not (vnet.db.vnet_objects)


async def test_a_physical_network_has_one_untagged_segment(vnet: VnetApi) -> None:
    await vnet.post("segments", uuid="seg-a", mode="physical")
    assert "seg-a" in await vnet.refused("POST", "segments", "ArgumentError", mode="physical")
    made = await vnet.network("nw-a", "10.0.1.0", mode="physical")
    assert made["segment_uuid"] == "seg-a"
