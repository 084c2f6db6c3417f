"""Instances in their project's default group get what a cloud's instance finds: leases, routes, names, metadata."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology
from tests.functional.security.conftest import Town, wait_for

TOPOLOGY = """\
name: test-security-services
hosts:
  compute1: {tunnel_ip: 172.21.39.1}
  compute2: {tunnel_ip: 172.21.39.2}
networks:
  red: {subnets: {red-v4: {cidr: 10.0.1.0/24}}}
  sand:
    subnets:
      sand-v4: {cidr: 10.0.4.0/24}
      sand-v6: {cidr: "fd00:4::/64", ipv6_ra_mode: slaac, ipv6_address_mode: slaac}
  six:
    subnets:
      six-v6: {cidr: "fd00:5::/64", ipv6_ra_mode: dhcpv6-stateful, ipv6_address_mode: dhcpv6-stateful}
routers:
  edge: {interfaces: [sand-v4, sand-v6, six-v6]}
  inner: {distributed: true, interfaces: [red-v4]}
security_groups:
  nothing: []
instances:
  red1: {host: compute1, plugging: direct, network: red, dhcp: true}
  red2: {host: compute2, network: red, dhcp: true}
  sand1: {host: compute1, plugging: direct, network: sand, dhcp: true}
  sand2: {host: compute2, network: sand, dhcp: true}
  six1: {host: compute1, network: six, dhcp: true}
  six2: {host: compute2, network: six, dhcp: true, security_groups: [nothing]}
"""
READ = (
    "import urllib.request as u; print(u.urlopen('http://169.254.169.254/latest/meta-data/hostname', None, 3).read())"
)


@pytest.fixture(scope="module")
def services() -> Iterator[Town]:
    """Instances on two hosts, with a centralized and a distributed router."""
    with Lab.up(parse_topology(TOPOLOGY, Path("services.yaml"))) as lab:
        town = Town(lab)
        for name in ("red1", "red2", "sand1", "sand2", "six1", "six2"):
            wanted = addresses(town, name)
            wait_for(lambda name=name, wanted=wanted: has(town, name, wanted), f"{name} has {wanted}")
        yield town


def addresses(town: Town, name: str) -> list[str]:
    return [item["ip_address"] for item in town.port(name)["fixed_ips"]]


def has(town: Town, name: str, wanted: list[str]) -> bool:
    shown = town.within(name, "ip -o addr show dev eth0")
    return all(f" {address}/" in shown for address in wanted)


def test_members_of_the_default_group_reach_each_other_and_others_do_not_reach_them(services: Town) -> None:
    for source, target in (
        ("red1", "red2"),
        ("sand1", "sand2"),
        ("sand2", "sand1"),
        ("six1", "sand1"),
        ("sand2", "six1"),
    ):
        for address in addresses(services, target):
            if source != "six1" or ":" in address:
                assert services.reaches(source, address), (source, address)
    assert not services.reaches("six2", addresses(services, "six1")[0])
    assert services.reaches("six1", "fd00:5::1")


def test_metadata_and_names_are_read(services: Town) -> None:
    for name in ("red1", "red2", "sand1", "sand2"):
        assert name in services.within(name, f'python3 -c "{READ}"')
    assert addresses(services, "sand1")[0] in services.within("sand2", "getent ahosts sand1")
