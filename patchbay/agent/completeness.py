"""Whether the data plane of a port, a router or a floating IP is done on this host, and what keeps it from that.

Used by the reporter. Looks at what is compiled and at what the loop has not settled yet.
"""

from collections.abc import Callable, Set

from patchbay.compile import names
from patchbay.compile.floating import outlet
from patchbay.compile.fragments import Compiled
from patchbay.compile.knowledge import ROUTER_PORTS, SERVICE_DEVICES
from patchbay.compile.router_trouble import router_trouble
from patchbay.compile.security_groups import key_of
from patchbay.compile.view import Fragment
from patchbay.hoststate import Key
from patchbay.model import FloatingIP, Port
from patchbay.model.port import DHCP_SERVER


class Completeness:
    """``unsettled`` are the keys that are not as desired. ``is_excused`` tells those that keep nothing from working:
    a tunnel that Open vSwitch cannot open keeps flows to that one host waiting, but no port down, nor does a limit that
    it has not been told yet.
    ``is_failing`` tells those that were tried in vain, again and again."""

    def __init__(
        self,
        compiled: Compiled,
        unsettled: Set[Key],
        is_excused: Callable[[Key], bool],
        is_failing: Callable[[Key], bool],
    ) -> None:
        self._view = compiled.view
        self._compiled = compiled
        self._unsettled = unsettled
        self._is_excused = is_excused
        self._is_failing = is_failing
        self._open: dict[Fragment, list[Key]] = {}

    def look_anew(self) -> None:
        """Something may have changed: what follows looks once at what many ports have in common, as their rules."""
        self._open.clear()

    def of_port(self, port_id: str) -> bool:
        """Host, network, instance or service, and the port itself are as desired."""
        return not self._unsettled or not self._open_keys(self._fragments_of(self._view.ports[port_id]))

    def of_router(self, router_id: str) -> bool:
        """The router is here, and all of it is as desired, its networks included."""
        if next(self._compiled.resources(("router", router_id)), None) is None:
            return False
        return not self._unsettled or not self._open_keys(self._fragments_of_router(router_id))

    def of_floatingip(self, floatingip: FloatingIP) -> bool:
        """Its address is on the gateway that its router has here, and leads somewhere; the router is not looked at."""
        router = self._view.routers.get(floatingip.router_id or "")
        port = outlet(self._view, router) if router else None
        if router is None or port is None:
            return False
        namespace = names.router_namespace(router.id)
        device = names.device(SERVICE_DEVICES[port.device_owner][0], port.id)
        key = ("address", namespace, device, f"{floatingip.floating_ip_address}/32")
        return key in self._compiled.state and bool(floatingip.port_id or floatingip.port_forwardings)

    def trouble_of_router(self, router_id: str) -> str:
        """Why its floating IPs cannot work; "" when nothing is known to be wrong."""
        trouble = router_trouble(self._view, router_id)
        if trouble or not self._unsettled:
            return trouble
        failing = [key for key in self._open_keys(self._fragments_of_router(router_id)) if self._is_failing(key)]
        if not failing:
            return ""
        what = " ".join(part for part in min(failing) if part)
        return f"{self._view.facts.host} tries in vain to set {what}; its agent's log says why."

    def _fragments_of(self, port: Port) -> list[Fragment]:
        fragments: list[Fragment] = [("host",), ("network", port.network_id), ("port", port.id)]
        if port.device_owner in ROUTER_PORTS:
            fragments.append(("router", port.device_id))
        elif port.device_owner == DHCP_SERVER:
            fragments.append(("dhcp", port.network_id))
        elif found := self._view.interface_of(port.id):
            fragments.append(("instance", found[0].id))
        if port.is_secured:
            key = key_of(port)
            fragments += [("local-ports", port.network_id), ("ruleset", key), ("connections", key)]
        return fragments

    def _fragments_of_router(self, router_id: str) -> list[Fragment]:
        networks = {port.network_id for port in self._view.router_ports(router_id)}
        return [("host",), ("router", router_id), *(("network", network_id) for network_id in sorted(networks))]

    def _open_keys(self, fragments: list[Fragment]) -> list[Key]:
        for fragment in fragments:
            if fragment not in self._open:
                keys = (item.key for item in self._compiled.resources(fragment))
                self._open[fragment] = [key for key in keys if key in self._unsettled and not self._is_excused(key)]
        return [key for fragment in fragments for key in self._open[fragment]]
