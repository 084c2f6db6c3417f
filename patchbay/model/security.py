"""Security groups, address groups and who may use what (Neutron API reference: "Security groups", "RBAC Policies")."""

import msgspec

from patchbay.model.resource import Resource

INGRESS, EGRESS = "ingress", "egress"
IPV4, IPV6 = "IPv4", "IPv6"
DEFAULT_GROUP = "default"
"""The name of the group that every project has, and that its ports are in when nothing else is said."""
PARENT = "PARENT"
"""In a rule for new groups, in place of a remote group: the group that gets the rule."""


class SecurityGroup(Resource, frozen=True, kw_only=True):
    """A set of rules; what no rule of a port's groups allows is dropped.

    ``stateful`` groups also allow what answers; the rules of others are matched packet by packet. The ports of a group
    have its id in ``Port.security_groups``.
    """

    stateful: bool = True


class SecurityGroupRule(Resource, frozen=True, kw_only=True):
    """What a group allows: traffic to its ports (``ingress``) or from them (``egress``), of one IP version.

    ``protocol`` is a name or number as it was given, None for all. The port range is that of the destination, or ICMP
    type and code. At most one remote: a CIDR, the addresses of a group's ports, or those of an address group; none is
    everybody.
    """

    security_group_id: str
    direction: str
    ethertype: str = IPV4
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    remote_address_group_id: str | None = None


class DefaultSecurityGroupRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that new groups begin with: the groups ``default``, the others, or both.

    ``remote_group_id`` may be ``PARENT``: the group that gets the rule. ``is_removed`` is kept of a rule that every
    service has from the start and an administrator took away.
    """

    id: str
    direction: str
    ethertype: str = IPV4
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    remote_address_group_id: str | None = None
    description: str = ""
    used_in_default_sg: bool = False
    used_in_non_default_sg: bool = True
    is_removed: bool = False


class AddressGroup(Resource, frozen=True, kw_only=True):
    """CIDRs that rules name together."""

    addresses: tuple[str, ...] = ()


class RBACPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Another project's (or, ``*``, everybody's) use of an object.

    ``object_type`` is Neutron's (``network``, ``security_group``, ``subnetpool``, ``address_scope``,
    ``address_group``), ``action`` ``access_as_shared`` or ``access_as_external``.
    """

    id: str
    project_id: str
    object_type: str
    object_id: str
    action: str
    target_project: str


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a project that differ from the defaults: resource (``network``) to limit, -1 is none.

    ``revision_number`` grows with each creation in the project that a limit counts, so that two at once are not both
    the last one that fits.
    """

    id: str
    project_id: str
    limits: dict[str, int] = {}
    revision_number: int = 0
