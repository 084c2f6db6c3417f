"""Tags of networks, subnets, ports, routers, security groups and instances (Neutron API reference, "Tags")."""

from collections.abc import Callable, Iterable

import msgspec

from patchbay.model import FloatingIP, Instance, Network, Port, Router, SecurityGroup, Subnet, SubnetPool
from patchbay.service.access import revise
from patchbay.service.context import RequestContext
from patchbay.service.errors import BadRequestFor, TagNotFound
from patchbay.service.floatingips import get_floatingip
from patchbay.service.instances import get_instance
from patchbay.service.networks import get_network
from patchbay.service.ports import get_port
from patchbay.service.routers import get_router
from patchbay.service.security_groups import get_security_group
from patchbay.service.service import Service
from patchbay.service.subnetpools import get_subnetpool
from patchbay.service.subnets import get_subnet

MAX_TAGS = 50

Tagged = Network | Subnet | Port | Router | FloatingIP | Instance | SubnetPool | SecurityGroup

GETTERS: dict[str, Callable[[Service, RequestContext, str], Tagged]] = {
    "networks": get_network,
    "subnets": get_subnet,
    "subnetpools": get_subnetpool,
    "ports": get_port,
    "routers": get_router,
    "floatingips": get_floatingip,
    "instances": get_instance,
    "security_groups": get_security_group,
}
"""How to find an object of each collection that has tags."""


def get_tagged(service: Service, context: RequestContext, collection: str, resource_id: str) -> Tagged:
    """The object, or the NotFound of its kind."""
    return GETTERS[collection](service, context, resource_id)


async def replace_tags(
    service: Service,
    context: RequestContext,
    collection: str,
    resource_id: str,
    tags: Iterable[str],
    *,
    if_match: int | None = None,
) -> Tagged:
    """The object with exactly these tags."""
    wanted = tuple(sorted(set(tags)))
    if len(wanted) > MAX_TAGS:
        raise BadRequestFor(collection, f"The number of tags exceed the per-resource limit of {MAX_TAGS}")

    def get() -> Tagged:
        return get_tagged(service, context, collection, resource_id)

    return await revise(
        service,
        f"{collection} {resource_id}",
        get,
        lambda old: msgspec.structs.replace(old, tags=wanted),
        if_match,
    )


async def add_tags(
    service: Service, context: RequestContext, collection: str, resource_id: str, tags: Iterable[str]
) -> Tagged:
    """The object with these tags besides those that it has."""
    old = get_tagged(service, context, collection, resource_id)
    return await replace_tags(service, context, collection, resource_id, {*old.tags, *tags})


async def remove_tag(service: Service, context: RequestContext, collection: str, resource_id: str, tag: str) -> None:
    """The object without the tag; TagNotFound when it has not got it."""
    old = get_tagged(service, context, collection, resource_id)
    if tag not in old.tags:
        raise TagNotFound(tag)
    await replace_tags(service, context, collection, resource_id, set(old.tags) - {tag})
