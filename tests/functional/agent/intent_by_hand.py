"""Intent written straight into the database, as the service would, for tests of the agent alone."""

import uuid

from patchbay.intent.database import Delete, Insert, IntentDatabase
from patchbay.model import FixedIP, Host, Instance, Network, Port, Subnet


def new_id() -> str:
    return str(uuid.uuid4())


class Writer:
    """Networks, ports and instances with the fewest words."""

    def __init__(self, database: IntentDatabase, host: str = "compute1") -> None:
        self.database = database
        self.host = host
        self.subnets: dict[str, Subnet] = {}
        self.macs = 0

    async def network(self, name: str, vni: int, cidr: str = "10.0.0.0/24", **fields) -> Network:
        """A network with one subnet."""
        network = Network(id=new_id(), name=name, segmentation_id=vni, created_at="2026-01-01T00:00:00Z", **fields)
        gateway = cidr.rpartition(".")[0] + ".1"
        subnet = Subnet(id=new_id(), network_id=network.id, ip_version=4, cidr=cidr, gateway_ip=gateway)
        await self.database.transact(Insert(network), Insert(subnet))
        self.subnets[network.id] = subnet
        return network

    def make_port(self, network: Network, address: str, host: str) -> Port:
        self.macs += 1
        return Port(
            id=new_id(),
            network_id=network.id,
            mac_address=f"fa:16:3e:00:{self.macs >> 8:02x}:{self.macs & 255:02x}",
            fixed_ips=(FixedIP(self.subnets[network.id].id, address),),
            host=host,
            port_security_enabled=False,
        )

    def make_instance(self, name: str, port: Port, plugging: str) -> Instance:
        return Instance(id=new_id(), name=name, host=self.host, plugging=plugging, interfaces={"eth0": port.id})

    async def instance(self, name: str, network: Network, address: str, plugging: str = "hybrid") -> Port:
        """An instance with one port."""
        port = self.make_port(network, address, self.host)
        await self.database.transact(Insert(port), Insert(self.make_instance(name, port, plugging)))
        return port

    async def remote_port(self, network: Network, address: str, host: str) -> Port:
        port = self.make_port(network, address, host)
        await self.database.transact(Insert(port))
        return port

    async def remote_host(self, name: str, tunnel_ip: str) -> None:
        await self.database.transact(Insert(Host(id=new_id(), name=name, tunnel_ip=tunnel_ip)))

    async def delete(self, *values) -> None:
        await self.database.transact(*map(Delete, values))

    def is_up(self, port: Port) -> bool:
        """Whether the agent says that the port is complete."""
        plugs = [self.database.plugs[row] for row in self.database.plugs_by_port.get(port.id, ())]
        return any(plug.up and plug.host == self.host for plug in plugs)
