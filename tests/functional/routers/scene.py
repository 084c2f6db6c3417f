"""The scene of the router tests.

red 10.0.1.0/24 (red1 .11, red2 .12) and blue 10.0.2.0/24 (blue1 .11) have their gateways at one router; its own gateway
is 203.0.113.5 on the flat network ``outside``. Beyond br-ex is the machine ``internet``, 203.0.113.1.
"""

import subprocess
import sys
from collections.abc import Sequence

from msgspec.structs import replace

from patchbay.compile import names
from patchbay.intent.database import Delete, Insert, Update
from patchbay.model import FloatingIP, Host, Network, Port, PortForwarding, Router, Subnet
from patchbay.model.router import FLOATING_IP, ROUTER_GATEWAY, ROUTER_INTERFACE
from tests.functional.agent.intent_by_hand import new_id

GATEWAY, INTERNET = "203.0.113.5", "203.0.113.1"

SERVER = """
import socket, sys, threading
server = socket.create_server((sys.argv[1], int(sys.argv[2])), family=socket.AF_INET6 if ":" in sys.argv[1] else 2)
print("ready", flush=True)
def answer(client, peer):
    while data := client.recv(1000):
        client.sendall(f"{sys.argv[3]} {peer[0]} {data.decode()}\\n".encode())
while True:
    threading.Thread(target=answer, args=server.accept(), daemon=True).start()
"""
"""Answers each line with its own name, the address that it sees, and the line."""

CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3])) as server:
    for line in sys.stdin:
        server.sendall(line.strip().encode())
        print(server.recv(1000).decode(), end="", flush=True)
"""


class Scene:
    """Rows of the scene, and questions with packets."""

    def __init__(self, one) -> None:
        self.one = one
        self.database = one.writer.database
        self.servers: list[subprocess.Popen] = []

    def sh(self, script: str) -> str:
        return self.one.host.sh(script)

    async def build(self, **settings) -> None:
        """Everything, up to complete ports."""
        self.sh(
            "ovs-vsctl add-br br-ex -- set bridge br-ex datapath_type=netdev\n"
            "ip netns add internet; ip link add wire type veth peer name eth0 netns internet\n"
            "ip link set wire up; ovs-vsctl add-port br-ex wire\n"
            "ip netns exec internet sh -c 'ip link set lo up; ip link set eth0 up'\n"
            f"ip netns exec internet ip addr add {INTERNET}/24 dev eth0\n"
            "ip netns exec internet ip addr add 2001:db8:f::1/64 dev eth0 nodad\n"
            "ip netns exec internet ethtool -K eth0 tx off"
        )
        await self.one.start_agent(bridge_mappings={"external": "br-ex"}, **settings)
        writer = self.one.writer
        self.red = await writer.network("red", 0x22, "10.0.1.0/24")
        self.blue = await writer.network("blue", 0x23, "10.0.2.0/24")
        self.red1, self.red2 = [
            await writer.instance(f"red{number}", self.red, f"10.0.1.1{number}") for number in (1, 2)
        ]
        self.blue1 = await writer.instance("blue1", self.blue, "10.0.2.11", "direct")
        await self._outside()
        await self.make_router("edge", ((self.red, "10.0.1.1"), (self.blue, "10.0.2.1"), (self.outside, GATEWAY)))
        await self.one.up(self.red1, self.red2, self.blue1, *self.ports)
        await self.one.settled()

    async def _outside(self) -> None:
        self.outside = Network(
            id=new_id(),
            name="outside",
            created_at="2026-01-02T00:00:00Z",
            network_type="flat",
            physical_network="external",
            mtu=1500,
            external=True,
        )
        self.outside4 = Subnet(
            id=new_id(), network_id=self.outside.id, ip_version=4, cidr="203.0.113.0/24", gateway_ip=INTERNET
        )
        await self.database.transact(Insert(self.outside), Insert(self.outside4))
        self.one.writer.subnets[self.outside.id] = self.outside4

    async def make_router(self, name: str, wanted: Sequence[tuple[Network, str]]) -> None:
        """A router with ports on these networks, the last of them its gateway; from now on it is the scene's."""
        router_id = new_id()
        self.ports = [
            replace(
                self.one.writer.make_port(network, address, self.one.writer.host),
                device_id=router_id,
                device_owner=ROUTER_GATEWAY if network is self.outside else ROUTER_INTERFACE,
            )
            for network, address in wanted
        ]
        self.router = Router(id=router_id, name=name, host=self.one.writer.host, gateway_port_id=self.ports[-1].id)
        await self.database.transact(*map(Insert, self.ports), Insert(self.router))
        self.namespace = names.router_namespace(router_id)

    @property
    def qg(self) -> str:
        """The device of the gateway."""
        return names.device("qg-", self.ports[2].id)

    # --- rows ---------------------------------------------------------------------------------------------------------

    async def change(self, value, **fields):
        """Change a row as the database has it now."""
        table = {
            Router: "routers",
            Port: "ports",
            FloatingIP: "floatingips",
            Subnet: "subnets",
            Network: "networks",
            Host: "hosts",
        }
        old = getattr(self.database, table[type(value)])[value.id]
        new = replace(old, **fields)
        await self.database.transact(Update(old, new))
        return new

    async def floating(
        self, address: str, port: Port | None = None, forwardings: Sequence[PortForwarding] = ()
    ) -> FloatingIP:
        """A floating IP of the router, leading to a port or to some ports of it."""
        holder = replace(self.one.writer.make_port(self.outside, address, ""), device_owner=FLOATING_IP)
        floatingip = FloatingIP(
            id=new_id(),
            floating_network_id=self.outside.id,
            floating_ip_address=address,
            floating_port_id=holder.id,
            port_id=port.id if port else None,
            fixed_ip_address=port.fixed_ips[0].ip_address if port else None,
            router_id=self.router.id,
            port_forwardings=tuple(forwardings),
        )
        await self.database.transact(Insert(holder), Insert(floatingip))
        return floatingip

    async def active(self, floatingip: FloatingIP) -> None:
        """Wait until the agent says that a floating IP works."""
        holder = self.database.ports[floatingip.floating_port_id]
        await self.one.up(holder)

    async def delete(self, *values) -> None:
        await self.database.transact(*map(Delete, values))

    def plug(self, floatingip: FloatingIP):
        """What the agent says of a floating IP; None when nothing."""
        rows = self.database.plugs_by_port.get(floatingip.floating_port_id, ())
        return next((self.database.plugs[row] for row in rows), None)

    # --- packets ------------------------------------------------------------------------------------------------------

    def serve(self, namespace: str, port: int, address: str = "0.0.0.0") -> None:
        """Start a server that says its name and who it sees."""
        command = ["ip", "netns", "exec", namespace, sys.executable, "-c", SERVER, address, str(port), namespace]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout.readline() == "ready\n"
        self.servers.append(server)

    def connect(self, namespace: str, address: str, port: int, timeout_s: float = 2.0) -> subprocess.Popen:
        """A client that sends each line of its input and prints what comes back."""
        command = ["ip", "netns", "exec", namespace, sys.executable, "-c", CLIENT, address, str(port), str(timeout_s)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)

    def ask(self, namespace: str, address: str, port: int, timeout_s: float = 2.0) -> str:
        """Who answers, and as whom it sees the one who asks: ``red1 203.0.113.1``; "" when nobody does."""
        said, _ = self.connect(namespace, address, port, timeout_s).communicate("hello\n", timeout=20)
        return said.strip().removesuffix(" hello")

    def connects(self, namespace: str, address: str, port: int, timeout_s: float = 2.0) -> bool:
        """Whether a connection comes about."""
        client = self.connect(namespace, address, port, timeout_s)
        client.communicate("", timeout=20)
        return client.returncode == 0

    def start_pinging(self, namespace: str, address: str) -> subprocess.Popen:
        """Hundreds of pings a second until it is killed."""
        command = ["ip", "netns", "exec", namespace, "ping", "-q", "-i", "0.002", address]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def pings(self, namespace: str, address: str) -> bool:
        return self.one.reaches(namespace, address)
