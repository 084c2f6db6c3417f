"""The control plane is away for a while: the data plane goes on, and is repaired from what agents last knew."""

import contextlib
import signal
from collections.abc import Callable, Iterator

import pytest

from patchbay.lab.lab import Lab
from patchbay.lab.vhost import VirtualHost
from tests.functional.convergence.scene import (
    agent,
    change,
    converged,
    device,
    find,
    traffic,
    tunnel_to,
    wait_for,
)

# The service and its database, by their ids.
PROCESSES = 'p=$(cat /run/service.pid); kill -{} "$p" $(ps -o pid= --ppid "$p")'


@contextlib.contextmanager
def stopped(lab: Lab) -> Iterator[None]:
    """The service and its database have ended."""
    lab.stop_service()
    wait_for(lambda: not any(agent(host)["intent_connected"] for host in lab.hosts.values()), "agents notice")
    yield
    lab.start_service()


@contextlib.contextmanager
def frozen(lab: Lab) -> Iterator[None]:
    """The service and its database hang: connections stay open and nobody answers (SIGSTOP)."""
    lab.space.run(["sh", "-c", PROCESSES.format("STOP")])
    try:
        yield
    finally:
        lab.space.run(["sh", "-c", PROCESSES.format("CONT")])


@contextlib.contextmanager
def killed(lab: Lab) -> Iterator[None]:
    """The service and its database were killed."""
    lab.stop_service(signal.SIGKILL)
    yield
    lab.start_service()


AWAY: dict[str, Callable[[Lab], contextlib.AbstractContextManager[None]]] = {
    "stopped": stopped,
    "killed (-9)": killed,
    "frozen (SIGSTOP)": frozen,
}


def is_whole(lab: Lab, host: VirtualHost) -> bool:
    """Whether the host is as desired and instances reach each other."""
    return not agent(host, "plan")["operations"] and all(
        outcome.found for pair in (("red1", "red2"), ("blue1", "blue2")) for outcome in lab.ping(*pair, patience_s=0.5)
    )


@pytest.mark.parametrize("how", AWAY)
def test_damage_is_repaired_while_the_control_plane_is_away(lab: Lab, how: str) -> None:
    host = lab.host("compute1")
    commands = [
        "ovs-ofctl del-flows br-tun",
        f"ovs-vsctl del-port {device(lab, 'qvo', 'red1')}",
        f"ovs-vsctl del-port {tunnel_to(lab, 'compute2')}",
        f"ip link del {device(lab, 'qvo', 'blue1')}",
        "ovs-vsctl del-br br-tun",
        "ovs-vsctl del-br br-int",
    ]
    with AWAY[how](lab):
        for command in commands:
            with traffic(lab, f"service {how}, {command.replace(device_id(command), '…')}", ("red2", "red1")) as seen:
                host.run(["sh", "-ec", command])
                wait_for(lambda: is_whole(lab, host), "repaired")
            assert seen.longest_ms < 2000, command
    converged(lab)


def device_id(command: str) -> str:
    """The part of a command that is another in each run."""
    return command.rpartition("qvo")[2] if "qvo" in command else "\n"


@pytest.mark.parametrize("how", AWAY)
def test_while_it_is_away_no_packet_is_lost_and_changes_arrive_when_it_is_back(lab: Lab, how: str) -> None:
    with traffic(lab, f"service {how} for a while, nothing else") as seen:
        with AWAY[how](lab):
            assert all(outcome.is_met for outcome in lab.check(quiet_s=0.2))
        change(lab, "ports", "red3-eth0", admin_state_up=False)
        wait_for(lambda: not lab.ping("red2", "red3", patience_s=0.1)[0].found, "the port is down")
        change(lab, "ports", "red3-eth0", admin_state_up=True)
        wait_for(lambda: find(lab, "ports", "red3-eth0")["status"] == "ACTIVE", "the port is up")
        converged(lab)
    assert seen.lost == 0


def test_a_new_question_that_nobody_answers_does_not_hold_up_repairs_for_long(lab: Lab) -> None:
    host = lab.host("compute2")
    unknown = "external_ids:iface-id=00000000-0000-4000-8000-000000000001"
    with (
        frozen(lab),
        traffic(lab, "service frozen, unknown port plugged, then del-flows br-tun", ("red1", "red2")) as seen,
    ):
        host.run(
            ["ovs-vsctl", "add-port", "br-int", "new0", "--", "set", "interface", "new0", "type=internal", unknown]
        )
        host.run(["ovs-ofctl", "del-flows", "br-tun"])
        wait_for(lambda: is_whole(lab, host), "repaired")
    host.run(["ovs-vsctl", "del-port", "new0"])
    converged(lab)
    assert seen.longest_ms < 2000


def test_a_vswitchd_killed_while_the_control_plane_is_away_comes_back(lab: Lab) -> None:
    host = lab.host("compute2")
    with stopped(lab), traffic(lab, "service stopped, ovs-vswitchd killed (-9) and started again"):
        host.kill("ovs-vswitchd")
        host.start_vswitchd()
        wait_for(lambda: is_whole(lab, host), "repaired")
    converged(lab)


def test_an_agent_that_starts_while_the_control_plane_is_away_takes_nothing_down(lab: Lab) -> None:
    host = lab.host("compute2")
    with traffic(lab, "service stopped, agent restarted, service started") as seen:
        lab.stop_service()
        host.agent_stop(signal.SIGKILL)
        host.agent_start()
        wait_for(lambda: host.is_running("agent"), "the agent runs")
        assert all(outcome.is_met for outcome in lab.check(quiet_s=0.2))
        lab.start_service()
        converged(lab)
        assert agent(host)["operations"] == 0
    assert seen.lost == 0
