"""A lab of two hosts with instances and one where routers live, and questions with packets."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from patchbay.lab.client import ServiceClient
from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology

TOPOLOGY = """\
name: test-routing
hosts:
  compute1: {tunnel_ip: 172.21.17.1}
  compute2: {tunnel_ip: 172.21.17.2}
  gateway1: {tunnel_ip: 172.21.17.3, bridge_mappings: {physnet1: br-ex}}
networks:
  ext-net:
    type: flat
    physical_network: physnet1
    external: true
    mtu: 1500
    subnets:
      ext-v4: {cidr: 198.51.100.0/24, gateway: 198.51.100.1, pools: [198.51.100.5-198.51.100.99], enable_dhcp: false}
  red: {project: red, mtu: 1450, subnets: {red-v4: {cidr: 10.0.1.0/24}, red-v6: {cidr: "fd00:1::/64"}}}
  blue: {project: red, mtu: 1400, subnets: {blue-v4: {cidr: 10.0.2.0/24}, blue-v6: {cidr: "fd00:2::/64"}}}
  green:
    project: red
    mtu: 1400
    subnets: # no DHCP, whose server would have a host of its own
      green-v4: {cidr: 10.0.3.0/24, enable_dhcp: false}
      green-v6: {cidr: "fd00:3::/64", enable_dhcp: false}
  sand:
    project: red
    subnets: {sand-v6: {cidr: "fd00:4::/64", ipv6_ra_mode: slaac, ipv6_address_mode: slaac}}
  orange: {project: orange, subnets: {orange-v4: {cidr: 10.0.1.0/24}}}
  lemon: {project: orange, subnets: {lemon-v4: {cidr: 10.0.2.0/24}}}
routers:
  edge:
    project: red
    distributed: true
    external: ext-net
    external_addresses: [198.51.100.5]
    interfaces: [red-v4, red-v6, blue-v4, blue-v6, sand-v6]
    routes: {10.0.3.0/24: 10.0.2.254, "fd00:3::/64": "fd00:2::fe"}
  inner:
    project: red
    distributed: true
    interfaces:
      - {subnet: blue-v4, address: 10.0.2.254}
      - {subnet: blue-v6, address: "fd00:2::fe"}
      - green-v4
      - green-v6
    routes: {0.0.0.0/0: 10.0.2.1, "::/0": "fd00:2::1"}
  other: {project: orange, distributed: true, interfaces: [orange-v4, lemon-v4]}
instances:
  red1: {host: compute1, plugging: direct, network: red, addresses: [10.0.1.11, "fd00:1::11"]}
  red2: {host: compute1, plugging: direct, network: red, addresses: [10.0.1.12, "fd00:1::12"]}
  red3: {host: gateway1, plugging: direct, network: red, addresses: [10.0.1.13, "fd00:1::13"],
    floating_ip: 198.51.100.13}
  blue1: {host: compute1, network: blue, addresses: [10.0.2.11, "fd00:2::11"]}
  blue2: {host: compute2, plugging: direct, network: blue, addresses: [10.0.2.12, "fd00:2::12"],
    floating_ip: 198.51.100.12}
  green1: {host: compute1, plugging: direct, network: green, addresses: [10.0.3.11, "fd00:3::11"]}
  green2: {host: compute2, plugging: direct, network: green, addresses: [10.0.3.12, "fd00:3::12"]}
  sand1: {host: compute1, plugging: direct, network: sand, dhcp: true}
  sand2: {host: compute2, plugging: direct, network: sand, dhcp: true}
  orange1: {host: compute1, plugging: direct, network: orange, address: 10.0.1.11}
  lemon1: {host: compute1, plugging: direct, network: lemon, address: 10.0.2.11}
  lemon2: {host: compute2, plugging: direct, network: lemon, address: 10.0.2.12}
outside:
  internet: {physical_network: physnet1, addresses: [198.51.100.1/24], http: true}
"""
"""edge joins red, blue and sand, inner joins blue and green; orange and lemon have the addresses of red and blue."""

MORE_ROUTES = {
    "172.16.0.0/24": ("10.0.2.12",),
    "fd00:9::/64": ("fd00:2::12",),
    "172.17.0.0/24": ("10.0.2.11", "10.0.2.12"),
}
"""Of edge."""


READ = """
import sys, urllib.request
sys.stdout.write(urllib.request.urlopen(sys.argv[1], None, 3).read().decode())
"""


class Town:
    """The lab, and what the tests ask of it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.client = lab.client()
        self.routers = {item["name"]: item for item in self.list("routers")}

    def list(self, what: str, query: str = "") -> list[dict[str, Any]]:
        """Rows of the API."""
        return list(self.client.request("GET", f"/v2.0/{what}{query}")[what])

    def add_routes(self, router: str, routes: Mapping[str, Sequence[str]]) -> None:
        """Extra routes, with one or more next hops for a destination."""
        more = [{"destination": to, "nexthop": hop} for to, hops in routes.items() for hop in hops]
        old = self.routers[router]["routes"]
        path = f"/v2.0/routers/{self.routers[router]['id']}"
        self.client.request("PUT", path, {"router": {"routes": [*old, *more]}})

    def on(self, host: str, script: str) -> str:
        """What shell lines print on a host."""
        return self.lab.host(host).run(["sh", "-ec", script]).stdout

    def within(self, name: str, script: str, *, check: bool = True) -> str:
        """What shell lines print in an instance, errors included."""
        done = self.lab.run_in(name, ["sh", "-c", script], check=check)
        return done.stdout + done.stderr

    def ping(self, name: str, target: str, options: str = "", count: int = 3) -> str:
        """The words of ping."""
        return self.within(name, f"ping -n -c{count} -i 0.05 -W 1 {options} {target}", check=False)

    def read(self, name: str, url: str) -> str:
        """What an instance reads there, or the words of the error."""
        done = self.lab.run_in(name, ["python3", "-c", READ, url], check=False)
        return done.stdout + done.stderr

    def received(self, name: str) -> int:
        """How many frames an instance has got."""
        return int(self.lab.run_in(name, ["cat", "/sys/class/net/eth0/statistics/rx_packets"]).stdout)

    def packets(self, host: str, table: int, word: str = "") -> int:
        """How many packets the flows of a table of br-int have seen, those with this word in their text."""
        self.on(host, "ovs-appctl revalidator/wait")
        lines = self.on(host, f"ovs-ofctl --names dump-flows br-int table={table}").splitlines()
        return sum(
            int(line.split("n_packets=")[1].split(",")[0]) for line in lines if "n_packets" in line and word in line
        )

    def slow(self, host: str) -> int:
        """How many packets the routers' namespaces of a host have forwarded."""
        each = "for n in $(ip netns list | grep -o '^qrouter-[^ ]*'); do ip netns exec $n"
        found = self.on(host, f"{each} cat /proc/net/snmp /proc/net/snmp6; done")
        counts = re.findall(r"^Ip: \d+ \d+ \d+ \d+ \d+ (\d+)|^Ip6OutForwDatagrams\s+(\d+)", found, re.MULTILINE)
        return sum(int(count or count6) for count, count6 in counts)

    def namespace(self, router: str) -> str:
        """The name of a router's namespace."""
        return f"qrouter-{self.routers[router]['id']}"


def wait_for(condition: Callable[[], object], what: str, deadline_s: float = 20.0) -> None:
    """Wait until it holds."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"after {deadline_s:g} s still not: {what}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The lab; edge lives on gateway1."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATCHBAY_LAB_DIR", str(tmp_path_factory.mktemp("labs")))
        with Lab.up(parse_topology(TOPOLOGY, Path("routing.yaml"))) as lab:
            found = Town(lab)
            with contextlib.closing(found.client):
                found.add_routes("edge", MORE_ROUTES)
                lab.wait_until_active()
                assert home(found.client, found.routers["edge"]["id"]) == ["gateway1"]
                yield found


def home(client: ServiceClient, router_id: str) -> list[str]:
    """Where a router lives."""
    agents = client.request("GET", f"/v2.0/routers/{router_id}/l3-agents")["agents"]
    return [agent["host"] for agent in agents]
