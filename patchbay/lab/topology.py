"""What a topology file says: hosts, networks, instances and what is expected of them.

Made by ``reading``, used by the lab and by ``patchbay apply``. A topology that was read from a file is consistent:
every name refers to something, every address is in a subnet of its network, and nothing is used twice.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

NetworkType = Literal["local", "flat", "vlan", "vxlan"]
Plugging = Literal["hybrid", "direct"]
DatapathType = Literal["auto", "netdev", "system"]
RaMode = Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"]


class Underlay(msgspec.Struct, frozen=True):
    """The physical network between the hosts. ``cidr`` holds their tunnel addresses; ``mtu`` in bytes."""

    cidr: str = ""
    mtu: int = 1500


class Host(msgspec.Struct, frozen=True):
    """A virtual host. ``bridge_mappings``: physical network name → provider bridge."""

    tunnel_ip: str
    bridge_mappings: Mapping[str, str] = {}
    datapath_type: DatapathType = "auto"


class Subnet(msgspec.Struct, frozen=True):
    """A subnet. ``gateway`` unset: the service chooses; None: there is none. ``pools``: "first-last"."""

    cidr: str
    gateway: str | msgspec.UnsetType | None = msgspec.UNSET
    pools: tuple[str, ...] = ()
    enable_dhcp: bool = True
    dns: tuple[str, ...] = ()
    ipv6_ra_mode: RaMode | None = None
    ipv6_address_mode: RaMode | None = None


class Network(msgspec.Struct, frozen=True):
    """A network of a project, with its provider segment."""

    project: str = ""
    type: NetworkType = "vxlan"
    segmentation_id: int | None = None
    physical_network: str | None = None
    mtu: int | None = None
    shared: bool = False
    subnets: Mapping[str, Subnet] = {}


class Interface(msgspec.Struct, frozen=True):
    """A network interface of an instance: its network, addresses (none: the service chooses) and MAC ("" likewise)."""

    network: str
    addresses: tuple[str, ...] = ()
    mac: str = ""


class Instance(msgspec.Struct, frozen=True):
    """A namespace on a host that stands in for a virtual machine. ``interfaces``: device name → interface."""

    host: str
    plugging: Plugging = "hybrid"
    project: str = ""
    interfaces: Mapping[str, Interface] = {}


class Reach(msgspec.Struct, frozen=True):
    """Whether every instance of ``sources`` must reach every one of ``targets`` (``reach`` False: must not).

    ``line``: where the file says so.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    reach: bool
    line: int = 0


class Topology(msgspec.Struct, frozen=True):
    """A whole file, consistent."""

    name: str
    path: str = ""
    underlay: Underlay = Underlay()
    hosts: Mapping[str, Host] = {}
    networks: Mapping[str, Network] = {}
    instances: Mapping[str, Instance] = {}
    expect: tuple[Reach, ...] = ()

    def instances_on(self, network: str) -> tuple[str, ...]:
        """Names of the instances with an interface on a network."""
        return tuple(
            name
            for name, instance in self.instances.items()
            if any(interface.network == network for interface in instance.interfaces.values())
        )
