"""A lab: the virtual hosts of a topology, wires between them, machines outside, the service, and an agent on each host.

Called by the commands, tests and benchmarks:

    with Lab.up(load_topology(Path("examples/seed002.yaml"))) as lab:
        lab.host("compute1").run(["ovs-vsctl", "show"])
        outcomes = lab.check()

It promises: nothing is made outside private namespaces but one folder in the registry and two listening sockets on the
loopback; a lab ends with the process that started it unless ``detach`` was called; ``down`` returns when all is gone.
"""

import contextlib
import ipaddress
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import msgspec

from patchbay.errors import LabError, PatchbayError
from patchbay.lab import registry
from patchbay.lab.apply import apply_topology
from patchbay.lab.capture import ask_for_neighbours
from patchbay.lab.check import Trial, check
from patchbay.lab.client import ServiceClient
from patchbay.lab.control_plane import service_options
from patchbay.lab.frames import Address
from patchbay.lab.namespaces import start_space
from patchbay.lab.objects import Applied
from patchbay.lab.outcomes import Outcome, addresses_of, expected_pairs
from patchbay.lab.outside import boot_outside
from patchbay.lab.places import Place, place_named, places_of
from patchbay.lab.readiness import Waiting, waiting_for
from patchbay.lab.rules import underlay_block
from patchbay.lab.stream import PingStream
from patchbay.lab.topology import Reach, Topology
from patchbay.lab.underlay import build_underlay
from patchbay.lab.vhost import VirtualHost, last_lines

SERVICE_LOG, SERVICE_PID = "/run/service.log", "/run/service.pid"
POLL_S = 0.02
_numbers = itertools.count(1)


def _silent(_text: str) -> None:
    """Progress that nobody wants to hear of."""


class Lab:
    """A running lab. ``hosts`` and the machines ``outside`` by name.

    ``endpoint`` is the URL of Neutron's API, ``vnet_endpoint`` that of OpenVNet's, without a path ("": none).
    """

    def __init__(self, record: registry.Record, lifeline: int = -1) -> None:
        self.name = record.name
        self.topology = record.topology
        self.space = record.space
        self.endpoint = record.endpoint
        self.vnet_endpoint = record.vnet_endpoint
        self.hosts = {
            name: VirtualHost(name, record.topology, record.space, space) for name, space in record.hosts.items()
        }
        self.outside = dict(record.outside)
        self._lifeline = lifeline

    @classmethod
    def up(
        cls,
        topology: Topology,
        *,
        name: str = "",
        ports: Iterable[int] = (0,),
        vnet_ports: Iterable[int] = (0,),
        is_bare: bool = False,
        is_applied: bool = True,
        say: Callable[[str], None] = _silent,
    ) -> "Lab":
        """Start a lab and bring its topology about.

        ``name`` "" makes one up; ``ports``: the API's port on the loopback, the first that is free (0: any), and
        ``vnet_ports`` the same for OpenVNet's;
        ``is_bare``: hosts and wires only, no service and no agent; ``is_applied``: create the topology's networks and
        instances, and wait until they are there; ``say`` hears of progress. Errors: ``LabError``; nothing is left.
        """
        if os.geteuid() != 0:
            raise LabError("A lab makes network namespaces and needs root.", "Run it as root or with sudo.")
        name = name or f"{topology.name}-{os.getpid()}-{next(_numbers)}"
        registry.living()
        with registry.claimed(name):
            if registry.read_record(name) is not None:
                raise LabError(f"Lab {name}: runs already.", f"End it with `patchbay lab down {name}`.")
            ending, lifeline = os.pipe()
            try:
                space = start_space("lab", name, lifeline=ending)
            except BaseException:
                os.close(lifeline)
                raise
            finally:
                os.close(ending)
            lab = cls(registry.Record(name, space, topology), lifeline)
            try:
                lab._start((ports, vnet_ports), is_bare=is_bare, is_applied=is_applied and not is_bare, say=say)
            except BaseException:
                lab._end()
                raise
        return lab

    @classmethod
    def attach(cls, name: str = "") -> "Lab":
        """The running lab of that name, or the only one, started by another process. Raises ``LabError``."""
        return cls(registry.find(name))

    def _start(
        self, ports: Sequence[Iterable[int]], *, is_bare: bool, is_applied: bool, say: Callable[[str], None]
    ) -> None:
        self._remember(is_ready=False)
        build_underlay(self.space, self.topology)
        if not is_bare:
            self._serve(*(open_listener(each) for each in ports))
            say(f"service at {self.endpoint}, as OpenVNet at {self.vnet_endpoint}")
        names, machines = list(self.topology.hosts), list(self.topology.outside)
        with ThreadPoolExecutor(max_workers=min(8, len(names) + len(machines))) as workers:
            booting = [workers.submit(self._boot, name, is_bare=is_bare) for name in names]
            outside = [workers.submit(boot_outside, name, self.topology, self.space) for name in machines]
            if is_applied:
                say(f"{summary(self._apply())} created through the API")
            self.hosts = {name: each.result() for name, each in zip(names, booting, strict=True)}
            self.outside = {name: each.result() for name, each in zip(machines, outside, strict=True)}
        say(f"hosts {', '.join(names)}" + (f"; outside {', '.join(machines)}" if machines else ""))
        if is_applied:
            self.wait_until_active()
            self._introduce_hosts()
            leases = any(instance.dhcp for instance in self.topology.instances.values())
            say("all ports active" + (", leases taken" if leases else ""))
        self._remember(is_ready=True)

    def _boot(self, name: str, *, is_bare: bool) -> VirtualHost:
        host = VirtualHost.boot(name, self.topology, self.space)
        if not is_bare:
            host.agent_start()
        return host

    def _apply(self) -> Applied:
        try:
            with contextlib.closing(self.client()) as client:
                return apply_topology(client, self.topology)
        except PatchbayError as error:
            raise LabError(
                f"Lab {self.name}: {error.message}", f"The service's log ends:\n{self.service_log()}"
            ) from error

    def _introduce_hosts(self, timeout_s: float = 3.0) -> None:
        """Let every host learn every other's MAC. Userspace tunnels learn it from the answer to an ARP request, once
        they are there, and lose the first packet to a host that they have not heard of."""
        deadline = time.monotonic() + timeout_s
        addresses = {name: host.spec.tunnel_ip for name, host in self.hosts.items()}
        waiting = [host for host in self.hosts.values() if host.datapath_type == "netdev" and len(self.hosts) > 1]
        while waiting and time.monotonic() < deadline:
            for host in waiting:
                others = [address for name, address in addresses.items() if name != host.name]
                ask_for_neighbours(host.space, host.underlay_device, host.spec.tunnel_ip, others)
            waiting = [
                host
                for host in waiting
                if not host.tunnel_neighbours() >= {*addresses.values()} - {host.spec.tunnel_ip}
            ]

    def _remember(self, *, is_ready: bool) -> None:
        spaces = {name: host.space for name, host in self.hosts.items()}
        record = registry.Record(
            self.name,
            self.space,
            self.topology,
            spaces,
            self.endpoint,
            is_ready,
            outside=self.outside,
            vnet_endpoint=self.vnet_endpoint,
        )
        registry.write_record(record)

    def client(self) -> ServiceClient:
        """A new connection to the lab's service."""
        return ServiceClient(self.endpoint)

    def host(self, name: str) -> VirtualHost:
        """A host by name. Raises ``LabError``."""
        if name not in self.hosts:
            raise LabError(f"Lab {self.name}: {name} is not a host.", f"Hosts: {', '.join(self.hosts)}.")
        return self.hosts[name]

    def host_of(self, instance: str) -> VirtualHost:
        """The host of an instance. Raises ``LabError``."""
        if instance not in self.topology.instances:
            known = ", ".join(self.topology.instances)
            raise LabError(f"Lab {self.name}: {instance} is not an instance.", f"Instances: {known}.")
        return self.host(self.topology.instances[instance].host)

    def reboot(self, name: str) -> None:
        """Wipe a host and start it anew, its agent included, as after a power cut."""
        host = self.host(name)
        host.reboot()
        self._remember(is_ready=True)
        host.agent_start()

    def wait_until_active(self, timeout_s: float = 30.0) -> None:
        """Wait until every port and floating IP is ACTIVE and every lease taken. Raises ``LabError``."""
        deadline, look_again = time.monotonic() + timeout_s, time.monotonic() + 1.0
        with contextlib.closing(self.client()) as client:
            while waiting := self._waiting(client):
                now = time.monotonic()
                names = ", ".join(map(str, waiting))
                if now > deadline:
                    raise LabError(
                        f"Lab {self.name}: not ACTIVE after {timeout_s:g} s: {names}.", self._last_words(waiting)
                    )
                if now > look_again:
                    dead = [name for name, host in self.hosts.items() if not host.is_running("agent")]
                    if dead:
                        raise LabError(f"Lab {self.name}: no agent on {', '.join(dead)}.", self._last_words(waiting))
                    look_again = now + 1.0
                time.sleep(POLL_S)

    def _waiting(self, client: ServiceClient) -> list[Waiting]:
        try:
            return waiting_for(client, self.topology, self.places())
        except PatchbayError as error:
            raise LabError(error.message, f"The service's log ends:\n{self.service_log()}") from error

    def _last_words(self, waiting: list[Waiting]) -> str:
        hosts = sorted({each.host for each in waiting} & set(self.hosts)) or sorted(self.hosts)
        return "\n".join(f"The agent's log on {name} ends:\n{self.hosts[name].log('agent', 8)}" for name in hosts)

    def places(self) -> dict[str, Place]:
        """Where packets start and end: the instances and the machines outside, by name."""
        return places_of(self.topology, {name: host.space for name, host in self.hosts.items()}, self.outside)

    def run_in(self, name: str, arguments: Sequence[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in an instance or on a machine outside. ``LabError`` when it fails and ``check`` is set."""
        place = place_named(self.places(), name)
        return place.space.run(place.command(list(arguments)), check=check)

    def check(self, *, patience_s: float = 5.0, quiet_s: float = 0.4) -> list[Outcome]:
        """Prove the topology's expectations; see ``patchbay.lab.check``."""
        return check(self.topology, self.places(), patience_s=patience_s, quiet_s=quiet_s)

    def ping(self, source: str, target: str, *, patience_s: float = 2.0) -> list[Outcome]:
        """Try to reach an address, or every address of a place, from another; the outcome says who else answered."""
        places = self.places()
        place_named(places, source)
        if not is_address(target):
            place_named(places, target)
        asked = msgspec.structs.replace(self.topology, expect=(Reach((source,), (target,), True),))
        return Trial(asked, places).run(expected_pairs(asked, places), patience_s=patience_s, quiet_s=0.0)

    def ping_stream(self, source: str, target: str, interval_s: float = 0.01) -> PingStream:
        """A stream of pings from a place to another's first address, or to an address, until it is stopped."""
        places = self.places()
        known = addresses_of(self.topology, places, target) if target in places else []
        address: Address = known[0] if known else ipaddress.ip_address(target)
        place = place_named(places, source)
        return PingStream(place.space, place.instance, address, interval_s)

    def start_service(self) -> None:
        """Start the service again, at the same endpoint and with the same database; returns when it answers."""
        ports = (int(endpoint.rpartition(":")[2]) for endpoint in (self.endpoint, self.vnet_endpoint))
        self._serve(*(open_listener([port]) for port in ports))
        with contextlib.closing(self.client()) as client:
            client.request("GET", "/v2.0/networks")

    def stop_service(self, number: int = signal.SIGTERM) -> None:
        """Stop the service (or kill it, with another signal); returns when it is gone."""
        if not self.space.signal_by_file(SERVICE_PID, number):
            raise LabError(f"Lab {self.name}: the service is not running.")

    def is_serving(self) -> bool:
        """Whether the service's process runs."""
        return bool(self.endpoint) and self.space.signal_by_file(SERVICE_PID, 0)

    def service_log(self, lines: int = 8) -> str:
        """The last lines of the service's log."""
        return last_lines(self.space.path(SERVICE_LOG), lines)

    def _serve(self, listener: socket.socket, vnet_listener: socket.socket) -> None:
        """Start the service inside the lab, on sockets that are outside."""
        with listener, vnet_listener:
            self.endpoint, self.vnet_endpoint = (
                f"http://127.0.0.1:{one.getsockname()[1]}" for one in (listener, vnet_listener)
            )
            descriptors = [listener.fileno(), vnet_listener.fileno()]
            command = [sys.executable, "-m", "patchbay", "serve", "--state-dir=/run/service"]
            command += [f"--listen-fd={descriptors[0]}", f"--vnet-listen-fd={descriptors[1]}"]
            command += [f"--path-mtu={self._path_mtu()}", *service_options(self.topology)]
            self.space.spawn(command, log=SERVICE_LOG, pidfile=SERVICE_PID, descriptors=descriptors)

    def _path_mtu(self) -> int:
        """The underlay's MTU as the service counts: with outer IPv4 headers, which are 20 bytes shorter than IPv6's."""
        block = underlay_block(self.topology.underlay, self.topology.hosts.values())
        return self.topology.underlay.mtu - (20 if block is not None and block.version == 6 else 0)

    def detach(self) -> None:
        """Let the lab live on when this process ends."""
        if self._lifeline >= 0:
            os.write(self._lifeline, b"k")
            os.close(self._lifeline)
            self._lifeline = -1

    def down(self) -> None:
        """End the lab; returns when nothing of it is left. A lab that is gone already is fine."""
        with registry.claimed(self.name):
            record = registry.read_record(self.name)
            if record is None or record.space == self.space:
                self._end()

    def _end(self) -> None:
        self.space.end()
        registry.forget(self.name)
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def __enter__(self) -> "Lab":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()


def summary(applied: Applied) -> str:
    """``2 networks, 1 router``: what was created, counted by kind."""
    counts = Counter(kind for kind, _ in applied.created)
    words = [f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in counts.items()]
    return ", ".join(words) or "nothing"


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def open_listener(ports: Iterable[int]) -> socket.socket:
    """A listening socket on the loopback, at the first of ``ports`` that is free. Raises ``LabError``."""
    tried = []
    for port in ports:
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind(("127.0.0.1", port))
            opened.listen(1024)
        except OSError as error:
            opened.close()
            tried.append(f"{port} ({error.strerror})")
        else:
            return opened
    raise LabError(f"No port for the API on 127.0.0.1: {', '.join(tried)}.")
