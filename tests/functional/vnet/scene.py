"""A lab host on which the scripts of seed 003 are run, and what its author looks at: pings, ARP tables, captures."""

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from patchbay.compile.names import router_mac
from patchbay.lab.lab import Lab
from patchbay.lab.topology import Host, Topology, Underlay
from tests.functional.vnet import seed003
from tests.functional.vnet.seed003 import HOST, HOST_IP, ROUTER, SPACES, WEBAPI, Space

TOPOLOGY = Topology(name=HOST, underlay=Underlay(cidr="192.168.122.0/24"), hosts={HOST: Host(tunnel_ip=HOST_IP)})


class Refused(AssertionError):
    """The API refused a command."""


class Ping(NamedTuple):
    """What ``ping`` says: packets sent and received, and the time of each in ms."""

    sent: int
    received: int
    times_ms: tuple[float, ...]


class Scene:
    """The lab and its one host."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.host = lab.host(HOST)

    def api(self, lines: Iterable[str]) -> None:
        """Run commands for the API, as they are written but for the address of the API. Raises Refused."""
        for line in lines:
            self._ask(line)

    def _ask(self, line: str) -> None:
        words = shlex.split(line.replace(WEBAPI, self.lab.vnet_endpoint))
        if words[0] == "vnctl":
            words[:1] = [sys.executable, "-m", "patchbay", "vnctl"]
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            env={"VNET_WEBAPI": self.lab.vnet_endpoint.removeprefix("http://"), "PATH": "/usr/bin:/bin"},
        )
        if done.returncode or is_error(done.stdout):
            raise Refused(f"{line}\n{done.stdout}{done.stderr}")

    def sh(self, script: str) -> str:
        """Run shell lines on the host; what they print."""
        return self.host.run(["bash", "-euc", script]).stdout

    def within(self, space: Space, command: str) -> str:
        """Run a command in a namespace, whatever becomes of it; what it prints."""
        return self.host.run(["ip", "netns", "exec", space.name, *shlex.split(command)], check=False).stdout

    def ping(self, space: Space, address: str, count: int = 1, interval_s: float = 0.2) -> Ping:
        """``ip netns exec ns1 ping -c COUNT ADDRESS``."""
        said = self.within(space, f"ping -n -c {count} -i {interval_s} -W 2 {address}")
        counted = re.search(r"(\d+) packets transmitted, (\d+) received", said)
        if counted is None:  # no route
            return Ping(0, 0, ())
        times = tuple(float(each) for each in re.findall(r"time=([\d.]+) ms", said))
        return Ping(int(counted[1]), int(counted[2]), times)

    def comes_to_reach(self, space: Space, address: str, deadline_s: float = 10.0) -> bool:
        """Whether pings are answered before long: after a command there may be some to whom it is not known yet."""
        end = time.monotonic() + deadline_s
        while not self.ping(space, address).received:
            if time.monotonic() > end:
                return False
        return True

    def arp(self, space: Space) -> set[str]:
        """``ip netns exec ns1 arp -na``, a line each, but for what nobody answered: ``captured`` asks for that."""
        return {line for line in self.within(space, "arp -na").splitlines() if "<incomplete>" not in line}

    def captured(self, spaces: Iterable[Space], script: str) -> Mapping[str, str]:
        """What tcpdump sees in the namespaces while the script runs on the host, by name of the namespace."""
        looked_at = list(spaces)
        lines = ["cd $(mktemp -d /run/capture.XXXXXX)", "pids="]
        for space in looked_at:
            tcpdump = f"tcpdump --immediate-mode -U -i {space.device} -w {space.name}.pcap"
            lines.append(f'ip netns exec {space.name} {tcpdump} 2>{space.name}.err & pids="$pids $!"')
        lines += [
            f"until grep -q listening {space.name}.err; do read -t 0.02 <> <(:) || true; done" for space in looked_at
        ]
        lines.append(script)
        for space in looked_at:  # who asks for this address last has seen all that came before
            last = space.address.rpartition(".")[0] + ".77"
            # again and again: one that was asked a moment ago, for another capture, is not asked for each packet
            ask = f"ip netns exec {space.name} bash -c 'echo > /dev/udp/{last}/9'"
            seen = f"tcpdump -nr {space.name}.pcap 2>/dev/null | grep -q 'who-has {last} tell {space.address}'"
            lines.append(f"until {seen}; do {ask}; read -t 0.05 <> <(:) || true; done")
        lines += ["kill $pids", "wait $pids || true"]
        for space in looked_at:
            lines += [f"echo == {space.name}", f"tcpdump -ner {space.name}.pcap 2>/dev/null"]
        parts = self.sh("\n".join(lines)).split("== ")[1:]
        return {name: rest for name, _, rest in (part.partition("\n") for part in parts)}

    def until_there(self, spaces: Iterable[Space], deadline_s: float = 30.0) -> None:
        """Wait until the service says that the ports of these interfaces are ACTIVE, and those of routers."""
        wanted = {space.mac for space in spaces}
        client = self.lab.client()
        end = time.monotonic() + deadline_s
        try:
            while missing := still_missing(client.request("GET", "/v2.0/ports")["ports"], wanted):
                assert time.monotonic() < end, f"not ACTIVE: {missing}; {self.host.log('agent')}"
                time.sleep(0.05)
        finally:
            client.close()

    def peer(self, space: Space) -> str:
        """The MAC of the host's end of a namespace's veth pair: the host's own frames leave it, and go nowhere else."""
        return self.sh(f"cat /sys/class/net/{space.port}/address").strip()

    def router_macs(self, space: Space) -> set[str]:
        """The MACs with which a router speaks in the network of a namespace: its interface's, and this host's own."""
        if space.network not in ROUTER:
            return set()
        mac = ROUTER[space.network][1]
        client = self.lab.client()
        ports = client.request("GET", f"/v2.0/ports?mac_address={mac}")["ports"]
        client.close()
        return {mac, *(router_mac(HOST, port["id"]) for port in ports)}

    def strangers(self, space: Space, captured: str) -> set[str]:
        """MACs of frames that came from outside the network of a namespace."""
        return sources(captured) - macs(space.network) - {self.peer(space)} - self.router_macs(space)


def still_missing(ports: Iterable[Mapping[str, Any]], wanted: set[str]) -> set[str]:
    """MACs of ports that are not ACTIVE: of those wanted, and of all routers."""
    active = {port["mac_address"] for port in ports if port["status"] == "ACTIVE"}
    return ({port["mac_address"] for port in ports if port["device_owner"]} | wanted) - active


def is_error(answer: str) -> bool:
    """Whether the API answered a curl call with an error; curl does not say so by its exit code."""
    try:
        said = msgspec.json.decode(answer)
    except msgspec.DecodeError:
        return False
    return isinstance(said, dict) and "error" in said


def sources(captured: str) -> set[str]:
    """The MAC addresses that frames came from, as ``tcpdump -e`` prints them."""
    return set(re.findall(r"^\S+ ([0-9a-f:]{17}) > ", captured, re.MULTILINE))


def macs(*networks: str) -> set[str]:
    """The MAC addresses of the namespaces of these networks."""
    return {space.mac for space in SPACES if space.network in networks}


__all__ = ["TOPOLOGY", "Ping", "Refused", "Scene", "seed003", "sources"]
