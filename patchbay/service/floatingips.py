"""Floating IPs: create, associate, move, dissociate, delete, show (Neutron API reference, "Floating IPs").

An association gives the port and the router their next revisions in the same transaction, so that no other server
associates the same address, changes the port, or takes the router's interface or gateway away at the same time.
"""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from patchbay.intent.database import Delete, Insert, Update, Write
from patchbay.model import FloatingIP, Network, Port
from patchbay.model.router import FLOATING_IP
from patchbay.service.access import (
    FIRST_REVISION,
    Attempt,
    carry_out,
    check_revision,
    is_visible,
    new_id,
    now,
    revised,
    touched,
    updates,
)
from patchbay.service.allocation import Allocator
from patchbay.service.associations import Association, associate, ipv4_addresses
from patchbay.service.context import ADMIN, RequestContext
from patchbay.service.errors import BadRequestFor
from patchbay.service.networks import get_network
from patchbay.service.port_uses import deletion
from patchbay.service.ports import new_port
from patchbay.service.router_errors import (
    ExternalIpAddressExhausted,
    FipInUseByPortForwarding,
    FloatingIPNotFound,
)
from patchbay.service.router_rules import network_subnets
from patchbay.service.router_specs import FloatingIPSpec
from patchbay.service.service import Service
from patchbay.service.specs import PortSpec, WantedIP


def get_floatingip(service: Service, context: RequestContext, floatingip_id: str) -> FloatingIP:
    """The floating IP, or FloatingIPNotFound."""
    floatingip = service.db.floatingips.get(floatingip_id)
    if floatingip is None or not is_visible(context, floatingip):
        raise FloatingIPNotFound(floatingip_id)
    return floatingip


async def create_floatingips(
    service: Service, context: RequestContext, specs: Sequence[FloatingIPSpec]
) -> list[FloatingIP]:
    """New floating IPs, all or none, each with its port on the external network; named addresses are taken first.

    Raises NetworkNotFound, BadRequest, ExternalIpAddressExhausted, what the choice of an address raises, and the
    errors of ``associate``.
    """

    def plan(attempt: Attempt) -> tuple[list[FloatingIP], list[Write]]:
        made: list[FloatingIP] = []
        ports: list[Port] = []
        networks: dict[str, Network] = {}
        associations: list[Association] = []
        order = sorted(range(len(specs)), key=lambda index: specs[index].floating_ip_address is None)
        for spec in map(specs.__getitem__, order):
            networks.setdefault(spec.floating_network_id, _network(service, context, spec))
            new, port = _new_floatingip(service, context, attempt, spec)
            if spec.port_id is not UNSET and spec.port_id is not None:
                found = associate(service, context, new, spec.port_id, spec.fixed_ip_address, others=made)
                associations.append(found)
                new = _associated(new, found)
            elif spec.fixed_ip_address is not None:
                raise _address_without_port()
            made.append(new)
            ports.append(port)
        # The networks are written as they are: this fails when one changed meanwhile, as it might have become internal.
        same = [Update(network, network) for network in networks.values()]
        asked = [floatingip for _, floatingip in sorted(zip(order, made, strict=True))]
        return asked, [*same, *map(Insert, ports), *map(Insert, made), *_touching(associations)]

    return await carry_out(service, "the floating IPs' ports", plan)


def _network(service: Service, context: RequestContext, spec: FloatingIPSpec) -> Network:
    network = get_network(service, context, spec.floating_network_id)
    if not network.external:
        raise BadRequestFor("floatingip", f"Network {network.id} is not a valid external network")
    if all(subnet.ip_version != 4 for subnet in network_subnets(service, network.id)):
        raise BadRequestFor("floatingip", f"Network {network.id} does not contain any IPv4 subnet")
    return network


def _new_floatingip(
    service: Service, context: RequestContext, attempt: Attempt, spec: FloatingIPSpec
) -> tuple[FloatingIP, Port]:
    """The floating IP and its port, which belongs to nobody, as in Neutron, so that only administrators see it."""
    floatingip_id, moment = new_id(), now()
    wanted = WantedIP(subnet_id=spec.subnet_id, ip_address=spec.floating_ip_address)
    of_port = PortSpec(
        network_id=spec.floating_network_id,
        fixed_ips=UNSET if wanted == WantedIP() else (wanted,),
        device_id=floatingip_id,
        device_owner=FLOATING_IP,
    )
    allocator = Allocator(service, spec.floating_network_id, attempt.taken, attempt.spread)
    port = new_port(service.settings, ADMIN, of_port, allocator)
    addresses = ipv4_addresses(port)
    if not addresses:
        raise ExternalIpAddressExhausted(spec.floating_network_id)
    floatingip = FloatingIP(
        id=floatingip_id,
        project_id=spec.project_id or context.project_id,
        description="" if spec.description is UNSET else spec.description,
        revision_number=FIRST_REVISION,
        created_at=moment,
        updated_at=moment,
        floating_network_id=spec.floating_network_id,
        floating_ip_address=addresses[0].ip_address,
        floating_port_id=port.id,
        dns_name=spec.dns_name,
        dns_domain=spec.dns_domain,
    )
    return floatingip, port


def _associated(floatingip: FloatingIP, found: Association) -> FloatingIP:
    return msgspec.structs.replace(
        floatingip,
        port_id=found.port.id,
        fixed_ip_address=found.fixed_ip.ip_address,
        router_id=found.router.id,
    )


def _touching(associations: Sequence[Association]) -> list[Write]:
    """Each port and router once, however many of the associations need it."""
    ports = {found.port.id: found.port for found in associations}
    routers = {found.router.id: found.router for found in associations}
    return [
        *(Update(port, touched(port)) for port in ports.values()),
        *(Update(router, touched(router)) for router in routers.values()),
    ]


def _address_without_port() -> BadRequestFor:
    return BadRequestFor("floatingip", "fixed_ip_address cannot be specified without a port_id")


async def update_floatingip(
    service: Service, context: RequestContext, floatingip_id: str, spec: FloatingIPSpec, if_match: int | None = None
) -> FloatingIP:
    """The floating IP as changed: associated, moved, dissociated, or described anew.

    Raises FloatingIPNotFound, FipInUseByPortForwarding, the errors of ``associate``, or
    RevisionNumberConstraintFailed.
    """

    def plan(_attempt: Attempt) -> tuple[FloatingIP, list[Write]]:
        old = get_floatingip(service, context, floatingip_id)
        check_revision(old, if_match)
        new = old
        if spec.description is not UNSET:
            new = msgspec.structs.replace(old, description=spec.description)
        if spec.fixed_ip_address is not None and (spec.port_id is UNSET or spec.port_id is None):
            raise _address_without_port()
        associations = []
        if spec.port_id is None:
            router_id = old.router_id if old.port_forwardings else None
            new = msgspec.structs.replace(new, port_id=None, fixed_ip_address=None, router_id=router_id)
        elif spec.port_id is not UNSET:
            found = associate(service, context, old, spec.port_id, spec.fixed_ip_address)
            if old.port_forwardings:
                raise FipInUseByPortForwarding(old.id)
            new = _associated(new, found)
            if new.port_id != old.port_id or new.fixed_ip_address != old.fixed_ip_address:
                associations.append(found)
        new = revised(old, new)
        return new, [*updates((old, new)), *_touching(associations)]

    return await carry_out(service, f"floating IP {floatingip_id}", plan)


async def delete_floatingip(
    service: Service, context: RequestContext, floatingip_id: str, if_match: int | None = None
) -> None:
    """The floating IP goes, and its port and address with it.

    Raises FloatingIPNotFound, or FipInUseByPortForwarding while it has port forwardings.
    """

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        floatingip = get_floatingip(service, context, floatingip_id)
        check_revision(floatingip, if_match)
        if floatingip.port_forwardings:
            raise FipInUseByPortForwarding(floatingip_id)
        return None, [Delete(floatingip), *deletion(service, service.db.ports[floatingip.floating_port_id])]

    await carry_out(service, f"floating IP {floatingip_id}", plan)
