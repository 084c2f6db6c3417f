"""Port forwardings: ports of a floating IP that lead to ports of internal addresses (neutron's ``pf_plugin``).

They live in their floating IP's row. A change gives the floating IP, the internal port and the router their next
revisions, so that nothing that it was checked against changes at the same time.
"""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import UNSET

from patchbay.intent.database import Update, Write
from patchbay.model import FixedIP, FloatingIP, Port, PortForwarding, Router
from patchbay.service.access import Attempt, carry_out, new_id, revised, touched
from patchbay.service.associations import ipv4_addresses, router_between
from patchbay.service.context import RequestContext
from patchbay.service.errors import BadRequestFor
from patchbay.service.floatingips import get_floatingip
from patchbay.service.ports import get_own_port
from patchbay.service.router_errors import (
    FloatingIPPortAlreadyAssociated,
    PortForwardingNotFound,
    PortHasBindingFloatingIP,
)
from patchbay.service.router_specs import PortForwardingSpec
from patchbay.service.service import Service

RESOURCE = "port_forwarding"


def get_forwarding(service: Service, context: RequestContext, floatingip_id: str, forwarding_id: str) -> PortForwarding:
    """The port forwarding. Raises FloatingIPNotFound or PortForwardingNotFound."""
    for forwarding in get_floatingip(service, context, floatingip_id).port_forwardings:
        if forwarding.id == forwarding_id:
            return forwarding
    raise PortForwardingNotFound(forwarding_id)


async def create_forwardings(
    service: Service, context: RequestContext, floatingip_id: str, specs: Sequence[PortForwardingSpec]
) -> list[PortForwarding]:
    """New port forwardings of one floating IP, all or none.

    Raises FloatingIPNotFound, PortNotFound, FloatingIPPortAlreadyAssociated, PortHasBindingFloatingIP, BadRequest.
    """

    def plan(_attempt: Attempt) -> tuple[list[PortForwarding], list[Write]]:
        old = new = get_floatingip(service, context, floatingip_id)
        reached: list[tuple[Port, Router]] = []
        made: list[PortForwarding] = []
        for spec in specs:
            new, forwarding, way = _placed(service, context, new, _new(spec), spec)
            reached.append(way)
            made.append(forwarding)
        return made, _writes(old, new, reached)

    return await carry_out(service, f"floating IP {floatingip_id}", plan)


def _new(spec: PortForwardingSpec) -> PortForwarding:
    """The forwarding as far as the spec tells."""
    nothing = PortForwarding(
        id=new_id(),
        protocol="",
        external_ports=(0, 0),
        internal_port_id="",
        internal_ip_address="",
        internal_ports=(0, 0),
    )
    return _with(nothing, spec)


async def update_forwarding(
    service: Service, context: RequestContext, floatingip_id: str, forwarding_id: str, spec: PortForwardingSpec
) -> PortForwarding:
    """The port forwarding as changed. Raises PortForwardingNotFound and the errors of ``create_forwardings``."""

    def plan(_attempt: Attempt) -> tuple[PortForwarding, list[Write]]:
        old = get_floatingip(service, context, floatingip_id)
        before = get_forwarding(service, context, floatingip_id, forwarding_id)
        if spec.internal_port_id not in (UNSET, before.internal_port_id) and spec.internal_ip_address is UNSET:
            before = msgspec.structs.replace(before, internal_ip_address="")
        after = _with(before, spec)
        new, after, way = _placed(service, context, old, after, spec)
        return after, _writes(old, new, [way])

    return await carry_out(service, f"floating IP {floatingip_id}", plan)


async def delete_forwarding(service: Service, context: RequestContext, floatingip_id: str, forwarding_id: str) -> None:
    """The port forwarding goes; with the last one, the floating IP leaves its router."""

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        old = get_floatingip(service, context, floatingip_id)
        gone = get_forwarding(service, context, floatingip_id, forwarding_id)
        left = tuple(one for one in old.port_forwardings if one.id != gone.id)
        router_id = old.router_id if left else None
        return None, _writes(old, msgspec.structs.replace(old, port_forwardings=left, router_id=router_id), [])

    await carry_out(service, f"floating IP {floatingip_id}", plan)


def _with(forwarding: PortForwarding, spec: PortForwardingSpec) -> PortForwarding:
    """The forwarding with what the spec sets."""
    named = {name: value for name in spec.__struct_fields__ if (value := getattr(spec, name)) is not UNSET}
    return msgspec.structs.replace(forwarding, **named)


def _placed(
    service: Service,
    context: RequestContext,
    floatingip: FloatingIP,
    forwarding: PortForwarding,
    spec: PortForwardingSpec,
) -> tuple[FloatingIP, PortForwarding, tuple[Port, Router]]:
    """The floating IP with the forwarding, which has an address now, and the port and router it leads to."""
    port = get_own_port(service, context, forwarding.internal_port_id)
    if floatingip.port_id is not None:
        raise FloatingIPPortAlreadyAssociated(
            floatingip.id,
            floatingip.floating_ip_address,
            port.id,
            forwarding.internal_ip_address,
            floatingip.floating_network_id,
        )
    if spec.internal_port_id is not UNSET:
        _check_free(service, port, forwarding)
    fixed_ip = _fixed_ip(port, forwarding)
    forwarding = msgspec.structs.replace(forwarding, internal_ip_address=fixed_ip.ip_address)
    router = _router(service, floatingip, port, fixed_ip)
    others = tuple(one for one in floatingip.port_forwardings if one.id != forwarding.id)
    if len(others) >= service.settings.max_port_forwardings:
        raise BadRequestFor(
            RESOURCE, f"Floating IP {floatingip.id} has {len(others)} port forwardings, and may have no more"
        )
    _check_ports(service, floatingip, forwarding, others)
    ordered = tuple(sorted((*others, forwarding), key=lambda one: one.id))
    new = msgspec.structs.replace(floatingip, port_forwardings=ordered, router_id=router.id)
    return new, forwarding, (port, router)


def _check_free(service: Service, port: Port, forwarding: PortForwarding) -> None:
    for floatingip_id in service.db.floatingips_by_port.get(port.id, ()):
        other = service.db.floatingips[floatingip_id]
        raise PortHasBindingFloatingIP(
            other.id, other.floating_ip_address, port.id, forwarding.internal_ip_address or other.fixed_ip_address
        )


def _fixed_ip(port: Port, forwarding: PortForwarding) -> FixedIP:
    """The internal address: the named one, or the port's first."""
    found = ipv4_addresses(port)
    if not found:
        raise BadRequestFor(RESOURCE, f"Requested internal port {port.id} must allocate an IPv4 address at least.")
    if not forwarding.internal_ip_address:
        return found[0]
    for ip in found:
        if ip.ip_address == forwarding.internal_ip_address:
            return ip
    shown = [{"subnet_id": ip.subnet_id, "ip_address": ip.ip_address} for ip in found]
    raise BadRequestFor(
        RESOURCE,
        f"Requested internal IP address {forwarding.internal_ip_address} is not suitable for internal neutron port "
        f"{port.id}, as its fixed_ips are {shown}",
    )


def _router(service: Service, floatingip: FloatingIP, port: Port, fixed_ip: FixedIP) -> Router:
    network_id = floatingip.floating_network_id
    router = router_between(service, port.network_id, fixed_ip.subnet_id, network_id)
    if router is None:
        raise BadRequestFor(
            RESOURCE,
            f"External network {network_id} is not reachable from subnet {fixed_ip.subnet_id}. Cannot set Port "
            f"forwarding for port {port.id} with Floating IP {floatingip.id}",
        )
    if floatingip.router_id not in (None, router.id):
        raise BadRequestFor(
            RESOURCE,
            f"The Floating IP {floatingip.id} had been set on router {floatingip.router_id}, the internal Neutron "
            f"port {port.id} can not reach it",
        )
    return router


def _check_ports(
    service: Service, floatingip: FloatingIP, forwarding: PortForwarding, others: Sequence[PortForwarding]
) -> None:
    """Raises BadRequest for ranges of unequal length, and where one packet would have two ways."""
    inside, outside = forwarding.internal_ports, forwarding.external_ports
    if inside[1] > inside[0] and inside[1] - inside[0] != outside[1] - outside[0]:
        raise BadRequestFor(
            RESOURCE,
            "Invalid ranges of internal and/or external ports. The relation between internal and external ports must "
            "be N-N or 1-N",
        )
    for other in (*others, *_elsewhere(service, floatingip, forwarding)):
        if other.protocol == forwarding.protocol and _socket(other) == _socket(forwarding):
            _check_apart("internal_port_range", other.internal_ports, inside)
    for other in others:
        if other.protocol == forwarding.protocol:
            _check_apart("external_port_range", other.external_ports, outside)


def _elsewhere(service: Service, floatingip: FloatingIP, forwarding: PortForwarding) -> Iterator[PortForwarding]:
    """Forwardings of other floating IPs to the same port."""
    for floatingip_id in service.forwardings_by_port.get(forwarding.internal_port_id, ()):
        if floatingip_id != floatingip.id:
            yield from service.db.floatingips[floatingip_id].port_forwardings


def _socket(forwarding: PortForwarding) -> tuple[str, str]:
    return forwarding.internal_port_id, forwarding.internal_ip_address


def _check_apart(name: str, existing: tuple[int, int], wanted: tuple[int, int]) -> None:
    if max(existing[0], wanted[0]) <= min(existing[1], wanted[1]):
        raise BadRequestFor(
            RESOURCE,
            f"There is a port collision with the {name}. The following ranges collide: {existing[0]}:{existing[1]} "
            f"and {wanted[0]}:{wanted[1]}",
        )


def _writes(old: FloatingIP, new: FloatingIP, reached: Sequence[tuple[Port, Router]]) -> list[Write]:
    new = revised(old, new)
    if new is old:
        return []
    ports = {port.id: port for port, _ in reached}
    routers = {router.id: router for _, router in reached}
    return [
        Update(old, new),
        *(Update(port, touched(port)) for port in ports.values()),
        *(Update(router, touched(router)) for router in routers.values()),
    ]
