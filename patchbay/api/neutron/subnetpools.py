"""/v2.0/subnetpools: attributes as in the API reference, "Subnet pools"."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec

from patchbay.api.errors import HTTPBadRequest
from patchbay.api.http import Request, Response, json_response
from patchbay.api.neutron import checks
from patchbay.api.neutron.attributes import (
    READ_ONLY,
    STANDARD,
    Attribute,
    Attributes,
    Body,
    decode,
    spec_fields,
    writable,
)
from patchbay.api.neutron.resource import Collection, Filters, View, narrowed
from patchbay.model import SubnetPool
from patchbay.service.access import is_visible
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.specs import SubnetPoolSpec
from patchbay.service.subnetpools import (
    add_prefixes,
    create_subnetpools,
    delete_subnetpool,
    get_subnetpool,
    remove_prefixes,
    update_subnetpool,
)


def prefix_list(value: object) -> str | None:
    """A list of different CIDRs."""
    if reason := checks.unique_texts(64)(value):
        return reason
    assert isinstance(value, list)
    return next((reason for prefix in value if (reason := checks.subnet(prefix))), None)


def pool_name(value: object) -> str | None:
    """A name that is not empty."""
    return checks.name(value) or (None if value else f"'{value}' Blank strings are not permitted")


def _number(field: str) -> Attribute:
    return writable(field, convert=checks.to_int, check=lambda value: checks.non_negative(value) or checks.int64(value))


ATTRIBUTES: Attributes = {
    **STANDARD,
    "name": writable("name", is_required=True, check=pool_name),
    "ip_version": READ_ONLY,
    "prefixes": writable("prefixes", check=prefix_list, is_required=True, is_sort_key=False),
    "default_prefixlen": _number("default_prefixlen"),
    "min_prefixlen": _number("min_prefixlen"),
    "max_prefixlen": _number("max_prefixlen"),
    "default_quota": _number("default_quota"),
    "address_scope_id": writable("address_scope_id", check=checks.or_none(checks.uuid)),
    "shared": Attribute(field="shared", post=True, convert=checks.to_bool),
    "is_default": writable("is_default", convert=checks.to_bool),
}


def view_subnetpool(_service: Service, pool: SubnetPool) -> View:
    """The subnet pool as the API shows it."""
    return {
        "id": pool.id,
        "name": pool.name,
        "tenant_id": pool.project_id,
        "project_id": pool.project_id,
        "ip_version": pool.ip_version,
        "prefixes": pool.prefixes,
        "default_prefixlen": str(pool.default_prefixlen),
        "min_prefixlen": str(pool.min_prefixlen),
        "max_prefixlen": str(pool.max_prefixlen),
        "default_quota": pool.default_quota,
        "address_scope_id": pool.address_scope_id,
        "shared": pool.shared,
        "is_default": pool.is_default,
        "description": pool.description,
        "tags": pool.tags,
        "created_at": pool.created_at,
        "updated_at": pool.updated_at,
        "revision_number": pool.revision_number,
    }


def _encoded(service: Service, pool: SubnetPool) -> bytes:
    return msgspec.json.encode(view_subnetpool(service, pool))


def _candidates(service: Service, context: RequestContext, filters: Filters) -> Iterable[SubnetPool]:
    db = service.db
    indexes = {"name": db.subnetpools_by_name, "address_scope_id": db.subnetpools_by_scope}
    pools = narrowed(filters, db.subnetpools, indexes)
    return [pool for pool in pools if is_visible(context, pool)]


def _spec(item: Body) -> SubnetPoolSpec:
    return msgspec.convert(spec_fields(ATTRIBUTES, item), SubnetPoolSpec)


async def _create(service: Service, context: RequestContext, items: list[Body]) -> Sequence[SubnetPool]:
    return await create_subnetpools(service, context, [_spec(item) for item in items])


async def _update(service: Service, context: RequestContext, id_: str, item: Body, if_match: int | None) -> SubnetPool:
    return await update_subnetpool(service, context, id_, _spec(item), if_match)


def _prefixes(body: bytes) -> tuple[str, ...]:
    value = decode(body) if body else None
    prefixes = value.get("prefixes") if isinstance(value, dict) else None
    if not prefixes or not isinstance(prefixes, list):
        raise HTTPBadRequest("Request body contains invalid data")
    if reason := prefix_list(prefixes):
        raise HTTPBadRequest(f"Invalid input for prefixes. Reason: {reason}.")
    return tuple(prefixes)


async def _add_prefixes(service: Service, request: Request, id_: str) -> Response:
    pool = await add_prefixes(service, request.context, id_, _prefixes(request.body))
    return json_response({"prefixes": pool.prefixes})


async def _remove_prefixes(service: Service, request: Request, id_: str) -> Response:
    pool = await remove_prefixes(service, request.context, id_, _prefixes(request.body))
    return json_response({"prefixes": pool.prefixes})


PREFIX_ACTIONS: Mapping[str, Callable[[Service, Request, str], Awaitable[Response]]] = {
    "add_prefixes": _add_prefixes,
    "remove_prefixes": _remove_prefixes,
}
"""What PUT /v2.0/subnetpools/{id}/{action} does (the extension subnetpool-prefix-ops)."""

SUBNETPOOLS = Collection(
    name="subnetpools",
    member="subnetpool",
    attributes=ATTRIBUTES,
    indexed=frozenset(("name", "address_scope_id")),
    candidates=_candidates,
    get=get_subnetpool,
    view=view_subnetpool,
    encoded=_encoded,
    create=_create,
    update=_update,
    delete=delete_subnetpool,
)
