"""What one host knows of the intent, indexed, and the questions that the compile modules ask.

``HostView`` keeps it up to date. A port is *here* if it is bound to this host and is that of a DHCP server or of a
router that is here and up, has an interface of an instance here or an interface that somebody else plugged; or if it
is bound to no host and somebody plugged it here; or if it is an interface of a distributed router that is here
(``distribution``); or if the interface of its ``interface_name`` is on a bridge here that is registered as a datapath
(*attached*), and no other host's. It is *elsewhere* if it is bound to another host, or bound to none and another host's
agent says (``Plug``) that it is plugged there.
"""

from collections.abc import Iterable, Iterator, Mapping

from patchbay.compile import names
from patchbay.compile.attachments import find_attachments
from patchbay.compile.dhcp_hosts import HostTexts
from patchbay.compile.distribution import NETWORK, ROUTER, Distribution, Node
from patchbay.compile.facts import Facts, Plugged
from patchbay.compile.index import Index
from patchbay.compile.instances import InstancesHere
from patchbay.compile.local_vlans import LocalVlans
from patchbay.compile.security_groups import Value as SecurityValue
from patchbay.compile.segment import segment
from patchbay.compile.tunnels import Tunnels
from patchbay.model import FloatingIP, Host, Instance, Network, Plug, Port, Router, Subnet, VnetObject
from patchbay.model.instance import DIRECT
from patchbay.model.port import DHCP_SERVER
from patchbay.model.router import (
    FLOATING_GATEWAY,
    FLOATING_IP,
    ROUTER_GATEWAY,
    ROUTER_INTERFACE,
    ROUTER_INTERFACE_DISTRIBUTED,
    ROUTER_INTERFACES,
)

Fragment = tuple[str, ...]
"""("host",), ("tunnel", remote tunnel IP), ("provider", bridge), ("datapath", bridge), ("network", id), ("port", id),
("instance", id), ("dhcp", network id), ("router", id), ("metadata",), and of port security ("local-ports", network id),
("ruleset", key), ("connections", key), ("conjunction", kind, id), ("remote", address)"""

Value = Network | Subnet | Port | Instance | Host | Plug | Router | FloatingIP | VnetObject | SecurityValue

ROUTER_PORTS = (*ROUTER_INTERFACES, ROUTER_GATEWAY, FLOATING_GATEWAY)
SERVICE_PORTS = (*ROUTER_PORTS, DHCP_SERVER)

SERVICE_DEVICES: Mapping[str, tuple[str, ...]] = {
    DHCP_SERVER: ("tap",),
    ROUTER_INTERFACE: ("qr-",),
    ROUTER_INTERFACE_DISTRIBUTED: ("qr-",),
    ROUTER_GATEWAY: ("qg-",),
    FLOATING_GATEWAY: ("fg-",),
}
"""How the devices of services' ports begin."""

CLAIMS = ("mac", "ip", "link-mac", "link-ip", "meter")
"""Traces of what only one port (of a network) can have."""

HOST: Fragment = ("host",)
METADATA: Fragment = ("metadata",)


class HostKnowledge:
    """Intent values and facts of one host, indexed. See the module for the meaning of here and elsewhere."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.networks: dict[str, Network] = {}
        self.subnets: dict[str, Subnet] = {}
        self.ports: dict[str, Port] = {}
        self.instances: dict[str, Instance] = {}
        self.hosts: dict[str, Host] = {}
        self.plugs: dict[str, Plug] = {}
        self.routers: dict[str, Router] = {}
        self.floatingips: dict[str, FloatingIP] = {}
        self.datapaths: dict[str, VnetObject] = {}
        self.dhcp_texts: dict[str, HostTexts] = {}
        """By network: lines of its ports for dnsmasq, remembered by who compiles them."""
        self._parts = Index()
        """Whatever the facts are: ("subnets", network) → subnets; ("floatingips", router), ("floating-port", port) and
        ("floating-to", port) → floating IPs."""
        self._clear_indexes()

    def _clear_indexes(self) -> None:
        self._traces = Index()
        """Owners are ports: net, here, at, mac, ip, dhcp (a server of the network here), router (a port of it here),
        base (as here, but for interfaces of distributed routers), link-ip and link-mac (of those), and wherever they
        are: server (of DHCP on the network), routed (interface of a router on the network), device (of this router),
        joins and link (of this distributed router and this network, the latter if it is up), named (whose interface
        has this name), attached (to this registered bridge)."""
        self._reach = Index()
        """("hosts", network) → hosts where it is; ("networks", host) → networks there; ("here",) → networks here;
        ("dhcp",) → networks with a DHCP server here."""
        self._rows = Index()
        """Small tables: plugs by port, networks by segment."""
        self.attachments = find_attachments(self.facts, self.datapaths.values())
        self.tunnels = Tunnels(self.facts)
        self.distribution = Distribution(self._joined, self._is_anchor)
        self._instances_here = InstancesHere()
        self._needed: tuple[frozenset[str], frozenset[str]] | None = None
        """What the agent must watch, networks and routers; None after a change. Ports come and go more often."""
        self._local_vlans = LocalVlans(self.facts.local_vlans)

    def fragments(self) -> Iterable[Fragment]:
        """Every fragment that may cause a resource now."""
        yield HOST
        yield from (("tunnel", tunnel_ip) for tunnel_ip in self.tunnels.addresses())
        yield from {("provider", bridge) for bridge in self.facts.bridge_mappings.values()}
        yield from (("datapath", bridge) for bridge in self.attachments.bridges)
        yield from (("network", network_id) for network_id in self.networks)
        yield from (("port", port_id) for port_id in {*self.ports, *self.facts.plugged})
        yield from (("instance", instance.id) for instance in self.instances.values() if self.is_mine(instance))
        yield from (("dhcp", network_id) for network_id in self.dhcp_here())
        yield from (("router", router_id) for router_id in self.routers_here())
        yield METADATA

    def is_mine(self, instance: Instance) -> bool:
        """The instance is to live on this host."""
        return instance.host == self.facts.host

    def tunnel_port(self, host_name: str) -> str | None:
        """The port of br-tun that leads to this host; None if there is none."""
        return self.tunnels.port_to(host_name)

    def hosts_of(self, network_id: str) -> list[str]:
        """Names of the other hosts where this network has ports that may talk."""
        return sorted(self._reach.owners(("hosts", network_id)))

    def networks_here(self) -> frozenset[str]:
        """Ids of the networks of ports here, known or not: what the agent must watch."""
        return self._watched()[0]

    def ports_of(self, network_id: str) -> Iterable[str]:
        """Ids of this network's ports, wherever they are."""
        return self._traces.owners(("net", network_id))

    def subnets_of(self, network_id: str) -> list[Subnet]:
        """The network's subnets, the oldest first."""
        found = (self.subnets[subnet_id] for subnet_id in self._parts.owners(("subnets", network_id)))
        return sorted(found, key=lambda subnet: (subnet.created_at, subnet.id))

    def floatingips_of(self, router_id: str) -> list[FloatingIP]:
        """The router's floating IPs."""
        found = (self.floatingips[item] for item in self._parts.owners(("floatingips", router_id)))
        return sorted(found, key=lambda floatingip: floatingip.id)

    def floatingips_to(self, port_id: str) -> list[FloatingIP]:
        """The floating IPs that lead to this port."""
        return [self.floatingips[item] for item in self._parts.owners(("floating-to", port_id))]

    def floating_gateways(self, router_id: str) -> list[Port]:
        """The router's ways out on hosts that are not its home, wherever they are."""
        ports = (self.ports[port_id] for port_id in self._traces.owners(("device", router_id)))
        return [port for port in ports if port.device_owner == FLOATING_GATEWAY and port.admin_state_up]

    def floatingip_at(self, port_id: str) -> FloatingIP | None:
        """The floating IP whose address this port of the external network holds."""
        found = (self.floatingips[item] for item in self._parts.owners(("floating-port", port_id)))
        return min(found, key=lambda floatingip: floatingip.id, default=None)

    def dhcp_here(self) -> list[str]:
        """Ids of networks with a DHCP server on this host."""
        return sorted(self._reach.owners(("dhcp",)))

    def dhcp_port(self, network_id: str) -> Port | None:
        """The port of this host's DHCP server of the network."""
        found = [self.ports[port_id] for port_id in self._traces.owners(("dhcp", network_id))]
        return min(found, key=lambda port: port.id, default=None)

    def dhcp_servers(self, network_id: str) -> list[Port]:
        """The ports of all DHCP servers of the network, on any host."""
        found = (self.ports[port_id] for port_id in self._traces.owners(("server", network_id)))
        return sorted(found, key=lambda port: port.id)

    def isolated_subnets(self, network_id: str) -> list[Subnet]:
        """The network's IPv4 subnets whose gateway's address is no router's: nobody else serves metadata there."""
        ports = (self.ports[port_id] for port_id in self._traces.owners(("routed", network_id)))
        routed = {(fixed.subnet_id, fixed.ip_address) for port in ports for fixed in port.fixed_ips}
        return [
            subnet
            for subnet in self.subnets_of(network_id)
            if subnet.ip_version == 4 and (subnet.id, subnet.gateway_ip) not in routed
        ]

    def needs_metadata(self, network_id: str) -> bool:
        """The DHCP server here serves metadata to a subnet of the network."""
        return self.dhcp_port(network_id) is not None and any(
            subnet.enable_dhcp for subnet in self.isolated_subnets(network_id)
        )

    def routers_here(self) -> list[str]:
        """Ids of the routers that live on this host, and of the distributed ones that are here."""
        living = {router.id for router in self.routers.values() if self.is_home(router)}
        return sorted(living | self.distribution.here)

    def is_home(self, router: Router) -> bool:
        """The router lives on this host: its gateway is here."""
        return router.host == self.facts.host

    def routers_wanted(self) -> frozenset[str]:
        """Ids of the routers that the agent must watch: those here, and distributed ones, known or not, that join a
        network here."""
        return self._watched()[1]

    def _watched(self) -> tuple[frozenset[str], frozenset[str]]:
        if self._needed is None:
            networks, routers = frozenset(self._reach.owners(("here",))), set(self.routers_here())
            for network_id in networks:
                ports = (self.ports[port_id] for port_id in self._traces.owners(("routed", network_id)))
                routers.update(port.device_id for port in ports if port.device_owner == ROUTER_INTERFACE_DISTRIBUTED)
            self._needed = networks, frozenset(routers)
        return self._needed

    def distributed_on(self, network_id: str) -> frozenset[str]:
        """Ids of the distributed routers here with an interface on this network."""
        return self.distribution.on(network_id)

    def _joined(self, node: Node) -> Iterator[Node]:
        """The other ends of the interfaces of a network to distributed routers, or of such a router to networks."""
        kind, node_id = node
        for port_id in self._traces.owners(("routed" if kind == NETWORK else "device", node_id)):
            port = self.ports[port_id]
            router = self.routers.get(port.device_id)
            if not is_link(port) or router is None or not router.distributed or not router.admin_state_up:
                continue
            yield (ROUTER, router.id) if kind == NETWORK else (NETWORK, port.network_id)

    def _is_anchor(self, node: Node) -> bool:
        """A network with an ordinary port here, or a router at home."""
        kind, node_id = node
        if kind == NETWORK:
            return ("base", node_id) in self._traces
        router = self.routers.get(node_id)
        return router is not None and self.is_home(router)

    def router_ports(self, router_id: str) -> list[Port]:
        """The router's ports that are plugged on this host, its gateway included."""
        found = (self.ports[port_id] for port_id in self._traces.owners(("router", router_id)))
        return sorted(found, key=lambda port: port.id)

    def routers_on(self, network_id: str) -> set[str]:
        """Ids of routers with a port on this network here."""
        ports = (self.ports[port_id] for port_id in self.ports_here(network_id))
        return {port.device_id for port in ports if port.device_owner in ROUTER_PORTS}

    def ports_here(self, network_id: str) -> Iterable[str]:
        """Ids of this network's ports that are here."""
        return self._traces.owners(("here", network_id))

    def port_device(self, port_id: str) -> str | None:
        """The name of the port of br-int that is this port's here; None if it has none."""
        port = self.ports.get(port_id)
        if port is None or not self.is_here(port):
            return None
        plugged = self.foreign(port_id)
        if plugged is not None:
            return plugged.name
        if port.device_owner in SERVICE_DEVICES:
            return names.device(SERVICE_DEVICES[port.device_owner][0], port_id)
        found = self.interface_of(port_id)
        if found is None:
            return names.device("qvo", port_id) if self.attached(port_id) else None
        return names.device("tap" if found[0].plugging == DIRECT else "qvo", port_id)

    def is_here(self, port: Port) -> bool:
        """See the module."""
        if port.device_owner == ROUTER_INTERFACE_DISTRIBUTED:
            return self.is_of_router(port)
        foreign = self.foreign(port.id) is not None or self.attached(port.id) is not None
        if port.host != self.facts.host:
            return port.host == "" and foreign
        is_service = port.device_owner == DHCP_SERVER or self.is_of_router(port)
        return foreign or is_service or self.interface_of(port.id) is not None

    def is_of_router(self, port: Port) -> bool:
        """A router here has plugged it: both are up, and of ports on external networks the router names it."""
        if is_link(port):
            return port.device_id in self.distribution
        if port.device_owner not in ROUTER_PORTS or not port.admin_state_up or port.host != self.facts.host:
            return False
        router = self.routers.get(port.device_id)
        if port.device_owner == FLOATING_GATEWAY:
            return port.device_id in self.distribution and router is not None and not self.is_home(router)
        if router is None or router.host != self.facts.host or not router.admin_state_up:
            return False
        return port.device_owner == ROUTER_INTERFACE or port.id == router.gateway_port_id

    def elsewhere(self, port: Port) -> set[str]:
        """Names of other hosts that the port is on; see the module. A floating IP's port is on none: its address is on
        the gateway port of its router. Nor is the interface of a distributed router: who needs it has it here."""
        if port.device_owner in (FLOATING_IP, ROUTER_INTERFACE_DISTRIBUTED):
            return set()
        if port.host:
            return {port.host} - {self.facts.host}
        plugged = {self.plugs[plug_id].host for plug_id in self._rows.owners(("plugs", port.id))}
        return plugged - {self.facts.host}

    def foreign(self, port_id: str) -> Plugged | None:
        """The interface of br-int that somebody else plugged for this port."""
        plugged = self.facts.plugged.get(port_id)
        return plugged if plugged and not plugged.ours and plugged.bridge == names.BR_INT else None

    def attached(self, port_id: str) -> tuple[str, str] | None:
        """The registered bridge and the interface on it that is this port's.

        Of several ports that name one interface, one bound to this host has it before others, then the lowest id.
        """
        port = self.ports.get(port_id)
        bridge = self.attachments.places.get(port.interface_name) if port else None
        if port is None or bridge is None or self.interface_of(port_id):
            return None
        name = port.interface_name
        owners = (self.ports.get(owner) for owner in {port_id, *self._traces.owners(("named", name))})
        claims = [(one.host == "", one.id) for one in owners if one and self._may_attach(one, name)]
        return (bridge, name) if min(claims, default=None) == (port.host == "", port_id) else None

    def _may_attach(self, port: Port, name: str) -> bool:
        is_service = port.device_owner in (*SERVICE_PORTS, FLOATING_IP)
        return port.interface_name == name and port.host in ("", self.facts.host) and not is_service

    def has_attached(self, bridge: str) -> bool:
        """Some interface on this registered bridge is a port's."""
        return ("attached", bridge) in self._traces

    def interface_of(self, port_id: str) -> tuple[Instance, str] | None:
        """The instance here and the device in it that this port is for; a service's port is for none."""
        port = self.ports.get(port_id)
        if port is not None and port.device_owner in SERVICE_PORTS:
            return None
        return self._instances_here.interface_of(port_id)

    def owns_namespace(self, instance: Instance) -> bool:
        """Of several instances here with one name, the oldest has the namespace."""
        return self._instances_here.owns_namespace(instance)

    def owns_segment(self, network: Network) -> bool:
        """Of several networks known here with one segment (a moment between two updates), the oldest has it."""
        rivals = (self.networks[item] for item in self._rows.owners(segment(network)))
        return min(((item.created_at, item.id) for item in rivals), default=("", "")) == (
            network.created_at,
            network.id,
        )

    def is_sole(self, kind: str, port: Port, what: str) -> bool:
        """No other port of its network claims this ``mac`` or ``ip``, as its own or as an allowed address pair."""
        return self._traces.is_sole((kind, port.network_id, what), port.id)

    def leads(self, kind: str, port: Port, what: str) -> bool:
        """Of the interfaces of distributed routers here with this ``link-mac`` or ``link-ip`` it is the first."""
        return min(self._traces.owners((kind, port.network_id, what)), default="") == port.id

    def local_vlan(self, network_id: str) -> int | None:
        """The network's number on this host; None if it is not here."""
        return self._local_vlans.get(network_id)

    def local_vlans(self) -> Mapping[str, int]:
        """All local VLANs given so far, by network id."""
        return self._local_vlans.given()


def is_link(port: Port) -> bool:
    """An interface that joins a distributed router to a network."""
    return port.device_owner == ROUTER_INTERFACE_DISTRIBUTED and port.admin_state_up
