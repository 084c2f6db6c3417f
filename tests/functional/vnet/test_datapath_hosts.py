"""Two hosts, each with a bridge registered as a datapath: interfaces on them are in one network, across the tunnel."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator

import pytest

from patchbay.intent.database import Delete, Insert, IntentDatabase
from patchbay.lab.lab import Lab
from patchbay.lab.topology import Host, Topology
from patchbay.lab.vhost import VirtualHost
from patchbay.model import FixedIP, Network, Port, Subnet, VnetObject
from patchbay.model.vnet import DATAPATH
from tests.functional.convergence.scene import settled, wait_for

DPIDS = {"east": "000002fdee8e0a44", "west": "000002fdee8e0a45"}
PLACES = {1: "east", 2: "west", 5: "east", 6: "west"}
"""Numbers of machines, as in seed 003: 1 and 2 are in net1, 5 and 6 in net3, with the same addresses."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two hosts with br0 and two machines each, registered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATCHBAY_LAB_DIR", str(tmp_path_factory.mktemp("labs")))
        topology = Topology(
            name="datapaths", hosts={"east": Host(tunnel_ip="192.0.2.1"), "west": Host(tunnel_ip="192.0.2.2")}
        )
        with Lab.up(topology) as running:
            for name in DPIDS:
                make_bridge(running.host(name))
            for number, name in PLACES.items():
                make_machine(running.host(name), number)
            written(running, register)
            wait_for(lambda: all(is_up(running, number) for number in PLACES), "all ports are up")
            settled(*running.hosts.values())
            yield running


def make_bridge(host: VirtualHost) -> None:
    """The administrator's bridge, with a controller that nobody is."""
    settings = f"datapath_type={host.datapath_type} other_config:datapath-id={DPIDS[host.name]}"
    run(host, f"ovs-vsctl add-br br0 -- set bridge br0 {settings} -- set-controller br0 tcp:127.0.0.1:6633")


def make_machine(host: VirtualHost, number: int) -> None:
    """A namespace with a cable in br0."""
    run(
        host,
        f"ip netns add ns{number}; ip link add if-veth{number} type veth peer name ns-veth{number} netns ns{number}"
        f"; ip -n ns{number} link set ns-veth{number} address 52:54:00:0d:84:{number:02x} up mtu 1400"
        f"; ip -n ns{number} address add {address(number)}/24 dev ns-veth{number}; ip link set if-veth{number} up"
        f"; ip netns exec ns{number} ethtool -K ns-veth{number} tx off >/dev/null"
        f"; ovs-vsctl add-port br0 if-veth{number}",
    )


def address(number: int) -> str:
    """1 and 5 have 172.16.1.1, 2 and 6 have 172.16.1.2."""
    return f"172.16.1.{number if number < 5 else number - 4}"


async def register(database: IntentDatabase) -> None:
    """Both bridges, both networks, and each interface as a port that is bound nowhere."""
    datapaths = [VnetObject(id=new(), kind=DATAPATH, uuid=f"dp-{name}", dpid=dpid) for name, dpid in DPIDS.items()]
    await database.transact(*map(Insert, datapaths))
    for vni, name, numbers in ((0x22, "net1", (1, 2)), (0x23, "net3", (5, 6))):
        network = Network(id=new(), name=name, segmentation_id=vni, created_at=f"2026-01-01T00:00:{vni}Z")
        subnet = Subnet(id=new(), network_id=network.id, ip_version=4, cidr="172.16.1.0/24", enable_dhcp=False)
        await database.transact(Insert(network), Insert(subnet))
        for number in numbers:
            port = Port(
                id=new(),
                network_id=network.id,
                mac_address=f"52:54:00:0d:84:{number:02x}",
                fixed_ips=(FixedIP(subnet.id, address(number)),),
                interface_name=f"if-veth{number}",
                port_security_enabled=False,
            )
            await database.transact(Insert(port))


def new() -> str:
    return str(uuid.uuid4())


def written(lab: Lab, change: Callable[[IntentDatabase], Awaitable[object]]) -> None:
    """Change the lab's intent, as its service would."""

    async def change_it() -> None:
        database = await IntentDatabase.open([f"unix:{lab.space.path('/run/service/intent.sock')}"], timeout_s=10)
        try:
            await change(database)
        finally:
            await database.close()

    asyncio.run(change_it())


def run(host: VirtualHost, script: str) -> str:
    return host.run(["bash", "-euc", script]).stdout


def is_up(lab: Lab, number: int) -> bool:
    """Whether the API says that the port of this machine is complete."""
    ports = lab.client().request("GET", f"/v2.0/ports?mac_address=52:54:00:0d:84:{number:02x}")["ports"]
    return [port["status"] for port in ports] == ["ACTIVE"]


def reaches(lab: Lab, number: int, there: str, *more: str) -> bool:
    """Whether a ping from this machine comes back."""
    command = ["ip", "netns", "exec", f"ns{number}", "ping", "-c1", "-W1", *more, there]
    return lab.host(PLACES[number]).run(command, check=False).returncode == 0


def flows(host: VirtualHost, bridge: str, what: str) -> list[str]:
    """The flows of a table."""
    return run(host, f"ovs-ofctl -O OpenFlow14 --names --no-stats dump-flows {bridge} {what}").splitlines()


def test_interfaces_on_two_hosts_reach_each_other_and_each_network_only_itself(lab: Lab) -> None:
    for number, other in ((1, 2), (5, 6)):
        assert reaches(lab, number, "172.16.1.2")
        seen = lab.host(PLACES[number]).run(["ip", "-n", f"ns{number}", "neigh"]).stdout
        assert f"52:54:00:0d:84:{other:02x}" in seen
        assert reaches(lab, other, "172.16.1.1", "-s", "1300", "-M", "do")


def test_each_host_knows_from_intent_where_the_others_are(lab: Lab) -> None:
    east, west = lab.host("east"), lab.host("west")
    assert [
        flow for flow in flows(east, "br-tun", "table=20") if "dl_dst=52:54:00:0d:84:02" in flow and "output" in flow
    ]
    assert [flow for flow in flows(east, "br-tun", "table=21") if "arp_tpa=172.16.1.2" in flow]
    assert [flow for flow in flows(west, "br-tun", "table=20") if "dl_dst=52:54:00:0d:84:02" in flow and "drop" in flow]


def test_a_machine_that_moves_to_the_other_host_is_found_there(lab: Lab) -> None:
    east, west = lab.host("east"), lab.host("west")
    run(west, "ovs-vsctl del-port br0 if-veth2; ip link del if-veth2; ip netns del ns2")
    wait_for(lambda: not is_up(lab, 2), "its port is down")
    make_machine(east, 2)
    wait_for(lambda: is_up(lab, 2), "its port is up again")
    wait_for(lambda: reaches(lab, 1, "172.16.1.2"), "ping on one host")
    run(east, "ovs-vsctl del-port br0 if-veth2; ip link del if-veth2; ip netns del ns2")
    wait_for(lambda: not is_up(lab, 2), "its port is down")
    make_machine(west, 2)
    wait_for(lambda: reaches(lab, 1, "172.16.1.2"), "ping across hosts")
    settled(east, west)


@pytest.mark.parametrize("what", ["agent", "ovs-vswitchd", "ovsdb-server", "reboot"])
def test_what_was_killed_comes_back(lab: Lab, what: str) -> None:
    host = lab.host("west")
    if what == "reboot":
        lab.reboot("west")
        host = lab.host("west")
        # The administrator's own scripts make what is theirs.
        if "br0" not in run(host, "ovs-vsctl list-br").split():
            make_bridge(host)
        for number in (2, 6):
            run(host, f"ovs-vsctl --if-exists del-port br0 if-veth{number}")
            make_machine(host, number)
    else:
        host.kill(what)
        {"agent": host.agent_start, "ovs-vswitchd": host.start_vswitchd, "ovsdb-server": host.start_ovsdb}[what]()
    wait_for(lambda: is_up(lab, 2), "its port is up")
    wait_for(lambda: reaches(lab, 1, "172.16.1.2"), "ping across hosts")
    settled(*lab.hosts.values())
    assert reaches(lab, 5, "172.16.1.2")


def test_a_bridge_that_is_registered_no_more_is_the_administrator_s_alone(lab: Lab) -> None:
    host = lab.host("west")

    async def unregister(database: IntentDatabase) -> None:
        await database.transact(*(Delete(one) for one in database.vnet_objects.values() if one.uuid == "dp-west"))

    async def again(database: IntentDatabase) -> None:
        await database.transact(Insert(VnetObject(id=new(), kind=DATAPATH, uuid="dp-west", dpid=DPIDS["west"])))

    written(lab, unregister)
    wait_for(lambda: not is_up(lab, 2), "its port is down")
    settled(host)
    assert run(host, "ovs-vsctl list-ports br0").split() == ["if-veth2", "if-veth6"]
    assert run(host, "ovs-vsctl get-controller br0").strip() == "tcp:127.0.0.1:6633"
    assert not reaches(lab, 1, "172.16.1.2")
    written(lab, again)
    wait_for(lambda: is_up(lab, 2), "its port is up again")
    wait_for(lambda: reaches(lab, 1, "172.16.1.2"), "ping across hosts")
