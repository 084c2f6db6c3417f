"""What a topology file says: hosts, networks, routers, instances, what is outside, and what is expected of them.

Made by ``reading``, used by the lab and by ``patchbay apply``. A topology that was read from a file is consistent:
every name refers to something, every address is in a subnet of its network, and nothing is used twice.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from patchbay.lab.topology_security import SecurityGroup

NetworkType = Literal["local", "flat", "vlan", "vxlan"]
Plugging = Literal["hybrid", "direct"]
DatapathType = Literal["auto", "netdev", "system"]
ControlPlane = Literal["socket", "tls"]
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


class HostRoute(msgspec.Struct, frozen=True):
    """A route: ``destination`` is a CIDR, ``nexthop`` an address."""

    destination: str
    nexthop: str


class Subnet(msgspec.Struct, frozen=True):
    """A subnet. ``gateway`` unset: the service chooses; None: there is none. ``pools``: "first-last".

    ``dhcp_range`` ("first-last", "" none) is lent to interfaces that have no address of their own; ``dhcp_server`` is
    the address of the DHCP server ("": the service chooses).
    """

    cidr: str
    gateway: str | msgspec.UnsetType | None = msgspec.UNSET
    pools: tuple[str, ...] = ()
    enable_dhcp: bool = True
    dhcp_range: str = ""
    dhcp_server: str = ""
    dns: tuple[str, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    ipv6_ra_mode: RaMode | None = None
    ipv6_address_mode: RaMode | None = None


class Network(msgspec.Struct, frozen=True):
    """A network of a project, with its provider segment. ``external``: routers have their gateways on it.

    ``security_groups``: those of its interfaces; ``port_security`` and they are None where the file says nothing.
    """

    project: str = ""
    type: NetworkType = "vxlan"
    segmentation_id: int | None = None
    physical_network: str | None = None
    mtu: int | None = None
    shared: bool = False
    external: bool = False
    dns_domain: str = ""
    port_security: bool | None = None
    security_groups: tuple[str, ...] | None = None
    subnets: Mapping[str, Subnet] = {}


class Interface(msgspec.Struct, frozen=True):
    """A network interface of an instance: its network, addresses (none: the service chooses) and MAC ("" likewise).

    ``is_dynamic``: its port has no address; the DHCP server lends one of the subnet's ``dhcp_range``.
    """

    network: str
    addresses: tuple[str, ...] = ()
    mac: str = ""
    is_dynamic: bool = False


class Instance(msgspec.Struct, frozen=True):
    """A namespace on a host that stands in for a virtual machine. ``interfaces``: device name → interface.

    ``dhcp``: a DHCP client asks for its addresses; else they are written. ``public_keys``, ``user_data`` and
    ``metadata`` are what the metadata service tells it. ``port_security`` and ``security_groups`` are those of all its
    interfaces, None: as their networks say.
    """

    host: str
    plugging: Plugging = "hybrid"
    project: str = ""
    dhcp: bool = False
    public_keys: tuple[str, ...] = ()
    user_data: str = ""
    metadata: Mapping[str, str] = {}
    port_security: bool | None = None
    security_groups: tuple[str, ...] | None = None
    interfaces: Mapping[str, Interface] = {}


class RouterInterface(msgspec.Struct, frozen=True):
    """A router's interface on a subnet of a network; ``address`` "": the subnet's gateway."""

    network: str
    subnet: str
    address: str = ""


class Router(msgspec.Struct, frozen=True):
    """A router. ``external`` names the network of its gateway ("": none), ``external_addresses`` its addresses there.

    ``enable_snat`` None: as the service does (it translates); ``distributed`` None: as the service was told to.
    """

    project: str = ""
    distributed: bool | None = None
    external: str = ""
    external_addresses: tuple[str, ...] = ()
    enable_snat: bool | None = None
    interfaces: tuple[RouterInterface, ...] = ()
    routes: tuple[HostRoute, ...] = ()


class PortForwarding(msgspec.Struct, frozen=True):
    """A port of a floating IP that leads to a port of an instance's interface."""

    port: int
    instance: str
    internal_port: int
    device: str = "eth0"
    protocol: Literal["tcp", "udp"] = "tcp"


class FloatingIP(msgspec.Struct, frozen=True):
    """An address of an external network that leads to an interface of an instance ("": to none)."""

    network: str
    address: str
    project: str = ""
    instance: str = ""
    device: str = "eth0"
    fixed_address: str = ""
    port_forwardings: tuple[PortForwarding, ...] = ()


class Outside(msgspec.Struct, frozen=True):
    """A machine that is not Patchbay's: a router of the building, a server on the internet, an office computer.

    It has one card, ``eth0``, on a physical network of the lab, with the VLAN ``vlan`` (None: untagged), and passes
    packets on. ``addresses`` have prefix lengths. ``dns``: names that it answers for, None for no DNS server; ``http``:
    a web server that answers with the address that it is asked from.
    """

    physical_network: str
    vlan: int | None = None
    addresses: tuple[str, ...] = ()
    routes: tuple[HostRoute, ...] = ()
    dns: Mapping[str, str] | None = None
    http: bool = False


class Reach(msgspec.Struct, frozen=True, tag=True):
    """Whether every one of ``sources`` must reach every one of ``targets`` (``reach`` False: must not).

    Sources are instances or machines outside; targets may be addresses, too. ``seen_as``: the address that the target
    must see the packets come from ("": not looked at). ``line``: where the file says so.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    reach: bool
    line: int = 0
    seen_as: str = ""


class Connect(msgspec.Struct, frozen=True, tag=True):
    """Whether every one of ``sources`` must get an answer from a port of every one of ``targets``, or must not.

    ``protocol`` is tcp or udp. Sources and targets as of ``Reach``.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    protocol: str
    port: int
    reach: bool
    line: int = 0


class Resolve(msgspec.Struct, frozen=True, tag=True):
    """What instances must find for a name: an address, or nothing ("")."""

    sources: tuple[str, ...]
    name: str
    address: str
    line: int = 0


class Lease(msgspec.Struct, frozen=True, tag=True):
    """What the DHCP server must offer an instance's interface. None: not looked at; router "": none is offered.

    ``address`` may be a range "first-last". ``routes`` are pairs of destination and next hop.
    """

    instance: str
    device: str = "eth0"
    address: str | None = None
    router: str | None = None
    server: str | None = None
    dns: tuple[str, ...] | None = None
    domain: str | None = None
    mtu: int | None = None
    routes: tuple[HostRoute, ...] | None = None
    line: int = 0


class Fetch(msgspec.Struct, frozen=True, tag=True):
    """What instances must get for a URL: a ``status``, and a ``body`` without the space around it (None: any)."""

    sources: tuple[str, ...]
    url: str
    status: int = 200
    body: str | None = None
    headers: Mapping[str, str] = {}
    line: int = 0


Expectation = Reach | Connect | Resolve | Lease | Fetch


class Topology(msgspec.Struct, frozen=True):
    """A whole file, consistent. ``control_plane``: agents reach the service by a shared socket, or join it over TLS."""

    name: str
    path: str = ""
    underlay: Underlay = Underlay()
    control_plane: ControlPlane = "socket"
    hosts: Mapping[str, Host] = {}
    networks: Mapping[str, Network] = {}
    routers: Mapping[str, Router] = {}
    floating_ips: tuple[FloatingIP, ...] = ()
    instances: Mapping[str, Instance] = {}
    security_groups: Mapping[str, SecurityGroup] = {}
    address_groups: Mapping[str, tuple[str, ...]] = {}
    outside: Mapping[str, Outside] = {}
    expect: tuple[Expectation, ...] = ()

    def instances_on(self, network: str) -> tuple[str, ...]:
        """Names of the instances with an interface on a network."""
        return tuple(
            name
            for name, instance in self.instances.items()
            if any(interface.network == network for interface in instance.interfaces.values())
        )

    def place_of(self, address: str) -> str:
        """The instance or machine outside that answers for an address seen from elsewhere; "" when none is known."""
        for floating_ip in self.floating_ips:
            if floating_ip.address == address and floating_ip.instance:
                return floating_ip.instance
        for name, machine in self.outside.items():
            if address in (each.partition("/")[0] for each in machine.addresses):
                return name
        return ""
