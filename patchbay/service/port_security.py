"""Port security and security groups of ports: what a new port gets, and what a change of them needs.

Neutron's ``_portsec_ext_port_create_processing`` and ``_portsec_ext_port_update_processing``. Ports that belong to the
network itself (``device_owner`` beginning ``network:``) have neither.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET

from patchbay.intent.database import Update, Write
from patchbay.model import Port, SecurityGroup
from patchbay.service.context import RequestContext
from patchbay.service.errors import NetworkNotFound
from patchbay.service.security_errors import (
    AddressPairAndPortSecurityRequired,
    PortSecurityAndIPRequiredForSecurityGroups,
    PortSecurityPortHasSecurityGroup,
    SecurityGroupConflict,
    SecurityGroupNotFound,
)
from patchbay.service.security_groups import default_group_id, get_security_group, missing_default
from patchbay.service.service import Service
from patchbay.service.specs import PortSpec

TRUSTED = "network:"
"""What the ``device_owner`` of ports of the network itself begins with."""

Protection = tuple[bool, tuple[str, ...]]
"""Whether a port has port security, and the ids of its groups."""


def protection(service: Service, context: RequestContext, spec: PortSpec) -> Protection:
    """What a new port gets: what is asked for, else what its network says and the group ``default``.

    That group need not be there yet: see ``missing_defaults``. Raises AddressPairAndPortSecurityRequired,
    PortSecurityAndIPRequiredForSecurityGroups, SecurityGroupNotFound, SecurityGroupConflict.
    """
    if not _is_enabled(service, spec):
        if spec.allowed_address_pairs:
            raise AddressPairAndPortSecurityRequired
        if spec.security_groups:
            raise PortSecurityAndIPRequiredForSecurityGroups
        return False, ()
    project_id = spec.project_id or context.project_id
    if spec.security_groups is UNSET:
        return True, (default_group_id(project_id),)
    return True, checked_groups(service, context, project_id, spec.security_groups)


def _is_enabled(service: Service, spec: PortSpec) -> bool:
    if spec.device_owner and spec.device_owner.startswith(TRUSTED):
        return False
    if spec.port_security_enabled is not UNSET:
        return spec.port_security_enabled
    if spec.security_groups is not UNSET and (spec.fixed_ips is UNSET or spec.fixed_ips):
        return True
    network = service.db.networks.get(spec.network_id)
    if network is None:
        raise NetworkNotFound(spec.network_id)
    return network.port_security_enabled


def checked_groups(
    service: Service, context: RequestContext, project_id: str, group_ids: Iterable[str]
) -> tuple[str, ...]:
    """The groups, once each. Raises SecurityGroupNotFound for those that the port's project may not use."""
    owner = msgspec.structs.replace(context, project_id=project_id)
    groups: list[SecurityGroup] = []
    missing: list[str] = []
    for group_id in sorted(set(group_ids)):
        try:
            groups.append(get_security_group(service, owner, group_id))
        except SecurityGroupNotFound:
            missing.append(group_id)
    if missing:
        raise SecurityGroupNotFound(", ".join(missing))
    if len({group.stateful for group in groups}) > 1:
        raise SecurityGroupConflict(
            "Cannot apply both stateful and stateless security groups on the same port at the same time"
        )
    return tuple(group.id for group in groups)


def secured(service: Service, context: RequestContext, old: Port, new: Port, spec: PortSpec) -> Port:
    """``new`` with the port security and groups that ``spec`` asks for.

    A port that becomes the network's loses both. Raises as ``protection``, and PortSecurityPortHasSecurityGroup when
    port security should go and groups stay.
    """
    wanted, is_trusted = spec.security_groups, new.device_owner.startswith(TRUSTED)
    if (spec.port_security_enabled, wanted, spec.allowed_address_pairs) == (UNSET, UNSET, UNSET):
        if is_trusted:
            return msgspec.structs.replace(new, port_security_enabled=False, security_groups=())
        return new
    enabled = old.port_security_enabled if spec.port_security_enabled is UNSET else spec.port_security_enabled
    enabled, groups = enabled and not is_trusted, old.security_groups
    if not enabled:
        if new.allowed_address_pairs:
            raise AddressPairAndPortSecurityRequired
        if wanted:
            raise PortSecurityAndIPRequiredForSecurityGroups
        if wanted is UNSET and groups and not is_trusted:
            raise PortSecurityPortHasSecurityGroup
        groups = ()
    elif wanted is not UNSET and set(wanted) != set(groups):
        groups = checked_groups(service, context, old.project_id, wanted)
    return msgspec.structs.replace(new, port_security_enabled=enabled, security_groups=groups)


def missing_defaults(service: Service, ports: Sequence[Port]) -> list[Write]:
    """What makes the default groups that new ports are in, where they are not there yet."""
    projects = {port.project_id for port in ports if port.security_groups == (default_group_id(port.project_id),)}
    return [write for project_id in sorted(projects) for write in missing_default(service, project_id)]


def guards(service: Service, ports: Sequence[Port]) -> list[Write]:
    """Writes that fail when a group which shares a port with others, or is another project's, is changed meanwhile.

    All of a port's groups must stay stateful, or stateless, and shared with it.
    """
    present = service.db.security_groups
    groups = {
        id_: present[id_]
        for port in ports
        for id_ in port.security_groups
        if id_ in present and (len(port.security_groups) > 1 or present[id_].project_id != port.project_id)
    }
    return [Update(groups[id_], groups[id_]) for id_ in sorted(groups)]
