"""The acts of ``distributed_acts`` on hosts that have a registered bridge, too, with a machine of a routed network."""

import uuid
from collections.abc import Callable

from patchbay.intent.database import Delete, Insert, IntentDatabase
from patchbay.lab.lab import Lab
from patchbay.lab.vhost import VirtualHost
from patchbay.model import FixedIP, Port, VnetObject
from patchbay.model.vnet import DATAPATH
from tests.functional.convergence.distributed_acts import DistributedActs
from tests.functional.convergence.scene import wait_for
from tests.functional.vnet.test_datapath_hosts import written

DPIDS = {"compute1": "000002fdee8e0a54", "compute2": "000002fdee8e0a55"}
MACHINES = {"compute1": ("10.0.1.21", "52:54:00:0d:85:01"), "compute2": ("10.0.1.22", "52:54:00:0d:85:02")}
"""In green, which the router ``inside`` joins with lime."""

AT_BRIDGE = (
    "ovs-ofctl del-flows br0",
    "ovs-vsctl --no-wait set port if-machine tag=7",
    "ovs-vsctl --no-wait clear port if-machine trunks",
    "ovs-vsctl --no-wait clear port if-machine external_ids",
    "ovs-vsctl --no-wait del-port br0 $(ovs-vsctl list-ports br0 | grep qvb)",
    "ovs-vsctl --no-wait del-port br-int $(ovs-vsctl list-ports br-int | grep qvo | head -1)",
    "ovs-vsctl --no-wait set bridge br0 protocols=OpenFlow13",
    "ovs-vsctl --no-wait set-controller br0 tcp:127.0.0.1:6699",
    "ovs-vsctl --no-wait del-port br0 if-machine -- add-port br0 if-machine",
    "ovs-vsctl --no-wait del-port br0 if-machine; ovs-vsctl --no-wait add-port br0 if-machine",
)


class RegisteredActs(DistributedActs):
    """A random history on all hosts of the lab, their registered bridges included."""

    strangers = (*DistributedActs.strangers, *AT_BRIDGE, *AT_BRIDGE)

    def __init__(self, lab: Lab, seed: str) -> None:
        super().__init__(lab, seed)
        if lab.host("compute1").run(["ovs-vsctl", "br-exists", "br0"], check=False).returncode:
            for host in lab.hosts.values():
                make_bridge(host)
            written(lab, self._register)

    async def _register(self, database: IntentDatabase) -> None:
        network, subnet = self._id("networks", "green"), self._id("subnets", "green-v4")
        for name, (address, mac) in MACHINES.items():
            datapath = VnetObject(id=str(uuid.uuid4()), kind=DATAPATH, uuid=f"dp-{name}", dpid=DPIDS[name])
            port = Port(
                id=str(uuid.uuid4()),
                network_id=network,
                mac_address=mac,
                fixed_ips=(FixedIP(subnet, address),),
                host=name,
                interface_name="if-machine",
                port_security_enabled=False,
            )
            await database.transact(Insert(datapath), Insert(port))

    def users(self) -> list[Callable[[], Callable[[], object]]]:
        """See ``Acts``."""
        return [*super().users(), self._unregister, self._unregister]

    def _unregister(self) -> Callable[[], object]:
        """A bridge is no datapath any more, and one again."""
        gone: list[VnetObject] = []

        async def remove(database: IntentDatabase) -> None:
            gone.append(next(item for item in database.vnet_objects.values() if item.kind == DATAPATH))
            await database.transact(Delete(gone[0]))

        async def insert(database: IntentDatabase) -> None:
            await database.transact(Insert(gone[0]))

        written(self.lab, remove)
        return lambda: written(self.lab, insert)

    def machines_are_reached(self) -> None:
        """Each other, over the tunnel, and by way of the router an instance on another network; and nobody else."""
        for name, (_, target) in zip(MACHINES, reversed(list(MACHINES.items())), strict=True):
            for address in (target[0], "10.0.1.11", "10.0.2.12"):
                wait_for(
                    lambda name=name, address=address: pings(self.lab.host(name), address),  # type: ignore[misc]
                    f"{address} answers the machine on {name}",
                )
            assert not pings(self.lab.host(name), "10.0.2.11"), "an address that only another tenant has"


def pings(host: VirtualHost, address: str) -> bool:
    """Whether a ping from the host's machine comes back."""
    command = ["ip", "netns", "exec", "machine", "ping", "-n", "-c1", "-W1", address]
    return host.run(command, check=False).returncode == 0


def make_bridge(host: VirtualHost) -> None:
    """The administrator's bridge, with a controller that nobody is, and a machine on it."""
    address, mac = MACHINES[host.name]
    settings = f"datapath_type={host.datapath_type} other_config:datapath-id={DPIDS[host.name]}"
    script = (
        f"ovs-vsctl add-br br0 -- set bridge br0 {settings} -- set-controller br0 tcp:127.0.0.1:6633\n"
        "ip netns add machine; ip link add if-machine type veth peer name eth0 netns machine\n"
        f"ip -n machine link set eth0 address {mac} up mtu 1400; ip -n machine address add {address}/24 dev eth0\n"
        "ip -n machine route add default via 10.0.1.1; ip link set if-machine up\n"
        "ip netns exec machine ethtool -K eth0 tx off >/dev/null; ovs-vsctl add-port br0 if-machine"
    )
    host.run(["sh", "-euc", script])
