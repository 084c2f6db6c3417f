"""Packets through flows that were written over the OpenFlow connection: answers, learning, replacement without loss."""

import asyncio
import re

from patchbay.compile.br_tun import LEARN, compile_responder, compile_tunnel_bridge
from patchbay.compile.facts import Facts
from patchbay.host.openflow import OpenFlowConnection, learned_on
from patchbay.hoststate import Flow

TUNNEL = "vxlan-ac150c08"
MAC_A, MAC_B = "fa:16:3e:00:00:0a", "fa:16:3e:00:00:0b"
PORTS = {"patch-int": 1, TUNNEL: 2}

NETWORK = f"""
ovs-vsctl add-br br-int -- set bridge br-int datapath_type=netdev
ovs-vsctl add-br br-tun -- set bridge br-tun datapath_type=netdev fail_mode=secure
ovs-vsctl add-port br-int patch-tun -- set interface patch-tun type=patch options:peer=patch-int
ovs-vsctl add-port br-tun patch-int -- set interface patch-int type=patch options:peer=patch-tun ofport_request=1
wire() {{  # namespace, its MAC, its end in the switch
  ip netns add $1; ip link add $3 type veth peer name eth0 netns $1
  sysctl -qw net.ipv6.conf.$3.disable_ipv6=1; ip link set $3 up; ip -n $1 link set lo up
  ip -n $1 link set eth0 address $2 up; ip netns exec $1 ethtool -K eth0 tx off >/dev/null
}}
wire a {MAC_A} tap-a; ovs-vsctl add-port br-int tap-a tag=12
wire b {MAC_B} {TUNNEL}; ovs-vsctl add-port br-tun {TUNNEL} -- set interface {TUNNEL} ofport_request=2
ip -n a addr add 192.168.10.11/24 dev eth0; ip -n a addr add fd00::11/64 dev eth0 nodad
ip -n b addr add 192.168.10.12/24 dev eth0; ip -n b addr add fd00::12/64 dev eth0 nodad
ip -n b neigh add 192.168.10.11 lladdr {MAC_A} dev eth0; ip -n b neigh add fd00::11 lladdr {MAC_A} dev eth0
"""
"""``a`` is an instance on this host; ``b`` stands for a host behind a tunnel."""


def flow(table: int, priority: int, match: str, actions: str) -> Flow:
    return Flow(bridge="br-tun", table=table, priority=priority, match=match, actions=actions)


KNOWN = flow(20, 2, f"dl_vlan=12,dl_dst={MAC_B}", f"strip_vlan,set_tunnel:0x22,output:{TUNNEL}")
WAY_IN = flow(0, 5, f"in_port={TUNNEL}", "mod_vlan_vid:12,resubmit(,10)")
"""A veth carries no tunnel id, so what comes from ``b`` skips table 4."""


async def on_wired_bridge(host, *flows: Flow, heard=None) -> OpenFlowConnection:
    host.start_ovs()
    host.sh(NETWORK)
    connection = OpenFlowConnection("br-tun", on_change=heard.extend if heard is not None else None)
    await connection.open()
    facts = Facts(host="compute1", datapath_type="netdev", tunnel_ip="172.21.12.163")
    common = [one for one in compile_tunnel_bridge(facts) if isinstance(one, Flow)]
    assert await connection.apply([*common, WAY_IN, *flows], ports=PORTS) == ()
    return connection


def responders() -> list[Flow]:
    made = [*compile_responder(12, MAC_B, "192.168.10.12"), *compile_responder(12, MAC_B, "fd00::12")]
    return [one for one in made if isinstance(one, Flow)]


def learned(host) -> str:
    return host.sh("ovs-ofctl dump-flows br-tun cookie=0xa9eb8f9011f7e038/-1 | grep -v NXST || true")


def test_arp_requests_and_neighbour_solicitations_are_answered_by_flows(on_private_host):
    async def scenario(host):
        await on_wired_bridge(host, KNOWN, *responders())
        host.sh("ip netns exec a ping -c 2 -i 0.1 -W 1 192.168.10.12")
        host.sh("ip netns exec a ping -c 2 -i 0.1 -W 1 fd00::12")
        neighbours = host.sh("ip -n a neigh")
        for address in ("192.168.10.12", "fd00::12"):
            assert re.search(f"{address} dev eth0 lladdr {MAC_B} REACHABLE", neighbours), neighbours
        # Nobody flooded for them: with no flow for the network in table 22 a question could not have reached b.
        assert host.sh("ip netns exec a ping -c 1 -W 0.2 192.168.10.99 || true").endswith(
            "100% packet loss, time 0ms\n\n"
        )

    on_private_host(scenario)


def test_detection_of_duplicate_addresses_is_flooded_and_the_owner_defends_its_address(on_private_host):
    async def scenario(host):
        await on_wired_bridge(host, KNOWN, *responders(), flow(22, 7, "dl_vlan=12", f"strip_vlan,output:{TUNNEL}"))
        host.sh("ip -n a addr add fd00::12/64 dev eth0")
        await host.until(
            lambda: "dadfailed" in host.sh("ip -n a addr show dev eth0"), "b defended its address against a"
        )

    on_private_host(scenario)


def test_what_is_learned_is_not_reported_and_can_be_forgotten(on_private_host):
    async def scenario(host):
        heard = []
        short = flow(10, 1, "", f"{LEARN.replace('hard_timeout=300', 'hard_timeout=1')},output:patch-int")
        connection = await on_wired_bridge(host, *responders(), KNOWN, heard=heard)
        host.sh("ip netns exec b ping -c 1 -W 1 192.168.10.11")
        assert f"priority=1,vlan_tci=0x000c/0x0fff,dl_dst={MAC_B}" in learned(host)
        assert "load:0->NXM_OF_VLAN_TCI[],load:0->NXM_NX_TUN_ID[],output:2" in learned(host)
        await connection.apply(delete=[learned_on(13)])
        assert MAC_B in learned(host)
        for _ in range(5):  # packets that were not accounted yet are learned from once more
            await connection.apply(delete=[learned_on(12)])
            if learned(host) == "":
                break
        else:
            raise AssertionError(learned(host))
        await connection.apply([short], [learned_on(12)], ports=PORTS)

        def learned_again() -> bool:
            host.sh("ip netns exec b ping -c 1 -W 1 192.168.10.11")
            return "hard_timeout=1," in learned(host)

        # A datapath flow learns when it is made or looked at again, twice a second, and not with each packet.
        await host.until(learned_again, "learned for one second")
        await host.until(lambda: learned(host) == "", "the learned flow expired")
        await connection.count()
        assert heard == []

    on_private_host(scenario)


def test_flows_are_replaced_under_traffic_without_losing_a_packet(on_private_host):
    async def scenario(host):
        connection = await on_wired_bridge(host, KNOWN, *responders())
        host.sh("ip netns exec a ping -c 1 -W 1 192.168.10.12")
        words = "ip netns exec a ping -q -i 0.002 -c 700 -W 1 192.168.10.12"
        pinging = await asyncio.create_subprocess_shell(words, stdout=asyncio.subprocess.PIPE)
        ended = asyncio.create_task(pinging.communicate())
        current, turns = KNOWN, 0
        while not ended.done():
            other = flow(20, 2, KNOWN.match, KNOWN.actions.replace("0x22", f"{turns % 50 + 0x100:#x}"))
            # Once added over the old one, once deleted before: both are one step to the packets.
            first, last = ([current], []) if turns % 2 else ([], [current])
            await connection.apply([other], last, delete_first=first, ports=PORTS)
            current, turns = other, turns + 1
        assert turns > 50
        assert " 0% packet loss" in (await ended)[0].decode()

    on_private_host(scenario)
