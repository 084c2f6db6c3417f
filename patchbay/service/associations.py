"""Where a floating IP can lead: which address of a port, by which router (Neutron's ``_get_assoc_data``).

Reads the intent; changes nothing.
"""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

import msgspec

from patchbay.model import FixedIP, FloatingIP, Port, Router
from patchbay.model.port import DHCP_SERVER
from patchbay.model.router import ROUTER_INTERFACES
from patchbay.service.context import RequestContext
from patchbay.service.errors import BadRequestFor
from patchbay.service.ports import get_port
from patchbay.service.router_errors import (
    ExternalGatewayForFloatingIPNotFound,
    FloatingIPPortAlreadyAssociated,
    PortHasPortForwarding,
)
from patchbay.service.service import Service


class Association(msgspec.Struct, frozen=True):
    """A port, one of its IPv4 addresses, and the router between it and an external network."""

    port: Port
    fixed_ip: FixedIP
    router: Router


def associate(
    service: Service,
    context: RequestContext,
    floatingip: FloatingIP,
    port_id: str,
    fixed_ip_address: str | None,
    *,
    others: Iterable[FloatingIP] = (),
) -> Association:
    """Where the floating IP would lead. ``others`` are made in the same request.

    Raises PortNotFound, BadRequest, ExternalGatewayForFloatingIPNotFound, FloatingIPPortAlreadyAssociated.
    """
    port = get_port(service, context, port_id)
    if not context.is_admin and port.project_id != floatingip.project_id:
        # Who sees the port of another project does so because the network is its own.
        raise BadRequestFor(
            "floatingip", f"Port {port.id} is associated with a different tenant than Floating IP {floatingip.id}"
        )
    if port.device_owner == DHCP_SERVER:
        raise BadRequestFor("floatingip", f"Port {port.id} is unable to be assigned a floating IP")
    fixed_ip = _fixed_ip(port, fixed_ip_address)
    network_id = floatingip.floating_network_id
    router = router_between(service, port.network_id, fixed_ip.subnet_id, network_id)
    if router is None:
        raise ExternalGatewayForFloatingIPNotFound(network_id, fixed_ip.subnet_id, port.id)
    if router.distributed and service.forwardings_by_port.get(port.id):
        raise PortHasPortForwarding(port.id)
    present = (service.db.floatingips[id_] for id_ in service.db.floatingips_by_port.get(port.id, ()))
    for other in (*present, *others):
        if other.id != floatingip.id and (other.port_id, other.fixed_ip_address, other.floating_network_id) == (
            port.id,
            fixed_ip.ip_address,
            network_id,
        ):
            raise FloatingIPPortAlreadyAssociated(
                floatingip.id, floatingip.floating_ip_address, port.id, fixed_ip.ip_address, network_id
            )
    return Association(port, fixed_ip, router)


def _fixed_ip(port: Port, wanted: str | None) -> FixedIP:
    """The wanted address of the port, or the only IPv4 address that it has."""
    if wanted is not None:
        if ip_address(wanted).version != 4:
            raise BadRequestFor(
                "floatingip",
                f"Cannot process floating IP association with {wanted}, since that is not an IPv4 address",
            )
        for ip in port.fixed_ips:
            if ip.ip_address == wanted:
                return ip
        raise BadRequestFor("floatingip", f"Port {port.id} does not have fixed ip {wanted}")
    found = ipv4_addresses(port)
    if not found:
        raise BadRequestFor("floatingip", f"Cannot add floating IP to port {port.id} that has no fixed IPv4 addresses")
    if len(found) > 1:
        raise BadRequestFor(
            "floatingip",
            f"Port {port.id} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning "
            "a floating IP",
        )
    return found[0]


def ipv4_addresses(port: Port) -> list[FixedIP]:
    """The IPv4 addresses of the port."""
    return [ip for ip in port.fixed_ips if ":" not in ip.ip_address]


def router_between(service: Service, network_id: str, subnet_id: str, external_network_id: str) -> Router | None:
    """The router with an interface on the subnet and its gateway on the external network.

    Of several, the one that has the subnet's gateway address.
    """
    db = service.db
    gateway_ip = db.subnets[subnet_id].gateway_ip
    if gateway_ip is not None:
        holder = db.addresses(subnet_id).get(int(ip_address(gateway_ip)))
        for router in _routers(service, [db.ports[holder]] if holder else (), subnet_id, external_network_id):
            return router
    ports = (db.ports[id_] for id_ in sorted(db.ports_by_network.get(network_id, ())))
    return next(_routers(service, ports, subnet_id, external_network_id), None)


def _routers(service: Service, ports: Iterable[Port], subnet_id: str, external_network_id: str) -> Iterator[Router]:
    for port in ports:
        if port.device_owner in ROUTER_INTERFACES and any(ip.subnet_id == subnet_id for ip in port.fixed_ips):
            router = service.db.routers.get(port.device_id)
            gateway = None if router is None else service.db.ports.get(router.gateway_port_id or "")
            if router is not None and gateway is not None and gateway.network_id == external_network_id:
                yield router
