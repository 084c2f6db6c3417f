"""What a router translates: sources on the way out, floating IPs and forwarded ports on the way in, and hairpins."""

from patchbay.model import PortForwarding
from tests.functional.agent.intent_by_hand import new_id
from tests.functional.routers.scene import GATEWAY, INTERNET

FLOATING, SECOND = "203.0.113.10", "203.0.113.11"


def forwarding(protocol, external, port, internal) -> PortForwarding:
    return PortForwarding(
        id=new_id(),
        protocol=protocol,
        external_ports=external,
        internal_port_id=port.id,
        internal_ip_address=port.fixed_ips[0].ip_address,
        internal_ports=internal,
    )


def test_subnets_talk_untranslated_and_the_world_sees_the_router(on_router):
    async def scenario(scene):
        scene.serve("blue1", 80)
        scene.serve("internet", 80)
        assert scene.pings("red1", "10.0.2.11")
        assert scene.ask("red1", "10.0.2.11", 80) == "blue1 10.0.1.11"
        assert scene.pings("red1", INTERNET)
        assert scene.ask("red1", INTERNET, 80) == f"internet {GATEWAY}"
        assert scene.ask("blue1", INTERNET, 80) == f"internet {GATEWAY}"
        await scene.change(scene.router, enable_snat=False)
        await scene.one.settled()
        assert not scene.pings("red1", INTERNET)
        scene.sh(f"ip netns exec internet ip route add 10.0.0.0/8 via {GATEWAY}")
        assert scene.ask("red1", INTERNET, 80) == "internet 10.0.1.11"

    on_router(scenario)


def test_a_floating_ip_leads_in_and_out_and_its_end_cuts_what_is_established(on_router):
    async def scenario(scene):
        scene.serve("red1", 80)
        scene.serve("internet", 80)
        floatingip = await scene.floating(FLOATING, scene.red1)
        await scene.active(floatingip)
        assert scene.pings("internet", FLOATING)
        assert scene.ask("internet", FLOATING, 80) == f"red1 {INTERNET}"
        assert scene.ask("red1", INTERNET, 80) == f"internet {FLOATING}"
        assert scene.ask("red2", INTERNET, 80) == f"internet {GATEWAY}"

        client = scene.connect("internet", FLOATING, 80)
        client.stdin.write("one\n")
        client.stdin.flush()
        assert client.stdout.readline() == f"red1 {INTERNET} one\n"
        holder = scene.database.ports[floatingip.floating_port_id]
        await scene.delete(floatingip, holder)
        await scene.one.settled()
        said, _ = client.communicate("two\n", timeout=20)
        assert said == "", "an established connection outlived its floating IP"
        assert not scene.pings("internet", FLOATING)
        assert scene.ask("red1", INTERNET, 80) == f"internet {GATEWAY}"
        await scene.one.host.until(lambda: scene.plug(floatingip) is None, "nothing is told of it any more")

    on_router(scenario)


def test_a_floating_ip_that_moves_leads_to_the_other_port(on_router):
    async def scenario(scene):
        scene.serve("red1", 80)
        scene.serve("blue1", 80)
        floatingip = await scene.floating(FLOATING, scene.red1)
        await scene.active(floatingip)
        assert scene.ask("internet", FLOATING, 80) == f"red1 {INTERNET}"
        await scene.change(floatingip, port_id=scene.blue1.id, fixed_ip_address="10.0.2.11")
        await scene.one.settled()
        assert scene.ask("internet", FLOATING, 80) == f"blue1 {INTERNET}"

    on_router(scenario)


def test_instances_reach_each_other_and_themselves_by_floating_ip(on_router):
    async def scenario(scene):
        for name in ("red1", "red2", "blue1"):
            scene.serve(name, 80)
        first = await scene.floating(FLOATING, scene.red1)
        second = await scene.floating(SECOND, scene.red2)
        await scene.active(first)
        await scene.active(second)
        assert scene.ask("blue1", FLOATING, 80) == f"red1 {GATEWAY}"
        assert scene.ask("red2", FLOATING, 80) == f"red1 {SECOND}", "with a floating IP, in the same subnet"
        assert scene.ask("red1", FLOATING, 80) == f"red1 {FLOATING}", "itself"
        holder = scene.database.ports[second.floating_port_id]
        await scene.delete(second, holder)
        await scene.one.settled()
        assert scene.ask("red2", FLOATING, 80) == f"red1 {GATEWAY}", "without one, in the same subnet"
        await scene.change(scene.router, enable_snat=False)
        await scene.one.settled()
        assert scene.ask("red2", FLOATING, 80) == f"red1 {GATEWAY}", "the answer finds back without enable_snat, too"

    on_router(scenario)


def test_ports_of_a_floating_ip_lead_to_different_instances(on_router):
    async def scenario(scene):
        for number in (22, 4000, 4003):
            scene.serve("red1", number)
        scene.serve("blue1", 8080)
        floatingip = await scene.floating(
            FLOATING,
            forwardings=[
                forwarding("tcp", (2222, 2222), scene.red1, (22, 22)),
                forwarding("tcp", (3000, 3003), scene.red1, (4000, 4003)),
                forwarding("tcp", (80, 89), scene.blue1, (8080, 8080)),
            ],
        )
        await scene.active(floatingip)
        assert scene.ask("internet", FLOATING, 2222) == f"red1 {INTERNET}"
        assert scene.ask("internet", FLOATING, 3000) == f"red1 {INTERNET}"
        assert scene.ask("internet", FLOATING, 3003) == f"red1 {INTERNET}"
        assert scene.ask("internet", FLOATING, 3001) == "", "nobody listens on 4001"
        assert scene.ask("internet", FLOATING, 80) == scene.ask("internet", FLOATING, 89) == f"blue1 {INTERNET}"
        assert scene.ask("red2", FLOATING, 2222) == f"red1 {GATEWAY}", "from the same subnet"
        assert scene.ask("red1", FLOATING, 2222) == f"red1 {GATEWAY}", "itself"
        assert scene.ask("internet", FLOATING, 22) == ""

    on_router(scenario)


def test_the_metadata_port_is_open_only_to_who_asked_for_the_metadata_address(on_router):
    async def scenario(scene):
        await scene.one.host.until(lambda: scene.connects("red1", "169.254.169.254", 80), "metadata are served")
        assert not scene.connects("red1", "10.0.1.1", 9697, 0.5)
        assert not scene.connects("internet", GATEWAY, 9697, 0.5)
        scene.sh(f"ip netns exec internet ip route add 169.254.169.254 via {GATEWAY}")
        assert not scene.connects("internet", "169.254.169.254", 80, 0.5)

    on_router(scenario)


def test_an_interface_that_is_removed_takes_no_other_s_connections_along(on_router):
    async def scenario(scene):
        scene.serve("internet", 80)
        client = scene.connect("red1", INTERNET, 80)
        client.stdin.write("one\n")
        client.stdin.flush()
        assert client.stdout.readline() == f"internet {GATEWAY} one\n"
        await scene.delete(scene.ports[1])
        await scene.one.settled()
        assert not scene.pings("blue1", INTERNET)
        said, _ = client.communicate("two\n", timeout=20)
        assert said == f"internet {GATEWAY} two\n"
        assert not scene.pings("red1", "10.0.2.11")

    on_router(scenario)


def test_isolation_is_neutron_s_who_knows_the_way_reaches_inner_addresses_from_outside(on_router):
    async def scenario(scene):
        assert not scene.pings("internet", "10.0.1.11"), "nobody outside has a route there"
        scene.sh(f"ip netns exec internet ip route add 10.0.1.0/24 via {GATEWAY}")
        assert scene.pings("internet", "10.0.1.11")

    on_router(scenario)
