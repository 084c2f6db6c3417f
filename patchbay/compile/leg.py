"""A distributed router's interface as one host has it: local VLAN, MACs, device, and the way to other hosts.

Two MACs: that of the interface (its port's ``mac_address``), which flows answer for on every host and no host sends
between hosts; and the host's own (``names.router_mac``), which the device in the namespace has.
"""

import ipaddress

import msgspec

from patchbay.compile import names
from patchbay.compile.br_int import port_tag
from patchbay.compile.local_vlans import DEAD_VLAN
from patchbay.compile.provider import UNTAGGED
from patchbay.compile.segment import provider_bridge
from patchbay.compile.view import HostView
from patchbay.hoststate import Flow
from patchbay.model import Network, Port
from patchbay.model.network import FLAT, VLAN, VXLAN
from patchbay.model.router import ROUTER_INTERFACE_DISTRIBUTED

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Trunk(msgspec.Struct, frozen=True, kw_only=True):
    """The port of br-int that leads to the other hosts of a network.

    ``arriving`` matches the network's frames from there, which carry a VLAN tag if ``is_tagged``; those to there carry
    the local VLAN. ``bridge`` is the provider bridge behind it, "" for tunnels.
    """

    name: str
    arriving: str
    is_tagged: bool
    bridge: str = ""

    @property
    def untag(self) -> str:
        """The actions that take the tag off a frame from there."""
        return "strip_vlan," if self.is_tagged else ""


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """See the module. ``own_mac`` is the host's own; ``trunk`` is None where nothing leads to other hosts."""

    port: Port
    network: Network
    local_vlan: int
    device: str
    own_mac: str
    trunk: Trunk | None

    @property
    def mac(self) -> str:
        """The MAC of the interface, the same on every host."""
        return self.port.mac_address

    @property
    def versions(self) -> list[str]:
        """The IP versions of its addresses: ``ip`` and ``ipv6``, as matches call them."""
        found = {address.version for address in addresses(self.port)}
        return [keyword for version, keyword in ((4, "ip"), (6, "ipv6")) if version in found]

    @property
    def has_ipv6(self) -> bool:
        """It has an IPv6 address."""
        return "ipv6" in self.versions


def leg_of(view: HostView, port: Port) -> Leg | None:
    """The leg of this port; None if it is no interface of a distributed router here, or in the dead VLAN."""
    network = view.networks.get(port.network_id)
    if port.device_owner != ROUTER_INTERFACE_DISTRIBUTED or network is None or not view.is_here(port):
        return None
    local_vlan = port_tag(view, port)
    if local_vlan == DEAD_VLAN:
        return None
    return Leg(
        port=port,
        network=network,
        local_vlan=local_vlan,
        device=names.device("qr-", port.id),
        own_mac=names.router_mac(view.facts.host, port.id),
        trunk=trunk_of(view, network, local_vlan),
    )


def trunk_of(view: HostView, network: Network, local_vlan: int) -> Trunk | None:
    """What leads to the network's other hosts; None if nothing does."""
    if not view.owns_segment(network):
        return None
    if network.network_type == VXLAN and network.segmentation_id is not None:
        match = f"in_port={names.PATCH_TUN},dl_vlan={local_vlan}"
        return Trunk(name=names.PATCH_TUN, arriving=match, is_tagged=True)
    bridge = provider_bridge(view.facts, network.physical_network)
    is_tagged = network.network_type == VLAN and network.segmentation_id is not None
    if bridge is None or not (is_tagged or network.network_type == FLAT):
        return None
    name = names.integration_patch(bridge)
    outside = f"dl_vlan={network.segmentation_id}" if is_tagged else UNTAGGED
    return Trunk(name=name, arriving=f"in_port={name},{outside}", is_tagged=is_tagged, bridge=bridge)


def addresses(port: Port) -> list[Address]:
    """The addresses of a port, without texts that are none."""
    found = []
    for fixed in port.fixed_ips:
        try:
            found.append(ipaddress.ip_address(fixed.ip_address))
        except ValueError:
            continue
    return found


def next_hop_match(address: Address, local_vlan: int) -> str:
    """What matches packets that go next to this address of the network: reg0 to reg3, and reg7."""
    if address.version == 4:
        return f"ip,reg0={int(address):#x},reg7={local_vlan:#x}"
    words = [int(address) >> shift & 0xFFFFFFFF for shift in (96, 64, 32, 0)]
    registers = ",".join(f"reg{number}={word:#x}" for number, word in enumerate(words))
    return f"ipv6,{registers},reg7={local_vlan:#x}".replace("=0x0,", "=0,")


def flow(table: int, priority: int, match: str, actions: str) -> Flow:
    """A flow of br-int."""
    return Flow(bridge=names.BR_INT, table=table, priority=priority, match=match, actions=actions)
