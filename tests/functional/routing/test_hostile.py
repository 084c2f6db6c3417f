"""What an instance sends that wants more than to be forwarded: forged frames, martians, loops. Nobody else is hurt."""

import re

import pytest

from patchbay.compile import names
from tests.functional.routing.conftest import Town, wait_for

RAW = """
import socket, struct, time
def mac(text): return bytes.fromhex(text.replace(":", ""))
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
def packet(source, target, life=64):
    data = struct.pack("!HHHH", 5, 9, 28, 0) + bytes(20)
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), 1, 0, life, 17, 0) + ends
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + data
def frame(target, source, payload, kind=0x0800, tag=None):
    tags = b"" if tag is None else struct.pack("!HH", 0x8100, tag)
    return mac(target) + mac(source) + tags + struct.pack("!H", kind) + payload
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
me = open("/sys/class/net/eth0/address").read().strip()
"""
OTHERS = ("red1", "red2", "blue1", "blue2", "green1")
METADATA = "http://169.254.169.254/latest/meta-data/hostname"


def send(town: Town, name: str, script: str) -> None:
    """Run this in an instance, with what RAW has."""
    town.lab.run_in(name, ["python3", "-c", RAW + script])


def interface(town: Town, router: str, address: str) -> dict:
    """The router's interface with this address."""
    ports = town.list("ports", f"?device_id={town.routers[router]['id']}")
    return next(port for port in ports if any(fixed["ip_address"] == address for fixed in port["fixed_ips"]))


def local_vlan(town: Town, host: str, device: str) -> int:
    """The tag of a port of br-int."""
    return int(town.on(host, f"ovs-vsctl get port {device} tag"))


def test_no_forged_frame_reaches_another_tenant(town: Town) -> None:
    """Neither by its MACs, nor by those of its router, nor with the source that routers of other hosts have, nor
    with the tag of its local VLAN."""
    theirs = interface(town, "edge", "10.0.1.1")
    hosts = [names.router_mac(host, theirs["id"]) for host in town.lab.hosts]
    ports = town.list("ports")
    macs = [port["mac_address"] for port in ports if port["name"] in ("red1-eth0", "blue1-eth0")]
    tags = [None, 0, 4095, local_vlan(town, "compute1", names.device("qr-", theirs["id"]))]
    before = {name: town.received(name) for name in OTHERS}
    send(
        town,
        "orange1",
        f"""
for target in {[theirs["mac_address"], *hosts, *macs]!r}:
    for source in {["fa:16:3e:77:77:77", "0a:00:00:00:00:01", theirs["mac_address"], *hosts]!r}:
        for tag in {tags!r}:
            for _ in range(5):
                wire.send(frame(target, source, packet("10.0.1.11", "10.0.2.11"), tag=tag))
            time.sleep(0.002)
""",
    )
    for name, count in before.items():
        assert town.received(name) - count < 10, name


def test_who_sends_with_the_macs_of_a_router_takes_nothing_away_from_its_neighbours(town: Town) -> None:
    port = interface(town, "edge", "10.0.1.1")
    forged = [port["mac_address"], *(names.router_mac(host, port["id"]) for host in town.lab.hosts)]
    victim = next(each["mac_address"] for each in town.list("ports") if each["name"] == "red2-eth0")
    town.ping("red2", "198.51.100.1", count=1)
    for source in (*forged, victim):
        send(town, "red1", f"for _ in range(5): wire.send(frame('ff:ff:ff:ff:ff:ff', '{source}', bytes(60), 0x9999))")
        town.within("red2", "ip neigh flush dev eth0")
        for target in ("10.0.2.12", "10.0.1.1", "10.0.2.1 -s 4000", "198.51.100.1"):
            assert "3 received" in town.ping("red2", target), (source, target)
        assert town.read("red2", METADATA).startswith("red2."), source


@pytest.mark.parametrize("name", ["red1", "red3"])
def test_nobody_else_can_say_that_he_has_a_router_s_address(town: Town, name: str) -> None:
    """Neither who is on red2's host, nor who is on another one; by ARP replies, requests, or advertisements."""
    macs = {address: interface(town, "edge", address)["mac_address"] for address in ("10.0.1.1", "fd00:1::1")}
    victim = next(each["mac_address"] for each in town.list("ports") if each["name"] == "red2-eth0")
    for address in macs:
        town.ping("red2", address, count=1)
    send(
        town,
        name,
        f"""
here, there = socket.inet_aton("10.0.1.1"), socket.inet_aton("10.0.1.12")
for target in ("{victim}", "ff:ff:ff:ff:ff:ff"):
    for operation in (1, 2):
        for asked in (there, here):
            claim = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac(me) + here + mac("{victim}") + asked
            wire.send(frame(target, me, claim, 0x0806))
router, other = socket.inet_pton(10, "fd00:1::1"), socket.inet_pton(10, "fd00:1::12")
for kind, flags, about, option in ((136, 0x60000000, router, 2), (135, 0, other, 1)):
    said = struct.pack("!I", flags) + about + bytes([option, 1]) + mac(me)
    sums = checksum(router + other + struct.pack("!II", 4 + len(said), 58) + bytes([kind, 0, 0, 0]) + said)
    body = bytes([kind, 0]) + struct.pack("!H", sums) + said
    packet6 = struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + router + other + body
    wire.send(frame("{victim}", me, packet6, 0x86dd))
time.sleep(0.05)
""",
    )
    known = town.within("red2", "ip neigh")
    for address, mac in macs.items():
        assert f"{address} dev eth0 lladdr {mac} " in known, known


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("127.0.0.1", "10.0.2.11"),
        ("0.0.0.0", "10.0.2.11"),
        ("224.0.0.5", "10.0.2.11"),
        ("255.255.255.255", "10.0.2.11"),
        ("10.0.1.11", "127.0.0.1"),
        ("10.0.1.11", "224.1.2.3"),
        ("10.0.1.11", "255.255.255.255"),
        ("10.0.1.11", "10.0.2.255"),
    ],
)
def test_martians_and_packets_for_many_are_not_forwarded(town: Town, source: str, target: str) -> None:
    mac = interface(town, "edge", "10.0.1.1")["mac_address"]
    before = {name: town.received(name) for name in ("blue1", "blue2", "red2")}
    send(town, "red1", f"for _ in range(20): wire.send(frame('{mac}', me, packet('{source}', '{target}')))")
    assert "3 received" in town.ping("red1", "10.0.2.11")
    for name, count in before.items():
        assert town.received(name) - count < 12, name


def test_two_routers_that_lead_to_each_other_do_no_harm(town: Town) -> None:
    mac = interface(town, "edge", "10.0.1.1")["mac_address"]
    kept = {router: town.routers[router]["routes"] for router in ("edge", "inner")}
    for router, hop in (("edge", "10.0.2.254"), ("inner", "10.0.2.1")):
        path = f"/v2.0/routers/{town.routers[router]['id']}"
        routes = [*kept[router], {"destination": "172.30.0.0/16", "nexthop": hop}]
        town.client.request("PUT", path, {"router": {"routes": routes}})

    def told() -> object:
        return re.search(r"From 10.0.2.254 icmp_seq=1 Time (to live )?exceeded", town.ping("red1", "172.30.0.5", "", 1))

    try:
        wait_for(told, "the sender is told that its packet has lived too long")
        pid = town.on("compute1", "cat /run/openvswitch/ovs-vswitchd.pid")
        forever = f"wire.send(frame('{mac}', me, packet('10.0.1.11', f'172.30.{{n % 250}}.9', 64 + n % 190)))"
        send(town, "red1", f"for n in range(5000): {forever}")
        wait_for(lambda: "3 received" in town.ping("red1", "10.0.2.12"), "others are forwarded as before")
        assert town.on("compute1", "cat /run/openvswitch/ovs-vswitchd.pid") == pid
    finally:
        for router, routes in kept.items():
            path = f"/v2.0/routers/{town.routers[router]['id']}"
            town.client.request("PUT", path, {"router": {"routes": routes}})
