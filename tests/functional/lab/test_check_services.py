"""The check of routers, DHCP, names and pages is right of a right network, and says of a broken one what broke.

The agent is stopped while something is broken by hand, so that nobody repairs it, and repairs all of it afterwards.
"""

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from patchbay.lab.check import check
from patchbay.lab.lab import Lab
from patchbay.lab.outcomes import Outcome
from patchbay.lab.reading import parse_topology
from patchbay.lab.topology import Fetch

TOPOLOGY = """\
name: check-services
hosts:
  one: {tunnel_ip: 172.21.12.163, bridge_mappings: {physnet1: br-ex}}
networks:
  ext-net:
    type: flat
    physical_network: physnet1
    external: true
    subnets: {ext-v4: {cidr: 192.168.1.0/24, pools: [192.168.1.245-192.168.1.254], enable_dhcp: false}}
  demo:
    subnets: {demo-v4: {cidr: 10.0.1.0/24, dns: [203.0.113.53]}}
  shop:
    type: vlan
    physical_network: physnet1
    segmentation_id: 7
    subnets: {shop-v4: {cidr: 10.7.0.0/24, enable_dhcp: false}}
routers:
  way: {external: ext-net, external_addresses: [192.168.1.245], interfaces: [demo-v4]}
floating_ips:
  - {address: 192.168.1.250, port_forwardings: [{port: 8080, to: vm2:80}]}
instances:
  vm1: {host: one, network: demo, address: 10.0.1.5, dhcp: true, floating_ip: 192.168.1.246}
  vm2: {host: one, network: demo, address: 10.0.1.6, dhcp: true, plugging: direct}
  byhand: {host: one, network: demo, address: 10.0.1.7}
  till: {host: one, network: shop, address: 10.7.0.5, plugging: direct}
outside:
  internet:
    physical_network: physnet1
    addresses: [192.168.1.1/24, 203.0.113.53/24]
    dns: {www.example.net: 203.0.113.53}
    http: true
  bank: {physical_network: physnet1, vlan: 7, addresses: [10.7.0.9/24], http: true}
expect:
  - {from: vm1, to: 203.0.113.53, reach: yes, seen_as: 192.168.1.246}
  - {from: vm2, to: 203.0.113.53, reach: yes, seen_as: 192.168.1.245}
  - {from: internet, to: 192.168.1.246, reach: yes}
  - {from: internet, to: [vm1, 192.168.1.251], reach: no}
  - {lease: vm1, address: 10.0.1.5, router: 10.0.1.1, mtu: 1450}
  - {from: vm1, resolve: www.example.net, to: 203.0.113.53}
  - {from: vm2, resolve: nobody.example.net, fails: yes}
  - {from: vm2, http: http://www.example.net/, body: 192.168.1.245}
  - {from: internet, http: "http://192.168.1.250:8080/", body: 192.168.1.1}
  - {from: till, to: bank, reach: yes}
  - {from: bank, http: http://10.7.0.9/, body: 10.7.0.9}
  - {from: till, to: internet, reach: no}
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.up(parse_topology(TOPOLOGY, Path("check-services.yaml")), name="check-services") as running:
        yield running


@contextlib.contextmanager
def broken(lab: Lab) -> Iterator[str]:
    """The agent is away; gives the router's namespace. Afterwards all is as before."""
    host = lab.host("one")
    host.agent_stop()
    try:
        yield namespace(lab, "qrouter-")
    finally:
        host.agent_start()
        end = time.monotonic() + 20.0
        while found := [outcome for outcome in services(lab) if not outcome.is_met]:
            assert time.monotonic() < end, found


def services(lab: Lab, patience_s: float = 5.0) -> list[Outcome]:
    """All but the forwarded port, which nobody serves by itself."""
    expect = tuple(each for each in lab.topology.expect if not (isinstance(each, Fetch) and ":8080" in each.url))
    return check(msgspec.structs.replace(lab.topology, expect=expect), lab.places(), patience_s=patience_s)


def wrong(lab: Lab) -> dict[tuple[str, str], Outcome]:
    return {(each.pair.source, each.pair.target): each for each in services(lab, 1.0) if not each.is_met}


def namespace(lab: Lab, prefix: str) -> str:
    listed = lab.host("one").run(["ip", "netns"]).stdout
    return re.findall(rf"^({prefix}\S+)", listed, re.MULTILINE)[0]


def test_everything_is_met_and_a_forwarded_port_is_refused_while_nobody_listens(lab: Lab) -> None:
    outcomes = lab.check()
    (forwarded,) = [outcome for outcome in outcomes if not outcome.is_met]
    assert forwarded.pair.target == "http://192.168.1.250:8080/"
    assert forwarded.detail == "connection refused"


def test_a_forwarded_port_leads_to_the_server(lab: Lab) -> None:
    place = lab.places()["vm2"]
    server = ["python3", "-I", "-S", str(Path(__file__).parents[3] / "patchbay/lab/webserver.py")]
    place.space.spawn(place.command(server), log="/run/vm2.log", pidfile="/run/vm2.pid")
    try:
        assert [outcome for outcome in lab.check() if not outcome.is_met] == []
    finally:
        assert place.space.signal_by_file("/run/vm2.pid", 15)


def test_a_router_that_translates_to_another_address_is_found(lab: Lab) -> None:
    with broken(lab) as router:
        rule = [
            "iptables",
            "-t",
            "nat",
            "-I",
            "POSTROUTING",
            "-s",
            "10.0.1.6",
            "-j",
            "SNAT",
            "--to-source",
            "192.168.1.246",
        ]
        lab.host("one").run(rule, instance=router)
        found = wrong(lab)
        lab.host("one").run(["iptables", "-t", "nat", "-D", *rule[4:]], instance=router)
    assert found["vm2", "internet"].answer == "seen as 192.168.1.246"
    assert found["vm2", "http://www.example.net/"].answer == "200 192.168.1.246"
    assert found.keys() == {("vm2", "internet"), ("vm2", "http://www.example.net/")}


def test_a_router_that_does_not_forward_is_found(lab: Lab) -> None:
    with broken(lab) as router:
        lab.host("one").run(["iptables", "-P", "FORWARD", "DROP"], instance=router)
        found = wrong(lab)
        lab.host("one").run(["iptables", "-P", "FORWARD", "ACCEPT"], instance=router)
    assert {("vm1", "internet"), ("vm2", "internet"), ("internet", "vm1")} <= found.keys()
    assert found["vm1", "internet"].detail == "the request came to nobody"


def test_a_dhcp_server_that_is_silent_is_found_and_silence_is_no_no(lab: Lab) -> None:
    with broken(lab):
        processes = lab.host("one").run(["pgrep", "dnsmasq"]).stdout.split()
        lab.host("one").run(["kill", "-STOP", *processes])
        found = wrong(lab)
        lab.host("one").run(["kill", "-CONT", *processes])
    assert found["vm1", "lease of eth0"].detail == "no DHCP server answers"
    assert found["vm1", "www.example.net"].detail == "no answer with an address"
    assert found["vm2", "nobody.example.net"].detail == "no name server answered"


def test_a_client_that_lost_its_address_is_found(lab: Lab) -> None:
    with broken(lab):
        lab.run_in("vm1", ["ip", "address", "flush", "dev", "eth0"])
        found = wrong(lab)
        lab.run_in("vm1", ["sh", "-c", "dhclient -r eth0; dhclient eth0"])
    assert found["vm1", "lease of eth0"].detail.endswith("eth0 does not have 10.0.1.5")


def test_an_address_that_answers_though_it_must_not_is_found(lab: Lab) -> None:
    lab.run_in("internet", ["ip", "route", "add", "10.0.1.0/24", "via", "192.168.1.245"])
    try:
        found = wrong(lab)
    finally:
        lab.run_in("internet", ["ip", "route", "del", "10.0.1.0/24"])
    assert found["internet", "vm1"].found


def test_ping_takes_machines_outside_and_addresses(lab: Lab) -> None:
    (outcome,) = lab.ping("internet", "192.168.1.246")
    assert (outcome.found, outcome.pair.target) == (True, "vm1")
    assert [each.found for each in lab.ping("vm2", "internet")] == [True, True]
    with lab.ping_stream("internet", "192.168.1.246", 0.01) as stream:
        assert stream.wait_for_replies(20)


def test_dhclient_typed_in_an_instance_changes_the_name_servers_of_that_instance_only(lab: Lab) -> None:
    host = lab.host("one")
    before = host.run(["cat", "/etc/resolv.conf"]).stdout
    shown = lab.run_in("byhand", ["sh", "-c", "dhclient -1 eth0; cat /etc/resolv.conf"]).stdout
    assert shown == "nameserver 10.0.1.2\nsearch openstacklocal\n"
    assert lab.run_in("byhand", ["cat", "/etc/resolv.conf"]).stdout == shown
    assert host.run(["cat", "/etc/resolv.conf"]).stdout == before
    assert lab.run_in("vm2", ["tail", "-n2", "/etc/resolv.conf"]).stdout == shown
    assert [outcome for outcome in services(lab) if not outcome.is_met] == []
    lab.run_in("byhand", ["dhclient", "-x"])


def test_the_commands_know_machines_outside_and_draw_routers(lab: Lab) -> None:
    assert command(lab, "exec", "internet", "--", "hostname") == "internet\n"
    assert "203.0.113.53" in command(lab, "shell", "internet", text="ip -br address\n")
    assert "reaches" in command(lab, "ping", "internet", "192.168.1.246")
    drawn = command(lab, "show")
    assert f"in {namespace(lab, 'qrouter-')} (192.168.1.245/24" in drawn
    assert re.search(r"192\.168\.1\.250 tcp 8080 +10\.0\.1\.6:80\n", drawn)
    assert "│ 192.168.1.245 of ext-v4 192.168.1.0/24\nway  ACTIVE, on one\n└─ demo  10.0.1.1 of demo-v4" in drawn
    assert re.search(r"10\.0\.1\.5 +vm1-eth0 +ACTIVE +◄ 192\.168\.1\.246\n", drawn)
    assert re.search(r"10\.0\.1\.6 +vm2-eth0 +ACTIVE +80 ◄ 192\.168\.1\.250 tcp 8080\n", drawn)
    assert re.search(r"namespace qdhcp-.*\n.*\n└─ dnsmasq: process \d+\n", drawn)
    assert re.search(r"bank +physnet1 VLAN 7 +10\.7\.0\.9/24 +HTTP", drawn)


def command(lab: Lab, *arguments: str, text: str | None = None) -> str:
    """What ``patchbay lab`` prints of this lab."""
    full = [sys.executable, "-m", "patchbay", "lab", arguments[0], "--lab", lab.name, *arguments[1:]]
    return subprocess.run(full, input=text, capture_output=True, text=True, timeout=60, check=True).stdout
