"""Routers: which ports, routes and rules follow from which rows, and what is left out because it cannot work."""

from typing import Any

import pytest
from msgspec.structs import replace

from patchbay.compile.facts import Facts
from patchbay.compile.fragments import compile_fragment
from patchbay.compile.router_trouble import router_trouble
from patchbay.compile.view import HostView, Value
from patchbay.hoststate import Address, BridgePort, Daemon, Flow, Link, Namespace, Resource, Route, Ruleset
from patchbay.model import FixedIP, FloatingIP, HostRoute, Network, Plug, Port, PortForwarding, Router, Subnet

MAC = "fa:16:3e:00:00:03"
ROUTER = Router(id="router", host="me", gateway_port_id="gateway")
INSIDE = Network(id="inside", created_at="1", segmentation_id=1)
OUTSIDE = Network(id="outside", created_at="2", network_type="flat", physical_network="ext", mtu=1500, external=True)
SUBNET = Subnet(id="inside4", network_id="inside", ip_version=4, cidr="10.0.0.0/24", gateway_ip="10.0.0.1")
SUBNET6 = Subnet(
    id="inside6",
    network_id="inside",
    ip_version=6,
    cidr="2001:db8:1::/64",
    gateway_ip="2001:db8:1::1",
    ipv6_ra_mode="slaac",
    dns_nameservers=("2001:db8::53", "2001:db8::54", "2001:db8::55", "2001:db8::56"),
)
EXTERNAL = Subnet(id="out4", network_id="outside", ip_version=4, cidr="203.0.113.0/24", gateway_ip="203.0.113.1")
INTERFACE = Port(
    id="interface",
    network_id="inside",
    mac_address="fa:16:3e:00:00:01",
    fixed_ips=(FixedIP("inside4", "10.0.0.1"),),
    device_id="router",
    device_owner="network:router_interface",
    host="me",
)
GATEWAY = Port(
    id="gateway",
    network_id="outside",
    mac_address="fa:16:3e:00:00:02",
    fixed_ips=(FixedIP("out4", "203.0.113.5"),),
    device_id="router",
    device_owner="network:router_gateway",
    host="me",
)
FLOATING = FloatingIP(
    id="floating",
    floating_network_id="outside",
    floating_ip_address="203.0.113.10",
    floating_port_id="floating-port",
    port_id="server",
    fixed_ip_address="10.0.0.20",
    router_id="router",
)
WORLD = (ROUTER, INSIDE, OUTSIDE, SUBNET, EXTERNAL, INTERFACE, GATEWAY)


def compiled(*changes: Value, without: tuple[Value, ...] = ()) -> list[Resource]:
    """The router's resources in the world with these changes."""
    view = HostView(Facts(host="me", datapath_type="netdev", bridges=frozenset({"br-ex"})))
    for value in (*WORLD, *changes):
        if value not in without:
            view.put(value)
    return list(compile_fragment(view, ("router", "router")))


def of(kind: type[Any], resources: list[Resource]) -> list[Any]:
    return [item for item in resources if isinstance(item, kind)]


def nat(resources: list[Resource]) -> list[str]:
    """The rules of the nat table that follow from rows."""
    ruleset = next(item for item in of(Ruleset, resources) if item.version == 4)
    rules = [line.removeprefix("-A neutron-l3-agent-") for line in dict(ruleset.tables)["nat"] if "l3-agent-" in line]
    return [rule for rule in rules if any(word in rule for word in ("DNAT", "SNAT"))]


def routes(resources: list[Resource]) -> set[tuple[str, str, str]]:
    return {(item.destination, item.gateway, item.link) for item in of(Route, resources)}


@pytest.mark.parametrize("change", [replace(ROUTER, host="other"), replace(ROUTER, admin_state_up=False)])
def test_a_router_of_another_host_or_one_that_is_down_is_nothing_here(change: Router) -> None:
    assert compiled(change) == []


def test_a_router_that_is_not_known_yet_is_nothing_though_its_ports_are() -> None:
    assert compiled(without=(ROUTER,)) == []


def test_without_a_gateway_nothing_is_translated() -> None:
    resources = compiled(replace(ROUTER, gateway_port_id=None), FLOATING, without=(GATEWAY,))
    assert nat(resources) == []
    assert routes(resources) == set()
    assert [item.name for item in of(Link, resources)] == ["qr-interface"]


def test_a_gateway_port_that_the_router_does_not_name_is_not_plugged() -> None:
    assert [item.name for item in of(Link, compiled(replace(ROUTER, gateway_port_id="another")))] == ["qr-interface"]


def test_a_port_whose_network_is_not_known_yet_waits_and_keeps_no_other_from_working() -> None:
    assert [item.name for item in of(Link, compiled(without=(INSIDE,)))] == ["qg-gateway"]


def test_a_port_that_is_down_is_not_there() -> None:
    resources = compiled(replace(INTERFACE, admin_state_up=False))
    assert [item.name for item in of(BridgePort, resources)] == ["qg-gateway"]
    assert not any("10.0.0.0/24" in rule for rule in nat(resources))


def test_a_port_of_a_network_that_is_down_is_in_the_dead_vlan_and_heard_by_nobody() -> None:
    resources = compiled(replace(INSIDE, admin_state_up=False))
    assert [item.tag for item in of(BridgePort, resources)] == [4095, 2]
    assert [item.match for item in of(Flow, resources)] == ["in_port=qr-interface"]


def test_devices_have_the_mtu_of_their_network_and_speak_ipv6() -> None:
    links = {item.name: (item.mtu, item.ipv6, item.tx_checksum) for item in of(Link, compiled())}
    assert links == {"qr-interface": (1450, True, False), "qg-gateway": (1500, True, False)}


def test_without_enable_snat_only_connections_to_floating_ips_get_the_router_s_address() -> None:
    assert nat(compiled(replace(ROUTER, enable_snat=False))) == [
        "POSTROUTING ! -o qg-gateway -m conntrack ! --ctstate DNAT -j ACCEPT",
        "snat -s 10.0.0.0/24 -m conntrack --ctstate DNAT -j SNAT --to-source 203.0.113.5",
    ]


def test_a_floating_ip_is_an_address_of_the_gateway_and_translated_both_ways_before_the_router_s_own() -> None:
    resources = compiled(FLOATING)
    assert [(item.link, item.address) for item in of(Address, resources)][-1] == ("qg-gateway", "203.0.113.10/32")
    assert nat(resources) == [
        "OUTPUT -d 203.0.113.10/32 -j DNAT --to-destination 10.0.0.20",
        "POSTROUTING ! -o qg-gateway -m conntrack ! --ctstate DNAT -j ACCEPT",
        "PREROUTING -d 203.0.113.10/32 -j DNAT --to-destination 10.0.0.20",
        "float-snat -s 10.0.0.20/32 -j SNAT --to-source 203.0.113.10",
        "snat -s 10.0.0.0/24 -j SNAT --to-source 203.0.113.5",
    ]


def test_between_subnets_nothing_is_translated_though_the_gateway_has_no_ipv4_address_of_its_own() -> None:
    assert nat(compiled(FLOATING, replace(GATEWAY, fixed_ips=()))) == [
        "OUTPUT -d 203.0.113.10/32 -j DNAT --to-destination 10.0.0.20",
        "POSTROUTING ! -o qg-gateway -m conntrack ! --ctstate DNAT -j ACCEPT",
        "PREROUTING -d 203.0.113.10/32 -j DNAT --to-destination 10.0.0.20",
        "float-snat -s 10.0.0.20/32 -j SNAT --to-source 203.0.113.10",
    ]


@pytest.mark.parametrize(
    "floatingip",
    [
        replace(FLOATING, floating_network_id="elsewhere"),
        replace(FLOATING, router_id="another"),
        replace(FLOATING, floating_ip_address="2001:db8::1"),
        replace(FLOATING, floating_ip_address="nonsense"),
    ],
)
def test_a_floating_ip_that_the_gateway_cannot_carry_is_left_out(floatingip: FloatingIP) -> None:
    assert compiled(floatingip) == compiled()


@pytest.mark.parametrize(
    ("protocol", "external", "internal", "rule"),
    [
        ("tcp", (2222, 2222), (22, 22), "-p tcp -m tcp --dport 2222 -j DNAT --to-destination 10.0.0.20:22"),
        (
            "udp",
            (3000, 3010),
            (4000, 4010),
            "-p udp -m udp --dport 3000:3010 -j DNAT --to-destination 10.0.0.20:4000-4010/3000",
        ),
        ("tcp", (80, 89), (80, 80), "-p tcp -m tcp --dport 80:89 -j DNAT --to-destination 10.0.0.20:80"),
        ("tcp", (80, 89), (80, 81), None),
        ("icmp", (80, 80), (80, 80), None),
    ],
)
def test_ports_of_a_floating_ip_lead_one_to_one_or_many_to_one(
    protocol: str, external: tuple[int, int], internal: tuple[int, int], rule: str | None
) -> None:
    forwarding = PortForwarding(
        id="forwarding",
        protocol=protocol,
        external_ports=external,
        internal_port_id="server",
        internal_ip_address="10.0.0.20",
        internal_ports=internal,
    )
    floatingip = replace(FLOATING, port_id=None, fixed_ip_address=None, port_forwardings=(forwarding,))
    resources = compiled(floatingip)
    found = [line for line in nat(resources) if line.startswith("PREROUTING -d 203.0.113.10/32")]
    assert found == ([f"PREROUTING -d 203.0.113.10/32 {rule}"] if rule else [])
    assert any(item.address == "203.0.113.10/32" for item in of(Address, resources))


def test_a_gateway_outside_its_subnet_gets_a_route_of_its_own() -> None:
    external = replace(EXTERNAL, gateway_ip="198.51.100.1")
    assert routes(compiled(external)) == {
        ("198.51.100.1/32", "", "qg-gateway"),
        ("0.0.0.0/0", "198.51.100.1", "qg-gateway"),
    }


def test_other_subnets_of_the_external_network_are_on_the_link() -> None:
    second = Subnet(id="out4b", network_id="outside", ip_version=4, cidr="198.51.100.0/24", gateway_ip="198.51.100.1")
    assert ("198.51.100.0/24", "", "qg-gateway") in routes(compiled(second))


def test_of_several_external_addresses_the_first_is_the_source_and_leads_out() -> None:
    second = Subnet(id="out4b", network_id="outside", ip_version=4, cidr="198.51.100.0/24", gateway_ip="198.51.100.1")
    port = replace(GATEWAY, fixed_ips=(FixedIP("out4b", "198.51.100.5"), *GATEWAY.fixed_ips))
    resources = compiled(second, port)
    assert {item.address for item in of(Address, resources) if item.link == "qg-gateway"} == {
        "198.51.100.5/24",
        "203.0.113.5/24",
    }
    assert nat(resources)[-1].endswith("--to-source 198.51.100.5")
    assert routes(resources) == {("0.0.0.0/0", "198.51.100.1", "qg-gateway")}


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (HostRoute("172.16.0.0/12", "10.0.0.9"), ("172.16.0.0/12", "10.0.0.9", "qr-interface")),
        (HostRoute("172.16.0.0/12", "10.0.0.1"), ("172.16.0.0/12", "", "qr-interface")),
        (HostRoute("192.0.2.0/24", "203.0.113.9"), ("192.0.2.0/24", "203.0.113.9", "qg-gateway")),
        (HostRoute("0.0.0.0/0", "10.0.0.9"), ("0.0.0.0/0", "10.0.0.9", "qr-interface")),
    ],
)
def test_an_extra_route_goes_where_its_next_hop_is_and_before_the_gateway(
    route: HostRoute, expected: tuple[str, str, str]
) -> None:
    assert expected in routes(compiled(replace(ROUTER, routes=(route,))))


@pytest.mark.parametrize(
    "route",
    [
        HostRoute("172.16.0.0/12", "10.9.9.9"),
        HostRoute("2001:db8:9::/48", "10.0.0.9"),
        HostRoute("10.0.0.0/24", "203.0.113.9"),
        HostRoute("nonsense", "10.0.0.9"),
    ],
)
def test_an_extra_route_that_cannot_work_is_left_out(route: HostRoute) -> None:
    assert routes(compiled(replace(ROUTER, routes=(route,)))) == routes(compiled())


def test_what_is_behind_an_extra_route_leaves_with_the_router_s_address_too() -> None:
    rules = nat(compiled(replace(ROUTER, routes=(HostRoute("172.16.0.0/12", "10.0.0.9"),))))
    assert rules[-1] == "snat -s 172.16.0.0/12 -j SNAT --to-source 203.0.113.5"


def test_radvd_runs_only_when_a_subnet_wants_advertisements() -> None:
    port = replace(INTERFACE, fixed_ips=(*INTERFACE.fixed_ips, FixedIP("inside6", "2001:db8:1::1")))
    assert of(Daemon, compiled(SUBNET6)) == []
    assert of(Daemon, compiled(replace(SUBNET6, ipv6_ra_mode=None), port)) == []
    (daemon,) = of(Daemon, compiled(SUBNET6, port))
    assert daemon.namespace == "qrouter-router"
    assert (
        dict(daemon.files)["/run/patchbay/ra/router/radvd.conf"]
        == """\
interface qr-interface
{
    AdvSendAdvert on;
    MinRtrAdvInterval 30;
    MaxRtrAdvInterval 100;
    AdvLinkMTU 1450;
    prefix 2001:db8:1::/64 { AdvOnLink on; AdvAutonomous on; };
    RDNSS 2001:db8::53 2001:db8::54 2001:db8::55 { };
};
"""
    )


@pytest.mark.parametrize(
    ("mode", "flag", "autonomous"),
    [("dhcpv6-stateful", "AdvManagedFlag on;", "off"), ("dhcpv6-stateless", "AdvOtherConfigFlag on;", "on")],
)
def test_advertisements_send_hosts_to_dhcpv6(mode: str, flag: str, autonomous: str) -> None:
    port = replace(INTERFACE, fixed_ips=(FixedIP("inside6", "2001:db8:1::1"),))
    (daemon,) = of(Daemon, compiled(replace(SUBNET6, ipv6_ra_mode=mode), port))
    (content,) = dict(daemon.files).values()
    assert flag in content
    assert f"AdvAutonomous {autonomous};" in content


def test_the_namespace_carries_our_mark() -> None:
    assert of(Namespace, compiled()) == [Namespace(name="qrouter-router", alias="patchbay:router")]


def follow(*changes: Value) -> set[tuple[str, ...]]:
    """The fragments that these changes of the world make dirty."""
    view = HostView(Facts(host="me", datapath_type="netdev", bridges=frozenset({"br-ex"})))
    for value in WORLD:
        view.put(value)
    return set().union(*(view.put(change) for change in changes))


@pytest.mark.parametrize(
    "change",
    [
        replace(ROUTER, enable_snat=False),
        replace(INTERFACE, mac_address="fa:16:3e:00:00:09"),
        replace(GATEWAY, fixed_ips=()),
        replace(INSIDE, mtu=1300),
        replace(OUTSIDE, segmentation_id=7, network_type="vlan"),
        replace(SUBNET, dns_nameservers=("192.0.2.1",)),
        replace(EXTERNAL, gateway_ip=None),
        Subnet(id="another", network_id="outside", ip_version=4, cidr="198.51.100.0/24"),
        FLOATING,
    ],
    ids=lambda change: type(change).__name__,
)
def test_a_router_is_compiled_again_when_something_that_it_is_made_of_changes(change: Value) -> None:
    assert ("router", "router") in follow(change)


def test_one_more_floating_ip_concerns_nothing_but_its_router() -> None:
    assert follow(FLOATING) == {("router", "router")}
    assert follow(FLOATING, replace(FLOATING, router_id="another")) == {("router", "router"), ("router", "another")}


def test_the_port_of_a_floating_ip_is_on_no_host_though_an_agent_tells_of_it() -> None:
    view = HostView(Facts(host="me", tunnel_ip="192.0.2.1"))
    holder = Port(id="holder", network_id="inside", mac_address=MAC, device_owner="network:floatingip")
    for value in (INSIDE, holder, Plug(id="plug", port_id="holder", network_id="inside", host="other", up=True)):
        view.put(value)
    assert view.elsewhere(holder) == set()


def test_trouble_names_the_network_and_the_bridge_that_is_missing() -> None:
    view = HostView(Facts(host="me"))
    for value in WORLD:
        view.put(value)
    assert router_trouble(view, "router") == "Network outside does not reach me: ext has no bridge there."
    view.set_facts(Facts(host="me", bridge_mappings={"ext": "br-ex"}, bridges=frozenset({"br-ex"})))
    assert router_trouble(view, "router") == ""
    view.put(replace(OUTSIDE, id="older", created_at="0"))
    assert router_trouble(view, "router") == "Network outside has the segment of an older network on me."
