"""The version of rules that connections note: another one for every other thing that the rules allow."""

from patchbay.compile.view import HostView
from patchbay.model.security import EGRESS, INGRESS, AddressGroup, SecurityGroup
from tests.unit.compile.test_security_groups import group_rule, member, view_of


def versions(view: HostView) -> tuple[int, int]:
    return view.security.version("group", INGRESS), view.security.version("group", EGRESS)


def two_groups() -> HostView:
    """A port whose rules let one group in by SSH, the other one by HTTP."""
    view = view_of(0, 0)
    view.put(SecurityGroup(id="admins"))
    view.put(SecurityGroup(id="guests"))
    view.put(group_rule(22, "admins"))
    view.put(group_rule(80, "guests"))
    view.put(member(2, "admins"))
    view.put(member(3, "guests"))
    return view


def test_a_member_that_changes_to_the_other_group_is_another_version() -> None:
    """Else who was an administrator would keep the connections of one."""
    view = two_groups()
    before = versions(view)
    view.put(member(2, "guests"))
    moved = versions(view)
    assert moved[0] != before[0]
    assert moved[1] == before[1]
    view.put(member(3, "admins"))
    assert versions(view)[0] not in (before[0], moved[0])
    view.put(member(2, "admins"))
    view.put(member(3, "guests"))
    assert versions(view) == before


def test_an_address_that_goes_from_one_address_group_to_the_other_is_another_version() -> None:
    view = view_of(0, 0)
    for number, name in ((22, "office"), (80, "cafe")):
        view.put(group_rule(number, None, remote_address_group_id=name))
    view.put(AddressGroup(id="office", addresses=("192.0.2.1",)))
    view.put(AddressGroup(id="cafe", addresses=()))
    before = versions(view)
    view.put(AddressGroup(id="office", addresses=()))
    view.put(AddressGroup(id="cafe", addresses=("192.0.2.1",)))
    assert versions(view) != before


def test_a_rule_that_comes_back_brings_its_version_back_whatever_its_id() -> None:
    """A restarted agent, or another order of the same rules, judges no connection anew."""
    view = two_groups()
    before = versions(view)
    rule = group_rule(22, "admins")
    view.remove(rule)
    assert versions(view) != before
    view.put(group_rule(22, "admins"))
    assert versions(view) == before
