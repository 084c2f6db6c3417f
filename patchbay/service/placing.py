"""What puts a DHCP server or a router on a host: new values and writes, for the scheduler and for administrators."""

import uuid

import msgspec

from patchbay.intent.database import Delete, Insert, Update, Write
from patchbay.model import Network, Port, Router
from patchbay.model.port import DHCP_SERVER
from patchbay.model.router import FLOATING_GATEWAY
from patchbay.service import placement
from patchbay.service.access import revised
from patchbay.service.allocation import Allocator
from patchbay.service.context import ADMIN
from patchbay.service.ports import new_port
from patchbay.service.router_rules import floating_gateways
from patchbay.service.service import Service, reservations
from patchbay.service.specs import PortSpec, WantedIP

FLOATING_GATEWAY_IDS = uuid.UUID("d1a5e0f2-6f0e-5b8c-9a54-2b6f3c1de7a9")


def dhcp_device_id(host: str, network_id: str) -> str:
    """``device_id`` of a DHCP port, as Neutron's agents write it (``get_dhcp_agent_device_id``)."""
    name = host.partition(".")[0]
    return f"dhcp{uuid.uuid5(uuid.NAMESPACE_DNS, name)}-{network_id}"


def new_dhcp_port(service: Service, network: Network, host: str, allocator: Allocator, port_id: str) -> Port:
    """The port of a DHCP server of this network on this host, with an address in every subnet that wants DHCP."""
    subnets = placement.dhcp_subnets(service, network.id)
    spec = PortSpec(
        project_id=network.project_id,
        network_id=network.id,
        fixed_ips=tuple(WantedIP(subnet_id=subnet_id) for subnet_id in subnets),
        device_owner=DHCP_SERVER,
        device_id=dhcp_device_id(host, network.id),
        host=host,
    )
    return msgspec.structs.replace(new_port(service.settings, ADMIN, spec, allocator), id=port_id)


def give_floating_gateways(service: Service, router: Router, home: str) -> list[Write]:
    """What makes the router's floating gateways, when its home is this host, those that it should have."""
    at_home = msgspec.structs.replace(router, host=home)
    outside = service.db.ports.get(router.gateway_port_id or "")
    wanted = placement.floating_hosts(service, at_home)
    writes: list[Write] = []
    for port in floating_gateways(service, router.id):
        if outside is not None and port.network_id == outside.network_id and port.host in wanted:
            wanted.discard(port.host)
        else:
            writes.append(Delete(port))
    if outside is not None:
        writes += [Insert(_floating_gateway(service, router, outside, host)) for host in sorted(wanted)]
    if writes and router.host == home:
        writes.append(Update(router, router))  # Fails when the router has lost its gateway meanwhile.
    return writes


def _floating_gateway(service: Service, router: Router, outside: Port, host: str) -> Port:
    """Belongs to nobody, like the gateway; several servers that make it give it the same id."""
    spec = PortSpec(
        network_id=outside.network_id, fixed_ips=(), device_id=router.id, device_owner=FLOATING_GATEWAY, host=host
    )
    with reservations() as taken:
        port = new_port(service.settings, ADMIN, spec, Allocator(service, outside.network_id, taken, spread=False))
    port_id = str(uuid.uuid5(FLOATING_GATEWAY_IDS, f"{outside.id}-{host}"))
    return msgspec.structs.replace(port, id=port_id, fixed_ips=())


def move_router(service: Service, router: Router, host: str) -> list[Write]:
    """What takes a router and its ports to a host; nothing when they are there.

    Interfaces of a distributed router are bound to no host; only its gateway moves.
    """
    bound = (port for port in placement.router_ports(service, router.id) if port.device_owner in placement.BOUND)
    ports = (port for port in bound if port.host != host)
    writes: list[Write] = [Update(port, revised(port, msgspec.structs.replace(port, host=host))) for port in ports]
    if router.host != host:
        writes.insert(0, Update(router, revised(router, msgspec.structs.replace(router, host=host))))
    return writes
