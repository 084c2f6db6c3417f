#!/usr/bin/env python3
"""OpenVNet's WebAPI over a keep-alive HTTP connection, durable writes included, with few and with many interfaces.

Starts ``patchbay serve`` as a child on free loopback ports with its state on a real disk (``--dir`` chooses where).
Needs no root. Beside each figure stands that of the nearest request to Neutron's API, where there is one.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench_api import Client, figure, serving, timed

from patchbay.cli.output import print_list

FEW, MANY, SAMPLES = 10, 2000, 100


class WebApi:
    """Makes, shows and deletes numbered interfaces of one network."""

    def __init__(self, port: int) -> None:
        self.client = Client(port)
        self.request("POST", "networks", uuid="nw-bench", ipv4_network="10.0.0.0", ipv4_prefix=16)
        self.request("POST", "datapaths", uuid="dp-bench", display_name="bench", node_id="bench", dpid="0xaaaaaaaaaaaa")
        self.numbers = count()
        self.made: list[str] = []

    def request(self, method: str, path: str, **values: Any) -> Any:
        """The decoded answer; parameters go in the query string, as OpenVNet's vnctl sends them."""
        return self.client.request(method, f"/api/1.0/{path}?{urlencode(values)}")

    def create(self, **values: Any) -> None:
        """One interface more, with a MAC and an address."""
        number = next(self.numbers)
        low = (number >> 8) + 1, number & 0xFF
        addresses = {"mac_address": f"02:00:00:00:{low[0]:02x}:{low[1]:02x}", "ipv4_address": f"10.0.{low[0]}.{low[1]}"}
        self.request("POST", "interfaces", uuid=f"if-b{number}", network_uuid="nw-bench", **addresses, **values)
        self.made.append(f"if-b{number}")

    def delete(self) -> None:
        """One interface less."""
        self.request("DELETE", f"interfaces/{self.made.pop()}")


def measure(neutron_port: int, port: int) -> Iterator[dict[str, object]]:
    """All figures."""
    api, neutron = WebApi(port), Client(neutron_port)
    network = neutron.request("POST", "/v2.0/networks", {"network": {"name": "compared"}})["network"]["id"]
    body = {"port": {"network_id": network}}
    for size in (FEW, MANY):
        while len(api.made) < size:
            api.create()
        print(f"{size} interfaces", file=sys.stderr, flush=True)
        yield figure(f"Neutron: create a port beside {size}", asked(neutron, body), None)
        made = {"a vif interface": {}, "a simulated one": {"mode": "simulated"}}
        for what, more in {**made, "one on a datapath": {"owner_datapath_uuid": "dp-bench"}}.items():
            yield figure(f"create {what} beside {size}", timed(partial(api.create, **more), SAMPLES), None)
            yield figure(f"delete {what} beside {size}", timed(api.delete, SAMPLES), None)
        for path in ("interfaces/if-b0", "interfaces", "mac_leases", "ip_leases"):
            yield figure(f"GET {path} of {size}", timed(partial(api.request, "GET", path), SAMPLES), None)


def asked(neutron: Client, body: object) -> list[float]:
    """Milliseconds that making one port takes; they are deleted again afterwards."""
    made: list[str] = []
    samples = timed(lambda: made.append(neutron.request("POST", "/v2.0/ports", body)["port"]["id"]), SAMPLES)
    for port_id in made:
        neutron.request("DELETE", f"/v2.0/ports/{port_id}")
    return samples


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-f", "--format", choices=["json", "table"], default="table")
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"), help="a directory on the disk to measure")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=arguments.dir) as directory,
        serving(Path(directory), "127.0.0.1:0") as (neutron, openvnet),
    ):
        figures = list(measure(neutron, openvnet))
    if arguments.format == "json":
        print(json.dumps(figures, indent=2))
    else:
        print_list(figures, list(figures[0]), "table", ())
    return 0


if __name__ == "__main__":
    sys.exit(main())
