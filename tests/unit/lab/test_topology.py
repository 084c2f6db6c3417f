"""What a topology file may say, and what it hears when it says something else: file, line, field, expectation."""

from pathlib import Path

import msgspec
import pytest

from patchbay.lab.reading import load_topology, parse_topology
from patchbay.lab.topology import Interface, Reach, Topology
from patchbay.lab.yamlfile import TopologyError

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"

GOOD = """\
name: two
hosts:
  one: {tunnel_ip: 10.0.0.1, bridge_mappings: {physnet1: br-ex}}
  two: {tunnel_ip: 10.0.0.2, bridge_mappings: {physnet1: br-ex}}
networks:
  red:
    project: red
    segmentation_id: 0x22
    subnets:
      red-v4: {cidr: 192.168.10.0/24, gateway: 192.168.10.1}
  office:
    type: vlan
    physical_network: physnet1
    segmentation_id: 100
    subnets:
      office-v4: 10.100.0.0/24
instances:
  red1: {host: one, network: red, address: 192.168.10.11}
  red2: {host: two, network: red, address: 192.168.10.12, mac: 52:54:00:12:34:56}
  both:
    host: two
    plugging: direct
    interfaces:
      eth0: {network: red, addresses: [192.168.10.13]}
      eth1: {network: office}
expect:
  - {from: red1, to: red2, reach: yes}
  - {from: red1, to: [red2, both], reach: no}
"""


def parse(text: str) -> Topology:
    return parse_topology(text, Path("/somewhere/two.yaml"))


def complaint(text: str) -> str:
    with pytest.raises(TopologyError) as caught:
        parse(text)
    return str(caught.value)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_is_a_topology(path: Path) -> None:
    topology = load_topology(path)
    assert topology.name == path.stem
    assert topology.expect


def test_a_topology_survives_the_registry() -> None:
    topology = parse(GOOD)
    assert msgspec.json.decode(msgspec.json.encode(topology), type=Topology) == topology


def test_a_short_form_is_one_interface_called_eth0() -> None:
    assert parse(GOOD).instances["red1"].interfaces == {"eth0": Interface("red", ("192.168.10.11",))}


def test_a_mac_address_of_digits_is_not_taken_for_a_number() -> None:
    assert parse(GOOD).instances["red2"].interfaces["eth0"].mac == "52:54:00:12:34:56"


def test_a_segment_may_be_hexadecimal() -> None:
    assert parse(GOOD).networks["red"].segmentation_id == 34


def test_a_subnet_may_be_a_cidr_alone_and_leaves_its_gateway_to_the_service() -> None:
    subnet = parse(GOOD).networks["office"].subnets["office-v4"]
    assert (subnet.cidr, subnet.gateway) == ("10.100.0.0/24", msgspec.UNSET)


def test_gateway_none_means_no_gateway() -> None:
    text = GOOD.replace("gateway: 192.168.10.1}", "gateway: none}")
    assert parse(text).networks["red"].subnets["red-v4"].gateway is None


def test_a_network_without_a_project_belongs_to_the_topology_s() -> None:
    assert parse(GOOD).networks["office"].project == "two"


def test_yes_and_no_are_words_not_booleans() -> None:
    assert parse(GOOD).expect == (
        Reach(("red1",), ("red2",), True, 27),
        Reach(("red1",), ("red2", "both"), False, 28),
    )


def test_together_and_apart_speak_of_all_instances_of_networks() -> None:
    text = GOOD + "  - {together: [red]}\n  - {apart: [red, office]}\n"
    everyone = ("red1", "red2", "both")
    assert parse(text).expect[2:] == (
        Reach(everyone, everyone, True, 29),
        Reach(everyone, ("both",), False, 30),
        Reach(("both",), everyone, False, 30),
    )


# (what is replaced, by what, what is said)
# fmt: off
WRONG = [
    ("name: two\n", "name: [two]\n", "two.yaml:1: name: is a list; expected text (in quotes if it looks like a number"),
    ("name: two\n", "name: two two\n", "two.yaml:1: name: 'two two' cannot be a name; expected letters, digits, dots"),
    ("name: two\n", "nmae: two\n", "two.yaml:1: nmae: is not known here; expected one of hosts, name, underlay, "),
    ("  one: {tunnel_ip: 10.0.0.1,", "  one: {", "two.yaml:3: hosts.one.tunnel_ip: is required and missing"),
    ("10.0.0.1,", "10.0.0,", "two.yaml:3: hosts.one.tunnel_ip: '10.0.0' is not an address; expected an IP address"),
    ("10.0.0.1,", "10.0.0.2,", "two.yaml:4: hosts.two.tunnel_ip: 10.0.0.2 is the address of host one too; expected on"),
    ("10.0.0.1,", "10.9.0.1,", "two.yaml:4: hosts.two.tunnel_ip: 10.0.0.2 is not in the underlay 10.9.0.0/24; set"),
    ("10.0.0.1,", "7,", "two.yaml:3: hosts.one.tunnel_ip: is the number 7; expected text"),
    ("  one: {", "  o/ne: {", "two.yaml:3: hosts.o/ne: 'o/ne' cannot be a name; expected letters"),
    ("{physnet1: br-ex}}\n  two", "{physnet1: br-int}}\n  two", "two.yaml:3: hosts.one.bridge_mappings.physnet1: 'br-"),
    ("{physnet1: br-ex}}\n  two", "{physnet1: 5}}\n  two", "hosts.one.bridge_mappings.physnet1: is the number 5; expe"),
    ("{physnet1: br-ex}}\n  two", "{a: br-x, b: br-x}}\n  two", "hosts.one.bridge_mappings.b: 'br-x' is the bridge of"),
    ("hosts:\n", "underlay: {mtu: 100}\nhosts:\n", "two.yaml:2: underlay.mtu: 100 is not an MTU; expected 1280 to 655"),
    ("hosts:\n", "underlay: {cidr: x}\nhosts:\n", "two.yaml:2: underlay.cidr: 'x' is not a CIDR such as 172.21.12.0/2"),
    ("    project: red\n", "    project: 7\n", "two.yaml:7: networks.red.project: is the number 7; expected text"),
    ("    type: vlan\n", "    type: vlna\n", "two.yaml:12: networks.office.type: is 'vlna'; expected one of local, fl"),
    ("0x22", "0", "two.yaml:8: networks.red.segmentation_id: 0 is out of range for vxlan; expected 1 to 16777215"),
    ("0x22", "many", "two.yaml:8: networks.red.segmentation_id: is 'many'; expected a whole number"),
    ("_id: 100", "_id: 4095", "two.yaml:14: networks.office.segmentation_id: 4095 is out of range for vlan; expected "),
    ("    segmentation_id: 100\n", "", "networks.office.segmentation_id: is required for a vlan network and missing"),
    ("    physical_network: physnet1\n", "", "networks.office.physical_network: is required for a vlan network and mi"),
    ("k: physnet1\n", "k: physnet9\n", "two.yaml:13: networks.office.physical_network: 'physnet9' is in no host's bri"),
    ("type: vlan\n", "type: flat\n", "two.yaml:14: networks.office.segmentation_id: is given, but a flat network has "),
    ("    segmentation_id: 0x22\n", "    physical_network: physnet1\n", "networks.red.physical_network: is given, but"),
    ("    segmentation_id: 0x22\n", "    mtu: 9\n", "two.yaml:8: networks.red.mtu: 9 is not an MTU; expected 68 to 65"),
    ("10.0/24, g", "10.5/24, g", "two.yaml:10: networks.red.subnets.red-v4.cidr: '192.168.10.5/24' is not a CIDR with"),
    ("      office-v4: 10.100.0.0/24", "      office-v4: 10.100.0.0/99", "two.yaml:16: networks.office.subnets.office"),
    ("gateway: 192.168.10.1}", "gateway: 10.0.0.1}", "two.yaml:10: networks.red.subnets.red-v4.gateway: 10.0.0.1 is n"),
    ("gateway: 192.168.10.1}", "gateway: nope}", "red-v4.gateway: 'nope' is not an address; expected an address, or n"),
    ("gateway: 192.168.10.1}", "pools: [x]}", "red-v4.pools[0]: 'x' is not a pool; expected first-last, such as 192"),
    ("gateway: 192.168.10.1}", "pools: [10.0.0.1-10.0.0.2]}", "pools[0]: '10.0.0.1-10.0.0.2' is not a range inside 19"),
    ("gateway: 192.168.10.1}", "dns: [x]}", "two.yaml:10: networks.red.subnets.red-v4.dns[0]: 'x' is not an address"),
    ("gateway: 192.168.10.1}", "ipv6_ra_mode: slaac}", "red-v4.ipv6_ra_mode: is given, but 192.168.10.0/24 is IPv4; l"),
    ("gateway: 192.168.10.1}", "ipv6_ra_mode: x}", "ipv6_ra_mode: is 'x'; expected one of slaac, dhcpv6-stateful, dhc"),
    ("gateway: 192.168.10.1}", "enable_dhcp: yes}", "red-v4.enable_dhcp: is 'yes'; expected true or false"),
    ("  office:\n", "      b: 192.168.0.0/16\n  office:\n", "subnets.b: 192.168.0.0/16 overlaps 192.168.10.0/24 of su"),
    ("  red1: {host: one,", "  red1: {host: nine,", "two.yaml:18: instances.red1.host: 'nine' is not a host of this f"),
    ("host: one, network: red,", "host: one, network: green,", "two.yaml:18: instances.red1.network: 'green' is not a"),
    ("10.11}", "20.11}", "two.yaml:18: instances.red1.address: 192.168.20.11 is in no subnet of network red; its subn"),
    ("10.11}", "10.255}", "instances.red1.address: 192.168.10.255 is the network or broadcast address of its subnet; "),
    ("10.11}", "10.1}", "two.yaml:18: instances.red1.address: 192.168.10.1 is the gateway of its subnet; expected ano"),
    ("10.11}", "10.12}", "two.yaml:19: instances.red2.address: 192.168.10.12 is used by red1 on network red too; expe"),
    ("10.11}", "10.11, addresses: []}", "two.yaml:18: instances.red1.address: is given beside addresses; expected one"),
    ("10.11}", "10.11, interfaces: {}}", "instances.red1.network: is given beside interfaces; expected one of the two"),
    ("10.11}", "10.11, plugging: usb}", "two.yaml:18: instances.red1.plugging: is 'usb'; expected one of hybrid, dire"),
    ("address: 192.168.10.11}", "address: [7]}", "two.yaml:18: instances.red1.address: is a list; expected text"),
    ("52:54:00:12:34:56", "53:54:00:12:34:56", "two.yaml:19: instances.red2.mac: '53:54:00:12:34:56' is not a unicast"),
    ("  red1:", "  one:", "two.yaml:18: instances.one: is the name of a host too; expected names that tell them apart"),
    ("  red2: {", "  red1: {", "two.yaml:19: instances.red1: is given twice, first in line 18"),
    ("eth1: {", "a-very-long-device: {", "two.yaml:25: instances.both.interfaces.a-very-long-device: 'a-very-long-dev"),
    ("[192.168.10.13]", "[192.168.10.13, 1.2.3.4]", "two.yaml:24: instances.both.interfaces.eth0.addresses[1]: 1.2.3."),
    ("eth1: {network: office}", "eth1: {}", "two.yaml:25: instances.both.interfaces.eth1.network: is required and mis"),
    ("to: red2, reach: yes", "to: red9, reach: yes", "two.yaml:27: expect[0].to: 'red9' is not an instance of this fi"),
    ("[red2, both]", "[red2, bth]", "two.yaml:28: expect[1].to[1]: 'bth' is not an instance of this file; expected on"),
    ("to: red2, reach: yes", "to: red2", "two.yaml:27: expect[0].reach: is required and missing (or give apart or tog"),
    ("to: red2, reach: yes", "to: red2, reach: maybe", "two.yaml:27: expect[0].reach: is 'maybe'; expected one of yes"),
    ("to: red2, reach: yes", "to: red1, reach: yes", "two.yaml:27: expect[0]: says whether red1 reaches itself; expec"),
    ("{from: red1, to: red2, reach: yes}", "{apart: [red]}", "expect[0].apart: names fewer than two networks; expecte"),
    ("{from: red1, to: red2, reach: yes}", "{apart: [red, x]}", "expect[0].apart[1]: 'x' is not a network of this fil"),
    ("{from: red1, to: red2, reach: yes}", "red1", "two.yaml:27: expect[0]: is 'red1'; expected the fields from, to, "),
    ("{from: red1,", "{form: red1,", "two.yaml:27: expect[0].form: is not known here; expected one of from, to, reach"),
]
# fmt: on


@pytest.mark.parametrize(("what", "other", "said"), WRONG)
def test_a_wrong_field_is_named_with_its_line_and_what_was_expected(what: str, other: str, said: str) -> None:
    assert what in GOOD
    assert said in complaint(GOOD.replace(what, other, 1))


def test_several_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    lines = complaint(GOOD.replace("host: one,", "host: nine,").replace("0x22", "0")).splitlines()
    assert [line.split(": ")[0] for line in lines] == ["two.yaml:8", "two.yaml:18"]


def test_hosts_are_needed() -> None:
    assert complaint("name: x\n") == "two.yaml:1: hosts: is required and missing"
    assert complaint("hosts: {}\n") == "two.yaml:1: hosts: is empty; expected at least one host"
    assert "hosts: is a list; expected a mapping from names to hosts" in complaint("hosts: [a]\n")


def test_an_empty_file_and_a_file_that_is_not_yaml() -> None:
    assert complaint("").startswith("two.yaml:1: is empty; expected the fields hosts, name")
    assert complaint("hosts: {a: [}\n").startswith("two.yaml:1: is not YAML: ")
    assert complaint("a: b\n\tc: d\n").startswith("two.yaml:2: is not YAML: ")


def test_an_alias_of_itself_does_not_hang() -> None:
    assert "is nested too deeply" in complaint("hosts: &a {x: *a}\n")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match=r"none\.yaml: cannot be read"):
        load_topology(tmp_path / "none.yaml")


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"hosts: \xff\n")
    with pytest.raises(TopologyError, match="byte 7 is not UTF-8"):
        load_topology(tmp_path / "x.yaml")
