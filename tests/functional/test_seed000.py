"""Every section of seed 000 from one file, in its own words where it types some, and again after a reboot."""

import ipaddress
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchbay.lab.lab import Lab
from patchbay.lab.outcomes import Outcome
from patchbay.lab.reading import load_topology
from patchbay.lab.topology import Fetch, Lease, Reach, Resolve

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "seed000.yaml"
SECTIONS = (
    "Two Namespaces connected by a Vswitch Bridge",
    "Directly connect two Namespaces",
    "Trying Vlan",
    "Trying Vxlan",
    "Trying DHCP",
    "Trying Routing",
    "More about DHCP",
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.up(load_topology(EXAMPLE), name="test-seed000") as running:
        yield running


def wrong(outcomes: list[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if not outcome.is_met]


def met_again(lab: Lab, deadline_s: float = 40.0) -> None:
    """Wait until every expectation is met."""
    end = time.monotonic() + deadline_s
    while found := wrong(lab.check()):
        assert time.monotonic() < end, found


def inside(lab: Lab, instance: str, script: str) -> str:
    return lab.run_in(instance, ["sh", "-ec", script]).stdout


def test_every_section_is_met(lab: Lab) -> None:
    assert wrong(lab.check()) == []


def test_every_section_has_its_part_of_the_file_and_every_kind_of_proof() -> None:
    text = EXAMPLE.read_text()
    assert [section for section in SECTIONS if text.count(f'"{section}') < 2 and section != "Trying DHCP"] == []
    assert {type(each) for each in load_topology(EXAMPLE).expect} == {Reach, Resolve, Lease, Fetch}


def test_namespaces_carry_the_names_and_addresses_of_the_seed(lab: Lab) -> None:
    listed = {row["name"] for row in json.loads(lab.host("host1").run(["ip", "-j", "netns"]).stdout)}
    assert {
        "foonet",
        "bobnet",
        "dir1net",
        "dir2net",
        "vlan100net",
        "vlan110net",
        "vlan200net",
        "vlan100-1net",
    } <= listed
    assert "inet 10.0.0.10/24" in inside(lab, "foonet", "ip address")


def test_the_tags_of_the_vlan_section_are_on_the_wire_behind_br_ex(lab: Lab) -> None:
    flows = lab.host("host1").run(["ovs-ofctl", "dump-flows", "br-ex"]).stdout
    assert "mod_vlan_vid:100," in flows
    assert "mod_vlan_vid:200," in flows


def test_the_tags_of_the_vxlan_section_are_vnis_between_the_hosts(lab: Lab) -> None:
    for host in ("host1", "host2"):
        assert "tun_id=0x64" in lab.host(host).run(["ovs-ofctl", "dump-flows", "br-tun"]).stdout
    assert "tun_id=0xc8" in lab.host("host2").run(["ovs-ofctl", "dump-flows", "br-tun"]).stdout
    shown = lab.host("host1").run(["ovs-vsctl", "get", "interface", "vxlan-ac10eba8", "options"]).stdout
    assert 'local_ip="172.16.235.128"' in shown
    assert 'remote_ip="172.16.235.168"' in shown


def test_dnsmasq_is_started_with_the_range_and_the_server_of_the_seed(lab: Lab) -> None:
    commands = "".join(
        lab.host(name).run(["ps", "-ww", "-C", "dnsmasq", "-o", "args"], check=False).stdout for name in lab.hosts
    )
    assert "--dhcp-range=set:tag0,10.0.0.5,10.0.0.9," in commands
    assert ",10.0.0.150," in commands
    written = [lab.host(name).run(["sh", "-c", "cat /run/patchbay/dhcp/*/servers"], check=False) for name in lab.hosts]
    assert "server=203.0.113.53\n" in [one.stdout for one in written]


def test_dhclient_gives_an_address_back_and_gets_one_as_typed_in_the_seed(lab: Lab) -> None:
    assert inside(lab, "dhcp100-2net", "dhclient -r eth0; ip -4 -o address show dev eth0") == ""
    shown = inside(lab, "dhcp100-2net", "dhclient eth0; ip -4 -o address show dev eth0")
    address = ipaddress.ip_interface(shown.split()[3])
    assert ipaddress.ip_address("10.0.0.5") <= address.ip <= ipaddress.ip_address("10.0.0.150")
    assert address.network.prefixlen == 24


def test_the_route_and_the_name_server_come_with_the_lease(lab: Lab) -> None:
    assert inside(lab, "vlan100-3net", "ip route show default").startswith("default via 10.0.0.1 dev eth0")
    assert "nameserver 10.0.0.100" in inside(lab, "vlan100-3net", "cat /etc/resolv.conf")
    assert " 0% packet loss" in inside(lab, "vlan100-3net", "ping -c 2 -w 5 www.example.net")


def test_two_clients_of_the_range_have_two_addresses(lab: Lab) -> None:
    held = {inside(lab, name, "ip -4 -o address show dev eth0").split()[3] for name in ("dhcp100-2net", "vlan100-3net")}
    assert len(held) == 2


def test_the_router_has_the_routes_and_the_settings_of_the_seed(lab: Lab) -> None:
    host = next(host for host in lab.hosts.values() if "qrouter-" in host.run(["ip", "netns"]).stdout)
    namespace = next(line.split()[0] for line in host.run(["ip", "netns"]).stdout.splitlines() if "qrouter-" in line)
    routes = host.run(["ip", "route"], instance=namespace).stdout
    assert "default via 172.16.235.2 dev qg-" in routes
    assert "10.0.0.0/24 dev qr-" in routes
    assert "172.16.235.0/24 dev qg-" in routes
    assert host.run(["cat", "/proc/sys/net/ipv4/ip_forward"], instance=namespace).stdout == "1\n"


@pytest.mark.parametrize("names", [["host1"], ["host2"], ["host1", "host2"]], ids=" and ".join)
def test_after_a_reboot_all_of_it_comes_back_by_itself(lab: Lab, names: list[str]) -> None:
    """The seed: "Rebooting will clean all setting !!!!"."""
    for name in names:
        lab.reboot(name)
    met_again(lab)
