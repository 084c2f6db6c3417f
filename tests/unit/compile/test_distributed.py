"""Routing in flows: which flows follow from which rows, at a router's home and on another host."""

import re

import pytest
from msgspec.structs import replace

from patchbay.compile import names
from patchbay.compile.facts import Facts
from patchbay.compile.fragments import compile_all
from patchbay.compile.responder import link_local
from patchbay.compile.view import HostView, Value
from patchbay.hoststate import Daemon, Flow, Link, Route
from patchbay.model import AddressPair, FixedIP, Host, HostRoute, Instance, Network, Port, Router, Subnet
from patchbay.model.router import ROUTER_GATEWAY, ROUTER_INTERFACE_DISTRIBUTED

ROUTER_ID = "12345678-9abc-4def-8000-000000000001"
NUMBER = "metadata=0x123456789abc4def"
RED = Network(id="red", created_at="1", segmentation_id=1, mtu=1450)
BLUE = Network(id="blue", created_at="2", segmentation_id=2, mtu=1450)
RED4 = Subnet(id="red4", network_id="red", ip_version=4, cidr="10.0.1.0/24", gateway_ip="10.0.1.1")
RED6 = Subnet(
    id="red6", network_id="red", ip_version=6, cidr="fd00:1::/64", gateway_ip="fd00:1::1", ipv6_ra_mode="slaac"
)
BLUE4 = Subnet(id="blue4", network_id="blue", ip_version=4, cidr="10.0.2.0/24", gateway_ip="10.0.2.1")
ROUTER = Router(id=ROUTER_ID, distributed=True, host="home")


def interface(port_id: str, network: Network, number: int, *fixed_ips: FixedIP) -> Port:
    return Port(
        id=port_id,
        network_id=network.id,
        mac_address=f"fa:16:3e:00:00:{number:02x}",
        fixed_ips=fixed_ips,
        device_id=ROUTER_ID,
        device_owner=ROUTER_INTERFACE_DISTRIBUTED,
    )


ON_RED = interface("on-red", RED, 1, FixedIP("red4", "10.0.1.1"), FixedIP("red6", "fd00:1::1"))
ON_BLUE = interface("on-blue", BLUE, 2, FixedIP("blue4", "10.0.2.1"))
RED1 = Port(
    id="red1",
    network_id="red",
    mac_address="fa:16:3e:00:00:11",
    fixed_ips=(FixedIP("red4", "10.0.1.11"),),
    host="me",
    port_security_enabled=False,
)
BLUE2 = replace(
    RED1, id="blue2", network_id="blue", mac_address="fa:16:3e:00:00:22", fixed_ips=(FixedIP("blue4", "10.0.2.12"),)
)
BLUE2 = replace(BLUE2, host="home")
INSTANCE = Instance(id="instance", name="red1", host="me", plugging="direct", interfaces={"eth0": "red1"})
HOME = Host(id="home-row", name="home", tunnel_ip="10.9.0.2")
WORLD: tuple[Value, ...] = (*(HOME, RED, BLUE, RED4, RED6, BLUE4, ROUTER, ON_RED, ON_BLUE, RED1, BLUE2, INSTANCE),)
GATEWAY = Port(
    id="gateway",
    network_id="outside",
    mac_address="fa:16:3e:00:00:09",
    host="home",
    device_id=ROUTER_ID,
    device_owner=ROUTER_GATEWAY,
)


def compiled(*changes: Value, without: tuple[Value, ...] = (), host: str = "me") -> list[object]:
    """Everything of the host in the world with these changes."""
    facts = Facts(
        host=host,
        tunnel_ip="10.9.0.1",
        bridge_mappings={"physical": "br-ex"},
        bridges=frozenset({"br-ex"}),
    )
    view = HostView(facts)
    for value in (*WORLD, *changes):
        if value not in without:
            view.put(value)
    return list(compile_all(view).values())


def flows(resources: list[object], table: int, bridge: str = "br-int") -> dict[str, str]:
    """Match and actions of a table."""
    found = (item for item in resources if isinstance(item, Flow) and (item.bridge, item.table) == (bridge, table))
    return {item.match: item.actions for item in found}


def test_what_no_distributed_router_joins_costs_no_flow() -> None:
    without = compiled(without=(ROUTER,))
    assert set(flows(without, 0)) == {"", "in_port=int-br-ex"}
    assert not any(flows(without, table) for table in range(24, 50))
    green = Network(id="green", created_at="3", segmentation_id=3)
    port = replace(RED1, id="green1", network_id="green", mac_address="fa:16:3e:00:00:33")
    green1 = replace(INSTANCE, id="other", name="green1", interfaces={"eth0": "green1"})
    more = compiled(green, port, green1)
    assert not [match for match in flows(more, 0) if "tapgreen1" in match]
    assert "in_port=tapred1,vlan_tci=0x0000/0x1fff" in flows(more, 0)


def test_a_network_without_an_ordinary_port_anywhere_near_is_not_here() -> None:
    assert not flows(compiled(without=(RED1, INSTANCE)), 42)


@pytest.mark.parametrize(
    ("changes", "reached"),
    [
        ((), "mod_dl_dst:fa:16:3e:00:00:22,dec_ttl,resubmit(,47)"),
        ((replace(BLUE2, admin_state_up=False),), None),
        ((replace(HOME, tunnel_ip=""),), None),
        ((replace(BLUE2, host=""),), None),
        ((replace(BLUE, admin_state_up=False),), None),
        ((replace(RED1, id="thief", network_id="blue", fixed_ips=BLUE2.fixed_ips, host="home"),), None),
        ((replace(RED1, id="pair", network_id="blue", allowed_address_pairs=(AddressPair("10.0.2.12", ""),)),), None),
    ],
)
def test_a_neighbour_is_known_if_it_can_be_reached_and_nobody_else_claims_to_be_it(
    changes: tuple[Value, ...], reached: str | None
) -> None:
    assert flows(compiled(*changes), 45).get("ip,reg0=0xa00020c,reg7=0x2") == reached


def test_a_neighbour_here_is_reached_by_its_own_port_even_from_that_port() -> None:
    assert flows(compiled(), 45)["ip,reg0=0xa00010b,reg7=0x1"] == (
        "mod_dl_dst:fa:16:3e:00:00:11,dec_ttl,load:0xffff->NXM_OF_IN_PORT[],output:tapred1"
    )


def test_what_a_namespace_sends_goes_to_the_port_that_is_meant_and_what_is_for_it_to_it() -> None:
    found = compiled()
    assert flows(found, 0)["in_port=qr-on-red,vlan_tci=0x0000/0x1fff"] == "load:0x1->NXM_NX_REG6[],resubmit(,49)"
    assert flows(found, 49)["reg6=0x1,dl_dst=fa:16:3e:00:00:11"] == "output:tapred1"
    assert flows(found, 49)["reg6=0x2,dl_dst=fa:16:3e:00:00:22"] == "mod_vlan_vid:2,output:patch-tun"
    for table in (40, 49):
        assert flows(found, table)[f"reg6=0x1,dl_dst={names.router_mac('me', 'on-red')}"] == "output:qr-on-red"
    twin = replace(RED1, id="twin")
    assert "reg6=0x1,dl_dst=fa:16:3e:00:00:11" not in flows(compiled(twin), 49)


@pytest.mark.parametrize("segment", ["vxlan", "vlan", "flat"])
def test_what_routers_send_a_port_with_port_security_is_judged_whatever_way_it_comes(segment: str) -> None:
    physical = replace(RED, network_type=segment, physical_network="physical", segmentation_id=100)
    network = RED if segment == "vxlan" else replace(physical, segmentation_id=100 if segment == "vlan" else None)
    arriving, untag = {
        "vxlan": ("in_port=patch-tun,dl_vlan=1", "strip_vlan,"),
        "vlan": ("in_port=int-br-ex,dl_vlan=100", "strip_vlan,"),
        "flat": ("in_port=int-br-ex,vlan_tci=0x0000/0x1fff", ""),
    }[segment]
    from_router = f"{arriving},dl_src={names.ROUTER_MACS},dl_dst={RED1.mac_address}"
    judged = "resubmit(tapred1,62),resubmit(,81)"
    found = compiled(network, replace(RED1, port_security_enabled=True))
    assert flows(found, 49)[f"reg6=0x1,dl_dst={RED1.mac_address}"] == judged
    assert flows(found, 0)[from_router] == f"{untag}load:0x1->NXM_NX_REG6[],{judged}"
    assert flows(found, 45)["ip,reg0=0xa00010b,reg7=0x1"].endswith(judged)
    outputs = [item for item in found if isinstance(item, Flow) and "output:tapred1" in item.actions]
    assert {item.table for item in outputs} == {61, 92}, "only ARP requests come by another way than table 81"
    assert [item.match.partition(",")[0] for item in outputs if item.table == 61] == ["arp"]
    assert flows(compiled(network), 0)[from_router] == f"{untag}output:tapred1"


@pytest.mark.parametrize("match", ["ip,nw_src=127.0.0.0/8", "ip,nw_dst=224.0.0.0/3", "ipv6,ipv6_src=ff00::/8"])
def test_addresses_that_may_not_be_forwarded_are_left_to_the_kernel(match: str) -> None:
    assert flows(compiled(), 42)[match] == "resubmit(,48)"


def test_an_allowed_address_pair_cannot_take_the_router_s_address_away() -> None:
    greedy = replace(RED1, allowed_address_pairs=(AddressPair("10.0.1.1", "fa:16:3e:00:00:01"),))
    for table in (40, 41, 42, 43):
        assert flows(compiled(greedy), table) == flows(compiled(), table)


@pytest.mark.parametrize(("twin", "first"), [("a", "fa:16:3e:00:00:0a"), ("z", "fa:16:3e:00:00:01")])
def test_of_two_interfaces_with_one_address_the_first_answers(twin: str, first: str) -> None:
    other = replace(ON_RED, id=twin, mac_address="fa:16:3e:00:00:0a", fixed_ips=ON_RED.fixed_ips[:1])
    answers = flows(compiled(other), 40)["arp,reg6=0x1,arp_tpa=10.0.1.1,arp_op=1"]
    assert f"mod_dl_src:{first}," in answers


def test_the_default_route_is_the_namespace_at_home_and_home_elsewhere() -> None:
    with_gateway = replace(ROUTER, gateway_port_id="gateway")
    assert list(flows(compiled(), 46)) == [""]
    found = compiled(with_gateway, GATEWAY)
    mine, theirs = names.router_mac("me", "on-red"), names.router_mac("home", "on-red")
    way = f"mod_dl_src:{mine},mod_dl_dst:{theirs},mod_vlan_vid:1,output:patch-tun"
    assert flows(found, 46)[f"ip,reg6=0x1,{NUMBER}"] == way
    assert flows(found, 20, "br-tun")[f"dl_vlan=1,dl_dst={theirs}"] == "strip_vlan,set_tunnel:0x1,output:vxlan-0a090002"
    at_home = compiled(with_gateway, GATEWAY, host="home")
    assert flows(at_home, 46) == {"": "resubmit(,48)"}


def test_devices_have_a_mac_of_their_own_on_each_host_and_no_default_route_but_at_home() -> None:
    for host in ("me", "home"):
        resources = compiled(host=host)
        links = {item.name: item.mac for item in resources if isinstance(item, Link) and item.kind == "internal"}
        assert links == {f"qr-{name}": names.router_mac(host, name) for name in ("on-red", "on-blue")}
        assert not [item for item in resources if isinstance(item, Route) and item.namespace.startswith("qrouter")]
    assert names.router_mac("me", "on-red") != names.router_mac("home", "on-red")


def test_advertisements_are_of_the_shared_mac_and_stay_on_the_host() -> None:
    resources = compiled()
    (daemon,) = (item for item in resources if isinstance(item, Daemon) and item.kind == "ra")
    assert "AdvSourceLLAddress off;" in daemon.files[0][1]
    said = flows(resources, 0)["icmp6,in_port=qr-on-red,icmp_type=134"]
    assert said.startswith("mod_dl_src:fa:16:3e:00:00:01,")
    assert flows(resources, 2, "br-tun")["dl_vlan=1,dl_src=fa:16:3e:00:00:01"] == "drop"
    assert f"icmp6,reg6=0x1,icmp_type=135,nd_target={link_local(ON_RED.mac_address)}" in flows(resources, 40)


def test_on_a_vlan_announcements_stay_on_the_host_and_advertisements_leave_from_home() -> None:
    vlan = replace(RED, network_type="vlan", physical_network="physical", segmentation_id=100)
    said = "in_port=phy-br-ex,dl_vlan=1,dl_src=fa:16:3e:00:00:01"
    dropped = {host: flows(compiled(vlan, host=host), 0, "br-ex") for host in ("me", "home")}
    assert dropped["me"][said] == "drop"
    assert said not in dropped["home"]
    assert dropped["home"][f"arp,{said}"] == "drop"
    assert dropped["home"][f"icmp6,{said},icmp_type=136,nd_target=fd00:1::1"] == "drop"


@pytest.mark.parametrize(("host", "is_dropped"), [("me", True), ("home", False)])
def test_on_a_vlan_only_the_home_hears_questions_of_machines_outside(host: str, is_dropped: bool) -> None:
    vlan = replace(RED, network_type="vlan", physical_network="physical", segmentation_id=100)
    resources = compiled(vlan, host=host)
    asked = "arp,in_port=int-br-ex,dl_vlan=100,arp_tpa=10.0.1.1,arp_op=1"
    assert (flows(resources, 0).get(asked) == "drop") == is_dropped


def test_a_smaller_mtu_is_measured_and_fragments_go_to_the_kernel() -> None:
    found = flows(compiled(replace(BLUE, mtu=1400)), 43)
    assert "check_pkt_larger(1414)->NXM_NX_REG5[0]" in found[f"ip,{NUMBER},nw_dst=10.0.2.0/24"]
    assert found[f"ip,{NUMBER},nw_dst=10.0.2.0/24,nw_frag=yes"] == "resubmit(,48)"
    assert "check_pkt_larger" not in found[f"ip,{NUMBER},nw_dst=10.0.1.0/24"]
    assert not [match for match in flows(compiled(), 43) if "nw_frag" in match]


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ([("172.16.0.0/16", "10.0.2.12")], {"nw_dst=172.16.0.0/16": "load:0xa00020c->NXM_NX_REG0[]"}),
        ([("172.16.0.9/32", "10.0.2.12")], {"nw_dst=172.16.0.9": "load:0xa00020c->NXM_NX_REG0[]"}),
        ([("172.16.0.0/16", "10.0.2.1")], {"nw_dst=172.16.0.0/16": "move:NXM_OF_IP_DST[]->NXM_NX_REG0[]"}),
        ([("172.16.0.0/16", "10.9.9.9")], {}),
        ([("172.16.0.0/16", "nonsense"), ("fd00::/8", "10.0.2.12")], {}),
        (
            [("172.16.0.0/16", "10.0.2.12"), ("172.16.0.0/16", "10.0.1.11")],
            {"nw_dst=172.16.0.0/16": "multipath(symmetric_l3l4+udp,0,hrw,2,0,NXM_NX_REG4[0..15])"},
        ),
    ],
)
def test_extra_routes_are_flows_when_their_next_hop_is_on_a_network(
    routes: list[tuple[str, str]], expected: dict[str, str]
) -> None:
    changed = replace(ROUTER, routes=tuple(HostRoute(*route) for route in routes))
    found = flows(compiled(changed), 43)
    added = {match: actions for match, actions in found.items() if match not in flows(compiled(), 43)}
    assert {match.rpartition(",")[2] for match in added} == set(expected)
    for match, part in expected.items():
        assert part in added[f"ip,{NUMBER},{match}"]


def test_the_longest_prefix_wins_and_a_connected_network_before_a_route_to_it() -> None:
    changed = replace(ROUTER, routes=(HostRoute("0.0.0.0/0", "10.0.1.11"), HostRoute("10.0.2.0/24", "10.0.1.11")))
    found = [item for item in compiled(changed) if isinstance(item, Flow) and item.table == 43]
    ordered = [item.match.rpartition(",")[2] for item in sorted(found, key=lambda item: -item.priority)]
    own = [word for word in ordered if "nw_dst" in word or word == NUMBER]
    assert own[-1] == NUMBER
    blue = [item for item in found if item.match.endswith("nw_dst=10.0.2.0/24")]
    assert "move:NXM_OF_IP_DST" in max(blue, key=lambda item: item.priority).actions


def test_every_table_ends_somewhere_and_nothing_goes_to_a_controller() -> None:
    resources = compiled()
    for table in (24, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49):
        assert "" in flows(resources, table), table
    assert not [item for item in resources if isinstance(item, Flow) and re.search("(?i)controller", item.actions)]
