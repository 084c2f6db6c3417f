"""What routers and floating IPs make of ports, and what that forbids or takes along when a port changes or goes.

Neutron's ``prevent_l3_port_deletion``, ``prevent_internal_ip_change_for_fip``, ``disassociate_floatingips`` and the
port forwarding service's ``_process_port_request``. Reads the intent; changes nothing.
"""

from collections.abc import Collection

import msgspec

from patchbay.intent.database import Delete, Update, Write
from patchbay.model import FixedIP, FloatingIP, Port
from patchbay.model.router import FLOATING_GATEWAY, FLOATING_IP, ROUTER_GATEWAY, ROUTER_INTERFACES
from patchbay.service.access import revised
from patchbay.service.context import RequestContext
from patchbay.service.errors import BadRequestFor, InvalidInput
from patchbay.service.router_errors import ServicePortInUse, UnsupportedPortDeviceOwner
from patchbay.service.service import Service

OWNERS = (*ROUTER_INTERFACES, ROUTER_GATEWAY, FLOATING_GATEWAY, FLOATING_IP)
"""Owners of ports that only their router or floating IP makes, changes and deletes."""


def is_service_port(service: Service, device_owner: str, device_id: str) -> bool:
    """Whether a port with these belongs to a router or floating IP that exists."""
    if device_owner not in OWNERS:
        return False
    return device_id in (service.db.floatingips if device_owner == FLOATING_IP else service.db.routers)


def check_owner(service: Service, context: RequestContext, device_owner: str, device_id: str) -> None:
    """Raises InvalidInput when somebody would make a port one of a router's, or a floating IP's, by hand.

    Who is no administrator may name none, so that it is not told which there are.
    """
    is_claim = device_owner in OWNERS and device_id and not context.is_admin
    if is_claim or is_service_port(service, device_owner, device_id):
        raise InvalidInput(
            f"device_owner {device_owner} with device_id {device_id}", "Use add_router_interface or floatingips."
        )


def check_change(service: Service, context: RequestContext, old: Port, new: Port) -> None:
    """Raises unless routers and floating IPs allow the change: UnsupportedPortDeviceOwner, InvalidInput, BadRequest."""
    if is_service_port(service, old.device_owner, old.device_id):
        for name in ("device_id", "device_owner", "mac_address", "fixed_ips", "host"):
            if getattr(old, name) != getattr(new, name):
                raise UnsupportedPortDeviceOwner(f"{name.replace('_', ' ')} update", old.device_owner, old.id)
    elif (old.device_owner, old.device_id) != (new.device_owner, new.device_id):
        check_owner(service, context, new.device_owner, new.device_id)
    addresses = {ip.ip_address for ip in new.fixed_ips}
    for floatingip_id in service.db.floatingips_by_port.get(old.id, ()):
        if service.db.floatingips[floatingip_id].fixed_ip_address not in addresses:
            raise BadRequestFor(
                "port",
                f"Cannot update the fixed_ips of the port {old.id}, because its original fixed_ip has been associated "
                "to a floating ip",
            )


def check_deletion(service: Service, port: Port) -> None:
    """Raises ServicePortInUse when the port belongs to a router or floating IP."""
    if is_service_port(service, port.device_owner, port.device_id):
        raise ServicePortInUse(port.id, port.device_owner)


def is_plugged(service: Service, port: Port) -> bool:
    """Whether something may be at the port, whatever its ``device_id`` says: a host or an instance has it."""
    db = service.db
    if port.host or db.plugs_by_port.get(port.id):
        return True
    return any(port.id in instance.interfaces.values() for instance in db.instances.values())


def deletion(service: Service, port: Port) -> list[Write]:
    """What is written when the port goes, whoever takes it away: floating IPs that lead to it let go of it."""
    return [*released(service, port), Delete(port)]


def released(service: Service, port: Port, kept: Collection[FixedIP] = ()) -> list[Write]:
    """Updates of the floating IPs that lead to the port, when it goes or keeps only these addresses.

    The floating IPs stay, without port; port forwardings to addresses that go, go.
    """
    db = service.db
    addresses = {ip.ip_address for ip in kept}
    changed: dict[str, FloatingIP] = {}
    for floatingip_id in db.floatingips_by_port.get(port.id, ()):
        old = db.floatingips[floatingip_id]
        if old.fixed_ip_address not in addresses:
            changed[old.id] = msgspec.structs.replace(old, port_id=None, fixed_ip_address=None, router_id=None)
    for floatingip_id in service.forwardings_by_port.get(port.id, ()):
        old = db.floatingips[floatingip_id]
        forwardings = tuple(
            one
            for one in old.port_forwardings
            if one.internal_port_id != port.id or one.internal_ip_address in addresses
        )
        if forwardings != old.port_forwardings:
            router_id = old.router_id if forwardings else None
            changed[old.id] = msgspec.structs.replace(old, port_forwardings=forwardings, router_id=router_id)
    return [Update(db.floatingips[id_], revised(db.floatingips[id_], new)) for id_, new in changed.items()]
