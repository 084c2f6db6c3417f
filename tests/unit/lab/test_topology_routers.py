"""Routers, floating IPs, DHCP, machines outside and questions in a topology file: what is read, and what is refused."""

from pathlib import Path

import msgspec
import pytest

from patchbay.lab.reading import parse_topology
from patchbay.lab.topology import (
    Fetch,
    FloatingIP,
    HostRoute,
    Lease,
    PortForwarding,
    Reach,
    Resolve,
    RouterInterface,
    Topology,
)
from patchbay.lab.yamlfile import TopologyError

GOOD = """\
name: way-out
hosts:
  one: {tunnel_ip: 10.9.0.1, bridge_mappings: {physnet1: br-ex}}
networks:
  ext: {type: flat, physical_network: physnet1, external: true, subnets: {ext-v4: 192.168.1.0/24}}
  demo:
    project: demo
    dns_domain: demo.example
    subnets:
      demo-v4:
        cidr: 10.0.1.0/24
        dhcp_range: 10.0.1.50-10.0.1.60
        dhcp_server: 10.0.1.55
        host_routes: {198.51.100.0/24: 10.0.1.9}
  back: {project: demo, subnets: {back-v4: {cidr: 10.0.2.0/24, gateway: none}}}
routers:
  way:
    external: ext
    external_addresses: [192.168.1.245]
    interfaces: [demo/demo-v4, {subnet: back-v4, address: 10.0.2.1}]
    routes: {default: 192.168.1.1, 10.7.0.0/16: 10.0.1.9}
floating_ips:
  - {network: ext, address: 192.168.1.250, instance: vm2/eth1}
  - address: 192.168.1.251
    port_forwardings: [{port: 2222, to: vm1:22}, {port: 53, to: vm2/eth1:53, protocol: udp}]
instances:
  vm1: {host: one, network: demo, address: 10.0.1.5, dhcp: true, floating_ip: 192.168.1.246}
  vm2: {host: one, interfaces: {eth0: {network: demo, address: dynamic}, eth1: {network: back}}, dhcp: true}
outside:
  gateway:
    physical_network: physnet1
    addresses: [192.168.1.1/24, 203.0.113.1/24]
    routes: {10.0.0.0/8: 192.168.1.245}
  web: {physical_network: physnet1, vlan: 7, addresses: [203.0.113.80/24], dns: {www.example.net: 1.2.3.4}, http: true}
expect:
  - {from: [vm1, gateway], to: [203.0.113.1, vm2], reach: yes, seen_as: 192.168.1.245}
  - {from: vm1, resolve: vm2.demo.example, to: 10.0.1.6}
  - {from: vm1, resolve: nobody, fails: yes}
  - {lease: vm1, address: 10.0.1.5, router: none, dns: [10.0.1.55], mtu: 1450, routes: {198.51.100.0/24: 10.0.1.9}}
  - {from: web, http: http://192.168.1.246/x, status: 404, body: no}
"""


def parse(text: str) -> Topology:
    return parse_topology(text, Path("way.yaml"))


def complaint(text: str) -> str:
    with pytest.raises(TopologyError) as caught:
        parse(text)
    return str(caught.value)


def test_a_router_knows_the_network_of_each_subnet_and_takes_its_project() -> None:
    router = parse(GOOD).routers["way"]
    assert router.project == "demo"
    assert router.interfaces == (RouterInterface("demo", "demo-v4"), RouterInterface("back", "back-v4", "10.0.2.1"))
    assert router.routes == (HostRoute("0.0.0.0/0", "192.168.1.1"), HostRoute("10.7.0.0/16", "10.0.1.9"))


def test_floating_ips_stand_in_a_list_or_with_their_instance() -> None:
    assert parse(GOOD).floating_ips == (
        FloatingIP("ext", "192.168.1.250", "demo", "vm2", "eth1"),
        FloatingIP(
            "ext",
            "192.168.1.251",
            "way-out",
            port_forwardings=(PortForwarding(2222, "vm1", 22), PortForwarding(53, "vm2", 53, "eth1", "udp")),
        ),
        FloatingIP("ext", "192.168.1.246", "demo", "vm1"),
    )


def test_a_dynamic_address_is_lent_and_not_given() -> None:
    interface = parse(GOOD).instances["vm2"].interfaces["eth0"]
    assert (interface.is_dynamic, interface.addresses) == (True, ())


def test_every_kind_of_expectation() -> None:
    assert parse(GOOD).expect == (
        Reach(("vm1", "gateway"), ("203.0.113.1", "vm2"), True, 36, "192.168.1.245"),
        Resolve(("vm1",), "vm2.demo.example", "10.0.1.6", 37),
        Resolve(("vm1",), "nobody", "", 38),
        Lease(
            "vm1",
            address="10.0.1.5",
            router="",
            dns=("10.0.1.55",),
            mtu=1450,
            routes=(HostRoute("198.51.100.0/24", "10.0.1.9"),),
            line=39,
        ),
        Fetch(("web",), "http://192.168.1.246/x", 404, "no", line=40),
    )


def test_all_of_it_survives_the_registry() -> None:
    topology = parse(GOOD)
    assert msgspec.json.decode(msgspec.json.encode(topology), type=Topology) == topology


def test_who_answers_for_an_address() -> None:
    topology = parse(GOOD)
    assert [topology.place_of(each) for each in ("192.168.1.246", "203.0.113.80", "192.168.1.245")] == [
        "vm1",
        "web",
        "",
    ]


# fmt: off
WRONG = [
    ("external: true, ", "external: maybe, ", "networks.ext.external: is 'maybe'; expected true or false"),
    ("dhcp_range: 10.0.1.50-10.0.1.60", "dhcp_range: 10.0.1.50", "way.yaml:12: networks.demo.subnets.demo-v4.dhcp_ran"),
    ("dhcp_range: 10.0.1.50-10.0.1.60", "dhcp_range: 10.0.9.1-10.0.9.2", "'10.0.9.1-10.0.9.2' is not inside 10.0.1.0/"),
    ("dhcp_server: 10.0.1.55", "dhcp_server: x", "way.yaml:13: networks.demo.subnets.demo-v4.dhcp_server: 'x' cannot "),
    ("dhcp_server: 10.0.1.55", "enable_dhcp: false", "demo-v4.dhcp_range: is given, but the subnet has no DHCP; leave"),
    ("{198.51.100.0/24: 10.0.1.9}\n  back", "{198.51.100.0/99: 10.0.1.9}\n  back", "'198.51.100.0/99' is no destinati"),
    ("{198.51.100.0/24: 10.0.1.9}\n  back", "[x]\n  back", "way.yaml:14: networks.demo.subnets.demo-v4.host_routes: i"),
    ("{198.51.100.0/24: 10.0.1.9}\n  back", "{fd00::/8: fe80::1}\n  back", "host_routes: route 1 is not of IPv4, as 1"),
    ("    external: ext\n", "    external: demo\n", "way.yaml:18: routers.way.external: 'demo' is not an external net"),
    ("    external: ext\n", "", "way.yaml:18: routers.way.external_addresses: is given, but the router has no gateway"),
    ("[192.168.1.245]", "[192.168.2.245]", "routers.way.external_addresses[0]: 192.168.2.245 is in no subnet of netwo"),
    ("demo/demo-v4", "demo-v5", "way.yaml:20: routers.way.interfaces[0]: 'demo-v5' is not a subnet of this file; expe"),
    ("demo/demo-v4", "demo-v4, demo-v4", "routers.way.interfaces[1]: demo-v4 is an interface of this router already; "),
    ("{subnet: back-v4, address: 10.0.2.1}", "back-v4", "interfaces[1]: back-v4 has no gateway; give {subnet: …, addr"),
    ("{subnet: back-v4, address: 10.0.2.1}", "{subnet: back-v4, address: 10.0.3.1}", "'10.0.3.1' is not an address of"),
    ("{subnet: back-v4, address: 10.0.2.1}", "7", "way.yaml:20: routers.way.interfaces[1]: is the number 7; expected "),
    ("{default: 192.168.1.1,", "{default: x,", "way.yaml:21: routers.way.routes.default: is 'x'; expected the address"),
    ("instance: vm2/eth1}", "instance: vm9}", "way.yaml:23: floating_ips[0].instance: 'vm9' is not an instance of thi"),
    ("instance: vm2/eth1}", "instance: vm2/eth7}", "floating_ips[0].instance: 'eth7' is no interface of vm2; expected"),
    ("{network: ext,", "{network: demo,", "way.yaml:23: floating_ips[0].network: 'demo' is not an external network; e"),
    ("192.168.1.251\n", "192.168.9.251\n", "way.yaml:24: floating_ips[1].address: '192.168.9.251' is in no subnet of "),
    ("192.168.1.251\n", "192.168.1.246\n", "instances.vm1.floating_ip: 192.168.1.246 is a floating IP already; expect"),
    ("to: vm1:22}", "to: vm1}", "way.yaml:25: floating_ips[1].port_forwardings[0].to: 'vm1' is no target; expected in"),
    ("{port: 2222,", "{port: 0,", "floating_ips[1].port_forwardings[0].port: 0 is no port; expected 1 to 65535"),
    ("protocol: udp", "protocol: icmp", "port_forwardings[1].protocol: is 'icmp'; expected tcp or udp"),
    ("floating_ip: 192.168.1.246", "floating_ip: 10.0.1.9", "way.yaml:27: instances.vm1.floating_ip: '10.0.1.9' is in"),
    ("interfaces: [demo/demo-v4, ", "interfaces: [", "way.yaml:27: instances.vm1.floating_ip.instance: no router lead"),
    ("dhcp: true, floating_ip", "floating_ip", "way.yaml:39: expect[3].lease: vm1 asks for no lease; give it dhcp: tr"),
    ("{network: back}}, dhcp: true", "{network: back}}", "vm2.interfaces.eth0.address: is dynamic, but the instance a"),
    ("        dhcp_range: 10.0.1.50-10.0.1.60\n", "", "vm2.interfaces.eth0.address: is dynamic, but no subnet of demo"),
    ("  gateway:\n", "  vm1:\n", "outside.vm1: is the name of a host or instance too; expected one of its own"),
    ("    physical_network: physnet1\n    add", "    physical_network: p9\n    add", "outside.gateway.physical_networ"),
    ("203.0.113.1/24]", "203.0.113.1]", "outside.gateway.addresses[1]: '203.0.113.1' is no address with prefix length"),
    ("vlan: 7", "vlan: 4095", "way.yaml:34: outside.web.vlan: 4095 is no VLAN; expected 1 to 4094, or null for untagg"),
    ("www.example.net: 1.2.3.4", "www.example.net: x", "outside.web.dns.www.example.net: 'x' is not an address; expec"),
    ("to: [203.0.113.1, vm2]", "to: [203.0.113.300, vm2]", "expect[0].to[0]: '203.0.113.300' is not an instance of th"),
    ("reach: yes, seen_as: 192.168.1.245", "reach: yes, seen_as: x", "expect[0].seen_as: 'x' is not an address; expec"),
    ("reach: yes, seen_as: 192.168.1.245", "reach: no, seen_as: 192.168.1.245", "expect[0].seen_as: is given where no"),
    ("to: [203.0.113.1, vm2]", "to: 10.0.1.1", "expect[0].seen_as: 10.0.1.1 belongs to no instance and no machine out"),
    ("nobody, fails: yes", "nobody", "way.yaml:38: expect[2]: says how a name is resolved; expected either to: ADDRES"),
    ("to: 10.0.1.6}", "to: vm2}", "way.yaml:37: expect[1].to: 'vm2' is not an address; expected an IP address"),
    ("{from: vm1, resolve: nobody", "{from: gateway, resolve: nobody", "expect[2].from: 'gateway' is not an instance "),
    ("router: none", "router: nowhere", "expect[3].router: 'nowhere' is not an address; expected an IP address, or no"),
    ("{lease: vm1,", "{lease: vm1/eth3,", "expect[3].lease: 'eth3' is no interface of vm1; expected one of eth0"),
    ("http: http://192", "http: ftp://192", "way.yaml:40: expect[4].http: 'ftp://192.168.1.246/x' is no URL; expected"),
]
# fmt: on


@pytest.mark.parametrize(("what", "other", "said"), WRONG)
def test_a_wrong_field_is_named_with_its_line_and_what_was_expected(what: str, other: str, said: str) -> None:
    assert what in GOOD
    assert said in complaint(GOOD.replace(what, other, 1))
