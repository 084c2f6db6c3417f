"""Rules of security groups: create, delete, show (Neutron API reference, "Security group rules").

Every change of a group's rules is a revision of the group: of two servers that write the same rule at once the second
finds it there.
"""

from collections.abc import Sequence

import msgspec

from patchbay.intent.database import Delete, Insert, Update, Write
from patchbay.model import SecurityGroupRule
from patchbay.service.access import Attempt, beginning, carry_out, check_revision, is_visible, touched
from patchbay.service.address_groups import get_address_group
from patchbay.service.context import RequestContext
from patchbay.service.security_errors import (
    DuplicateSecurityGroupRuleInPost,
    SecurityGroupNotSingleGroupRules,
    SecurityGroupRuleExists,
    SecurityGroupRuleNotFound,
    SecurityGroupRulesNotSingleProject,
)
from patchbay.service.security_groups import get_security_group
from patchbay.service.security_rules import canonical, rule_key
from patchbay.service.security_specs import SecurityGroupRuleSpec
from patchbay.service.service import Service


def sees_rule(service: Service, context: RequestContext, rule: SecurityGroupRule) -> bool:
    """Whether the caller may see the rule: its owner, and the owner of its group."""
    return is_visible(context, rule) or is_visible(context, service.db.security_groups[rule.security_group_id])


def get_security_group_rule(service: Service, context: RequestContext, rule_id: str) -> SecurityGroupRule:
    """The rule, or SecurityGroupRuleNotFound."""
    rule = service.db.security_group_rules.get(rule_id)
    if rule is None or not sees_rule(service, context, rule):
        raise SecurityGroupRuleNotFound(rule_id)
    return rule


async def create_security_group_rules(
    service: Service, context: RequestContext, specs: Sequence[SecurityGroupRuleSpec]
) -> list[SecurityGroupRule]:
    """New rules of one group, all or none.

    Raises the errors of ``security_rules.canonical``, SecurityGroupNotFound, AddressGroupNotFound,
    DuplicateSecurityGroupRuleInPost, SecurityGroupRuleExists, and those of rules of several groups or projects.
    """
    projects = {spec.project_id or context.project_id for spec in specs}
    if len({spec.security_group_id for spec in specs}) > 1:
        raise SecurityGroupNotSingleGroupRules
    if len(projects) > 1:
        raise SecurityGroupRulesNotSingleProject
    # Who names a project acts for it: the groups must be that project's to see.
    owner = msgspec.structs.replace(context, project_id=projects.pop())
    group_id = specs[0].security_group_id

    def plan(_attempt: Attempt) -> tuple[list[SecurityGroupRule], list[Write]]:
        wanted = [_checked(service, owner, spec) for spec in specs]
        group = get_security_group(service, owner, group_id)
        _check_new(service, wanted)
        rules = [_new_rule(owner, spec) for spec in wanted]
        # Address groups are written as they are: this fails when one is no longer shared.
        named = {spec.remote_address_group_id for spec in wanted if spec.remote_address_group_id}
        same = [Update(one, one) for one in map(service.db.address_groups.__getitem__, sorted(named))]
        return rules, [Update(group, touched(group)), *same, *map(Insert, rules)]

    return await carry_out(service, f"security group {group_id}", plan)


def _checked(service: Service, context: RequestContext, spec: SecurityGroupRuleSpec) -> SecurityGroupRuleSpec:
    spec = canonical(spec)
    if spec.remote_group_id:
        get_security_group(service, context, spec.remote_group_id)
    if spec.remote_address_group_id:
        get_address_group(service, context, spec.remote_address_group_id)
    return spec


def _check_new(service: Service, specs: Sequence[SecurityGroupRuleSpec]) -> None:
    keys = {rule_key(spec) for spec in specs}
    if len(keys) < len(specs):
        raise DuplicateSecurityGroupRuleInPost
    ports = {(spec.port_range_min, spec.port_range_max) for spec in specs}
    for rule_id in service.db.rules_by_security_group.get(specs[0].security_group_id, ()):
        rule = service.db.security_group_rules[rule_id]
        # Most rules differ in their ports, which is seen at once.
        if (rule.port_range_min, rule.port_range_max) in ports and rule_key(rule) in keys:
            raise SecurityGroupRuleExists(rule_id)


def _new_rule(context: RequestContext, spec: SecurityGroupRuleSpec) -> SecurityGroupRule:
    return SecurityGroupRule(
        **beginning(context, spec),
        security_group_id=spec.security_group_id,
        direction=spec.direction,
        ethertype=spec.ethertype,
        protocol=spec.protocol,
        port_range_min=spec.port_range_min,
        port_range_max=spec.port_range_max,
        remote_ip_prefix=spec.remote_ip_prefix,
        remote_group_id=spec.remote_group_id or None,
        remote_address_group_id=spec.remote_address_group_id or None,
    )


async def delete_security_group_rule(
    service: Service, context: RequestContext, rule_id: str, if_match: int | None = None
) -> None:
    """The rule goes. Raises SecurityGroupRuleNotFound."""

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        rule = get_security_group_rule(service, context, rule_id)
        check_revision(rule, if_match)
        group = service.db.security_groups[rule.security_group_id]
        return None, [Update(group, touched(group)), Delete(rule)]

    await carry_out(service, f"security group rule {rule_id}", plan)
