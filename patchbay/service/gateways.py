"""Gateways: a router's port on an external network (Neutron's ``_update_router_gw_info``)."""

from collections.abc import Iterable

import msgspec
from msgspec import UNSET

from patchbay.intent.database import Insert, Update, Write
from patchbay.model import Network, Port, Router
from patchbay.model.router import ROUTER_GATEWAY
from patchbay.service.access import Attempt, carry_out, revised, updates
from patchbay.service.addresses import is_automatic
from patchbay.service.allocation import Allocator
from patchbay.service.context import ADMIN, RequestContext
from patchbay.service.errors import BadRequestFor
from patchbay.service.networks import get_network
from patchbay.service.port_uses import deletion
from patchbay.service.ports import new_port, readdressed
from patchbay.service.router_errors import RouterExternalGatewayInUseByFloatingIp
from patchbay.service.router_rules import (
    check_new_subnets,
    check_routes,
    gateway_port,
    interfaces,
    network_subnets,
    subnets_of,
)
from patchbay.service.router_specs import GatewaySpec
from patchbay.service.service import Service
from patchbay.service.specs import PortSpec, WantedIP


def with_gateway(
    service: Service, context: RequestContext, attempt: Attempt, router: Router, wanted: GatewaySpec | None
) -> tuple[Router, list[Write]]:
    """The router with that gateway, or without, and what must be written for the port.

    Raises NetworkNotFound, BadRequest, InvalidRoutes, RouterExternalGatewayInUseByFloatingIp, and what the choice of
    addresses raises.
    """
    old = gateway_port(service, router)
    network = None if wanted is None else _checked_network(service, context, wanted)
    _check_routes_stay(service, router, network)
    router = msgspec.structs.replace(router, enable_snat=wanted is None or wanted.enable_snat)
    if old is not None and wanted is not None and old.network_id == wanted.network_id:
        return router, _readdressed(service, attempt, old, wanted)
    writes = [] if old is None else _removal(service, router, old)
    if wanted is None or network is None:
        return msgspec.structs.replace(router, gateway_port_id=None), writes
    check_new_subnets(service, interfaces(service, router.id), None, network_subnets(service, network.id))
    port = _new_port(service, attempt, router, wanted)
    # The network is written as it is: this fails when it changed meanwhile, as it might have become internal.
    writes += [Update(network, network), Insert(port)]
    return msgspec.structs.replace(router, gateway_port_id=port.id), writes


def _checked_network(service: Service, context: RequestContext, wanted: GatewaySpec) -> Network:
    network = get_network(service, context, wanted.network_id)
    if not network.external:
        raise BadRequestFor("router", f"Network {network.id} is not an external network")
    gateways = {subnet.gateway_ip for subnet in network_subnets(service, network.id) if subnet.gateway_ip}
    for ip in wanted.external_fixed_ips:
        if ip.ip_address in gateways:
            raise BadRequestFor("router", f"External IP {ip.ip_address} is the same as the gateway IP")
    return network


def _check_routes_stay(service: Service, router: Router, network: Network | None) -> None:
    """The router's routes must lead somewhere with the new gateway as well."""
    if router.routes:
        ports = interfaces(service, router.id)
        subnets = [subnet for port in ports for subnet in subnets_of(service, port)]
        subnets += [] if network is None else network_subnets(service, network.id)
        check_routes(router.routes, subnets, ())


def _readdressed(service: Service, attempt: Attempt, port: Port, wanted: GatewaySpec) -> list[Write]:
    if not wanted.external_fixed_ips:
        return []
    allocator = Allocator(service, port.network_id, attempt.taken, attempt.spread)
    new = readdressed(service, port, port, list(wanted.external_fixed_ips), allocator)
    return updates((port, revised(port, new)))


def _removal(service: Service, router: Router, port: Port) -> list[Write]:
    if service.db.floatingips_by_router.get(router.id):
        raise RouterExternalGatewayInUseByFloatingIp(router.id, port.network_id)
    return deletion(service, port)


def _new_port(service: Service, attempt: Attempt, router: Router, wanted: GatewaySpec) -> Port:
    """Belongs to nobody, as in Neutron, so that only administrators see it."""
    allocator = Allocator(service, wanted.network_id, attempt.taken, attempt.spread)
    spec = PortSpec(
        network_id=wanted.network_id,
        fixed_ips=wanted.external_fixed_ips or UNSET,
        device_id=router.id,
        device_owner=ROUTER_GATEWAY,
        host=router.host,
    )
    return new_port(service.settings, ADMIN, spec, allocator)


async def address_gateways(service: Service, network_ids: Iterable[str]) -> None:
    """Gives gateways on these networks an address of each IP version that they have none of, if there is one.

    Neutron does so after a subnet was added to an external network. Raises what the choice of addresses raises.
    """

    def plan(attempt: Attempt) -> tuple[None, list[Write]]:
        writes: list[Write] = []
        for network_id in external:
            allocator = Allocator(service, network_id, attempt.taken, attempt.spread)
            for port_id in sorted(service.db.ports_by_network.get(network_id, ())):
                port = service.db.ports[port_id]
                if port.device_owner == ROUTER_GATEWAY:
                    new = readdressed(service, port, port, _complete(service, port), allocator)
                    writes += updates((port, revised(port, new)))
        return None, writes

    external = [id_ for id_ in network_ids if (network := service.db.networks.get(id_)) and network.external]
    if external:
        await carry_out(service, "the gateways of the network", plan)


def _complete(service: Service, port: Port) -> list[WantedIP]:
    """The gateway's addresses, and a subnet of each IP version that is missing among those not automatic."""
    db = service.db
    wanted = [WantedIP(subnet_id=ip.subnet_id, ip_address=ip.ip_address) for ip in port.fixed_ips]
    has = {db.subnets[ip.subnet_id].ip_version for ip in port.fixed_ips if not is_automatic(db.subnets[ip.subnet_id])}
    for subnet in sorted(network_subnets(service, port.network_id), key=lambda one: one.created_at):
        if subnet.ip_version not in has and not is_automatic(subnet):
            has.add(subnet.ip_version)
            wanted.append(WantedIP(subnet_id=subnet.id))
    return wanted
