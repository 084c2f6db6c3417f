"""Metadata in a lab: agents start the server and keep it; networks without a router are served by their DHCP server."""

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology
from tests.functional.convergence.scene import settled, wait_for

TOPOLOGY = """
hosts: {one: {tunnel_ip: 10.0.0.1}, two: {tunnel_ip: 10.0.0.2}}
networks:
  red: {project: red, subnets: {red-v4: {cidr: 10.1.0.0/24, gateway: none}}}
  blue: {project: blue, subnets: {blue-v4: {cidr: 10.1.0.0/24, gateway: none}}}
instances:
  red1: {host: one, network: red, address: 10.1.0.11, dhcp: true, user_data: "I am red\\n"}
  blue1: {host: one, network: blue, address: 10.1.0.11, dhcp: true, user_data: "I am blue\\n"}
  red2: {host: two, network: red, address: 10.1.0.12, dhcp: true, plugging: direct}
expect:
  - {together: [red]}
"""
HOSTNAME = "/latest/meta-data/hostname"
PID_FILE = "/run/patchbay/metadata/host/pid"
ASK = """
import sys, urllib.request
sys.stdout.write(urllib.request.urlopen("http://169.254.169.254" + sys.argv[1], None, 3).read().decode())
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATCHBAY_LAB_DIR", str(tmp_path_factory.mktemp("labs")))
        with Lab.up(parse_topology(TOPOLOGY, Path("isolated.yaml"))) as running:
            yield running


def ask(lab: Lab, instance: str, path: str) -> str:
    """What the instance reads; the error's text when it cannot."""
    done = lab.host_of(instance).run([sys.executable, "-c", ASK, path], instance=instance, check=False)
    return done.stdout if done.returncode == 0 else done.stderr[-200:]


def served(lab: Lab, *instances: str) -> None:
    """Wait until each of them reads its own host name."""
    for name in instances:
        seen: list[str] = []

        def is_right(name: str = name, seen: list[str] = seen) -> bool:
            seen[:] = [ask(lab, name, HOSTNAME)]
            return seen == [f"{name}.openstacklocal"]

        wait_for(is_right, lambda name=name, seen=seen: f"{name} reads its name, not {seen}")  # type: ignore[misc]


def serving_host(lab: Lab, network: str) -> str:
    """Where the DHCP server of a network is."""
    client = lab.client()
    (found,) = client.request("GET", f"/v2.0/networks?name={network}")["networks"]
    servers = client.request("GET", f"/v2.0/ports?network_id={found['id']}&device_owner=network:dhcp")["ports"]
    client.close()
    return str(servers[0]["binding:host_id"])


def test_instances_of_isolated_networks_with_the_same_addresses_read_their_own(lab: Lab) -> None:
    served(lab, "red1", "blue1", "red2")
    assert ask(lab, "red1", "/latest/user-data") == "I am red\n"
    assert ask(lab, "blue1", "/openstack/latest/user_data") == "I am blue\n"
    assert "404" in ask(lab, "red2", "/latest/user-data")
    (network,) = json.loads(ask(lab, "red2", "/openstack/latest/network_data.json"))["networks"]
    assert network["type"] == "ipv4_dhcp"


def test_a_server_that_is_killed_is_started_again(lab: Lab) -> None:
    host = lab.host(serving_host(lab, "red"))
    before = host.run(["cat", PID_FILE]).stdout
    assert host.space.signal_by_file(PID_FILE, signal.SIGKILL)
    wait_for(lambda: host.run(["cat", PID_FILE], check=False).stdout not in (before, ""), "another server runs")
    served(lab, "red1", "red2")
    settled(host)


def test_a_namespace_that_was_deleted_is_served_again(lab: Lab) -> None:
    host = lab.host(serving_host(lab, "red"))
    (namespace,) = [
        line.split()[0]
        for line in host.run(["ip", "netns"]).stdout.splitlines()
        if "qdhcp" in line and _is_of(lab, line)
    ]
    host.run(["ip", "netns", "delete", namespace])
    settled(host)
    served(lab, "red1", "red2")


def _is_of(lab: Lab, line: str) -> bool:
    client = lab.client()
    (found,) = client.request("GET", "/v2.0/networks?name=red")["networks"]
    client.close()
    return found["id"] in line


def test_a_host_that_is_rebooted_serves_again(lab: Lab) -> None:
    name = serving_host(lab, "red")
    lab.reboot(name)
    lab.wait_until_active()
    settled(lab.host(name))
    served(lab, "red1", "red2", "blue1")
