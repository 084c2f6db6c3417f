"""Addresses of a topology file that do not go together: whose they are already, and routes that lead nowhere."""

from pathlib import Path

import pytest

from patchbay.lab.reading import parse_topology
from patchbay.lab.topology import Topology
from patchbay.lab.yamlfile import TopologyError

GOOD = """\
name: town
hosts:
  one: {tunnel_ip: 10.9.0.1, bridge_mappings: {physnet1: br-ex}}
networks:
  ext: {type: flat, physical_network: physnet1, external: true, subnets: {ext-v4: 192.0.2.0/24}}
  a:
    subnets:
      a-v4: 10.1.0.0/24
      a-v6: {cidr: "2001:db8:a::/64", ipv6_ra_mode: slaac, ipv6_address_mode: slaac}
  b: {subnets: {b-v4: 10.1.0.0/24, b-second: 10.2.0.0/24}}
routers:
  ra: {external: ext, external_addresses: [192.0.2.10], interfaces: [a-v4, a-v6], routes: {10.7.0.0/16: 10.1.0.9}}
  rb: {external: ext, external_addresses: [192.0.2.20], interfaces: [b-v4]}
floating_ips:
  - {address: 192.0.2.30, port_forwardings: [{port: 22, to: "b1:22"}, {port: 23, to: "b2:22"}]}
  - {address: 192.0.2.31, instance: a1, fixed_address: 10.1.0.11}
instances:
  a1: {host: one, network: a, addresses: [10.1.0.11, 10.1.0.12]}
  a2: {host: one, network: a, address: 10.1.0.13, floating_ip: 192.0.2.32}
  b1: {host: one, network: b, address: 10.1.0.11}
  b2: {host: one, network: b, address: 10.1.0.12}
outside:
  world: {physical_network: physnet1, dns: {www.example.net: 192.0.2.1}}
"""


def parse(text: str) -> Topology:
    return parse_topology(text, Path("town.yaml"))


def complaint(text: str) -> str:
    with pytest.raises(TopologyError) as caught:
        parse(text)
    return str(caught.value)


def test_the_same_addresses_on_two_networks_are_no_problem() -> None:
    assert set(parse(GOOD).routers) == {"ra", "rb"}


WRONG = [
    (
        "interfaces: [a-v4, a-v6]",
        "interfaces: [a-v4, b-v4]",
        "town.yaml:12: routers.ra.interfaces[1]: 10.1.0.0/24 of b-v4 overlaps 10.1.0.0/24 of a-v4; expected",
    ),
    (
        "[192.0.2.20]",
        "[192.0.2.10]",
        "town.yaml:13: routers.rb.external_addresses[0]: 192.0.2.10 is the address of router ra on ext; expected",
    ),
    (
        "[192.0.2.20]",
        "[192.0.2.20, 192.0.2.20]",
        "town.yaml:13: routers.rb.external_addresses[1]: 192.0.2.20 is the address of router rb on",
    ),
    (
        "address: 10.1.0.13",
        "address: 10.1.0.1",
        "town.yaml:12: routers.ra.interfaces[0]: 10.1.0.1 is the address of instance a2 on a; expec",
    ),
    (
        "address: 192.0.2.30",
        "address: 192.0.2.10",
        "town.yaml:15: floating_ips[0].address: 192.0.2.10 is the address of router ra on ext; exp",
    ),
    (
        "floating_ip: 192.0.2.32",
        "floating_ip: 192.0.2.20",
        "town.yaml:19: instances.a2.floating_ip: 192.0.2.20 is the address of router rb on",
    ),
    (
        "10.1.0.9}",
        "10.99.0.9}",
        "town.yaml:12: routers.ra.routes: next hop 10.99.0.9 of 10.7.0.0/16 is on none of the router's subnets; ",
    ),
    (
        "10.1.0.9}",
        "10.1.0.1}",
        "town.yaml:12: routers.ra.routes: next hop 10.1.0.1 of 10.7.0.0/16 is the router's own address; expected",
    ),
    (
        "port: 23",
        "port: 22",
        "town.yaml:15: floating_ips[0].port_forwardings[1].port: tcp port 22 of 192.0.2.30 leads elsewhere; expe",
    ),
    (
        'to: "b2:22"',
        'to: "a2:22"',
        "town.yaml:15: floating_ips[0].port_forwardings[1].to: a2 is behind another router than the ports before",
    ),
    (
        'to: "b2:22"',
        'to: "b1:22"',
        "port_forwardings[1].to: tcp port 22 of b1 is where 192.0.2.30:22 leads already; expected another port",
    ),
    (
        "rb: {external: ext, external_addresses: [192.0.2.20], ",
        "rb: {",
        "port_forwardings[0].to: no router leads from b to ext; give one with external: ext",
    ),
    (
        "fixed_address: 10.1.0.11",
        "fixed_address: 10.1.0.99",
        "town.yaml:16: floating_ips[1].fixed_address: '10.1.0.99' is no IPv4 address of a1's eth0; its addresses",
    ),
    (
        "fixed_address: 10.1.0.11",
        "fixed_address: nope",
        "town.yaml:16: floating_ips[1].fixed_address: 'nope' is no IPv4 address of a1's eth0",
    ),
    (
        "instance: a1, fixed_address: 10.1.0.11",
        "instance: a2",
        "town.yaml:19: instances.a2.floating_ip.instance: a2's eth0 has floating IP 192.0.2.31 already; expected",
    ),
    (
        "ipv6_address_mode: slaac",
        "ipv6_address_mode: dhcpv6-stateful",
        "town.yaml:9: networks.a.subnets.a-v6.ipv6_address_mode: is dhcpv6-stateful, but ipv6_ra_mode is slaac; ",
    ),
    (
        "a::/64",
        "a::/80",
        "town.yaml:9: networks.a.subnets.a-v6.ipv6_ra_mode: is slaac, which makes addresses of 64 bits; expected",
    ),
    (
        "ipv6_address_mode: slaac",
        "enable_dhcp: false",
        "town.yaml:9: networks.a.subnets.a-v6.ipv6_ra_mode: is given, but the subnet has no DHCP; leave",
    ),
    (
        "{www.example.net: 192.0.2.1}",
        "[x]",
        "town.yaml:23: outside.world.dns: is a list; expected a mapping of names to values",
    ),
]


@pytest.mark.parametrize(("what", "other", "said"), WRONG)
def test_what_does_not_go_together_is_named_with_its_line_and_what_was_expected(
    what: str, other: str, said: str
) -> None:
    assert what in GOOD
    assert said in complaint(GOOD.replace(what, other, 1))


def test_two_addresses_of_an_interface_may_have_a_floating_ip_each() -> None:
    text = GOOD.replace(
        "instances:\n", "  - {address: 192.0.2.33, instance: a1, fixed_address: 10.1.0.12}\ninstances:\n"
    )
    assert len(parse(text).floating_ips) == 4


def test_an_unknown_network_is_told_once() -> None:
    said = complaint(GOOD.replace("a2: {host: one, network: a,", "a2: {host: one, network: nope,"))
    assert "instances.a2.network: 'nope' is not a network" in said
    assert "no router leads" not in said
