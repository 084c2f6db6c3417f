"""Seed 003 as data: what its author types, script by script of amotoki/openvnet-test-tools, in the order of the text.

A command is one for the API (``vnctl``, ``curl``), which is run where the API is, or one for the host.
"""

from collections.abc import Sequence
from typing import NamedTuple

HOST, HOST_IP = "vnet3", "192.168.122.207"
BRIDGE, DPID = "br0", "000002fdee8e0a44"
WEBAPI = "http://localhost:9090"


class Space(NamedTuple):
    """A network namespace with one interface: ``ns1`` has ns-veth1, whose peer if-veth1 is a port of br0."""

    number: int
    network: str
    mac: str
    address: str

    @property
    def name(self) -> str:
        return f"ns{self.number}"

    @property
    def port(self) -> str:
        return f"if-veth{self.number}"

    @property
    def device(self) -> str:
        return f"ns-veth{self.number}"


SPACES = tuple(
    Space(number, network, f"52:54:00:0d:84:0{number}", address)
    for number, network, address in (
        (1, "net1", "172.16.1.1"),
        (2, "net1", "172.16.1.2"),
        (3, "net2", "172.16.2.3"),
        (4, "net2", "172.16.2.4"),
        (5, "net3", "172.16.1.1"),
        (6, "net3", "172.16.1.2"),
    )
)
ROUTER = {"net1": ("172.16.1.254", "52:54:00:74:00:00"), "net2": ("172.16.2.254", "52:54:00:74:22:22")}
"""The router's addresses and MACs, as the seed's ARP tables show them."""


def curl(path: str, **parameters: str) -> str:
    """A call that the seed makes with curl, because vnctl had no command for it."""
    written = " ".join(f"--data-urlencode {name}={value}" for name, value in parameters.items())
    return f"curl -s -X POST {written} {WEBAPI}/api/{path}"


REGISTER_DATAPATH = (
    f"vnctl datapath add --uuid dp-br0 --display-name=br0 --dc-segment-id=seg1 --node-id={HOST} --dpid=0x{DPID}"
    f" --ipv4-address={HOST_IP}",
)


def register_network(name: str, block: str, domain: str, number: int) -> tuple[str, ...]:
    """vnet-register-net1.sh and its likes."""
    return (
        f"vnctl network add --uuid nw-{name} --display-name={name} --ipv4-network {block} --ipv4-prefix=24"
        f" --domain-name={domain} --network-mode=virtual",
        f"vnctl datapath networks add dp-br0 nw-{name} --broadcast-mac-address=08:00:27:10:03:0{number}",
        *(
            f"vnctl interface add --uuid={space.port} --ipv4-address={space.address} --network-uuid=nw-{name}"
            f" --mac-address={space.mac}"
            for space in SPACES
            if space.network == name
        ),
    )


REGISTER_NET1 = register_network("net1", "172.16.1.0", "dom1", 1)
REGISTER_NET2 = register_network("net2", "172.16.2.0", "dom1", 2)
REGISTER_NET3 = register_network("net3", "172.16.1.0", "dom2", 3)

REGISTER_ROUTER = (
    curl(
        "interfaces",
        uuid="if-vnet1gw",
        network_uuid="nw-net1",
        mac_address=ROUTER["net1"][1],
        ipv4_address=ROUTER["net1"][0],
        mode="simulated",
    ),
    "vnctl network_service add --uuid=ns-vnet1gw --interface-uuid=if-vnet1gw --display-name=router",
    curl(
        "interfaces",
        uuid="if-vnet2gw",
        network_uuid="nw-net2",
        mac_address=ROUTER["net2"][1],
        ipv4_address=ROUTER["net2"][0],
        mode="simulated",
    ),
    "vnctl network_service add --uuid=ns-vnet2gw --interface-uuid=if-vnet2gw --display-name=router",
    "vnctl route_link add --uuid=rl-vnetlink1 --mac-address=52:54:00:60:11:11",
    curl("datapaths/dp-br0/route_links/rl-vnetlink1", route_link_uuid="rl-vnetlink1", mac_address="08:00:27:20:01:01"),
    curl(
        "routes",
        uuid="r-vnet1",
        interface_uuid="if-vnet1gw",
        route_link_uuid="rl-vnetlink1",
        ipv4_network="172.16.1.0",
    ),
    curl(
        "routes",
        uuid="r-vnet2",
        interface_uuid="if-vnet2gw",
        route_link_uuid="rl-vnetlink1",
        ipv4_network="172.16.2.0",
    ),
)
"""vnet-register-router.sh."""

API: tuple[str, ...] = (*REGISTER_DATAPATH, *REGISTER_NET1, *REGISTER_NET2, *REGISTER_NET3, *REGISTER_ROUTER)
"""Every command for the API (vnet-register-all.sh)."""

OVS_CREATE = (
    f"ovs-vsctl add-br {BRIDGE}"
    f" -- set bridge {BRIDGE} protocols=OpenFlow10,OpenFlow12,OpenFlow13"
    f" -- set bridge {BRIDGE} other_config:disable-in-band=true"
    f" -- set bridge {BRIDGE} other_config:hwaddr=02:fd:ee:8e:0a:44"
    f" -- set bridge {BRIDGE} other_config:datapath-id={DPID}"
    f" -- set-fail-mode {BRIDGE} standalone"
    f" -- set-controller {BRIDGE} tcp:127.0.0.1:6633"
)
"""ovs-create.sh. Nothing answers on port 6633, and nothing has to."""


def plug(space: Space) -> str:
    """What if-create-net1.sh and its likes do for one namespace."""
    return "\n".join(
        (
            f"ip netns add {space.name}",
            f"ip link add {space.port} type veth peer name {space.device}",
            f"ip link set {space.device} netns {space.name}",
            f"ip netns exec {space.name} ip link set {space.device} address {space.mac}",
            f"ip netns exec {space.name} ifconfig {space.device} {space.address} netmask 255.255.255.0",
            f"ip netns exec {space.name} ifconfig lo up",
            f"ip netns exec {space.name} ifconfig {space.device} up",
            f"ifconfig {space.port} up",
            f"ovs-vsctl add-port {BRIDGE} {space.port}",
        )
    )


def route(space: Space) -> str:
    """What if-route.sh does for one namespace; nothing for those of net3."""
    other = {"net1": "172.16.2.0", "net2": "172.16.1.0"}.get(space.network)
    if other is None:
        return ""
    gateway = ROUTER[space.network][0]
    return f"ip netns exec {space.name} route add -net {other} netmask 255.255.255.0 gw {gateway}"


def of_network(name: str) -> Sequence[Space]:
    """The namespaces of one network."""
    return [space for space in SPACES if space.network == name]
