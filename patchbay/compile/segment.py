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
    """The bridge of a physical network if it is mapped and there, else None.

    Of two physical networks mapped to one bridge (a mistake: they would be one network) the first by name has it.
    """
    bridge = facts.bridge_mappings.get(physical_network or "")
    if bridge not in facts.bridges or bridge in (names.BR_INT, names.BR_TUN):
        return None
    owner = min(name for name, mapped in facts.bridge_mappings.items() if mapped == bridge)
    return bridge if physical_network == owner else None
