"""Interfaces of routers: their ports on internal networks (Neutron's add_router_interface and its reverse).

Every change gives the router its next revision in the same transaction, so that two servers cannot add overlapping
subnets at the same time, and no floating IP comes to lead through an interface that goes.
"""

from collections.abc import Sequence

import msgspec

from patchbay.intent.database import Delete, Insert, Update, Write
from patchbay.model import FixedIP, Port, Router, Subnet
from patchbay.model.router import OF_ONE_INTERFACE, ROUTER_INTERFACE
from patchbay.service.access import Attempt, carry_out, revised, touched
from patchbay.service.allocation import Allocator
from patchbay.service.context import RequestContext
from patchbay.service.errors import BadRequestFor, PortInUse
from patchbay.service.policy import authorize
from patchbay.service.port_uses import deletion, is_plugged, released
from patchbay.service.ports import get_own_port, new_port, readdressed
from patchbay.service.router_errors import (
    RouterInterfaceNotFound,
    RouterInterfaceNotFoundForSubnet,
    SubnetMismatchForPort,
)
from patchbay.service.router_rules import (
    as_interface,
    check_interface_unused,
    check_new_subnets,
    gateway_port,
    has_ipv6,
    interfaces,
    subnets_of,
)
from patchbay.service.routers import get_router
from patchbay.service.service import Service
from patchbay.service.sharing import SHARED, policies_of
from patchbay.service.specs import PortSpec, WantedIP
from patchbay.service.subnets import get_subnet
from patchbay.service.targets import target_of_new


class Interface(msgspec.Struct, frozen=True):
    """An interface that came or went: its port, and the ids of the subnets concerned (OpenVNet knows some without)."""

    router: Router
    port: Port
    subnet_ids: tuple[str, ...]
    subnet_id: str


async def add_interface(
    service: Service, context: RequestContext, router_id: str, *, port_id: str | None, subnet_id: str | None
) -> Interface:
    """The router gets an interface: an existing port, or a new one with the gateway address of a subnet.

    Raises RouterNotFound, PortNotFound, SubnetNotFound, PortInUse, BadRequest, IpAddressAlreadyAllocated.
    """

    def plan(attempt: Attempt) -> tuple[Interface, list[Write]]:
        router = get_router(service, context, router_id)
        if port_id is not None:
            port, subnets, write = _attached(service, context, router, port_id)
        else:
            subnet = get_subnet(service, context, subnet_id or "")
            _check_may_join(service, context, subnet)
            port, write = _on_subnet(service, context, attempt, router, subnet)
            subnets = [subnet]
        ids = tuple(dict.fromkeys(subnet.id for subnet in subnets))
        # The network is written as it is: this fails when it is no longer shared with whose router it is.
        network = service.db.networks[port.network_id]
        writes = [write, Update(network, network), Update(router, touched(router))]
        return Interface(router, port, ids, subnets[-1].id), writes

    return await carry_out(service, f"router {router_id}", plan)


def _attached(
    service: Service, context: RequestContext, router: Router, port_id: str
) -> tuple[Port, list[Subnet], Write]:
    old = get_own_port(service, context, port_id)
    # An interface has no port security: what is plugged at the port must not get there by way of a router.
    if old.device_id or (not context.is_admin and is_plugged(service, old)):
        raise PortInUse(old.id, old.network_id, old.device_id or "on its host")
    if not old.fixed_ips:
        raise BadRequestFor("router", "Router port must have at least one fixed IP")
    subnets = subnets_of(service, old)
    for subnet in subnets:
        _check_address_mode(subnet)
    present = interfaces(service, router.id)
    _check_one_ipv6_port(old, present)
    check_new_subnets(service, present, gateway_port(service, router), subnets)
    if sum(subnet.ip_version == 4 for subnet in subnets) > 1:
        raise BadRequestFor("router", "Cannot have multiple IPv4 subnets on router port")
    new = revised(old, as_interface(router, msgspec.structs.replace(old, device_id=router.id)))
    return new, subnets, Update(old, new)


def _check_may_join(service: Service, context: RequestContext, subnet: Subnet) -> None:
    """A network that is only external is for gateways, not for interfaces: PolicyNotAuthorized.

    Its interface would have the gateway's address, through which all others send. So on a network that is shared with
    all it is the owner's or an administrator's to add one (BadRequest), as in Neutron; a project that the network is
    shared with by name may.
    """
    if context.is_admin:
        return
    authorize(context, "create_port", target_of_new(service, context, {"network_id": subnet.network_id}))
    network = service.db.networks[subnet.network_id]
    guests = {policy.target_project for policy in policies_of(service.db, network.id, SHARED)}
    if context.project_id not in {subnet.project_id, network.project_id, *guests}:
        raise BadRequestFor(
            "router",
            f"Cannot add interface to router because subnet {subnet.id} is not owned by project making the request",
        )


def _check_address_mode(subnet: Subnet) -> None:
    if subnet.ip_version == 6 and subnet.ipv6_ra_mode is None and subnet.ipv6_address_mode is not None:
        raise BadRequestFor(
            "router",
            f"IPv6 subnet {subnet.id} configured to receive RAs from an external router cannot be added to Neutron "
            "Router.",
        )


def _check_one_ipv6_port(port: Port, present: Sequence[Port]) -> None:
    for other in present:
        if has_ipv6(port) and has_ipv6(other) and other.network_id == port.network_id:
            raise BadRequestFor(
                "router",
                f"Router already contains IPv6 port {other.id} belonging to network id {other.network_id}. Only one "
                "IPv6 port from the same network subnet can be connected to a router.",
            )


def _on_subnet(
    service: Service, context: RequestContext, attempt: Attempt, router: Router, subnet: Subnet
) -> tuple[Port, Write]:
    """A port with the subnet's gateway address; for IPv6 the interface that the network has already, if any."""
    if subnet.gateway_ip is None:
        raise BadRequestFor("router", "Subnet for router interface must have a gateway IP")
    _check_address_mode(subnet)
    present = interfaces(service, router.id)
    check_new_subnets(service, present, gateway_port(service, router), [subnet])
    allocator = Allocator(service, subnet.network_id, attempt.taken, attempt.spread)
    address = WantedIP(subnet_id=subnet.id, ip_address=subnet.gateway_ip)
    for old in present:
        if subnet.ip_version == 6 and old.network_id == subnet.network_id and has_ipv6(old):
            kept = [WantedIP(subnet_id=ip.subnet_id, ip_address=ip.ip_address) for ip in old.fixed_ips]
            new = revised(old, readdressed(service, old, old, [*kept, address], allocator))
            return new, Update(old, new)
    spec = PortSpec(
        project_id=router.project_id,
        network_id=subnet.network_id,
        fixed_ips=(address,),
        device_id=router.id,
        device_owner=ROUTER_INTERFACE,
    )
    port = as_interface(router, new_port(service.settings, context, spec, allocator))
    return port, Insert(port)


async def remove_interface(
    service: Service, context: RequestContext, router_id: str, *, port_id: str | None, subnet_id: str | None
) -> Interface:
    """The interface goes, with its port; of several IPv6 subnets on one port, only the named one.

    A router that is there for this interface alone, as OpenVNet makes them, goes along.

    Raises RouterNotFound, RouterInterfaceNotFound, RouterInterfaceNotFoundForSubnet, SubnetMismatchForPort,
    SubnetNotFound, RouterInterfaceInUseByFloatingIP, RouterInterfaceInUseByRoute.
    """

    def plan(_attempt: Attempt) -> tuple[Interface, list[Write]]:
        router = get_router(service, context, router_id)
        if port_id is not None:
            port, subnets, writes = _by_port(service, router, port_id, subnet_id)
        else:
            subnet = get_subnet(service, context, subnet_id or "")
            port, writes = _by_subnet(service, router, subnet)
            subnets = [subnet]
        for subnet in subnets:
            check_interface_unused(service, router, subnet)
        ids = tuple(dict.fromkeys(subnet.id for subnet in subnets))
        writes.append(Delete(router) if _goes_along(service, router, writes) else Update(router, touched(router)))
        return Interface(router, port, ids, ids[0] if ids else ""), writes

    return await carry_out(service, f"router {router_id}", plan)


def _goes_along(service: Service, router: Router, writes: Sequence[Write]) -> bool:
    """Whether the router was there for an interface alone that is deleted by these writes."""
    gone = {write.value.id for write in writes if isinstance(write, Delete)}
    return OF_ONE_INTERFACE in router.tags and gone >= set(service.db.ports_by_device.get(router.id, ()))


def _by_port(
    service: Service, router: Router, port_id: str, subnet_id: str | None
) -> tuple[Port, list[Subnet], list[Write]]:
    port = next((port for port in interfaces(service, router.id) if port.id == port_id), None)
    if port is None:
        raise RouterInterfaceNotFound(router.id, port_id)
    subnets = subnets_of(service, port)
    if subnet_id is not None and subnet_id not in {subnet.id for subnet in subnets}:
        raise SubnetMismatchForPort(port_id, subnet_id)
    return port, subnets, deletion(service, port)


def _by_subnet(service: Service, router: Router, subnet: Subnet) -> tuple[Port, list[Write]]:
    for port in interfaces(service, router.id):
        kept = [ip for ip in port.fixed_ips if ip.subnet_id != subnet.id]
        if len(kept) < len(port.fixed_ips):
            return port, _without(service, port, kept)
    raise RouterInterfaceNotFoundForSubnet(router.id, subnet.id)


def _without(service: Service, port: Port, kept: Sequence[FixedIP]) -> list[Write]:
    if not kept:
        return deletion(service, port)
    new = msgspec.structs.replace(port, fixed_ips=tuple(kept))
    return [*released(service, port, kept), Update(port, revised(port, new))]
