"""Where floating IPs live: on the home of their router, or with the port that they lead to.

A distributed router has a floating gateway (a port, ``FLOATING_GATEWAY``) on each other host that shall carry floating
IPs itself; the service makes these ports and takes them away. A floating IP lives where the port is that it leads to
if that host has one, else at home. So the rule needs nothing but ports, and all hosts find the same.
"""

from collections.abc import Set

from patchbay.compile.view import HostView
from patchbay.model import FloatingIP, Port, Router


def floating_host(view: HostView, router: Router, floatingip: FloatingIP) -> str:
    """The name of the host where the floating IP lives ("": its router has no home)."""
    return _host_of(view, router, floatingip, _carrying(view, router))


def _host_of(view: HostView, router: Router, floatingip: FloatingIP, carrying: Set[str]) -> str:
    port = view.ports.get(floatingip.port_id or "")
    return port.host if port is not None and port.host in carrying else router.host


def _carrying(view: HostView, router: Router) -> Set[str]:
    """Names of the hosts besides the home that carry floating IPs."""
    return {port.host for port in floating_gateways(view, router)}


def floating_gateways(view: HostView, router: Router) -> list[Port]:
    """The router's floating gateways on its external network, wherever they are but at home."""
    outside = view.ports.get(router.gateway_port_id or "")
    if not router.distributed or outside is None:
        return []
    found = view.floating_gateways(router.id)
    return [port for port in found if port.network_id == outside.network_id and port.host != router.host]


def outlet(view: HostView, router: Router) -> Port | None:
    """The port here by which floating IPs of the router are reached: its gateway, or the host's floating gateway."""
    if view.is_home(router):
        return view.ports.get(router.gateway_port_id or "")
    return next((port for port in floating_gateways(view, router) if port.host == view.facts.host), None)


def floatingips_living_here(view: HostView, router: Router) -> list[FloatingIP]:
    """The router's floating IPs that live on this host, in the order of their ids."""
    host, carrying = view.facts.host, _carrying(view, router)
    return [item for item in view.floatingips_of(router.id) if _host_of(view, router, item, carrying) == host]


def floatingips_away(view: HostView, router: Router) -> list[FloatingIP]:
    """Those that live on other hosts than the router's home, which is this host, in the order of their ids."""
    if not view.is_home(router):
        return []
    carrying = _carrying(view, router)
    return [item for item in view.floatingips_of(router.id) if _host_of(view, router, item, carrying) != router.host]
