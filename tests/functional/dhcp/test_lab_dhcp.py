"""DHCP of whole hosts with their agents: two servers of one network, repair, and what an agent leaves alone."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from patchbay.lab.client import ServiceClient
from patchbay.lab.lab import Lab
from patchbay.lab.reading import load_topology

TOPOLOGY = """\
name: dhcp-pair
hosts:
  compute1: {tunnel_ip: 172.21.77.1}
  compute2: {tunnel_ip: 172.21.77.2}
networks:
  red:
    subnets: {red-v4: {cidr: 10.7.0.0/24, gateway: 10.7.0.1}}
instances:
  red1: {host: compute1, network: red, address: 10.7.0.11, dhcp: true}
  red2: {host: compute2, network: red, address: 10.7.0.12, dhcp: true}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    file = tmp_path_factory.mktemp("dhcp") / "dhcp-pair.yaml"
    file.write_text(TOPOLOGY)
    with Lab.up(load_topology(Path(file))) as running:
        yield running


def sh(lab: Lab, host: str, script: str, instance: str = "") -> str:
    return lab.host(host).run(["sh", "-c", script], instance=instance, check=False).stdout.strip()


def wait(condition: Callable[[], object], what: str, deadline_s: float = 20.0) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"after {deadline_s} s still not: {what}"
        time.sleep(0.02)


def ask(lab: Lab, method: str, path: str, body: Any = None) -> Any:
    client = ServiceClient(lab.endpoint)
    try:
        return client.request(method, path, body)
    finally:
        client.close()


def servers(lab: Lab) -> dict[str, str]:
    """The address of each host's server."""
    ports = ask(lab, "GET", "/v2.0/ports?device_owner=network:dhcp")["ports"]
    return {port["binding:host_id"]: port["fixed_ips"][0]["ip_address"] for port in ports}


def dnsmasq(lab: Lab, host: str) -> str:
    """The process id of the server there; "" when there is none."""
    return sh(lab, host, "cat /run/patchbay/dhcp/*/pid")


def operations(lab: Lab, host: str) -> str:
    """What the agent of a host says that it did at its start."""
    return next((line for line in reversed(lab.host(host).log("agent", 50).splitlines()) if "msg=ready" in line), "")


def test_two_servers_serve_one_network_and_one_is_enough(lab: Lab) -> None:
    network = ask(lab, "GET", "/v2.0/networks?name=red")["networks"][0]["id"]
    (first,) = servers(lab)
    second = next(host for host in lab.hosts if host != first)
    agents = ask(lab, "GET", f"/v2.0/agents?host={second}")["agents"]
    agent = next(one["id"] for one in agents if "DHCP" in one["agent_type"])
    ask(lab, "POST", f"/v2.0/agents/{agent}/dhcp-networks", {"network_id": network})
    wait(lambda: dnsmasq(lab, second), "dnsmasq on the second host")
    assert set(servers(lab)) == set(lab.hosts)
    wait(lambda: "nameserver" in renewed(lab), "a name server")
    assert set(servers(lab).values()) <= set(renewed(lab).split())
    lab.host(first).agent_stop()
    killed = dnsmasq(lab, first)
    sh(lab, first, f"kill -9 {killed}")
    for host, name, address in (("compute1", "red1", "10.7.0.11"), ("compute2", "red2", "10.7.0.12")):
        told = sh(lab, host, "rm -f /run/p; timeout 15 dhclient -4 -1 -v -lf /run/l -pf /run/p eth0 2>&1", name)
        # It writes its number when it is in the background already.
        wait(lambda host=host: sh(lab, host, "kill $(cat /run/p) && echo ended") == "ended", "the client has ended")
        assert f"DHCPACK of {address} from {servers(lab)[second]}" in told
    lab.host(first).agent_start()
    wait(lambda: dnsmasq(lab, first) not in ("", killed), "dnsmasq on the first host again")


def renewed(lab: Lab) -> str:
    """What red1 is told of name servers when it asks again."""
    return sh(lab, "compute1", "dhclient -r eth0; dhclient eth0; cat /etc/netns/red1/resolv.conf", "red1")


def test_a_new_port_is_told_and_nothing_is_restarted(lab: Lab) -> None:
    network = ask(lab, "GET", "/v2.0/networks?name=red")["networks"][0]["id"]
    host = next(iter(servers(lab)))
    before = dnsmasq(lab, host)
    made = ask(lab, "POST", "/v2.0/ports", {"port": {"network_id": network, "name": "third"}})["port"]
    address = made["fixed_ips"][0]["ip_address"]
    wait(lambda: address in sh(lab, host, "cat /run/patchbay/dhcp/*/host"), "a line for the port")
    ask(lab, "DELETE", f"/v2.0/ports/{made['id']}")
    wait(lambda: address not in sh(lab, host, "cat /run/patchbay/dhcp/*/host"), "its line is gone")
    assert dnsmasq(lab, host) == before


def test_an_agent_that_starts_leaves_leases_and_processes_alone(lab: Lab) -> None:
    processes = sh(lab, "compute1", "cat /run/patchbay/dhclient/*/pid /run/patchbay/dhcp/*/pid")
    addresses = sh(lab, "compute1", "ip -4 -o address show dev eth0 | awk '{ print $4 }'", "red1")
    assert addresses == "10.7.0.11/24"
    lab.host("compute1").agent_stop()
    before = operations(lab, "compute1")
    lab.host("compute1").agent_start()
    wait(lambda: operations(lab, "compute1") not in ("", before), "the agent is ready")
    assert operations(lab, "compute1").endswith("operations=0")
    assert sh(lab, "compute1", "cat /run/patchbay/dhclient/*/pid /run/patchbay/dhcp/*/pid") == processes
    assert sh(lab, "compute1", "ip -4 -o address show dev eth0 | awk '{ print $4 }'", "red1") == addresses


def test_a_link_that_was_deleted_comes_back_with_its_lease(lab: Lab) -> None:
    sh(lab, "compute2", "ip link del eth0", "red2")
    wait(lambda: "10.7.0.12" in sh(lab, "compute2", "ip -4 address show dev eth0", "red2"), "the lease is back")
    wait(lambda: "via 10.7.0.1 " in sh(lab, "compute2", "ip route", "red2"), "its route is back")


def test_killed_processes_come_back(lab: Lab) -> None:
    host = next(iter(servers(lab)))
    clients, server = "cat /run/patchbay/dhclient/*/pid", dnsmasq(lab, host)
    before = sh(lab, "compute1", clients)
    sh(lab, "compute1", f"kill -9 {before}")
    sh(lab, host, f"kill -9 {server}")
    wait(lambda: sh(lab, "compute1", clients) not in ("", before), "dhclient again")
    wait(lambda: dnsmasq(lab, host) not in ("", server), "dnsmasq again")
    assert "10.7.0.11" in sh(lab, "compute1", "ip -4 address show dev eth0", "red1")


def test_a_namespace_that_was_deleted_comes_back_with_its_server(lab: Lab) -> None:
    before = {host: dnsmasq(lab, host) for host in servers(lab)}
    for host in before:
        sh(lab, host, "ip netns list | grep -o 'qdhcp-[0-9a-f-]*' | xargs -n1 ip netns del")
    for host, pid in before.items():
        wait(lambda host=host, pid=pid: dnsmasq(lab, host) not in ("", pid), f"dnsmasq of {host} again")
    assert "10.7.0.11" in sh(lab, "compute1", "dhclient -r eth0; dhclient eth0; ip -4 address show dev eth0", "red1")
    for host, pid in before.items():
        assert sh(lab, host, f"kill -0 {pid} 2>/dev/null && echo runs") == "", (
            "the old one, in a namespace without a name"
        )


def test_an_instance_whose_namespace_was_deleted_asks_again(lab: Lab) -> None:
    sh(lab, "compute2", "ip netns del red2")
    wait(lambda: "10.7.0.12" in sh(lab, "compute2", "ip -4 address show dev eth0", "red2"), "the lease is back")
    count = "pgrep --runstates R,S,D -c dhclient"
    wait(lambda: sh(lab, "compute2", count) == "1", "one dhclient")
