"""Seed 001 from one file: lease, names, metadata, address translation, floating IPs; two tenants; a reboot."""

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from patchbay.lab.apply import apply_topology
from patchbay.lab.check import check
from patchbay.lab.lab import Lab
from patchbay.lab.outcomes import Outcome
from patchbay.lab.outside import WEBSERVER
from patchbay.lab.questions import Answer, fetch
from patchbay.lab.reading import load_topology
from patchbay.lab.topology import Fetch, Reach

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "seed001.yaml"
FLOATING_IP = "192.168.1.246"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.up(load_topology(EXAMPLE), name="test-seed001") as running:
        yield running


def wrong(outcomes: list[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if not outcome.is_met]


def met_again(lab: Lab, deadline_s: float = 40.0) -> None:
    """Wait until every expectation is met."""
    end = time.monotonic() + deadline_s
    while found := wrong(lab.check()):
        assert time.monotonic() < end, found


def test_every_expectation_is_met(lab: Lab) -> None:
    outcomes = lab.check()
    assert wrong(outcomes) == []
    assert len(outcomes) == 41


def test_applying_the_file_again_changes_nothing(lab: Lab) -> None:
    client = lab.client()
    done = apply_topology(client, lab.topology)
    client.close()
    assert (done.created, done.updated) == ((), ())
    assert done.unchanged == 18


def test_the_lease_is_what_dhclient_made_of_it(lab: Lab) -> None:
    routes = lab.run_in("cirros01", ["ip", "route"]).stdout
    assert "default via 10.0.1.1 dev eth0 proto dhcp" in routes
    assert "10.0.1.0/28 dev eth0" in routes
    assert lab.run_in("cirros01", ["cat", "/etc/resolv.conf"]).stdout.splitlines()[1:] == [
        "nameserver 10.0.1.2",
        "search openstacklocal",
    ]


def test_short_names_are_completed_by_the_domain_of_the_lease(lab: Lab) -> None:
    assert " 0% packet loss" in lab.run_in("cirros01", ["ping", "-c", "1", "-w", "5", "cirros02"]).stdout
    assert lab.run_in("other01", ["getent", "hosts", "cirros02"], check=False).stdout == ""


def test_the_openstack_tree_tells_the_instance_what_its_definition_says(lab: Lab) -> None:
    told = json.loads(read(lab, "cirros01", "meta_data.json"))
    assert told["meta"] == {"role": "demo"}
    assert list(told["public_keys"].values()) == list(lab.topology.instances["cirros01"].public_keys)
    assert read(lab, "cirros01", "user_data") == "#!/bin/sh\necho hello\n"
    assert [link["mtu"] for link in json.loads(read(lab, "cirros01", "network_data.json"))["links"]] == [1500]


def test_a_server_in_the_instance_sees_who_comes_by_its_floating_ip(lab: Lab) -> None:
    place = lab.places()["cirros01"]
    command = place.command([sys.executable, "-I", "-S", str(WEBSERVER)])
    place.space.spawn(command, log="/run/http.log", pidfile="/run/http.pid")
    try:
        for source, address in (("desk", "192.168.1.20"), ("gateway", "192.168.1.1")):
            expected = Fetch((source,), f"http://{FLOATING_IP}/", body=address)
            outcome = asked(expected.url, lambda: fetch(lab.places()[source], expected))  # noqa: B023
            assert outcome == f"200 {address}"
    finally:
        assert place.space.signal_by_file("/run/http.pid", signal.SIGTERM)


def test_a_floating_ip_that_another_instance_has_in_the_file_moves_there_and_back(lab: Lab) -> None:
    (first, second) = lab.topology.floating_ips
    moved = msgspec.structs.replace(first, instance="cirros02")
    expect = (
        Reach(("cirros02",), ("203.0.113.80",), True, seen_as=FLOATING_IP),
        Reach(("cirros01",), ("203.0.113.80",), True, seen_as="192.168.1.245"),
        Reach(("desk",), (FLOATING_IP,), True),
    )
    changed = msgspec.structs.replace(lab.topology, floating_ips=(moved, second), expect=expect)
    client = lab.client()
    try:
        assert apply_topology(client, changed).updated == (("floating IP", FLOATING_IP),)
        assert changed.place_of(FLOATING_IP) == "cirros02"
        assert wrong(check(changed, lab.places())) == []
    finally:
        apply_topology(client, lab.topology)
        client.close()
    met_again(lab)


def test_a_rebooted_host_comes_back_with_everything_and_the_floating_ip_answers_again(lab: Lab) -> None:
    with lab.ping_stream("desk", FLOATING_IP, 0.02) as stream:
        assert stream.wait_for_replies(20)
        lab.reboot("compute")
        assert stream.wait_for_replies(20, 30.0)
        report = stream.stop()
    print(f"floating IP away for {report.longest_outage_s:.2f} s")
    assert report.longest_outage_s < 20
    met_again(lab)


def read(lab: Lab, instance: str, name: str) -> str:
    """A file of the OpenStack tree of the metadata service, as the instance gets it."""
    script = "import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode())"
    url = f"http://169.254.169.254/openstack/latest/{name}"
    return lab.run_in(instance, [sys.executable, "-c", script, url]).stdout


def asked(what: str, ask: Callable[[], Answer], deadline_s: float = 10.0) -> str:
    """Ask until the answer is right."""
    end = time.monotonic() + deadline_s
    while True:
        answer, is_right, detail = ask()
        if is_right:
            return answer
        assert time.monotonic() < end, f"{what}: {answer} {detail}"
        time.sleep(0.05)
