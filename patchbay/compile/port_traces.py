"""What ports and floating IPs leave in the indexes of a host's view, wherever they are. Pure."""

from patchbay.compile.index import Trace
from patchbay.compile.knowledge import ROUTER_PORTS, is_link
from patchbay.model import FloatingIP, Port, Router
from patchbay.model.port import DHCP_SERVER
from patchbay.model.router import ROUTER_INTERFACE_DISTRIBUTED, ROUTER_INTERFACES


def traces_anywhere(port: Port) -> set[Trace]:
    """Its network, MACs and addresses (those of its address pairs too), whose it is and how its interface is called."""
    network_id = port.network_id
    traces: set[Trace] = {("net", network_id), ("mac", network_id, port.mac_address)}
    traces.update(("ip", network_id, fixed.ip_address) for fixed in port.fixed_ips)
    for pair in port.allowed_address_pairs:
        traces.add(("mac", network_id, pair.mac_address))
        traces.add(("ip", network_id, pair.ip_address.removesuffix("/32").removesuffix("/128")))
    if port.device_owner == DHCP_SERVER:
        traces.add(("server", network_id))
    elif port.device_owner in ROUTER_INTERFACES:
        traces.add(("routed", network_id))
    if port.device_owner == ROUTER_INTERFACE_DISTRIBUTED:
        traces.add(("joins", port.device_id, network_id))
    if port.device_owner in ROUTER_PORTS:
        traces.add(("device", port.device_id))
    if is_link(port):
        traces.add(("link", port.device_id, network_id))
    if port.interface_name:
        traces.add(("named", port.interface_name))
    return traces


def plugging(router: Router | None) -> tuple[object, ...]:
    """What of a router decides which of its ports are plugged here."""
    if router is None:
        return ()
    return router.host, router.admin_state_up, router.gateway_port_id, router.distributed


def traces_of_floatingip(floatingip: FloatingIP | None) -> set[Trace]:
    """Where a floating IP is found: under its port, and under the router that it is associated by."""
    if floatingip is None:
        return set()
    traces: set[Trace] = {("floating-port", floatingip.floating_port_id)}
    if floatingip.port_id:
        traces.add(("floating-to", floatingip.port_id))
    return traces | {("floatingips", floatingip.router_id)} if floatingip.router_id else traces
