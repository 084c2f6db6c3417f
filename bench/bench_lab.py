#!/usr/bin/env python3
"""Two hosts of a lab: up and verified; a port from the API call to its first ping; round trips across hosts.

``-f json`` prints a JSON list of figures, else a table. Needs root and Open vSwitch; everything happens in a lab's
private namespaces. A new instance pings one on the other host every millisecond; the clock runs from the
moment before the request that creates the port until the first reply. A second request (the instance) plugs it, and is
inside that time.
"""

import fcntl
import ipaddress
import itertools
import socket
import statistics
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measuring import figure, parser_of, print_figures, say, wait_until

from patchbay.host.netns import inside
from patchbay.lab.client import ServiceClient
from patchbay.lab.lab import Lab
from patchbay.lab.places import namespace_path
from patchbay.lab.reading import load_topology, parse_topology
from patchbay.lab.stream import PingStream

SEED = Path(__file__).resolve().parent.parent / "examples" / "seed002.yaml"
LABS, NEW_PORTS, ROUND_TRIPS = 5, 20, 200
SMALL, LARGE = 10, 400
PAUSE_S = 0.5
"""After a port is deleted: the switch is still at it when the namespace has gone."""
BY_HAND = """\
ip netns add {name}
ip -batch - <<END
link add name {device} mtu 1450 type veth peer name eth0 netns {name} mtu 1450
link set {device} addrgenmode none up
END
ip -n {name} -batch - <<END
link set eth0 up
addr add {address} dev eth0
END
ip netns exec {name} ethtool -K eth0 tx off >/dev/null
ovs-vsctl add-port br-int {device} tag={tag}
"""
_numbers = itertools.count()
SIOCSARP, ATF_COMPLETE, ATF_PERMANENT = 0x8955, 0x02, 0x04
TOPOLOGY = """\
name: bench
hosts:
  compute1: {tunnel_ip: 172.21.12.163}
  compute2: {tunnel_ip: 172.21.12.8}
networks:
  red:
    project: red
    type: vxlan
    segmentation_id: 0x22
    subnets: {red-v4: {cidr: 10.0.0.0/16, gateway: none, enable_dhcp: false, pools: [10.0.0.100-10.0.127.255]}}
instances:
  red1: {host: compute1, plugging: hybrid, network: red, address: 10.0.0.11}
  red2: {host: compute2, plugging: hybrid, network: red, address: 10.0.0.12}
"""


def main() -> None:
    """Measure, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--ports", type=int, nargs="*", default=[SMALL, LARGE], help="ports on the host of the new one")
    parser.add_argument("--plugging", choices=["hybrid", "direct"], nargs="*", default=["hybrid", "direct"])
    arguments = parser.parse_args()
    figures = list(labs_up())
    figures += list(round_trips())
    for plugging in arguments.plugging:
        figures += list(new_ports(arguments.ports, plugging))
    print_figures(figures, arguments.format)


def labs_up() -> Iterator[dict[str, Any]]:
    """From nothing to all expectations of seed 002 proven, and down again."""
    topology, up, down = load_topology(SEED), [], []
    for number in range(LABS):
        say(f"lab {number + 1} of {LABS}")
        started = time.monotonic()
        lab = Lab.up(topology)
        with lab:
            outcomes = lab.check()
            assert all(outcome.is_met for outcome in outcomes)
            up.append(time.monotonic() - started)
            started = time.monotonic()
        down.append(time.monotonic() - started)
    yield figure("two-host lab of seed 002 up and verified, median", statistics.median(up), "s")
    yield figure("two-host lab of seed 002 up and verified, slowest", max(up), "s")
    yield figure("the lab down, nothing left, median", statistics.median(down), "s")


def round_trips() -> Iterator[dict[str, Any]]:
    """First ping between two instances that never spoke, and later ones, across hosts."""
    firsts, later = [], []
    for number in range(LABS):
        say(f"round trips {number + 1} of {LABS}")
        with Lab.up(parse_topology(TOPOLOGY, Path("bench.yaml"))) as lab:
            wait_until_known(lab, "compute1", "10.0.0.12")
            wait_until_known(lab, "compute2", "10.0.0.11")
            stream = lab.ping_stream("red1", "red2", 0.01)
            started = time.monotonic()
            stream.wait_for_replies(ROUND_TRIPS)
            first = stream.first_reply_at
            report = stream.stop()
            assert first is not None
            assert report.lost == 0, report
            firsts.append((first - started) * 1e3)
            later.append(report.median_rtt_ms or 0.0)
    yield figure("first ping across hosts, median", statistics.median(firsts), "ms")
    yield figure("later pings across hosts, median", statistics.median(later), "ms")


def new_ports(sizes: list[int], plugging: str) -> Iterator[dict[str, Any]]:
    """A port created by API until its first ping from the other host, with so many ports on its host."""
    with Lab.up(parse_topology(TOPOLOGY, Path("bench.yaml"))) as lab:
        client = lab.client()
        network = client.request("GET", "/v2.0/networks?name=red")["networks"][0]["id"]
        there = 1
        for size in sorted(sizes):
            say(f"{plugging}: filling compute2 to {size} ports")
            started = time.monotonic()
            fill(lab, client, network, size - there, plugging)
            filled, there = time.monotonic() - started, size
            wait_until_quiet(lab, "compute2")
            seconds = [one_port(lab, client, network, plugging) for _ in range(NEW_PORTS)]
            name = f"port created to first ping across hosts, {plugging}, {size} ports on the host"
            yield figure(f"{name}, median", statistics.median(seconds) * 1e3, "ms")
            yield figure(f"{name}, 95th percentile", sorted(seconds)[NEW_PORTS * 95 // 100] * 1e3, "ms")
            if plugging == "direct":
                by_hand = [one_port_by_hand(lab, client) for _ in range(NEW_PORTS)]
                name = f"for comparison, ip and ovs-vsctl by hand to first ping, {size} ports on the host"
                yield figure(f"{name}, median", statistics.median(by_hand) * 1e3, "ms")
            if size > SMALL:
                yield figure(f"{size} ports created in bulk until all are ACTIVE, {plugging}", filled, "s")


def fill(lab: Lab, client: ServiceClient, network: str, count: int, plugging: str) -> None:
    """So many more ports with instances on compute2."""
    if count <= 0:
        return
    ports = client.request("POST", "/v2.0/ports", {"ports": [{"network_id": network} for _ in range(count)]})["ports"]
    instances = [
        {"name": f"i{port['id'][:8]}", "host": "compute2", "plugging": plugging, "interfaces": {"eth0": port["id"]}}
        for port in ports
    ]
    client.request("POST", "/v2.0/instances", {"instances": instances})
    lab.wait_until_active(120.0)


def one_port(lab: Lab, client: ServiceClient, network: str, plugging: str) -> float:
    """Seconds from before the request until the first reply; the port is deleted again."""
    number = next(_numbers)  # an address is used once: who pinged it remembers the MAC that it had
    name, address = f"new{number}", f"10.0.{128 + number // 250}.{number % 250 + 1}"
    target = red1_of(client)
    started = time.monotonic()
    wanted = {"network_id": network, "fixed_ips": [{"ip_address": address}]}
    port = client.request("POST", "/v2.0/ports", {"port": wanted})["port"]["id"]
    body = {"name": name, "host": "compute2", "plugging": plugging, "interfaces": {"eth0": port}}
    instance = client.request("POST", "/v2.0/instances", {"instance": body})["instance"]["id"]
    host = lab.host("compute2").space
    wait_until(lambda: introduce(namespace_path(host, name), *target), f"{name} has an interface", pause_s=0.0005)
    with PingStream(host, name, ipaddress.ip_address(target[0]), 0.001) as stream:
        assert stream.wait_for_replies(1), f"{name} hears nothing"
        first = stream.first_reply_at
    assert first is not None
    client.request("DELETE", f"/v2.0/instances/{instance}")
    client.request("DELETE", f"/v2.0/ports/{port}")
    wait_until(lambda: not namespace_path(host, name).exists(), f"{name} is gone")
    time.sleep(PAUSE_S)
    return first - started


def one_port_by_hand(lab: Lab, client: ServiceClient) -> float:
    """What the switch itself allows: the same cable from one shell script, into a bridge with as many ports."""
    number = next(_numbers)
    name, device = f"hand{number}", f"hand{number}p"
    port = client.request("GET", "/v2.0/ports?name=red2-eth0")["ports"][0]["id"]
    host = lab.host("compute2")
    tag = host.run(["ovs-vsctl", "get", "port", f"qvo{port[:11]}", "tag"]).stdout.strip()
    address = f"10.0.{128 + number // 250}.{number % 250 + 1}/16"
    target = red1_of(client)
    started = time.monotonic()
    host.run(["sh", "-e"], text=BY_HAND.format(name=name, device=device, address=address, tag=tag))
    wait_until(lambda: introduce(namespace_path(host.space, name), *target), f"{name} has an interface")
    with PingStream(host.space, name, ipaddress.ip_address(target[0]), 0.001) as stream:
        assert stream.wait_for_replies(1), f"{name} hears nothing"
        first = stream.first_reply_at
    assert first is not None
    host.run(["sh", "-e"], text=f"ovs-vsctl del-port {device}\nip link del {device}\nip netns del {name}\n")
    time.sleep(PAUSE_S)
    return first - started


def red1_of(client: ServiceClient) -> tuple[str, str]:
    """Address and MAC of the instance that is pinged."""
    red1 = client.request("GET", "/v2.0/ports?name=red1-eth0")["ports"][0]
    return red1["fixed_ips"][0]["ip_address"], red1["mac_address"]


def introduce(namespace: Path, address: str, mac: str) -> bool:
    """Tell a new instance a MAC (arp(7)): what is measured is the network, not a kernel's timer for ARP requests."""
    protocol = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
    hardware = struct.pack("=H6s8x", 1, bytes.fromhex(mac.replace(":", "")))
    request = protocol + hardware + struct.pack("=i16x16s", ATF_COMPLETE | ATF_PERMANENT, b"eth0")
    try:
        with inside(namespace), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
            fcntl.ioctl(opened, SIOCSARP, request)
    except OSError:
        return False
    return True


def wait_until_known(lab: Lab, host: str, address: str) -> None:
    """Until a host answers for an address of the other."""

    def is_known() -> bool:
        return address in lab.host(host).run(["ovs-ofctl", "dump-flows", "br-tun", "table=21"]).stdout

    wait_until(is_known, f"{host} knows {address}")


def wait_until_quiet(lab: Lab, host: str) -> None:
    """Until a host's switch has nothing more to do: a crowd of instances that appears at once has much to say."""
    pid = lab.host(host).run(["cat", "/run/openvswitch/ovs-vswitchd.pid"]).stdout.strip()

    def ticks() -> int:
        fields = lab.host(host).run(["cat", f"/proc/{pid}/stat"]).stdout.split()
        return int(fields[13]) + int(fields[14])

    def is_quiet() -> bool:
        before = ticks()
        time.sleep(1)
        return ticks() - before <= 3

    wait_until(is_quiet, f"the switch of {host} is quiet", timeout_s=90)


if __name__ == "__main__":
    main()
