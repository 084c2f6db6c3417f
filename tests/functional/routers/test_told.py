"""What a router's host tells: the service, which floating IPs work, and neighbours outside, where they are now."""

from patchbay.intent.database import Insert
from patchbay.model import FloatingIP, Network
from tests.functional.routers.scene import GATEWAY, Scene

FLOATING = "203.0.113.10"


def neighbour(scene: Scene, address: str) -> str:
    """The MAC that the machine outside knows for an address."""
    words = scene.sh(f"ip netns exec internet ip neigh show {address}").split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else ""


def make_stale(scene: Scene, address: str) -> None:
    """The machine outside believes that the address is where another host was."""
    scene.sh(f"ip netns exec internet ip neigh replace {address} lladdr fa:16:3e:00:de:ad dev eth0 nud stale")


async def corrected(scene: Scene, address: str, mac: str) -> None:
    await scene.one.host.until(lambda: neighbour(scene, address) == mac, f"{address} is known at {mac}")


def test_neighbours_outside_are_told_where_a_floating_ip_is_now(on_router):
    async def scenario(scene):
        mac = scene.ports[2].mac_address
        make_stale(scene, FLOATING)
        floatingip = await scene.floating(FLOATING, scene.red1)
        await scene.active(floatingip)
        await corrected(scene, FLOATING, mac)

        for address in (FLOATING, GATEWAY):
            make_stale(scene, address)
        moved = [scene.router, *scene.ports]
        for row in moved:
            await scene.change(row, host="gateway2")
        await scene.one.settled()
        assert neighbour(scene, FLOATING) != mac
        for row in moved:
            await scene.change(row, host="compute1")
        await scene.active(floatingip)
        for address in (FLOATING, GATEWAY):
            await corrected(scene, address, mac)

    on_router(scenario)


def test_a_floating_ip_is_up_while_it_leads_somewhere_and_no_longer(on_router):
    async def scenario(scene):
        floatingip = await scene.floating(FLOATING, scene.red1)
        await scene.active(floatingip)
        assert scene.plug(floatingip).network_id == scene.outside.id
        await scene.change(floatingip, port_id=None, fixed_ip_address=None)
        await scene.one.host.until(lambda: not scene.plug(floatingip).up, "it is down")
        await scene.change(floatingip, port_id=scene.red1.id, fixed_ip_address="10.0.1.11")
        await scene.active(floatingip)
        await scene.change(scene.router, admin_state_up=False)
        await scene.one.host.until(lambda: not scene.plug(floatingip).up, "it is down with its router")
        await scene.change(floatingip, router_id=None, port_id=None, fixed_ip_address=None)
        await scene.one.host.until(lambda: scene.plug(floatingip) is None, "nothing is told of it any more")

    on_router(scenario)


def test_without_a_bridge_to_its_network_a_floating_ip_is_in_trouble_until_there_is_one(on_router):
    async def scenario(scene):
        floatingip = await scene.floating(FLOATING, scene.red1)
        await scene.active(floatingip)
        assert scene.plug(floatingip).trouble == ""
        scene.sh("ovs-vsctl del-br br-ex")
        await scene.one.host.until(lambda: scene.plug(floatingip).trouble, "it is in trouble")
        assert scene.plug(floatingip).trouble == (
            "Network outside does not reach compute1: external has no bridge there."
        )
        assert not scene.plug(floatingip).up
        scene.sh("ovs-vsctl add-br br-ex -- set bridge br-ex datapath_type=netdev -- add-port br-ex wire")
        await scene.active(floatingip)
        assert scene.plug(floatingip).trouble == ""
        await scene.one.settled()
        assert scene.pings("internet", FLOATING)

    on_router(scenario)


def test_a_floating_ip_that_changes_its_router_is_announced_from_there(on_router):
    async def scenario(scene):
        first = scene.ports[2].mac_address
        floatingip = await scene.floating(FLOATING, scene.red1)
        await scene.active(floatingip)
        assert scene.pings("internet", FLOATING)
        await corrected(scene, FLOATING, first)
        second = await another_router(scene)
        await scene.change(floatingip, router_id=second.device_id)
        make_stale(scene, FLOATING)
        await corrected(scene, FLOATING, second.mac_address)

    on_router(scenario)


async def another_router(scene: Scene):
    """A router with nothing but a gateway; returns its port."""
    ports, router, namespace = scene.ports, scene.router, scene.namespace
    await scene.make_router("other", ((scene.outside, "203.0.113.6"),))
    (port,) = scene.ports
    scene.ports, scene.router, scene.namespace = ports, router, namespace
    await scene.one.up(port)
    return port


def test_an_agent_that_is_started_again_changes_nothing_and_tells_nothing_new(on_router):
    async def scenario(scene):
        floatingip = await scene.floating(FLOATING, scene.red1)
        await scene.active(floatingip)
        await scene.one.settled()
        before = dict(scene.database.plugs)
        await scene.one.stop_agent()
        assert scene.pings("internet", FLOATING)
        await scene.one.start_agent(bridge_mappings={"external": "br-ex"})
        assert scene.one.agent.operations == 0
        await scene.one.settled()
        assert dict(scene.database.plugs) == before
        assert scene.pings("internet", FLOATING)

    on_router(scenario)


def test_a_heartbeat_of_one_host_wakes_no_other(on_router):
    async def scenario(scene):
        await scene.one.writer.remote_host("compute2", "198.51.100.2")
        await scene.one.settled()
        other = next(row for row in scene.database.hosts.values() if row.name == "compute2")
        seen = []
        scene.one.agent.intent.subscribe(seen.extend)
        for beat in range(1, 6):
            await scene.change(other, heartbeat_at=beat)
        # What comes after them in the same stream has come, so they have not.
        await scene.change(scene.red, mtu=1400)
        await scene.one.host.until(
            lambda: scene.one.agent.view.networks[scene.red.id].mtu == 1400, "the change is seen"
        )
        assert {type(change.new) for change in seen} == {Network}
        assert scene.one.agent.view.hosts[other.id].heartbeat_at == 0
        own = next(row for row in scene.database.hosts.values() if row.name == "compute1")
        assert own.services == scene.one.agent.identity.services

    on_router(scenario)


def test_two_hundred_floating_ips_are_set_and_told_at_once(on_router):
    async def scenario(scene):
        made = []
        for number in range(200):
            address = f"203.0.113.{number + 20}"
            holder = scene.one.writer.make_port(scene.outside, address, "")
            made.append((holder, floatingip_of(scene, holder, address, number)))
        await scene.database.transact(*(Insert(row) for pair in made for row in pair))
        await scene.one.up(*(holder for holder, _ in made), deadline_s=20)
        await scene.one.settled(20)
        assert scene.pings("internet", "203.0.113.20")
        assert scene.pings("internet", "203.0.113.219")

    on_router(scenario)


def floatingip_of(scene: Scene, holder, address: str, number: int) -> FloatingIP:
    """One of many floating IPs of one instance."""
    return FloatingIP(
        id=f"{number:08}-0000-4000-8000-000000000000",
        floating_network_id=scene.outside.id,
        floating_ip_address=address,
        floating_port_id=holder.id,
        port_id=scene.red1.id,
        fixed_ip_address="10.0.1.11",
        router_id=scene.router.id,
    )
