"""A built seed 001 beside the seed's own dump of its host, line by line; docs/seeds.md explains every difference."""

import difflib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from patchbay.lab.lab import Lab
from patchbay.lab.reading import load_topology
from patchbay.lab.topology import Topology

ROOT = Path(__file__).resolve().parents[2]
DUMP = ROOT / "tests/functional/seeds/seed001_dump.txt"
EXPLAINED = ROOT / "docs/seeds.md"
SEED_TAG, OUTER_TAG = "2", "OUTER"
Dump = dict[str, list[str]]


def as_in_the_seed() -> Topology:
    """What the seed has at the time of its dump: one network, one router, one instance, no floating IP."""
    topology = load_topology(ROOT / "examples/seed001.yaml")
    return msgspec.structs.replace(
        topology,
        networks={name: topology.networks[name] for name in ("ext-net", "demo-net")},
        routers={"demo-router": topology.routers["demo-router"]},
        instances={"cirros01": topology.instances["cirros01"]},
        floating_ips=(),
        expect=(),
    )


@pytest.fixture(scope="module")
def dump() -> Iterator[Dump]:
    with Lab.up(as_in_the_seed(), name="test-seed001-dump") as lab:
        yield Host(lab).dump()


def sections(text: str) -> Dump:
    """``## heading`` and the lines under it."""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return {
        title: [line for line in body.splitlines() if line]
        for title, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def explanations() -> Dump:
    """The rows of the tables under "Seed 001" in docs/seeds.md, as lines of a diff, by the command they belong to."""
    text = EXPLAINED.read_text().partition("## Seed 001")[2].partition("\n## ")[0]
    found: Dump = {}
    for title, body in zip(*[iter(re.split(r"^### `(.+)`\n", text, flags=re.MULTILINE)[1:])] * 2, strict=True):
        rows = [line.strip().strip("|").split(" | ") for line in body.splitlines() if line.startswith("| ")]
        for theirs, ours, why in rows[1:]:
            assert why.strip(), f"{title}: {theirs}{ours} is not explained"
            found.setdefault(title, []).extend(
                sign + line for sign, line in (("- ", code(theirs)), ("+ ", code(ours))) if line
            )
    return found


def code(cell: str) -> str:
    return cell.strip().strip("`")


@pytest.mark.parametrize("title", sections(DUMP.read_text()))
def test_every_line_is_the_seed_s_or_is_explained(title: str, dump: Dump) -> None:
    seed = sections(DUMP.read_text())[title]
    different = [line for line in difflib.ndiff(seed, dump[title]) if line[0] in "-+"]
    assert sorted(different) == sorted(explanations().get(title, []))


def test_nothing_is_explained_that_is_not_compared() -> None:
    assert explanations().keys() <= sections(DUMP.read_text()).keys()


class Host:
    """The lab's host as its own tools show it, each line without what is by chance: ids, MACs, numbers, counters."""

    def __init__(self, lab: Lab) -> None:
        self.host = lab.host("compute")
        client = lab.client()
        ports = client.request("GET", "/v2.0/ports")["ports"]
        self.names = {
            client.request("GET", "/v2.0/networks?name=demo-net")["networks"][0]["id"]: "NETWORK",
            client.request("GET", "/v2.0/routers")["routers"][0]["id"]: "ROUTER",
        }
        client.close()
        owners = {
            "compute:": "VM",
            "network:dhcp": "DHCP",
            "network:router_interface": "INNER",
            "network:router_gateway": "OUTER",
        }
        self.names |= {
            port["id"][:11]: name
            for port in ports
            for owner, name in owners.items()
            if port["device_owner"].startswith(owner)
        }
        self.tags = {
            self.run("ovs-vsctl", "get", "port", "qr-INNER", "tag").strip(): SEED_TAG,
            self.run("ovs-vsctl", "get", "port", "qg-OUTER", "tag").strip(): OUTER_TAG,
        }

    def run(self, *command: str, namespace: str = "") -> str:
        """Run a command in which, as in its output, objects have their general names."""
        for real, general in self.names.items():
            command = tuple(re.sub(rf"(?<=[-a-z]){general}\b", real, word) for word in command)
            namespace = namespace.replace(general, real)
        text = self.host.run(command, instance=namespace).stdout
        for real, general in self.names.items():
            text = text.replace(real, general)
        return text

    def json(self, *command: str, namespace: str = "") -> Any:
        return json.loads(self.run(*command, namespace=namespace))

    def dump(self) -> Dump:
        router, server = "qrouter-ROUTER", "qdhcp-NETWORK"
        return {
            "ovs-vsctl show": self.bridges(),
            "ip link": self.links(),
            "brctl show": self.members(),
            "ethtool -S": self.peers(),
            "ip netns": sorted(line.split()[0] for line in self.run("ip", "netns").splitlines()),
            f"ip netns exec {server} ip link": self.links(server),
            "ps -ef | grep dns": self.process("dnsmasq"),
            f"ip netns exec {router} ip link": self.links(router),
            f"ip netns exec {router} ip route": self.routes(router),
            f"ip netns exec {router} iptables -S": self.run("iptables", "-S", namespace=router).splitlines(),
            f"ip netns exec {router} iptables -t nat -S": self.run(
                "iptables", "-t", "nat", "-S", namespace=router
            ).splitlines(),
            f"ip netns exec {router} netstat -tunlp": self.listeners(router),
            "ps -ef | grep metadata": self.process("patchbay metadata"),
            "ovs-ofctl dump-flows br-int": self.flows("br-int"),
            "ovs-ofctl dump-flows br-ex": self.flows("br-ex"),
        }

    def bridges(self) -> list[str]:
        lines, bridge, port = [], "", {}
        for line in [*self.run("ovs-vsctl", "show").splitlines(), "Port end"]:
            word, _, rest = line.strip().partition(" ")
            if word in ("Bridge", "Port") and port:
                lines.append(f"{bridge}: " + " ".join(port.values()))
                port = {}
            if word == "Bridge":
                bridge = rest
            elif word == "Port":
                port = {"name": rest}
            elif word == "type:" and rest in ("internal", "patch"):
                port["type"] = rest
            elif word == "tag:":
                port["tag"] = f"tag {self.tags[rest]}"
        lines = [re.sub(r"^(\S+: \S+) (tag \w+) (\w+)$", r"\1 \3 \2", line) for line in lines]
        return sorted(line for line in lines if not line.startswith(("br-tun:", "br-phy:")))

    def links(self, namespace: str = "") -> list[str]:
        rows = self.json("ip", "-j", "link", namespace=namespace)
        return sorted(
            f"{row['ifname']} mtu {row['mtu']}" + (f" master {row['master']}" if "master" in row else "")
            for row in rows
            if row["ifname"] not in ("br-tun", "br-phy", "ovs-netdev", "ovs-system")
        )

    def members(self) -> list[str]:
        rows = self.json("ip", "-j", "link")
        return sorted(f"{row['master']}: {row['ifname']}" for row in rows if "master" in row)

    def peers(self) -> list[str]:
        rows = {row["ifname"]: row for row in self.json("ip", "-j", "link")}
        return [f"qvbVM is the peer of {rows['qvbVM']['link']}"]

    def routes(self, namespace: str) -> list[str]:
        return [line.strip() for line in self.run("ip", "route", namespace=namespace).splitlines()]

    def listed(self, name: str) -> list[str]:
        """User and command line of processes."""
        return [line for line in self.run("ps", "-eww", "-o", "user=,args=").splitlines() if name in line]

    def process(self, name: str) -> list[str]:
        """User, program and options of a process, an option with its value on a line."""
        deadline = time.monotonic() + 10.0
        while len(listed := self.listed(name)) != 1:  # a process that is going into the background is there twice
            assert time.monotonic() < deadline, f"{name}: not one process, but {listed}"
            time.sleep(0.05)
        (words,) = [re.sub(r" (--[a-z-]+) (?=[^-])", r" \1=", line).split() for line in listed]
        return [Path(word).name if "/python" in word else word for word in words]

    def listeners(self, namespace: str) -> list[str]:
        """Of a router; the metadata process opens its socket there a moment after it began."""
        deadline = time.monotonic() + 10.0
        while not (rows := [line.split() for line in self.run("ss", "-Htunlp", namespace=namespace).splitlines()]):
            assert time.monotonic() < deadline, f"{namespace}: nobody listens"
            time.sleep(0.05)
        return [f"{row[0]} {row[4]} " + re.findall(r'"(\w+)', row[-1])[0].removesuffix("3") for row in rows]

    def flows(self, bridge: str) -> list[str]:
        """Flows without cookies, the strongest first."""
        text = self.run("ovs-ofctl", "--names", "--no-stats", "dump-flows", bridge)
        lines = [re.sub(r"cookie=\w+, ", "", line.strip()).replace('"', "") for line in text.splitlines()]
        for real, general in self.tags.items():
            lines = [re.sub(rf"(vlan_vid:|dl_vlan=){real}\b", rf"\g<1>{general}", line) for line in lines]
        return sorted(lines, key=lambda line: -int(re.findall(r"priority=(\d+)", line)[0]))
