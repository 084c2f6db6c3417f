"""What all ports with port security of a host share: tables 60 to 92 but for the flows of ports and rule sets.

Bits of reg5: 2 and 4, the halves of the connection's label that must be written; 3, a rule allowed it; 5, it comes from
a port with port security; 6, its meter has let it through.
"""

from collections.abc import Iterator

from patchbay.compile import names
from patchbay.compile.br_tun import MULTICAST
from patchbay.compile.leg import flow
from patchbay.compile.local_vlans import DEAD_VLAN
from patchbay.compile.pipeline import (
    ACCEPT_INGRESS,
    ACCEPT_OR_INGRESS,
    ACCEPTED_EGRESS,
    ACCEPTED_INGRESS,
    ARP_SPOOF,
    BASE_EGRESS,
    BASE_INGRESS,
    LOCAL_SWITCHING,
    MAC_SPOOF,
    PORT,
    ROUTED,
    RULES_EGRESS,
    RULES_INGRESS,
    TO_PORTS,
    TRACKED_EGRESS,
    TRACKED_INGRESS,
    TRANSIENT,
)
from patchbay.compile.view import HostView
from patchbay.hoststate import BridgePort, Flow, Resource

TRACKED_PROTOCOLS = ("icmp", "icmp6", "tcp", "tcp6", "udp", "udp6")
"""What has connections (``security_groups.CONNECTIONS``); the rest of IP is judged packet by packet."""
FRAGMENTS_OF_IPV6 = "ipv6,nw_frag=later"
"""Open vSwitch knows their protocol only when they have been put together, as tracking does."""

ZONE = "zone=NXM_NX_REG6[0..15]"

_ASKS = (130, 131, 132, 133, 135, 136, 143)
"""ICMPv6 that a port may send: listeners of multicast, router solicitation, neighbour discovery (checked before)."""
_HEARS = (130, 131, 132, 134, 135, 136, 143)
"""ICMPv6 that a port may be sent: the same, but what routers say in place of what they are asked."""
_DHCP_CLIENT = ("udp,tp_src=68,tp_dst=67", "udp6,tp_src=546,tp_dst=547")
_TO_DHCP_CLIENTS = ("udp,tp_dst=68", "udp6,tp_dst=546")
"""Clients do not look at the port that an answer comes from."""
_DHCP_SERVER = ("udp,tp_src=67,tp_dst=68", "udp6,tp_src=547,tp_dst=546")


def compile_security_tables(view: HostView) -> Iterator[Resource]:
    """The patch pair and what decides without regard to ports, if a port with port security is here."""
    if not view.has_secured_ports():
        return
    yield from _patch_pair()
    yield from (flow(MAC_SPOOF, 9, f"icmp6,icmp_type={kind}", "drop") for kind in (134, 137))
    for table in (MAC_SPOOF, TO_PORTS, PORT, RULES_EGRESS, RULES_INGRESS, ACCEPTED_INGRESS):
        yield flow(table, 0, "", "drop")
    for table in (TRACKED_EGRESS, TRACKED_INGRESS):
        yield flow(table, 0, "", "drop")
    yield flow(LOCAL_SWITCHING, 2, f"in_port={names.PATCH_SWITCH}", "drop")
    yield from _base(BASE_EGRESS, RULES_EGRESS, ACCEPT_OR_INGRESS, TRACKED_EGRESS)
    yield from _base(BASE_INGRESS, RULES_INGRESS, ACCEPT_INGRESS, TRACKED_INGRESS)
    yield from _without_rules()
    yield from _verdict(ACCEPT_OR_INGRESS, ACCEPTED_EGRESS)
    yield from _verdict(ACCEPT_INGRESS, ACCEPTED_INGRESS)
    following = ROUTED if view.distribution.here else TRANSIENT
    yield flow(ACCEPTED_EGRESS, 0, "", f"load:0x1->NXM_NX_REG5[5],resubmit(,{following})")
    if not view.distribution.here:
        yield flow(ARP_SPOOF, 0, "", "drop")
    yield flow(TRANSIENT, 0, "", "NORMAL")


def _patch_pair() -> Iterator[Resource]:
    """Ordinary switching knows all ports with port security as one, ``patch-secured``; it never uses its other end,
    nor the ports themselves (``is_closed``)."""
    yield BridgePort(
        name=names.PATCH_SECURED,
        bridge=names.BR_INT,
        type="patch",
        options=(("peer", names.PATCH_SWITCH),),
        owner="host",
    )
    yield BridgePort(
        name=names.PATCH_SWITCH,
        bridge=names.BR_INT,
        type="patch",
        options=(("peer", names.PATCH_SECURED),),
        tag=DEAD_VLAN,
        is_closed=True,
        owner="host",
    )


def _base(table: int, rules: int, verdict: int, tracked: int) -> Iterator[Flow]:
    """IP: connections are tracked; what has none is asked about at once; the rest is dropped."""
    clear = "load:0->NXM_NX_REG5[2..4]"
    for protocol in (*TRACKED_PROTOCOLS, FRAGMENTS_OF_IPV6):
        yield flow(table, 5, protocol, f"{clear},ct(table={tracked},{ZONE})")
    for version in ("ip", "ipv6"):
        yield flow(table, 1, version, f"{clear},ct_clear,resubmit(,{rules}),resubmit(,{verdict})")
    yield flow(table, 0, "", "drop")


def _without_rules() -> Iterator[Flow]:
    """What no rule is asked about. Multicast is tracked once for all ports that get it."""
    accepted = f"resubmit(,{ACCEPTED_EGRESS})"
    yield from (flow(BASE_EGRESS, 20, match, "drop") for match in _TO_DHCP_CLIENTS)
    yield from (flow(BASE_EGRESS, 20, match, accepted) for match in _DHCP_CLIENT)
    yield from (flow(BASE_EGRESS, 20, f"icmp6,icmp_type={kind}", accepted) for kind in _ASKS)
    heard = f"resubmit(,{ACCEPTED_INGRESS})"
    yield flow(BASE_INGRESS, 20, "arp", heard)
    yield from (flow(BASE_INGRESS, 20, match, heard) for match in _DHCP_SERVER)
    yield from (flow(BASE_INGRESS, 20, f"icmp6,icmp_type={kind}", heard) for kind in _HEARS)
    again = f"load:0->NXM_NX_REG5[2..4],resubmit(,{TRACKED_INGRESS})"
    yield flow(BASE_INGRESS, 12, f"ct_state=+trk,{MULTICAST}", again)
    for protocol in TRACKED_PROTOCOLS:
        match = f"ct_state=-trk,{protocol},{MULTICAST}"
        yield flow(TO_PORTS, 8, match, f"ct(table={TO_PORTS},{ZONE})")


def _verdict(table: int, following: int) -> Iterator[Flow]:
    """What no rule allowed ends; the halves of the label that were judged anew are written, but for multicast, which
    nobody replies to."""
    go_on = f"resubmit(,{following})"
    yield flow(table, 9, "reg5=0/0x8", "drop")
    yield flow(table, 8, MULTICAST, go_on)
    for flags, bits in (("0x4/0x14", "[0..63]"), ("0x10/0x14", "[64..127]"), ("0x14/0x14", "[]")):
        note = f"ct(commit,{ZONE},exec(move:NXM_NX_XXREG2{bits}->NXM_NX_CT_LABEL{bits}))"
        for version in ("ip", "ipv6"):
            yield flow(table, 3, f"{version},reg5={flags}", f"{note},{go_on}")
    yield flow(table, 0, "", go_on)
