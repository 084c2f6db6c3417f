#!/usr/bin/env python3
"""The API over keep-alive HTTP connections, durable writes included: ports alone, in bulk, by several clients, listed.

Starts ``patchbay serve`` as a child on a free loopback port with its state on a real disk (``--dir`` chooses where).
Needs no root. Prints an aligned table; ``-f json`` prints a list of figures.
"""

import argparse
import http.client
import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SINGLE, BULKS, BULK_SIZE, LISTS, CLIENTS, PORTS_EACH = 500, 20, 100, 40, 16, 50


class Client:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.headers: dict[str, str] = {}

    def request(self, method: str, path: str, body: object = None) -> Any:
        """The decoded answer; an error status ends the benchmark."""
        text = None if body is None else json.dumps(body)
        self.connection.request(method, path, text, self.headers)
        response = self.connection.getresponse()
        data = response.read()
        if response.status >= 400:
            raise SystemExit(f"{method} {path}: {response.status} {data.decode()}")
        return json.loads(data) if data else None


@contextmanager
def serving(state_dir: Path, vnet_listen: str = "none", options: Sequence[str] = ()) -> Iterator[tuple[int, int]]:
    """``patchbay serve`` for the duration of the block; gives its port and that of OpenVNet's WebAPI (0: none)."""
    command = [sys.executable, "-m", "patchbay", "serve", "--state-dir", str(state_dir), "--listen", "127.0.0.1:0"]
    command += ["--vnet-listen", vnet_listen, *options]
    child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    vnet_port = 0
    try:
        for line in child.stderr:
            if found := re.search(r" vnet_port=(\d+)", line):
                vnet_port = int(found[1])
            if found := re.search(r"listening.* port=(\d+)", line):
                break
        else:
            raise SystemExit("patchbay serve did not start")
        threading.Thread(target=child.stderr.read, daemon=True).start()
        yield int(found[1]), vnet_port
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(15)


def timed(work: Callable[[], object], count: int) -> list[float]:
    """Milliseconds of each of ``count`` calls."""
    samples = []
    for _ in range(count):
        started = time.perf_counter()
        work()
        samples.append((time.perf_counter() - started) * 1000)
    return samples


def figure(what: str, samples: list[float], goal_ms: float | None) -> dict[str, object]:
    """One row of the result."""
    ordered = sorted(samples)
    return {
        "what": what,
        "p50_ms": round(ordered[len(ordered) // 2], 2),
        "p95_ms": round(ordered[int(len(ordered) * 0.95)], 2),
        "goal_p50_ms": goal_ms,
        "samples": len(ordered),
    }


def measure(port: int) -> list[dict[str, object]]:
    """All figures."""
    client = Client(port)
    networks = [new_network(client, number) for number in range(4)]
    figures = [figure("request without work (GET /)", timed(lambda: client.request("GET", "/"), 300), None)]
    body = {"port": {"network_id": networks[0]}}
    timed(lambda: client.request("POST", "/v2.0/ports", body), 30)
    figures.append(figure("create one port", timed(lambda: client.request("POST", "/v2.0/ports", body), SINGLE), 2))
    bulk = {"ports": [{"network_id": networks[1], "name": f"port{number}"} for number in range(BULK_SIZE)]}
    bulks = timed(lambda: client.request("POST", "/v2.0/ports", bulk), BULKS)
    figures.append(figure(f"create {BULK_SIZE} ports in one request", bulks, 50))
    bulk = {"ports": [{"network_id": networks[2], "name": f"port{number}"} for number in range(1000)]}
    created = client.request("POST", "/v2.0/ports", bulk)["ports"]
    figures += lists(client, networks[2])
    figures += single_object(client, created)
    figures += routers(client)
    figures.append(figure(f"create one port, {CLIENTS} clients at once", at_once(port, networks[3]), None))
    return figures


def lists(client: Client, network_id: str) -> list[dict[str, object]]:
    """Lists of the 1,000 ports of a network."""
    path = f"/v2.0/ports?network_id={network_id}"
    fields = "&fields=id&fields=name&fields=mac_address&fields=fixed_ips&fields=status"
    return [
        figure("list 1,000 ports (filter by network)", timed(lambda: client.request("GET", path), LISTS), 20),
        figure("list 1,000 ports, five fields", timed(lambda: client.request("GET", path + fields), LISTS), 20),
        figure("find a port by name", timed(lambda: client.request("GET", "/v2.0/ports?name=port7"), LISTS), None),
    ]


def single_object(client: Client, ports: list[dict[str, Any]]) -> list[dict[str, object]]:
    """Show, change and delete one port."""
    paths = iter([f"/v2.0/ports/{port['id']}" for port in ports])
    name = {"port": {"name": "renamed"}}
    return [
        figure("show a port", timed(lambda: client.request("GET", next(paths)), 200), None),
        figure("rename a port", timed(lambda: client.request("PUT", next(paths), name), 200), None),
        figure("delete a port", timed(lambda: client.request("DELETE", next(paths)), 200), None),
    ]


def routers(client: Client) -> list[dict[str, object]]:
    """Routers and floating IPs: alone, with gateway, with interface; free, associated, moved."""
    outside, inside = new_network(client, 8), new_network(client, 9)
    client.request("PUT", f"/v2.0/networks/{outside}", {"network": {"router:external": True}})
    subnet = client.request("GET", f"/v2.0/subnets?network_id={inside}")["subnets"][0]["id"]
    gateway = {"router": {"external_gateway_info": {"network_id": outside}}}
    edge = client.request("POST", "/v2.0/routers", gateway)["router"]["id"]
    client.request("PUT", f"/v2.0/routers/{edge}/add_router_interface", {"subnet_id": subnet})
    ports = client.request("POST", "/v2.0/ports", {"ports": [{"network_id": inside}] * 201})["ports"]
    free: dict[str, object] = {"floating_network_id": outside}
    moved = client.request("POST", "/v2.0/floatingips", {"floatingip": free})["floatingip"]["id"]
    moves = [{"floatingip": {"port_id": port_id}} for port_id in (ports[-1]["id"], None)] * 100
    turns = [f"/v2.0/routers/{edge}/{action}_router_interface" for action in ("remove", "add")] * 50

    def posts(path: str, bodies: list[Any]) -> list[float]:
        left = iter(bodies)
        return timed(lambda: client.request("POST", f"/v2.0/{path}", next(left)), len(bodies))

    left, paths = iter(moves), iter(turns)
    figures = [
        figure("create a router", posts("routers", [{"router": {}}] * 200), None),
        figure("create a router with a gateway", posts("routers", [gateway] * 200), None),
        figure(
            "add or remove a router's interface",
            timed(lambda: client.request("PUT", next(paths), {"subnet_id": subnet}), len(turns)),
            None,
        ),
        figure("create a floating IP", posts("floatingips", [{"floatingip": free}] * 200), None),
        figure(
            "create a floating IP for a port",
            posts("floatingips", [{"floatingip": free | {"port_id": port["id"]}} for port in ports[:200]]),
            None,
        ),
        figure(
            "associate or dissociate a floating IP",
            timed(lambda: client.request("PUT", f"/v2.0/floatingips/{moved}", next(left)), len(moves)),
            None,
        ),
    ]
    listed = timed(lambda: client.request("GET", "/v2.0/floatingips"), LISTS)
    return [*figures, figure("list 401 floating IPs", listed, None)]


def at_once(port: int, network_id: str) -> list[float]:
    """Milliseconds of each create when several clients create at the same time."""
    samples: list[float] = []

    def work() -> None:
        client = Client(port)
        body = {"port": {"network_id": network_id}}
        samples.extend(timed(lambda: client.request("POST", "/v2.0/ports", body), PORTS_EACH))

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return samples


def new_network(client: Client, number: int) -> str:
    """A network with a /16."""
    network = client.request("POST", "/v2.0/networks", {"network": {"name": f"bench{number}"}})["network"]
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": f"10.{number}.0.0/16"}
    client.request("POST", "/v2.0/subnets", {"subnet": subnet})
    return str(network["id"])


def print_table(figures: list[dict[str, object]]) -> None:
    """The figures as an aligned table."""
    header = ("what", "p50 ms", "p95 ms", "goal p50", "samples")
    rows = [tuple("" if value is None else str(value) for value in row.values()) for row in figures]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  ".join(cells).rstrip())


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-f", "--format", choices=["table", "json"], default="table")
    parser.add_argument("--dir", type=Path, default=None, help="where the database file lives while measured")
    arguments = parser.parse_args()
    directory = tempfile.TemporaryDirectory(prefix="patchbay-bench-", dir=arguments.dir)
    with directory, serving(Path(directory.name)) as (port, _):
        figures = measure(port)
    if arguments.format == "json":
        print(json.dumps(figures, indent=2))
    else:
        print_table(figures)


if __name__ == "__main__":
    main()
