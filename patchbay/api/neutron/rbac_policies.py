"""/v2.0/rbac-policies: attributes as in the API reference, "RBAC Policies"."""

from collections.abc import Iterable, Sequence

import msgspec

from patchbay.api.errors import HTTPBadRequest
from patchbay.api.neutron import checks
from patchbay.api.neutron.attributes import READ_ONLY, Attribute, Attributes, Body, spec_fields
from patchbay.api.neutron.resource import Collection, Filters, View, narrowed
from patchbay.model import RBACPolicy
from patchbay.service.context import RequestContext
from patchbay.service.errors import InvalidInput
from patchbay.service.rbac import (
    RBACPolicySpec,
    all_policies,
    create_policies,
    delete_policy,
    get_policy,
    is_policy_visible,
    update_policy,
)
from patchbay.service.service import Service


def target(value: object) -> str | None:
    """A project's id, or ``*`` for all projects."""
    if not isinstance(value, str) or not value or value != value.strip():
        raise InvalidInput(f"'{value}' is not a valid target project ID; expected a UUID or '*'")
    return checks.text(255)(value)


def to_kind(value: object) -> object:
    """The type of an object, in small letters."""
    return value.strip().lower() if isinstance(value, str) else value


_TARGET = Attribute(field="target_project", post=True, put=True, check=target)

ATTRIBUTES: Attributes = {
    "id": READ_ONLY,
    "object_type": Attribute(field="object_type", post=True, is_required=True, convert=to_kind, check=checks.text(255)),
    "object_id": Attribute(field="object_id", post=True, is_required=True, check=checks.uuid),
    "target_tenant": _TARGET,
    "target_project": msgspec.structs.replace(_TARGET, is_sort_key=False),
    "project_id": Attribute(field="project_id", post=True, check=checks.text(255)),
    "tenant_id": Attribute(post=True, check=checks.text(255)),
    "action": Attribute(field="action", post=True, is_required=True, check=checks.text(255)),
}


def view_policy(_service: Service, policy: RBACPolicy) -> View:
    """The policy as the API shows it."""
    return {
        "id": policy.id,
        "project_id": policy.project_id,
        "tenant_id": policy.project_id,
        "object_type": policy.object_type,
        "object_id": policy.object_id,
        "action": policy.action,
        "target_tenant": policy.target_project,
    }


def _candidates(service: Service, context: RequestContext, filters: Filters) -> Iterable[RBACPolicy]:
    policies = {policy.id: policy for policy in all_policies(service) if is_policy_visible(context, policy)}
    return narrowed(filters, policies, {})


def _spec(item: Body) -> RBACPolicySpec:
    if item.get("target_tenant", item.get("target_project")) != item.get("target_project", item.get("target_tenant")):
        raise HTTPBadRequest("'target_project' and 'target_tenant' do not match")
    if "target_tenant" not in item and "target_project" not in item:
        raise HTTPBadRequest("Failed to parse request. Required attribute 'target_tenant' not specified")
    return msgspec.convert(spec_fields(ATTRIBUTES, item), RBACPolicySpec)


async def _create(service: Service, context: RequestContext, items: list[Body]) -> Sequence[RBACPolicy]:
    return await create_policies(service, context, [_spec(item) for item in items])


async def _update(service: Service, context: RequestContext, id_: str, item: Body, _if_match: int | None) -> RBACPolicy:
    if not item:
        return get_policy(service, context, id_)
    return await update_policy(service, context, id_, _spec(item).target_project)


RBAC_POLICIES = Collection(
    name="rbac_policies",
    member="rbac_policy",
    attributes=ATTRIBUTES,
    indexed=frozenset(),
    candidates=_candidates,
    get=get_policy,
    view=view_policy,
    encoded=lambda service, policy: msgspec.json.encode(view_policy(service, policy)),
    create=_create,
    update=_update,
    delete=delete_policy,
)
