"""/v2.0/address-scopes: attributes as in the API reference, "Address scopes"."""

from collections.abc import Iterable, Sequence

import msgspec

from patchbay.api.neutron import checks
from patchbay.api.neutron.attributes import STANDARD, Attribute, Attributes, Body, spec_fields, writable
from patchbay.api.neutron.resource import Collection, Filters, View, narrowed
from patchbay.model import AddressScope
from patchbay.service.access import is_visible
from patchbay.service.address_scopes import (
    create_address_scopes,
    delete_address_scope,
    get_address_scope,
    update_address_scope,
)
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.specs import AddressScopeSpec

ATTRIBUTES: Attributes = {
    **{name: STANDARD[name] for name in ("id", "name", "project_id", "tenant_id")},
    "ip_version": Attribute(
        field="ip_version", post=True, is_required=True, convert=checks.to_int, check=checks.one_of((4, 6))
    ),
    "shared": writable("shared", convert=checks.to_bool),
}


def view_address_scope(_service: Service, scope: AddressScope) -> View:
    """The address scope as the API shows it; Neutron gives it none of the standard attributes."""
    return {
        "id": scope.id,
        "name": scope.name,
        "tenant_id": scope.project_id,
        "project_id": scope.project_id,
        "ip_version": scope.ip_version,
        "shared": scope.shared,
    }


def _encoded(service: Service, scope: AddressScope) -> bytes:
    return msgspec.json.encode(view_address_scope(service, scope))


def _candidates(service: Service, context: RequestContext, filters: Filters) -> Iterable[AddressScope]:
    scopes = narrowed(filters, service.db.address_scopes, {"name": service.db.address_scopes_by_name})
    return [scope for scope in scopes if is_visible(context, scope)]


def _spec(item: Body) -> AddressScopeSpec:
    return msgspec.convert(spec_fields(ATTRIBUTES, item), AddressScopeSpec)


async def _create(service: Service, context: RequestContext, items: list[Body]) -> Sequence[AddressScope]:
    return await create_address_scopes(service, context, [_spec(item) for item in items])


async def _update(
    service: Service, context: RequestContext, id_: str, item: Body, if_match: int | None
) -> AddressScope:
    return await update_address_scope(service, context, id_, _spec(item), if_match)


ADDRESS_SCOPES = Collection(
    name="address_scopes",
    member="address_scope",
    attributes=ATTRIBUTES,
    indexed=frozenset(("name",)),
    candidates=_candidates,
    get=get_address_scope,
    view=view_address_scope,
    encoded=_encoded,
    create=_create,
    update=_update,
    delete=delete_address_scope,
)
