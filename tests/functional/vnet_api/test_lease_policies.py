"""Lease policies hand out addresses of ranges, to interfaces and to nobody yet; containers hold what they made."""

import asyncio
import datetime
from typing import Any

import msgspec
import pytest

from patchbay.intent.database import Update
from patchbay.service.access import timestamp
from patchbay.service.vnet.objects import changed, data_of
from tests.functional.vnet_api.vnet_world import ALWAYS, Object, VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def policy(vnet: VnetApi, allocation_type: str = "incremental", first: int = 5, last: int = 8) -> None:
    """A policy lp-one for addresses ``first`` to ``last`` of 172.16.1.0/24."""
    await vnet.network("nw-net1", "172.16.1.0")
    await vnet.post("ip_range_groups", uuid="iprg-one", allocation_type=allocation_type)
    await vnet.post(
        "ip_range_groups/iprg-one/ip_ranges",
        begin_ipv4_address=f"172.16.1.{first}",
        end_ipv4_address=f"172.16.1.{last}",
    )
    await vnet.post("lease_policies", uuid="lp-one")
    await vnet.post("lease_policies/lp-one/networks/nw-net1", ip_range_group_uuid="iprg-one")


async def lease(vnet: VnetApi, **values: Any) -> Object:
    """A lease of nobody that the policy hands out."""
    made: Object = await vnet.post("lease_policies/lp-one/ip_leases", **values)
    return made


async def test_a_policy_is_simple_and_immediate_unless_it_says_otherwise(vnet: VnetApi) -> None:
    made = await vnet.post("lease_policies", uuid="lp-one")
    assert set(made) >= ALWAYS
    assert (made["mode"], made["timing"]) == ("simple", "immediate")
    made = await vnet.post("lease_policies", uuid="lp-two", mode="simple", timing="dhcp")
    assert (made["mode"], made["timing"]) == ("simple", "dhcp")
    assert (await vnet.put("lease_policies/lp-one", timing="dhcp"))["timing"] == "dhcp"
    assert (await vnet.put("lease_policies/lp-one"))["timing"] == "immediate", "OpenVNet's default, for changes too"
    assert "mode" in await vnet.refused("POST", "lease_policies", "ArgumentError", mode="complex")
    assert "timing" in await vnet.refused("POST", "lease_policies", "ArgumentError", timing="never")
    assert "timing" in await vnet.refused("PUT", "lease_policies/lp-one", "ArgumentError", timing="never")


@pytest.mark.parametrize(
    ("allocation_type", "addresses"), [("incremental", [5, 6, 7, 8]), ("decremental", [8, 7, 6, 5])]
)
async def test_addresses_are_handed_out_in_order_until_there_are_no_more(
    vnet: VnetApi, allocation_type: str, addresses: list[int]
) -> None:
    await policy(vnet, allocation_type)
    given = [(await lease(vnet))["ipv4_address"] for _ in addresses]
    assert given == [f"172.16.1.{number}" for number in addresses]
    message = await vnet.refused("POST", "lease_policies/lp-one/ip_leases", "ArgumentError")
    assert "Run out of dynamic IP addresses" in message
    assert "nw-net1" in message
    await vnet.delete(f"ip_leases/{(await vnet.uuids('ip_leases'))[1]}")
    assert (await lease(vnet))["ipv4_address"] == given[1]


async def test_random_addresses_are_all_of_the_range(vnet: VnetApi) -> None:
    await policy(vnet, "random")
    given = [(await lease(vnet))["ipv4_address"] for _ in range(4)]
    assert sorted(given) == [f"172.16.1.{number}" for number in (5, 6, 7, 8)]


async def test_a_lease_is_shown_and_may_be_named(vnet: VnetApi) -> None:
    await policy(vnet)
    made = await lease(vnet, ip_lease_uuid="il-new")
    assert (made["uuid"], made["network_uuid"], made["interface_uuid"]) == ("il-new", "nw-net1", None)
    assert await vnet.get("ip_leases/il-new") == made
    path = "lease_policies/lp-one/ip_leases"
    assert "il-new" in await vnet.refused("POST", path, "DuplicateUUID", ip_lease_uuid="il-new")
    assert "faulty" in await vnet.refused("POST", path, "InvalidUUID", ip_lease_uuid="faulty")
    await vnet.refused("POST", "lease_policies/lp-none/ip_leases", "UnknownUUIDResource")
    await vnet.refused("POST", "lease_policies/nothing/ip_leases", "InvalidUUID")


async def test_addresses_in_use_are_not_handed_out(vnet: VnetApi) -> None:
    await policy(vnet, first=0, last=255)
    await vnet.post("interfaces", uuid="if-1", mode="vif", network_uuid="nw-net1", ipv4_address="172.16.1.1")
    await vnet.post("ip_leases", network_uuid="nw-net1", ipv4_address="172.16.1.2")
    assert (await lease(vnet))["ipv4_address"] == "172.16.1.3", "0 is the network's own"
    [network] = await vnet.neutron("GET", "/networks")
    [subnet] = await vnet.neutron("GET", "/subnets")
    fixed_ips = [{"subnet_id": subnet["id"], "ip_address": "172.16.1.4"}]
    await vnet.neutron("POST", "/ports", {"port": {"network_id": network["id"], "fixed_ips": fixed_ips}})
    assert (await lease(vnet))["ipv4_address"] == "172.16.1.5"


async def test_the_next_network_is_used_when_the_first_has_no_more(vnet: VnetApi) -> None:
    await policy(vnet, first=5, last=5)
    await vnet.network("nw-net2", "172.16.2.0")
    await vnet.post("ip_range_groups", uuid="iprg-two")
    ends = {"begin_ipv4_address": "172.16.2.9", "end_ipv4_address": "172.16.2.9"}
    await vnet.post("ip_range_groups/iprg-two/ip_ranges", **ends)
    await vnet.post("lease_policies/lp-one/networks/nw-net2", ip_range_group_uuid="iprg-two")
    assert [(await lease(vnet))["ipv4_address"] for _ in range(2)] == ["172.16.1.5", "172.16.2.9"]


async def test_requests_at_once_get_different_addresses(vnet: VnetApi) -> None:
    await policy(vnet, first=1, last=9)
    made = await asyncio.gather(*(lease(vnet) for _ in range(9)))
    assert len({one["ipv4_address"] for one in made}) == 9


async def test_an_interface_that_joins_gets_an_address(vnet: VnetApi) -> None:
    await policy(vnet)
    await vnet.post("interfaces", uuid="if-1", mode="vif", mac_address="52:54:00:00:00:01")
    path = "lease_policies/lp-one/interfaces"
    assert await vnet.post(f"{path}/if-1", label="foo") == {"uuid": "lp-one"}
    assert (await vnet.get("interfaces/if-1"))["ipv4_address"] == "172.16.1.5"
    [port] = await vnet.neutron("GET", "/ports")
    assert [ip["ip_address"] for ip in port["fixed_ips"]] == ["172.16.1.5"]
    assert await vnet.uuids(path) == ["if-1"]
    await vnet.refused("POST", f"{path}/if-1", "RelationAlreadyExists")
    assert await vnet.delete(f"{path}/if-1") == {"uuid": "lp-one"}
    assert await vnet.delete(f"{path}/if-1") == {"uuid": "lp-one"}
    assert await vnet.uuids(path) == []
    assert (await vnet.get("interfaces/if-1"))["ipv4_address"] == "172.16.1.5", "the lease stays"
    await vnet.post(f"{path}/if-1")
    await vnet.delete("interfaces/if-1")
    assert await vnet.uuids(path) == []


async def test_who_cannot_get_an_address_does_not_join(vnet: VnetApi) -> None:
    await vnet.post("lease_policies", uuid="lp-bare")
    await vnet.post("interfaces", uuid="if-1", mode="vif", mac_address="52:54:00:00:00:01")
    message = await vnet.refused("POST", "lease_policies/lp-bare/interfaces/if-1", "ArgumentError")
    assert "No network associated with lease policy" in message
    await policy(vnet)
    await vnet.post("interfaces", uuid="if-2", mode="vif")
    message = await vnet.refused("POST", "lease_policies/lp-one/interfaces/if-2", "ArgumentError")
    assert "does not have a MAC lease" in message
    await vnet.put("lease_policies/lp-one", timing="dhcp")
    message = await vnet.refused("POST", "lease_policies/lp-one/interfaces/if-1", "ArgumentError")
    assert "immediate" in message
    assert await vnet.uuids("lease_policies/lp-one/interfaces") == []
    assert await vnet.uuids("ip_leases") == []


async def test_networks_of_a_policy_come_and_go(vnet: VnetApi) -> None:
    await policy(vnet)
    path = "lease_policies/lp-one/networks"
    assert await vnet.items(path) == [await vnet.get("networks/nw-net1")]
    again = {"ip_range_group_uuid": "iprg-one"}
    await vnet.refused("POST", f"{path}/nw-net1", "RelationAlreadyExists", **again)
    assert "ip_range_group_uuid" in await vnet.refused("POST", f"{path}/nw-net1", "MissingArgument")
    await vnet.refused("POST", f"{path}/nw-net1", "UnknownUUIDResource", ip_range_group_uuid="iprg-none")
    assert await vnet.delete(f"{path}/nw-net1") == {"uuid": "lp-one"}
    assert await vnet.items(path) == []
    await vnet.post(f"{path}/nw-net1", **again)
    await vnet.delete("ip_range_groups/iprg-one")
    assert await vnet.items(path) == []


ENDS = {"networks": "nw", "interfaces": "if", "ip_lease_containers": "ilc", "ip_retention_containers": "irc"}


@pytest.mark.parametrize("others", ENDS)
async def test_both_ends_of_a_relation_must_be_there(vnet: VnetApi, others: str) -> None:
    await policy(vnet)
    more = {"ip_range_group_uuid": "iprg-one"} if others == "networks" else {}
    for method, values in (("POST", more), ("DELETE", {})):
        for uuid, name in ((f"{ENDS[others]}-none", "UnknownUUIDResource"), ("nothing", "InvalidUUID")):
            assert uuid in await vnet.refused(method, f"lease_policies/lp-one/{others}/{uuid}", name, **values)
        path = f"lease_policies/lp-none/{others}/{ENDS[others]}-none"
        assert "lp-none" in await vnet.refused(method, path, "UnknownUUIDResource", **values)
    await vnet.refused("GET", f"lease_policies/lp-none/{others}", "UnknownUUIDResource")
    await vnet.refused("GET", f"lease_policies/nothing/{others}", "InvalidUUID")


@pytest.mark.parametrize(
    ("collection", "uuid"), [("ip_lease_containers", "ilc-1"), ("ip_retention_containers", "irc-1")]
)
async def test_containers_of_a_policy_come_and_go(vnet: VnetApi, collection: str, uuid: str) -> None:
    await vnet.post("lease_policies", uuid="lp-one")
    made = await vnet.post(collection, uuid=uuid)
    path = f"lease_policies/lp-one/{collection}"
    assert await vnet.post(f"{path}/{uuid}") == made
    assert await vnet.items(path) == [made]
    message = await vnet.refused("POST", f"{path}/{uuid}", "RelationAlreadyExists")
    assert f"lp-one <=> {uuid}" in message
    assert await vnet.delete(f"{path}/{uuid}") == made
    assert await vnet.items(path) == []
    assert f"lp-one <=> {uuid}" in await vnet.refused("DELETE", f"{path}/{uuid}", "UnknownUUIDResource")
    await vnet.post(f"{path}/{uuid}")
    await vnet.delete(f"{collection}/{uuid}")
    assert await vnet.items(path) == []


async def test_containers_hold_the_leases_of_their_policies(vnet: VnetApi) -> None:
    await policy(vnet)
    for number in (1, 2):
        await vnet.post("ip_lease_containers", uuid=f"ilc-{number}")
        await vnet.post(f"lease_policies/lp-one/ip_lease_containers/ilc-{number}")
    await vnet.post("interfaces", uuid="if-1", mode="vif", mac_address="52:54:00:00:00:01")
    await lease(vnet, ip_lease_uuid="il-1")
    await vnet.post("lease_policies/lp-one/interfaces/if-1")
    await lease(vnet, ip_lease_uuid="il-labelled", label="none has this label")
    assert (await vnet.put("ip_lease_containers/ilc-1"))["uuid"] == "ilc-1"
    for number in (1, 2):
        first, second = await vnet.items(f"ip_lease_containers/ilc-{number}/ip_leases")
        assert first == await vnet.get("ip_leases/il-1")
        assert second["interface_uuid"] == "if-1"
    await vnet.delete("ip_leases/il-1")
    assert len(await vnet.items("ip_lease_containers/ilc-1/ip_leases")) == 1
    await vnet.delete("ip_lease_containers/ilc-1")
    assert len(await vnet.uuids("ip_leases")) == 2, "leases outlive their containers"
    await vnet.refused("GET", "ip_lease_containers/ilc-1/ip_leases", "UnknownUUIDResource")
    await vnet.refused("GET", "ip_lease_containers/nothing/ip_leases", "InvalidUUID")


async def test_times_of_a_retention_container(vnet: VnetApi) -> None:
    made = await vnet.post("ip_retention_containers", uuid="irc-1", lease_time=3600, grace_time=60)
    assert (made["lease_time"], made["grace_time"]) == (3600, 60)
    changed_ = await vnet.put("ip_retention_containers/irc-1", grace_time=30)
    assert (changed_["lease_time"], changed_["grace_time"]) == (3600, 30)
    bare = await vnet.post("ip_retention_containers")
    assert (bare["lease_time"], bare["grace_time"]) == (None, None)
    for name in ("lease_time", "grace_time"):
        for value in (-1, "long"):
            assert name in await vnet.refused("POST", "ip_retention_containers", "ArgumentError", **{name: value})
            await vnet.refused("PUT", "ip_retention_containers/irc-1", "ArgumentError", **{name: value})


async def test_a_released_lease_keeps_its_address_for_the_grace_time(vnet: VnetApi) -> None:
    await policy(vnet, first=5, last=5)
    container = await vnet.post("ip_retention_containers", uuid="irc-1", grace_time=60)
    await vnet.post("lease_policies/lp-one/ip_retention_containers/irc-1")
    await vnet.post("interfaces", uuid="if-1", mode="vif", mac_address="52:54:00:00:00:01")
    await vnet.post("lease_policies/lp-one/interfaces/if-1")
    [uuid] = await vnet.uuids("ip_leases")
    path = "ip_retention_containers/irc-1/ip_retentions"
    [retention] = await vnet.items(path)
    assert retention["ip_retention_container_id"] == container["id"]
    assert retention["ip_lease_id"] == (await vnet.get(f"ip_leases/{uuid}"))["id"]
    assert retention["leased_at"]
    assert retention["released_at"] is None

    await vnet.put(f"ip_leases/{uuid}/release")
    assert (await vnet.items(path))[0]["released_at"]
    await vnet.refused("POST", "lease_policies/lp-one/ip_leases", "ArgumentError")
    await vnet.put(f"ip_leases/{uuid}/attach", interface_uuid="if-1")
    assert (await vnet.items(path))[0]["released_at"] is None

    await vnet.put(f"ip_leases/{uuid}/release")
    await _pass(vnet, 61)
    assert (await lease(vnet, ip_lease_uuid="il-next"))["ipv4_address"] == "172.16.1.5"
    assert await vnet.uuids("ip_leases") == ["il-next"]


async def _pass(vnet: VnetApi, seconds: int) -> None:
    """The releases of now were so many seconds ago."""
    moment = timestamp(datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds))
    rows = [row for row in vnet.db.vnet_objects.values() if row.kind == "ip_retention" and data_of(row)["released_at"]]
    assert rows
    older = [changed(row, released_at=moment) for row in rows]
    await vnet.db.transact(*map(Update, rows, older))
    assert msgspec.json.decode(older[0].data)["released_at"] == moment


async def test_an_interface_gets_a_free_mac_of_a_range(vnet: VnetApi) -> None:
    await vnet.network("nw-net1", "172.16.1.0")
    await vnet.post("mac_range_groups", uuid="mrg-1", allocation_type="incremental")
    ends = {"begin_mac_address": "52:54:00:00:00:01", "end_mac_address": "52:54:00:00:00:02"}
    await vnet.post("mac_range_groups/mrg-1/mac_ranges", **ends)
    values = {"mode": "vif", "network_uuid": "nw-net1", "mac_range_group_uuid": "mrg-1"}
    macs = [
        (await vnet.post("interfaces", **values, ipv4_address=f"172.16.1.{number}"))["mac_address"] for number in (1, 2)
    ]
    assert macs == ["52:54:00:00:00:01", "52:54:00:00:00:02"]
    message = await vnet.refused("POST", "interfaces", "ArgumentError", **values, ipv4_address="172.16.1.3")
    assert "mrg-1" in message
