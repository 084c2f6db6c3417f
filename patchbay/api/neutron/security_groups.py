"""/v2.0/security-groups: attributes as in the API reference, "Security groups"."""

from collections.abc import Iterable, Sequence

import msgspec

from patchbay.api.neutron import checks, security_checks
from patchbay.api.neutron.attributes import STANDARD, Attribute, Attributes, Body, spec_fields, writable
from patchbay.api.neutron.resource import Collection, Filters, View, narrowed
from patchbay.api.neutron.security_group_rules import prepare, view_rule
from patchbay.model import SecurityGroup
from patchbay.service.access import is_visible
from patchbay.service.context import RequestContext
from patchbay.service.security_groups import (
    create_security_groups,
    delete_security_group,
    get_security_group,
    is_shared,
    rules_of,
    update_security_group,
)
from patchbay.service.security_specs import SecurityGroupSpec
from patchbay.service.service import Service

ATTRIBUTES: Attributes = {
    **STANDARD,
    "name": writable("name", check=security_checks.group_name),
    "stateful": writable("stateful", convert=checks.to_bool),
    "shared": Attribute(convert=checks.to_bool, is_sort_key=False),
    "security_group_rules": Attribute(is_filter=False, is_sort_key=False),
}


def view_security_group(service: Service, group: SecurityGroup) -> View:
    """The group as the API shows it, with its rules."""
    return {
        "id": group.id,
        "name": group.name,
        "tenant_id": group.project_id,
        "project_id": group.project_id,
        "stateful": group.stateful,
        "shared": is_shared(service, group),
        "security_group_rules": [view_rule(service, rule) for rule in rules_of(service, group.id)],
        "description": group.description,
        "tags": group.tags,
        "created_at": group.created_at,
        "updated_at": group.updated_at,
        "revision_number": group.revision_number,
    }


def _encoded(service: Service, group: SecurityGroup) -> bytes:
    return msgspec.json.encode(view_security_group(service, group))


def _candidates(service: Service, context: RequestContext, filters: Filters) -> Iterable[SecurityGroup]:
    db = service.db
    indexes = {"name": db.security_groups_by_name, "project_id": db.security_groups_by_project}
    groups = narrowed(filters, db.security_groups, indexes)
    return [group for group in groups if is_visible(context, group)]


def _spec(item: Body) -> SecurityGroupSpec:
    return msgspec.convert(spec_fields(ATTRIBUTES, item), SecurityGroupSpec)


async def _create(service: Service, context: RequestContext, items: list[Body]) -> Sequence[SecurityGroup]:
    return await create_security_groups(service, context, [_spec(item) for item in items])


async def _update(
    service: Service, context: RequestContext, id_: str, item: Body, if_match: int | None
) -> SecurityGroup:
    return await update_security_group(service, context, id_, _spec(item), if_match)


SECURITY_GROUPS = Collection(
    name="security_groups",
    member="security_group",
    attributes=ATTRIBUTES,
    indexed=frozenset(("name", "project_id")),
    candidates=_candidates,
    get=get_security_group,
    view=view_security_group,
    encoded=_encoded,
    create=_create,
    update=_update,
    delete=delete_security_group,
    prepare=prepare,
)
