"""Agents that reach their service over TLS and may write no more than their own rows: all works as ever."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from patchbay.lab.control_plane import CREDENTIALS, INTENT_PORT, service_address
from patchbay.lab.lab import Lab
from tests.functional.control_plane.intruder import transact

PATCHBAY = [sys.executable, "-m", "patchbay"]


def wait_for(condition: Callable[[], object], what: str, deadline_s: float = 20.0) -> None:
    """Returns when it holds; fails saying what was missing."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"after {deadline_s:.0f} s still not: {what}"
        time.sleep(0.1)


def hand(lab: Lab, *arguments: str, on: str = "", check: bool = True) -> str:
    """What a command of Patchbay says on the service's machine, or on a host."""
    space = lab.host(on).space if on else lab.space
    done = space.run([*PATCHBAY, *arguments], check=check)
    return done.stdout + done.stderr


def check(lab: Lab) -> None:
    """All that the topology expects holds."""
    wrong = [outcome for outcome in lab.check() if not outcome.is_met]
    assert not wrong, wrong


def alive(lab: Lab) -> dict[str, bool]:
    """Whether the agent of each host has been heard of."""
    agents = lab.client().request("GET", "/v2.0/agents?binary=neutron-openvswitch-agent")["agents"]
    return {agent["host"]: agent["alive"] for agent in agents}


def serial(lab: Lab, host: str) -> str:
    """Of the certificate that the host has now."""
    return lab.host(host).run(["openssl", "x509", "-in", f"{CREDENTIALS}/host.pem", "-noout", "-serial"]).stdout


def test_instances_reach_each_other_as_with_a_socket(lab: Lab) -> None:
    check(lab)
    assert alive(lab) == {"compute1": True, "compute2": True}


def test_dhcp_dns_and_metadata_work_with_a_host_s_own_rights(routed_lab: Lab) -> None:
    asked = [outcome for outcome in routed_lab.check() if outcome.pair.wanted]
    assert len(asked) > 5
    assert not [outcome for outcome in asked if not outcome.is_met]


def test_the_agents_use_tls_alone(lab: Lab) -> None:
    for name in lab.hosts:
        log = lab.host(name).log("agent", 200)
        assert f"connected to ssl:{service_address(lab.topology)}:{INTENT_PORT}" in log
        assert "intent.sock" not in log


def test_a_host_s_certificate_does_not_write_another_host_s_rows(lab: Lab) -> None:
    other = {"op": "update", "table": "Host", "where": [["name", "==", "compute2"]], "row": {"tunnel_ip": "10.9.9.9"}}
    own = {"op": "update", "table": "Host", "where": [["name", "==", "compute1"]], "row": {"admin_state_up": False}}
    plug = {"op": "insert", "table": "Plug", "row": {"host": "compute2", "up": True}}
    taken = {"op": "update", "table": "Port", "where": [], "row": {"host": "compute1"}}
    gone = {"op": "delete", "table": "Network", "where": []}
    grown = {"op": "update", "table": "RBAC_Permission", "where": [], "row": {"insert_delete": True}}
    for attempt in (other, own, plug, taken, gone, grown):
        said = transact(lab, "compute1", attempt)
        assert 'RBAC rules for client "compute1" role "agent" prohibit' in said, (attempt, said)
    assert '"count":1' in transact(
        lab,
        "compute1",
        {"op": "update", "table": "Host", "where": [["name", "==", "compute1"]], "row": {"version": "x"}},
    )
    check(lab)


def test_a_restarted_service_is_found_again(lab: Lab) -> None:
    lab.stop_service()
    lab.start_service()
    for name in lab.hosts:
        wait_for(lambda name=name: alive(lab)[name], f"{name} alive")  # type: ignore[misc]
    wait_for(lambda: lab.client().request("GET", "/v2.0/networks")["networks"], "networks")
    check(lab)


def test_an_agent_that_is_deleted_comes_back_by_itself(lab: Lab) -> None:
    agents = lab.client().request("GET", "/v2.0/agents?binary=neutron-openvswitch-agent&host=compute2")["agents"]
    lab.client().request("DELETE", f"/v2.0/agents/{agents[0]['id']}")
    wait_for(lambda: alive(lab).get("compute2"), "compute2 alive again")
    again = lab.client().request("GET", "/v2.0/agents?binary=neutron-openvswitch-agent&host=compute2")["agents"]
    assert again[0]["id"] != agents[0]["id"]
    assert again[0]["configurations"]["tunneling_ip"] == lab.host("compute2").spec.tunnel_ip
    check(lab)


def test_a_rebooted_host_joins_anew_and_its_old_certificate_is_no_member_s(lab: Lab) -> None:
    kept = lab.host("compute2").space.path(f"{CREDENTIALS}/host.pem").read_bytes()
    lab.reboot("compute2")
    lab.wait_until_active()
    check(lab)
    assert lab.host("compute2").space.path(f"{CREDENTIALS}/host.pem").read_bytes() != kept


def test_a_removed_host_is_out_at_once_and_the_others_go_on(lab: Lab, tmp_path: Path) -> None:
    before = serial(lab, "compute1")
    said = hand(lab, "host", "remove", "compute2", "--state-dir=/run/service")
    assert "Host compute2 is removed" in said
    wait_for(lambda: serial(lab, "compute1") != before, "a new certificate for compute1")
    wait_for(lambda: alive(lab).get("compute1"), "compute1 alive")
    assert "compute2" not in alive(lab)
    read = {"op": "select", "table": "Network", "where": []}
    assert "rows" not in transact(lab, "compute2", read)
    assert '"rows"' in transact(lab, "compute1", read)
    wait_for(lambda: "was removed" in lab.host("compute2").log("agent", 50), "the removed host says why")
    assert "removed 20" in hand(lab, "host", "members", "--state-dir=/run/service")
    # It comes back with a token.
    lab.host("compute2").agent_stop()
    lab.host("compute2").run(["rm", "-r", CREDENTIALS])
    lab.host("compute2").agent_start()
    wait_for(lambda: alive(lab).get("compute2"), "compute2 alive again")
    lab.wait_until_active()
    check(lab)


@pytest.mark.parametrize("name", ["compute1", "compute2"])
def test_no_key_or_token_is_in_a_log_or_a_command_line(lab: Lab, name: str) -> None:
    secrets = set(lab.space.path("/run/service/pki/authority.key").read_text().splitlines()[1:-1])
    secrets |= set(lab.host(name).space.path(f"{CREDENTIALS}/host.pem").read_text().splitlines()[1:4])
    token = hand(lab, "host", "token", "create", "--host=compute9", "--state-dir=/run/service").strip()
    secrets.add(token.rpartition(".")[2])
    logs = [lab.space.path("/run/service/intent.log").read_text(errors="replace"), lab.service_log(100000)]
    logs += [lab.host(name).log(process, 100000) for process in ("agent", "ovsdb-server", "ovs-vswitchd")]
    lines = [
        path.read_bytes().decode(errors="replace") for path in Path("/proc").glob("[0-9]*/cmdline") if readable(path)
    ]
    for secret in secrets:
        assert not [text for text in (*logs, *lines) if secret in text]


def readable(path: Path) -> bool:
    """Whether the process is there still."""
    try:
        path.read_bytes()
    except OSError:
        return False
    return True
