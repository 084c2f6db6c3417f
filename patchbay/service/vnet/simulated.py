"""Simulated interfaces: ports of distributed routers, so that their addresses answer (``vnet/constants/interface.rb``).

An interface in no route link has a router to itself. When a route brings it into a route link its port becomes one of
that link's router; when the last such route goes it gets a router of its own again.
"""

from ipaddress import ip_network

import msgspec

from patchbay.intent.database import Delete, Insert, Update, Write
from patchbay.model import Port, Router, Subnet
from patchbay.model.router import OF_ONE_INTERFACE, ROUTER_INTERFACE_DISTRIBUTED, ROUTER_INTERFACES
from patchbay.service.access import FIRST_REVISION, new_id, now, revised
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet.errors import ArgumentError
from patchbay.service.vnet.kinds import NETWORK, ROUTE_LINK
from patchbay.service.vnet.objects import uuid_of


def is_simulated(port: Port) -> bool:
    """Whether the port is an interface that a router answers for."""
    return port.device_owner in ROUTER_INTERFACES


def own_router(context: RequestContext, name: str) -> Router:
    """A new router for one interface, whose uuid is its name."""
    moment = now()
    return Router(
        id=new_id(),
        project_id=context.project_id,
        name=name,
        tags=(OF_ONE_INTERFACE,),
        revision_number=FIRST_REVISION,
        created_at=moment,
        updated_at=moment,
        distributed=True,
    )


def interface_of(port: Port, router_id: str) -> Port:
    """The port as one of the router's."""
    return msgspec.structs.replace(
        port,
        device_owner=ROUTER_INTERFACE_DISTRIBUTED,
        device_id=router_id,
        host="",
        interface_name="",
        port_security_enabled=False,
        security_groups=(),
    )


def has_own_router(service: Service, port: Port) -> bool:
    """Whether the port's router is there for it alone."""
    router = service.db.routers.get(port.device_id)
    return router is not None and OF_ONE_INTERFACE in router.tags


def without_own_router(service: Service, port: Port) -> list[Write]:
    """What goes with a simulated interface: its own router, if it has one."""
    return [Delete(service.db.routers[port.device_id])] if has_own_router(service, port) else []


def join(service: Service, port: Port, router_id: str) -> list[Write]:
    """The writes that make a simulated interface one of a route link's router.

    Raises ArgumentError when the router has an interface whose network overlaps with one of this one's.
    """
    if port.device_id == router_id:
        return []
    check_apart(service, port, router_id)
    moved = revised(port, interface_of(port, router_id))
    return [*without_own_router(service, port), Update(port, moved)]


def leave(service: Service, context: RequestContext, port: Port, name: str) -> list[Write]:
    """The writes that give a simulated interface (of this uuid) a router of its own again."""
    if has_own_router(service, port):
        return []
    router = own_router(context, name)
    return [Insert(router), Update(port, revised(port, interface_of(port, router.id)))]


def check_apart(service: Service, port: Port, router_id: str) -> None:
    """Raises ArgumentError when a network of the port overlaps with one of another interface of the router."""
    db = service.db
    present = [db.ports[id_] for id_ in db.ports_by_device.get(router_id, ()) if db.ports[id_].id != port.id]
    theirs = {ip.subnet_id: db.subnets[ip.subnet_id] for one in present if is_simulated(one) for ip in one.fixed_ips}
    for fixed_ip in port.fixed_ips:
        subnet = db.subnets[fixed_ip.subnet_id]
        for other in theirs.values():
            if ip_network(subnet.cidr).overlaps(ip_network(other.cidr)):
                raise ArgumentError(
                    f"route link {uuid_of(service, ROUTE_LINK, router_id)}: {_named(service, subnet)} and "
                    f"{_named(service, other)} overlap",
                    "One route link routes between networks that are apart: use two, or other addresses.",
                )


def _named(service: Service, subnet: Subnet) -> str:
    """A subnet as OpenVNet knows it."""
    return f"network {uuid_of(service, NETWORK, subnet.id)} ({subnet.cidr})"
