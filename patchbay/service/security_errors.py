"""Errors of security groups, address groups and port security, named and worded as Neutron's.

From neutron ``extensions/securitygroup.py`` and neutron-lib ``exceptions/address_group.py``, ``port_security.py``,
``allowedaddresspairs.py``.
"""

from collections.abc import Iterable, Sequence

from patchbay.errors import BadRequest, Conflict, NotFound
from patchbay.model.protocols import IP_PROTOCOLS, WITH_PORTS


class SecurityGroupNotFound(NotFound):
    """No such group, or several that are not there."""

    def __init__(self, group_id: str) -> None:
        super().__init__(f"Security group {group_id} does not exist")


class SecurityGroupRuleNotFound(NotFound):
    """No such rule."""

    def __init__(self, rule_id: str) -> None:
        super().__init__(f"Security group rule {rule_id} does not exist")


class DefaultSecurityGroupRuleNotFound(NotFound):
    """No such rule among those that new groups get."""

    def __init__(self, rule_id: str) -> None:
        super().__init__(f"Default Security Group rule {rule_id} does not exist")


class AddressGroupNotFound(NotFound):
    """No such address group."""

    def __init__(self, address_group_id: str) -> None:
        super().__init__(f"Address group {address_group_id} could not be found.")


class AddressesNotFound(NotFound):
    """The group has not got what should be taken from it."""

    def __init__(self, addresses: Sequence[str], address_group_id: str) -> None:
        super().__init__(f"Addresses {list(addresses)} not found in the address group {address_group_id}.")


class AddressesAlreadyExist(BadRequest):
    """The group has what should be added to it."""

    def __init__(self, addresses: Sequence[str], address_group_id: str) -> None:
        super().__init__(f"Addresses {list(addresses)} already exist in the address group {address_group_id}.")


class AddressGroupInUse(Conflict):
    """A rule names the address group."""

    def __init__(self, address_group_id: str) -> None:
        super().__init__(
            f"Address group {address_group_id} is in use on one or more security group rules.",
            "Delete those rules first.",
        )


class SecurityGroupInUse(Conflict):
    """Ports are in the group."""

    def __init__(self, group_id: str) -> None:
        super().__init__(f"Security Group {group_id} in use.", "Take the group from its ports first.")


class SecurityGroupDefaultAlreadyExists(Conflict):
    """The name is that of the group which every project has."""

    def __init__(self) -> None:
        super().__init__("Default security group already exists.", "Choose another name.")


class SecurityGroupCannotRemoveDefault(Conflict):
    """Only an administrator may delete it."""

    def __init__(self) -> None:
        super().__init__("Insufficient rights for removing default security group.")


class SecurityGroupCannotUpdateDefault(Conflict):
    """The group ``default`` keeps its name."""

    def __init__(self) -> None:
        super().__init__("Updating default security group not allowed.")


class SecurityGroupConflict(Conflict):
    """Groups that cannot be together on a port."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Error {reason} while attempting the operation.")


class SecurityGroupRuleExists(Conflict):
    """The group has a rule that says the same."""

    def __init__(self, rule_id: str) -> None:
        super().__init__(f"Security group rule already exists. Rule id is {rule_id}.")


class DefaultSecurityGroupRuleExists(Conflict):
    """New groups get a rule that says the same."""

    def __init__(self, rule_id: str) -> None:
        super().__init__(f"Default Security group rule already exists. Rule id is {rule_id}.")


class DuplicateDefaultSgRuleInPost(Conflict):
    """Two rules of one request say the same."""

    def __init__(self) -> None:
        super().__init__("Duplicate Default Security Group Rule in POST.")


class DuplicateSecurityGroupRuleInPost(Conflict):
    """Two rules of one request say the same."""

    def __init__(self) -> None:
        super().__init__("Duplicate Security Group Rule in POST.")


class SecurityGroupNotSingleGroupRules(BadRequest):
    """The rules of one request are of several groups."""

    def __init__(self) -> None:
        super().__init__("Only allowed to update rules for one security profile at a time")


class SecurityGroupRulesNotSingleProject(BadRequest):
    """The rules of one request are of several projects."""

    def __init__(self) -> None:
        super().__init__("Multiple project_ids in bulk security group rule create not allowed")


class SecurityGroupRuleInvalidProtocol(BadRequest):
    """Neither a name that is known nor a number of eight bits."""

    def __init__(self, protocol: object) -> None:
        names = (None, "any", *IP_PROTOCOLS)
        super().__init__(
            f"Security group rule protocol {protocol} not supported. Only protocol values {names} and integer "
            "representations [0 to 255] are supported."
        )


class SecurityGroupRuleInvalidEtherType(BadRequest):
    """Neither IPv4 nor IPv6."""

    def __init__(self, ethertype: object, values: Iterable[str]) -> None:
        super().__init__(
            f"Security group rule for ethertype '{ethertype}' not supported. Allowed values are {list(values)}."
        )


class SecurityGroupInvalidPortValue(BadRequest):
    """No number of a port."""

    def __init__(self, port: object) -> None:
        super().__init__(f"Invalid value for port {port}")


class SecurityGroupInvalidPortRange(BadRequest):
    """The range ends before it begins, or is half given."""

    def __init__(self) -> None:
        super().__init__("For TCP/UDP protocols, port_range_min must be <= port_range_max", "Give both ends.")


class SecurityGroupProtocolRequiredWithPorts(BadRequest):
    """Ports of what protocol?"""

    def __init__(self) -> None:
        super().__init__("Must also specify protocol if port range is given.")


class SecurityGroupInvalidProtocolForPort(BadRequest):
    """The protocol has no ports."""

    def __init__(self, protocol: int) -> None:
        names = ", ".join(name.upper() for name in WITH_PORTS)
        super().__init__(f"Ports cannot be specified for protocol {protocol}. Ports are only supported for {names}.")


class SecurityGroupInvalidIcmpValue(BadRequest):
    """No ICMP type or code."""

    def __init__(self, field: str, attribute: str, value: int) -> None:
        super().__init__(f"Invalid value for ICMP {field} ({attribute}) {value}. It must be 0 to 255.")


class SecurityGroupMissingIcmpType(BadRequest):
    """A code of what type?"""

    def __init__(self, value: int) -> None:
        super().__init__(f"ICMP code (port-range-max) {value} is provided but ICMP type (port-range-min) is missing.")


class SecurityGroupEthertypeConflictWithProtocol(BadRequest):
    """A protocol of IPv6 in a rule of IPv4."""

    def __init__(self, ethertype: str, protocol: str) -> None:
        super().__init__(f"Invalid ethertype {ethertype} for protocol {protocol}.")


class SecurityGroupRuleParameterConflict(BadRequest):
    """A prefix of one IP version in a rule of the other."""

    def __init__(self, ethertype: str, cidr: str) -> None:
        super().__init__(f"Conflicting value ethertype {ethertype} for CIDR {cidr}")


class SecurityGroupMultipleRemoteEntites(BadRequest):
    """Misspelled so in Neutron, whose clients know it by this name."""

    def __init__(self) -> None:
        super().__init__("Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.")


class InvalidCIDR(BadRequest):
    """No prefix."""

    def __init__(self, given: object) -> None:
        super().__init__(f"Invalid CIDR {given} given as IP prefix.")


class PortSecurityAndIPRequiredForSecurityGroups(BadRequest):
    """Groups are for ports with port security."""

    def __init__(self) -> None:
        super().__init__(
            "Port security must be enabled and port must have an IP address in order to use security groups."
        )


class PortSecurityPortHasSecurityGroup(Conflict):
    """Port security cannot go while groups rely on it."""

    def __init__(self) -> None:
        super().__init__(
            "Port has security group associated. Cannot disable port security or IP address until security group is "
            "removed.",
            "Give an empty list of security_groups as well.",
        )


class AddressPairAndPortSecurityRequired(Conflict):
    """Without port security every address is allowed."""

    def __init__(self) -> None:
        super().__init__("Port Security must be enabled in order to have allowed address pairs on a port.")
