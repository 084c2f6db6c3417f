"""A host that loses everything comes back by itself, and the others do not notice."""

from patchbay.lab.lab import Lab
from tests.functional.convergence.scene import agent, converged, traffic


def test_a_rebooted_host_comes_back_by_itself(lab: Lab) -> None:
    with traffic(lab, "compute2 rebooted", ("red1", "red2"), ("blue1", "blue2")) as seen:
        lab.reboot("compute2")
        converged(lab)
    assert seen.longest_ms < 10_000
    assert agent(lab.host("compute2"))["operations"] > 0


def test_the_traffic_of_the_other_host_is_not_affected(lab: Lab) -> None:
    operations = agent(lab.host("compute2"))["operations"]
    with traffic(lab, "compute1 rebooted, between instances of compute2", ("blue2", "blue3")) as seen:
        lab.reboot("compute1")
        converged(lab)
    assert seen.lost == 0
    assert agent(lab.host("compute2"))["operations"] == operations


def test_both_hosts_rebooted_at_once(lab: Lab) -> None:
    for name in lab.hosts:
        lab.reboot(name)
    converged(lab, timeout_s=30)
