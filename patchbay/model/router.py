"""Routers, floating IPs and port forwardings (Neutron API reference: "Routers", "Floating IPs")."""

import msgspec

from patchbay.model.network import HostRoute
from patchbay.model.resource import Resource

ROUTER_INTERFACE, ROUTER_GATEWAY = "network:router_interface", "network:router_gateway"
"""``device_owner`` of a router's ports (neutron-lib constants); their ``device_id`` is the router's id."""

ROUTER_INTERFACE_DISTRIBUTED = "network:router_interface_distributed"
"""``device_owner`` of the interfaces of a distributed router; such a port is bound to no host."""

OF_ONE_INTERFACE = "openvnet-interface"
"""Tag of a router that is there for one interface alone, and goes along with it (OpenVNet's simulated interfaces)."""

ROUTER_INTERFACES = (ROUTER_INTERFACE, ROUTER_INTERFACE_DISTRIBUTED)

FLOATING_GATEWAY = "network:floatingip_agent_gateway"
"""``device_owner`` of the way out that a distributed router has on a host which is not its home, for the floating IPs
that live there; its ``device_id`` is the router's id. It has no address of its own."""

FLOATING_IP = "network:floatingip"
"""``device_owner`` of the port that holds a floating IP's address; its ``device_id`` is the floating IP's id."""


class Router(Resource, frozen=True, kw_only=True):
    """A router. Its interfaces are the ports with its id and one of ``ROUTER_INTERFACES``.

    ``host`` is where it lives ("" while no host can take it); its ports are bound there too. A ``distributed`` router
    forwards on every host that has ports of its networks; on ``host`` is what it has once: its gateway, with the
    translation of addresses. ``gateway_port_id`` is its port on the external network, if it has a gateway. ``routes``
    are its extra routes; one whose next hop is the router's own address leads straight onto that interface's network.
    """

    admin_state_up: bool = True
    distributed: bool = False
    host: str = ""
    gateway_port_id: str | None = None
    enable_snat: bool = True
    routes: tuple[HostRoute, ...] = ()


class PortForwarding(msgspec.Struct, frozen=True, kw_only=True):
    """Ports of a floating IP that lead to ports of one internal address.

    ``external_ports`` and ``internal_ports`` are first and last, of equal length (or many to one); ``protocol`` is tcp
    or udp (or another with ports).
    """

    id: str
    protocol: str
    external_ports: tuple[int, int]
    internal_port_id: str
    internal_ip_address: str
    internal_ports: tuple[int, int]
    description: str = ""


class FloatingIP(Resource, frozen=True, kw_only=True):
    """An address of an external network that leads to a port, by way of a router.

    ``floating_port_id`` is the port on the external network that holds the address. ``port_id``, ``fixed_ip_address``
    and ``router_id`` are set together while it is associated; with port forwardings only ``router_id`` is.
    """

    floating_network_id: str
    floating_ip_address: str
    floating_port_id: str
    port_id: str | None = None
    fixed_ip_address: str | None = None
    router_id: str | None = None
    dns_name: str = ""
    dns_domain: str = ""
    port_forwardings: tuple[PortForwarding, ...] = ()
