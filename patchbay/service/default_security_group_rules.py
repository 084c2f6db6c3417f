"""The rules that new security groups begin with: show, create, delete (API reference, "Security group default rules").

Every service has Neutron's four from the start, without rows: everything may go out, and come in to a group
``default`` from its members. The id of a rule follows from what it says, so that of two servers which make the same
one at once the second finds it there.
"""

import uuid
from collections.abc import Mapping, Sequence

import msgspec

from patchbay.intent.database import Delete, Insert, Update, Write
from patchbay.intent.tables import Tables
from patchbay.model import DefaultSecurityGroupRule, SecurityGroup, SecurityGroupRule
from patchbay.model.security import EGRESS, INGRESS, IPV4, IPV6, PARENT
from patchbay.service.access import FIRST_REVISION, Attempt, carry_out, new_id
from patchbay.service.context import RequestContext
from patchbay.service.security_errors import (
    DefaultSecurityGroupRuleExists,
    DefaultSecurityGroupRuleNotFound,
    DuplicateDefaultSgRuleInPost,
)
from patchbay.service.security_rules import RuleKey, canonical, rule_key
from patchbay.service.security_specs import DefaultSecurityGroupRuleSpec, SecurityGroupRuleSpec
from patchbay.service.service import Service

IDS = uuid.UUID("2c6f1a90-8e5d-5c0b-a7f4-61d3e9b80f25")
SAYS = (
    *("direction", "ethertype", "protocol", "port_range_min", "port_range_max"),
    *("remote_ip_prefix", "remote_group_id", "remote_address_group_id"),
)
"""What a rule of a group has from the rule for new groups."""


def _built_in(direction: str, ethertype: str) -> DefaultSecurityGroupRule:
    is_inner = direction == INGRESS
    return DefaultSecurityGroupRule(
        id=str(uuid.uuid5(IDS, f"{direction} {ethertype}")),
        direction=direction,
        ethertype=ethertype,
        remote_group_id=PARENT if is_inner else None,
        description=f"Legacy default SG rule for {direction} traffic",
        used_in_default_sg=True,
        used_in_non_default_sg=not is_inner,
    )


BUILT_IN: Mapping[str, DefaultSecurityGroupRule] = {
    rule.id: rule for rule in (_built_in(way, version) for way in (EGRESS, INGRESS) for version in (IPV4, IPV6))
}


def default_rules(db: Tables) -> list[DefaultSecurityGroupRule]:
    """The rules that new groups get."""
    rules = {**BUILT_IN, **db.default_security_group_rules}
    return [rule for rule in rules.values() if not rule.is_removed]


def get_default_security_group_rule(
    service: Service, _context: RequestContext, rule_id: str
) -> DefaultSecurityGroupRule:
    """The rule, or DefaultSecurityGroupRuleNotFound."""
    rule = service.db.default_security_group_rules.get(rule_id) or BUILT_IN.get(rule_id)
    if rule is None or rule.is_removed:
        raise DefaultSecurityGroupRuleNotFound(rule_id)
    return rule


async def create_default_security_group_rules(
    service: Service, _context: RequestContext, specs: Sequence[DefaultSecurityGroupRuleSpec]
) -> list[DefaultSecurityGroupRule]:
    """New rules for groups that are made from now on, all or none.

    Raises the errors of ``security_rules.canonical``, DuplicateDefaultSgRuleInPost, DefaultSecurityGroupRuleExists.
    """
    rules = [_new(spec) for spec in specs]

    def plan(_attempt: Attempt) -> tuple[list[DefaultSecurityGroupRule], list[Write]]:
        there = default_rules(service.db)
        for at, rule in enumerate(rules):
            if any(_says_the_same(rule, other) for other in rules[:at]):
                raise DuplicateDefaultSgRuleInPost
            for other in there:
                if _says_the_same(rule, other):
                    raise DefaultSecurityGroupRuleExists(other.id)
        return rules, [_write(service, rule) for rule in rules]

    return await carry_out(service, "default security group rules", plan)


async def delete_default_security_group_rule(
    service: Service, context: RequestContext, rule_id: str, _if_match: int | None = None
) -> None:
    """New groups do not get the rule any more; groups that have it keep it. Raises DefaultSecurityGroupRuleNotFound."""

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        rule = get_default_security_group_rule(service, context, rule_id)
        if rule_id in BUILT_IN:
            return None, [_write(service, msgspec.structs.replace(rule, is_removed=True))]
        return None, [Delete(rule)]

    await carry_out(service, f"default security group rule {rule_id}", plan)


def rules_of_new(service: Service, group: SecurityGroup, *, is_default: bool) -> list[SecurityGroupRule]:
    """The rules that a new group gets. One whose remote group or address group is gone is left out."""
    db = service.db
    found = []
    for rule in default_rules(db):
        said = {name: getattr(rule, name) for name in SAYS}
        if said["remote_group_id"] == PARENT:
            said["remote_group_id"] = group.id
        elif rule.remote_group_id and rule.remote_group_id not in db.security_groups:
            continue
        if rule.remote_address_group_id and rule.remote_address_group_id not in db.address_groups:
            continue
        if rule.used_in_default_sg if is_default else rule.used_in_non_default_sg:
            found.append(_of_group(group, said))
    return found


def _of_group(group: SecurityGroup, said: Mapping[str, object]) -> SecurityGroupRule:
    return SecurityGroupRule(
        id=new_id(),
        project_id=group.project_id,
        revision_number=FIRST_REVISION,
        created_at=group.created_at,
        updated_at=group.created_at,
        security_group_id=group.id,
        **said,  # type: ignore[arg-type]
    )


def _new(spec: DefaultSecurityGroupRuleSpec) -> DefaultSecurityGroupRule:
    checked = canonical(SecurityGroupRuleSpec(**{name: getattr(spec, name) for name in SAYS}))
    said = {name: getattr(checked, name) or None for name in SAYS}
    used = (spec.used_in_default_sg, spec.used_in_non_default_sg)
    text = msgspec.json.encode((rule_key(checked), used)).decode()
    rule = DefaultSecurityGroupRule(
        id=str(uuid.uuid5(IDS, text)),
        description=spec.description,
        used_in_default_sg=spec.used_in_default_sg,
        used_in_non_default_sg=spec.used_in_non_default_sg,
        **said,  # type: ignore[arg-type]
    )
    same = (one.id for one in BUILT_IN.values() if _key(one) == _key(rule) and _used(one) == used)
    return msgspec.structs.replace(rule, id=next(same, rule.id))


def _write(service: Service, rule: DefaultSecurityGroupRule) -> Write:
    """The rule takes its place, also that of a built-in one which was removed."""
    old = service.db.default_security_group_rules.get(rule.id)
    return Insert(rule) if old is None else Update(old, rule)


def _used(rule: DefaultSecurityGroupRule) -> tuple[bool, bool]:
    return rule.used_in_default_sg, rule.used_in_non_default_sg


def _key(rule: DefaultSecurityGroupRule) -> RuleKey:
    return rule_key(SecurityGroupRuleSpec(**{name: getattr(rule, name) for name in SAYS}))


def _says_the_same(one: DefaultSecurityGroupRule, other: DefaultSecurityGroupRule) -> bool:
    """Whether some group would get both, though they say the same."""
    return _key(one) == _key(other) and any(map(all, zip(_used(one), _used(other), strict=True)))
