"""The network of seed 002 built by its own commands on two bare hosts: what the check must find to be right.

Names: the instances of the topology instead of ``test``, so that a host can have several.
"""

import time
from collections.abc import Callable, Mapping

from patchbay.lab.check import Outcome
from patchbay.lab.lab import Lab
from patchbay.lab.vhost import VirtualHost

VLANS = {"compute1": {"red": 12, "blue": 13}, "compute2": {"red": 22, "blue": 23}}

FLOWS = """\
cookie=0x79,table=0,priority=1,in_port=1 actions=resubmit(,2)
cookie=0x79,table=0,priority=1,in_port=7 actions=resubmit(,4)
cookie=0x79,table=0,priority=0 actions=drop
cookie=0x79,table=2,priority=0,dl_dst=00:00:00:00:00:00/01:00:00:00:00:00 actions=resubmit(,20)
cookie=0x79,table=2,priority=0,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=resubmit(,22)
cookie=0x79,table=3,priority=0 actions=drop
cookie=0x79,table=4,priority=0 actions=drop
cookie=0x79,table=6,priority=0 actions=drop
cookie=0x79,table=10,priority=1 actions=learn(table=20,hard_timeout=300,priority=1,cookie=0xa9eb8f9011f7e038,\
NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],\
load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],output:NXM_OF_IN_PORT[]),output:1
cookie=0x79,table=20,priority=0 actions=resubmit(,22)
cookie=0x79,table=22,priority=0 actions=drop
"""

FLOWS_OF_NETWORK = """\
cookie=0x79,table=4,priority=1,tun_id={vni} actions=mod_vlan_vid:{vlan},resubmit(,10)
cookie=0x79,table=22,dl_vlan={vlan} actions=strip_vlan,set_tunnel:{vni},output:7
"""

BRIDGES = """\
for b in br-tun br-int; do ovs-vsctl add-br $b -- set bridge $b datapath_type={datapath}; done
ovs-vsctl set-fail-mode br-tun secure -- set-fail-mode br-int standalone
ovs-vsctl add-port br-tun patch-int -- set interface patch-int type=patch options:peer=patch-tun ofport_request=1
ovs-vsctl add-port br-int patch-tun -- set interface patch-tun type=patch options:peer=patch-int
ovs-vsctl add-port br-tun vxlan-01 -- set interface vxlan-01 type=vxlan options:remote_ip={remote} \
options:df_default=true options:dst_port=4789 options:in_key=flow options:out_key=flow options:local_ip={local} \
ofport_request=7
"""

INSTANCE = """\
ip link add name qbr{name} type bridge; ip link set qbr{name} up
ip link add name qvo{name} type veth peer name qvb{name}; ip link set qvo{name} up; ip link set qvb{name} up
ethtool -K qvb{name} tx off >/dev/null
ovs-vsctl add-port br-int qvo{name} tag={vlan}; ip link set qvb{name} master qbr{name}
ip netns add {name}; ip link add name eth0 netns {name} type veth peer name tap{name}
ip link set tap{name} master qbr{name}; ip link set tap{name} up
ip netns exec {name} ip link set eth0 mtu 1450 up; ip netns exec {name} ip addr add {address}/24 dev eth0
ip netns exec {name} ethtool -K eth0 tx off >/dev/null
"""


def build(lab: Lab) -> None:
    """Type the seed's commands on both hosts."""
    addresses = {name: host.tunnel_ip for name, host in lab.topology.hosts.items()}
    for name, host in lab.hosts.items():
        remote = next(address for other, address in addresses.items() if other != name)
        lines = [BRIDGES.format(datapath=host.datapath_type, remote=remote, local=addresses[name])]
        for instance_name, instance in lab.topology.instances.items():
            if instance.host == name:
                interface = instance.interfaces["eth0"]
                vlan, address = VLANS[name][interface.network], interface.addresses[0]
                lines.append(INSTANCE.format(name=instance_name, vlan=vlan, address=address))
        host.run(["sh", "-e"], text="".join(lines))
        write_flows(lab, host)


def write_flows(lab: Lab, host: VirtualHost, vnis: Mapping[str, int] | None = None) -> None:
    """The seed's flows on br-tun, and nothing else; ``vnis`` instead of the topology's."""
    text = FLOWS
    for network, vlan in VLANS[host.name].items():
        vni = (vnis or {}).get(network, lab.topology.networks[network].segmentation_id)
        text += FLOWS_OF_NETWORK.format(vni=vni, vlan=vlan)
    host.run(["ovs-ofctl", "--bundle", "replace-flows", "br-tun", "-"], text=text)
    host.run(["ovs-appctl", "revalidator/purge"])  # Else the next packets may meet what is cached of the old ones.


def repair(lab: Lab) -> None:
    """Bring tags, links and flows back, and let hosts and instances forget whom they met meanwhile."""
    for name, host in lab.hosts.items():
        lines = ["ovs-appctl fdb/flush"]
        for instance, spec in lab.topology.instances.items():
            if spec.host == name:
                vlan = VLANS[name][spec.interfaces["eth0"].network]
                lines += [f"ovs-vsctl set port qvo{instance} tag={vlan}", f"ip link set tap{instance} up"]
                lines += [f"ip netns exec {instance} ip neighbour flush all"]
        host.run(["sh", "-e"], text="\n".join(lines))
        write_flows(lab, host)


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = 10.0) -> None:
    """Wait until ``condition``; fail with ``what`` when it does not come."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.02)


def wrong(outcomes: list[Outcome]) -> dict[tuple[str, str], str]:
    """What is not as expected: (source, target) → detail."""
    return {(each.pair.source, each.pair.target): each.detail for each in outcomes if not each.is_met}
