"""The check says what is so: right of a right network, and of a wrong one what is wrong and who heard of it."""

from collections.abc import Iterator

import pytest

from patchbay.lab.lab import Lab
from patchbay.lab.reading import load_topology
from tests.functional.lab.by_hand import build, repair, write_flows, wrong
from tests.functional.lab.machine import EXAMPLES


def found_wrong(lab: Lab, pairs: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """What a check finds, once it finds these pairs: a switch goes on for a moment as it did before it was changed."""
    for _ in range(5):
        found = wrong(lab.check(patience_s=1.0))
        if pairs <= found.keys():
            break
    assert pairs <= found.keys()
    return found


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.up(load_topology(EXAMPLES / "seed002.yaml"), is_bare=True) as running:
        build(running)
        yield running


@pytest.fixture
def broken(lab: Lab) -> Iterator[Lab]:
    """A lab that a test may break; afterwards it is as before."""
    yield lab
    repair(lab)
    assert wrong(lab.check()) == {}


def test_the_seed_s_own_network_meets_every_expectation(lab: Lab) -> None:
    outcomes = lab.check()
    assert wrong(outcomes) == {}
    assert len(outcomes) == 30


def test_an_address_of_both_tenants_is_answered_by_one_s_own(lab: Lab) -> None:
    found = {(each.pair.source, each.pair.target): each for each in lab.check()}
    assert found["red1", "red2"].found
    assert not found["red1", "blue2"].found
    assert found["red1", "blue2"].detail == "answered by red2"
    assert found["blue3", "red1"].detail == "answered by blue1"
    assert found["red1", "blue1"].detail == "red1 has this address itself"


def test_ping_names_who_answered(lab: Lab) -> None:
    (outcome,) = lab.ping("red1", "red2")
    assert outcome.found
    assert outcome.rtt_ms is not None
    (outcome,) = lab.ping("red1", "blue2", patience_s=0.3)
    assert not outcome.found
    assert outcome.detail == "answered by red2"


def test_a_learning_switch_in_place_of_the_pipeline_joins_the_tenants_and_is_found(broken: Lab) -> None:
    for host in broken.hosts.values():
        host.run(["ovs-ofctl", "replace-flows", "br-tun", "-"], text="actions=NORMAL\n")
        for port in host.run(["ovs-vsctl", "list-ports", "br-int"]).stdout.split():
            host.run(["ovs-vsctl", "clear", "port", port, "tag"])
    found = wrong(broken.check())
    apart = {(source, target) for source in ("red1", "red2", "red3") for target in ("blue1", "blue2", "blue3")}
    assert apart | {(target, source) for source, target in apart} <= found.keys()
    assert "saw" in found["red1", "blue2"]


def test_a_port_with_the_other_tenant_s_vlan_is_found_on_both_sides(broken: Lab) -> None:
    broken.host("compute1").run(["ovs-vsctl", "set", "port", "qvoblue1", "tag=12"])
    found = found_wrong(broken, {("blue1", "blue2"), ("blue2", "blue1"), ("red2", "blue1"), ("blue1", "red2")})
    assert found["red2", "blue1"].startswith("blue1 saw ")
    assert ("blue2", "blue3") not in found


def test_a_leak_in_one_direction_is_found_without_any_answer(broken: Lab) -> None:
    # What comes from compute1's red goes out twice: as red and as blue. No ping between the tenants is answered.
    twice = "table=22,dl_vlan=12,actions=strip_vlan,set_tunnel:0x22,output:7,set_tunnel:0x23,output:7"
    broken.host("compute1").run(["ovs-ofctl", "add-flow", "br-tun", twice])
    found_wrong(broken, {("red1", "blue2"), ("red3", "blue3")})
    assert not [each for each in broken.check(patience_s=1.0) if not each.pair.expected and each.found]


def test_two_hosts_that_disagree_on_the_vni_do_not_reach_each_other(broken: Lab) -> None:
    write_flows(broken, broken.host("compute2"), {"red": 0x99})
    pairs = {("red1", "red2"), ("red2", "red1"), ("red2", "red3"), ("red3", "red2")}
    found = found_wrong(broken, pairs)
    assert found.keys() == pairs
    assert found["red1", "red2"] == "the request came to nobody"


def test_a_request_that_arrives_while_its_reply_does_not_is_told_apart(broken: Lab) -> None:
    assert wrong(broken.check()) == {}  # everybody knows everybody's MAC
    broken.host("compute1").run(["ovs-ofctl", "--strict", "del-flows", "br-tun", "table=4,priority=1,tun_id=0x22"])
    (outcome,) = broken.ping("red1", "red2", patience_s=0.5)
    assert outcome.detail == "red2 saw the request, red1 no reply"


def test_a_link_that_is_down_is_no_traceback(broken: Lab) -> None:
    broken.host("compute1").run(["ip", "link", "set", "tapred1", "down"])
    found_wrong(broken, {("red1", "red2")})


def test_an_instance_that_is_not_there_is_named() -> None:
    with Lab.up(load_topology(EXAMPLES / "seed002.yaml"), is_bare=True) as empty:
        found = wrong(empty.check(patience_s=0.3))
    assert len(found) == 30
    assert found["red1", "red2"].startswith("Instance red1: eth0 is not there")


def test_a_stream_of_pings_counts_what_is_lost(broken: Lab) -> None:
    with broken.ping_stream("red1", "red2", 0.005) as stream:
        assert stream.wait_for_replies(20)
        broken.host("compute2").run(["ip", "link", "set", "tapred2", "down"])
        sent = stream.sent
        while stream.sent < sent + 20:
            assert not stream.wait_for_replies(1, 0.01)
        broken.host("compute2").run(["ip", "link", "set", "tapred2", "up"])
        assert stream.wait_for_replies(20)
        report = stream.stop()
    assert report.sent == report.received + report.lost
    assert report.lost >= 19
    assert report.longest_outage_s > 0.09
    assert report.median_rtt_ms is not None


def test_a_stream_over_a_quiet_network_loses_nothing(lab: Lab) -> None:
    with lab.ping_stream("blue1", "blue2", 0.002) as stream:
        assert stream.wait_for_replies(100)
        report = stream.stop()
    assert (report.lost, report.longest_outage_s, report.lost_at_s) == (0, 0.0, ())
