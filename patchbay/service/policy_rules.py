"""The conditions that policies are made of: of a caller and what the request is about. Administrators may everything.

Names as in Neutron: a *member* changes what its project has, a *reader* only looks.
"""

from collections.abc import Callable

import msgspec

from patchbay.service.context import RequestContext


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What rules look at: the owner of the object, of its network or security group, and who it is shared with.

    ``network_project`` and ``group_project`` are None when the object has no network or group.
    """

    project_id: str
    network_project: str | None = None
    is_network_shared: bool = False
    group_project: str | None = None
    device_owner: str = ""
    target_project: str = ""


Rule = Callable[[RequestContext, Target], bool]


def nobody(_context: RequestContext, _target: Target) -> bool:
    """Administrators only."""
    return False


def anybody(_context: RequestContext, _target: Target) -> bool:
    """Whoever sees the object; who that is, ``patchbay.service.access.is_visible`` says."""
    return True


def project_member(context: RequestContext, target: Target) -> bool:
    """A member of the object's project."""
    return "member" in context.roles and target.project_id == context.project_id


def project_reader(context: RequestContext, target: Target) -> bool:
    """A reader of the object's project."""
    return "reader" in context.roles and target.project_id == context.project_id


def project_manager(context: RequestContext, target: Target) -> bool:
    """A manager of the object's project."""
    return "manager" in context.roles and target.project_id == context.project_id


def any_member(context: RequestContext, _target: Target) -> bool:
    """A member of whatever project; for what only the owner's project sees."""
    return "member" in context.roles


def network_member(context: RequestContext, target: Target) -> bool:
    """A member of the project that owns the network."""
    return "member" in context.roles and target.network_project == context.project_id


def network_manager(context: RequestContext, target: Target) -> bool:
    """A manager of the project that owns the network."""
    return "manager" in context.roles and target.network_project == context.project_id


def shared_network(context: RequestContext, target: Target) -> bool:
    """A member, on a network that is shared with its project."""
    return "member" in context.roles and target.is_network_shared


def group_member(context: RequestContext, target: Target) -> bool:
    """A member of the project that owns the security group."""
    return "member" in context.roles and target.group_project == context.project_id


def ordinary_device(_context: RequestContext, target: Target) -> bool:
    """The port is for nothing of the network's own (``device_owner`` network:…)."""
    return not target.device_owner.startswith("network:")


def one_project(_context: RequestContext, target: Target) -> bool:
    """The policy is for one project, not for all."""
    return target.target_project != "*"


def any_of(*rules: Rule) -> Rule:
    """At least one of the rules."""
    return lambda context, target: any(rule(context, target) for rule in rules)
