"""One agent on one host: from intent to packets, and back again after whatever happens to the host."""

import time

from patchbay.agent import AgentSettings, plan
from patchbay.plan.script import render_script


async def two_tenants(one):
    """Two networks with the same addresses, two instances each."""
    red, blue = await one.writer.network("red", 0x22), await one.writer.network("blue", 0x23)
    ports = [
        await one.writer.instance("red1", red, "10.0.0.11"),
        await one.writer.instance("red2", red, "10.0.0.12", "direct"),
        await one.writer.instance("blue1", blue, "10.0.0.11"),
        await one.writer.instance("blue3", blue, "10.0.0.13", "direct"),
    ]
    return red, blue, ports


def test_two_tenants_with_the_same_addresses_reach_their_own_only(on_compute):
    async def scenario(one):
        await one.start_agent()
        start = time.perf_counter()
        _, _, ports = await two_tenants(one)
        await one.up(*ports)
        print(f"four ports up after {(time.perf_counter() - start) * 1000:.0f} ms")
        await one.settled()
        assert one.reaches("red1", "10.0.0.12")
        assert one.reaches("blue1", "10.0.0.13")
        assert not one.reaches("red1", "10.0.0.13")
        assert not one.reaches("blue1", "10.0.0.12")

    on_compute(scenario)


def test_a_restarted_agent_has_nothing_to_do(on_compute):
    async def scenario(one):
        await one.start_agent()
        await one.writer.remote_host("compute2", "198.51.100.2")
        red, _, ports = await two_tenants(one)
        await one.writer.remote_port(red, "10.0.0.99", "compute2")
        await one.up(*ports)
        await one.settled()
        await one.stop_agent()
        await one.start_agent()
        await one.host.until(lambda: one.agent.machine.flows.ready == {"br-int", "br-tun"}, "flows are seen")
        await one.settled()
        assert one.agent.operations == 0

    on_compute(scenario)


def test_everything_that_a_stranger_breaks_is_repaired(on_compute):
    async def scenario(one):
        await one.start_agent()
        await one.writer.remote_host("compute2", "198.51.100.2")
        red, _, ports = await two_tenants(one)
        await one.writer.remote_port(red, "10.0.0.99", "compute2")
        await one.up(*ports)
        await one.settled()
        qvo = "qvo" + ports[0].id[:11]
        tap = "tap" + ports[1].id[:11]
        for command in (
            f"ovs-vsctl del-port {qvo}",
            f"ovs-vsctl set port {qvo} tag=77",
            f"ip link del {qvo}",
            f"ip link del {tap}",
            f"ip link set {tap} down",
            "ip netns exec red1 ip link del eth0",
            "ip netns exec red1 ip addr flush dev eth0",
            "ip netns exec red1 ip route flush default",
            "ip netns del red2",
            "ovs-ofctl del-flows br-tun",
            "ovs-ofctl del-flows br-int",
            "ovs-ofctl del-flows br-tun table=20",
            "ovs-ofctl mod-flows br-tun 'table=22,actions=drop'",
            "ovs-ofctl add-flow br-int priority=0,actions=drop",
            "ovs-vsctl del-br br-tun",
            "ovs-vsctl del-br br-int",
            "ovs-vsctl --if-exists del-br br-int -- --if-exists del-br br-tun",
            "ovs-vsctl set-fail-mode br-tun standalone",
            "ovs-vsctl del-port vxlan-c6336402",
        ):
            start, before = time.perf_counter(), one.agent.operations
            one.host.sh(command)
            await one.host.until(lambda before=before: one.agent.operations > before, f"a repair after {command}")
            await one.settled()
            print(f"{(time.perf_counter() - start) * 1000:6.0f} ms  {command}")
            await one.up(*ports)
            assert one.reaches("red1", "10.0.0.12"), command

    on_compute(scenario)


def test_daemons_killed_or_wiped_come_back_to_the_same_network(on_compute):
    async def scenario(one):
        await one.start_agent()
        _, _, ports = await two_tenants(one)
        await one.up(*ports)
        await one.settled()
        host = one.host
        before = one.agent.operations
        host.kill("ovs-vswitchd")
        await host.until(lambda: not one.agent.machine.flows.ready, "the agent notices")
        host.start_vswitchd()
        await host.until(lambda: one.reaches("red1", "10.0.0.12"), "traffic after ovs-vswitchd was killed")
        await host.until(lambda: one.agent.operations > before, "flows are written again")
        await one.settled()
        host.kill("ovsdb-server")
        host.start_ovsdb()
        await host.until(lambda: one.reaches("red1", "10.0.0.12"), "traffic after ovsdb-server was killed")
        await one.settled()
        host.kill("ovs-vswitchd")
        host.kill("ovsdb-server")
        host.sh("rm /etc/openvswitch/conf.db")
        for namespace in ("red1", "red2", "blue1", "blue3"):
            host.sh(f"ip netns del {namespace}")
        host.start_ovs()
        await one.settled(20)
        await one.up(*ports)
        await host.until(lambda: one.reaches("red1", "10.0.0.12"), "traffic after everything was wiped")

    on_compute(scenario)


def test_the_plan_for_an_empty_host_is_a_script_that_makes_what_the_agent_makes(on_compute):
    async def scenario(one):
        await two_tenants(one)
        settings = AgentSettings(
            host="compute1", intent=(one.server.remote,), tunnel_ip="198.51.100.1", datapath_type="netdev"
        )
        operations = await plan(settings)
        one.host.sh(render_script(operations, "compute1"))
        assert one.reaches("red1", "10.0.0.12")
        assert await plan(settings) == []
        await one.start_agent()
        await one.settled()
        assert one.agent.operations == 0

    on_compute(scenario)
