"""Where floating IPs of distributed routers live, as every host finds it by itself."""

import msgspec

from patchbay.compile import names
from patchbay.compile.facts import Facts
from patchbay.compile.floating import floating_gateways, floating_host, floatingips_living_here, outlet
from patchbay.compile.fragments import compile_fragment
from patchbay.compile.pipeline import GATEWAY as GATEWAY_TABLE
from patchbay.compile.view import HostView
from patchbay.hoststate import Flow, Route, Ruleset
from patchbay.model import FixedIP, FloatingIP, Instance, Network, Port, Router, Subnet
from patchbay.model.router import FLOATING_GATEWAY, ROUTER_GATEWAY, ROUTER_INTERFACE_DISTRIBUTED

INSIDE = Network(id="inside", created_at="1", segmentation_id=1)
OUTSIDE = Network(id="outside", created_at="2", segmentation_id=2, external=True)
ROUTER = Router(id="r", host="home", distributed=True, gateway_port_id="gateway")
LINK = Port(
    id="link",
    network_id="inside",
    mac_address="fa:16:3e:00:00:01",
    fixed_ips=(FixedIP(subnet_id="s", ip_address="10.0.0.1"),),
    device_id="r",
    device_owner=ROUTER_INTERFACE_DISTRIBUTED,
)
GATEWAY = Port(
    id="gateway",
    network_id="outside",
    mac_address="fa:16:3e:00:00:02",
    fixed_ips=(FixedIP(subnet_id="out", ip_address="203.0.113.5"),),
    device_id="r",
    device_owner=ROUTER_GATEWAY,
    host="home",
)
WAY_OUT = Port(
    id="way-out",
    network_id="outside",
    mac_address="fa:16:3e:00:00:03",
    device_id="r",
    device_owner=FLOATING_GATEWAY,
    host="far",
)
VM = Port(
    id="vm",
    network_id="inside",
    mac_address="fa:16:3e:00:00:04",
    host="far",
    fixed_ips=(FixedIP(subnet_id="s", ip_address="10.0.0.5"),),
)
INSTANCE = Instance(id="i", name="vm", host="far", interfaces={"eth0": "vm"})
FLOATING = FloatingIP(
    id="f",
    floating_network_id="outside",
    floating_ip_address="203.0.113.9",
    floating_port_id="floating",
    port_id="vm",
    fixed_ip_address="10.0.0.5",
    router_id="r",
)
SUBNETS = (
    Subnet(id="s", network_id="inside", ip_version=4, cidr="10.0.0.0/24", gateway_ip="10.0.0.1"),
    Subnet(id="out", network_id="outside", ip_version=4, cidr="203.0.113.0/24", gateway_ip="203.0.113.1"),
    Subnet(id="out6", network_id="outside", ip_version=6, cidr="2001:db8::/64", gateway_ip="2001:db8::1"),
)
ALL = (INSIDE, OUTSIDE, ROUTER, LINK, GATEWAY, WAY_OUT, VM, INSTANCE, FLOATING)


def seen_by(host: str, *values: object) -> HostView:
    view = HostView(Facts(host=host, tunnel_ip="10.0.0.1"))
    for value in values:
        view.put(value)  # type: ignore[arg-type]
    return view


def lives(*values: object) -> dict[str, list[str]]:
    """What each host says lives there, by the device that reaches it; all hosts agree."""
    found: dict[str, list[str]] = {}
    said = set()
    for host in ("home", "far", "other"):
        view = seen_by(host, *values)
        router = view.routers["r"]
        said.add(floating_host(view, router, view.floatingips["f"]))
        for floatingip in floatingips_living_here(view, router):
            port = outlet(view, router)
            found.setdefault(host, []).append(f"{floatingip.id} by {view.port_device(port.id) if port else port}")
    assert said == set(found)
    return found


def test_it_lives_with_its_port_when_its_host_has_a_way_out_for_it() -> None:
    assert lives(*ALL) == {"far": ["f by fg-way-out"]}
    assert seen_by("far", *ALL).networks_here() == {"inside", "outside"}
    assert set(seen_by("other", *ALL).hosts_of("outside")) == {"home", "far"}


def test_it_lives_at_home_without_one_or_with_one_that_does_not_count() -> None:
    at_home = {"home": ["f by qg-gateway"]}
    replace = msgspec.structs.replace
    assert lives(*(value for value in ALL if value is not WAY_OUT)) == at_home
    for other in (
        replace(WAY_OUT, host="other"),
        replace(WAY_OUT, network_id="inside"),
        replace(WAY_OUT, admin_state_up=False),
        replace(VM, host=""),
        replace(ROUTER, distributed=False),
        replace(FLOATING, port_id=None),
    ):
        assert lives(*ALL, other) == at_home, other


def test_at_home_the_gateway_is_the_way_out() -> None:
    values = (*ALL, msgspec.structs.replace(ROUTER, host="far"), msgspec.structs.replace(GATEWAY, host="far"))
    assert lives(*values) == {"far": ["f by qg-gateway"]}
    assert floating_gateways(seen_by("far", *values), values[-2]) == []  # type: ignore[arg-type]


def test_a_way_out_needs_its_router_here_and_keeps_no_router_here() -> None:
    view = seen_by("far", *(value for value in ALL if value is not INSTANCE))
    assert view.routers_here() == []
    assert view.networks_here() == set()
    view.put(INSTANCE)
    assert (view.routers_here(), view.port_device("way-out")) == (["r"], "fg-way-out")
    view.remove(INSTANCE)
    assert (view.routers_here(), view.port_device("way-out")) == ([], None)


def test_what_a_host_does_follows_at_once_when_the_port_or_the_way_out_moves() -> None:
    view = seen_by("home", *ALL)
    assert ("router", "r") in view.put(msgspec.structs.replace(VM, host="other"))
    assert ("router", "r") in view.put(msgspec.structs.replace(WAY_OUT, host="other"))
    assert ("router", "r") in view.remove(FLOATING)


def test_at_home_who_is_not_translated_is_for_a_floating_ip_elsewhere_so_that_the_answer_comes_back() -> None:
    def translations(router: Router) -> list[str]:
        view = seen_by("home", *ALL, *SUBNETS, router)
        (rules,) = [
            item for item in compile_fragment(view, ("router", "r")) if isinstance(item, Ruleset) and item.version == 4
        ]
        return [rule for rule in dict(rules.tables)["nat"] if "-snat -s" in rule]

    own = "-j SNAT --to-source 203.0.113.5"
    plain = msgspec.structs.replace(ROUTER, enable_snat=False)
    assert translations(ROUTER) == [f"-A neutron-l3-agent-snat -s 10.0.0.0/24 {own}"]
    assert translations(plain) == [
        f"-A neutron-l3-agent-snat -s 10.0.0.0/24 -m conntrack --ctstate DNAT {own}",
        f"-A neutron-l3-agent-snat -s 10.0.0.0/24 -d 203.0.113.9/32 {own}",
    ]


def test_its_instance_goes_out_by_the_namespace_of_its_own_host() -> None:
    def shown(host: str) -> tuple[list[str], list[str]]:
        view = seen_by(host, *ALL, *SUBNETS)
        resources = compile_fragment(view, ("router", "r"))
        flows = [
            f"{item.match} {item.actions}"
            for item in resources
            if isinstance(item, Flow) and item.table == GATEWAY_TABLE
        ]
        routes = [f"{item.destination} {item.gateway} {item.link}" for item in resources if isinstance(item, Route)]
        return [text for text in flows if "nw_src" in text], routes

    flows, routes = shown("far")
    vlan = seen_by("far", *ALL, *SUBNETS).local_vlan("inside")
    number = names.router_number("r")
    assert flows == [f"ip,reg6={vlan:#x},metadata={number:#x},nw_src=10.0.0.5 resubmit(,48)"]
    assert routes == ["203.0.113.0/24  fg-way-out", "0.0.0.0/0 203.0.113.1 fg-way-out"]
    assert shown("home")[0] == []
    assert all("qg-gateway" in route for route in shown("home")[1])
