"""Intent of one host, brought about by the commands of its plan."""

import json
import os
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

from patchbay.compile.facts import Facts
from patchbay.compile.fragments import compile_all
from patchbay.compile.view import HostView, Value
from patchbay.hoststate import Daemon, HostState
from patchbay.model import FixedIP, Instance, Network, Port, Router, Subnet
from patchbay.plan.diff import diff
from patchbay.plan.observed import Observed
from tests.functional.conftest import PrivateHost

HOST = "compute1"


class Site:
    """A host under test. ``put`` and ``remove`` change the intent, ``apply`` makes it true."""

    def __init__(self, host: PrivateHost) -> None:
        self.host = host
        self.sh = host.sh
        self.until = host.until
        self.view = HostView(Facts(host=HOST, datapath_type="netdev", run_dir="/run/patchbay"))
        self.state: HostState = {}
        self._numbers = iter(range(1, 10000))

    def put(self, *values: Value) -> None:
        for value in values:
            self.view.put(value)

    def remove(self, *values: Value) -> None:
        for value in values:
            self.view.remove(value)

    def network(self, name: str, **fields: Any) -> Network:
        network = Network(id=f"{name}-{'0' * 8}", name=name, network_type="local", **fields)
        self.put(network)
        return network

    def subnet(self, network: Network, cidr: str, **fields: Any) -> Subnet:
        number = next(self._numbers)
        subnet = Subnet(
            id=f"subnet{number:04}",
            network_id=network.id,
            cidr=cidr,
            ip_version=6 if ":" in cidr else 4,
            created_at=f"{number:06}",
            **fields,
        )
        self.put(subnet)
        return subnet

    def port(self, network: Network, addresses: dict[str, Subnet], **fields: Any) -> Port:
        number = next(self._numbers)
        port = Port(
            id=f"{number:06x}-{number:04x}-port",
            network_id=network.id,
            mac_address=fields.pop("mac", f"fa:16:3e:00:{number // 256:02x}:{number % 256:02x}"),
            fixed_ips=tuple(FixedIP(subnet.id, address) for address, subnet in addresses.items()),
            host=fields.pop("host", HOST),
            port_security_enabled=False,
            **fields,
        )
        self.put(port)
        return port

    def server(self, network: Network, addresses: dict[str, Subnet], **fields: Any) -> Port:
        return self.port(network, addresses, device_owner="network:dhcp", **fields)

    def router(self, name: str, *_ports: Port) -> Router:
        """A router here; its ports name it."""
        router = Router(id=name, name=name, host=HOST)
        self.put(router)
        return router

    def instance(self, name: str, port: Port, addressing: str = "dhcp") -> Instance:
        instance = Instance(
            id=f"instance-{name}",
            name=name,
            host=HOST,
            plugging="direct",
            addressing=addressing,
            interfaces={"eth0": port.id},
        )
        self.put(instance)
        return instance

    def apply(self) -> list[str]:
        """Make the host as intended, by shell; returns the sentences of what was done."""
        wanted = {key: item for key, item in compile_all(self.view).items() if key[:2] != ("daemon", "metadata")}
        operations = list(diff(Observed(self.state.values()), wanted))
        lines = [line for operation in operations for line in operation.command()]
        self.sh("set -e\n" + "\n".join(lines))
        self.state = wanted
        return [operation.sentence() for operation in operations]

    def daemon(self, kind: str, owner: str) -> Daemon:
        found = self.state["daemon", kind, owner]
        assert isinstance(found, Daemon)
        return found

    def pid(self, kind: str, owner: str) -> int:
        return int(Path(self.daemon(kind, owner).pidfile).read_text())

    async def restart(self, kind: str, owner: str, number: int) -> None:
        """Kill a process and start it again, with its files as they are."""
        daemon, before = self.daemon(kind, owner), self.pid(kind, owner)
        os.kill(before, number)
        await self.until(lambda: not self.is_running(before), f"{kind} has ended")
        self.sh(f"rm -f {daemon.pidfile}; ip netns exec {daemon.namespace} {shlex.join(daemon.command)}")

    def is_running(self, pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except OSError:
            return False

    def stranger(self, name: str, network: Network, patience_s: int = 20) -> None:
        """A namespace on the network that is no port, as a person makes one by hand; it asks for an address once."""
        self.plug(name, network)
        Path(f"/run/{name}.conf").write_text("initial-interval 1; backoff-cutoff 1;\n")
        self.inside(
            name,
            f"timeout {patience_s} dhclient -4 -1 -cf /run/{name}.conf -lf /run/{name}.leases -pf /run/{name}.pid eth0",
            check=False,
        )

    def plug(self, name: str, network: Network) -> None:
        """A namespace with eth0 on the network."""
        tag = self.view.local_vlan(network.id)
        self.sh(
            f"ip netns add {name}; ip link add {name} type veth peer name eth0 netns {name}; ip link set {name} up\n"
            f"ip netns exec {name} ethtool -K eth0 tx off >/dev/null; ip -n {name} link set eth0 up\n"
            f"ovs-vsctl add-port br-int {name} tag={tag}"
        )

    def name_server(self, name: str, network: Network | None, address: str, names: dict[str, str]) -> None:
        """Somebody else's name server in a namespace of its own, or on the host (name ""); it logs what it is asked."""
        if network is not None:
            self.plug(name, network)
            self.sh(f"ip -n {name} address add {address} dev eth0")
        records = " ".join(f"--host-record={record},{found}" for record, found in names.items())
        files = f"--log-facility=/run/{name}.asked --pid-file=/run/{name}.pid"
        self.inside(
            name,
            "dnsmasq --no-hosts --no-resolv --conf-file= --user=root --log-queries --bind-interfaces"
            f" --listen-address={address.partition('/')[0]} {files} {records}",
        )

    def asked(self, name: str) -> str:
        """What ``name_server`` was asked."""
        return Path(f"/run/{name}.asked").read_text()

    def inside(self, namespace: str, command: str, *, check: bool = True) -> str:
        """What a command in a namespace ("" the host) prints."""
        done = subprocess.run(
            [*(["ip", "netns", "exec", namespace] if namespace else []), "sh", "-c", command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{namespace}: {command}\n{done.stdout}{done.stderr}")
        return done.stdout

    def addresses(self, instance: str, family: int = 4) -> list[str]:
        """Addresses with prefix length of eth0."""
        told = json.loads(self.inside(instance, f"ip -{family} -j address show dev eth0 scope global"))
        found = [each for link in told for each in link.get("addr_info", [])]
        return [f"{each['local']}/{each['prefixlen']}" for each in found if "local" in each]

    async def leased(self, instance: str, address: str, family: int = 4) -> float:
        """Wait until eth0 has it and its name servers are written, which comes last; seconds that it took."""
        start, names = time.monotonic(), Path(f"/etc/netns/{instance}/resolv.conf")

        def is_done() -> bool:
            return address in self.addresses(instance, family) and names.exists() and "nameserver" in names.read_text()

        try:
            await self.until(is_done, f"{instance} has {address}", 15)
        except AssertionError as error:
            log = self.sh("cat /run/*.log | tail -20; ip netns; ps ax | grep -E 'dns|dhc' || true")
            raise AssertionError(f"{error}: {self.addresses(instance, family)}\n{log}") from None
        return time.monotonic() - start

    def ask(self, instance: str, server: str, name: str, kind: str = "A") -> str:
        """What a name server answers: addresses one a line, or the status."""
        told = self.inside(instance, f"dig +time=1 +tries=2 @{server} {name} {kind}", check=False)
        answers = [line.split()[-1] for line in told.splitlines() if line and not line.startswith(";")]
        status = told.partition("status: ")[2].partition(",")[0] or "no answer"
        return "\n".join(sorted(answers)) if answers and status == "NOERROR" else status
