"""Where DHCP servers and routers may live, and where they live best. Reads the intent; changes nothing.

A host takes a service when its agent says that it can do it (``Host.services``), no administrator keeps it from new
work (``disabled_services``, ``admin_state_up``), and every network concerned reaches it: a provider network needs its
bridge mapping, a local network exists only where its ports are.
"""

from collections.abc import Callable, Iterable

from patchbay.model import Host, Network, Port, Router
from patchbay.model.network import FLAT, LOCAL, VLAN
from patchbay.model.port import DHCP_SERVER
from patchbay.model.router import FLOATING_GATEWAY, FLOATING_IP, ROUTER_GATEWAY, ROUTER_INTERFACE, ROUTER_INTERFACES
from patchbay.service.service import Service

DHCP, L3, METADATA = "dhcp", "l3", "metadata"
ROUTER_PORTS = (*ROUTER_INTERFACES, ROUTER_GATEWAY)
BOUND = (ROUTER_INTERFACE, ROUTER_GATEWAY)
"""Owners of a router's ports that are where it lives; interfaces of a distributed router are bound nowhere."""
_PASSIVE = (DHCP_SERVER, FLOATING_IP, FLOATING_GATEWAY)
"""Owners of ports that nobody boots from."""

Alive = Callable[[str], bool]
"""Whether the agent of the host of this name was heard of lately."""


def needs_dhcp(service: Service, network: Network) -> bool:
    """A subnet wants it, and somebody who may ask is plugged or bound."""
    if not network.admin_state_up or not dhcp_subnets(service, network.id):
        return False
    return any(may_ask(service, port) for port in ports_of(service, network.id))


def may_ask(service: Service, port: Port) -> bool:
    """Whether somebody may ask for a lease at this port: it is bound to a host, or plugged."""
    return port.device_owner not in _PASSIVE and (bool(port.host) or port.id in service.db.plugs_by_port)


def dhcp_subnets(service: Service, network_id: str) -> list[str]:
    """Ids of the network's subnets that a DHCP server serves."""
    subnets = service.db.subnets
    return sorted(id_ for id_ in service.db.subnets_by_network.get(network_id, ()) if subnets[id_].enable_dhcp)


def ports_of(service: Service, network_id: str) -> list[Port]:
    """All ports of a network."""
    return [service.db.ports[port_id] for port_id in service.db.ports_by_network.get(network_id, ())]


def dhcp_ports(service: Service, network_id: str) -> list[Port]:
    """The ports of the network's DHCP servers, in the order of their ids."""
    found = (port for port in ports_of(service, network_id) if port.device_owner == DHCP_SERVER)
    return sorted(found, key=lambda port: port.id)


def router_ports(service: Service, router_id: str) -> list[Port]:
    """The router's interfaces and its gateway, in the order of their ids."""
    found = (service.db.ports[port_id] for port_id in service.db.ports_by_device.get(router_id, ()))
    return sorted((port for port in found if port.device_owner in ROUTER_PORTS), key=lambda port: port.id)


def may_run_dhcp(service: Service, network: Network, host: Host) -> bool:
    """Whether this host could serve the network, were it alive and enabled."""
    return DHCP in host.services and reaches(service, network, host.name, host)


def may_run_router(service: Service, router: Router, host: Host) -> bool:
    """Whether this host could be the router's, were it alive and enabled.

    All that a distributed router has there is its gateway, so only the gateway's network must reach the host.
    """
    ports = router_ports(service, router.id)
    return L3 in host.services and not _unreached(service, (port for port in ports if port.device_owner in BOUND), host)


def cut_off(service: Service, router: Router, host: Host) -> int:
    """How many networks of a distributed router would have no way to its gateway if it lived on this host."""
    if not router.distributed or router.gateway_port_id is None:
        return 0
    return _unreached(service, router_ports(service, router.id), host)


def floating_hosts(service: Service, router: Router) -> set[str]:
    """Hosts besides its home where floating IPs of a distributed router should live: with the ports that they lead to.

    Such a host routes, and the external network reaches it.
    """
    outside = service.db.ports.get(router.gateway_port_id or "")
    network = service.db.networks.get(outside.network_id) if outside else None
    if not router.distributed or network is None:
        return set()
    floatingips = (service.db.floatingips[id_] for id_ in service.db.floatingips_by_router.get(router.id, ()))
    ports = (service.db.ports.get(floatingip.port_id or "") for floatingip in floatingips)
    hosts = (service.db.host_named(name) for name in {port.host for port in ports if port and port.host})
    able = (host for host in hosts if host is not None and L3 in host.services)
    return {host.name for host in able if reaches(service, network, host.name, host)} - {router.host}


def _unreached(service: Service, ports: Iterable[Port], host: Host) -> int:
    """How many of the networks of these ports have no frames on this host."""
    networks = map(service.db.networks.get, {port.network_id for port in ports})
    return sum(network is not None and not reaches(service, network, host.name, host) for network in networks)


def reaches(service: Service, network: Network, host_name: str, host: Host | None) -> bool:
    """Whether frames of the network come to this host."""
    if network.network_type in (FLAT, VLAN):
        return host is not None and network.physical_network in host.bridge_mappings
    if network.network_type == LOCAL:
        users = (port for port in ports_of(service, network.id) if port.device_owner not in (*ROUTER_PORTS, *_PASSIVE))
        hosts = {port.host for port in users if port.host}
        return not hosts or host_name in hosts
    return True


def takes_new(host: Host, kind: str) -> bool:
    """Whether the host is to get new work of this kind."""
    return host.admin_state_up and kind not in host.disabled_services


def choose_dhcp_host(service: Service, network: Network, alive: Alive, taken: Iterable[str]) -> str | None:
    """The best host for one more DHCP server of the network: where its ports are, then the least loaded."""
    near = {port.host for port in ports_of(service, network.id)}
    used = set(taken)
    able = (
        host
        for host in service.db.hosts.values()
        if host.name not in used and alive(host.name) and takes_new(host, DHCP) and may_run_dhcp(service, network, host)
    )

    def order(host: Host) -> tuple[bool, int, str]:
        ports = (service.db.ports[port_id] for port_id in service.db.ports_by_host.get(host.name, ()))
        return host.name not in near, sum(port.device_owner == DHCP_SERVER for port in ports), host.name

    return min(able, key=order, default=_NOBODY).name or None


def choose_router_host(service: Service, router: Router, alive: Alive, but: str = "") -> str | None:
    """The best host for the router: the one with the fewest routers. ``but``: any other than this.

    For a distributed router first one that all its networks reach, so that what leaves them for outside gets there.
    """
    able = (
        host
        for host in service.db.hosts.values()
        if host.name != but and alive(host.name) and takes_new(host, L3) and may_run_router(service, router, host)
    )

    def order(host: Host) -> tuple[int, int, str]:
        return cut_off(service, router, host), len(service.db.routers_by_host.get(host.name, ())), host.name

    return min(able, key=order, default=_NOBODY).name or None


_NOBODY = Host(id="", name="")
