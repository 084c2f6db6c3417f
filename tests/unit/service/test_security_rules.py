"""Rules of security groups: how they are kept, and when two say the same."""

import pytest

from patchbay.model.protocols import IP_PROTOCOLS, ONLY_IPV6, WITH_PORTS, protocol_number
from patchbay.service.security_errors import (
    SecurityGroupEthertypeConflictWithProtocol,
    SecurityGroupInvalidProtocolForPort,
)
from patchbay.service.security_rules import canonical, rule_key
from patchbay.service.security_specs import SecurityGroupRuleSpec


def spec(ethertype: str = "IPv4", protocol: str | None = None, first: int | None = None, last: int | None = None,
         prefix: str | None = None) -> SecurityGroupRuleSpec:  # fmt: skip
    return SecurityGroupRuleSpec(
        direction="ingress",
        ethertype=ethertype,
        protocol=protocol,
        port_range_min=first,
        port_range_max=last,
        remote_ip_prefix=prefix,
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (spec(protocol="tcp"), spec(protocol="6")),
        (spec("IPv6", "icmpv6"), spec("IPv6", "ipv6-icmp")),
        (spec("IPv6", "icmp"), spec("IPv6", "58")),
        (spec("IPv6", "1"), spec("IPv6", "ipv6-icmp")),
        (spec(prefix="0.0.0.0/0"), spec()),
        (spec("IPv6", prefix="::/0"), spec("IPv6")),
        (spec(protocol="tcp", first=1, last=65535), spec(protocol="tcp")),
        (spec(protocol="ip"), spec(protocol="hopopt")),
    ],
)
def test_rules_that_say_the_same_have_one_key(one: SecurityGroupRuleSpec, other: SecurityGroupRuleSpec) -> None:
    assert rule_key(canonical(one)) == rule_key(canonical(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (spec(), spec("IPv6")),
        (spec(protocol="tcp"), spec(protocol="udp")),
        (spec(protocol="tcp"), spec()),
        (spec(protocol="0"), spec()),
        (spec(prefix="10.0.0.0/8"), spec()),
        (spec(protocol="icmp", first=8), spec(protocol="icmp", first=8, last=0)),
        (spec(protocol="icmp"), spec("IPv6", "icmp")),
    ],
)
def test_rules_that_say_something_else_have_another(one: SecurityGroupRuleSpec, other: SecurityGroupRuleSpec) -> None:
    assert rule_key(canonical(one)) != rule_key(canonical(other))


@pytest.mark.parametrize("protocol", IP_PROTOCOLS)
def test_a_protocol_is_the_same_by_name_and_by_number(protocol: str) -> None:
    number = str(protocol_number(protocol))
    for name in (protocol, number):
        if protocol in ONLY_IPV6:
            with pytest.raises(SecurityGroupEthertypeConflictWithProtocol):
                canonical(spec(protocol=name))
        else:
            assert canonical(spec(protocol=name)).protocol == name
        if protocol in WITH_PORTS:
            assert canonical(spec(protocol=name, first=5, last=6)).port_range_max == 6
        elif protocol not in ("icmp", "ipv6-icmp", "icmpv6"):
            with pytest.raises(SecurityGroupInvalidProtocolForPort, match=f"protocol {number}. Ports are only"):
                canonical(spec("IPv6", name, 5, 6))
