"""Two servers on one database, and many requests at one: what must not both happen, does not."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from patchbay.intent.database import IntentDatabase
from tests.functional.api.api_world import Api
from tests.functional.api.router_world import Site, external, subnet

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROUNDS = 10


@pytest_asyncio.fixture(loop_scope="session")
async def other(remote: str, api: Api) -> AsyncIterator[Api]:
    """The second server."""
    database = await IntentDatabase.open([remote], timeout_s=20)
    server = Api(database)
    yield server
    await server.http.aclose()
    await database.close()


def kinds(answers: list[httpx.Response]) -> list[str]:
    """The type of each error, or "" for what succeeded."""
    return sorted("" if one.status_code < 300 else one.json()["NeutronError"]["type"] for one in answers)


async def test_overlapping_subnets_do_not_both_get_an_interface(api: Api, other: Api) -> None:
    one, two = await subnet(api, "10.0.0.0/24"), await subnet(api, "10.0.0.0/16")
    for _ in range(ROUNDS):
        router = await api.create("router")
        path = f"/routers/{router['id']}"
        answers = await asyncio.gather(
            api.ask("PUT", f"{path}/add_router_interface", {"subnet_id": one["id"]}),
            other.ask("PUT", f"{path}/add_router_interface", {"subnet_id": two["id"]}),
        )
        assert kinds(answers) == ["", "BadRequest"]
        (port,) = await api.get(f"/ports?device_id={router['id']}")
        await api.act(f"{path}/remove_router_interface", {"port_id": port["id"]})
        await api.delete(path)


async def test_a_gateway_and_an_interface_that_overlap_do_not_both_come(api: Api, other: Api) -> None:
    outside, inside = await external(api), await subnet(api, "203.0.113.0/25")
    for _ in range(ROUNDS):
        router = await api.create("router")
        path = f"/routers/{router['id']}"
        answers = await asyncio.gather(
            api.ask("PUT", f"{path}/add_router_interface", {"subnet_id": inside["id"]}),
            other.ask("PUT", path, {"router": {"external_gateway_info": {"network_id": outside["id"]}}}),
        )
        assert kinds(answers) == ["", "BadRequest"]
        await other.ask("PUT", f"{path}/remove_router_interface", {"subnet_id": inside["id"]})
        await api.delete(path)


async def test_one_fixed_address_gets_one_floating_ip(api: Api, other: Api) -> None:
    site = await Site.build(api)
    for number in range(ROUNDS):
        port = await site.port()
        item = {"floating_network_id": site.outside["id"], "port_id": port["id"]}
        answers = await asyncio.gather(
            *(
                server.ask("POST", "/floatingips", {"floatingip": item | {"floating_ip_address": address}})
                for server, address in ((api, f"203.0.113.{100 + number}"), (other, f"203.0.113.{200 + number}"))
            )
        )
        assert kinds(answers) == ["", "FloatingIPPortAlreadyAssociated"]


async def test_a_network_does_not_become_internal_while_a_gateway_comes(
    api: Api, other: Api, db: IntentDatabase
) -> None:
    outside = await external(api)
    body = {"router": {"external_gateway_info": {"network_id": outside["id"]}}}
    for number in range(2 * ROUNDS):
        first, second = (api, other) if number % 2 else (other, api)
        await asyncio.gather(
            first.ask("PUT", f"/networks/{outside['id']}", {"network": {"router:external": False}}),
            second.ask("POST", "/routers", body),
        )
        await api.service.catch_up()
        assert db.networks[outside["id"]].external == bool(db.routers)
        for router_id in list(db.routers):
            await api.delete(f"/routers/{router_id}")
        await api.update("network", outside["id"], router__external=True)


async def test_an_interface_does_not_go_while_a_floating_ip_comes(api: Api, other: Api, db: IntentDatabase) -> None:
    site = await Site.build(api)
    port, floatingip = await site.port(), await site.floatingip()
    path, body = f"/routers/{site.router['id']}", {"subnet_id": site.inside["id"]}
    outcomes = set()
    for number in range(ROUNDS):
        first, second = (api, other) if number % 2 else (other, api)
        answers = await asyncio.gather(
            first.ask("PUT", f"{path}/remove_router_interface", body),
            second.ask("PUT", f"/floatingips/{floatingip['id']}", {"floatingip": {"port_id": port["id"]}}),
        )
        outcomes.add(tuple(kinds(answers)))
        await api.service.catch_up()
        associated = db.floatingips[floatingip["id"]].router_id is not None
        attached = any(one.device_owner == "network:router_interface" for one in db.ports.values())
        assert associated == attached
        await api.update("floatingip", floatingip["id"], port_id=None)
        if not attached:
            await api.act(f"{path}/add_router_interface", body)
    assert outcomes <= {("", "ExternalGatewayForFloatingIPNotFound"), ("", "RouterInterfaceInUseByFloatingIP")}


async def test_a_port_does_not_go_while_something_is_forwarded_to_it(api: Api, other: Api, db: IntentDatabase) -> None:
    site = await Site.build(api)
    floatingip = await site.floatingip()
    for number in range(ROUNDS):
        port = await site.port()
        item = {"protocol": "tcp", "external_port": 80, "internal_port": 80, "internal_port_id": port["id"]}
        first, second = (api, other) if number % 2 else (other, api)
        answers = await asyncio.gather(
            first.ask("POST", f"/floatingips/{floatingip['id']}/port_forwardings", {"port_forwarding": item}),
            second.ask("DELETE", f"/ports/{port['id']}"),
        )
        assert kinds(answers) in (["", ""], ["", "PortNotFound"])
        await api.service.catch_up()
        assert not db.floatingips[floatingip["id"]].port_forwardings


async def test_many_associations_through_one_router_all_come_through(api: Api, other: Api) -> None:
    site = await Site.build(api)
    ports = [await site.port() for _ in range(40)]
    answers = await asyncio.gather(
        *(
            server.ask("POST", "/floatingips", {"floatingip": item})
            for server, port in zip((api, other) * 20, ports, strict=True)
            for item in ({"floating_network_id": site.outside["id"], "port_id": port["id"]},)
        )
    )
    assert kinds(answers) == [""] * 40
    addresses = {one["floating_ip_address"] for one in await api.get("/floatingips")}
    assert len(addresses) == 40
