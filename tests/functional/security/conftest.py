"""A lab of tenants that do not trust each other, and one among them that sends whatever it likes."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology
from tests.functional.security.frames import Wire
from tests.functional.security.town import Town, wait_for

__all__ = ["Town", "wait_for"]

TOPOLOGY = """\
name: test-security
hosts:
  compute1: {tunnel_ip: 172.21.38.1, bridge_mappings: {physnet1: br-ex}}
  compute2: {tunnel_ip: 172.21.38.2}
networks:
  ext-net:
    type: flat
    physical_network: physnet1
    external: true
    mtu: 1500
    subnets:
      ext-v4: {cidr: 198.51.100.0/24, gateway: 198.51.100.1, pools: [198.51.100.5-198.51.100.99], enable_dhcp: false}
  red: {subnets: {red-v4: {cidr: 10.0.1.0/24}, red-v6: {cidr: "fd00:1::/64"}}}
  blue: {subnets: {blue-v4: {cidr: 10.0.2.0/24}, blue-v6: {cidr: "fd00:2::/64"}}}
  green: {subnets: {green-v4: {cidr: 10.0.3.0/24}}}
routers:
  inner: {distributed: true, interfaces: [red-v4, red-v6, blue-v4, blue-v6]}
  edge: {external: ext-net, external_addresses: [198.51.100.5], interfaces: [green-v4]}
security_groups:
  everything: [{}, {ethertype: IPv6}]
  web: [{protocol: tcp, ports: 80}, {protocol: icmp, from: 10.0.2.0/24}]
  friends: [{from: friends}, {from: friends, ethertype: IPv6}]
instances:
  mallory: {host: compute1, plugging: direct, network: red, addresses: [10.0.1.66, "fd00:1::66"],
    security_groups: [everything]}
  victim1: {host: compute1, network: red, addresses: [10.0.1.11, "fd00:1::11"], security_groups: [everything]}
  victim2: {host: compute2, network: red, addresses: [10.0.1.12, "fd00:1::12"], security_groups: [everything]}
  open1: {host: compute1, plugging: direct, network: red, addresses: [10.0.1.21, "fd00:1::21"], port_security: false}
  open2: {host: compute2, plugging: direct, network: red, addresses: [10.0.1.22, "fd00:1::22"], port_security: false}
  web1: {host: compute1, plugging: direct, network: red, addresses: [10.0.1.31, "fd00:1::31"], security_groups: [web]}
  web2: {host: compute2, plugging: direct, network: blue, addresses: [10.0.2.32, "fd00:2::32"], security_groups: [web]}
  web3: {host: compute1, plugging: direct, network: green, address: 10.0.3.33, security_groups: [web],
    floating_ip: 198.51.100.33}
  blue1: {host: compute1, plugging: direct, network: blue, addresses: [10.0.2.11, "fd00:2::11"],
    security_groups: [everything]}
  friend1: {host: compute1, plugging: direct, network: red, addresses: [10.0.1.41, "fd00:1::41"],
    security_groups: [friends]}
  friend2: {host: compute2, plugging: direct, network: blue, addresses: [10.0.2.42, "fd00:2::42"],
    security_groups: [friends]}
outside:
  internet: {physical_network: physnet1, addresses: [198.51.100.1/24]}
"""


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The lab, up for all tests of this folder."""
    if os.geteuid() != 0:
        pytest.fail("functional tests need root: they make network namespaces")
    with Lab.up(parse_topology(TOPOLOGY, Path("security.yaml"))) as lab:
        yield Town(lab)


@pytest.fixture
def wires(town: Town) -> Iterator[Callable[[str], Wire]]:
    """Opens interfaces of instances, and closes them."""
    with town.wires() as open_wire:
        yield open_wire
