"""A distributed router on a VLAN of the building: machines that no agent serves meet it at its home, and only there."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchbay.compile import names
from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology
from tests.functional.routing.conftest import Town, home, wait_for

TOPOLOGY = """\
name: test-racks
hosts:
  compute1: {tunnel_ip: 172.21.18.1, bridge_mappings: {physnet1: br-ex}}
  compute2: {tunnel_ip: 172.21.18.2, bridge_mappings: {physnet1: br-ex}}
networks:
  rack:
    project: red
    type: vlan
    physical_network: physnet1
    segmentation_id: 100
    mtu: 1450
    subnets:
      rack-v4: {cidr: 10.0.5.0/24}
      rack-v6: {cidr: "fd00:5::/64", ipv6_ra_mode: slaac, ipv6_address_mode: slaac}
  red: {project: red, mtu: 1450, subnets: {red-v4: {cidr: 10.0.1.0/24}, red-v6: {cidr: "fd00:1::/64"}}}
routers:
  edge: {project: red, distributed: true, interfaces: [rack-v4, rack-v6, red-v4, red-v6]}
instances:
  red1: {host: compute1, plugging: direct, network: red, addresses: [10.0.1.11, "fd00:1::11"]}
  red2: {host: compute2, plugging: direct, network: red, addresses: [10.0.1.12, "fd00:1::12"]}
  rack1: {host: compute1, plugging: direct, network: rack, address: 10.0.5.11}
  rack2: {host: compute2, plugging: direct, network: rack, address: 10.0.5.12}
outside:
  machine: {physical_network: physnet1, vlan: 100, addresses: [10.0.5.50/24], routes: {10.0.1.0/24: 10.0.5.1}}
"""


@pytest.fixture(scope="module")
def racks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The lab."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATCHBAY_LAB_DIR", str(tmp_path_factory.mktemp("labs")))
        with Lab.up(parse_topology(TOPOLOGY, Path("racks.yaml"))) as lab:
            found = Town(lab)
            with contextlib.closing(found.client):
                lab.wait_until_active()
                yield found


def port_of(town: Town, address: str) -> dict:
    """The router's interface with this address."""
    ports = town.list("ports", f"?device_id={town.routers['edge']['id']}")
    return next(port for port in ports if port["fixed_ips"][0]["ip_address"] == address)


def test_instances_on_the_vlan_and_off_it_reach_each_other_by_flows(racks: Town) -> None:
    for name, target in (("rack1", "10.0.1.11"), ("rack1", "10.0.1.12"), ("red1", "10.0.5.12"), ("red2", "10.0.5.11")):
        before = {host: racks.slow(host) for host in racks.lab.hosts}
        words = racks.ping(name, target)
        assert words.count("ttl=63 ") == 3, words
        assert {host: racks.slow(host) for host in racks.lab.hosts} == before


def test_a_machine_outside_knows_the_home_s_own_mac_and_reaches_every_host(racks: Town) -> None:
    (host,) = home(racks.client, racks.routers["edge"]["id"])
    for target in ("10.0.5.1", "10.0.1.11", "10.0.1.12"):
        assert "3 received" in racks.ping("machine", target), target
    own = names.router_mac(host, port_of(racks, "10.0.5.1")["id"])
    assert f"10.0.5.1 dev eth0 lladdr {own} " in racks.within("machine", "ip neigh")
    for name in ("red1", "red2", "rack1", "rack2"):
        assert "3 received" in racks.ping(name, "10.0.5.50"), name
    known = racks.within("machine", "ip neigh show 10.0.5.1")
    assert own in known, "the other hosts' namespaces ask without an address of theirs"


def test_a_machine_outside_hears_one_advertisement(racks: Town) -> None:
    def routes() -> list[str]:
        return re.findall(r"(?:via|nexthop via) (\S+)", racks.within("machine", "ip -6 route show default"))

    mac = port_of(racks, "fd00:5::1")["mac_address"]
    racks.within(
        "machine",
        "for setting in disable_ipv6=1 accept_ra=2 disable_ipv6=0; do sysctl -qw net.ipv6.conf.eth0.$setting; done",
    )
    wait_for(lambda: len(routes()) == 1, "one way out")
    made = "ip -6 addr show dev eth0 scope global -tentative"
    wait_for(lambda: "fd00:5::" in racks.within("machine", made), "it made itself an address")
    for target in ("fd00:5::1", "fd00:1::11", "fd00:1::12"):
        assert "3 received" in racks.ping("machine", target), target
    assert mac in racks.within("machine", f"ip neigh show {routes()[0]}")
    assert len(routes()) == 1
