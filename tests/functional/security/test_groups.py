"""Security groups between hosts, networks and the outside: what passes, and what ends when a rule or member goes."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from tests.functional.security.conftest import Town, wait_for
from tests.functional.security.frames import Wire

SERVE = """
import socket, threading
def serve(family, port):
    with socket.create_server(("::" if family == 10 else "", port), family=family) as server:
        while True:
            opened, _ = server.accept()
            threading.Thread(target=echo, args=(opened,), daemon=True).start()
def echo(opened):
    while heard := opened.recv(100):
        opened.sendall(heard)
for port in (80, 81):
    threading.Thread(target=serve, args=(2, port)).start()
"""
TALK = """
import socket, sys
with socket.create_connection((sys.argv[1], 80), 3) as opened:
    opened.settimeout(float(sys.argv[2]))
    for line in sys.stdin:
        opened.sendall(line.encode())
        try:
            print("heard" if opened.recv(100) else "closed", flush=True)
        except TimeoutError:
            print("nothing", flush=True)
"""


@pytest.fixture(scope="module", autouse=True)
def servers(town: Town) -> Iterator[None]:
    """The instances web1 to web3 answer on TCP ports 80 and 81."""
    started = []
    for name in ("web1", "web2", "web3"):
        place = town.lab.places()[name]
        started.append(subprocess.Popen(place.space.command(place.command(["python3", "-c", SERVE]))))
    for name, source, address in (
        ("web1", "web1", "127.0.0.1"),
        ("web2", "web2", "127.0.0.1"),
        ("web3", "web3", "127.0.0.1"),
    ):
        wait_for(lambda source=source, address=address: town.connects(source, address, 81), f"{name} serves")
    yield
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("mallory", "10.0.1.31"),  # one network, one host
        ("victim2", "10.0.1.31"),  # one network, two hosts
        ("open2", "10.0.1.31"),
        ("mallory", "10.0.2.32"),  # a distributed router between, two hosts
        ("open1", "10.0.2.32"),
        ("blue1", "10.0.1.31"),  # a distributed router between, one host
        ("internet", "198.51.100.33"),  # a centralized router and a floating IP between
    ],
)
def test_what_rules_name_is_reached_and_nothing_else(town: Town, source: str, target: str) -> None:
    assert town.connects(source, target, 80)
    assert not town.connects(source, target, 81)


def test_a_prefix_tells_who_may_ping(town: Town) -> None:
    assert town.reaches("blue1", "10.0.1.31")
    assert not town.reaches("mallory", "10.0.1.31")
    assert not town.reaches("internet", "198.51.100.33")


def test_who_asks_is_answered(town: Town) -> None:
    for target in ("10.0.1.11", "10.0.1.12", "10.0.2.11", "fd00:1::12", "fd00:2::11"):
        assert town.reaches("web1", target), target
    assert town.reaches("web3", "198.51.100.1")


def test_members_of_a_group_reach_each_other_until_one_leaves_it(town: Town) -> None:
    assert town.reaches("friend1", "10.0.2.42")
    assert town.reaches("friend2", "fd00:1::41")
    assert not town.reaches("mallory", "10.0.1.41")
    with in_groups(town, "mallory", ["everything", "friends"]):
        wait_for(lambda: town.reaches("mallory", "10.0.1.41"), "mallory is a friend")
        wait_for(lambda: town.reaches("mallory", "10.0.2.42"), "mallory is a friend of friend2, too")
    wait_for(lambda: not town.reaches("mallory", "10.0.1.41"), "mallory is no friend any more")
    assert not town.reaches("mallory", "10.0.2.42")
    assert town.reaches("friend1", "10.0.2.42")


@contextmanager
def in_groups(town: Town, instance: str, names: list[str]) -> Iterator[None]:
    """The port of an instance in these groups, for a while."""
    port = town.port(instance)
    ids = [town.get("security-groups", name)["id"] for name in names]
    set_groups(town, port["id"], ids)
    try:
        yield
    finally:
        set_groups(town, port["id"], port["security_groups"])


def set_groups(town: Town, port_id: str, ids: list[str]) -> None:
    town.client.request("PUT", f"/v2.0/ports/{port_id}", {"port": {"security_groups": ids}})


def add_rule(town: Town, group: str, **fields: Any) -> str:
    """A rule for TCP port 80 from somewhere; its id."""
    body = {
        "security_group_id": town.get("security-groups", group)["id"],
        "direction": "ingress",
        "protocol": "tcp",
        "port_range_min": 80,
        "port_range_max": 80,
    }
    made = town.client.request("POST", "/v2.0/security-group-rules", {"security_group_rule": body | fields})
    return str(made["security_group_rule"]["id"])


def test_a_rule_that_goes_ends_its_connections_and_no_others(town: Town, wires: Callable[[str], Wire]) -> None:
    """Both directions, for who only listens, too: a stream of one-way answers ends as well."""
    sender, receiver = wires("mallory"), wires("friend1")
    rule = add_rule(town, "friends", protocol="udp", port_range_min=5000, port_range_max=5000)
    other = add_rule(town, "friends", protocol="udp", port_range_min=5001, port_range_max=5001)
    mine, theirs = town.port("mallory")["mac_address"], town.port("friend1")["mac_address"]

    def asks(port: int) -> bool:
        word = f"[asked at {port}]".encode()
        ask = IP(src="10.0.1.66", dst="10.0.1.41") / UDP(sport=6000, dport=port) / Raw(word)
        sender.send(Ether(src=mine, dst=theirs) / ask)
        return receiver.hears(word, 0.3)

    def answers(port: int) -> bool:
        word = f"[answered from {port}]".encode()
        reply = IP(src="10.0.1.41", dst="10.0.1.66") / UDP(sport=port, dport=6000) / Raw(word)
        receiver.send(Ether(src=theirs, dst=mine) / reply)
        return sender.hears(word, 0.3)

    for port in (5000, 5001):
        wait_for(lambda port=port: asks(port), f"the rule for {port} holds")
    # What friend1 may send of itself goes: else its answers would be new connections.
    with without_egress(town, "friends"):
        wait_for(lambda: not answers(7000), "it sends nothing of itself")
        assert answers(5000)
        assert answers(5001)
        town.client.request("DELETE", f"/v2.0/security-group-rules/{rule}")
        wait_for(lambda: not answers(5000), "the connection is cut")
        assert not asks(5000)
        assert answers(5001)
        assert asks(5001)
    town.client.request("DELETE", f"/v2.0/security-group-rules/{other}")


@contextmanager
def without_egress(town: Town, group: str) -> Iterator[None]:
    """A group that lets its ports send nothing of themselves, for a while."""
    group_id = town.get("security-groups", group)["id"]
    path = f"/v2.0/security-group-rules?security_group_id={group_id}&direction=egress"
    rules = town.client.request("GET", path)["security_group_rules"]
    for rule in rules:
        town.client.request("DELETE", f"/v2.0/security-group-rules/{rule['id']}")
    try:
        yield
    finally:
        for rule in rules:
            body = {"security_group_id": group_id, "direction": "egress", "ethertype": rule["ethertype"]}
            town.client.request("POST", "/v2.0/security-group-rules", {"security_group_rule": body})


def test_a_connection_through_routers_goes_on_when_other_rules_change(town: Town) -> None:
    place = town.lab.places()["mallory"]
    command = place.space.command(place.command(["python3", "-c", TALK, "10.0.2.32", "2"]))
    talk = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert talk.stdin is not None
    assert talk.stdout is not None

    def says() -> str:
        talk.stdin.write("hello\n")
        talk.stdin.flush()
        return str(talk.stdout.readline().strip())

    try:
        assert says() == "heard"
        rule = add_rule(town, "web", port_range_min=443, port_range_max=443)
        assert says() == "heard"
        town.client.request("DELETE", f"/v2.0/security-group-rules/{rule}")
        assert says() == "heard"
        with in_groups(town, "web2", []):
            wait_for(lambda: not town.connects("mallory", "10.0.2.32", 80), "web2 is in no group")
            assert says() == "nothing"
        wait_for(lambda: town.connects("mallory", "10.0.2.32", 80), "web2 is in its group again")
    finally:
        talk.kill()
        talk.communicate()
