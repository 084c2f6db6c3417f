"""What agents report shows in agents, bindings and status."""

import time
from collections.abc import Awaitable, Callable

import pytest

from patchbay.intent.database import Delete, Insert, IntentDatabase, Update
from patchbay.model import Host, Plug
from patchbay.service.access import new_id
from tests.functional.api.api_world import Api

pytestmark = pytest.mark.asyncio(loop_scope="session")

MakeHost = Callable[..., Awaitable[Host]]


@pytest.fixture
def make_host(db: IntentDatabase) -> MakeHost:
    """Writes the row that an agent would write."""

    async def make(name: str, heard_s_ago: int = 0) -> Host:
        moment = int(time.time())
        host = Host(
            id=new_id(),
            name=name,
            tunnel_ip="172.21.12.8",
            bridge_mappings={"physnet1": "br-ex"},
            datapath_type="netdev",
            started_at=moment - 100,
            heartbeat_at=moment - heard_s_ago,
        )
        await db.transact(Insert(host))
        return host

    return make


async def test_each_host_is_an_open_vswitch_agent(api: Api, make_host: MakeHost) -> None:
    host = await make_host("compute1")
    await make_host("compute2", heard_s_ago=76)
    agents = {agent["host"]: agent for agent in await api.get("/agents")}
    agent = agents["compute1"]
    assert agent["id"] == host.id
    assert (agent["agent_type"], agent["binary"]) == ("Open vSwitch agent", "neutron-openvswitch-agent")
    assert agent["configurations"]["bridge_mappings"] == {"physnet1": "br-ex"}
    assert agent["configurations"]["tunneling_ip"] == "172.21.12.8"
    assert agent["configurations"]["tunnel_types"] == ["vxlan"]
    assert (agent["alive"], agents["compute2"]["alive"]) == (True, False)
    assert [one["host"] for one in await api.get("/agents?alive=True")] == ["compute1"]
    assert [one["host"] for one in await api.get("/agents?host=compute2")] == ["compute2"]


async def test_an_agent_can_be_described_disabled_and_forgotten(api: Api, make_host: MakeHost) -> None:
    host = await make_host("compute1")
    changed = await api.update("agent", host.id, description="rack 7", admin_state_up=False)
    assert (changed["description"], changed["admin_state_up"]) == ("rack 7", False)
    error = await api.error("PUT", f"/agents/{host.id}", {"agent": {"host": "other"}})
    assert error == (400, "HTTPBadRequest", "Cannot update read-only attribute host")
    await api.delete(f"/agents/{host.id}")
    assert await api.get("/agents") == []


async def test_a_port_is_active_while_its_host_s_data_plane_has_it(
    api: Api, db: IntentDatabase, make_host: MakeHost
) -> None:
    await make_host("compute1")
    network = await api.network("10.0.0.0/24")
    port = await api.create("port", network_id=network["id"], binding__host_id="compute1")
    path = f"/ports/{port['id']}"
    assert (port["status"], port["binding:vif_type"]) == ("DOWN", "ovs")
    assert port["binding:vif_details"]["datapath_type"] == "netdev"

    plug = Plug(id=new_id(), port_id=port["id"], network_id=network["id"], host="compute1", up=False)
    await db.transact(Insert(plug))
    assert (await api.get(path))["status"] == "DOWN"
    up = Plug(id=plug.id, port_id=plug.port_id, network_id=plug.network_id, host=plug.host, up=True)
    await db.transact(Update(plug, up))
    assert (await api.get(path))["status"] == "ACTIVE"
    assert [one["status"] for one in await api.get("/ports?status=ACTIVE")] == ["ACTIVE"]
    assert (await api.update("port", port["id"], admin_state_up=False))["status"] == "DOWN"
    assert (await api.update("port", port["id"], admin_state_up=True))["status"] == "ACTIVE"
    assert (await api.update("port", port["id"], binding__host_id="compute2"))["status"] == "DOWN"
    assert (await api.update("port", port["id"], binding__host_id=""))["status"] == "ACTIVE"
    await db.transact(Delete(up))
    assert (await api.get(path))["status"] == "DOWN"


async def test_a_port_bound_where_no_agent_is_says_so_until_one_comes(api: Api, make_host: MakeHost) -> None:
    network = await api.network("10.0.0.0/24")
    port = await api.create("port", network_id=network["id"], binding__host_id="compute1")
    assert (port["binding:vif_type"], port["binding:vif_details"]) == ("binding_failed", {})
    await make_host("compute1")
    assert (await api.get(f"/ports/{port['id']}"))["binding:vif_type"] == "ovs"
    error = await api.error("PUT", f"/ports/{port['id']}", {"port": {"mac_address": "fa:16:3e:00:00:01"}})
    assert error[:2] == (409, "PortBound")
