"""What flows that route do to real packets: addresses, time to live, types and checksums, sizes, fragments, paths."""

import asyncio
import re

import pytest

from patchbay.host.openflow import OpenFlowConnection
from patchbay.hoststate import Flow

MAC_A, MAC_B, MAC_C = "fa:16:3e:00:00:0a", "fa:16:3e:00:00:0b", "fa:16:3e:00:00:0c"
ROUTER = "fa:16:3e:00:00:01"
ROUTER_ID = "0x1234567890abcdef"

NETWORK = f"""
ovs-vsctl add-br br-int -- set bridge br-int datapath_type=netdev fail_mode=secure
wire() {{  # namespace, its MAC, its port's number, its subnet, its last number
  ip netns add $1; ip link add tap-$1 type veth peer name eth0 netns $1
  sysctl -qw net.ipv6.conf.tap-$1.disable_ipv6=1; ip link set tap-$1 mtu 2000 up; ip -n $1 link set lo up
  ip -n $1 link set eth0 address $2 mtu 2000 up; ip netns exec $1 ethtool -K eth0 tx off >/dev/null
  ip -n $1 addr add 10.0.$4.$5/24 dev eth0; ip -n $1 addr add fd0$4::$5/64 dev eth0 nodad
  ip -n $1 neigh add 10.0.$4.1 lladdr {ROUTER} dev eth0; ip -n $1 neigh add fd0$4::1 lladdr {ROUTER} dev eth0
  ip -n $1 route add default via 10.0.$4.1; ip -n $1 -6 route add default via fd0$4::1
  ovs-vsctl add-port br-int tap-$1 -- set interface tap-$1 ofport_request=$3
}}
wire a {MAC_A} 1 1 11; wire b {MAC_B} 2 2 12; wire c {MAC_C} 3 3 13
"""
"""Three namespaces, each in a subnet of its own behind its own port of br-int; their router is made of flows alone."""

SWAP_MACS = (
    "move:NXM_OF_ETH_SRC[]->NXM_NX_XXREG2[0..47],move:NXM_OF_ETH_DST[]->NXM_OF_ETH_SRC[],"
    "move:NXM_NX_XXREG2[0..47]->NXM_OF_ETH_DST[]"
)
ANSWER = (
    f"{SWAP_MACS},move:NXM_OF_IP_SRC[]->NXM_NX_XXREG3[0..31],move:NXM_OF_IP_DST[]->NXM_OF_IP_SRC[],"
    "move:NXM_NX_XXREG3[0..31]->NXM_OF_IP_DST[],load:0->NXM_OF_ICMP_TYPE[],load:0x40->NXM_NX_IP_TTL[],"
    "load:0xffff->NXM_OF_IN_PORT[],resubmit(,4)"
)
ANSWER_V6 = (
    f"{SWAP_MACS},move:NXM_NX_IPV6_SRC[]->NXM_NX_XXREG3[],move:NXM_NX_IPV6_DST[]->NXM_NX_IPV6_SRC[],"
    "move:NXM_NX_XXREG3[]->NXM_NX_IPV6_DST[],load:0x81->NXM_NX_ICMPV6_TYPE[],load:0x40->NXM_NX_IP_TTL[],"
    "load:0xffff->NXM_OF_IN_PORT[],resubmit(,4)"
)
HOSTS = (("10.0.1.11", "fd01::11", MAC_A, 1), ("10.0.2.12", "fd02::12", MAC_B, 2), ("10.0.3.13", "fd03::13", MAC_C, 3))


def flow(table: int, priority: int, match: str, actions: str) -> Flow:
    return Flow(bridge="br-int", table=table, priority=priority, match=match, actions=actions)


def router(deliver: str = "resubmit(,4)") -> list[Flow]:
    """Echo answers of 10.0.1.1 and fd01::1, routes by next hop in reg0 and xxreg0, then ``deliver``.

    What lives no longer is dropped before dec_ttl, which would report it to a controller.
    """
    known = f"metadata={ROUTER_ID}"
    flows = [
        flow(0, 1, "", f"load:{ROUTER_ID}->OXM_OF_METADATA[],resubmit(,1)"),
        flow(1, 9, f"icmp,{known},nw_dst=10.0.1.1,icmp_type=8,icmp_code=0", ANSWER),
        flow(1, 9, f"icmp6,{known},ipv6_dst=fd01::1,icmp_type=128,icmp_code=0", ANSWER_V6),
        flow(1, 8, f"ip,{known},nw_ttl=1", "drop"),
        flow(1, 8, f"ipv6,{known},nw_ttl=1", "drop"),
        flow(1, 5, f"ip,{known}", "dec_ttl,move:NXM_OF_IP_DST[]->NXM_NX_REG0[],resubmit(,3)"),
        flow(1, 5, f"ipv6,{known}", "dec_ttl,move:NXM_NX_IPV6_DST[]->NXM_NX_XXREG0[],resubmit(,3)"),
    ]
    for v4, v6, mac, port in HOSTS:
        v4_hex = "0x" + bytes(map(int, v4.split("."))).hex()
        v6_words = f"reg0=0xfd0{port}0000,reg1=0,reg2=0,reg3=0x{v6[-2:]}"
        rewrite = f"mod_dl_src:{ROUTER},mod_dl_dst:{mac},{deliver}"
        flows += [flow(3, 5, f"ip,reg0={v4_hex}", rewrite), flow(3, 5, f"ipv6,{v6_words}", rewrite)]
        flows.append(flow(4, 1, f"dl_dst={mac}", f"output:{port}"))
    return flows


async def routed(host, flows: list[Flow]) -> OpenFlowConnection:
    host.start_ovs()
    host.sh(NETWORK)
    connection = OpenFlowConnection("br-int")
    await connection.open()
    assert await connection.apply(flows, ports={}) == ()
    return connection


def packets(host, table: int, *matches: str) -> list[int]:
    """How many packets each of these flows has seen so far."""
    host.sh("ovs-appctl revalidator/wait")
    lines = host.sh(f"ovs-ofctl dump-flows br-int table={table}").splitlines()
    found = [next(line for line in lines if f"{match} actions" in line) for match in matches]
    return [int(re.search(r"n_packets=(\d+)", line)[1]) for line in found]


def received(host, where: str) -> int:
    """How many packets came to a namespace. (Flows behind check_pkt_larger count the packets of both branches.)"""
    return int(host.sh(f"ip netns exec {where} cat /sys/class/net/eth0/statistics/rx_packets"))


class Capture:
    """tcpdump in a namespace, with checksums."""

    def __init__(self, host, where: str, what: str) -> None:
        self.host, self.path = host, f"/run/{where}.txt"
        host.sh(
            f"ip netns exec {where} tcpdump -U -lvvnei eth0 --immediate-mode {what} >{self.path} 2>/run/{where}.err &"
        )

    async def listening(self) -> "Capture":
        await self.host.until(lambda: "listening" in self.words(".err"), "tcpdump listens")
        return self

    def words(self, suffix: str = ".txt") -> str:
        return self.host.sh(f"cat {self.path.replace('.txt', suffix)}")

    async def seen(self, word: str, count: int) -> str:
        await self.host.until(lambda: self.words().count(word) >= count, f"{count} times '{word}' in {self.path}")
        return self.words()


def assert_no_packet_is_handled_by_the_daemon(host) -> None:
    """Every datapath flow does its work itself."""
    shown = host.sh("ovs-appctl dpctl/dump-flows netdev@ovs-netdev")
    assert "actions:" in shown
    assert "userspace" not in shown, shown


def test_packets_are_routed_with_right_checksums_and_a_shorter_life(on_private_host):
    async def scenario(host):
        await routed(host, router())
        capture = await Capture(host, "b", "'icmp or icmp6 or udp'").listening()
        assert "ttl=63" in host.sh("ip netns exec a ping -c 2 -i 0.05 -W 1 10.0.2.12")
        assert "ttl=63" in host.sh("ip netns exec a ping -c 2 -i 0.05 -W 1 fd02::12")
        host.sh("ip netns exec a bash -c 'echo hello >/dev/udp/10.0.2.12/9; echo hello >/dev/udp/fd02::12/9'")
        text = await capture.seen("udp sum ok", 2)
        assert text.count("ttl 63") >= 3, text
        assert text.count("hlim 63") >= 3, text
        assert text.count(f"{ROUTER} > {MAC_B}") >= 6, text
        assert not re.search("bad|wrong", text), text
        assert_no_packet_is_handled_by_the_daemon(host)

    on_private_host(scenario)


def test_echo_requests_are_turned_into_answers_with_right_checksums(on_private_host):
    """Right, but not fast: no datapath of Open vSwitch can change an ICMP type, so ovs-vswitchd does it each time."""

    async def scenario(host):
        await routed(host, router())
        capture = await Capture(host, "a", "'icmp or icmp6'").listening()
        for target in ("10.0.1.1", "fd01::1"):
            for size in (9, 56, 1400):
                words = host.sh(f"ip netns exec a ping -c 3 -i 0.02 -W 1 -s {size} {target}")
                assert words.count("ttl=64") == 3, words
                assert "DUP" not in words, words
        text = await capture.seen("echo reply", 18)
        assert not re.search("bad|wrong", text), text
        counted = host.sh("ip netns exec a cat /proc/net/snmp6")
        assert re.search(r"Icmp6InCsumErrors\s+0\n", counted), counted
        assert "slow_path(action)" in host.sh("ovs-appctl dpctl/dump-flows netdev@ovs-netdev")

    on_private_host(scenario)


def test_a_packet_goes_back_out_of_its_port_only_when_the_port_is_forgotten(on_private_host):
    async def scenario(host):
        connection = await routed(host, [flow(0, 1, "icmp,icmp_type=8", f"{SWAP_MACS},output:1")])
        question = "ip netns exec a ping -c 1 -W 0.2 10.0.2.12 || true"
        capture = await Capture(host, "a", f"'icmp and ether dst {MAC_A}'").listening()
        host.sh(question)
        assert packets(host, 0, "icmp,icmp_type=8") == [1]
        assert capture.words() == ""
        hairpin = flow(0, 1, "icmp,icmp_type=8", f"{SWAP_MACS},load:0xffff->NXM_OF_IN_PORT[],output:1")
        await connection.apply([hairpin], ports={})
        host.sh(question)
        await capture.seen("echo request", 1)

    on_private_host(scenario)


def test_packets_larger_than_a_size_take_another_way(on_private_host):
    """The size is that of the frame with its Ethernet header, and with the VLAN tag if it has one by then."""

    async def scenario(host):
        connection = await routed(host, router("check_pkt_larger(1014)->NXM_NX_REG5[0],resubmit(,5)"))
        ways = [flow(5, 2, "reg5=0x1/0x1", "output:3"), flow(5, 1, "", "resubmit(,4)")]
        assert await connection.apply(ways, ports={}) == ()
        ping = "ip netns exec a ping -c 5 -i 0.02 -W 0.5"
        assert " 0% packet loss" in host.sh(f"{ping} -s 972 10.0.2.12")  # 14 + 20 + 8 + 972 = 1014
        assert " 0% packet loss" in host.sh(f"{ping} -s 952 fd02::12")
        assert received(host, "c") == 0
        assert " 100% packet loss" in host.sh(f"{ping} -s 973 10.0.2.12 || true")
        assert " 100% packet loss" in host.sh(f"{ping} -s 953 fd02::12 || true")
        assert received(host, "c") == 10
        assert " 0% packet loss" in host.sh(f"{ping} -s 972 10.0.2.12")
        assert_no_packet_is_handled_by_the_daemon(host)

        tagged = router("mod_vlan_vid:7,check_pkt_larger(1014)->NXM_NX_REG5[0],strip_vlan,resubmit(,5)")
        assert await connection.apply(tagged, ports={}) == ()
        assert " 0% packet loss" in host.sh(f"{ping} -s 968 10.0.2.12")
        assert " 100% packet loss" in host.sh(f"{ping} -s 969 10.0.2.12 || true")

    on_private_host(scenario)


def test_kinds_of_fragments_are_told_apart(on_private_host):
    async def scenario(host):
        kinds = [flow(0, 9, f"ip,nw_frag={kind}", "resubmit(,1)") for kind in ("no", "first", "later")]
        onward = [flow(1, 1, "", f"load:{ROUTER_ID}->OXM_OF_METADATA[],resubmit(,2)")]
        second = [flow(2, 9, f"ip,nw_frag={kind}", "resubmit(,3)") for kind in ("yes", "not_later")]
        await routed(host, [*kinds, *onward, *second, flow(2, 8, "ip", "resubmit(,3)"), flow(3, 1, "", "output:2")])
        host.sh("ip netns exec a ping -c 2 -i 0.02 -W 0.1 -s 4000 10.0.2.12 || true")  # three fragments each
        host.sh("ip netns exec a ping -c 3 -i 0.02 -W 0.1 10.0.2.12 || true")
        assert packets(host, 0, *(f"ip,nw_frag={kind}" for kind in ("no", "first", "later"))) == [3, 2, 4]
        assert sum(packets(host, 2, *(f"ip,nw_frag={kind}" for kind in ("yes", "not_later")))) == 9

    on_private_host(scenario)


SEND = """
import socket, time
target, kind = "{target}", socket.{kind}
for port in range(20000, 20064):
    sender = socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, kind)
    sender.bind(("", port))
    sender.setblocking(False)
    for _ in range(5 if kind == socket.SOCK_DGRAM else 1):
        sender.connect_ex((target, 9))
        if kind == socket.SOCK_DGRAM:
            sender.send(b"x")
        time.sleep(0.001)  # a burst would overflow the queue of the device
"""


@pytest.mark.parametrize(
    ("hashed", "kind", "each"), [("symmetric_l3l4+udp", "SOCK_DGRAM", 5), ("symmetric_l4", "SOCK_STREAM", 1)]
)
def test_connections_are_spread_over_the_paths_and_each_stays_on_its_own(on_private_host, hashed, kind, each):
    """symmetric_l4 knows the ports of TCP, not those of UDP."""

    async def scenario(host):
        many = f"multipath({hashed},1024,hrw,3,0,NXM_NX_REG4[]),resubmit(,6)"
        ways = ("reg4=0", "reg4=0x1", "reg4=0x2")
        paths = [flow(6, 1, way, f"output:{2 + number}" if number < 2 else "drop") for number, way in enumerate(ways)]
        await routed(host, [*(flow(0, 1, protocol, many) for protocol in ("tcp", "udp", "tcp6", "udp6")), *paths])
        for target in ("10.0.9.9", "fd09::9"):
            before = packets(host, 6, *ways)
            script = SEND.format(target=target, kind=kind)
            sending = await asyncio.create_subprocess_exec("ip", "netns", "exec", "a", "python3", "-c", script)
            assert await sending.wait() == 0
            counts = [now - was for now, was in zip(packets(host, 6, *ways), before, strict=True)]
            assert sum(counts) == 64 * each
            assert all(count % each == 0 and count >= each * 8 for count in counts), counts
        assert_no_packet_is_handled_by_the_daemon(host)

    on_private_host(scenario)
