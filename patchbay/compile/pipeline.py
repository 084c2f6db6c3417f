"""The flow tables as data: number, Neutron's name, who jumps in, what is decided, where it goes.

Compile modules take their table numbers from here; ``patchbay flows`` and the documentation print it; a test holds
that compiled flows go only where this says.
"""

import msgspec

from patchbay.compile import names

PROVIDER = "provider"
"""Stands for every bridge of an administrator: provider bridges, and those registered as OpenVNet datapaths."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A flow table. ``goes_to`` are the tables of the same bridge that its flows may resubmit to."""

    bridge: str
    number: int
    name: str
    entered_from: str
    decides: str
    goes_to: tuple[int, ...] = ()


LOCAL_SWITCHING = 0
PATCH_LV_TO_TUN = 2
GRE_TUN_TO_LV = 3
VXLAN_TUN_TO_LV = 4
GENEVE_TUN_TO_LV = 6
LEARN_FROM_TUN = 10
UCAST_TO_TUN = 20
ARP_RESPONDER = 21
FLOOD_TO_TUN = 22
ND_RESPONDER = 23

ARP_SPOOF = 24
MAC_SPOOF = 25
ROUTED = 40
ROUTER_ND = 41
ROUTER_ADDRESSES = 42
L3_LOOKUP = 43
NEXT_HOP = 44
NEIGHBOUR = 45
GATEWAY = 46
ROUTED_OUT = 47
SLOW_PATH = 48
DELIVERY = 49
TRANSIENT = 60
TO_PORTS = 61
PORT = 62
BASE_EGRESS = 71
RULES_EGRESS = 72
ACCEPT_OR_INGRESS = 73
TRACKED_EGRESS = 74
BASE_INGRESS = 81
RULES_INGRESS = 82
ACCEPT_INGRESS = 83
TRACKED_INGRESS = 84
ACCEPTED_EGRESS = 91
ACCEPTED_INGRESS = 92

_SECURITY = (
    Table(
        bridge=names.BR_INT,
        number=TRANSIENT,
        name="TRANSIENT",
        entered_from="tables 40 and 91, frames to be switched",
        decides="from ports with port security (bit 5 of reg5): unicast for another such port goes there, multicast and"
        " broadcast to those of the network and to switching, the rest to switching; from others: switching (NORMAL)",
        goes_to=(TO_PORTS, PORT, BASE_INGRESS),
    ),
    Table(
        bridge=names.BR_INT,
        number=TO_PORTS,
        name="TO_PORTS",
        entered_from="table 0, what switching has for ports with port security; table 60, their multicast",
        decides="which ports with port security get it, by local VLAN and MAC; what is for none of them is dropped",
        goes_to=(TO_PORTS, PORT, BASE_INGRESS),
    ),
    Table(
        bridge=names.BR_INT,
        number=PORT,
        name="PORT",
        entered_from="tables 0, 45, 49, 60, 61 and 73, asked for one port (in its name)",
        decides="nothing: writes down which port it is for (reg14, reg15) and its rule set (metadata)",
    ),
    Table(
        bridge=names.BR_INT,
        number=BASE_EGRESS,
        name="BASE_EGRESS",
        entered_from="table 25",
        decides="what no rule is asked about: what a DHCP client and neighbour discovery say is accepted, what a DHCP"
        " server says is dropped; the rest of IP is tracked, in the zone of its local VLAN",
        goes_to=(RULES_EGRESS, ACCEPT_OR_INGRESS, TRACKED_EGRESS, ACCEPTED_EGRESS),
    ),
    Table(
        bridge=names.BR_INT,
        number=RULES_EGRESS,
        name="RULES_EGRESS",
        entered_from="tables 71 and 74, and 84 for replies",
        decides="whether a rule of the rule set allows what is sent (bit 3 of reg5)",
    ),
    Table(
        bridge=names.BR_INT,
        number=ACCEPT_OR_INGRESS,
        name="ACCEPT_OR_INGRESS",
        entered_from="tables 71 and 74",
        decides="drops what no rule allows; what is for a port with port security here is judged for that, too; else"
        " the connection is noted as allowed by these rules as they are now (ct_label)",
        goes_to=(PORT, TRACKED_INGRESS, ACCEPTED_EGRESS),
    ),
    Table(
        bridge=names.BR_INT,
        number=TRACKED_EGRESS,
        name="TRACKED_EGRESS",
        entered_from="table 71, tracked",
        decides="whether the connection was allowed by the rules as they are now; if not, asks them: for replies the"
        " ingress rules about the connection's first packet. What begins a connection goes through the port's meter"
        " first (bit 6 of reg5), which drops what is too much, and comes back tracked anew",
        goes_to=(RULES_EGRESS, RULES_INGRESS, ACCEPT_OR_INGRESS, TRACKED_EGRESS),
    ),
    Table(
        bridge=names.BR_INT,
        number=BASE_INGRESS,
        name="BASE_INGRESS",
        entered_from="tables 0, 45, 49, 60 and 61, frames for the port in reg14 and reg15",
        decides="as table 71, for what a port is sent: ARP, neighbour discovery, router advertisements and DHCP pass",
        goes_to=(RULES_INGRESS, ACCEPT_INGRESS, TRACKED_INGRESS, ACCEPTED_INGRESS),
    ),
    Table(
        bridge=names.BR_INT,
        number=RULES_INGRESS,
        name="RULES_INGRESS",
        entered_from="tables 81 and 84, and 74 for replies",
        decides="whether a rule of the rule set allows what the port is sent (bit 3 of reg5)",
    ),
    Table(
        bridge=names.BR_INT,
        number=ACCEPT_INGRESS,
        name="ACCEPT_INGRESS",
        entered_from="tables 81 and 84",
        decides="drops what no rule allows; notes the connection as table 73 does, for both ends if both are here",
        goes_to=(ACCEPTED_INGRESS,),
    ),
    Table(
        bridge=names.BR_INT,
        number=TRACKED_INGRESS,
        name="TRACKED_INGRESS",
        entered_from="tables 73 and 81, tracked",
        decides="as table 74, for what a port is sent",
        goes_to=(RULES_EGRESS, RULES_INGRESS, ACCEPT_INGRESS, TRACKED_INGRESS),
    ),
    Table(
        bridge=names.BR_INT,
        number=ACCEPTED_EGRESS,
        name="ACCEPTED_EGRESS",
        entered_from="tables 24, 71 and 73",
        decides="on to routing, or where no distributed router is to switching; marks it as from a secured port",
        goes_to=(ROUTED, TRANSIENT),
    ),
    Table(
        bridge=names.BR_INT,
        number=ACCEPTED_INGRESS,
        name="ACCEPTED_INGRESS",
        entered_from="tables 81 and 83",
        decides="outputs to the port in reg14 and reg15",
    ),
)
"""Port security and security groups."""

TABLES = (
    Table(
        bridge=names.BR_INT,
        number=LOCAL_SWITCHING,
        name="LOCAL_SWITCHING",
        entered_from="every port of br-int",
        decides="ordinary switching by MAC within local VLANs (NORMAL); frames of provider bridges get their"
        " local VLAN; frames of ports that must not talk are dropped; what a port sends on a network that a"
        " distributed router joins gets its local VLAN into reg6 and goes to routing first; what a port with port"
        " security sends gets its rule set into metadata, too, and goes to table 24, without a VLAN tag or not at all;"
        " what switching has for such ports (patch-secured) comes in again at patch-switch; what routers on other"
        " hosts send to a port or a namespace here is output to it, or for a port with port security goes to table 81;"
        " what a namespace asks and advertises is rewritten, and what it sends goes to table 49",
        goes_to=(ARP_SPOOF, ROUTED, DELIVERY, TO_PORTS, PORT, BASE_INGRESS),
    ),
    Table(
        bridge=names.BR_INT,
        number=ARP_SPOOF,
        name="ARP_SPOOF",
        entered_from="table 0, ports with port security, and ports of networks that a distributed router joins",
        decides="with port security: ARP and neighbour discovery only for the port's own addresses, no router"
        " advertisements; ARP is then accepted, other frames go on. Without: everything passes",
        goes_to=(MAC_SPOOF, ROUTED, ACCEPTED_EGRESS),
    ),
    Table(
        bridge=names.BR_INT,
        number=MAC_SPOOF,
        name="MAC_SPOOF",
        entered_from="table 24, ports with port security",
        decides="whether MAC and IP address of the sender are the port's; nothing but IP passes",
        goes_to=(BASE_EGRESS,),
    ),
    Table(
        bridge=names.BR_INT,
        number=ROUTED,
        name="ROUTED",
        entered_from="tables 24 and 91, with the local VLAN in reg6",
        decides="whether a frame is for a router: answers ARP requests and neighbour solicitations for its addresses,"
        " and drops what claims them; what is sent to its MAC gets the router's number into metadata; what is for its"
        " namespace here is output to that; everything else is switched",
        goes_to=(ROUTER_ND, ROUTER_ADDRESSES, TRANSIENT),
    ),
    Table(
        bridge=names.BR_INT,
        number=ROUTER_ND,
        name="ROUTER_ND",
        entered_from="table 40, solicitations already turned into advertisements",
        decides="fills in the answer for the router's address and sends it back",
    ),
    Table(
        bridge=names.BR_INT,
        number=ROUTER_ADDRESSES,
        name="ROUTER_ADDRESSES",
        entered_from="table 40, and table 45 from another router; the router is in metadata, its network in reg6",
        decides="whether a packet is for the router itself: echo requests are answered; the rest, what is for"
        " link-local addresses, has an address that nobody may use (which the kernel drops) or is no IP goes to the"
        " router's namespace",
        goes_to=(L3_LOOKUP, SLOW_PATH),
    ),
    Table(
        bridge=names.BR_INT,
        number=L3_LOOKUP,
        name="L3_LOOKUP",
        entered_from="table 42, packets to be forwarded",
        decides="the route, the longest prefix first: the local VLAN that the packet leaves to (reg7), the next hop"
        " (reg0, or xxreg0 for IPv6), the router's MAC there, and whether the packet is larger than the MTU (reg5)",
        goes_to=(NEXT_HOP, NEIGHBOUR, GATEWAY, SLOW_PATH),
    ),
    Table(
        bridge=names.BR_INT,
        number=NEXT_HOP,
        name="NEXT_HOP",
        entered_from="table 43, routes with several next hops, the choice in reg4",
        decides="as table 43, for the next hop that was chosen for the connection",
        goes_to=(NEIGHBOUR,),
    ),
    Table(
        bridge=names.BR_INT,
        number=NEIGHBOUR,
        name="NEIGHBOUR",
        entered_from="tables 43 and 44",
        decides="the MAC of the next hop: takes one from the time to live and outputs to its port, or goes to table 81"
        " if that has port security; another distributed router goes on from table 42; what is too large, has lived too"
        " long or has an unknown next hop goes to the namespace",
        goes_to=(ROUTER_ADDRESSES, ROUTED_OUT, SLOW_PATH, PORT, BASE_INGRESS),
    ),
    Table(
        bridge=names.BR_INT,
        number=GATEWAY,
        name="GATEWAY",
        entered_from="table 43, packets without another route",
        decides="the way out: on other hosts to the router's home over the network that the packet came from, at home,"
        " and for senders with a floating IP on this host, to the namespace",
        goes_to=(SLOW_PATH,),
    ),
    Table(
        bridge=names.BR_INT,
        number=ROUTED_OUT,
        name="ROUTED_OUT",
        entered_from="table 45, next hops on other hosts",
        decides="the local VLAN and this host's own MAC of the router, and the way to br-tun or the provider bridge",
    ),
    Table(
        bridge=names.BR_INT,
        number=SLOW_PATH,
        name="SLOW_PATH",
        entered_from="tables 42, 43, 45 and 46",
        decides="hands the packet, as it came, to the router's namespace on this host",
    ),
    Table(
        bridge=names.BR_INT,
        number=DELIVERY,
        name="DELIVERY",
        entered_from="table 0, frames from the namespace of a distributed router, with the local VLAN in reg6",
        decides="the port that is known from the intent to have the MAC, here (by way of table 81 if that has port"
        " security) or beyond br-tun or a provider bridge: br-int may never learn where it is. Everything else is"
        " switched (NORMAL)",
        goes_to=(PORT, BASE_INGRESS),
    ),
    *_SECURITY,
    Table(
        bridge=names.BR_TUN,
        number=LOCAL_SWITCHING,
        name="LOCAL_SWITCHING",
        entered_from="every port of br-tun",
        decides="direction: from br-int (patch-int) outward, from a tunnel inward",
        goes_to=(PATCH_LV_TO_TUN, VXLAN_TUN_TO_LV),
    ),
    Table(
        bridge=names.BR_TUN,
        number=PATCH_LV_TO_TUN,
        name="PATCH_LV_TO_TUN",
        entered_from="table 0, frames from br-int",
        decides="unicast, or broadcast and multicast; ARP requests and neighbour solicitations see the responder first",
        goes_to=(UCAST_TO_TUN, ARP_RESPONDER, FLOOD_TO_TUN),
    ),
    Table(
        bridge=names.BR_TUN,
        number=GRE_TUN_TO_LV,
        name="GRE_TUN_TO_LV",
        entered_from="nobody: there are no GRE tunnels",
        decides="drops",
    ),
    Table(
        bridge=names.BR_TUN,
        number=VXLAN_TUN_TO_LV,
        name="VXLAN_TUN_TO_LV",
        entered_from="table 0, frames from VXLAN tunnels",
        decides="the local VLAN of the VNI; a VNI that is not on this host is dropped",
        goes_to=(LEARN_FROM_TUN,),
    ),
    Table(
        bridge=names.BR_TUN,
        number=GENEVE_TUN_TO_LV,
        name="GENEVE_TUN_TO_LV",
        entered_from="nobody: there are no Geneve tunnels",
        decides="drops",
    ),
    Table(
        bridge=names.BR_TUN,
        number=LEARN_FROM_TUN,
        name="LEARN_FROM_TUN",
        entered_from="table 4",
        decides="nothing: notes in table 20 (priority 1, 300 s) where the sender is, and hands the frame to br-int",
    ),
    Table(
        bridge=names.BR_TUN,
        number=UCAST_TO_TUN,
        name="UCAST_TO_TUN",
        entered_from="table 2, unicast",
        decides="the tunnel to the host of the destination MAC: known from intent (2), learned (1), else flood;"
        " frames for a port of this host are dropped",
        goes_to=(FLOOD_TO_TUN,),
    ),
    Table(
        bridge=names.BR_TUN,
        number=ARP_RESPONDER,
        name="ARP_RESPONDER",
        entered_from="table 2, ARP requests and neighbour solicitations",
        decides="answers for known addresses on other hosts; floods the rest, and duplicate address detection",
        goes_to=(FLOOD_TO_TUN, ND_RESPONDER),
    ),
    Table(
        bridge=names.BR_TUN,
        number=FLOOD_TO_TUN,
        name="FLOOD_TO_TUN",
        entered_from="tables 2, 20 and 21",
        decides="a copy to each host that has the network, and to no other",
    ),
    Table(
        bridge=names.BR_TUN,
        number=ND_RESPONDER,
        name="ND_RESPONDER",
        entered_from="table 21, solicitations already turned into advertisements",
        decides="fills in the answer for the address and sends it back",
    ),
    Table(
        bridge=PROVIDER,
        number=LOCAL_SWITCHING,
        name="LOCAL_SWITCHING",
        entered_from="every port of the bridge",
        decides="on a provider bridge: frames from br-int get the VLAN that the physical network uses, or none; unknown"
        " ones are dropped. On a registered one: an attached interface is joined to its patch port to br-int, both"
        " ways",
    ),
)


def find_table(bridge: str, number: int) -> Table | None:
    """The table of this number; any bridge but br-int and br-tun is an administrator's."""
    kind = bridge if bridge in (names.BR_INT, names.BR_TUN) else PROVIDER
    return next((table for table in TABLES if (table.bridge, table.number) == (kind, number)), None)
