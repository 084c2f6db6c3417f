"""What a router forwards: extra routes, IPv6 and its advertisements, subnets and interfaces that come and go."""

from patchbay.intent.database import Insert
from patchbay.model import FixedIP, HostRoute, Subnet
from tests.functional.agent.intent_by_hand import new_id
from tests.functional.routers.scene import INTERNET


def test_an_extra_route_leads_to_what_is_behind_an_instance_and_out_of_it_again(on_router):
    async def scenario(scene):
        scene.sh(
            "ip netns exec blue1 sysctl -qw net.ipv4.ip_forward=1\nip netns exec blue1 ip addr add 172.16.0.1/24 dev lo"
        )
        assert not scene.pings("red1", "172.16.0.1")
        await scene.change(scene.router, routes=(HostRoute("172.16.0.0/24", "10.0.2.11"),))
        await scene.one.settled()
        assert scene.pings("red1", "172.16.0.1")
        assert "1 received" in scene.sh(f"ip netns exec blue1 ping -c1 -W1 -I 172.16.0.1 {INTERNET} || true")
        await scene.change(scene.router, routes=())
        await scene.one.settled()
        assert not scene.pings("red1", "172.16.0.1")

    on_router(scenario)


def test_ipv6_is_routed_untranslated_and_instances_configure_themselves(on_router):
    async def scenario(scene):
        inside = Subnet(
            id=new_id(),
            network_id=scene.red.id,
            ip_version=6,
            cidr="2001:db8:1::/64",
            gateway_ip="2001:db8:1::1",
            ipv6_ra_mode="slaac",
            ipv6_address_mode="slaac",
        )
        outside = Subnet(
            id=new_id(), network_id=scene.outside.id, ip_version=6, cidr="2001:db8:f::/64", gateway_ip="2001:db8:f::1"
        )
        await scene.database.transact(Insert(inside), Insert(outside))
        for port, subnet, address in (
            (scene.ports[0], inside, "2001:db8:1::1"),
            (scene.ports[2], outside, "2001:db8:f::5"),
        ):
            await scene.change(port, fixed_ips=(*port.fixed_ips, FixedIP(subnet.id, address)))
        await scene.one.settled()
        scene.sh("ip netns exec internet ip route add 2001:db8:1::/64 via 2001:db8:f::5")
        port = scene.one.writer.make_port(scene.red, "10.0.1.50", "")
        await scene.database.transact(Insert(port))
        scene.sh(
            "ip netns add vm; ip link add vnet0 type veth peer name eth0 netns vm; ip link set vnet0 up\n"
            "ip netns exec vm ethtool -K eth0 tx off; ip netns exec vm ip link set eth0 up\n"
            f"ovs-vsctl add-port br-int vnet0 -- set interface vnet0 external_ids:iface-id={port.id}"
        )

        def own() -> str:
            return scene.sh("ip netns exec vm ip -6 -o addr show dev eth0 scope global -tentative")

        await scene.one.host.until(lambda: "2001:db8:1:" in own(), "the machine has made itself an address", 20)
        assert scene.pings("vm", "2001:db8:f::1")
        address = own().split()[3].partition("/")[0]
        scene.serve("internet", 80, "::")
        assert scene.ask("vm", "2001:db8:f::1", 80) == f"internet {address}"
        assert scene.pings("internet", address)

        await scene.change(scene.ports[0], fixed_ips=scene.ports[0].fixed_ips)
        await scene.one.settled()
        assert scene.sh("pgrep --runstates R,S radvd || true") == "", "radvd goes with the subnet that wanted it"

    on_router(scenario)


def test_a_router_that_is_down_forwards_nothing_and_comes_back_whole(on_router):
    async def scenario(scene):
        assert scene.pings("red1", "10.0.2.11")
        await scene.change(scene.router, admin_state_up=False)
        await scene.one.settled()
        assert not scene.pings("red1", "10.0.2.11")
        assert "qrouter" not in scene.sh("ip netns list")
        await scene.change(scene.router, admin_state_up=True)
        await scene.one.up(*scene.ports)
        await scene.one.settled()
        assert scene.pings("red1", "10.0.2.11")
        assert scene.pings("red1", INTERNET)

    on_router(scenario)


def test_a_second_subnet_on_one_interface_is_routed_too(on_router):
    async def scenario(scene):
        more = Subnet(id=new_id(), network_id=scene.blue.id, ip_version=4, cidr="10.0.3.0/24", gateway_ip="10.0.3.1")
        await scene.database.transact(Insert(more))
        port = scene.ports[1]
        await scene.change(port, fixed_ips=(*port.fixed_ips, FixedIP(more.id, "10.0.3.1")))
        await scene.change(scene.blue1, fixed_ips=(FixedIP(more.id, "10.0.3.11"),))
        await scene.one.settled()
        assert scene.pings("red1", "10.0.3.11")
        scene.serve("internet", 80)
        assert scene.ask("blue1", INTERNET, 80) == "internet 203.0.113.5"

    on_router(scenario)


def test_a_router_that_moves_away_takes_everything_along(on_router):
    async def scenario(scene):
        await scene.floating("203.0.113.10", scene.red1)
        await scene.one.settled()
        await scene.change(scene.router, host="gateway2")
        for port in scene.ports:
            await scene.change(port, host="gateway2")
        await scene.one.settled()
        assert "qrouter" not in scene.sh("ip netns list")
        assert not [name for name in scene.sh("ovs-vsctl list-ports br-int").split() if name[:2] in ("qr", "qg")]
        told = [plug.port_id for plug in scene.database.plugs.values()]
        assert sorted(told) == sorted(port.id for port in (scene.red1, scene.red2, scene.blue1))

    on_router(scenario)


def test_a_device_follows_its_port_and_its_network(on_router):
    async def scenario(scene):
        await scene.change(scene.red, mtu=1300)
        await scene.change(scene.ports[0], mac_address="fa:16:3e:ff:ff:01")
        await scene.one.settled()
        shown = scene.sh(f"ip netns exec {scene.namespace} ip -o link")
        line = next(line for line in shown.splitlines() if f"qr-{scene.ports[0].id[:11]}" in line)
        assert "mtu 1300" in line
        assert "fa:16:3e:ff:ff:01" in line
        assert scene.pings("red1", "10.0.2.11")

    on_router(scenario)
