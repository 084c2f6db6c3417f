"""A network's segment: what carries it between hosts, and what two networks can therefore not share."""

from patchbay.compile import names
from patchbay.compile.facts import Facts
from patchbay.compile.index import Trace
from patchbay.model import Network
from patchbay.model.network import FLAT, LOCAL, VLAN, VXLAN


def segment(network: Network) -> Trace:
    """What two networks cannot share: the VNI, or the VLAN (or its absence) on a physical network."""
    match network.network_type:
        case n if n == VXLAN:
            return ("segment", VXLAN, "", str(network.segmentation_id))
        case n if n in (VLAN, FLAT):
            vlan_id = network.segmentation_id if n == VLAN else ""
            return ("segment", n, network.physical_network or "", str(vlan_id))
    return ("segment", LOCAL, "", network.id)


def provider_bridge(facts: Facts, physical_network: str | None) -> str | None:
    """The bridge of a physical network if it is mapped and there, else None."""
    bridge = facts.bridge_mappings.get(physical_network or "")
    return bridge if bridge in facts.bridges and bridge not in (names.BR_INT, names.BR_TUN) else None
