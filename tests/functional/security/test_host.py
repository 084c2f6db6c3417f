"""The host of an instance, and the namespaces that serve it: nothing there answers but DHCP, DNS, metadata and ICMP."""

import re
import subprocess
from collections.abc import Callable

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from tests.functional.security.conftest import Town
from tests.functional.security.frames import BROADCAST, Wire

HOST_IP = "172.21.38.1"
LISTEN = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
    opened.bind(("", 5999))
    opened.settimeout(10)
    print("listening", flush=True)
    while (heard := opened.recv(100)) != b"the end":
        print(heard.decode(), flush=True)
"""
SERVICES = {53, 67, 80, 547, 9697}
"""DNS, DHCP, metadata, DHCPv6 and metadata behind a redirect."""


@pytest.mark.parametrize(("instance", "address"), [("mallory", "10.0.1.66"), ("victim1", "10.0.1.11")])
def test_the_host_itself_hears_nothing_of_an_instance(
    town: Town, wires: Callable[[str], Wire], instance: str, address: str
) -> None:
    """Plugged directly or by a Linux bridge, to any MAC of the host's, with an address of its own or another."""
    space, wire = town.lab.host("compute1"), wires(instance)
    own = town.port(instance)["mac_address"]
    macs = set(re.findall(r"link/ether (\S+)", town.on("compute1", "ip -o link")))
    listener = subprocess.Popen(space.space.command(["python3", "-c", LISTEN]), stdout=subprocess.PIPE, text=True)
    assert listener.stdout is not None
    assert listener.stdout.readline() == "listening\n"
    for mac in (BROADCAST, *sorted(macs)):
        for source in (address, "10.0.1.200", "172.21.38.99", "127.0.0.1"):
            for target in (HOST_IP, "255.255.255.255", "224.0.0.1"):
                word = f"to {mac} from {source} for {target}".encode()
                wire.send(Ether(src=own, dst=mac) / IP(src=source, dst=target) / UDP(sport=1, dport=5999) / Raw(word))
    town.on("compute1", 'python3 -c \'import socket; socket.socket(2, 2).sendto(b"the end", ("127.0.0.1", 5999))\'')
    assert listener.communicate(timeout=20)[0] == ""
    wire.drain()
    for psrc in (address, "0.0.0.0"):
        wire.send(Ether(src=own, dst=BROADCAST) / ARP(op=1, hwsrc=own, psrc=psrc, pdst=HOST_IP))
    replies = [frame for frame in wire.frames(0.5) if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2"]
    assert replies == []


def test_in_namespaces_of_services_nothing_else_listens(town: Town) -> None:
    for host in ("compute1", "compute2"):
        found = town.on(
            host, "for n in $(ip netns list | grep -oE '^q(dhcp|router)-[^ ]*'); do ip netns exec $n ss -Hlntu; done"
        )
        ports = {int(port) for port in re.findall(r"^\S+\s+\S+\s+\d+\s+\d+\s+\S+:(\d+)\s", found, re.MULTILINE)}
        assert ports <= SERVICES, found
