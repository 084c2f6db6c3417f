"""What gateways and floating IPs make of an external network (Neutron's ``external_net_db``). Changes nothing."""

from patchbay.model import FloatingIP, Network
from patchbay.model.router import ROUTER_GATEWAY
from patchbay.service.router_errors import ExternalNetworkInUse
from patchbay.service.service import Service


def check_may_be_internal(service: Service, network: Network) -> None:
    """Raises ExternalNetworkInUse while a router has its gateway there, or a floating IP comes from there."""
    db = service.db
    ports = (db.ports[id_] for id_ in db.ports_by_network.get(network.id, ()))
    if db.floatingips_by_network.get(network.id) or any(port.device_owner == ROUTER_GATEWAY for port in ports):
        raise ExternalNetworkInUse(network.id)


def unused_floatingips(service: Service, network_id: str) -> list[FloatingIP]:
    """The network's floating IPs that lead to no port; they go with it, as in Neutron."""
    found = (service.db.floatingips[id_] for id_ in service.db.floatingips_by_network.get(network_id, ()))
    return [one for one in found if one.port_id is None and not one.port_forwardings]
