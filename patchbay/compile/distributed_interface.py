"""What a distributed router's interface says to its network, on every host: flows of the interface's port.

They answer for its addresses with its MAC, let nobody else claim them, lead what is sent to this MAC into routing, and
keep apart what the router's many devices on one network would otherwise say to each other's neighbours: questions for
its addresses from outside the host are not theirs to answer (but at home, for machines that no agent serves), and what
is said with the interface's MAC stays on the host that it is from.
"""

import ipaddress
from collections.abc import Iterator

from patchbay.compile import names
from patchbay.compile.leg import Leg, Trunk, addresses, flow, leg_of, next_hop_match
from patchbay.compile.pipeline import (
    LOCAL_SWITCHING,
    NEIGHBOUR,
    PATCH_LV_TO_TUN,
    ROUTED,
    ROUTER_ADDRESSES,
    ROUTER_ND,
)
from patchbay.compile.responder import (
    FROM_ROUTER,
    OVERRIDE,
    SOLICITED,
    advertisement,
    arp_reply,
    defence,
    link_local,
    turned_solicitation,
)
from patchbay.compile.view import HostView
from patchbay.hoststate import Flow
from patchbay.model import Port

GUARD = 6
"""The priority in table 0 of what must not be switched or classified like anything else."""


def compile_interface(view: HostView, port: Port) -> Iterator[Flow]:
    """The flows of an interface here; of two interfaces with one address or MAC, the first has it."""
    leg = leg_of(view, port)
    if leg is None:
        return
    is_home = view.is_home(view.routers[port.device_id])
    targets = [address for address in addresses(port) if view.leads("link-ip", port, str(address))]
    for address in targets:
        yield from _answers(leg, address)
        yield from _next_router(leg, address)
        for trunk in [leg.trunk] if leg.trunk else []:
            yield from (flow(LOCAL_SWITCHING, GUARD, said, "drop") for said in _claims(trunk.arriving, address))
            if not (is_home and trunk.bridge):
                yield _unheard(trunk, address)
    if view.leads("link-mac", port, port.mac_address):
        yield _to_router(leg)
        if leg.has_ipv6:
            yield from _answers(leg, link_local(leg.mac))
        if leg.trunk:
            yield from _stays_here(leg, leg.trunk, is_home)
        if leg.trunk and leg.trunk.bridge and is_home and leg.has_ipv6:
            yield from _solicited_by_machines(leg, leg.trunk)


def _answers(leg: Leg, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Iterator[Flow]:
    """ARP requests, also probes and unicast ones, and neighbour solicitations for one address."""
    network = f"reg6={leg.local_vlan:#x}"
    yield from (flow(ROUTED, 1, said, "drop") for said in _claims(network, address))
    if address.version == 4:
        match = f"arp,{network},arp_tpa={address},arp_op=1"
        yield flow(ROUTED, 3, match, f"{arp_reply(leg.mac, address)},IN_PORT")
        return
    turned = turned_solicitation(FROM_ROUTER | SOLICITED | OVERRIDE)
    yield flow(ROUTED, 3, f"icmp6,{network},icmp_type=135,nd_target={address}", f"{turned},resubmit(,{ROUTER_ND})")
    said = f"icmp_type=136,nd_target={address}"
    yield flow(ROUTER_ND, 1, f"icmp6,{network},{said}", f"{advertisement(leg.mac, address)},IN_PORT")
    yield flow(ROUTER_ND, 2, f"icmp6,{network},ipv6_src=::,{said}", f"{defence(leg.mac, address)},IN_PORT")


def _claims(network: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[str]:
    """What says to a network that the address is somebody's: nobody else has it, and neighbours would believe it."""
    if address.version == 4:
        return [f"arp,{network},arp_spa={address}"]
    return [f"icmp6,{network},icmp_type=136,nd_target={address}", f"icmp6,{network},ipv6_src={address},icmp_type=135"]


def _to_router(leg: Leg) -> Flow:
    """Frames for the interface's MAC are the router's."""
    number = names.router_number(leg.port.device_id)
    actions = f"load:{number:#x}->OXM_OF_METADATA[],resubmit(,{ROUTER_ADDRESSES})"
    return flow(ROUTED, 2, f"reg6={leg.local_vlan:#x},dl_dst={leg.mac}", actions)


def _next_router(leg: Leg, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Iterator[Flow]:
    """What another router here forwards to this address goes on in this one; bit 1 of reg5 tells that it came so."""
    number = names.router_number(leg.port.device_id)
    actions = (
        f"dec_ttl,load:{number:#x}->OXM_OF_METADATA[],load:{leg.local_vlan:#x}->NXM_NX_REG6[],"
        f"load:0x1->NXM_NX_REG5[1],resubmit(,{ROUTER_ADDRESSES})"
    )
    yield flow(NEIGHBOUR, 11, next_hop_match(address, leg.local_vlan), actions)


def _unheard(trunk: Trunk, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Flow:
    """Who asks from another host has been answered there; this host's device must not answer, too."""
    if address.version == 4:
        return flow(LOCAL_SWITCHING, GUARD, f"arp,{trunk.arriving},arp_tpa={address},arp_op=1", "drop")
    return flow(LOCAL_SWITCHING, GUARD, f"icmp6,{trunk.arriving},icmp_type=135,nd_target={address}", "drop")


def _stays_here(leg: Leg, trunk: Trunk, is_home: bool) -> Iterator[Flow]:
    """Frames from the interface's MAC, such as router advertisements and announcements, stay on this host: another says
    the same, and who learns MACs on the way would take the router to be here.

    But home tells machines on a physical network that there is a router, and answers for its link-local address.
    """
    said = f"dl_vlan={leg.local_vlan},dl_src={leg.mac}"
    if not trunk.bridge:
        yield Flow(bridge=names.BR_TUN, table=PATCH_LV_TO_TUN, priority=2, match=said, actions="drop")
        return
    said = f"in_port={names.provider_patch(trunk.bridge)},{said}"
    hidden = [f"icmp6,{said},icmp_type=136,nd_target={each}" for each in addresses(leg.port) if each.version == 6]
    for match in (f"arp,{said}", *hidden) if is_home else (said,):
        yield Flow(bridge=trunk.bridge, table=LOCAL_SWITCHING, priority=5, match=match, actions="drop")


def _solicited_by_machines(leg: Leg, trunk: Trunk) -> Iterator[Flow]:
    """What machines on a physical network, who have heard home advertise the interface's MAC, ask and send it."""
    vlan = leg.local_vlan
    actions = f"{trunk.untag}mod_dl_dst:{leg.own_mac},output:{leg.device}"
    yield flow(LOCAL_SWITCHING, GUARD, f"{trunk.arriving},dl_dst={leg.mac}", actions)
    asked = f"icmp6,{trunk.arriving},icmp_type=135,nd_target={link_local(leg.mac)}"
    answered = f"mod_vlan_vid:{vlan},load:{vlan:#x}->NXM_NX_REG6[],resubmit(,{ROUTED})"
    yield flow(LOCAL_SWITCHING, GUARD + 1, asked, answered)
