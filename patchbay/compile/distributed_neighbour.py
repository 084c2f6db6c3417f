"""An ordinary port on a network that a distributed router joins: what it sends, and how routed packets reach it.

Nothing is made for ports of other networks. An address that is not known here (an allowed address pair, a machine on a
provider network) has no flow: the kernel in the router's namespace finds it by asking.
"""

from collections.abc import Iterator

from patchbay.compile import names
from patchbay.compile.br_int import port_tag
from patchbay.compile.leg import addresses, flow, next_hop_match, trunk_of
from patchbay.compile.local_vlans import DEAD_VLAN
from patchbay.compile.pipeline import ARP_SPOOF, DELIVERY, LOCAL_SWITCHING, NEIGHBOUR, ROUTED_OUT
from patchbay.compile.port_delivery import judged
from patchbay.compile.provider import UNTAGGED
from patchbay.compile.view import HostView
from patchbay.hoststate import Flow
from patchbay.model import Port
from patchbay.model.network import LOCAL, VXLAN
from patchbay.model.router import ROUTER_INTERFACE_DISTRIBUTED

OUT = "load:0xffff->NXM_OF_IN_PORT[],output:"
"""To a port, also to the one that the packet came from: two subnets may share it."""


def compile_neighbour(view: HostView, port: Port) -> Iterator[Flow]:
    """Table 0: what this port sends goes to routing first. NEIGHBOUR: its MAC and its way, for each of its addresses.

    A port elsewhere is reached by ROUTED_OUT and what table 20 of br-tun, or the physical network, knows.
    """
    local_vlan = port_tag(view, port)
    if (
        port.device_owner == ROUTER_INTERFACE_DISTRIBUTED
        or local_vlan == DEAD_VLAN
        or not view.distributed_on(port.network_id)
    ):
        return
    device = view.port_device(port.id)
    if device is not None and names.PORT_NAME.fullmatch(device):
        if port.is_secured:
            way = f"load:{local_vlan:#x}->NXM_NX_REG6[],load:0xffff->NXM_OF_IN_PORT[],{judged(device)}"
        else:
            actions = f"load:{local_vlan:#x}->NXM_NX_REG6[],resubmit(,{ARP_SPOOF})"
            yield flow(LOCAL_SWITCHING, 5, f"in_port={device},{UNTAGGED}", actions)
            way = f"{OUT}{device}"
    elif device is None and _is_reached_elsewhere(view, port):
        way = f"resubmit(,{ROUTED_OUT})"
    else:
        return
    if not view.is_sole("mac", port, port.mac_address):
        return
    yield from _delivery(view, port, local_vlan, device)
    for address in addresses(port):
        if view.is_sole("ip", port, str(address)):
            actions = f"mod_dl_dst:{port.mac_address},dec_ttl,{way}"
            yield flow(NEIGHBOUR, 10, next_hop_match(address, local_vlan), actions)


def _delivery(view: HostView, port: Port, local_vlan: int, device: str | None) -> Iterator[Flow]:
    """What routers here and on other hosts send to a port goes to it and nowhere else: what it sends to routers itself
    is not switched, so br-int may never learn where it is, and would flood. A port with port security is sent only what
    its rules allow, by whatever way it comes."""
    trunk = trunk_of(view, view.networks[port.network_id], local_vlan)
    known = f"reg6={local_vlan:#x},dl_dst={port.mac_address}"
    if device is None:
        if trunk is not None:
            yield flow(DELIVERY, 1, known, f"mod_vlan_vid:{local_vlan},output:{trunk.name}")
        return
    here = judged(device) if port.is_secured else f"output:{device}"
    yield flow(DELIVERY, 1, known, here)
    if trunk is not None:
        zone = f"load:{local_vlan:#x}->NXM_NX_REG6[]," if port.is_secured else ""
        match = f"{trunk.arriving},dl_src={names.ROUTER_MACS},dl_dst={port.mac_address}"
        yield flow(LOCAL_SWITCHING, 5, match, f"{trunk.untag}{zone}{here}")


def _is_reached_elsewhere(view: HostView, port: Port) -> bool:
    """It is on one other host, and the network leads there."""
    network, hosts = view.networks[port.network_id], view.elsewhere(port)
    if len(hosts) != 1 or network.network_type == LOCAL:
        return False
    return network.network_type != VXLAN or view.tunnel_port(next(iter(hosts))) is not None
