"""Where DHCP servers and routers are placed, and when they move: real database, real clock, hosts as rows."""

import asyncio
import uuid

import pytest

from patchbay.intent.database import Delete, Insert, IntentDatabase
from patchbay.model import Plug, Port
from patchbay.model.router import ROUTER_GATEWAY, ROUTER_INTERFACE
from patchbay.service import placement
from patchbay.service.placing import dhcp_device_id
from patchbay.service.service import Service
from tests.functional.api.api_world import Api
from tests.functional.api.cloud_world import DOWN_S, SETTINGS, Cloud, port_on, scheduling

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_network_gets_a_server_when_somebody_is_there_to_ask_and_a_host_can_give(cloud: Cloud) -> None:
    network = await cloud.network()
    await cloud.host("compute1", "l3")
    await cloud.api.create("port", network_id=network["id"])
    await cloud.api.create("port", network_id=network["id"], binding__host_id="compute1")
    await cloud.host("compute2", "dhcp")
    await cloud.until(lambda: cloud.servers(network), "a DHCP server")
    (server,) = cloud.servers(network)
    assert server.host == "compute2"
    assert server.device_id == dhcp_device_id("compute2", network["id"])
    assert [ip.ip_address for ip in server.fixed_ips] == ["10.0.1.4"]


async def test_ports_of_which_nobody_asks_cost_no_look_at_their_network(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    look = placement.ports_of

    def ports_of(service: Service, network_id: str) -> list[Port]:
        looked.append(network_id)
        return look(service, network_id)

    await cloud.host("compute1", "dhcp")
    network, bound, marker = await cloud.network(), await cloud.network(), await cloud.network()
    await cloud.api.create("port", network_id=bound["id"], binding__host_id="compute1")
    await cloud.until(lambda: cloud.servers(bound), "the scheduler is done with what was there")
    monkeypatch.setattr(placement, "ports_of", ports_of)
    ports = [await cloud.api.create("port", network_id=network["id"]) for _ in range(5)]
    for _ in range(5):
        await cloud.api.create("port", network_id=bound["id"], binding__host_id="compute1")
    await cloud.api.create("port", network_id=marker["id"], binding__host_id="compute1")
    await cloud.until(lambda: cloud.servers(marker), "the scheduler has seen all of them")
    assert set(looked) == {marker["id"]}
    plug = Plug(id=str(uuid.uuid4()), port_id=ports[0]["id"], network_id=network["id"], host="compute1")
    await cloud.db.transact(Insert(plug))
    await cloud.until(lambda: cloud.servers(network), "a DHCP server for a port that is plugged but not bound")
    await cloud.db.transact(Delete(plug))


async def test_the_server_is_where_the_ports_are(cloud: Cloud) -> None:
    for name in ("compute1", "compute2", "compute3"):
        await cloud.host(name, "dhcp")
    network = await cloud.network()
    await cloud.api.create("port", network_id=network["id"], binding__host_id="compute3")
    await cloud.until(lambda: cloud.servers(network), "a DHCP server")
    assert [port.host for port in cloud.servers(network)] == ["compute3"]


async def test_networks_that_want_no_dhcp_and_networks_of_unbound_ports_get_none(cloud: Cloud) -> None:
    await cloud.host("compute1", "dhcp")
    quiet = await cloud.network(enable_dhcp=False)
    unbound = await cloud.network()
    served = await cloud.network()
    await cloud.api.create("port", network_id=quiet["id"], binding__host_id="compute1")
    await cloud.api.create("port", network_id=unbound["id"])
    await cloud.api.create("port", network_id=served["id"], binding__host_id="compute1")
    await cloud.until(lambda: cloud.servers(served), "a DHCP server")
    assert not cloud.servers(quiet)
    assert not cloud.servers(unbound)


async def test_the_server_follows_the_subnets(cloud: Cloud) -> None:
    await cloud.host("compute1", "dhcp")
    network = await cloud.network()
    await cloud.api.create("port", network_id=network["id"], binding__host_id="compute1")
    await cloud.until(lambda: cloud.servers(network), "a DHCP server")
    second = await cloud.api.create("subnet", network_id=network["id"], ip_version=4, cidr="10.0.2.0/24")
    await cloud.until(lambda: len(cloud.servers(network)[0].fixed_ips) == 2, "an address in the second subnet")
    first = (await cloud.api.get("/subnets?name=red-v4"))[0]
    await cloud.api.update("subnet", first["id"], enable_dhcp=False)
    await cloud.until(
        lambda: [ip.subnet_id for ip in cloud.servers(network)[0].fixed_ips] == [second["id"]], "one address only"
    )
    await cloud.api.update("subnet", second["id"], enable_dhcp=False)
    await cloud.until(lambda: not cloud.servers(network), "no server")


async def test_two_servers_of_the_api_place_one_dhcp_server(cloud: Cloud, remote: str) -> None:
    other = Api(await IntentDatabase.open([remote], timeout_s=20), SETTINGS)
    async with scheduling(other):
        await cloud.host("compute1", "dhcp")
        await cloud.host("compute2", "dhcp")
        networks = [await cloud.network() for _ in range(10)]
        for network in networks:
            await cloud.api.create("port", network_id=network["id"], binding__host_id="compute1")
        await cloud.until(lambda: all(cloud.servers(network) for network in networks), "a server for each")
        await cloud.until(
            lambda: {port.host for network in networks for port in cloud.servers(network)} == {"compute1"}, "the near"
        )
    assert [len(cloud.servers(network)) for network in networks] == [1] * 10
    await other.http.aclose()
    await other.db.close()


async def test_what_lived_on_a_host_that_died_moves_with_all_its_ports(cloud: Cloud) -> None:
    await cloud.host("compute1", "dhcp", "l3")
    network = await cloud.network()
    await cloud.api.create("port", network_id=network["id"], binding__host_id="compute1")
    inside = port_on(network, ROUTER_INTERFACE, 1)
    router = await cloud.router(inside)
    await cloud.until(lambda: cloud.db.routers[router.id].host == "compute1", "the router has a host")
    await cloud.until(lambda: cloud.servers(network), "a DHCP server")
    (server,) = cloud.servers(network)
    await cloud.host("compute2", "dhcp", "l3")
    await cloud.dies("compute1")
    await cloud.until(lambda: cloud.db.routers[router.id].host == "compute2", "the router moves")
    await cloud.until(lambda: cloud.servers(network)[0].host == "compute2", "the DHCP server moves")
    assert cloud.db.ports[inside.id].host == "compute2"
    assert [port.id for port in cloud.servers(network)] == [server.id], "the server keeps its port and its address"
    assert cloud.servers(network)[0].fixed_ips == server.fixed_ips


async def test_a_silent_host_that_answers_its_neighbours_keeps_what_it_has_and_one_that_does_not_loses_it(
    cloud: Cloud,
) -> None:
    network = await cloud.network(enable_dhcp=False)
    await cloud.host("compute1", "l3")
    router = await cloud.router(port_on(network, ROUTER_INTERFACE, 1))
    await cloud.until(lambda: cloud.db.routers[router.id].host, "a host")
    await cloud.host("compute2", "l3")
    await cloud.dies("compute1")
    await cloud.until(lambda: cloud.row("compute1").suspected, "compute1 is looked for")
    await cloud.finds("compute2", compute1="up")
    await asyncio.sleep(DOWN_S * 2)
    assert cloud.db.routers[router.id].host == "compute1", "only its agent is away"
    await cloud.finds("compute2", compute1="down")
    await cloud.until(lambda: cloud.db.routers[router.id].host == "compute2", "it moves at once", DOWN_S / 2)
    assert not cloud.row("compute2").suspected


async def test_a_host_that_is_heard_of_again_is_not_looked_for(cloud: Cloud) -> None:
    await cloud.host("compute1", "l3")
    await cloud.dies("compute1")
    await cloud.until(lambda: cloud.row("compute1").suspected, "compute1 is looked for")
    cloud.lives("compute1")
    await cloud.until(lambda: not cloud.row("compute1").suspected, "it is not")


async def test_a_router_goes_only_where_its_networks_are(cloud: Cloud) -> None:
    outside = await cloud.api.create(
        "network", name="ext", provider__network_type="flat", provider__physical_network="physnet1"
    )
    await cloud.host("compute1", "l3")
    await cloud.host("compute2", "l3", physnet1="br-ex")
    first = await cloud.router(port_on(outside, ROUTER_GATEWAY, 1))
    await cloud.until(lambda: cloud.db.routers[first.id].host == "compute2", "the host with the bridge")
    second = await cloud.router(port_on(outside, ROUTER_GATEWAY, 2))
    await cloud.until(lambda: cloud.db.routers[second.id].host == "compute2", "the host with the bridge again")


async def test_routers_spread_and_disabled_hosts_get_no_new_ones(cloud: Cloud) -> None:
    network = await cloud.network(enable_dhcp=False)
    await cloud.host("compute1", "l3")
    await cloud.host("compute2", "l3")
    routers = []
    for number in range(4):
        routers.append(await cloud.router(port_on(network, ROUTER_INTERFACE, number)))
        await cloud.until(lambda: cloud.db.routers[routers[-1].id].host, "a host")
    hosts = sorted(cloud.db.routers[router.id].host for router in routers)
    assert hosts == ["compute1", "compute1", "compute2", "compute2"]


async def agent_of(cloud: Cloud, host: str, kind: str) -> str:
    """The id of a host's agent."""
    (agent,) = [one for one in await cloud.api.get(f"/agents?host={host}") if one["agent_type"] == f"{kind} agent"]
    return str(agent["id"])


async def hosts_of(cloud: Cloud, path: str) -> list[str]:
    """Names of the hosts of the agents that a path lists."""
    return [agent["host"] for agent in await cloud.api.get(path)]


async def test_an_administrator_moves_routers_and_networks_between_agents(cloud: Cloud) -> None:
    for name in ("compute1", "compute2"):
        await cloud.host(name, "dhcp", "l3")
    network = await cloud.network()
    await cloud.api.create("port", network_id=network["id"], binding__host_id="compute1")
    router = await cloud.router(port_on(network, ROUTER_INTERFACE, 1))
    await cloud.until(lambda: cloud.servers(network) and cloud.db.routers[router.id].host, "both are placed")
    assert (await cloud.api.get(f"/routers/{router.id}"))["availability_zones"] == ["nova"]
    before = cloud.db.routers[router.id].host
    other = "compute2" if before == "compute1" else "compute1"
    l3 = await agent_of(cloud, other, "L3")
    assert (await cloud.api.ask("POST", f"/agents/{l3}/l3-routers", {"router_id": router.id})).status_code == 201
    assert await hosts_of(cloud, f"/routers/{router.id}/l3-agents") == [other]
    assert [one["id"] for one in await cloud.api.get(f"/agents/{l3}/l3-routers")] == [router.id]
    revision = cloud.db.routers[router.id].revision_number
    assert (await cloud.api.ask("POST", f"/agents/{l3}/l3-routers", {"router_id": router.id})).status_code == 201
    assert cloud.db.routers[router.id].revision_number == revision
    await cloud.api.delete(f"/agents/{l3}/l3-routers/{router.id}")
    assert await hosts_of(cloud, f"/routers/{router.id}/l3-agents") == [before]
    gone = await cloud.api.error("DELETE", f"/agents/{l3}/l3-routers/{router.id}")
    assert gone[:2] == (409, "RouterNotHostedByL3Agent")

    dhcp = await agent_of(cloud, "compute2", "DHCP")
    assert (
        await cloud.api.ask("POST", f"/agents/{dhcp}/dhcp-networks", {"network_id": network["id"]})
    ).status_code == 201
    assert await hosts_of(cloud, f"/networks/{network['id']}/dhcp-agents") == ["compute1", "compute2"]
    twice = await cloud.api.error("POST", f"/agents/{dhcp}/dhcp-networks", {"network_id": network["id"]})
    assert twice[:2] == (409, "NetworkHostedByDHCPAgent")
    first = await agent_of(cloud, "compute1", "DHCP")
    await cloud.api.delete(f"/agents/{first}/dhcp-networks/{network['id']}")
    assert await hosts_of(cloud, f"/networks/{network['id']}/dhcp-agents") == ["compute2"]
    missing = await cloud.api.error("DELETE", f"/agents/{first}/dhcp-networks/{network['id']}")
    assert missing[:2] == (409, "NetworkNotHostedByDhcpAgent")


async def test_wrong_agents_and_objects_are_refused(cloud: Cloud) -> None:
    await cloud.host("compute1", "dhcp", "l3")
    network = await cloud.network()
    dhcp, l3 = await agent_of(cloud, "compute1", "DHCP"), await agent_of(cloud, "compute1", "L3")
    nobody = str(uuid.uuid4())
    assert (await cloud.api.error("POST", f"/agents/{l3}/dhcp-networks", {"network_id": network["id"]}))[
        1
    ] == "InvalidDHCPAgent"
    assert (await cloud.api.error("POST", f"/agents/{dhcp}/l3-routers", {"router_id": nobody}))[1] == "InvalidL3Agent"
    assert (await cloud.api.error("POST", f"/agents/{l3}/l3-routers", {"router_id": nobody}))[1] == "RouterNotFound"
    assert (await cloud.api.error("POST", f"/agents/{dhcp}/dhcp-networks", {"network_id": nobody}))[
        1
    ] == "NetworkNotFound"
    assert (await cloud.api.error("POST", f"/agents/{dhcp}/dhcp-networks", {}))[0] == 400
    assert (await cloud.api.error("POST", f"/agents/{dhcp}/dhcp-networks", b"{"))[0] == 400
    assert (await cloud.api.error("GET", f"/agents/{nobody}/l3-routers"))[1] == "AgentNotFound"
    assert (await cloud.api.error("PUT", f"/agents/{dhcp}/dhcp-networks", {}))[0] == 405


async def test_a_disabled_agent_gets_nothing_new_and_the_other_kinds_go_on(cloud: Cloud) -> None:
    await cloud.host("compute1", "dhcp", "l3")
    await cloud.api.update("agent", await agent_of(cloud, "compute1", "DHCP"), admin_state_up=False)
    network = await cloud.network()
    await cloud.api.create("port", network_id=network["id"], binding__host_id="compute1")
    router = await cloud.router(port_on(network, ROUTER_INTERFACE, 1))
    await cloud.until(lambda: cloud.db.routers[router.id].host, "the router is placed")
    assert not cloud.servers(network)
    await cloud.api.update("agent", await agent_of(cloud, "compute1", "DHCP"), admin_state_up=True)
    await cloud.until(lambda: cloud.servers(network), "the DHCP server comes with the agent")
