"""The host under an instance, and hosts in the hands of somebody else: each may do what is its own, and no more."""

import base64
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NS, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from patchbay.lab.control_plane import CREDENTIALS, JOIN_PORT, PATCHBAY, service_address
from tests.functional.attacks.asking import mac_bytes
from tests.functional.attacks.scene import ATTACKERS, HOSTS
from tests.functional.control_plane.intruder import transact
from tests.functional.security.frames import BROADCAST, Wire
from tests.functional.security.town import Town

pytestmark = pytest.mark.usefixtures("beside")
LISTEN = """
import select, socket, sys
opened = []
for port in map(int, sys.argv[1:]):
    for family, address in ((socket.AF_INET, ""), (socket.AF_INET6, "::")):
        one = socket.socket(family, socket.SOCK_DGRAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        else:
            for group in ("224.0.0.251", "239.255.255.250"):
                member = socket.inet_aton(group) + socket.inet_aton("127.0.0.1")
                one.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        one.bind((address, port))
        opened.append(one)
print("listening", flush=True)
while True:
    for one in select.select(opened, [], [])[0]:
        heard = one.recv(2000)
        if b"the end" in heard:
            sys.exit()
        print(heard, flush=True)
"""
PORTS = (67, 68, 69, 123, 546, 547, 1900, 5353, 5999)
"""What daemons of hosts listen at on all addresses: DHCP, TFTP, time, names by multicast, and one of nobody's."""


@contextmanager
def nothing_heard(town: Town, host: str) -> Iterator[None]:
    """Sockets of the host that take all they can get hear nothing within."""
    space = town.lab.host(host).space
    command = space.command(["python3", "-c", LISTEN, *map(str, PORTS)])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "listening\n"
        try:
            yield
            town.on(host, 'python3 -c \'import socket; socket.socket(2, 2).sendto(b"the end", ("127.0.0.1", 5999))\'')
            assert listener.communicate(timeout=20)[0] == ""
        finally:
            listener.kill()


def broadcasts(mac: str, address: str, address6: str) -> Iterator[Packet]:
    """What a host's own sockets would take from an instance that is heard there at all."""
    request = BOOTP(op=1, chaddr=mac_bytes(mac), xid=1) / DHCP(options=[("message-type", "discover"), "end"])
    for target in (
        "255.255.255.255",
        "10.0.1.255",
        "224.0.0.1",
        "224.0.0.251",
        "239.255.255.250",
        "0.0.0.0",
        *HOSTS.values(),
    ):
        for source in ("0.0.0.0", address, "127.0.0.1", "172.21.46.99"):
            yield IP(src=source, dst=target) / UDP(sport=68, dport=67) / request
            for port in PORTS:
                yield IP(src=source, dst=target) / UDP(sport=68, dport=port) / Raw(b"to the host")
    for target in ("ff02::1", "ff02::1:2", "ff02::fb", "fe80::1"):
        for source in ("::", address6, "fe80::1"):
            for port in PORTS:
                yield IPv6(src=source, dst=target) / UDP(sport=546, dport=port) / Raw(b"to the host")


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_sockets_of_the_host_on_all_addresses(town: Town, wires: Callable[[str], Wire], attacker: str) -> None:
    """Plugged directly, by a Linux bridge, without port security; as DHCP clients, too, and by addresses of bridges."""
    wire, mac = wires(attacker), town.port(attacker)["mac_address"]
    with nothing_heard(town, "compute1"):
        for packet in broadcasts(mac, *ATTACKERS[attacker]):
            frame = bytes(Ether(src=mac, dst=BROADCAST) / packet)
            for to in (BROADCAST, "01:80:c2:00:00:0e", "01:80:c2:00:00:00"):
                wire.send(mac_bytes(to) + frame[6:])


@pytest.mark.parametrize("attacker", ["mallory", "mallory2"])
def test_addresses_of_the_host_by_ipv6(town: Town, wires: Callable[[str], Wire], attacker: str) -> None:
    """Devices of instances have no link-local address on the host's side, and nothing there answers."""
    shown = town.on("compute1", "ip -6 -o addr show")
    assert not re.findall(r"(?:tap|qvo|qvb|qbr)\S+ +inet6", shown)
    wire, mac = wires(attacker), town.port(attacker)["mac_address"]
    wire.drain()
    macs = re.findall(r"link/ether (\S+)", town.on("compute1", "ip -o link"))
    local = [f"fe80::{int(m[:2], 16) ^ 2:x}{m[3:5]}:{m[6:8]}ff:fe{m[9:11]}:{m[12:14]}{m[15:]}" for m in macs]
    own = town.within(attacker, "ip -6 -o addr show dev eth0 scope link").split()[3].partition("/")[0]
    for to, address in zip(macs, local, strict=True):
        wire.send(Ether(src=mac, dst=to) / IPv6(src=own, dst=address) / ICMPv6EchoRequest(data=b"host?"))
        wire.send(
            Ether(src=mac, dst="33:33:00:00:00:01") / IPv6(src=own, dst="ff02::1", hlim=255) / ICMPv6ND_NS(tgt=address)
        )
    heard = [Ether(frame) for frame in wire.frames(0.5)]
    assert [frame for frame in heard if frame.src in macs] == []


def test_a_host_s_certificate_to_write_what_is_others(town: Town) -> None:
    """Somebody has taken over compute1: it changes no other host, makes none, binds no port, and widens no role."""
    port = town.port("blue2")["id"]
    other: object = [["name", "==", "compute2"]]
    attempts: list[dict[str, object]] = [
        {"op": "update", "table": "Host", "where": other, "row": {"tunnel_ip": "172.21.46.1"}},
        {"op": "delete", "table": "Host", "where": other},
        {"op": "insert", "table": "Host", "row": {"name": "compute3", "tunnel_ip": "172.21.46.77"}},
        {"op": "update", "table": "Host", "where": [["name", "==", "compute1"]], "row": {"admin_state_up": False}},
        {"op": "insert", "table": "Plug", "row": {"host": "compute2", "up": True}},
        {"op": "delete", "table": "Plug", "where": []},
        {"op": "update", "table": "Port", "where": [["_uuid", "==", ["uuid", port]]], "row": {"host": "compute1"}},
        {"op": "insert", "table": "Port", "row": {"host": "compute1", "mac_address": "fa:16:3e:00:00:01"}},
        {"op": "update", "table": "Port", "where": [], "row": {"port_security_enabled": False}},
        {"op": "delete", "table": "SecurityGroupRule", "where": []},
        {"op": "update", "table": "Network", "where": [], "row": {"project_id": "red"}},
        {"op": "update", "table": "RBAC_Permission", "where": [], "row": {"insert_delete": True}},
        {"op": "insert", "table": "RBAC_Role", "row": {"name": "all"}},
        {"op": "update", "table": "Connection", "where": [], "row": {"role": ""}},
    ]
    for attempt in attempts:
        said = transact(town.lab, "compute1", attempt)
        assert 'RBAC rules for client "compute1" role "agent" prohibit' in said or "error" in said, (attempt, said)
        assert '"count":1' not in said, (attempt, said)
    allowed = {"op": "update", "table": "Host", "where": [["name", "==", "compute1"]], "row": {"version": "x"}}
    assert '"count":1' in transact(town.lab, "compute1", allowed)


def test_joining_with_a_used_a_foreign_and_a_forged_token(town: Town) -> None:
    service, host = town.lab.space, town.lab.host("compute1").space
    api = f"https://{service_address(town.lab.topology)}:{JOIN_PORT}"
    make = [*PATCHBAY, "host", "token", "create", "--host=compute9", "--state-dir=/run/service"]
    token = service.run(make).stdout.strip()

    def join(text: str) -> bool:
        """Whether it gets a certificate."""
        use = [*PATCHBAY, "host", "join", f"--api={api}", "--token=-", "--credentials=/run/intruder"]
        host.run(use, text=text + "\n", check=False)
        got = host.path("/run/intruder/host.pem").exists()
        host.run(["rm", "-rf", "/run/intruder"])
        return got

    kind, *middle, secret = token.split(".")
    forged = ".".join([kind, *middle, secret[::-1]])
    named, other = (base64.urlsafe_b64encode(name).decode().rstrip("=") for name in (b"compute9", b"compute2"))
    renamed = token.replace(named, other)
    assert renamed != token
    for text in (forged, renamed):
        assert not join(text), text
    assert join(token)
    assert not join(token), "it was used"
    shown = town.client.request("GET", "/v2.0/agents?host=compute2&binary=neutron-openvswitch-agent")["agents"]
    assert json.dumps(shown[0]["configurations"]).count(HOSTS["compute2"]) == 1
    assert town.lab.host("compute2").space.path(f"{CREDENTIALS}/host.pem").exists()
    town.lab.space.run([*PATCHBAY, "host", "remove", "compute9", "--state-dir=/run/service"])
