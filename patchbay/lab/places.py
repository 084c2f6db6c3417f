"""Where packets start and end in a lab: in instances on its hosts, and in machines outside.

Called by ``lab``, ``check`` and ``questions``. A place is a network namespace that can be stepped into from out here.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from patchbay.errors import LabError
from patchbay.lab.namespaces import Space
from patchbay.lab.topology import Outside, Topology


class Place(msgspec.Struct, frozen=True):
    """``space`` is the host's or machine's; ``instance`` the namespace on it ("" for the machine's own).

    ``interfaces``: device name → the network that it is on (of a machine outside: one on the same wire, if any).
    """

    name: str
    space: Space
    instance: str = ""
    interfaces: Mapping[str, str] = {}

    @property
    def path(self) -> Path:
        """The file of the network namespace, seen from outside."""
        return namespace_path(self.space, self.instance)

    def command(self, arguments: list[str]) -> list[str]:
        """The command on its machine that runs ``arguments`` here."""
        return ["ip", "netns", "exec", self.instance, *arguments] if self.instance else arguments


def namespace_path(space: Space, instance: str) -> Path:
    """The file of an instance's network namespace ("": the machine's own), seen from outside its host."""
    return space.path(f"/run/netns/{instance}") if instance else Path(f"/proc/{space.pid}/ns/net")


def places_of(topology: Topology, hosts: Mapping[str, Space], outside: Mapping[str, Space]) -> dict[str, Place]:
    """Every instance and every machine outside, by name."""
    places = {
        name: Place(
            name,
            hosts[instance.host],
            name,
            {device: each.network for device, each in instance.interfaces.items()},
        )
        for name, instance in topology.instances.items()
    }
    for name, space in outside.items():
        network = network_on_wire(topology, topology.outside[name])
        places[name] = Place(name, space, "", {"eth0": network})
    return places


def network_on_wire(topology: Topology, machine: Outside) -> str:
    """The network whose segment a machine outside is on; a name that no network has when there is none."""
    for name, network in topology.networks.items():
        tag = network.segmentation_id if network.type == "vlan" else None
        if network.type in ("flat", "vlan") and (network.physical_network, tag) == (
            machine.physical_network,
            machine.vlan,
        ):
            return name
    return f"{machine.physical_network} VLAN {machine.vlan}"


def place_named(places: Mapping[str, Place], name: str) -> Place:
    """A place by name. Raises ``LabError``."""
    if name not in places:
        raise LabError(f"{name} is neither an instance nor a machine outside.", f"Known: {', '.join(places)}.")
    return places[name]
