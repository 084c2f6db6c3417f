"""Security groups in a topology file: what is read, what is refused, and what is asked of the service."""

from pathlib import Path

import pytest

from patchbay.lab.apply import network_body
from patchbay.lab.apply_security import port_security_body, rule_body, speaks_of_security
from patchbay.lab.reading import parse_topology
from patchbay.lab.topology import Connect, Topology
from patchbay.lab.topology_security import SecurityGroup, SecurityRule
from patchbay.lab.yamlfile import TopologyError

GOOD = """\
name: guarded
hosts: {one: {tunnel_ip: 10.9.0.1}}
networks:
  red: {project: red, security_groups: [web], subnets: {red-v4: 10.0.1.0/24}}
  bare: {project: red, port_security: false, subnets: {bare-v4: 10.0.2.0/24}}
security_groups:
  web:
    project: red
    stateful: false
    rules:
      - {protocol: tcp, ports: 80-90, from: 192.0.2.9}
      - {protocol: 17, ports: 53, to: offices}
      - {protocol: icmp, icmp_type: 8, icmp_code: 0}
      - {protocol: icmpv6, from: web}
      - {direction: egress, from: "", ethertype: IPv6}
      - {from: "fd00::/8", protocol: ICMP}
  default: [{protocol: tcp, ports: 22}]
address_groups: {offices: [192.0.2.0/24, 198.51.100.1]}
instances:
  a: {host: one, network: red, address: 10.0.1.5}
  b: {host: one, network: red, security_groups: [web, default]}
  c: {host: one, network: red, port_security: false}
  d: {host: one, network: bare}
"""
IDS = {("red", "web"): "W", ("red", "default"): "D", ("guarded", "default"): "G"}


def read(text: str) -> Topology:
    return parse_topology(text, Path("g.yaml"))


def test_rules_are_read_as_the_service_keeps_them() -> None:
    topology = read(GOOD)
    assert topology.address_groups == {"offices": ("192.0.2.0/24", "198.51.100.1/32")}
    assert topology.security_groups["default"] == SecurityGroup(
        project="guarded", rules=(SecurityRule(protocol="tcp", first=22, last=22),)
    )
    web = topology.security_groups["web"]
    assert (web.project, web.stateful) == ("red", False)
    assert web.rules == (
        SecurityRule(protocol="tcp", first=80, last=90, remote="192.0.2.9/32"),
        SecurityRule(direction="egress", protocol="17", first=53, last=53, remote="offices"),
        SecurityRule(protocol="icmp", first=8, last=0),
        SecurityRule(ethertype="IPv6", protocol="ipv6-icmp", remote="web"),
        SecurityRule(direction="egress", ethertype="IPv6"),
        SecurityRule(ethertype="IPv6", protocol="ipv6-icmp", remote="fd00::/8"),
    )


def test_rules_and_ports_as_bodies() -> None:
    topology = read(GOOD)
    web = topology.security_groups["web"]
    bodies = [rule_body(topology, web, rule, IDS, {("guarded", "offices"): "O"}) for rule in web.rules]
    assert bodies[0]["remote_ip_prefix"] == "192.0.2.9/32"
    assert bodies[1]["remote_address_group_id"] == "O"
    assert bodies[3] == {
        "project_id": "red",
        "direction": "ingress",
        "ethertype": "IPv6",
        "protocol": "ipv6-icmp",
        "remote_group_id": "W",
    }
    ports = {
        name: port_security_body(topology, instance, instance.interfaces["eth0"], "red", IDS)
        for name, instance in topology.instances.items()
    }
    assert ports == {
        "a": {"security_groups": ["W"]},
        "b": {"security_groups": ["D", "W"]},
        "c": {"port_security_enabled": False, "security_groups": []},
        "d": {},
    }
    assert network_body("bare", topology.networks["bare"])["port_security_enabled"] is False
    assert "port_security_enabled" not in network_body("red", topology.networks["red"])


ASKED = GOOD + "expect: [{from: [a, b], to: c, tcp: 80, reach: yes}]\n"


def test_ports_may_be_expected() -> None:
    assert read(ASKED).expect == (Connect(("a", "b"), ("c",), "tcp", 80, reach=True, line=24),)
    assert read(ASKED.replace("tcp: 80, reach: yes", "udp: 53, reach: no")).expect == (
        Connect(("a", "b"), ("c",), "udp", 53, reach=False, line=24),
    )


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("tcp: 80", "tcp: 0", "g.yaml:24: expect[0].tcp: 0 is not a port; expected a number from 1 to 65535"),
        ("tcp: 80", "udp: http", "g.yaml:24: expect[0].udp: is 'http'; expected a whole number"),
        ("tcp: 80", "tcp: 80, udp: 80", "g.yaml:24: expect[0]: gives tcp and udp; expected one of them"),
        ("to: c", "to: x", "g.yaml:24: expect[0].to: 'x' is not an instance of this file; expected one of a, b, c, d"),
        ("to: c", "to: 10.0.1.1", "expect[0].to: 10.0.1.1 is of no instance and no machine outside; expected one of"),
        ("[a, b], to: c", "c, to: c", "g.yaml:24: expect[0]: says whether c reaches itself; expected two instances"),
        (", reach: yes", "", "g.yaml:24: expect[0].reach: is required and missing"),
        (
            "reach: yes",
            "reach: yes, seen_as: 1.2.3.4",
            "expect[0].seen_as: is not known here; expected one of from, to",
        ),
    ],
)
def test_a_wrong_expectation_of_a_port(old: str, new: str, complaint: str) -> None:
    assert ASKED.count(old) == 1
    with pytest.raises(TopologyError) as caught:
        read(ASKED.replace(old, new))
    assert complaint in str(caught.value)


def test_a_file_without_a_word_of_security_says_nothing() -> None:
    assert speaks_of_security(read(GOOD))
    silent = "name: s\nhosts: {one: {tunnel_ip: 10.9.0.1}}\nnetworks: {red: {subnets: {red-v4: 10.0.1.0/24}}}\n"
    assert not speaks_of_security(read(silent))
    assert speaks_of_security(read(silent.replace("red: {", "red: {port_security: true, ")))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "web, default]",
            "web, ghost]",
            "g.yaml:21: instances.b.security_groups[1]: is 'ghost'; expected one of default",
        ),
        (
            "[web], subnets",
            "[x], subnets",
            "g.yaml:4: networks.red.security_groups[0]: is 'x'; expected one of default",
        ),
        (
            "to: offices",
            "to: ghosts",
            "g.yaml:12: security_groups.web.rules[1].to: is 'ghosts'; expected a CIDR or one",
        ),
        ("to: offices", "to: offices, from: web", "rules[1].to: is given beside from; expected one of the two"),
        (
            "ports: 53,",
            "ports: 0,",
            "g.yaml:12: security_groups.web.rules[1]: ports: 0 cannot be used; expected a port",
        ),
        ("80-90", "90-80", "For TCP/UDP protocols, port_range_min must be <= port_range_max"),
        ("protocol: 17", "protocol: 300", "protocol 300 is not known; expected a number or one of ah, dccp"),
        ("protocol: 17, ", "", "Must also specify protocol if port range is given"),
        ("icmp_type: 8", "icmp_type: 800", "Invalid value for ICMP type (port_range_min) 800. It must be 0 to 255"),
        (
            "direction: egress",
            "direction: out",
            "g.yaml:15: security_groups.web.rules[4].direction: is 'out'; expected",
        ),
        ("ports: 80-90, from", "ports: 80-90, ethertype: IPv6, from", "Conflicting value ethertype IPv6 for CIDR 192"),
        (
            "[192.0.2.0/24, ",
            "[here, ",
            "g.yaml:18: address_groups.offices[0]: is 'here'; expected a CIDR or an address",
        ),
        (
            "{offices:",
            "{web:",
            "g.yaml:7: security_groups.web: is the name of an address group too; expected one of its",
        ),
        (
            "c: {host: one, network: red,",
            "c: {host: one, network: red, security_groups: [web],",
            "are given, but port_security is",
        ),
        ("    project: red\n", "    project: blue\n", "instances.b.security_groups[0]: is 'web' of project 'blue'"),
        ("[{protocol: tcp, ports: 22}]", "[7]", "g.yaml:17: security_groups.default[0]: is the number 7; expected the"),
        (
            "[{protocol: tcp, ports: 22}]",
            "7",
            "g.yaml:17: security_groups.default: is the number 7; expected the fields",
        ),
        ("stateful: false", "statefull: false", "g.yaml:9: security_groups.web.statefull: is not known here; expected"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(old: str, new: str, complaint: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(TopologyError) as caught:
        read(GOOD.replace(old, new))
    assert complaint in str(caught.value)
