"""The flow tables as data: number, Neutron's name, who jumps in, what is decided, where it goes.

Compile modules take their table numbers from here; ``patchbay flows`` and the documentation print it; a test holds
that compiled flows go only where this says.
"""

import msgspec

from patchbay.compile import names

PROVIDER = "provider"
"""Stands for every provider bridge."""


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

TABLES = (
    Table(
        bridge=names.BR_INT,
        number=LOCAL_SWITCHING,
        name="LOCAL_SWITCHING",
        entered_from="every port of br-int",
        decides="ordinary switching by MAC within local VLANs (NORMAL); frames of provider bridges get their"
        " local VLAN; frames of ports that must not talk are dropped",
    ),
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
        entered_from="every port of the provider bridge",
        decides="frames from br-int get the VLAN that the physical network uses, or none; unknown ones are dropped",
    ),
)


def find_table(bridge: str, number: int) -> Table | None:
    """The table of this number; any bridge but br-int and br-tun is a provider bridge."""
    kind = bridge if bridge in (names.BR_INT, names.BR_TUN) else PROVIDER
    return next((table for table in TABLES if (table.bridge, table.number) == (kind, number)), None)
