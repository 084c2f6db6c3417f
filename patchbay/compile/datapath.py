"""Bridges registered as OpenVNet datapaths, and the interfaces there that are ports of our networks.

The bridge and its ports are somebody else's. An attached interface gets a patch pair of its own, ``qvb…`` there and
``qvo…`` on br-int, and two flows that join it to that: every port of a network is then a port of br-int, whatever
bridge it is plugged into. On the bridge itself both ends carry the dead VLAN, with its tag, and nothing else. So its
ordinary switching never connects them with anything, nor with each other, also while there are no flows (patch ports
of one network would make a loop there). What the bridge needs for that is borrowed, see ``compile_datapath``.
"""

from collections.abc import Iterator

from patchbay.compile import names
from patchbay.compile.br_int import drop_if_dead, other_config, port_tag
from patchbay.compile.facts import BridgeSettings
from patchbay.compile.local_vlans import DEAD_VLAN
from patchbay.compile.pipeline import LOCAL_SWITCHING
from patchbay.compile.view import HostView
from patchbay.hoststate import Borrowed, BridgePort, Flow, Resource
from patchbay.hoststate.switch import Columns
from patchbay.model import Port

ATTACHED, GUARD = 40001, 40000
"""Above what a person types without a priority (32768)."""

OPENFLOW = "OpenFlow14"
"""What Patchbay speaks to a bridge."""

NO_VLAN: Columns = (("tag", ()), ("trunks", ()))
ONLY_DEAD_VLAN: Columns = (("tag", ()), ("trunks", (str(DEAD_VLAN),)))


def compile_datapath(view: HostView, bridge: str) -> list[Resource]:
    """What a registered bridge lends, and the flow that keeps others there out of the dead VLAN."""
    settings = view.attachments.bridges.get(bridge)
    if settings is None:
        return []
    found: list[Resource] = list(_borrow_bridge(bridge, settings, view.facts.datapath_type))
    if view.has_attached(bridge):
        found.append(_flow(bridge, GUARD, f"dl_vlan={DEAD_VLAN}", "drop"))
    return found


def _borrow_bridge(bridge: str, settings: BridgeSettings, datapath_type: str) -> Iterator[Resource]:
    """A bridge that cannot reach its controller deletes all flows after a while, and passes everything
    (ovs-vswitchd.conf.db(5), ``fail_mode``): Patchbay controls this one, so it connects to nobody. It must speak our
    version of OpenFlow. One of the kernel's type, where the kernel has none, would not be there at all."""
    wanted: list[tuple[str, tuple[str, ...]]] = []
    before: list[tuple[str, tuple[str, ...]]] = []
    if settings.controllers:
        wanted.append(("controller", ()))
        before.append(("controller", settings.controllers))
    if datapath_type == "netdev" and not settings.datapath_type:
        wanted.append(("datapath_type", (datapath_type,)))
        before.append(("datapath_type", ()))
    if settings.protocols and OPENFLOW not in settings.protocols:
        wanted.append(("protocols", tuple(sorted((*settings.protocols, OPENFLOW)))))
        before.append(("protocols", settings.protocols))
    if wanted:
        yield Borrowed(table="Bridge", name=bridge, columns=tuple(wanted), before=tuple(before))


def compile_attached_port(view: HostView, port: Port) -> list[Resource]:
    """The patch pair of a port whose interface is on a registered bridge here, and what joins the two there."""
    place = view.attached(port.id)
    if place is None:
        return []
    bridge, name = place
    inner, outer = names.device("qvo", port.id), names.device("qvb", port.id)
    interface, to_interface = ("LOCAL", "LOCAL") if name == bridge else (name, f"output:{name}")
    tag = port_tag(view, port)
    external_ids = (("attached-mac", port.mac_address), ("iface-id", port.id), ("iface-status", "active"))
    return [
        Borrowed(table="Port", name=name, columns=ONLY_DEAD_VLAN, before=NO_VLAN),
        BridgePort(
            name=inner,
            bridge=names.BR_INT,
            type="patch",
            options=(("peer", outer),),
            external_ids=external_ids,
            other_config=other_config(view, port),
            tag=tag,
            is_closed=port.is_secured,
            owner=port.id,
        ),
        *drop_if_dead(inner, tag),
        BridgePort(
            name=outer,
            bridge=bridge,
            type="patch",
            options=(("peer", inner),),
            trunks=(DEAD_VLAN,),
            owner=port.id,
        ),
        _flow(bridge, ATTACHED, f"in_port={interface}", f"output:{outer}"),
        _flow(bridge, ATTACHED, f"in_port={outer}", to_interface),
    ]


def _flow(bridge: str, priority: int, match: str, actions: str) -> Flow:
    return Flow(bridge=bridge, table=LOCAL_SWITCHING, priority=priority, match=match, actions=actions)
