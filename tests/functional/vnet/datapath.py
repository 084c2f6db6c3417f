"""A host with a bridge that is registered as a datapath, as seed 003 has it, for tests of its agent alone."""

import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from msgspec.structs import replace

from patchbay.host.netns import inside
from patchbay.intent.database import Delete, Insert, Update
from patchbay.model import Network, Port, VnetObject
from patchbay.model.vnet import DATAPATH
from tests.functional.agent.conftest import Compute, compute
from tests.functional.agent.intent_by_hand import new_id

DPID = "000002fdee8e0a44"
AS_THE_SEED = (
    "protocols=OpenFlow10,OpenFlow12,OpenFlow13",
    "other_config:disable-in-band=true",
    "other_config:hwaddr=02:fd:ee:8e:0a:44",
    f"other_config:datapath-id={DPID}",
)
ETH_P_ALL = 3
CONTROLLER = "tcp:127.0.0.1:6633"
Scenario = Callable[["Datapath"], Awaitable[None]]


class Datapath:
    """A host with br0, and what is registered and plugged there."""

    def __init__(self, one: Compute) -> None:
        self.one = one
        self.sh = one.host.sh
        self.macs: dict[str, str] = {}

    def make_bridge(self, name: str = "br0", dpid: str = DPID) -> None:
        """A bridge of the administrator, with the type that works on this machine."""
        self.sh(f"ovs-vsctl add-br {name} -- set bridge {name} datapath_type=netdev other_config:datapath-id={dpid}")

    def make_bridge_as_the_seed(self) -> None:
        """``ovs-create.sh`` of amotoki/openvnet-test-tools: nobody listens where the controller should be."""
        settings = " ".join(f"-- set bridge br0 {setting}" for setting in AS_THE_SEED)
        fail_mode = f"-- set-fail-mode br0 standalone -- set-controller br0 {CONTROLLER}"
        self.sh(f"ovs-vsctl --no-wait add-br br0 {settings} {fail_mode}")

    def machine(self, number: int, address: str = "") -> None:
        """``if-create-net1.sh``, without its last line: a namespace as a virtual machine, and its cable."""
        mac = self.macs[f"if-veth{number}"] = f"52:54:00:0d:84:{number:02x}"
        self.sh(
            f"ip netns add ns{number}; ip link add if-veth{number} type veth peer name ns-veth{number} netns ns{number}"
            f"; ip netns exec ns{number} sysctl -qw net.ipv6.conf.all.disable_ipv6=1"
            f"; ip -n ns{number} link set ns-veth{number} address {mac} up; ip link set if-veth{number} up"
        )
        if address:
            self.sh(f"ip -n ns{number} address add {address}/24 dev ns-veth{number}")

    def plug(self, number: int, bridge: str = "br0") -> None:
        """The last line of it."""
        self.sh(f"ovs-vsctl add-port {bridge} if-veth{number}")

    async def write(self, *writes: Insert | Update | Delete) -> None:
        """As the service would."""
        await self.one.writer.database.transact(*writes)

    async def register(self, dpid: str = DPID) -> VnetObject:
        """The bridge as a datapath."""
        datapath = VnetObject(id=new_id(), kind=DATAPATH, uuid=f"dp-{dpid[-4:]}", dpid=dpid)
        await self.write(Insert(datapath))
        return datapath

    async def interface(self, network: Network, name: str, address: str, host: str = "") -> Port:
        """A port that is the interface of this name."""
        port = self.one.writer.make_port(network, address, host)
        used = {one.mac_address for one in self.one.writer.database.ports.values() if one.network_id == network.id}
        mac = self.macs.get(name, port.mac_address)
        port = replace(port, interface_name=name, mac_address=port.mac_address if mac in used else mac)
        await self.write(Insert(port))
        return port

    async def rename(self, port: Port, name: str) -> None:
        """The port is another interface's now."""
        known = self.one.writer.database.ports[port.id]
        await self.write(Update(known, replace(known, interface_name=name)))

    async def pair(self) -> tuple[Port, Port]:
        """net1 of the seed, registered and plugged: 10.0.0.11 and 10.0.0.12 at ns1 and ns2."""
        network = await self.one.writer.network("net1", 0x22)
        await self.register()
        ports = []
        for number in (1, 2):
            self.machine(number, f"10.0.0.1{number}")
            self.plug(number)
            ports.append(await self.interface(network, f"if-veth{number}", f"10.0.0.1{number}"))
        await self.one.up(*ports)
        await self.one.settled()
        return ports[0], ports[1]

    def reaches(self, number: int, address: str) -> bool:
        """Whether one ping from this namespace comes back."""
        return self.one.reaches(f"ns{number}", address)

    def column(self, table: str, name: str, column: str) -> str:
        """A column of Open vSwitch's database, as ovs-vsctl prints it."""
        return str(self.sh(f"ovs-vsctl get {table} {name} {column}").strip())

    def ours_on(self, bridge: str) -> list[str]:
        """What there is of Patchbay's on a bridge."""
        flows = self.sh(f"ovs-appctl bridge/dump-flows {bridge}")
        found = [line for line in flows.splitlines() if "in_port" in line or "dl_vlan=4095" in line]
        for port in (bridge, *self.sh(f"ovs-vsctl list-ports {bridge}").split()):
            found += [f"{port}: {one}" for one in [self.column("port", port, "external_ids")] if "patchbay" in one]
        return found + [one for one in [self.column("bridge", bridge, "external_ids")] if "patchbay" in one]

    @contextlib.contextmanager
    def listening(self, number: int) -> Iterator[set[str]]:
        """The MACs of the machines that this namespace hears meanwhile, whatever they send."""
        heard: set[str] = set()
        with inside(Path(f"/run/netns/ns{number}")):
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        with opened:
            opened.bind((f"ns-veth{number}", ETH_P_ALL))
            opened.setblocking(False)
            yield heard
            with contextlib.suppress(BlockingIOError):
                while True:
                    frame, place = opened.recvfrom(64)
                    if place[2] != socket.PACKET_OUTGOING:
                        heard.add(frame[6:12].hex(":"))
            heard &= set(self.macs.values())

    def shout(self, number: int, frame: bytes) -> None:
        """Send a frame from this namespace."""
        with inside(Path(f"/run/netns/ns{number}")):
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        with opened:
            opened.bind((f"ns-veth{number}", 0))
            opened.send(frame)


def run_on_datapath(on_private_host: Callable[..., None], scenario: Scenario) -> None:
    """Run a scenario on a private host whose agent runs and which has no bridge of the administrator yet."""

    async def wrapped(host: object) -> None:
        async with compute(host) as one:
            await one.start_agent()
            await scenario(Datapath(one))

    on_private_host(wrapped)
