"""Rules of security groups as flows: how many, how much work a change is, and what is noted in connections."""

import re
import sys
from collections.abc import Callable

from msgspec.structs import replace

from patchbay.compile.facts import Facts
from patchbay.compile.fragments import Compiled, compile_all
from patchbay.compile.view import HostView
from patchbay.hoststate import Flow
from patchbay.model import AddressPair, FixedIP, Instance, Network, Port, SecurityGroup, SecurityGroupRule, Subnet

SAME_NUMBER = ("g17155", "g87569")
"""Ids of groups with the same hash."""


def group_rule(number: int, remote: str | None = "group", group: str = "group", **fields: object) -> SecurityGroupRule:
    wanted = {"protocol": "tcp", "port_range_min": number, "port_range_max": number, **fields}
    return SecurityGroupRule(
        id=f"rule-{group}-{number}",
        security_group_id=group,
        direction="ingress",
        remote_group_id=remote,
        **wanted,  # type: ignore[arg-type]
    )


def member(number: int, *groups: str, host: str = "there") -> Port:
    return Port(
        id=f"{number:08x}-port",
        network_id="net",
        mac_address=f"fa:16:3e:00:{number >> 8:02x}:{number & 255:02x}",
        fixed_ips=(FixedIP("sub", f"10.0.{number >> 8}.{number & 255}"),),
        host=host,
        security_groups=groups or ("group",),
    )


def view_of(rules: int, members: int) -> HostView:
    """A host with one port of a group whose rules all name the group itself."""
    view = HostView(Facts(host="here", datapath_type="netdev"))
    view.put(Network(id="net", segmentation_id=7))
    view.put(Subnet(id="sub", network_id="net", ip_version=4, cidr="10.0.0.0/16"))
    view.put(SecurityGroup(id="group"))
    view.put(member(1, host="here"))
    view.put(Instance(id="vm", name="vm", host="here", plugging="direct", interfaces={"eth0": member(1).id}))
    for number in range(rules):
        view.put(group_rule(1000 + number))
    for number in range(members):
        view.put(member(2 + number))
    return view


def compiled(view: HostView) -> Compiled:
    state = Compiled(view)
    state.refresh(view.fragments())
    return state


def calls(work: Callable[[], object]) -> int:
    """How many calls of functions it takes: as good as time, and the same on every machine."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def br_int(view: HostView) -> dict[tuple[int, str], str]:
    flows = (one for one in compile_all(view).values() if isinstance(one, Flow) and one.bridge == "br-int")
    return {(flow.table, flow.match): flow.actions for flow in flows}


def test_flows_grow_with_rules_plus_members_not_with_their_product() -> None:
    few, rules, members, both = (len(br_int(view_of(*sizes))) for sizes in ((1, 0), (101, 0), (1, 100), (101, 100)))
    assert both - few == (rules - few) + (members - few)
    assert members - few == 100
    assert 100 <= rules - few <= 200


def test_work_grows_with_rules_plus_members_not_with_their_product() -> None:
    def work(size: int) -> tuple[int, int, int]:
        view = view_of(size, size)
        state = Compiled(view)
        everything = calls(lambda: state.refresh(view.fragments()))
        one_member = calls(lambda: state.refresh(view.put(member(5000))))
        one_rule = calls(lambda: state.refresh(view.put(group_rule(5000))))
        return everything, one_member, one_rule

    for small, large in zip(work(100), work(400), strict=True):
        assert large < 6 * small


def test_rules_that_come_one_by_one_take_as_much_work_each_among_many_as_among_few() -> None:
    def work(size: int) -> int:
        view = view_of(size, 10)
        return calls(lambda: view.put(group_rule(5000)))

    assert work(500) == work(50)


def test_what_a_connection_notes_changes_with_each_rule_and_member_and_comes_back() -> None:
    view = view_of(3, 3)
    versions = [view.security.version("group", "ingress")]
    for value in (group_rule(5000), member(5000), group_rule(5001, remote=None, remote_ip_prefix="10.9.0.0/16")):
        view.put(value)
        versions.append(view.security.version("group", "ingress"))
    assert len(set(versions)) == len(versions)
    assert view.security.version("group", "egress") == view_of(3, 3).security.version("group", "egress")
    for value in (group_rule(5001), member(5000), group_rule(5000)):
        view.remove(value)
        versions.append(view.security.version("group", "ingress"))
    assert versions[4:] == versions[2::-1]


def test_members_whom_only_a_rule_of_nonsense_names_change_nothing() -> None:
    view = view_of(0, 0)
    state = compiled(view)
    for value in (group_rule(80, protocol="nonsense"), member(10)):
        state.refresh(view.put(value))
        assert state.state == compile_all(view)


def test_of_two_groups_with_one_number_the_first_has_it_and_the_other_opens_nothing() -> None:
    first, second = SAME_NUMBER
    view = view_of(0, 0)
    state = compiled(view)
    for value in (member(10, first), member(11, second), group_rule(80, second), group_rule(443, first)):
        state.refresh(view.put(value))
        assert state.state == compile_all(view)
    here = br_int(view)
    assert any("ct_tp_dst=443" in match for _, match in here)
    assert not any("ct_tp_dst=80," in match for _, match in here)
    state.refresh(view.remove(group_rule(443, first)))
    assert state.state == compile_all(view)
    assert any("ct_tp_dst=80," in match for _, match in br_int(view))


def test_one_more_port_among_many_here_is_hardly_more_work_than_among_few() -> None:
    """What names all ports of a network gets longer; nothing else is looked at again."""

    def work(size: int) -> int:
        view = view_of(0, 0)
        for number in range(size):
            plug(view, 100 + number)
        state = compiled(view)
        return calls(lambda: state.refresh(plug(view, 5000)))

    few, many = work(10), work(210)
    assert many - few < 200 * 5


def plug(view: HostView, number: int) -> set[tuple[str, ...]]:
    """One more port here, with port security."""
    port = member(number, host="here")
    return view.put(port) | view.put(
        Instance(id=f"vm{number}", name=f"vm{number}", host="here", plugging="direct", interfaces={"eth0": port.id})
    )


def test_a_mac_that_several_ports_may_use_leads_to_those_that_talk() -> None:
    view = view_of(0, 0)
    state = compiled(view)
    mac = member(1).mac_address
    pair = AddressPair("10.0.77.7", mac)
    for number in (20, 21):
        plug(view, number)
        state.refresh(view.put(replace(member(number, host="here"), allowed_address_pairs=(pair,))))
    state.refresh(view.fragments())

    def receivers() -> set[str]:
        assert state.state == compile_all(view)
        [actions] = [text for (table, match), text in br_int(view).items() if table == 61 and f"dl_dst={mac}" in match]
        return set(re.findall(r"tap[\w-]+", actions))

    first, second, third = (f"tap{member(number).id[:11]}" for number in (1, 20, 21))
    assert receivers() == {first, second, third}
    for number, left in ((20, {first, third}), (1, {third})):
        state.refresh(view.put(replace(member(number, host="here"), admin_state_up=False)))
        assert receivers() == left
    state.refresh(view.put(member(1, host="here")))
    assert receivers() == {first, third}
