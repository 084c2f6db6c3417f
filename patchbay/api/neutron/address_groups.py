"""/v2.0/address-groups: attributes as in the API reference, "Address groups"."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec

from patchbay.api.errors import HTTPBadRequest
from patchbay.api.http import Request, Response, json_response
from patchbay.api.neutron import checks, security_checks
from patchbay.api.neutron.attributes import STANDARD, Attribute, Attributes, Body, decode, spec_fields, writable
from patchbay.api.neutron.resource import Collection, Filters, View, narrowed
from patchbay.api.neutron.security_group_rules import WITHOUT
from patchbay.model import AddressGroup
from patchbay.service.access import is_visible
from patchbay.service.address_groups import (
    add_addresses,
    create_address_groups,
    delete_address_group,
    get_address_group,
    remove_addresses,
    update_address_group,
)
from patchbay.service.context import RequestContext
from patchbay.service.security_specs import AddressGroupSpec
from patchbay.service.service import Service

ATTRIBUTES: Attributes = {
    **{name: attribute for name, attribute in STANDARD.items() if name not in WITHOUT},
    "name": STANDARD["name"],
    "description": writable("description", convert=checks.none_to_text, check=checks.text(1024)),
    "addresses": Attribute(
        field="addresses", post=True, convert=checks.none_to_list, check=security_checks.blocks, is_sort_key=False
    ),
}


def view_address_group(_service: Service, group: AddressGroup) -> View:
    """The address group as the API shows it."""
    return {
        "id": group.id,
        "name": group.name,
        "tenant_id": group.project_id,
        "project_id": group.project_id,
        "addresses": group.addresses,
        "description": group.description,
        "created_at": group.created_at,
        "updated_at": group.updated_at,
        "revision_number": group.revision_number,
    }


def _encoded(service: Service, group: AddressGroup) -> bytes:
    return msgspec.json.encode(view_address_group(service, group))


def _candidates(service: Service, context: RequestContext, filters: Filters) -> Iterable[AddressGroup]:
    groups = narrowed(filters, service.db.address_groups, {"name": service.db.address_groups_by_name})
    return [group for group in groups if is_visible(context, group)]


def _spec(item: Body) -> AddressGroupSpec:
    return msgspec.convert(spec_fields(ATTRIBUTES, item), AddressGroupSpec)


async def _create(service: Service, context: RequestContext, items: list[Body]) -> Sequence[AddressGroup]:
    return await create_address_groups(service, context, [_spec(item) for item in items])


async def _update(
    service: Service, context: RequestContext, id_: str, item: Body, if_match: int | None
) -> AddressGroup:
    return await update_address_group(service, context, id_, _spec(item), if_match)


def _addresses(body: bytes) -> list[str]:
    value = decode(body) if body else None
    addresses = value.get("addresses") if isinstance(value, dict) else None
    if not addresses or not isinstance(addresses, list):
        raise HTTPBadRequest("Request body contains invalid data")
    if reason := security_checks.addresses(addresses):
        raise HTTPBadRequest(f"Invalid input for addresses. Reason: {reason}.")
    return addresses


async def _add(service: Service, request: Request, id_: str) -> Response:
    group = await add_addresses(service, request.context, id_, _addresses(request.body))
    return json_response({"address_group": view_address_group(service, group)})


async def _remove(service: Service, request: Request, id_: str) -> Response:
    group = await remove_addresses(service, request.context, id_, _addresses(request.body))
    return json_response({"address_group": view_address_group(service, group)})


ADDRESS_ACTIONS: Mapping[str, Callable[[Service, Request, str], Awaitable[Response]]] = {
    "add_addresses": _add,
    "remove_addresses": _remove,
}
"""What PUT /v2.0/address-groups/{id}/{action} does."""

ADDRESS_GROUPS = Collection(
    name="address_groups",
    member="address_group",
    attributes=ATTRIBUTES,
    indexed=frozenset(("name",)),
    candidates=_candidates,
    get=get_address_group,
    view=view_address_group,
    encoded=_encoded,
    create=_create,
    update=_update,
    delete=delete_address_group,
)
