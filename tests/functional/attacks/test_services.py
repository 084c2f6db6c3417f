"""What serves instances serves each with what is its own: metadata, names and leases of others are not to be had."""

import json
from collections.abc import Callable

import pytest

from tests.functional.attacks.asking import ask_name, dhcp, dhcp_frame, lease, said, say_tcp, texts
from tests.functional.attacks.scene import ATTACKERS, HOSTS
from tests.functional.security.frames import Wire
from tests.functional.security.town import Town, wait_for

pytestmark = pytest.mark.usefixtures("beside")
METADATA = "169.254.169.254"
NAME = "/latest/meta-data/hostname"
OTHERS = (b"victim", b"neighbour", b"blue")


def get(path: str, *headers: str) -> bytes:
    """A request, as bytes."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "Connection: close", "", ""]).encode()


def own(town: Town, server: str = METADATA, port: int = 80) -> bytes:
    return say_tcp(town, "mallory", server, port, get(NAME))


# Metadata


def test_metadata_of_a_neighbour_by_headers(town: Town) -> None:
    """All that proxies and Neutron's own metadata agent add to a request, said by the instance itself."""
    wait_for(lambda: b"mallory" in own(town), "mallory's own metadata")
    victim = town.port("victim")
    forged = [f"{name}: 10.0.1.11" for name in ("X-Forwarded-For", "X-Real-IP", "X-Client-IP", "Client-IP")]
    forged += [
        "Forwarded: for=10.0.1.11",
        f"X-Instance-ID: {victim['device_id']}",
        f"X-Tenant-ID: {victim['project_id']}",
    ]
    forged += [f"X-Neutron-Network-ID: {town.get('networks', 'blue')['id']}", "X-Instance-ID-Signature: 0"]
    forged += [f"X-Neutron-Router-ID: {town.get('routers', 'blue-router')['id']}", "X-Forwarded-Host: 10.0.1.11"]
    for headers in ([], *([one] for one in forged), forged):
        answer = say_tcp(town, "mallory", METADATA, 80, get(NAME, *headers))
        assert b"mallory" in answer, headers
        assert not [name for name in OTHERS if name in answer]
    whole = say_tcp(town, "mallory", METADATA, 80, get("/openstack/latest/meta_data.json", *forged))
    assert json.loads(whole.partition(b"\r\n\r\n")[2])["name"] == "mallory"


def test_metadata_of_a_neighbour_by_its_address(town: Town) -> None:
    """The instance takes the address of another, on its own network or not: its questions do not leave."""
    for address in ("10.0.1.11", "10.0.2.11", "10.0.1.2", "127.0.0.1"):
        local = "sysctl -qw net.ipv4.conf.eth0.route_localnet="
        is_local = address == "127.0.0.1"
        town.within("mallory", f"{local}1" if is_local else f"ip address add {address}/32 dev eth0")
        try:
            assert say_tcp(town, "mallory", METADATA, 80, get(NAME), source=address) == b""
        finally:
            town.within("mallory", f"{local}0" if is_local else f"ip address del {address}/32 dev eth0")
        assert b"mallory" in own(town)


DOORS = [
    ("10.0.1.1", 9697),
    ("10.0.1.2", 9697),
    ("10.0.1.2", 80),
    ("10.0.2.1", 9697),
    ("10.0.2.2", 80),
    ("198.51.100.5", 9697),
    ("198.51.100.6", 9697),
    ("198.51.100.6", 80),
    ("fd00:1::1", 9697),
    ("fe80::a9fe:a9fe%eth0", 80),
    *((address, 9697) for address in HOSTS.values()),
]


def test_metadata_servers_of_others_and_back_doors_of_ones_own(town: Town) -> None:
    assert [door for door in DOORS if own(town, *door)] == []


def test_requests_smuggled_to_the_metadata_server(town: Town) -> None:
    """Requests in requests, bodies of two lengths, broken heads: one connection has one asker, whatever it says."""
    inner = get(NAME, "X-Forwarded-For: 10.0.1.11", "X-Instance-ID: " + town.port("victim")["device_id"])
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner)
    attempts = [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(inner) + inner,
        b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\n" + inner,
        b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n" + chunked,
        b"GET / HTTP/1.1\nHost: x\nX: y\r\r\n\n" + inner,
        b"GET " + NAME.encode() + b"\r\nX-Forwarded-For: 10.0.1.11 HTTP/1.1\r\nHost: x\r\n\r\n" + inner,
        b"GET http://10.0.1.11" + NAME.encode() + b" HTTP/1.1\r\nHost: 10.0.1.11\r\nConnection: close\r\n\r\n",
        b"PROXY TCP4 10.0.1.11 169.254.169.254 1 80\r\n" + get(NAME),
        b"\r\n\r\n\0\x0d\x0a\x51\x55\x49\x54\x0a" + get(NAME),
        b"CONNECT 10.0.1.11:80 HTTP/1.1\r\nHost: x\r\n\r\n" + inner,
        b"GET /../../../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /openstack/latest/%2e%2e/%2e%2e/host/listeners.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        get(NAME) * 3,
    ]
    for attempt in attempts:
        answer = say_tcp(town, "mallory", METADATA, 80, attempt)
        assert not [name for name in (*OTHERS, b"root:") if name in answer], (attempt, answer)
        assert b" 500 " not in answer, (attempt, answer)
        assert b"mallory" in own(town), attempt


def test_sockets_of_the_host_are_not_an_instance_s(town: Town) -> None:
    """Unix sockets without a name in the file system belong to a network namespace: an instance sees none."""
    listed = town.within("mallory", "cat /proc/net/unix").splitlines()[1:]
    assert [line for line in listed if "@" in line or "/" in line] == []
    for host in ("compute1", "compute2"):
        bound = town.on(host, "cut -d' ' -f8- /proc/net/unix").split()
        assert not [name for name in bound if name.startswith("@") and "patchbay" in name]
        listening = town.on(host, "ss -Hlntu").splitlines()
        assert not [line for line in listening if any(f":{port} " in line for port in (6640, 6633, 6653, 6641, 6642))]


# Names


def test_names_of_another_network(town: Town) -> None:
    """Neither does its own name server know them, nor does the other's answer."""
    mine = ask_name(town, "mallory", "10.0.1.2", "host-10-0-1-11.openstacklocal")
    assert "10.0.1.11" in texts(mine)
    assert "10.0.2.11" in texts(ask_name(town, "blue1", "10.0.2.2", "host-10-0-2-11.openstacklocal"))
    for name in (
        "host-10-0-2-11.openstacklocal",
        "host-10-0-2-11",
        "blue1.openstacklocal",
        "blue1",
        "*.openstacklocal",
    ):
        for kind in ("A", "AAAA", "ALL", "TXT"):
            assert texts(ask_name(town, "mallory", "10.0.1.2", name, kind)) == []
    assert texts(ask_name(town, "mallory", "10.0.1.2", "11.2.0.10.in-addr.arpa", "PTR")) == []
    for server in ("10.0.2.2", "198.51.100.6"):
        assert ask_name(town, "mallory", server, "host-10-0-2-11.openstacklocal") is None
        assert ask_name(town, "mallory", server, "host-10-0-2-11.openstacklocal", tcp=True) is None


def test_name_servers_tell_nothing_of_themselves(town: Town) -> None:
    """Neither version, nor servers, nor counts (CHAOS), nor a whole zone; and they resolve nothing for anybody."""
    for name in ("version", "authors", "copyright", "servers", "cachesize", "hits", "misses", "insertions", "auth"):
        for tcp in (False, True):
            assert texts(ask_name(town, "mallory", "10.0.1.2", f"{name}.bind", "TXT", "CH", tcp=tcp)) == []
    for zone in ("openstacklocal", "1.0.10.in-addr.arpa", "."):
        for kind in ("AXFR", "IXFR", "ALL"):
            assert texts(ask_name(town, "mallory", "10.0.1.2", zone, kind, tcp=True)) == []
    for name in ("example.org", "localhost", "compute1", "metadata.google.internal", "1.0.0.127.in-addr.arpa"):
        answer = ask_name(town, "mallory", "10.0.1.2", name)
        assert texts(answer) == []
        assert answer is None or answer.rcode in (3, 5)


# Leases


def test_a_lease_of_another_s_port(town: Town, wires: Callable[[str], Wire]) -> None:
    """With the victim's MAC in the message, with its client-id, by asking for its address: none is given."""
    mac, theirs = town.port("mallory")["mac_address"], town.port("neighbour")["mac_address"]
    wire, victim = wires("mallory"), wires("neighbour")
    wait_for(lambda: lease(victim, theirs) == ("ack", "10.0.1.12"), "the neighbour's lease")
    assert lease(wire, mac) == ("ack", "10.0.1.66")
    client_id = b"\1" + bytes.fromhex(theirs.replace(":", ""))
    attempts = [
        dhcp(wire, mac, theirs, "discover"),
        dhcp(wire, mac, theirs, "request", requested_addr="10.0.1.12", server_id="10.0.1.2"),
        dhcp(wire, theirs, theirs, "discover"),
        dhcp(wire, mac, mac, "discover", client_id=client_id, requested_addr="10.0.1.12"),
        dhcp(wire, mac, mac, "request", client_id=client_id, requested_addr="10.0.1.12", server_id="10.0.1.2"),
        dhcp(wire, mac, mac, "inform", "10.0.1.12"),
    ]
    assert [said(answer) for answer in attempts if said(answer)[1] == "10.0.1.12"] == []
    assert lease(victim, theirs) == ("ack", "10.0.1.12")
    assert lease(wire, mac) == ("ack", "10.0.1.66")


@pytest.mark.parametrize("kind", ["release", "decline"])
def test_a_neighbour_s_lease_given_back_for_it(town: Town, wires: Callable[[str], Wire], kind: str) -> None:
    mac, theirs = town.port("mallory")["mac_address"], town.port("neighbour")["mac_address"]
    wire, victim = wires("mallory"), wires("neighbour")
    assert lease(victim, theirs) == ("ack", "10.0.1.12")
    for source in ("0.0.0.0", "10.0.1.12", ATTACKERS["mallory"][0]):
        dhcp(wire, mac, theirs, kind, source, server_id="10.0.1.2", requested_addr="10.0.1.12")
    assert lease(victim, theirs) == ("ack", "10.0.1.12")


def test_leases_for_clients_that_are_no_ports(town: Town, wires: Callable[[str], Wire]) -> None:
    """A thousand invented clients get none, and use none up."""
    mac, theirs = town.port("mallory")["mac_address"], town.port("neighbour")["mac_address"]
    wire, victim = wires("mallory"), wires("neighbour")
    for number in range(2):
        assert dhcp(wire, mac, f"02:00:00:00:00:{number:02x}", "discover") is None
        assert dhcp(wire, f"02:00:00:00:00:{number:02x}", f"02:00:00:00:00:{number:02x}", "discover") is None
    frame = bytes(dhcp_frame(mac, "02:00:00:00:00:00", "discover"))
    for number in range(1000):
        wire.send(frame.replace(bytes.fromhex("020000000000"), bytes.fromhex("02000000") + number.to_bytes(2, "big")))
    assert lease(victim, theirs) == ("ack", "10.0.1.12")
