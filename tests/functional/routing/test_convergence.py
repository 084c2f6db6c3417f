"""A distributed router on one host, made of rows: what is destroyed comes back, what works is left alone."""

import pytest
from msgspec.structs import replace

from patchbay.compile import names
from patchbay.intent.database import Insert
from patchbay.model import Router
from patchbay.model.router import ROUTER_GATEWAY, ROUTER_INTERFACE_DISTRIBUTED
from tests.functional.agent.conftest import compute
from tests.functional.agent.intent_by_hand import new_id
from tests.functional.routers.scene import INTERNET, Scene


class DistributedScene(Scene):
    """The scene of the router tests with a distributed router."""

    async def make_router(self, name, wanted) -> None:
        router_id, host = new_id(), self.one.writer.host
        self.ports = [
            replace(
                self.one.writer.make_port(network, address, host if network is self.outside else ""),
                device_id=router_id,
                device_owner=ROUTER_GATEWAY if network is self.outside else ROUTER_INTERFACE_DISTRIBUTED,
            )
            for network, address in wanted
        ]
        self.router = Router(id=router_id, name=name, host=host, distributed=True, gateway_port_id=self.ports[-1].id)
        await self.database.transact(*map(Insert, self.ports), Insert(self.router))
        self.namespace = names.router_namespace(router_id)

    def works(self) -> bool:
        return self.pings("red1", "10.0.2.11") and self.pings("blue1", INTERNET) and self.pings("red1", "10.0.1.1")


@pytest.fixture
def on_distributed(on_private_host):
    """Run a scenario with a running agent and the scene."""

    def run(scenario) -> None:
        async def wrapped(host) -> None:
            async with compute(host) as one:
                scene = DistributedScene(one)
                await scene.build()
                assert scene.works()
                await scenario(scene)

        on_private_host(wrapped)

    return run


def test_a_restarted_agent_changes_nothing(on_distributed):
    async def scenario(scene):
        before = scene.sh("ovs-ofctl dump-flows br-int | grep -o 'cookie=.*duration' | wc -l")
        await scene.one.stop_agent()
        assert scene.works()
        await scene.one.start_agent(bridge_mappings={"external": "br-ex"})
        await scene.one.settled()
        assert scene.one.agent.operations == 0
        assert scene.works()
        assert scene.sh("ovs-ofctl dump-flows br-int | grep -o 'cookie=.*duration' | wc -l") == before

    on_distributed(scenario)


@pytest.mark.parametrize("what", ["ovs-ofctl del-flows br-int", "ovs-vsctl del-br br-int", "ip netns del $namespace"])
def test_what_somebody_deletes_comes_back(on_distributed, what):
    async def scenario(scene):
        scene.sh(what.replace("$namespace", scene.namespace))
        await scene.one.host.until(scene.works, "traffic goes again", 20)
        await scene.one.settled()

    on_distributed(scenario)


def test_open_vswitch_that_is_killed_routes_again(on_distributed):
    async def scenario(scene):
        scene.one.host.kill("ovs-vswitchd")
        scene.one.host.start_vswitchd()
        await scene.one.host.until(scene.works, "traffic goes again", 20)
        await scene.one.settled()

    on_distributed(scenario)


def test_interfaces_networks_and_the_router_come_and_go(on_distributed):
    async def scenario(scene):
        blue = scene.ports[1]
        await scene.change(blue, admin_state_up=False)
        await scene.one.settled()
        assert not scene.pings("red1", "10.0.2.11")
        await scene.change(blue, admin_state_up=True)
        await scene.change(scene.blue, mtu=1300)
        await scene.one.settled()
        assert scene.works()
        assert "mtu = 1300" in scene.sh("ip netns exec red1 ping -c1 -W1 -M do -s 1400 10.0.2.11 || true")
        await scene.delete(scene.router)
        await scene.one.settled()
        assert "qrouter" not in scene.sh("ip netns list")
        shown = scene.sh("ovs-ofctl dump-flows br-int")
        assert "table=4" not in shown
        assert "NXM_NX_REG6" not in shown
        assert scene.pings("red1", "10.0.1.12")
        await scene.database.transact(Insert(scene.router))
        await scene.one.settled()
        assert scene.works()

    on_distributed(scenario)
