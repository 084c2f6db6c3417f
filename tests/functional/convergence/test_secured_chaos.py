"""Ports with port security through all that may happen: nothing forbidden ever passes, and what may speak goes on.

``PATCHBAY_SEEDS="5 6 7"`` in the environment runs these histories and not the few that always run.
"""

import contextlib
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from patchbay.errors import PatchbayError
from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology
from tests.functional.convergence.conversation import conversing
from tests.functional.convergence.hostile import SENDERS, Hostile, hostile
from tests.functional.convergence.scene import agent, converged, device, settled, traffic, wait_for
from tests.functional.security.exchange import Speaker, first
from tests.functional.security.frames import Wire
from tests.functional.security.model import Packet

TOPOLOGY = """\
name: test-secured-chaos
hosts:
  compute1: {tunnel_ip: 172.21.62.1}
  compute2: {tunnel_ip: 172.21.62.2}
networks:
  red: {project: red, subnets: {red-v4: {cidr: 10.0.1.0/24, enable_dhcp: false}}}
  blue: {project: red, subnets: {blue-v4: {cidr: 10.0.2.0/24, enable_dhcp: false}}}
security_groups:
  talk: {project: red, rules: [{from: talk}]}
  shut: {project: red, rules: [{from: shut}, {protocol: tcp, ports: 80, from: blue-ones}]}
  open: {project: red, rules: [{}]}
  blue-ones: {project: red, rules: []}
  mute: {project: red, rules: [{}]}
instances:
  alice1: {host: compute1, network: red, address: 10.0.1.11, security_groups: [talk]}
  alice2: {host: compute2, plugging: direct, network: red, address: 10.0.1.12, security_groups: [talk]}
  victim1: {host: compute1, plugging: direct, network: red, address: 10.0.1.21, security_groups: [shut]}
  victim2: {host: compute2, network: red, address: 10.0.1.22, security_groups: [shut]}
  mallory1: {host: compute1, plugging: direct, network: red, address: 10.0.1.31, security_groups: [open]}
  mallory2: {host: compute2, plugging: direct, network: red, address: 10.0.1.32, security_groups: [open]}
  mute1: {host: compute1, network: red, address: 10.0.1.41, security_groups: [mute]}
  mute2: {host: compute2, plugging: direct, network: red, address: 10.0.1.42, security_groups: [mute]}
  free1: {host: compute1, plugging: direct, network: red, address: 10.0.1.51, port_security: false}
  free2: {host: compute2, plugging: direct, network: red, address: 10.0.1.52, port_security: false}
  blue1: {host: compute2, plugging: direct, network: blue, address: 10.0.2.11, security_groups: [blue-ones]}
expect:
  - {from: alice1, to: alice2, reach: yes}
  - {from: alice2, to: alice1, reach: yes}
  - {from: [mallory1, mallory2, free1], to: [victim1, victim2], reach: no}
  - {from: [mute1, mute2], to: [mallory1, free1], reach: no}
"""
HOSTS = ("compute1", "compute2")
ALICES = (("alice1", "alice2"), ("alice2", "alice1"))
SEEDS = os.environ.get("PATCHBAY_SEEDS", "1").split()
ACTS = 7


@pytest.fixture(scope="module")
def secured(lab_folder: Path) -> Iterator[Lab]:
    """The lab, up, with a group whose members may send nothing."""
    with Lab.up(parse_topology(TOPOLOGY, Path("chaos.yaml"))) as lab:
        with contextlib.closing(lab.client()) as client:
            path = f"/v2.0/security-group-rules?security_group_id={groups(client)['mute']}&direction=egress"
            for rule in client.request("GET", path)["security_group_rules"]:
                client.request("DELETE", f"/v2.0/security-group-rules/{rule['id']}")
        converged(lab)
        yield lab


def groups(client: Any) -> dict[str, str]:
    """Ids of groups by name."""
    return {each["name"]: each["id"] for each in client.request("GET", "/v2.0/security-groups")["security_groups"]}


def speakers(lab: Lab) -> dict[str, Speaker]:
    """The instances as their packets show them."""
    with contextlib.closing(lab.client()) as client:
        ports = client.request("GET", "/v2.0/ports")["ports"]
    named = {port["name"].removesuffix("-eth0"): port for port in ports}
    return {
        name: Speaker(name, port["mac_address"], frozenset(each["ip_address"] for each in port["fixed_ips"]))
        for name, port in named.items()
    }


@pytest.fixture
def forbidden(secured: Lab) -> Iterator[Hostile]:
    """The hostile stream, during a test: it was sent and listened for, and nothing of it arrived."""
    with hostile(secured, speakers(secured)) as stream:
        yield stream
    assert stream.leaks == []
    assert min(stream.sent.values()) > 0, stream.sent
    assert min(stream.looked.values()) > 0, stream.looked


def test_the_stream_is_heard_where_a_rule_allows_it(secured: Lab) -> None:
    with contextlib.closing(secured.client()) as client, hostile(secured, speakers(secured)) as stream:
        body = {"security_group_id": groups(client)["shut"], "direction": "ingress", "protocol": "udp"}
        made = client.request("POST", "/v2.0/security-group-rules", {"security_group_rule": body})
        try:
            wanted = {f"{sender} to {target}" for sender in SENDERS for target in ("victim1", "victim2")}
            wait_for(lambda: {leak.what for leak in stream.leaks} == wanted, lambda: f"heard: {stream.leaks[-20:]}")
        finally:
            client.request("DELETE", f"/v2.0/security-group-rules/{made['security_group_rule']['id']}")
            wait_for(lambda: not _has_flow(secured, "ct_nw_proto=17"), "the rule is gone")
            settled(*secured.hosts.values())


# --- what costs no packet ---------------------------------------------------------------------------------------------


def kill_agents(lab: Lab, _dice: random.Random) -> None:
    """All agents are killed and begin again."""
    for host in lab.hosts.values():
        host.agent_stop(signal.SIGKILL)
    for host in lab.hosts.values():
        host.agent_start()


def kill_service(lab: Lab, _dice: random.Random) -> None:
    """The service goes, the intent database with it, and both come back."""
    lab.stop_service(signal.SIGKILL)
    try:
        wait_for(lambda: not _has_intent(lab, "compute1"), "the agent notices")
    finally:
        wait_for(lambda: _is_started(lab), "the service's port is free again")
    for name in HOSTS:
        wait_for(lambda name=name: _has_intent(lab, name), "agents are connected again")


def _has_intent(lab: Lab, name: str) -> bool:
    try:
        return bool(agent(lab.host(name))["intent_connected"])
    except OSError:
        return False


def _is_started(lab: Lab) -> bool:
    try:
        lab.start_service()
    except PatchbayError:
        return False
    return True


def change_rules(lab: Lab, dice: random.Random) -> None:
    """Rules that allow nothing of this come and go, and a member of a group that rules name."""
    with contextlib.closing(lab.client()) as client:
        body = {"security_group_id": groups(client)[dice.choice(("shut", "talk"))], "direction": "ingress"}
        body |= {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
        made = client.request("POST", "/v2.0/security-group-rules", {"security_group_rule": body})
        port = next(each for each in client.request("GET", "/v2.0/ports")["ports"] if each["name"] == "blue1-eth0")
        for ids in ([], port["security_groups"]):
            client.request("PUT", f"/v2.0/ports/{port['id']}", {"port": {"security_groups": ids}})
        client.request("DELETE", f"/v2.0/security-group-rules/{made['security_group_rule']['id']}")


def kill_agent_at_work(lab: Lab, dice: random.Random) -> None:
    """Rules change, and agents are killed at any moment of their work."""
    changing = threading.Thread(target=change_rules, args=(lab, dice))
    changing.start()
    for _ in range(2):
        threading.Event().wait(dice.random() * 0.1)  # any moment
        for host in lab.hosts.values():
            host.agent_stop(signal.SIGKILL)
            host.agent_start()
    changing.join()


QUIET: dict[str, Callable[[Lab, random.Random], None]] = {
    "agents killed": kill_agents,
    "service and intent database away": kill_service,
    "rules and members changed": change_rules,
    "agents killed while rules change": kill_agent_at_work,
}


@pytest.mark.parametrize("what", QUIET)
def test_no_packet_between_members_is_lost_and_nothing_forbidden_passes(
    secured: Lab, forbidden: Hostile, what: str
) -> None:
    ends = ("alice1", "alice2", "10.0.1.12", "10.0.1.12")
    with traffic(secured, f"secured: {what}", *ALICES) as seen, conversing(secured, *ends) as talk:
        QUIET[what](secured, random.Random(what))
        settled(*secured.hosts.values())
    assert seen.lost == 0
    assert talk.returned == talk.sent > 0


# --- what cuts everybody off for a while ------------------------------------------------------------------------------


def kill_vswitchd(lab: Lab, dice: random.Random) -> None:
    """Open vSwitch forgets all flows."""
    host = lab.host(dice.choice(HOSTS))
    host.kill("ovs-vswitchd")
    host.start_vswitchd()


def kill_vswitchd_without_agent(lab: Lab, dice: random.Random) -> None:
    """And nobody is there to set them again, for a while."""
    host = lab.host(dice.choice(HOSTS))
    host.agent_stop(signal.SIGKILL)
    host.kill("ovs-vswitchd")
    host.start_vswitchd()
    threading.Event().wait(0.3)  # The hostile stream has its chance.
    host.agent_start()


def delete_flows(lab: Lab, dice: random.Random) -> None:
    """A stranger deletes flows."""
    which = dice.choice(("", "table=0", "table=72", "table=82", "table=74", "table=84", "table=61"))
    lab.host(dice.choice(HOSTS)).run(["ovs-ofctl", "del-flows", "br-int", *([which] if which else [])])


def delete_port(lab: Lab, dice: random.Random) -> None:
    """A stranger unplugs somebody, or the patch pair."""
    kinds = {"alice2": "tap", "victim1": "tap", "victim2": "qvo", "mallory1": "tap", "mute1": "qvo"}
    name = dice.choice(sorted(kinds))
    host = lab.host_of(name)
    host.run(["ovs-vsctl", "--if-exists", "del-port", dice.choice((device(lab, kinds[name], name), "patch-secured"))])


def reboot(lab: Lab, _dice: random.Random) -> None:
    """A host begins anew."""
    lab.reboot("compute2")


def kill_ovsdb(lab: Lab, dice: random.Random) -> None:
    """Open vSwitch's database goes and comes back."""
    host = lab.host(dice.choice(HOSTS))
    host.kill("ovsdb-server")
    host.start_ovsdb()


def make_anew(lab: Lab, dice: random.Random) -> None:
    """A victim, or one who may not send, is deleted and made again with the same port."""
    name = dice.choice(("victim1", "mute1"))
    with contextlib.closing(lab.client()) as client:
        found = client.request("GET", "/v2.0/instances")["instances"]
        old = next(each for each in found if each["name"] == name)
        client.request("DELETE", f"/v2.0/instances/{old['id']}")
        kept = ("name", "host", "plugging", "interfaces", "project_id")
        client.request("POST", "/v2.0/instances", {"instance": {key: old[key] for key in kept}})


LOUD = (kill_vswitchd, kill_vswitchd_without_agent, delete_flows, delete_port, reboot, kill_ovsdb, make_anew)


@pytest.mark.parametrize("act", LOUD, ids=lambda act: act.__name__)
def test_nothing_forbidden_passes_while_all_is_put_right_again(
    secured: Lab, forbidden: Hostile, act: Callable[[Lab, random.Random], None]
) -> None:
    act(secured, random.Random(act.__name__))
    settled(*secured.hosts.values(), timeout_s=40.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_history_ends_in_the_same_rules_and_nothing_forbidden_passes_on_the_way(
    secured: Lab, forbidden: Hostile, seed: str
) -> None:
    dice, done = random.Random(seed), []
    try:
        for _ in range(ACTS):
            act = dice.choice((*QUIET.values(), *LOUD))
            done.append(act.__name__)
            act(secured, dice)
        settled(*secured.hosts.values(), timeout_s=40.0)
        converged(secured, 40.0)
    except Exception as error:
        raise AssertionError(f"seed {seed}: {', '.join(done)}\n{error}") from error


# --- a rule that goes -------------------------------------------------------------------------------------------------


class Callers(threading.Thread):
    """mallory1 begins a new connection with victim1 all the time, and goes on with those that it has."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(daemon=True)
        self._wires = {name: Wire(lab.places()[name].path) for name in ("mallory1", "victim1")}
        self._speakers = speakers(lab)
        self._stopping = threading.Event()
        self._number = 0
        self.heard = 0

    def run(self) -> None:
        """Each time one new and, of those before, the next one."""
        while not self._stopping.wait(0.001):
            self._number += 1
            for number in (self._number, self._number // 2 + 1):
                self._call(number)
            self._listen(0.0002)

    def are_heard(self) -> bool:
        """Some of it arrives."""
        return self.heard > 50

    def stop(self) -> None:
        """No new ones; returns when all that were on their way are forgotten."""
        self._stopping.set()
        self.join()
        self._listen(0.2)
        self.heard = 0

    def again(self) -> int:
        """All connections go on once more: how many get through."""
        for number in range(1, self._number + 1):
            self._call(number)
            self._listen(0.0002)
        self._listen(0.2)
        return self.heard

    def close(self) -> None:
        """Close the interfaces."""
        for wire in self._wires.values():
            wire.close()

    def _call(self, number: int) -> None:
        source, target = (min(self._speakers[name].addresses) for name in ("mallory1", "victim1"))
        macs = "".join(self._speakers[name].mac for name in ("victim1", "mallory1")).replace(":", "")
        packet = first(Packet(source, target, 17, 0, 7777), 1024 + number % 60000, b"called")
        self._wires["mallory1"].send(bytes.fromhex(macs) + b"\x08\x00" + packet)

    def _listen(self, seconds: float) -> None:
        self.heard += sum(b"called" in frame for frame in self._wires["victim1"].frames(seconds))


@pytest.mark.parametrize("beside", ["alone", "beside an instance that comes", "with the agent killed"])
def test_a_rule_that_goes_leaves_no_connection_behind(secured: Lab, forbidden: Hostile, beside: str) -> None:
    """What begins in the very moment is judged by the rules without it, too."""
    with contextlib.closing(secured.client()) as client:
        body = {"security_group_id": groups(client)["shut"], "direction": "ingress", "protocol": "udp"}
        body |= {"port_range_min": 7777, "port_range_max": 7777}
        for _ in range(2):
            callers = Callers(secured)
            callers.start()
            try:
                rule = client.request("POST", "/v2.0/security-group-rules", {"security_group_rule": body})
                wait_for(callers.are_heard, "the rule holds")
                client.request("DELETE", f"/v2.0/security-group-rules/{rule['security_group_rule']['id']}")
                _happen(secured, beside)
                wait_for(lambda: not _has_flow(secured, "=7777"), "the rule is gone")
                settled(*secured.hosts.values())
                callers.stop()
                assert callers.again() == 0
            finally:
                callers.stop()
                callers.close()


def _has_flow(lab: Lab, term: str) -> bool:
    """A flow of a rule, on compute1."""
    return term in lab.host("compute1").run(["ovs-ofctl", "dump-flows", "br-int", "table=82"]).stdout


def _happen(lab: Lab, beside: str) -> None:
    if beside.startswith("beside"):
        make_anew(lab, random.Random(0))
    elif beside.startswith("with"):
        kill_agents(lab, random.Random(2))
