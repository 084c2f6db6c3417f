#!/usr/bin/env python3
"""DHCP, routers, floating IPs, failover and booting instances, in labs of real hosts.

``-f json`` prints a JSON list of figures, else a table. Needs root and Open vSwitch; everything happens in private
namespaces. What each figure is:

- DHCP: a DHCPDISCOVER sent from an instance until the offer is there; dhclient from its start until it has a new lease,
  its script included; with 10 and with 1,000 ports on the network.
- Pings: the first between two that never spoke, and the median of later ones; the ping inside one subnet beside them.
- Built from nothing: the router is switched on with so many floating IPs until the last of them answers from outside.
- Failover: the router's host is killed; seconds until an instance elsewhere is answered from outside again.
- Boot: instances with DHCP created by one request until each has its address and its default route.
"""

import select
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from measuring import Figure, figure, parser_of, print_figures, say, wait_until

from patchbay.lab.capture import open_tap
from patchbay.lab.client import ServiceClient
from patchbay.lab.dhcp_frames import discover, read_offer
from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology
from patchbay.lab.stream import PingStream

ROUNDS, LEASES, ROUND_TRIPS = 5, 40, 200
TOPOLOGY = """\
name: services
hosts:
  compute1: {tunnel_ip: 172.21.12.1, bridge_mappings: {physnet1: br-ex}}
  compute2: {tunnel_ip: 172.21.12.2, bridge_mappings: {physnet1: br-ex}}
  compute3: {tunnel_ip: 172.21.12.3, bridge_mappings: {physnet1: br-ex}}
networks:
  ext-net:
    project: admin
    external: true
    type: flat
    physical_network: physnet1
    subnets:
      ext-v4: {cidr: 198.51.100.0/22, gateway: 198.51.100.1, pools: [198.51.100.10-198.51.103.250], enable_dhcp: false}
  red: {project: red, subnets: {red-v4: {cidr: 10.0.0.0/16, pools: [10.0.1.0-10.0.250.250]}}}
  blue: {project: red, subnets: {blue-v4: {cidr: 10.1.0.0/16, enable_dhcp: false}}}
routers:
  r1: {project: red, external: ext-net, interfaces: [red-v4, blue-v4]}
instances:
  red1: {host: compute2, plugging: direct, network: red, address: 10.0.0.11, floating_ip: 198.51.100.11}
  red2: {host: compute3, plugging: direct, network: red, address: 10.0.0.12}
  red3: {host: compute2, plugging: direct, network: red, address: 10.0.0.13}
  blue1: {host: compute3, plugging: direct, network: blue, address: 10.1.0.11}
outside:
  internet: {physical_network: physnet1, addresses: [198.51.100.1/22]}
"""


def main() -> None:
    """Measure, print."""
    parts = {"dhcp": leases, "pings": pings, "build": builds, "failover": failovers, "boot": boots}
    parser = parser_of(__doc__)
    parser.add_argument("--only", choices=list(parts), nargs="*", default=list(parts))
    arguments = parser.parse_args()
    print_figures((one for name in arguments.only for one in parts[name]()), arguments.format)


def lab_up(**changes: str) -> Lab:
    """A lab of the topology, with words of it changed."""
    text = TOPOLOGY
    for old, new in changes.items():
        text = text.replace(old, new)
    return Lab.up(parse_topology(text, Path("services.yaml")))


def leases() -> Iterator[Figure]:
    """DHCP with few and with many ports on the network."""
    with lab_up() as lab, closing(lab.client()) as client:
        red = client.request("GET", "/v2.0/networks?name=red")["networks"][0]["id"]
        for count in (10, 1000):
            say(f"DHCP with {count} ports")
            fill(client, red, count)
            wait_until(lambda: is_served(lab, client, red), "the server knows the last port", timeout_s=30)
            yield figure(f"DHCPDISCOVER to offer, {count} ports, median", statistics.median(offers(lab)), "ms")
            yield figure(f"dhclient to lease, {count} ports, median", statistics.median(clients(lab)), "ms")


def offers(lab: Lab) -> list[float]:
    """Milliseconds from a DHCPDISCOVER to its offer."""
    tap = open_tap(lab.places()["red1"], "eth0", "")
    taken = []
    with closing(tap.socket):
        for number in range(LEASES):
            started = time.monotonic()
            tap.send(discover(tap.mac, number))
            while read_offer(received(tap.socket), number) is None:
                pass
            taken.append((time.monotonic() - started) * 1e3)
    return taken


def received(opened: socket.socket) -> bytes:
    """The next frame."""
    assert select.select([opened], [], [], 5.0)[0], "no DHCP server answers"
    return opened.recv(65535)


def clients(lab: Lab) -> list[float]:
    """Milliseconds that the real client takes, from its start until it is in the background with a new lease."""
    taken = []
    for number in range(ROUNDS):
        pid, leases = f"/run/bench{number}.pid", f"/run/bench{number}.leases"
        started = time.monotonic()
        lab.run_in("red3", ["dhclient", "-4", "-1", "-pf", pid, "-lf", leases, "eth0"])
        taken.append((time.monotonic() - started) * 1e3)
        lab.run_in("red3", ["sh", "-c", f"kill $(cat {pid})"])
    return taken


def fill(client: ServiceClient, network: str, count: int) -> None:
    """So many ports on the network."""
    there = len(client.request("GET", f"/v2.0/ports?network_id={network}&fields=id")["ports"])
    wanted = [{"network_id": network} for _ in range(count - there)]
    for first in range(0, len(wanted), 200):
        client.request("POST", "/v2.0/ports", {"ports": wanted[first : first + 200]})


def is_served(lab: Lab, client: ServiceClient, network: str) -> bool:
    """Whether the DHCP server's file names every port."""
    ports = client.request("GET", f"/v2.0/ports?network_id={network}&fields=mac_address&fields=device_owner")["ports"]
    server = client.request("GET", f"/v2.0/ports?network_id={network}&device_owner=network:dhcp")["ports"]
    host = lab.host(server[0]["binding:host_id"]).space
    text = host.path(f"/run/patchbay/dhcp/{network}/host").read_text()
    return all(port["mac_address"] in text for port in ports if not port["device_owner"].startswith("network:"))


def pings() -> Iterator[Figure]:
    """Through a router and through a floating IP, beside one inside a subnet."""
    targets = {
        "inside one subnet, other host": ("red1", "10.0.0.12"),
        "through a router, both on other hosts": ("red2", "10.1.0.11"),
        "out through SNAT": ("red2", "198.51.100.1"),
        "to a floating IP from outside": ("internet", "198.51.100.11"),
    }
    firsts: dict[str, list[float]] = {name: [] for name in targets}
    later: dict[str, list[float]] = {name: [] for name in targets}
    for number in range(ROUNDS):
        say(f"pings {number + 1} of {ROUNDS}")
        with lab_up() as lab:
            for name, (source, target) in targets.items():
                place = lab.places()[source]
                stream = PingStream(place.space, place.instance, ip_address(target), 0.01)
                started = stream._sent[0] if stream._sent else time.monotonic()  # when it began
                assert stream.wait_for_replies(ROUND_TRIPS), name
                first = stream.first_reply_at
                report = stream.stop()
                assert first is not None
                firsts[name].append((first - started) * 1e3)
                later[name].append(report.median_rtt_ms or 0.0)
    for name in targets:
        yield figure(f"first ping {name}, median", statistics.median(firsts[name]), "ms")
        yield figure(f"later pings {name}, median", statistics.median(later[name]), "ms")


def builds() -> Iterator[Figure]:
    """A router from nothing, with 1 and with 200 floating IPs."""
    with lab_up() as lab, closing(lab.client()) as client:
        router = client.request("GET", "/v2.0/routers?name=r1")["routers"][0]
        there = 1
        for count in (1, 200):
            say(f"router with {count} floating IPs")
            last = add_floating_ips(client, count - there) or "198.51.100.11"
            there = count
            lab.wait_until_active(60.0)
            taken = [rebuilt(lab, client, router["id"], last) for _ in range(ROUNDS)]
            yield figure(f"router with {count} floating IPs built from nothing, median", statistics.median(taken), "s")


def add_floating_ips(client: ServiceClient, count: int) -> str:
    """So many more, each for an address of its own on the port of red1; the last of them."""
    if count <= 0:
        return ""
    external = client.request("GET", "/v2.0/networks?name=ext-net")["networks"][0]["id"]
    port = client.request("GET", "/v2.0/ports?name=red1-eth0")["ports"][0]
    more = [{"ip_address": f"10.0.251.{number + 1}"} for number in range(count)]
    kept = [{"ip_address": fixed["ip_address"]} for fixed in port["fixed_ips"]]
    client.request("PUT", f"/v2.0/ports/{port['id']}", {"port": {"fixed_ips": [*kept, *more]}})
    for each in more:
        body = {"floating_network_id": external, "port_id": port["id"], "fixed_ip_address": each["ip_address"]}
        made = client.request("POST", "/v2.0/floatingips", {"floatingip": body})
    return str(made["floatingip"]["floating_ip_address"])


def rebuilt(lab: Lab, client: ServiceClient, router: str, address: str) -> float:
    """Seconds from switching the router on until a floating IP answers from outside."""
    client.request("PUT", f"/v2.0/routers/{router}", {"router": {"admin_state_up": False}})
    name = f"qrouter-{router}"
    hosts = [host for host in lab.hosts.values() if host.space.path(f"/run/netns/{name}").exists()]
    wait_until(lambda: not any(host.space.path(f"/run/netns/{name}").exists() for host in hosts), "the router is gone")
    time.sleep(0.5)  # the switch is still at it when the namespace has gone
    started = time.monotonic()
    client.request("PUT", f"/v2.0/routers/{router}", {"router": {"admin_state_up": True}})
    return first_reply(lab, "internet", address) - started


def first_reply(lab: Lab, source: str, address: str, timeout_s: float = 60.0) -> float:
    """When the first ping is answered."""
    place = lab.places()[source]
    with PingStream(place.space, place.instance, ip_address(address), 0.002) as stream:
        assert stream.wait_for_replies(1, timeout_s), f"{address} does not answer {source}"
        at = stream.first_reply_at
    assert at is not None
    return at


def failovers() -> Iterator[Figure]:
    """The router's host is killed while an instance on another one talks to the outside."""
    outages: dict[str, list[float]] = {"out through SNAT": [], "to a floating IP": []}
    for number in range(3):
        say(f"failover {number + 1} of 3")
        with lab_up() as lab, closing(lab.client()) as client:
            move_router(client, "compute1")
            wait_until(lambda: first_reply(lab, "internet", "198.51.100.11"), "the router is there")
            lab.wait_until_active()
            streams = {
                "out through SNAT": stream_from(lab, "red2", "198.51.100.1"),
                "to a floating IP": stream_from(lab, "internet", "198.51.100.11"),
            }
            for stream in streams.values():
                assert stream.wait_for_replies(50)
            lab.host("compute1").space.end()
            for name, stream in streams.items():
                assert stream.wait_for_replies(1, 1.0) or stream.wait_for_replies(200, 90.0)
                assert stream.wait_for_replies(300, 90.0)
                outages[name].append(stream.stop().longest_outage_s)
    for name, taken in outages.items():
        yield figure(f"router's host killed, outage {name}, median", statistics.median(taken), "s")


def move_router(client: ServiceClient, host: str) -> None:
    """The router to a host where nothing else is."""
    router = client.request("GET", "/v2.0/routers?name=r1")["routers"][0]["id"]
    agents = client.request("GET", f"/v2.0/agents?host={host}")["agents"]
    agent = next(one["id"] for one in agents if one["agent_type"] == "L3 agent")
    there = client.request("GET", f"/v2.0/agents/{agent}/l3-routers")["routers"]
    if not any(one["id"] == router for one in there):
        client.request("POST", f"/v2.0/agents/{agent}/l3-routers", {"router_id": router})


def stream_from(lab: Lab, source: str, target: str) -> PingStream:
    """Pings from a place, one every 10 ms."""
    place = lab.places()[source]
    return PingStream(place.space, place.instance, ip_address(target), 0.01)


def boots() -> Iterator[Figure]:
    """Instances with a DHCP client: one, and fifty by one request."""
    with lab_up() as lab, closing(lab.client()) as client:
        red = client.request("GET", "/v2.0/networks?name=red")["networks"][0]["id"]
        first_reply(lab, "red1", "10.0.0.1")
        single = [booted(lab, client, red, 1, f"one{number}-") for number in range(ROUNDS)]
        yield figure("one instance created until it has its lease, median", statistics.median(single), "s")
        say("50 instances")
        yield figure("50 instances created until all have their leases", booted(lab, client, red, 50, "many-"), "s")


def booted(lab: Lab, client: ServiceClient, network: str, count: int, prefix: str) -> float:
    """Seconds from the first request until every instance has its address and a default route."""
    started = time.monotonic()
    ports = client.request("POST", "/v2.0/ports", {"ports": [{"network_id": network} for _ in range(count)]})["ports"]
    names = {f"{prefix}{number}": port for number, port in enumerate(ports)}
    instances = [
        {
            "name": name,
            "host": "compute2",
            "plugging": "direct",
            "addressing": "dhcp",
            "interfaces": {"eth0": port["id"]},
        }
        for name, port in names.items()
    ]
    made = client.request("POST", "/v2.0/instances", {"instances": instances})["instances"]
    waiting = dict(names)

    def is_ready() -> bool:
        for name in list(waiting):
            if has_lease(lab, name, waiting[name]):
                del waiting[name]
        return not waiting

    wait_until(is_ready, f"leases of {count} instances", timeout_s=120, pause_s=0.01)
    taken = time.monotonic() - started
    for instance in made:
        client.request("DELETE", f"/v2.0/instances/{instance['id']}")
    for port in ports:
        client.request("DELETE", f"/v2.0/ports/{port['id']}")
    time.sleep(2.0)  # the hosts are still taking the last ones away
    return taken


def has_lease(lab: Lab, name: str, port: dict[str, Any]) -> bool:
    """Whether the instance's routing table has a default route: the client's last step but the name servers."""
    host = lab.host("compute2").space
    if not host.path(f"/run/netns/{name}").exists():
        return False
    done = subprocess.run(
        ["nsenter", f"--net={host.path(f'/run/netns/{name}')}", "cat", "/proc/net/route"],
        capture_output=True,
        text=True,
        check=False,
    )
    return "eth0\t00000000\t" in done.stdout and bool(port)


if __name__ == "__main__":
    main()
