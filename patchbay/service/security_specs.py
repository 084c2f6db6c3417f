"""What a caller asks for of security groups, their rules and address groups; see ``specs`` for what ``UNSET`` means."""

import msgspec
from msgspec import UNSET, UnsetType

from patchbay.model.security import IPV4


class SecurityGroupSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A security group as asked for."""

    project_id: str = ""
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    stateful: bool | UnsetType = UNSET


class RuleSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule lets in or out, and from or to whom."""

    direction: str = ""
    ethertype: str = IPV4
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    remote_address_group_id: str | None = None


class SecurityGroupRuleSpec(RuleSpec, frozen=True, kw_only=True):
    """A rule as asked for; rules are never changed. ``name`` is always left out: rules have none."""

    project_id: str = ""
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    security_group_id: str = ""


class AddressGroupSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An address group as asked for. ``addresses`` count on create only."""

    project_id: str = ""
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    addresses: tuple[str, ...] = ()


class DefaultSecurityGroupRuleSpec(RuleSpec, frozen=True, kw_only=True):
    """A rule for new groups as asked for: for the groups ``default``, for the others, or both."""

    description: str = ""
    used_in_default_sg: bool = False
    used_in_non_default_sg: bool = True
