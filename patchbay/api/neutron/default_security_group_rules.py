"""/v2.0/default-security-group-rules: the rules that new groups get (API reference, "Security group default rules")."""

from collections.abc import Iterable, Sequence

import msgspec

from patchbay.api.neutron import checks
from patchbay.api.neutron.attributes import READ_ONLY, Attribute, Attributes, Body, spec_fields
from patchbay.api.neutron.resource import Collection, Filters, View
from patchbay.api.neutron.security_group_rules import RULE
from patchbay.model import DefaultSecurityGroupRule
from patchbay.service.context import RequestContext
from patchbay.service.default_security_group_rules import (
    create_default_security_group_rules,
    default_rules,
    delete_default_security_group_rule,
    get_default_security_group_rule,
)
from patchbay.service.security_specs import DefaultSecurityGroupRuleSpec
from patchbay.service.service import Service

OWNER = Attribute(post=True, check=checks.text(255), is_filter=False, is_sort_key=False)
"""Taken and not kept, as in Neutron: the rules are everybody's."""

ATTRIBUTES: Attributes = {
    "id": READ_ONLY,
    "project_id": OWNER,
    "tenant_id": OWNER,
    "description": Attribute(field="description", post=True, convert=checks.none_to_text, check=checks.text(255)),
    **RULE,
    "used_in_default_sg": Attribute(field="used_in_default_sg", post=True, convert=checks.to_bool, is_sort_key=False),
    "used_in_non_default_sg": Attribute(
        field="used_in_non_default_sg", post=True, convert=checks.to_bool, is_sort_key=False
    ),
}


def view_default_rule(_service: Service, rule: DefaultSecurityGroupRule) -> View:
    """The rule as the API shows it."""
    return {
        "id": rule.id,
        "direction": rule.direction,
        "ethertype": rule.ethertype,
        "protocol": rule.protocol,
        "port_range_min": rule.port_range_min,
        "port_range_max": rule.port_range_max,
        "remote_ip_prefix": rule.remote_ip_prefix,
        "remote_group_id": rule.remote_group_id,
        "remote_address_group_id": rule.remote_address_group_id,
        "description": rule.description,
        "used_in_default_sg": rule.used_in_default_sg,
        "used_in_non_default_sg": rule.used_in_non_default_sg,
    }


def _encoded(service: Service, rule: DefaultSecurityGroupRule) -> bytes:
    return msgspec.json.encode(view_default_rule(service, rule))


def _candidates(service: Service, _context: RequestContext, filters: Filters) -> Iterable[DefaultSecurityGroupRule]:
    return [rule for rule in default_rules(service.db) if rule.id in filters.get("id", (rule.id,))]


async def _create(service: Service, context: RequestContext, items: list[Body]) -> Sequence[DefaultSecurityGroupRule]:
    specs = [msgspec.convert(spec_fields(ATTRIBUTES, item), DefaultSecurityGroupRuleSpec) for item in items]
    return await create_default_security_group_rules(service, context, specs)


DEFAULT_SECURITY_GROUP_RULES = Collection(
    name="default_security_group_rules",
    member="default_security_group_rule",
    attributes=ATTRIBUTES,
    indexed=frozenset(),
    candidates=_candidates,
    get=get_default_security_group_rule,
    view=view_default_rule,
    encoded=_encoded,
    create=_create,
    delete=delete_default_security_group_rule,
)
