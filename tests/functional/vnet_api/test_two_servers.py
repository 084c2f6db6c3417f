"""Two servers on one database, asked at the same moment: everything is there once, and nothing is lost."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from patchbay.intent.database import IntentDatabase
from tests.functional.vnet_api.vnet_world import VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def other(remote: str) -> AsyncIterator[VnetApi]:
    """Another server on the same database."""
    db = await IntentDatabase.open([remote], timeout_s=20)
    made = VnetApi(db)
    yield made
    await made.close()
    await db.close()


async def answers(requests: list[tuple[VnetApi, str, str, dict[str, Any]]]) -> Counter[int]:
    """The statuses of requests that are made at once."""
    found = await asyncio.gather(*(vnet.ask(method, path, values) for vnet, method, path, values in requests))
    return Counter(answer.status_code for answer in found)


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("networks", {"uuid": "nw-a", "ipv4_network": "10.0.0.0"}),
        ("segments", {"uuid": "seg-a", "mode": "virtual"}),
        ("interfaces", {"uuid": "if-a"}),
        ("datapaths", {"uuid": "dp-a", "display_name": "a", "dpid": "1", "node_id": "a"}),
        ("route_links", {"uuid": "rl-a"}),
    ],
)
async def test_one_uuid_is_one_object_s(vnet: VnetApi, other: VnetApi, path: str, values: dict[str, Any]) -> None:
    found = await answers([(one, "POST", path, values) for one in (vnet, other) * 4])
    assert found == {200: 1, 400: 7}
    assert await vnet.uuids(path) == [values["uuid"]]
    assert len(vnet.db.networks) <= 1
    assert len(vnet.db.routers) <= 1


async def test_one_number_is_one_datapath_s(vnet: VnetApi, other: VnetApi) -> None:
    given = {"display_name": "a", "dpid": "1", "node_id": "a"}
    assert await answers([(one, "POST", "datapaths", given) for one in (vnet, other) * 4]) == {200: 1, 400: 7}
    assert len(await vnet.uuids("datapaths")) == 1


@pytest.mark.parametrize("owner", [{}, {"owner_datapath_uuid": "dp-test"}])
async def test_one_port_of_a_bridge_is_one_interface_s(vnet: VnetApi, other: VnetApi, owner: dict[str, str]) -> None:
    await vnet.network("nw-a", "10.0.0.0")
    await vnet.datapath()
    given = {"network_uuid": "nw-a", "port_name": "eth1", **owner}
    assert await answers([(one, "POST", "interfaces", given) for one in (vnet, other) * 4]) == {200: 1, 400: 7}
    assert len(await vnet.uuids("interfaces")) == 1


@pytest.mark.parametrize("is_leased", [False, True])
async def test_one_address_is_one_interface_s(vnet: VnetApi, other: VnetApi, is_leased: bool) -> None:
    await vnet.network("nw-a", "10.0.0.0")
    path = "ip_leases" if is_leased else "interfaces"
    given = {"network_uuid": "nw-a", "ipv4_address": "10.0.0.5"}
    found = await answers([(one, "POST", path, given) for one in (vnet, other) * 4])
    assert found == {200: 1, 400: 7}
    assert len(await vnet.uuids("ip_leases")) == 1


async def test_addresses_that_come_to_one_interface_at_once_are_all_there(vnet: VnetApi, other: VnetApi) -> None:
    await vnet.network("nw-a", "10.0.0.0")
    await vnet.post("interfaces", uuid="if-a", mac_address="52:54:00:00:00:01")
    given = {"network_uuid": "nw-a", "interface_uuid": "if-a"}
    requests = [
        (one, "POST", "ip_leases", {**given, "ipv4_address": f"10.0.0.{number}"})
        for number, one in enumerate((vnet, other) * 5, 1)
    ]
    assert await answers(requests) == {200: 10}
    (port,) = vnet.db.ports.values()
    assert len(port.fixed_ips) == 10
    shown = await vnet.get("interfaces/if-a")
    assert len(shown["ip_leases"]) == 10
    assert await answers([(other, "DELETE", f"ip_leases/{one['uuid']}", {}) for one in shown["ip_leases"]]) == {200: 10}
    assert not vnet.db.ports
    assert (await vnet.get("interfaces/if-a"))["mac_address"] == "52:54:00:00:00:01"


async def test_a_network_does_not_go_while_an_interface_comes(vnet: VnetApi, other: VnetApi) -> None:
    for number in range(6):
        await vnet.network("nw-a", "10.0.0.0")
        uuid = f"if-{number}"
        given = {"uuid": uuid, "network_uuid": "nw-a", "ipv4_address": "10.0.0.5"}
        made, gone = await asyncio.gather(vnet.ask("POST", "interfaces", given), other.ask("DELETE", "networks/nw-a"))
        assert (made.status_code, gone.status_code) in {(200, 400), (404, 200)}, made.text + gone.text
        if made.status_code == 200:
            await vnet.delete(f"interfaces/{uuid}")
            await vnet.delete("networks/nw-a")
    assert not vnet.db.vnet_objects


async def test_what_one_server_made_the_other_knows_at_once(vnet: VnetApi, other: VnetApi) -> None:
    for number in range(5):
        uuid = f"nw-{number}"
        await vnet.network(uuid, "10.0.0.0")
        made = await other.post("interfaces", network_uuid=uuid, ipv4_address="10.0.0.5")
        assert (await vnet.put(f"interfaces/{made['uuid']}", display_name="x"))["network_uuid"] == uuid
