"""/v2.0/default-security-group-rules: the rules that new groups get (API reference, "Security group default rules").

They are Neutron's and cannot be changed: there is GET only.
"""

import uuid
from collections.abc import Iterable

import msgspec

from patchbay.api.neutron import checks
from patchbay.api.neutron.attributes import READ_ONLY, Attribute, Attributes
from patchbay.api.neutron.resource import Collection, Filters, View
from patchbay.api.neutron.security_group_rules import RULE
from patchbay.model.security import EGRESS, INGRESS, IPV4, IPV6
from patchbay.service.context import RequestContext
from patchbay.service.security_errors import DefaultSecurityGroupRuleNotFound
from patchbay.service.service import Service

PARENT = "PARENT"
"""In place of a remote group: the group that gets the rule."""
IDS = uuid.UUID("2c6f1a90-8e5d-5c0b-a7f4-61d3e9b80f25")


class DefaultRule(msgspec.Struct, frozen=True, kw_only=True):
    """One of the rules."""

    id: str
    direction: str
    ethertype: str
    remote_group_id: str | None = None
    used_in_default_sg: bool = True
    used_in_non_default_sg: bool = True


def _rule(direction: str, ethertype: str) -> DefaultRule:
    is_inner = direction == INGRESS
    return DefaultRule(
        id=str(uuid.uuid5(IDS, f"{direction} {ethertype}")),
        direction=direction,
        ethertype=ethertype,
        remote_group_id=PARENT if is_inner else None,
        used_in_non_default_sg=not is_inner,
    )


DEFAULT_RULES = {
    rule.id: rule for rule in (_rule(way, version) for way in (EGRESS, INGRESS) for version in (IPV4, IPV6))
}

ATTRIBUTES: Attributes = {
    "id": READ_ONLY,
    "description": READ_ONLY,
    **{name: msgspec.structs.replace(attribute, post=False, is_required=False) for name, attribute in RULE.items()},
    "used_in_default_sg": Attribute(convert=checks.to_bool, is_sort_key=False),
    "used_in_non_default_sg": Attribute(convert=checks.to_bool, is_sort_key=False),
}


def view_default_rule(_service: Service, rule: DefaultRule) -> View:
    """The rule as the API shows it."""
    return {
        "id": rule.id,
        "direction": rule.direction,
        "ethertype": rule.ethertype,
        "protocol": None,
        "port_range_min": None,
        "port_range_max": None,
        "remote_ip_prefix": None,
        "remote_group_id": rule.remote_group_id,
        "remote_address_group_id": None,
        "description": "",
        "used_in_default_sg": rule.used_in_default_sg,
        "used_in_non_default_sg": rule.used_in_non_default_sg,
    }


def _encoded(service: Service, rule: DefaultRule) -> bytes:
    return msgspec.json.encode(view_default_rule(service, rule))


def _get(_service: Service, _context: RequestContext, rule_id: str) -> DefaultRule:
    if rule_id not in DEFAULT_RULES:
        raise DefaultSecurityGroupRuleNotFound(rule_id)
    return DEFAULT_RULES[rule_id]


def _candidates(_service: Service, _context: RequestContext, filters: Filters) -> Iterable[DefaultRule]:
    return [rule for rule in DEFAULT_RULES.values() if rule.id in filters.get("id", (rule.id,))]


DEFAULT_SECURITY_GROUP_RULES = Collection(
    name="default_security_group_rules",
    member="default_security_group_rule",
    attributes={name: msgspec.structs.replace(attribute, field="") for name, attribute in ATTRIBUTES.items()},
    indexed=frozenset(),
    candidates=_candidates,
    get=_get,
    view=view_default_rule,
    encoded=_encoded,
)
