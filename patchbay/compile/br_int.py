"""The integration bridge: every interface of an instance, in the local VLAN of its network.

br-int is standalone as in seed 002: it switches by MAC within local VLANs, also while no agent runs. A port that must
not talk sits in the dead VLAN, and a flow drops what it sends, for two dead ports would hear each other there.
"""

from patchbay.compile import names
from patchbay.compile.facts import Facts
from patchbay.compile.knowledge import SERVICE_DEVICES
from patchbay.compile.local_vlans import DEAD_VLAN
from patchbay.compile.pipeline import LOCAL_SWITCHING
from patchbay.compile.view import HostView
from patchbay.hoststate import Bridge, BridgePort, Flow, PortTag, Resource
from patchbay.hoststate.switch import Pairs
from patchbay.model import Port

OTHER_CONFIG_KEYS = ("net_uuid", "network_type", "physical_network", "segmentation_id", "tag")
"""What Neutron's agent writes into other_config of a port (``add_port_tag_info``); a restarted agent reads it back."""


def compile_integration_bridge(facts: Facts) -> list[Resource]:
    """br-int itself, its patch port to br-tun, and ordinary switching."""
    return [
        Bridge(name=names.BR_INT, datapath_type=facts.datapath_type, fail_mode="standalone"),
        BridgePort(
            name=names.PATCH_TUN, bridge=names.BR_INT, type="patch", options=(("peer", names.PATCH_INT),), owner="host"
        ),
        Flow(bridge=names.BR_INT, table=LOCAL_SWITCHING, priority=0, match="", actions="NORMAL"),
    ]


def compile_foreign_port(view: HostView, port_id: str) -> list[Resource]:
    """An interface that somebody else plugged: our tag, or the dead VLAN for one that may not talk here."""
    plugged = view.foreign(port_id)
    if plugged is None:
        return []
    port = view.ports.get(port_id)
    if plugged.name in _own_names(view, port_id, port):
        return []  # Ours, but somebody took the mark off: the fragment that it is from puts it back.
    if port is not None and not view.is_here(port):
        port = None
    is_closed = port is not None and port.is_secured
    tag = PortTag(
        name=plugged.name,
        tag=port_tag(view, port),
        other_config=other_config(view, port),
        is_closed=is_closed,
    )
    return [tag, *drop_if_dead(plugged.name, tag.tag)]


def _own_names(view: HostView, port_id: str, port: Port | None) -> list[str]:
    """What Patchbay itself may call the interface of this port on this host."""
    prefixes = ["tap", "qvo"] if view.interface_of(port_id) or view.attached(port_id) else []
    if port is not None and (port.host == view.facts.host or view.is_of_router(port)):
        prefixes += SERVICE_DEVICES.get(port.device_owner, ())
    return [names.device(prefix, port_id) for prefix in prefixes]


def port_tag(view: HostView, port: Port | None) -> int:
    """The local VLAN of a port here; the dead VLAN if it, its network or the knowledge of either is not up."""
    if port is None or not port.admin_state_up:
        return DEAD_VLAN
    network = view.networks.get(port.network_id)
    if network is None or not network.admin_state_up:
        return DEAD_VLAN
    return view.local_vlan(network.id) or DEAD_VLAN


def other_config(view: HostView, port: Port | None) -> Pairs:
    """``OTHER_CONFIG_KEYS`` of a port here, sorted; also while it is dead, so that its network keeps its VLAN."""
    network = view.networks.get(port.network_id) if port else None
    local_vlan = view.local_vlan(network.id) if network else None
    if network is None or local_vlan is None:
        return ()
    pairs = [("net_uuid", network.id), ("network_type", network.network_type)]
    if network.physical_network:
        pairs.append(("physical_network", network.physical_network))
    if network.segmentation_id is not None:
        pairs.append(("segmentation_id", str(network.segmentation_id)))
    return (*pairs, ("tag", str(local_vlan)))


def drop_if_dead(name: str, tag: int) -> list[Resource]:
    """What a dead port sends goes nowhere."""
    if tag != DEAD_VLAN or not names.PORT_NAME.fullmatch(name):
        return []
    return [Flow(bridge=names.BR_INT, table=LOCAL_SWITCHING, priority=2, match=f"in_port={name}", actions="drop")]
