"""An agent that ends and begins again changes nothing when nothing changed, and no packet is lost."""

import signal

import pytest

from patchbay.lab.lab import Lab
from tests.functional.convergence.scene import agent, converged, fingerprint, traffic, wait_for

HOW = {"stopped (SIGTERM)": signal.SIGTERM, "killed (-9)": signal.SIGKILL}


@pytest.mark.parametrize("how", HOW)
def test_a_restarted_agent_does_nothing_and_no_packet_is_lost(lab: Lab, how: str) -> None:
    host = lab.host("compute1")
    before = fingerprint(host)
    with traffic(lab, f"agent {how} and started again") as seen:
        host.agent_stop(HOW[how])
        host.agent_start()
        converged(lab)
    status = agent(host)
    assert status["operations"] == 0
    assert "operations=0" in host.log("agent", 12)
    assert before.differences(fingerprint(host)) == []
    assert seen.lost == 0


def test_all_agents_killed_at_once_and_often(lab: Lab) -> None:
    before = {name: fingerprint(host) for name, host in lab.hosts.items()}
    with traffic(lab, "all agents killed (-9) three times while starting") as seen:
        for _ in range(3):
            for host in lab.hosts.values():
                host.agent_stop(signal.SIGKILL)
            for host in lab.hosts.values():
                host.agent_start()
        converged(lab)
    for name, host in lab.hosts.items():
        assert before[name].differences(fingerprint(host)) == []
        assert agent(host)["operations"] == 0
    assert seen.lost == 0


def test_the_data_plane_does_not_need_an_agent(lab: Lab) -> None:
    with traffic(lab, "no agent on any host") as seen:
        for host in lab.hosts.values():
            host.agent_stop()
        wait_for(lambda: all(not host.is_running("agent") for host in lab.hosts.values()), "all agents end")
        assert all(outcome.is_met for outcome in lab.check(quiet_s=0.2))
        for host in lab.hosts.values():
            host.agent_start()
        converged(lab)
    assert seen.lost == 0


def test_damage_done_while_no_agent_ran_is_all_that_a_new_one_repairs(lab: Lab) -> None:
    host = lab.host("compute2")
    before = fingerprint(host)
    with traffic(lab, "a flow of table 4 deleted while no agent ran", ("blue2", "blue1")) as seen:
        host.agent_stop(signal.SIGKILL)
        host.run(["ovs-ofctl", "del-flows", "br-tun", "table=4,tun_id=0x22"])
        host.agent_start(["--log-level=debug"])
        converged(lab)
    assert "Add 1 flow to br-tun." in host.log("agent", 12)
    # One flow, and what was learned in its VLAN is forgotten.
    assert agent(host)["operations"] <= 2
    differences = before.differences(fingerprint(host))
    assert len(differences) == 1, differences
    assert "tun_id=0x22" in differences[0]
    assert seen.lost == 0
