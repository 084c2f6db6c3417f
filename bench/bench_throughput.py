#!/usr/bin/env python3
"""TCP throughput across two hosts: Patchbay's pipeline against the same two hosts set up by seed 002's own commands.

Both labs are up at once and measured in turn with iperf3, several rounds, so that a busy machine is busy for both; what
counts is the ratio. ``-f json`` prints a JSON list of figures, else a table. Needs root, Open vSwitch and iperf3.
"""

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from measuring import parser_of, print_figures

from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology

SECONDS, ROUNDS = 3, 12
TOPOLOGY = """\
name: throughput
hosts:
  compute1: {tunnel_ip: 172.21.12.163}
  compute2: {tunnel_ip: 172.21.12.8}
networks:
  red:
    project: red
    type: vxlan
    segmentation_id: 0x22
    subnets: {red-v4: {cidr: 192.168.10.0/24, gateway: none}}
instances:
  red1: {host: compute1, plugging: hybrid, network: red, address: 192.168.10.11}
  red2: {host: compute2, plugging: hybrid, network: red, address: 192.168.10.12}
"""
HOSTS = {"compute1": ("172.21.12.163", "172.21.12.8", 12, 11), "compute2": ("172.21.12.8", "172.21.12.163", 22, 12)}
BY_HAND = """\
for b in br-tun br-int; do ovs-vsctl add-br $b -- set bridge $b datapath_type={datapath}; done
ovs-vsctl set-fail-mode br-tun secure
ovs-vsctl set-fail-mode br-int standalone
ovs-vsctl add-port br-tun patch-int -- set interface patch-int type=patch options:peer=patch-tun ofport_request=1
ovs-vsctl add-port br-int patch-tun -- set interface patch-tun type=patch options:peer=patch-int
ip link add qbr123 type bridge
ip link set qbr123 up
ip link add name qvo123 type veth peer name qvb123
ip link set qvo123 mtu 1450 up
ip link set qvb123 mtu 1450 up
ethtool -K qvb123 tx off >/dev/null
ip link set qvb123 master qbr123
ovs-vsctl add-port br-int qvo123 tag={vlan}
ip netns add test
ip link add name veth1 type veth peer name veth1p
ip link set veth1 netns test
ip link set veth1p master qbr123
ip link set veth1p mtu 1450 up
ip netns exec test ip link set veth1 mtu 1450 up
ip netns exec test ip addr add 192.168.10.{number}/24 dev veth1
ip netns exec test ethtool -K veth1 tx off >/dev/null
ovs-vsctl add-port br-tun vxlan-01 -- set interface vxlan-01 type=vxlan options:remote_ip={remote} \
options:df_default=true options:dst_port=4789 options:in_key=flow options:out_key=flow options:local_ip={local} \
ofport_request=7
ovs-ofctl add-flows br-tun - <<END
table=0,priority=1,in_port=1 actions=resubmit(,2)
table=0,priority=1,in_port=7 actions=resubmit(,4)
table=0,priority=0 actions=drop
table=2,priority=0,dl_dst=00:00:00:00:00:00/01:00:00:00:00:00 actions=resubmit(,20)
table=2,priority=0,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=resubmit(,22)
table=3,priority=0 actions=drop
table=4,priority=1,tun_id=0x22 actions=mod_vlan_vid:{vlan},resubmit(,10)
table=4,priority=0 actions=drop
table=6,priority=0 actions=drop
table=10,priority=1 actions=learn(table=20,hard_timeout=300,priority=1,NXM_OF_VLAN_TCI[0..11],\
NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],\
output:NXM_OF_IN_PORT[]),output:1
table=20,priority=0 actions=resubmit(,22)
table=22,dl_vlan={vlan} actions=strip_vlan,set_tunnel:0x22,output:7
table=22,priority=0 actions=drop
END
"""


def main() -> None:
    """Measure, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    figures = measure(arguments.rounds)
    print_figures(figures, arguments.format)


def measure(rounds: int) -> list[dict[str, Any]]:
    """Both labs, in turn."""
    topology = parse_topology(TOPOLOGY, Path("throughput.yaml"))
    with Lab.up(topology) as ours, Lab.up(topology, is_bare=True) as by_hand:
        for name, (local, remote, vlan, number) in HOSTS.items():
            host = by_hand.host(name)
            text = BY_HAND.format(datapath=host.datapath_type, local=local, remote=remote, vlan=vlan, number=number)
            host.run(["bash", "-eu"], text=text)
        by_hand.host("compute1").run(["ping", "-c3", "-i0.2", "-w10", "192.168.10.12"], instance="test")
        rates: dict[str, list[float]] = {"ours": [], "hand": []}
        for number in range(rounds):
            order = [("ours", ours, "red1", "red2"), ("hand", by_hand, "test", "test")]
            for which, lab, client, server in order if number % 2 else order[::-1]:
                print(f"round {number + 1} of {rounds}: {which}", file=sys.stderr, flush=True)
                rates[which].append(throughput(lab, client, server))
                print(f"  {rates[which][-1] / 1e6:.0f} Mbit/s", file=sys.stderr, flush=True)
    medians = {which: statistics.median(found) for which, found in rates.items()}
    ratios = [ours / hand for ours, hand in zip(rates["ours"], rates["hand"], strict=True)]
    return [
        figure("TCP across hosts, Patchbay, median", medians["ours"] / 1e6, "Mbit/s"),
        figure("TCP across hosts, seed 002 by hand, median", medians["hand"] / 1e6, "Mbit/s"),
        figure("Patchbay against by hand, ratio of medians", 100 * medians["ours"] / medians["hand"], "%"),
        figure("Patchbay against by hand, median of the rounds' ratios", 100 * statistics.median(ratios), "%"),
    ]


def throughput(lab: Lab, client: str, server: str) -> float:
    """Bits per second that arrive."""
    lab.host("compute2").run(["iperf3", "-s", "-1", "-D", "--forceflush"], instance=server)
    deadline = time.monotonic() + 10
    command = ["iperf3", "-c", "192.168.10.12", "-t", str(SECONDS), "-O", "1", "-J"]
    while True:
        done = lab.host("compute1").run(command, instance=client, check=False)
        result = json.loads(done.stdout)
        if "error" not in result:
            return float(result["end"]["sum_received"]["bits_per_second"])
        assert time.monotonic() < deadline, result["error"]


def figure(name: str, value: float, unit: str) -> dict[str, Any]:
    """One line of the result."""
    return {"figure": name, "value": round(value, 1), "unit": unit}


if __name__ == "__main__":
    main()
