"""Attribute maps as data, and the reading of request bodies by them (neutron ``api/v2/base.py``).

An attribute says in which requests it may appear, how it is converted and checked, whether it filters and sorts.
"""

from collections.abc import Mapping

import msgspec

from patchbay.api.errors import HTTPBadRequest, MalformedRequestBody
from patchbay.api.neutron import checks
from patchbay.api.neutron.checks import Check, Convert

Body = dict[str, object]


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute of a resource. ``field`` is its name in the spec, "" when the translator looks at it itself."""

    field: str = ""
    post: bool = False
    put: bool = False
    is_required: bool = False
    convert: Convert | None = None
    check: Check | None = None
    is_filter: bool = True
    is_sort_key: bool = True


Attributes = Mapping[str, Attribute]

READ_ONLY = Attribute()
LIST = Attribute(is_sort_key=False)
HIDDEN_FILTER = Attribute(is_sort_key=False)


def writable(
    field: str = "",
    *,
    convert: Convert | None = None,
    check: Check | None = None,
    is_required: bool = False,
    is_filter: bool = True,
    is_sort_key: bool = True,
) -> Attribute:
    """An attribute of both POST and PUT."""
    return Attribute(
        field=field,
        post=True,
        put=True,
        convert=convert,
        check=check,
        is_required=is_required,
        is_filter=is_filter,
        is_sort_key=is_sort_key,
    )


STANDARD: Attributes = {
    "id": READ_ONLY,
    "name": writable("name", check=checks.name),
    "description": writable("description", convert=checks.none_to_text, check=checks.text(255)),
    "project_id": Attribute(field="project_id", post=True, check=checks.text(255)),
    "tenant_id": Attribute(post=True, check=checks.text(255)),
    "created_at": READ_ONLY,
    "updated_at": READ_ONLY,
    "revision_number": READ_ONLY,
    "tags": LIST,
    "tags-any": HIDDEN_FILTER,
    "not-tags": HIDDEN_FILTER,
    "not-tags-any": HIDDEN_FILTER,
    "changed_since": HIDDEN_FILTER,
}
"""What every resource with standard attributes has."""

NOT_VISIBLE = frozenset(("tags-any", "not-tags", "not-tags-any", "changed_since"))


def decode(body: bytes) -> object:
    """The JSON of a request; MalformedRequestBody when it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise MalformedRequestBody("Cannot understand JSON") from None


def read_items(body: bytes, member: str, collection: str) -> tuple[list[Body], bool]:
    """The objects in the body of a POST, and whether it is a bulk request."""
    value = decode(body) if body else None
    if not value:
        raise HTTPBadRequest("Resource body required")
    if not isinstance(value, dict):
        raise HTTPBadRequest("Body contains invalid data")
    if collection not in value:
        return [_member(value, member)], False
    items = value[collection]
    if not items:
        raise HTTPBadRequest("Resources required")
    if not isinstance(items, list):
        raise HTTPBadRequest("Body contains invalid data")
    return [
        _member(item if isinstance(item, dict) and member in item else {member: item}, member) for item in items
    ], True


def read_item(body: bytes, member: str) -> Body:
    """The object in the body of a PUT."""
    value = decode(body) if body else None
    if not value:
        raise HTTPBadRequest("Resource body required")
    if not isinstance(value, dict):
        raise HTTPBadRequest("Body contains invalid data")
    return _member(value, member)


def _member(value: Mapping[str, object], member: str) -> Body:
    item = value.get(member)
    if item is None:
        raise HTTPBadRequest(f"Unable to find '{member}' in request body")
    if not isinstance(item, dict):
        raise HTTPBadRequest(f"Object '{member}' contains invalid data")
    return item


def checked(attributes: Attributes, item: Body, *, is_create: bool) -> Body:
    """The object's attributes converted and checked; project_id and tenant_id agree.

    Raises HTTPBadRequest or InvalidInput with Neutron's messages.
    """
    item = _with_project(item)
    unknown = [name for name in item if name not in attributes or name in NOT_VISIBLE]
    if unknown:
        raise HTTPBadRequest(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
    for name, attribute in attributes.items():
        if name in item:
            if is_create and not attribute.post:
                raise HTTPBadRequest(f"Attribute '{name}' not allowed in POST")
            if not is_create and not attribute.put:
                raise HTTPBadRequest(f"Cannot update read-only attribute {name}")
        elif is_create and attribute.is_required:
            raise HTTPBadRequest(f"Failed to parse request. Required attribute '{name}' not specified")
    return {name: _value(name, attributes[name], value) for name, value in item.items()}


def _with_project(item: Body) -> Body:
    if "tenant_id" in item and "project_id" not in item:
        return {**item, "project_id": item["tenant_id"]}
    if "tenant_id" in item and item["tenant_id"] != item["project_id"]:
        raise HTTPBadRequest("'project_id' and 'tenant_id' do not match")
    return item


def _value(name: str, attribute: Attribute, value: object) -> object:
    if attribute.convert is not None:
        value = attribute.convert(value)
    reason = None if attribute.check is None else attribute.check(value)
    if reason is not None:
        raise HTTPBadRequest(f"Invalid input for {name}. Reason: {reason}.")
    return value


def spec_fields(attributes: Attributes, values: Body) -> Body:
    """Checked values under the names of the spec's fields; those without a field are left out."""
    return {attributes[name].field: value for name, value in values.items() if attributes[name].field}
