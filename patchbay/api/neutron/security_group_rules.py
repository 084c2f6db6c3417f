"""/v2.0/security-group-rules: attributes as in the API reference, "Security group rules"."""

from collections.abc import Iterable, Sequence
from ipaddress import ip_network

import msgspec

from patchbay.api.neutron import checks, security_checks
from patchbay.api.neutron.attributes import READ_ONLY, STANDARD, Attribute, Attributes, Body, spec_fields
from patchbay.api.neutron.resource import Collection, Filters, View, narrowed
from patchbay.model import SecurityGroupRule
from patchbay.model.security import EGRESS, INGRESS
from patchbay.service.context import RequestContext
from patchbay.service.security_group_rules import (
    create_security_group_rules,
    delete_security_group_rule,
    get_security_group_rule,
    sees_rule,
)
from patchbay.service.security_groups import default_group_id, ensure_default
from patchbay.service.security_specs import SecurityGroupRuleSpec
from patchbay.service.service import Service

WITHOUT = ("name", "tags", "tags-any", "not-tags", "not-tags-any")
"""Standard attributes that rules have not got."""

RULE: Attributes = {
    "direction": Attribute(field="direction", post=True, is_required=True, check=checks.one_of((INGRESS, EGRESS))),
    "ethertype": Attribute(field="ethertype", post=True, convert=security_checks.to_ethertype),
    "protocol": Attribute(field="protocol", post=True, convert=security_checks.to_protocol),
    "port_range_min": Attribute(field="port_range_min", post=True, convert=security_checks.to_port),
    "port_range_max": Attribute(field="port_range_max", post=True, convert=security_checks.to_port),
    "remote_ip_prefix": Attribute(field="remote_ip_prefix", post=True, convert=security_checks.to_prefix),
    "remote_group_id": Attribute(field="remote_group_id", post=True, check=checks.or_none(checks.text(64))),
    "remote_address_group_id": Attribute(
        field="remote_address_group_id", post=True, check=checks.or_none(checks.text(64))
    ),
}
"""What a rule says."""

ATTRIBUTES: Attributes = {
    **{name: attribute for name, attribute in STANDARD.items() if name not in WITHOUT},
    "description": Attribute(field="description", post=True, convert=checks.none_to_text, check=checks.text(255)),
    "security_group_id": Attribute(field="security_group_id", post=True, is_required=True, check=checks.text(36)),
    **RULE,
    "normalized_cidr": READ_ONLY,
    "belongs_to_default_sg": Attribute(convert=checks.to_bool, is_sort_key=False),
}


def view_rule(service: Service, rule: SecurityGroupRule) -> View:
    """The rule as the API shows it."""
    prefix = rule.remote_ip_prefix
    group = service.db.security_groups.get(rule.security_group_id)
    return {
        "id": rule.id,
        "tenant_id": rule.project_id,
        "project_id": rule.project_id,
        "security_group_id": rule.security_group_id,
        "ethertype": rule.ethertype,
        "direction": rule.direction,
        "protocol": rule.protocol,
        "port_range_min": rule.port_range_min,
        "port_range_max": rule.port_range_max,
        "remote_ip_prefix": prefix,
        "normalized_cidr": None if prefix is None else str(ip_network(prefix, strict=False)),
        "remote_group_id": rule.remote_group_id,
        "remote_address_group_id": rule.remote_address_group_id,
        "belongs_to_default_sg": group is not None and group.id == default_group_id(group.project_id),
        "description": rule.description,
        "created_at": rule.created_at,
        "updated_at": rule.updated_at,
        "revision_number": rule.revision_number,
    }


def _encoded(service: Service, rule: SecurityGroupRule) -> bytes:
    return msgspec.json.encode(view_rule(service, rule))


async def prepare(service: Service, context: RequestContext, query: Filters) -> None:
    """The group ``default`` is there when a project looks at its groups or rules for the first time."""
    named = (query.get("project_id") or query.get("tenant_id") or (context.project_id,))[0]
    if checks.text(255)(named) is None:
        await ensure_default(service, context, named)


def _candidates(service: Service, context: RequestContext, filters: Filters) -> Iterable[SecurityGroupRule]:
    db = service.db
    indexes = {
        "security_group_id": db.rules_by_security_group,
        "remote_group_id": db.rules_by_remote_group,
        "remote_address_group_id": db.rules_by_address_group,
    }
    rules = narrowed(filters, db.security_group_rules, indexes)
    return [rule for rule in rules if sees_rule(service, context, rule)]


async def _create(service: Service, context: RequestContext, items: list[Body]) -> Sequence[SecurityGroupRule]:
    specs = [msgspec.convert(spec_fields(ATTRIBUTES, item), SecurityGroupRuleSpec) for item in items]
    return await create_security_group_rules(service, context, specs)


SECURITY_GROUP_RULES = Collection(
    name="security_group_rules",
    member="security_group_rule",
    attributes=ATTRIBUTES,
    indexed=frozenset(("security_group_id", "remote_group_id", "remote_address_group_id")),
    candidates=_candidates,
    get=get_security_group_rule,
    view=view_rule,
    encoded=_encoded,
    create=_create,
    delete=delete_security_group_rule,
    prepare=prepare,
)
