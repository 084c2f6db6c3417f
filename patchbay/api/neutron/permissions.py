"""Requests held to the policies of ``patchbay.service.policy``, and answers with what their caller may see.

Administrators, and with them everybody when there is no authentication, are let through at once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from patchbay.api.errors import HTTPBadRequest, HTTPNotFound
from patchbay.api.neutron.attributes import Attributes, Body
from patchbay.api.neutron.resource import Collection, View
from patchbay.service.context import RequestContext
from patchbay.service.networks import get_network
from patchbay.service.policy import authorize, hidden_attributes, may_look
from patchbay.service.security_groups import get_security_group
from patchbay.service.service import Service
from patchbay.service.sharing import is_shared
from patchbay.service.subnets import get_subnet
from patchbay.service.targets import target_of, target_of_new

PER_CALLER = "shared"
"""The attribute that depends on who asks: whether the object is shared with all, or with the caller's project."""

MOST_AT_ONCE = 500
"""Objects that a member may create with one request: it is carried out in one go, and others wait meanwhile."""

PARENTS: Mapping[str, Callable[[Service, RequestContext, str], object]] = {
    "network_id": get_network,
    "security_group_id": get_security_group,
}


def check_number(context: RequestContext, items: Sequence[Body]) -> None:
    """Raises HTTPBadRequest for more objects than one may ask for who is no administrator; asked before all else."""
    if not context.is_admin and len(items) > MOST_AT_ONCE:
        raise HTTPBadRequest(f"One request creates {MOST_AT_ONCE} objects at most: send these {len(items)} in several")


def check_creation(service: Service, context: RequestContext, collection: Collection, items: Sequence[Body]) -> None:
    """Raises HTTPBadRequest for somebody else's project, PolicyNotAuthorized for what the caller may not create.

    A network or group to create it in that the caller does not see is not found, as if it were not there.
    """
    if context.is_admin:
        return
    for item in items:
        if item.get("project_id", context.project_id) != context.project_id:
            raise HTTPBadRequest(
                "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires "
                "admin privileges"
            )
        for name, find in PARENTS.items():
            if isinstance(parent := item.get(name), str):
                find(service, context, parent)
        authorize(context, f"create_{collection.member}", target_of_new(service, context, item), item)
        _check_subnets(service, context, item)


def check_change(
    service: Service, context: RequestContext, collection: Collection, id_: str, item: Body | None
) -> None:
    """May the caller change the object so, or (``item`` None) delete it? Raises PolicyNotAuthorized or NotFound."""
    if context.is_admin:
        return
    check_look(context, collection)
    value = collection.get(service, context, id_)
    verb = "delete" if item is None else "update"
    authorize(context, f"{verb}_{collection.member}", target_of(service, context, value, item or {}), item)
    _check_subnets(service, context, item or {})


def _check_subnets(service: Service, context: RequestContext, item: Body) -> None:
    """Raises SubnetNotFound for the subnets that addresses are wanted of, if the caller does not see them."""
    addresses = item.get("fixed_ips")
    wanted = [one.get("subnet_id") for one in addresses] if isinstance(addresses, list) else []
    for subnet_id in (*wanted, item.get("subnet_id")):
        if isinstance(subnet_id, str):
            get_subnet(service, context, subnet_id)


def check_action(service: Service, context: RequestContext, collection: Collection, id_: str, action: str) -> None:
    """May the caller do this with the object (``add_router_interface``)? Raises PolicyNotAuthorized or NotFound."""
    if not context.is_admin:
        value = collection.get(service, context, id_)
        authorize(context, action, target_of(service, context, value, {}))


def check_look(context: RequestContext, collection: Collection) -> None:
    """HTTPNotFound for what only administrators see, as in Neutron."""
    if not may_look(context, collection.member):
        raise HTTPNotFound


def visible(context: RequestContext, collection: Collection) -> Attributes:
    """The attributes by which the caller may filter and sort: not those that it is not shown.

    Whether an object is shared with the caller is told from what it is shown, not from the object.
    """
    if context.is_admin:
        return collection.attributes
    hidden = hidden_attributes(context, collection.member)
    attributes = {name: attribute for name, attribute in collection.attributes.items() if name not in hidden}
    if PER_CALLER in attributes:
        attributes[PER_CALLER] = msgspec.structs.replace(attributes[PER_CALLER], field="")
    return attributes


def view_for(service: Service, context: RequestContext, collection: Collection, value: Any) -> View:
    """The object as the caller is shown it."""
    view = collection.view(service, value)
    return view if context.is_admin else _reduced(service, context, collection, value, view)


def encoded_for(service: Service, context: RequestContext, collection: Collection, value: Any) -> bytes:
    """The JSON of the object as the caller is shown it."""
    is_per_caller = not context.is_admin and PER_CALLER in collection.attributes
    hidden = hidden_attributes(context, collection.member)
    if not hidden and not is_per_caller:
        return collection.encoded(service, value)
    if collection.encoded_without is not None and not is_per_caller:
        return collection.encoded_without(service, value, hidden)
    return msgspec.json.encode(_reduced(service, context, collection, value, collection.view(service, value)))


def _reduced(
    service: Service, context: RequestContext, collection: Collection, value: Any, view: Mapping[str, Any]
) -> View:
    hidden = hidden_attributes(context, collection.member)
    reduced = {name: one for name, one in view.items() if name not in hidden}
    if PER_CALLER in reduced:
        reduced[PER_CALLER] = is_shared(service.db, context, value)
    return reduced
