"""Interfaces that anybody plugs into a bridge registered as a datapath are ports of networks: one host, real packets."""

from collections.abc import Awaitable, Callable

import pytest

from patchbay.intent.database import Update
from patchbay.model import Network, Port, VnetObject
from patchbay.model.vnet import DATAPATH
from tests.functional.agent.conftest import Compute, compute
from tests.functional.agent.intent_by_hand import new_id

DPID = "000002fdee8e0a44"
DUMP = "ovs-ofctl -O OpenFlow14 dump-flows br0 | grep -c cookie=0x7062 || true"
Scenario = Callable[["Datapath"], Awaitable[None]]


class Datapath:
    """A host with br0, made as seed 003's scripts make it, and what is registered and plugged there."""

    def __init__(self, one: Compute) -> None:
        self.one = one
        self.sh = one.host.sh
        self.macs: dict[str, str] = {}

    def make_bridge(self, *more: str, kind: str = "netdev") -> None:
        """``ovs-create.sh`` of amotoki/openvnet-test-tools, with the type of bridge that works on this machine."""
        settings = ("other_config:disable-in-band=true", f"other_config:datapath-id={DPID}", *more)
        clauses = " ".join(f"-- set bridge br0 {setting}" for setting in settings)
        self.sh(f"ovs-vsctl add-br br0 -- set bridge br0 datapath_type={kind} {clauses}")

    def plug(self, number: int, address: str = "", bridge: str = "br0") -> None:
        """``if-create-net1.sh``: a namespace as a virtual machine, with its cable in the bridge."""
        mac = self.macs[f"if-veth{number}"] = f"52:54:00:0d:84:{number:02x}"
        self.sh(
            f"ip netns add ns{number}; ip link add if-veth{number} type veth peer name ns-veth{number}"
            f" netns ns{number}; ip -n ns{number} link set ns-veth{number} address {mac} up"
            f"; ip netns exec ns{number} sysctl -qw net.ipv6.conf.all.disable_ipv6=1; ip link set if-veth{number} up"
            f"; ovs-vsctl add-port {bridge} if-veth{number}"
        )
        if address:
            self.sh(f"ip -n ns{number} address add {address}/24 dev ns-veth{number}")

    async def register(self, dpid: str = DPID) -> VnetObject:
        """The bridge as a datapath."""
        datapath = VnetObject(id=new_id(), kind=DATAPATH, uuid=f"dp-{dpid[-4:]}", dpid=dpid)
        await self.one.writer.database.transact(*map(_insert, [datapath]))
        return datapath

    async def interface(self, network: Network, name: str, address: str, host: str = "") -> Port:
        """A port that is the interface of this name."""
        port = self.one.writer.make_port(network, address, host)
        port = _replace(port, interface_name=name, mac_address=self.macs.get(name, port.mac_address))
        await self.one.writer.database.transact(_insert(port))
        return port

    async def renamed(self, port: Port, name: str) -> Port:
        """The port is another interface's now."""
        new = _replace(self.one.writer.database.ports[port.id], interface_name=name)
        await self.one.writer.database.transact(Update(self.one.writer.database.ports[port.id], new))
        return new

    def reaches(self, number: int, address: str) -> bool:
        """Whether one ping from this namespace comes back."""
        return self.one.reaches(f"ns{number}", address)

    def column(self, table: str, name: str, column: str) -> str:
        """A column of Open vSwitch's database, as ovs-vsctl prints it."""
        return self.sh(f"ovs-vsctl get {table} {name} {column}").strip()

    def ours_on_br0(self) -> list[str]:
        """What there is of Patchbay's on the bridge."""
        found = [line for line in self.sh("ovs-vsctl list-ports br0").split() if line.startswith("qvb")]
        found += [f"{self.sh(DUMP).strip()} flows"] if self.sh(DUMP).strip() != "0" else []
        noted = self.sh("ovs-vsctl --bare --columns=name find port 'external_ids:patchbay-before!=\"\"'").split()
        return found + noted + (["br0 lends"] if "before" in self.column("bridge", "br0", "external_ids") else [])


def _insert(value):
    from patchbay.intent.database import Insert

    return Insert(value)


def _replace(value, **changes):
    from msgspec.structs import replace

    return replace(value, **changes)


@pytest.fixture
def on_datapath(on_private_host):
    """Run a scenario on a private host, before anything of OpenVNet's is there; its agent runs."""

    def run(scenario: Scenario) -> None:
        async def wrapped(host) -> None:
            async with compute(host) as one:
                await one.start_agent()
                await scenario(Datapath(one))

        on_private_host(wrapped)

    return run


def test_registered_before_or_after_plugging_two_interfaces_reach_each_other(on_datapath) -> None:
    async def scenario(here: Datapath) -> None:
        network = await here.one.writer.network("net1", 0x22)
        first = await here.interface(network, "if-veth1", "10.0.0.11")
        await here.register()
        here.make_bridge()
        here.plug(1, "10.0.0.11")
        here.plug(2, "10.0.0.12")
        await here.one.up(first)
        assert not here.reaches(1, "10.0.0.12")
        second = await here.interface(network, "if-veth2", "10.0.0.12")
        await here.one.up(first, second)
        await here.one.settled()
        assert here.reaches(1, "10.0.0.12") and here.reaches(2, "10.0.0.11")

    on_datapath(scenario)
