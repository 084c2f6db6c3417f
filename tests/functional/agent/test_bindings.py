"""What others plug, what is not ours, networks on provider bridges, and what happens when intent goes or is away."""

import asyncio

from msgspec.structs import replace

from patchbay.intent.database import Insert, Update


def test_an_interface_that_somebody_plugs_is_bound_and_let_go_again(on_compute):
    async def scenario(one):
        await one.start_agent()
        red = await one.writer.network("red", 0x22)
        own = await one.writer.instance("red1", red, "10.0.0.11")
        port = one.writer.make_port(red, "10.0.0.50", "")
        await one.writer.database.transact(Insert(port))
        one.host.sh(
            "ip netns add vm; ip link add vnet0 type veth peer name eth0 netns vm; ip link set vnet0 up\n"
            "ip netns exec vm ip link set eth0 up; ip netns exec vm ip addr add 10.0.0.50/24 dev eth0\n"
            "ip netns exec vm ethtool -K eth0 tx off\n"
            f"ovs-vsctl add-port br-int vnet0 -- set interface vnet0 external_ids:iface-id={port.id}"
        )
        await one.up(own, port)
        await one.settled()
        assert one.reaches("vm", "10.0.0.11")
        await one.writer.delete(port)
        await one.host.until(lambda: one.host.sh("ovs-vsctl get port vnet0 tag").strip() == "4095", "it is dead")
        await one.settled()
        assert not one.reaches("vm", "10.0.0.11")
        one.host.sh("ovs-vsctl remove interface vnet0 external_ids iface-id")
        await one.host.until(lambda: one.host.sh("ovs-vsctl get port vnet0 tag").strip() == "[]", "it is let go")
        await one.settled()

    on_compute(scenario)


def test_an_unknown_interface_talks_to_nobody_until_its_port_exists(on_compute):
    async def scenario(one):
        await one.start_agent()
        red = await one.writer.network("red", 0x22)
        port = one.writer.make_port(red, "10.0.0.50", "compute1")
        one.host.sh(
            "ip link add vnet0 type veth peer name vnet0p; ip link set vnet0 up\n"
            f"ovs-vsctl add-port br-int vnet0 -- set interface vnet0 external_ids:iface-id={port.id}"
        )
        await one.host.until(lambda: one.host.sh("ovs-vsctl get port vnet0 tag").strip() == "4095", "it is dead")
        await one.settled()
        assert "in_port=vnet0 actions=drop" in one.host.sh("ovs-ofctl dump-flows --names br-int")
        await one.writer.database.transact(Insert(port))
        await one.up(port)
        assert one.host.sh("ovs-vsctl get port vnet0 tag").strip() == "1"
        await one.settled()

    on_compute(scenario)


def test_what_is_not_ours_stays_as_it_is(on_compute):
    async def scenario(one):
        one.host.sh(
            "for b in br-foreign br-ex br-int; do ovs-vsctl add-br $b -- set bridge $b datapath_type=netdev; done\n"
            "ovs-vsctl add-port br-foreign x0 -- set interface x0 type=internal\n"
            "ovs-vsctl add-port br-int x1 -- set interface x1 type=internal -- set port x1 tag=9\n"
            "ovs-ofctl add-flow br-foreign cookie=0x5,priority=7,actions=drop\n"
            "ovs-ofctl add-flow br-int cookie=0x5,priority=7,in_port=x1,actions=drop\n"
            "ip netns add foreign; ip link add y0 type veth peer name y1 netns foreign; ip link add ybr type bridge\n"
            "ip netns exec foreign ip addr add 192.0.2.1/24 dev y1"
        )

        def foreign() -> str:
            return one.host.sh(
                "ovs-vsctl list-ports br-foreign; ovs-vsctl get port x1 tag; ip netns list | grep foreign\n"
                "ovs-ofctl --no-stats dump-flows br-foreign; ovs-ofctl --no-stats dump-flows br-int cookie=0x5/-1\n"
                "ip -br link show type bridge; ip netns exec foreign ip -br address show y1"
            )

        before = foreign()
        await one.start_agent(bridge_mappings={"physnet1": "br-ex"})
        red = await one.writer.network("red", 0x22)
        port = await one.writer.instance("red1", red, "10.0.0.11", "direct")
        await one.up(port)
        await one.settled()
        await one.writer.delete(one.writer.database.instances[next(iter(one.writer.database.instances))])
        await one.writer.delete(port)
        await one.settled()
        await one.stop_agent()
        await one.start_agent()
        await one.settled()
        assert foreign() == before
        assert f"tap{port.id[:11]}" not in one.host.sh("ovs-vsctl show; ip -br link")

    on_compute(scenario)


def test_vlan_and_flat_networks_leave_by_the_provider_bridge(on_compute):
    async def scenario(one):
        one.host.sh(
            "ovs-vsctl add-br br-ex -- set bridge br-ex datapath_type=netdev\n"
            "ip netns add outside; ip link add up0 type veth peer name eth0 netns outside; ip link set up0 up\n"
            "ovs-vsctl add-port br-ex up0\n"
            "ip netns exec outside ip link set eth0 up; ip netns exec outside ip addr add 10.1.0.1/24 dev eth0\n"
            "ip netns exec outside ethtool -K eth0 tx off"
        )
        await one.start_agent(bridge_mappings={"physnet1": "br-ex"})
        flat = await one.writer.network(
            "flat", None, "10.1.0.0/24", network_type="flat", physical_network="physnet1", mtu=1500
        )
        vlan = await one.writer.network(
            "vlan", 100, "10.2.0.0/24", network_type="vlan", physical_network="physnet1", mtu=1500
        )
        ports = [
            await one.writer.instance("flat1", flat, "10.1.0.11"),
            await one.writer.instance("vlan1", vlan, "10.2.0.11"),
            await one.writer.instance("vlan2", vlan, "10.2.0.12"),
        ]
        await one.up(*ports)
        await one.settled()
        assert one.reaches("outside", "10.1.0.11")
        assert one.reaches("vlan1", "10.2.0.12")
        assert not one.reaches("flat1", "10.2.0.11")
        one.host.sh("ovs-vsctl del-br br-ex")
        await one.settled()
        one.host.sh("ovs-vsctl add-br br-ex -- set bridge br-ex datapath_type=netdev -- add-port br-ex up0")
        await one.host.until(lambda: "phy-br-ex" in one.host.sh("ovs-vsctl list-ports br-ex"), "the patch is back")
        await one.settled()
        await one.host.until(lambda: one.reaches("outside", "10.1.0.11"), "traffic after br-ex came back")

    on_compute(scenario)


def test_a_namespace_that_is_not_ours_stops_only_its_own_instance(on_compute):
    async def scenario(one):
        one.host.sh("ip netns add red1")
        await one.start_agent()
        red = await one.writer.network("red", 0x22)
        first = await one.writer.instance("red1", red, "10.0.0.11", "direct")
        second = await one.writer.instance("red2", red, "10.0.0.12", "direct")
        await one.up(second)
        assert not one.writer.is_up(first)
        assert f"tap{first.id[:11]}" not in one.host.sh("ovs-vsctl list-ports br-int")
        one.host.sh("ip netns del red1")
        await one.up(first)
        await one.settled()
        assert one.reaches("red1", "10.0.0.12")

    on_compute(scenario)


def test_while_the_intent_database_is_away_the_host_is_still_repaired(on_compute):
    async def scenario(one):
        await one.start_agent()
        red = await one.writer.network("red", 0x22)
        ports = [
            await one.writer.instance("red1", red, "10.0.0.11"),
            await one.writer.instance("red2", red, "10.0.0.12", "direct"),
        ]
        await one.up(*ports)
        await one.settled()
        await one.server.stop()
        await one.host.until(lambda: not one.agent.intent.is_connected, "intent is away")
        assert one.reaches("red1", "10.0.0.12")
        one.host.sh("ovs-vsctl del-br br-int; ip netns del red2")
        await one.host.until(lambda: one.reaches("red1", "10.0.0.12"), "the repair without intent")
        await one.settled()
        await one.restart_server()
        third = await one.writer.instance("red3", red, "10.0.0.13")
        await one.up(third, *ports)
        await one.settled()

    on_compute(scenario)


def test_changes_of_ports_and_networks_reach_the_host(on_compute):
    async def scenario(one):
        await one.start_agent()
        database = one.writer.database
        red, blue = await one.writer.network("red", 0x22), await one.writer.network("blue", 0x23)
        ports = [
            await one.writer.instance("red1", red, "10.0.0.11"),
            await one.writer.instance("red2", red, "10.0.0.12", "direct"),
            await one.writer.instance("blue1", blue, "10.0.0.11", "direct"),
        ]
        await one.up(*ports)
        await one.settled()
        down = replace(ports[0], admin_state_up=False, revision_number=1)
        await database.transact(Update(ports[0], down))
        await one.host.until(lambda: not one.reaches("red1", "10.0.0.12"), "a port that is down is silent")
        await one.settled()
        await database.transact(Update(down, replace(ports[0], revision_number=2)))
        await one.host.until(lambda: one.reaches("red1", "10.0.0.12"), "it talks again")
        await database.transact(Update(red, replace(red, mtu=1400, revision_number=1)))
        await one.host.until(lambda: "mtu 1400" in one.host.sh("ip netns exec red1 ip link show eth0"), "the new MTU")
        await one.settled()
        assert one.agent.view.local_vlans() == {red.id: 1, blue.id: 2}
        for name, port in (("red1", ports[0]), ("red2", ports[1])):
            instance = next(one for one in database.instances.values() if one.name == name)
            await one.writer.delete(instance, database.ports[port.id])
        await one.settled()
        assert one.agent.view.local_vlans() == {blue.id: 2}
        assert one.host.sh("ip netns list").split()[0] == "blue1"
        await one.host.until(lambda: len(database.plugs) == 1, "the plugs of deleted ports are gone")
        green = await one.writer.network("green", 0x24)
        await one.up(await one.writer.instance("green1", green, "10.0.0.11"))
        await one.settled()
        assert one.agent.view.local_vlans().keys() == {blue.id, green.id}
        assert one.agent.view.local_vlans()[blue.id] == 2

    on_compute(scenario)


def test_the_host_introduces_itself_and_its_heart_beats(on_compute):
    async def scenario(one):
        await one.start_agent(bridge_mappings={"physnet1": "br-ex"})
        database = one.writer.database
        await one.host.until(lambda: database.hosts, "the host's row")
        (row,) = database.hosts.values()
        assert (row.name, row.tunnel_ip, row.datapath_type) == ("compute1", "198.51.100.1", "netdev")
        assert row.bridge_mappings == {"physnet1": "br-ex"}
        assert row.version
        assert 0 < row.started_at <= row.heartbeat_at
        await one.stop_agent()
        await asyncio.sleep(1.1)
        await one.start_agent()
        await one.host.until(lambda: database.hosts[row.id].started_at > row.started_at, "a new start is told")
        assert len(database.hosts) == 1
        told = database.hosts[row.id]
        assert told.services == row.services == ("dhcp", "l3", "metadata")
        await database.transact(Update(told, replace(told, services=("metadata",))))
        await one.host.until(
            lambda: database.hosts[row.id].services == row.services, "what somebody deleted of it is told again"
        )

    on_compute(scenario)


def test_a_tunnel_that_cannot_be_opened_cuts_off_no_other_host(on_compute):
    async def scenario(one):
        await one.start_agent()
        red = await one.writer.network("red", 0x22)
        for number in (2, 3):
            await one.writer.remote_host(f"compute{number}", f"198.51.100.{number}")
            await one.writer.remote_port(red, f"10.0.0.{number}", f"compute{number}")
        port = await one.writer.instance("red1", red, "10.0.0.11")
        await one.up(port)
        await one.settled()
        flood = "ovs-ofctl --names --no-stats dump-flows br-tun table=22,dl_vlan=1 | tr -d '\"'"
        assert one.host.sh(flood).strip().endswith("output:vxlan-c6336402,output:vxlan-c6336403")
        one.host.sh("ovs-vsctl add-br br-x -- set bridge br-x datapath_type=netdev")
        one.host.sh(
            "ovs-vsctl --no-wait add-port br-x rival -- set interface rival type=vxlan options:remote_ip=198.51.100.4"
            " options:local_ip=198.51.100.1 options:in_key=flow options:out_key=flow"
        )
        await one.writer.remote_host("compute4", "198.51.100.4")
        await one.writer.remote_port(red, "10.0.0.4", "compute4")
        await one.host.until(lambda: "vxlan-c6336404" in one.agent.switch.errors(), "the tunnel is refused")
        second = await one.writer.instance("red2", red, "10.0.0.12")
        await one.up(port, second)
        assert one.host.sh(flood).strip().endswith("output:vxlan-c6336402,output:vxlan-c6336403")
        one.host.sh("ovs-ofctl del-flows br-tun")
        await one.host.until(lambda: "output:vxlan-c6336403" in one.host.sh(flood), "flooding to the others is back")
        one.host.sh("ovs-vsctl del-br br-x")
        await one.settled()
        assert one.host.sh(flood).strip().endswith("output:vxlan-c6336403,output:vxlan-c6336404")

    on_compute(scenario)
