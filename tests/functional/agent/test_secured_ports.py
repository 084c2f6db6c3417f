"""Ports with port security under one agent: what it hears of groups and repairs, and that a restart does nothing."""

from msgspec.structs import replace

from patchbay.intent.database import Insert, Update
from patchbay.model import SecurityGroup, SecurityGroupRule, VnetObject
from patchbay.model.vnet import DATAPATH
from tests.functional.agent.intent_by_hand import new_id


async def friends(one):
    """A group whose ports reach each other, with two instances here; a third one, without port security."""
    group = SecurityGroup(id=new_id(), name="friends")
    asks = SecurityGroupRule(id=new_id(), security_group_id=group.id, direction="egress")
    hears = SecurityGroupRule(
        id=new_id(), security_group_id=group.id, direction="ingress", remote_group_id=group.id, protocol="icmp"
    )
    await one.writer.database.transact(Insert(group), Insert(asks), Insert(hears))
    red = await one.writer.network("red", 5)
    ports = []
    for number, plugging in ((11, "hybrid"), (12, "direct")):
        made = one.writer.make_port(red, f"10.0.0.{number}", one.writer.host)
        port = replace(made, port_security_enabled=True, security_groups=(group.id,))
        instance = one.writer.make_instance(f"friend{number}", port, plugging)
        await one.writer.database.transact(Insert(port), Insert(instance))
        ports.append(port)
    ports.append(await one.writer.instance("stranger", red, "10.0.0.13"))
    await one.up(*ports)
    await one.settled()
    return group, hears, ports


def test_a_restarted_agent_has_nothing_to_do_for_ports_with_port_security(on_compute):
    async def scenario(one):
        await one.start_agent()
        await friends(one)
        assert one.reaches("friend11", "10.0.0.12")
        assert one.reaches("friend12", "10.0.0.13")
        assert not one.reaches("stranger", "10.0.0.11")
        await one.stop_agent()
        await one.start_agent()
        await one.host.until(lambda: one.agent.machine.flows.ready == {"br-int", "br-tun"}, "flows are seen")
        await one.settled()
        assert one.agent.operations == 0

    on_compute(scenario)


def test_what_opens_a_port_is_closed_again(on_compute):
    async def scenario(one):
        await one.start_agent()
        _, _, ports = await friends(one)
        qvo, tap = "qvo" + ports[0].id[:11], "tap" + ports[1].id[:11]
        for command in (
            f"ovs-vsctl clear port {qvo} vlan_mode",
            f"ovs-vsctl set port {tap} vlan_mode=access",
            f"ovs-vsctl set port {tap} cvlans=1,2",
            "ovs-vsctl del-port patch-secured",
            "ovs-vsctl clear port patch-switch tag vlan_mode",
            "ovs-ofctl del-flows br-int table=25",
            f"ovs-ofctl --strict --names del-flows br-int priority=4,table=0,in_port={tap}",
        ):
            one.host.sh(command)
            await one.settled()
            assert not one.reaches("stranger", "10.0.0.11"), command
            assert one.reaches("friend11", "10.0.0.12"), command

    on_compute(scenario)


def test_an_agent_hears_of_members_on_networks_that_are_not_here_and_of_rules(on_compute):
    async def scenario(one):
        await one.start_agent()
        group, hears, _ = await friends(one)
        await one.writer.remote_host("compute2", "198.51.100.2")
        blue = await one.writer.network("blue", 6, "10.9.0.0/24")
        made = one.writer.make_port(blue, "10.9.0.7", "compute2")
        far = replace(made, port_security_enabled=True, security_groups=(group.id,))
        await one.writer.database.transact(Insert(far))
        member = "ct_nw_src=10.9.0.7"
        await one.host.until(
            lambda: member in one.host.sh("ovs-ofctl dump-flows br-int table=82"), "the member is known"
        )
        await one.writer.database.transact(Update(far, replace(far, security_groups=())))
        await one.host.until(
            lambda: member not in one.host.sh("ovs-ofctl dump-flows br-int table=82"), "it is forgotten"
        )
        assert one.reaches("friend11", "10.0.0.12")
        await one.writer.database.transact(Update(hears, replace(hears, protocol="tcp")))
        await one.host.until(lambda: not one.reaches("friend11", "10.0.0.12"), "only TCP is allowed")
        await one.settled()

    on_compute(scenario)


PLUG = """
ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev other_config:datapath-id=000002fdee8e0a44
ip netns add guest; ip link add if-veth1 type veth peer name eth0 netns guest
ip link set if-veth1 up; ip netns exec guest ethtool -K eth0 tx off >/dev/null
ip -n guest link set eth0 address {mac} up; ip -n guest link set lo up
ip -n guest addr add 10.0.0.14/24 dev eth0; ip -n guest addr add 10.0.0.99/24 dev eth0
ovs-vsctl add-port br0 if-veth1
"""


def test_an_attached_interface_has_port_security_too(on_compute):
    async def scenario(one):
        await one.start_agent()
        group, _, _ = await friends(one)
        red = next(iter(one.writer.database.networks.values()))
        made = one.writer.make_port(red, "10.0.0.14", "")
        port = replace(made, port_security_enabled=True, security_groups=(group.id,), interface_name="if-veth1")
        registered = VnetObject(id=new_id(), kind=DATAPATH, uuid="dp-br0", dpid="000002fdee8e0a44")
        await one.writer.database.transact(Insert(port), Insert(registered))
        one.host.sh(PLUG.format(mac=port.mac_address))
        await one.up(port)
        await one.settled()
        assert one.reaches("guest", "10.0.0.13")
        assert one.reaches("friend11", "10.0.0.14")
        assert not one.reaches("stranger", "10.0.0.14")
        spoofed = "ip netns exec guest ping -c 2 -i 0.1 -W 0.3 -I 10.0.0.99 10.0.0.13 || true"
        assert " 0 received" in one.host.sh(spoofed)

    on_compute(scenario)
