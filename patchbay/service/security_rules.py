"""What a security group rule may say, and when two say the same (Neutron's ``_validate_security_group_rule``).

Pure: knows nothing of groups and projects.
"""

from ipaddress import ip_interface

import msgspec

from patchbay.model import SecurityGroupRule
from patchbay.model.protocols import ICMP, ICMPV6, IP_PROTOCOLS, ONLY_IPV6, WITH_PORTS, protocol_number
from patchbay.model.security import IPV4, IPV6
from patchbay.service.security_errors import (
    SecurityGroupEthertypeConflictWithProtocol,
    SecurityGroupInvalidIcmpValue,
    SecurityGroupInvalidPortRange,
    SecurityGroupInvalidPortValue,
    SecurityGroupInvalidProtocolForPort,
    SecurityGroupMissingIcmpType,
    SecurityGroupMultipleRemoteEntites,
    SecurityGroupProtocolRequiredWithPorts,
    SecurityGroupRuleParameterConflict,
)
from patchbay.service.security_specs import SecurityGroupRuleSpec

_PORT_NUMBERS = frozenset(IP_PROTOCOLS[name] for name in WITH_PORTS)
_IPV6_NUMBERS = frozenset(IP_PROTOCOLS[name] for name in ONLY_IPV6)
ALL_PORTS = (1, 65535)
EVERYBODY = (None, "0.0.0.0/0", "::/0")

RuleKey = tuple[object, ...]


def canonical(spec: SecurityGroupRuleSpec) -> SecurityGroupRuleSpec:
    """The rule as it is kept: old names of ICMPv6 replaced, a range of all ports left out.

    Raises the errors of ``patchbay.service.security_errors`` for a rule that contradicts itself.
    """
    spec = msgspec.structs.replace(spec, protocol=_protocol(spec.ethertype, spec.protocol))
    if (spec.port_range_min, spec.port_range_max) == ALL_PORTS:
        spec = msgspec.structs.replace(spec, port_range_min=None, port_range_max=None)
    _check_ports(spec)
    prefix = spec.remote_ip_prefix
    if prefix is not None and ip_interface(prefix).version != int(spec.ethertype[-1]):
        raise SecurityGroupRuleParameterConflict(spec.ethertype, prefix)
    protocol = spec.protocol
    if protocol is not None and spec.ethertype == IPV4 and protocol_number(protocol) in _IPV6_NUMBERS:
        raise SecurityGroupEthertypeConflictWithProtocol(spec.ethertype, protocol)
    if sum(1 for each in (prefix, spec.remote_group_id, spec.remote_address_group_id) if each) > 1:
        raise SecurityGroupMultipleRemoteEntites
    return spec


def _protocol(ethertype: str, protocol: str | None) -> str | None:
    """ICMP in a rule of IPv6 is ICMPv6."""
    if ethertype != IPV6:
        return protocol
    return {"icmp": "ipv6-icmp", "icmpv6": "ipv6-icmp", str(ICMP): str(ICMPV6)}.get(protocol or "", protocol)


def _check_ports(spec: SecurityGroupRuleSpec) -> None:
    first, last = spec.port_range_min, spec.port_range_max
    if first is None and last is None:
        return
    if not spec.protocol:
        raise SecurityGroupProtocolRequiredWithPorts
    number = protocol_number(spec.protocol)
    if number in _PORT_NUMBERS:
        if 0 in (first, last):
            raise SecurityGroupInvalidPortValue(0)
        if first is None or last is None or first > last:
            raise SecurityGroupInvalidPortRange
    elif number in (ICMP, ICMPV6):
        _check_icmp(first, last)
    else:
        raise SecurityGroupInvalidProtocolForPort(number)


def _check_icmp(kind: int | None, code: int | None) -> None:
    for value, field, attribute in ((kind, "type", "port_range_min"), (code, "code", "port_range_max")):
        if value is not None and not 0 <= value <= 255:
            raise SecurityGroupInvalidIcmpValue(field, attribute, value)
    if kind is None and code is not None:
        raise SecurityGroupMissingIcmpType(code)


def rule_key(rule: SecurityGroupRuleSpec | SecurityGroupRule) -> RuleKey:
    """Equal for two rules that say the same: protocols by number, a prefix of everybody as none."""
    protocol = _protocol(rule.ethertype, rule.protocol)
    return (
        rule.security_group_id,
        rule.direction,
        rule.ethertype,
        None if protocol is None else protocol_number(protocol),
        rule.port_range_min,
        rule.port_range_max,
        None if rule.remote_ip_prefix in EVERYBODY else rule.remote_ip_prefix,
        rule.remote_group_id,
        rule.remote_address_group_id,
    )
