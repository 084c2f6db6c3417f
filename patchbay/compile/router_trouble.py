"""Why a router that lives on this host cannot reach its external network, in words for who looks at a floating IP."""

from patchbay.compile.router_ports import gateway, ports_of_router
from patchbay.compile.segment import provider_bridge
from patchbay.compile.view import HostView
from patchbay.model import Network
from patchbay.model.network import FLAT, VLAN


def router_trouble(view: HostView, router_id: str) -> str:
    """ "" when nothing is known to be wrong, which is not to say that all is done."""
    router = view.routers.get(router_id)
    outside = gateway(ports_of_router(view, router)) if router else None
    return _network_trouble(view, outside.network) if outside else ""


def _network_trouble(view: HostView, network: Network) -> str:
    name = network.name or network.id
    if not view.owns_segment(network):
        return f"Network {name} has the segment of an older network on {view.facts.host}."
    is_provider = network.network_type in (VLAN, FLAT)
    if is_provider and provider_bridge(view.facts, network.physical_network) is None:
        return f"Network {name} does not reach {view.facts.host}: {network.physical_network} has no bridge there."
    if view.local_vlan(network.id) is None:
        return f"Network {name} has no local VLAN on {view.facts.host}: all are taken."
    return ""
