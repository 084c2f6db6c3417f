"""How many connections a network may have on this host, and how many new ones a port may begin or be sent in a second.

The zone of a network has a limit, so no network uses up the tracked connections (or the memory) of others. Each port
with port security has two meters, for what it sends and what it is sent. Packets go through them that begin a
connection nobody has noted yet: those have no label. So what is established is never held up, whatever its rate, nor
is multicast, which is not noted. A packet within the rate is tracked anew: what is looked up in the datapath for those
that are too many names no address and no port number, and costs little however they differ.
"""

from collections.abc import Iterator

from patchbay.compile import names
from patchbay.compile.br_tun import UNICAST
from patchbay.compile.leg import flow
from patchbay.compile.pipeline import TRACKED_EGRESS, TRACKED_INGRESS
from patchbay.compile.security_groups import EGRESS, INGRESS
from patchbay.compile.security_groups_tables import ZONE
from patchbay.compile.view import HostView
from patchbay.hoststate import ConnectionLimit, Flow, Meter, Resource
from patchbay.model import Port

_NEW, _UNCOUNTED = "ct_state=+new+trk,ct_label=0", "reg5=0/0x40"
_COUNTED = "load:0x1->NXM_NX_REG5[6]"


def compile_connection_limit(view: HostView, local_vlan: int) -> Iterator[Resource]:
    """The limit of a network's zone."""
    if view.facts.connections_per_network:
        yield ConnectionLimit(
            zone=local_vlan, limit=view.facts.connections_per_network, datapath_type=view.facts.datapath_type
        )


def compile_meters(view: HostView, port: Port) -> Iterator[Resource]:
    """The meters of a port here with port security. Of two ports with one number (most unlikely) the first has them,
    and the other shares them."""
    rate = view.facts.new_connections_per_s
    if rate and port.is_secured and view.is_here(port) and view.has_meter(port):
        for direction in (EGRESS, INGRESS):
            number = names.meter_number(port.id, direction)
            yield Meter(bridge=names.BR_INT, number=number, rate=rate, burst=rate)


def compile_metered(view: HostView, port: Port, device: str, identity: str) -> Iterator[Flow]:
    """The flows that send what begins connections through a port's meters. ``identity`` matches the port that a packet
    is for. What a port here has sent was counted as that, and is not counted again."""
    if not view.facts.new_connections_per_s:
        return
    for table, direction, match in (
        (TRACKED_EGRESS, EGRESS, f"in_port={device}"),
        (TRACKED_INGRESS, INGRESS, identity),
    ):
        again = f"meter:{names.meter_number(port.id, direction)},{_COUNTED},ct(table={table},{ZONE})"
        for version in ("ip", "ipv6"):
            yield flow(table, 9, f"{_NEW},{version},{_UNCOUNTED},{match},{UNICAST}", again)
