"""Why something is allowed or dropped: the same verdict as Neutron's semantics give, and the rule that says so."""

from hypothesis import given
from hypothesis import strategies as st

from patchbay.compile.security_reasons import Packet, describe, known_of, reasons
from patchbay.model import AddressGroup, FixedIP, Port, SecurityGroup, SecurityGroupRule
from patchbay.model.port import AddressPair
from tests.functional.security import model

ADDRESSES = {"a": ("10.0.0.1", "fd00::1"), "b": ("10.0.0.2", "fd00::2")}
GROUPS, LIST = ("group-1", "group-2"), "list"
PREFIXES = {"IPv4": ("10.0.0.2/32", "10.0.0.0/30", "192.0.2.0/24"), "IPv6": ("fd00::/127", "fd00::2/128")}
LISTED = frozenset(("10.0.0.2/31", "fd00::1/128"))


def port(name: str, groups: frozenset[str], **more: object) -> Port:
    fixed = tuple(FixedIP("subnet", address) for address in ADDRESSES[name])
    return Port(
        id=name,
        network_id="net",
        mac_address=f"fa:16:3e:00:00:0{'ab'.index(name)}",
        fixed_ips=fixed,
        security_groups=tuple(groups),
        **more,  # type: ignore[arg-type]  # whatever a port may have
    )


@st.composite
def rules(draw: st.DrawFn) -> SecurityGroupRule:
    ethertype = draw(st.sampled_from(("IPv4", "IPv6")))
    protocol = draw(st.sampled_from((None, "tcp", "udp", "icmp", "47")))
    low = high = None
    if protocol in ("tcp", "udp") and draw(st.booleans()):
        low, high = sorted((draw(st.integers(79, 82)), draw(st.integers(79, 82))))
    elif protocol == "icmp" and draw(st.booleans()):
        low, high = draw(st.sampled_from((0, 3, 8, 128))), draw(st.sampled_from((None, 0, 1)))
    remote = draw(st.sampled_from(("", "remote_ip_prefix", "remote_group_id", "remote_address_group_id")))
    named = {"remote_ip_prefix": st.sampled_from(PREFIXES[ethertype]), "remote_group_id": st.sampled_from(GROUPS)}
    return SecurityGroupRule(
        id=str(draw(st.uuids())),
        security_group_id=draw(st.sampled_from(GROUPS)),
        direction=draw(st.sampled_from(("ingress", "egress"))),
        ethertype=ethertype,
        protocol=protocol,
        port_range_min=low,
        port_range_max=high,
        **({remote: draw(named.get(remote, st.just(LIST)))} if remote else {}),
    )


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    version = draw(st.integers(0, 1))
    protocol = draw(st.sampled_from((6, 17, 47, 1 if version == 0 else 58)))
    first, last = None, None
    if protocol in (6, 17):
        first = last = draw(st.integers(78, 83))
    elif protocol != 47:
        first, last = draw(st.sampled_from((0, 3, 8, 128))), draw(st.sampled_from((0, 1)))
    return Packet(ADDRESSES["a"][version], ADDRESSES["b"][version], protocol, first, last)


memberships = st.frozensets(st.sampled_from(GROUPS))


@given(st.lists(rules(), max_size=8, unique_by=lambda rule: rule.id), memberships, memberships, packets())
def test_the_verdict_is_neutrons(
    known_rules: list[SecurityGroupRule], of_a: frozenset[str], of_b: frozenset[str], packet: Packet
) -> None:
    ports = {"a": port("a", of_a), "b": port("b", of_b)}
    known = known_of([SecurityGroup(id=each) for each in GROUPS], known_rules, [groups_of_list()], ports.values())
    found = reasons(known, ports["a"], ports["b"], packet)
    network = model.Network(
        known_rules,
        {"a": of_a, "b": of_b},
        {name: frozenset(addresses) for name, addresses in ADDRESSES.items()},
        {LIST: LISTED},
    )
    wanted = model.Packet(packet.source, packet.target, packet.protocol, packet.first or 0, packet.last or 0)
    expected = [model.allows(network, "a", "egress", wanted), model.allows(network, "b", "ingress", wanted)]
    assert [finding.is_allowed for finding in found if not finding.is_answer] == expected
    for finding in found:
        assert finding.is_allowed == any(not judged.missed for judged in finding.rules)


def groups_of_list() -> AddressGroup:
    return AddressGroup(id=LIST, addresses=tuple(sorted(LISTED)))


def rule(direction: str, **more: object) -> SecurityGroupRule:
    return SecurityGroupRule(
        id=f"{direction} {more}",
        security_group_id="group-1",
        direction=direction,
        **more,  # type: ignore[arg-type]  # whatever a rule may have
    )


def test_a_stateless_group_needs_a_rule_for_the_answer() -> None:
    one, other = port("a", frozenset()), port("b", frozenset({"group-1"}))
    free = port("a", frozenset(), port_security_enabled=False)
    asked = [rule("ingress", protocol="tcp", port_range_min=80, port_range_max=80)]
    packet = Packet("10.0.0.1", "10.0.0.2", 6, 80, 80)
    for stateful, answers, allowed in ((True, [], [True, True]), (False, [], [True, True, False])):
        known = known_of([SecurityGroup(id="group-1", stateful=stateful)], [*asked, *answers], [], [one, other])
        assert [finding.is_allowed for finding in reasons(known, free, other, packet)] == allowed
    known = known_of([SecurityGroup(id="group-1", stateful=False)], [*asked, rule("egress")], [], [one, other])
    assert [finding.is_allowed for finding in reasons(known, free, other, packet)] == [True, True, True]


def test_port_security_comes_before_rules() -> None:
    known = known_of([SecurityGroup(id="group-1")], [rule("egress")], [], [])
    mallory = port("a", frozenset({"group-1"}))
    finding, _ = reasons(known, mallory, port("b", frozenset()), Packet("10.0.0.9", "10.0.0.2", 6, 80, 80))
    assert not finding.is_allowed
    assert "10.0.0.9 is neither its own address nor in an allowed address pair" in finding.why
    pair = (AddressPair("10.0.0.8/30", "fa:16:3e:00:00:00"),)
    paired = port("a", frozenset({"group-1"}), allowed_address_pairs=pair)
    assert reasons(known, paired, None, Packet("10.0.0.9", "10.0.0.2", 6, 80, 80))[0].is_allowed


def test_each_rule_says_why_it_does_not_allow() -> None:
    asked = [
        rule("ingress", protocol="tcp", port_range_min=5432, port_range_max=5432, remote_group_id="group-2"),
        rule("ingress", protocol="tcp", port_range_min=22, port_range_max=22),
        rule("ingress", protocol="tcp", remote_ip_prefix="192.0.2.0/24"),
        rule("ingress", protocol="icmp"),
        rule("ingress", ethertype="IPv6"),
    ]
    known = known_of([SecurityGroup(id="group-1")], asked, [], [port("b", frozenset({"group-2"}))])
    packet = Packet("10.0.0.1", "10.0.0.2", 6, 5432, 5432)
    (finding,) = reasons(known, None, port("b", frozenset({"group-1"})), packet)
    assert not finding.is_allowed
    said = {describe(judged.rule, {"group-2": "web"}): judged.missed for judged in finding.rules}
    assert said == {
        "ingress IPv4 tcp 5432 from group web": "10.0.0.1 is not among its 2 addresses",
        "ingress IPv4 tcp 22 from everybody": "another port",
        "ingress IPv4 tcp from 192.0.2.0/24": "10.0.0.1 is not in 192.0.2.0/24",
        "ingress IPv4 icmp from everybody": "another protocol",
        "ingress IPv6 anything from everybody": "another IP version than 10.0.0.1",
    }


def test_neighbour_discovery_needs_no_rule_and_advertising_routers_none_helps() -> None:
    known = known_of([SecurityGroup(id="group-1")], [rule("egress", ethertype="IPv6")], [], [])
    one, other = port("a", frozenset({"group-1"})), port("b", frozenset())
    heard = reasons(known, one, other, Packet("fd00::1", "fd00::2", 58, 135, 0))
    assert [finding.is_allowed for finding in heard] == [True, True]
    assert not reasons(known, one, other, Packet("fd00::1", "fd00::2", 58, 134, 0))[0].is_allowed
    for client, allowed in ((546, False), (547, True)):
        assert reasons(known, one, other, Packet("fd00::1", "fd00::2", 17, client, client))[0].is_allowed == allowed
