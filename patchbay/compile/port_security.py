"""Port security: a port sends only as itself, whatever the instance behind it does (Neutron's ``port_security``).

Ordinary switching never sees such a port (``BridgePort.is_closed``): all that it sends and is sent goes through flows,
and where there are none, before they are set or after a restart of ovs-vswitchd, it is cut off. What it sends comes
from table 0 to ARP_SPOOF and MAC_SPOOF: MAC and addresses, also those that ARP and neighbour discovery speak of, are
the port's own or those of an allowed address pair. ``port_delivery`` has what it is sent.
"""

import ipaddress
from collections.abc import Iterator

from patchbay.compile import names
from patchbay.compile.br_int import port_tag
from patchbay.compile.connection_limits import compile_metered
from patchbay.compile.leg import flow
from patchbay.compile.pipeline import (
    ACCEPTED_EGRESS,
    ACCEPTED_INGRESS,
    ARP_SPOOF,
    BASE_EGRESS,
    LOCAL_SWITCHING,
    MAC_SPOOF,
    PORT,
)
from patchbay.compile.provider import UNTAGGED
from patchbay.compile.responder import link_local
from patchbay.compile.security_groups import key_of, normal
from patchbay.compile.view import HostView
from patchbay.hoststate import Flow
from patchbay.model import Port

NO_MAC = "00:00:00:00:00:00"
_UNSPECIFIED_MAY = (131, 133, 143)
"""ICMPv6 from the unspecified address besides the detection of duplicates: reports of listeners (RFC 3590), router
solicitations (RFC 4861, 4.1)."""


def compile_secured_port(view: HostView, port: Port) -> Iterator[Flow]:
    """The flows of one port here with port security."""
    device = view.secured_device(port)
    if device is None:
        return
    own, local_vlan = f"in_port={device}", port_tag(view, port)
    rule_set = f"load:{names.rule_set_number(key_of(port)):#x}->OXM_OF_METADATA[]"
    begin = f"load:{local_vlan:#x}->NXM_NX_REG6[],{rule_set},resubmit(,{ARP_SPOOF})"
    yield flow(LOCAL_SWITCHING, 5, f"{own},{UNTAGGED}", begin)
    yield flow(LOCAL_SWITCHING, 4, own, "drop")
    number = names.port_number(port.id)
    high, low = number >> 32, number & 0xFFFFFFFF
    identity = f"load:{high:#x}->NXM_NX_REG14[],load:{low:#x}->NXM_NX_REG15[]"
    yield flow(PORT, 1, own, f"{identity},{rule_set}")
    sent = f"reg14={high:#x},reg15={low:#x}".replace("=0x0", "=0")
    yield flow(ACCEPTED_INGRESS, 1, sent, f"output:{device}")
    yield from compile_metered(view, port, device, sent)
    yield flow(ARP_SPOOF, 1, own, f"resubmit(,{MAC_SPOOF})")
    yield from (flow(ARP_SPOOF, 2, f"icmp6,{own},icmp_type={kind}", "drop") for kind in (135, 136))
    found: dict[tuple[str, ...], Flow] = {}
    for mac, addresses in allowed(port).items():
        for one in (*_of_mac(own, mac), *_of_addresses(own, mac, addresses)):
            found.setdefault(one.key, one)
    yield from found.values()


def allowed(port: Port) -> dict[str, list[str]]:
    """The MACs that a port may send from, each with its addresses and CIDRs; its link-local address is one of them."""
    found: dict[str, list[str]] = {port.mac_address.lower(): [fixed.ip_address for fixed in port.fixed_ips]}
    for pair in port.allowed_address_pairs:
        found.setdefault((pair.mac_address or port.mac_address).lower(), []).append(pair.ip_address)
    return {
        mac: sorted({address for text in (*texts, str(link_local(mac))) if (address := normal(text))})
        for mac, texts in found.items()
    }


def _of_mac(own: str, mac: str) -> Iterator[Flow]:
    """What an address need not be known for: solicitations, and what is said before there is an address."""
    sender, onward = f"{own},dl_src={mac}", f"resubmit(,{BASE_EGRESS})"
    for link_layer in (mac, NO_MAC):
        match = f"icmp6,{sender},icmp_type=135,nd_sll={link_layer}"
        yield flow(ARP_SPOOF, 3, match, f"resubmit(,{MAC_SPOOF})")
    yield flow(MAC_SPOOF, 2, f"udp,{sender},nw_src=0.0.0.0,tp_src=68,tp_dst=67", onward)
    for kind in _UNSPECIFIED_MAY:
        yield flow(MAC_SPOOF, 2, f"icmp6,{sender},ipv6_src=::,icmp_type={kind}", onward)


def _of_addresses(own: str, mac: str, addresses: list[str]) -> Iterator[Flow]:
    sender = f"{own},dl_src={mac}"
    said, onward = f"resubmit(,{ACCEPTED_EGRESS})", f"resubmit(,{BASE_EGRESS})"
    for address in addresses:
        if ipaddress.ip_network(address).version == 4:
            spa, tpa, source = (_term(name, address) for name in ("arp_spa", "arp_tpa", "nw_src"))
            yield flow(ARP_SPOOF, 3, f"arp,{sender}{spa},arp_sha={mac}", said)
            yield flow(ARP_SPOOF, 3, f"arp,{sender},arp_spa=0.0.0.0{tpa},arp_op=1,arp_sha={mac}", said)
            yield flow(MAC_SPOOF, 2, f"ip,{sender}{source}", onward)
            continue
        target, source = (_term(name, address) for name in ("nd_target", "ipv6_src"))
        for link_layer in (mac, NO_MAC):
            match = f"icmp6,{sender},icmp_type=136{target},nd_tll={link_layer}"
            yield flow(ARP_SPOOF, 3, match, f"resubmit(,{MAC_SPOOF})")
        yield flow(MAC_SPOOF, 2, f"ipv6,{sender}{source}", onward)
        yield flow(MAC_SPOOF, 2, f"icmp6,{sender},ipv6_src=::,icmp_type=135{target}", onward)


def _term(name: str, address: str) -> str:
    """``,name=address``; nothing for all addresses."""
    return "" if address.endswith("/0") else f",{name}={address}"
