"""Two hosts with a bridge each, and on each a port of one name: who says whose datapath it is, is understood."""

import time

import httpx

from patchbay.lab.lab import Lab
from patchbay.lab.topology import Host, Topology, Underlay
from patchbay.lab.vhost import VirtualHost

TOPOLOGY = Topology(
    name="owners",
    underlay=Underlay(cidr="192.168.122.0/24"),
    hosts={"h1": Host(tunnel_ip="192.168.122.1"), "h2": Host(tunnel_ip="192.168.122.2")},
)
DPIDS = {"h1": "00000000000000a1", "h2": "00000000000000a2"}
PLUG = """\
ip netns add ns1
ip link add eth1 type veth peer name inside
ip link set inside netns ns1
ip netns exec ns1 ip link set inside address {mac}
ip netns exec ns1 ip address add {address}/24 dev inside
ip netns exec ns1 ip link set inside up
ip link set eth1 up
ovs-vsctl add-br br0 -- set bridge br0 datapath_type={datapath_type} other-config:datapath-id={dpid}
ovs-vsctl add-port br0 eth1
"""


def post(lab: Lab, collection: str, **values: str | int) -> None:
    """A new object of OpenVNet's."""
    answer = httpx.post(f"{lab.vnet_endpoint}/api/{collection}", data=values)
    assert answer.status_code == 200, answer.text


def plug(host: VirtualHost, number: int) -> None:
    """The host's bridge, and in it the port of a namespace."""
    host.run(
        [
            "bash",
            "-euc",
            PLUG.format(
                mac=f"52:54:00:00:00:0{number}",
                address=f"10.0.0.{number}",
                dpid=DPIDS[host.name],
                datapath_type=host.datapath_type,
            ),
        ]
    )


def comes_to_reach(host: VirtualHost, address: str, deadline_s: float = 20.0) -> bool:
    """Whether pings from the namespace are answered before long."""
    end = time.monotonic() + deadline_s
    while host.run(["ip", "netns", "exec", "ns1", "ping", "-nc1", "-W1", address], check=False).returncode:
        if time.monotonic() > end:
            return False
    return True


def test_ports_of_one_name_on_two_datapaths_are_two_interfaces_registered_before_or_after() -> None:
    with Lab.up(TOPOLOGY, name="vnet-owners") as lab:
        plug(lab.host("h1"), 1)
        post(lab, "networks", uuid="nw-a", ipv4_network="10.0.0.0")
        for number, name in enumerate(DPIDS, 1):
            post(lab, "datapaths", uuid=f"dp-{name}", display_name=name, dpid=DPIDS[name], node_id=name)
            addresses = {"ipv4_address": f"10.0.0.{number}", "mac_address": f"52:54:00:00:00:0{number}"}
            owned = {"owner_datapath_uuid": f"dp-{name}", "port_name": "eth1"}
            post(lab, "interfaces", uuid=f"if-{name}", network_uuid="nw-a", **addresses, **owned)
        plug(lab.host("h2"), 2)
        assert comes_to_reach(lab.host("h1"), "10.0.0.2"), lab.service_log(30)
        assert comes_to_reach(lab.host("h2"), "10.0.0.1"), lab.service_log(30)
