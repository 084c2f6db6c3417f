"""An agent killed (-9) again and again while it makes routers, DHCP servers and processes: the next one finishes."""

import random
import signal
import threading

import pytest

from patchbay.lab.lab import Lab
from patchbay.lab.vhost import VirtualHost
from tests.functional.convergence.scene import agent, converged, settled, wait_for
from tests.functional.convergence.test_service_namespaces import delete_namespaces, delete_ports, devices

EXAMPLE = "seed001.yaml"
HOST = "compute"
KILLS = 5
LONGEST_S = 0.5
"""An agent needs about so long to start and to repair everything here."""


@pytest.mark.parametrize("seed", [1, 2])
def test_an_agent_killed_at_any_moment_of_its_work_leaves_it_to_the_next(lab: Lab, seed: int) -> None:
    dice, host = random.Random(seed), lab.host(HOST)
    before = devices(host)
    host.agent_stop(signal.SIGKILL)
    for _ in range(KILLS):
        host.run(["sh", "-c", "kill -9 $(cat /run/patchbay/*/*/pid)"], check=False)
        dice.choice([delete_namespaces, delete_ports])(host)
        host.agent_start()
        wait_for(lambda: _has_begun(host), "the agent works")
        threading.Event().wait(dice.random() * LONGEST_S)  # any moment
        host.agent_stop(signal.SIGKILL)
    host.agent_start()
    wait_for(lambda: not _is_silent(host), "the agent answers")
    settled(host)
    converged(lab)
    assert devices(host) == before
    host.agent_stop(signal.SIGKILL)
    host.agent_start()
    wait_for(lambda: not _is_silent(host), "the agent answers")
    settled(host)
    assert agent(host)["operations"] == 0
    _no_process_is_there_twice(host)


def _has_begun(host: VirtualHost) -> bool:
    """It is connected to Open vSwitch, and begins to compare."""
    return "OVSDB Open_vSwitch: connected" in host.log("agent", 3)


def _is_silent(host: VirtualHost) -> bool:
    try:
        agent(host)
    except OSError:
        return True
    return False


def _no_process_is_there_twice(host: VirtualHost) -> None:
    shown = host.run(["ps", "-eo", "args"]).stdout.splitlines()
    ours = [line for line in shown if line.startswith(("dnsmasq", "dhclient", "radvd")) or " metadata " in line]
    assert sorted(set(ours)) == sorted(ours)
    assert ours
