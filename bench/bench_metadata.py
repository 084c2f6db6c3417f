#!/usr/bin/env python3
"""The metadata server of a host: its start, its memory, and how fast instances are answered.

``-f json`` prints a JSON list of figures, else a table. Needs root and Open vSwitch; everything happens in a lab. A
server of its own, with a higher limit of requests, listens beside the agent's in the namespace of a DHCP server, and an
instance asks it: the first time (which asks the intent database), again on one connection, and with a connection each.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from measuring import Figure, figure, parser_of, print_figures, say, wait_until

from patchbay.lab.client import ServiceClient
from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology
from patchbay.lab.vhost import VirtualHost

TOPOLOGY = """
name: metadata
hosts: {compute1: {tunnel_ip: 172.21.12.1}}
networks:
  red: {project: red, subnets: {red-v4: {cidr: 10.0.0.0/24, gateway: none}}}
  big: {project: blue, subnets: {big-v4: {cidr: 10.64.0.0/16, enable_dhcp: false}}}
instances:
  red1: {host: compute1, network: red, address: 10.0.0.11, dhcp: true, user_data: "#!/bin/sh"}
expect:
  - {lease: red1, address: 10.0.0.11}
"""
FOLDER, PORT, STARTS, MANY = "/run/bench", 8080, 5, 10_000
ASK = """
import http.client, json, sys, time
def asked(connection):
    started = time.perf_counter()
    connection.request("GET", "/latest/meta-data/instance-id")
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, answer.status
    return (time.perf_counter() - started) * 1e3
def connect():
    return http.client.HTTPConnection("169.254.169.254", PORT, timeout=10)
kept = connect()
first = asked(kept)
later = [asked(kept) for _ in range(2000)]
anew = [asked(connect()) for _ in range(500)]
json.dump([first, later, anew], sys.stdout)
"""


def main() -> None:
    """Measure, print."""
    arguments = parser_of(__doc__).parse_args()
    with Lab.up(parse_topology(TOPOLOGY, Path("metadata.yaml"))) as lab, closing(lab.client()) as client:
        print_figures(measure(lab, client), arguments.format)


def measure(lab: Lab, client: ServiceClient) -> Iterator[Figure]:
    """With few ports in the database, and with many."""
    host = lab.host("compute1")
    write_list(host, client)
    wait_until(lambda: "10.0.0.11" in lab.run_in("red1", ["ip", "address"]).stdout, "red1 has its address")
    starts = [start(host) for _ in range(STARTS)]
    yield figure("start until it listens, median", statistics.median(starts), "s")
    yield from answers(lab, "few ports")
    say(f"{MANY} ports")
    fill(client)
    start(host)
    yield from answers(lab, f"{MANY} ports")
    yield figure("memory", memory(host), "MB")


def write_list(host: VirtualHost, client: ServiceClient) -> None:
    """One listener, beside the agent's own."""
    red = client.request("GET", "/v2.0/networks?name=red")["networks"][0]["id"]
    listener = {"namespace": f"qdhcp-{red}", "network_id": red, "address": "169.254.169.254", "port": PORT}
    folder = host.space.path(FOLDER)
    folder.mkdir()
    (folder / "listeners.json").write_text(json.dumps([listener]))


def start(host: VirtualHost) -> float:
    """Seconds until the server is in the background, after the one before was ended."""
    host.space.signal_by_file(f"{FOLDER}/pid", 15)
    command = [sys.executable, "-m", "patchbay", "metadata", "--intent=unix:/run/service/intent.sock"]
    command += [f"--listeners={FOLDER}/listeners.json", "--requests-per-second=1000000"]
    started = time.monotonic()
    host.run(command)
    return time.monotonic() - started


def answers(lab: Lab, when: str) -> Iterator[Figure]:
    """What an instance sees."""
    said = lab.run_in("red1", [sys.executable, "-c", ASK.replace("PORT", str(PORT))]).stdout
    first, later, anew = json.loads(said)
    yield figure(f"first answer, {when}", first, "ms")
    yield figure(f"later answers on one connection, {when}, median", statistics.median(later), "ms")
    yield figure(f"answers on one connection, {when}", 1e3 * len(later) / sum(later), "1/s")
    yield figure(f"answer with a connection of its own, {when}, median", statistics.median(anew), "ms")


def fill(client: ServiceClient) -> None:
    """Many ports, elsewhere."""
    big = client.request("GET", "/v2.0/networks?name=big")["networks"][0]["id"]
    for _ in range(MANY // 500):
        client.request("POST", "/v2.0/ports", {"ports": [{"network_id": big}] * 500})


def memory(host: VirtualHost) -> float:
    """Resident memory of the server in MB."""
    number = host.space.path(f"{FOLDER}/pid").read_text().strip()
    status = host.run(["cat", f"/proc/{number}/status"]).stdout
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
