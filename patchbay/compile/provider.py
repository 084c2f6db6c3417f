"""Provider bridges: vlan and flat networks leave through a bridge that the administrator made.

Patchbay adds to such a bridge one patch port and its flows, and changes nothing else of it. The translation is
Neutron's (``ovs_neutron_agent.py``, ``provision_local_vlan``): the local VLAN inside br-int, the physical network's
VLAN, or none, outside; a frame of a network that is not on this host passes neither way.
"""

from patchbay.compile import names
from patchbay.compile.pipeline import LOCAL_SWITCHING
from patchbay.compile.segment import provider_bridge
from patchbay.compile.view import HostView
from patchbay.hoststate import BridgePort, Flow, Resource
from patchbay.model import Network
from patchbay.model.network import FLAT

UNTAGGED = "vlan_tci=0x0000/0x1fff"

PROVIDER_OWNER = "provider"
"""Our mark on both patch ports of a provider bridge."""


def compile_provider(view: HostView, bridge: str) -> list[Resource]:
    """The patch ports between br-int and a provider bridge; what no network claims is dropped on both sides.

    The bridge's own default flow (priority 0, made by Open vSwitch or by the administrator) stays; ours stands above
    it, so that it also holds when somebody deletes all flows.
    """
    if not any(provider_bridge(view.facts, physical) == bridge for physical in view.facts.bridge_mappings):
        return []
    inner, outer = names.integration_patch(bridge), names.provider_patch(bridge)
    return [
        BridgePort(name=inner, bridge=names.BR_INT, type="patch", options=(("peer", outer),), owner=PROVIDER_OWNER),
        BridgePort(name=outer, bridge=bridge, type="patch", options=(("peer", inner),), owner=PROVIDER_OWNER),
        _flow(names.BR_INT, 2, f"in_port={inner}", "drop"),
        _flow(bridge, 2, f"in_port={outer}", "drop"),
        _flow(bridge, 1, "", "NORMAL"),
    ]


def compile_provider_network(view: HostView, network: Network) -> list[Resource]:
    """The translation of one vlan or flat network, if it and its bridge are on this host."""
    bridge, local_vlan = provider_bridge(view.facts, network.physical_network), view.local_vlan(network.id)
    if bridge is None or local_vlan is None or not network.admin_state_up or not view.owns_segment(network):
        return []
    inner, outer = names.integration_patch(bridge), names.provider_patch(bridge)
    is_flat = network.network_type == FLAT
    if not is_flat and network.segmentation_id is None:
        return []
    outside = UNTAGGED if is_flat else f"dl_vlan={network.segmentation_id}"
    leave = "strip_vlan" if is_flat else f"mod_vlan_vid:{network.segmentation_id}"
    return [
        _flow(names.BR_INT, 3, f"in_port={inner},{outside}", f"mod_vlan_vid:{local_vlan},NORMAL"),
        _flow(bridge, 4, f"in_port={outer},dl_vlan={local_vlan}", f"{leave},NORMAL"),
    ]


def _flow(bridge: str, priority: int, match: str, actions: str) -> Flow:
    return Flow(bridge=bridge, table=LOCAL_SWITCHING, priority=priority, match=match, actions=actions)
