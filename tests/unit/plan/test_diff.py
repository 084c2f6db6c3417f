"""Plans: what is changed, in which order, and what is left alone."""

from msgspec.structs import replace

from patchbay.compile.pipeline import RULES_INGRESS
from patchbay.hoststate import Address, Bridge, BridgePort, Flow, HostState, Link, Namespace, PortTag, Resource, Route
from patchbay.plan import operations as op
from patchbay.plan.diff import diff
from patchbay.plan.observed import Observed, ObservedFlow
from tests.unit.compile.golden import CASES, compile_host, read

BR_TUN = Bridge(name="br-tun", fail_mode="secure")
WEB = Namespace(name="web", alias="patchbay:vm")
ETH0 = Link(
    name="eth0", namespace="web", kind="veth", peer="tap1", mac="fa:16:3e:00:00:01", ipv6=True, alias="patchbay:p"
)
TAP = Link(name="tap1", kind="veth", peer="eth0", peer_namespace="web", alias="patchbay:p")
PLUG = BridgePort(name="tap1", bridge="br-int", tag=1, owner="p")
FIRST = Address(namespace="web", link="eth0", address="192.168.1.2/24")
DEFAULT = Route(namespace="web", destination="0.0.0.0/0", gateway="192.168.1.1", link="eth0")
INSTANCE = (WEB, ETH0, TAP, PLUG, FIRST, DEFAULT)


def state(*resources: Resource) -> HostState:
    return {item.key: item for item in resources}


def vni(number: int, local_vlan: int) -> Flow:
    actions = f"mod_vlan_vid:{local_vlan},resubmit(,10)"
    return Flow(bridge="br-tun", table=4, priority=1, match=f"tun_id={number:#x}", actions=actions)


def as_seen(flow: Flow, *ofports: int) -> ObservedFlow:
    return ObservedFlow(bridge=flow.bridge, table=flow.table, cookie=flow.cookie, ofports=frozenset(ofports) or None)


def test_an_unchanged_host_gives_an_empty_plan() -> None:
    desired = compile_host(read(CASES / "provider"), "compute1")
    assert diff(Observed(desired.values()), desired) == []


def test_on_an_empty_host_each_thing_comes_after_what_it_refers_to() -> None:
    kinds = [type(item).__name__ for item in diff(Observed(), compile_host(read(CASES / "provider"), "compute1"))]
    order = "AddBridge AddNamespace AddVeth AddAddress AddRoute AddPort SetSysctls AddFlows SetPort"
    assert list(dict.fromkeys(kinds)) == order.split()


def test_an_instance_that_goes_is_unplugged_and_takes_the_rest_with_it() -> None:
    plan = diff(Observed(INSTANCE), {})
    assert plan == [op.DelPort("tap1", "br-int"), op.DelLink(TAP), op.DelNamespace("web")]


def test_only_the_keys_of_a_change_are_compared() -> None:
    assert diff(Observed(), state(WEB, BR_TUN), {WEB.key}) == [op.AddNamespace(WEB)]


def test_a_flow_with_other_actions_is_replaced_in_place() -> None:
    plan = diff(Observed([BR_TUN, vni(5, 1)]), state(BR_TUN, vni(5, 2)))
    assert plan[0] == op.AddFlows("br-tun", (vni(5, 2),))
    assert not [item for item in plan if isinstance(item, op.DelFlows | op.DelFlowsByCookie)]


def test_a_flow_no_longer_wanted_is_deleted_exactly() -> None:
    (deletion,) = diff(Observed([BR_TUN, drop("in_port=tap1")]), state(BR_TUN))
    flow = drop("in_port=tap1")
    assert deletion.command() == [
        f"ovs-ofctl --strict del-flows br-tun cookie={flow.cookie:#x}/-1,table=0,priority=2,in_port=tap1"
    ]


def drop(match: str) -> Flow:
    return Flow(bridge="br-tun", table=0, priority=2, match=match, actions="drop")


def test_what_was_learned_for_a_local_vlan_goes_when_it_means_something_else() -> None:
    both = op.FlushLearned("br-tun", 1), op.FlushLearned("br-tun", 2)
    assert diff(Observed([BR_TUN, vni(5, 1)]), state(BR_TUN))[-1] == both[0]
    assert tuple(diff(Observed([BR_TUN, vni(5, 1)]), state(BR_TUN, vni(5, 2)))[-2:]) == both
    assert diff(Observed([BR_TUN]), state(BR_TUN, vni(5, 1)))[-1] == both[0]
    assert diff(Observed(), state(BR_TUN, vni(5, 1)))[-1] == op.AddFlows("br-tun", (vni(5, 1),)), (
        "a new bridge knows nothing"
    )
    assert both[0].command() == [
        "ovs-ofctl del-flows br-tun 'cookie=0xa9eb8f9011f7e038/-1,table=20,vlan_tci=0x0001/0x0fff'"
    ]


def test_what_an_earlier_agent_let_learn_leads_nobody_into_a_network_that_had_his_local_vlan() -> None:
    """Its flow is known by a cookie only, and a network without tunnels, now or later, has none that would tell."""
    everything = op.FlushLearned("br-tun", None)
    assert diff(Observed([BR_TUN, as_seen(vni(5, 3))]), state(BR_TUN, vni(5, 1)))[-1] == everything
    assert everything not in diff(Observed([BR_TUN]), state(BR_TUN, vni(5, 1)))
    assert everything.command() == ["ovs-ofctl del-flows br-tun 'cookie=0xa9eb8f9011f7e038/-1,table=20'"]


def test_a_restarted_agent_recognises_its_flows_and_deletes_unknown_ones_by_cookie() -> None:
    known, unknown = vni(5, 1), drop("in_port=gone")
    observed = Observed([BR_TUN, as_seen(known), as_seen(unknown)])
    observed.recognise([known])
    desired = state(BR_TUN, known)
    assert diff(observed, desired) == [op.DelFlowsByCookie("br-tun", ((0, unknown.cookie),))]


def test_a_flow_with_an_old_port_number_goes_before_it_comes_again() -> None:
    entry = Flow(bridge="br-tun", table=0, priority=1, match="in_port=vxlan-0a000002", actions="resubmit(,4)")
    again = [op.DelFlowsByCookie("br-tun", ((0, entry.cookie),)), op.AddFlows("br-tun", (entry,))]

    restarted = Observed([BR_TUN, as_seen(entry, 7)])
    restarted.recognise([entry], {"br-tun": {"vxlan-0a000002": 8}})
    assert diff(restarted, state(BR_TUN, entry)) == again

    running = Observed([BR_TUN, entry])
    changed = running.forget_port("br-tun", "vxlan-0a000002")
    assert diff(running, state(BR_TUN, entry), changed | {entry.key}) == again

    same = Observed([BR_TUN, as_seen(entry, 7)])
    same.recognise([entry], {"br-tun": {"vxlan-0a000002": 7}})
    assert diff(same, state(BR_TUN, entry)) == []


def test_what_is_not_ours_is_left_alone() -> None:
    foreign = (
        Bridge(name="br-ex", owner=""),
        BridgePort(name="eth9", bridge="br-ex", owner=""),
        Namespace(name="web", alias=""),
        Link(name="eth0", namespace="web", kind="veth", alias="mine"),
    )
    assert diff(Observed(foreign), {}) == []
    assert diff(Observed(foreign), state(WEB)) == [op.AddNamespace(WEB)], "which the kernel refuses, and says so"


def test_a_bridge_of_the_seed_made_by_hand_is_taken_over_with_its_fail_mode() -> None:
    (change,) = diff(Observed([replace(BR_TUN, fail_mode="standalone", owner="")]), state(BR_TUN))
    assert change.command() == [
        "ovs-vsctl set bridge br-tun external_ids:patchbay=host",
        "ovs-vsctl set-fail-mode br-tun secure",
    ]


def test_a_cable_that_lost_an_end_is_made_anew_with_its_addresses_and_routes() -> None:
    observed = Observed(item for item in INSTANCE if item != TAP)
    assert diff(observed, state(*INSTANCE), {TAP.key}) == [
        op.DelLink(ETH0),
        op.AddVeth(TAP, ETH0),
        op.AddAddress(FIRST),
        op.AddRoute(DEFAULT),
    ]


def test_a_device_that_gets_another_name_takes_its_old_cable_along() -> None:
    eth1 = replace(ETH0, name="eth1")
    desired = state(WEB, eth1, replace(TAP, peer="eth1"), PLUG, replace(FIRST, link="eth1"))
    kinds = [type(item) for item in diff(Observed(INSTANCE), desired)]
    assert kinds == [op.DelLink, op.AddVeth, op.AddAddress]


def test_a_deleted_namespace_comes_back_with_everything_inside() -> None:
    observed = Observed(INSTANCE)
    lost = observed.drop(WEB.key)
    assert [type(item) for item in diff(observed, state(*INSTANCE), lost)] == [
        op.AddNamespace,
        op.AddVeth,
        op.AddAddress,
        op.AddRoute,
    ]


def test_an_address_that_changes_takes_the_old_one_off_first_and_sets_the_route_again() -> None:
    second = replace(FIRST, address="192.168.1.3/24")
    kept = replace(FIRST, address="192.168.1.4/24")
    desired = state(WEB, ETH0, TAP, PLUG, second, kept, DEFAULT)
    plan = diff(Observed([*INSTANCE, kept]), desired)
    assert plan == [op.DelAddress(FIRST), op.AddAddress(second), op.AddAddress(kept, again=True), op.AddRoute(DEFAULT)]
    assert plan[2].command() == ["ip netns exec web ip addr replace 192.168.1.4/24 dev eth0"]


def test_a_port_whose_type_changes_is_plugged_anew_and_one_whose_tag_changes_is_not() -> None:
    internal = replace(PLUG, type="internal")
    assert diff(Observed([PLUG]), state(internal)) == [op.DelPort("tap1", "br-int"), op.AddPort(internal)]
    (change,) = diff(Observed([PLUG]), state(replace(PLUG, tag=4095)))
    assert change.command() == ["ovs-vsctl set port tap1 tag=4095"]


def test_a_provider_bridge_is_connected_only_after_the_flows_that_guard_it() -> None:
    plan = diff(Observed(), compile_host(read(CASES / "provider"), "compute2"))
    lines = [line for item in plan for line in item.command()]
    drops = next(number for number, line in enumerate(lines) if "in_port=phy-br-ex actions=drop" in line)
    assert any("peer=nonexistent-peer" in line for line in lines[:drops])
    assert lines[-1] == "ovs-vsctl set interface phy-br-ex options:peer=int-br-ex"


def test_a_port_of_somebody_else_gets_our_tag_and_loses_only_what_we_set() -> None:
    ours = PortTag(name="vnet0", tag=3, other_config=(("net_uuid", "n"), ("tag", "3")))
    dead = PortTag(name="vnet0", tag=4095)
    assert diff(Observed(), state(ours)) == [op.SetPortTag(ours)]
    (change,) = diff(Observed([ours]), state(dead))
    assert change.command() == ["ovs-vsctl remove port vnet0 other_config net_uuid tag -- set port vnet0 tag=4095"]
    (cleared,) = diff(Observed([ours]), {})
    assert cleared.command() == ["ovs-vsctl clear port vnet0 tag -- remove port vnet0 other_config net_uuid tag"]


def test_a_mac_that_we_leave_to_the_kernel_is_no_difference() -> None:
    seen = replace(TAP, mac="de:ad:be:ef:00:01")
    assert diff(Observed([seen, ETH0]), state(TAP, ETH0)) == []
    (change,) = diff(Observed([seen, ETH0]), state(replace(TAP, mtu=1400), ETH0))
    assert change.command() == ["ip link set dev tap1 mtu 1400"]


def test_a_rule_goes_at_once_with_the_new_version_of_the_rules() -> None:
    """Between the two it would allow connections that note the version without it."""
    rule = Flow(
        bridge="br-int", table=RULES_INGRESS, priority=20, match="metadata=0x1", actions="load:0x1->NXM_NX_REG5[3]"
    )
    other = Flow(bridge="br-int", table=61, priority=4, match="reg6=0x1", actions="drop")
    judged = Flow(bridge="br-int", table=84, priority=1, match="ct_state=+trk", actions="drop")
    later = replace(judged, actions="resubmit(,82)")
    plan = diff(Observed([rule, other, judged]), state(later, *INSTANCE))
    kinds = [type(item).__name__ for item in plan]
    at = kinds.index("AddFlows")
    assert plan[at : at + 2] == [op.AddFlows("br-int", (later,)), op.DelFlows("br-int", (rule,))]
    assert plan[-1] == op.DelFlows("br-int", (other,))
    left = diff(Observed([as_seen(rule), as_seen(other), judged]), state(later, *INSTANCE))
    at = left.index(op.AddFlows("br-int", (later,)))
    assert left[at + 1] == op.DelFlowsByCookie("br-int", ((RULES_INGRESS, rule.cookie),))
