"""Two servers on one database, allocating at the same time."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from patchbay.intent.database import IntentDatabase
from tests.functional.api.api_world import Api

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def other(remote: str, api: Api) -> AsyncIterator[Api]:
    """The second server."""
    database = await IntentDatabase.open([remote], timeout_s=20)
    server = Api(database)
    yield server
    await server.http.aclose()
    await database.close()


async def test_no_address_mac_or_vni_is_given_twice(api: Api, other: Api) -> None:
    network = await api.network("10.0.0.0/24")
    servers = (api, other)
    items = {"ports": [{"network_id": network["id"]}] * 10}
    answers = await asyncio.gather(*(server.ask("POST", "/ports", items) for server in servers for _ in range(10)))
    assert {answer.status_code for answer in answers} == {201}
    given = [port["fixed_ips"][0]["ip_address"] for answer in answers for port in answer.json()["ports"]]
    assert len(set(given)) == len(given) == 200
    answers = await asyncio.gather(*(server.ask("POST", "/networks", {"network": {}}) for server in servers * 10))
    ids = [answer.json()["network"]["provider:segmentation_id"] for answer in answers]
    assert len(set(ids)) == 20


async def test_what_one_server_made_the_other_finds_at_once(api: Api, other: Api) -> None:
    for _ in range(10):
        network = await api.create("network")
        subnet = await other.create("subnet", network_id=network["id"], ip_version=4, cidr="10.0.0.0/24")
        port = await api.create("port", network_id=network["id"], fixed_ips=[{"subnet_id": subnet["id"]}])
        await other.delete(f"/ports/{port['id']}")


async def test_the_last_address_goes_to_one_of_them(api: Api, other: Api) -> None:
    for _ in range(50):
        network = await api.network("10.0.0.0/30")
        body = {"port": {"network_id": network["id"]}}
        answers = await asyncio.gather(*(server.ask("POST", "/ports", body) for server in (api, other)))
        assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_overlapping_subnets_are_refused_whoever_asks(api: Api, other: Api) -> None:
    network = await api.network()
    bodies = [
        {"subnet": {"network_id": network["id"], "ip_version": 4, "cidr": cidr}}
        for cidr in ("10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24", "10.0.0.128/25")
    ]
    answers = await asyncio.gather(
        *(server.ask("POST", "/subnets", body) for body in bodies for server in (api, other))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 7


async def test_a_named_address_mac_or_vni_goes_to_one_of_them(api: Api, other: Api) -> None:
    network = await api.network("10.0.0.0/24")
    bodies = {
        "/ports?1": {"port": {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.0.0.9"}]}},
        "/ports?2": {"port": {"network_id": network["id"], "mac_address": "fa:16:3e:00:00:01", "fixed_ips": []}},
        "/networks": {"network": {"provider:network_type": "vxlan", "provider:segmentation_id": 77}},
        "/instances": {"instance": {"name": "web", "host": "compute1"}},
    }
    types = {
        "/ports?1": "IpAddressAlreadyAllocated",
        "/ports?2": "MacAddressInUse",
        "/networks": "TunnelIdInUse",
        "/instances": "InstanceNameInUse",
    }
    for path, body in bodies.items():
        answers = await asyncio.gather(*(server.ask("POST", path, body) for server in (api, other)))
        assert sorted(answer.status_code for answer in answers) == [201, 409]
        refused = next(answer for answer in answers if answer.status_code == 409)
        assert refused.json()["NeutronError"]["type"] == types[path]


async def test_changes_at_the_same_time_are_all_made(api: Api, other: Api) -> None:
    network = await api.create("network")
    path = f"/networks/{network['id']}"
    changes = [{"name": "blue"}, {"description": "d"}, {"mtu": 1400}, {"shared": True}]
    answers = await asyncio.gather(
        *(server.ask("PUT", path, {"network": change}) for change in changes for server in (api, other))
    )
    assert {answer.status_code for answer in answers} == {200}
    shown = await api.get(path)
    assert shown | {name: value for change in changes for name, value in change.items()} == shown


async def test_with_if_match_only_one_change_is_made(api: Api, other: Api) -> None:
    network = await api.create("network")
    path = f"/networks/{network['id']}"
    answers = await asyncio.gather(
        *(
            server.ask("PUT", path, {"network": {"name": f"n{n}"}}, if_match="revision_number=1")
            for n, server in enumerate((api, other))
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]


async def test_a_port_and_the_deletion_of_its_network_exclude_each_other(api: Api, other: Api) -> None:
    for _ in range(5):
        network = await api.network("10.0.0.0/24")
        created, deleted = await asyncio.gather(
            api.ask("POST", "/ports", {"port": {"network_id": network["id"]}}),
            other.ask("DELETE", f"/networks/{network['id']}"),
        )
        assert (created.status_code, deleted.status_code) in ((201, 409), (404, 204))
