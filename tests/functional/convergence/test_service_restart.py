"""The service restarted or killed while traffic runs: no packet and no acknowledged write is lost."""

import contextlib
import signal
import threading

import pytest

from patchbay.errors import PatchbayError
from patchbay.lab.lab import Lab
from tests.functional.convergence.scene import (
    Object,
    agent,
    change,
    converged,
    find,
    fingerprint,
    objects,
    settled,
    traffic,
    wait_for,
)

HOW = {"stopped (SIGTERM)": signal.SIGTERM, "killed (-9)": signal.SIGKILL}


@pytest.mark.parametrize("how", HOW)
def test_a_restarted_service_costs_no_packet_and_writes_arrive(lab: Lab, how: str) -> None:
    before = {name: fingerprint(host) for name, host in lab.hosts.items()}
    with traffic(lab, f"service {how} and started again") as seen:
        lab.stop_service(HOW[how])
        lab.start_service()
        converged(lab)
    assert seen.lost == 0
    for name, host in lab.hosts.items():
        assert before[name].differences(fingerprint(host)) == []
    port = find(lab, "ports", "red2-eth0")
    with traffic(lab, "a port taken down and up by API after that", ("blue2", "blue1")) as seen:
        for is_up in (False, True):
            change(lab, "ports", "red2-eth0", admin_state_up=is_up)
            wait_for(
                lambda is_up=is_up: (find(lab, "ports", "red2-eth0")["status"] == "ACTIVE") is is_up,  # type: ignore[misc]
                f"the port is {'up' if is_up else 'down'}",
            )
        converged(lab)
    assert find(lab, "ports", "red2-eth0")["id"] == port["id"]
    assert seen.lost == 0


@pytest.mark.parametrize("how", HOW)
def test_no_acknowledged_write_is_lost(lab: Lab, how: str) -> None:
    acknowledged: list[Object] = []

    def write(number: int) -> None:
        with contextlib.closing(lab.client()) as client, contextlib.suppress(PatchbayError):
            for count in range(10_000):
                body = {"network": {"name": f"written-{number}-{count}"}}
                acknowledged.append(client.request("POST", "/v2.0/networks", body)["network"])

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    with traffic(lab, f"service {how} while four clients write") as seen:
        for writer in writers:
            writer.start()
        wait_for(lambda: len(acknowledged) > 100, "a hundred writes")
        lab.stop_service(HOW[how])
        for writer in writers:
            writer.join()
        lab.start_service()
        found = objects(lab, "networks")
        lost = [each["name"] for each in acknowledged if found.get(each["name"], {}).get("id") != each["id"]]
        assert lost == [], f"{len(lost)} of {len(acknowledged)} acknowledged networks are gone"
        converged(lab)
    print(f"{len(acknowledged)} writes acknowledged, none lost, {len(found) - 2 - len(acknowledged)} more arrived")
    assert seen.lost == 0
    with contextlib.closing(lab.client()) as client:
        for name, network in found.items():
            if name.startswith("written-"):
                client.request("DELETE", f"/v2.0/networks/{network['id']}")


def test_agents_that_start_before_the_service_wait_for_it(lab: Lab) -> None:
    with traffic(lab, "service and agents stopped, agents first to start") as seen:
        lab.stop_service()
        for host in lab.hosts.values():
            host.agent_stop()
            host.agent_start()
        wait_for(lambda: all(host.is_running("agent") for host in lab.hosts.values()), "agents run")
        lab.start_service()
        converged(lab)
        assert all(agent(host)["operations"] == 0 for host in lab.hosts.values())
    assert seen.lost == 0
    settled(*lab.hosts.values())
