"""A virtual host: private namespaces with its own Open vSwitch and the unmodified agent.

Called by ``lab`` and, through it, by tests and benchmarks. What an administrator does on a real host is done
here by a boot script of the usual commands: the NIC, the bridge that holds the tunnel's address, provider bridges.
Everything else is the agent's.
"""

import ipaddress
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from patchbay.errors import LabError
from patchbay.lab.control_plane import agent_options
from patchbay.lab.namespaces import Space, start_space
from patchbay.lab.rules import underlay_block
from patchbay.lab.topology import Host, Topology
from patchbay.lab.underlay import card_address, wire_host

AGENT_LOG, AGENT_PID = "/run/patchbay/agent.log", "/run/patchbay/agent.pid"
PIDFILES = {
    "ovs-vswitchd": "/run/openvswitch/ovs-vswitchd.pid",
    "ovsdb-server": "/run/openvswitch/ovsdb-server.pid",
    "agent": AGENT_PID,
}
LOGS = {
    "ovs-vswitchd": "/run/openvswitch/ovs-vswitchd.log",
    "ovsdb-server": "/run/openvswitch/ovsdb-server.log",
    "agent": AGENT_LOG,
}

START_OVSDB = """\
[ -e /etc/openvswitch/conf.db ] || ovsdb-tool create /etc/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server --remote=punix:/run/openvswitch/db.sock --pidfile --detach --log-file=/run/openvswitch/ovsdb-server.log \
/etc/openvswitch/conf.db
ovs-vsctl --no-wait init
"""
START_VSWITCHD = "ovs-vswitchd --pidfile --detach --log-file=/run/openvswitch/ovs-vswitchd.log\n"


class VirtualHost:
    """One host of a lab. ``run`` and the rest work from any process that may enter its namespaces."""

    def __init__(self, name: str, topology: Topology, lab: Space, space: Space) -> None:
        self.name = name
        self.topology = topology
        self.lab = lab
        self.space = space

    @property
    def spec(self) -> Host:
        """What the topology says of this host."""
        return self.topology.hosts[self.name]

    @property
    def datapath_type(self) -> str:
        """``system`` or ``netdev``: what ``auto`` comes to on this machine."""
        return resolve_datapath(self.spec.datapath_type)

    @property
    def underlay_device(self) -> str:
        """The device that holds the tunnel's address."""
        return underlay_device(self.datapath_type)

    @classmethod
    def boot(cls, name: str, topology: Topology, lab: Space) -> "VirtualHost":
        """Start a host: namespaces, network cards, Open vSwitch, the administrator's bridges; no agent yet."""
        host = cls(name, topology, lab, start_space("host", name, within=lab))
        host._bring_up()
        return host

    def reboot(self) -> None:
        """Kill everything in the host and start it anew, empty but for what an administrator configures."""
        self.space.end()
        self.space = start_space("host", self.name, within=self.lab)
        self._bring_up()

    def _bring_up(self) -> None:
        cards = wire_host(self.lab, self.space, self.topology, self.name)
        self._script(boot_script(self.topology, self.name, self.datapath_type, cards))

    def run(
        self,
        arguments: Sequence[str],
        *,
        instance: str = "",
        text: str | None = None,
        check: bool = True,
        timeout_s: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the host or in an instance on it. ``LabError`` when it fails and ``check`` is set."""
        return self.space.run(inside(instance, arguments), text=text, check=check, timeout_s=timeout_s)

    def kill(self, process: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to ``ovs-vswitchd``, ``ovsdb-server`` or ``agent``, and wait until it is gone."""
        if not self.space.signal_by_file(PIDFILES[process], number):
            raise LabError(f"Host {self.name}: {process} is not running.")

    def start_ovsdb(self) -> None:
        """Start ovsdb-server with the database that is there."""
        self._script(START_OVSDB)

    def start_vswitchd(self) -> None:
        """Start ovs-vswitchd and give the underlay bridge, whose device it makes anew, its address again."""
        self._script(START_VSWITCHD + address_script(self.topology, self.name, self.datapath_type))

    def restart_ovs(self, number: int = signal.SIGKILL) -> None:
        """Kill and start both Open vSwitch processes."""
        self.kill("ovs-vswitchd", number)
        self.kill("ovsdb-server", number)
        self.start_ovsdb()
        self.start_vswitchd()

    def agent_start(self, extra: Sequence[str] = ()) -> None:
        """Start the agent."""
        mappings = [f"--bridge-mapping={physnet}:{bridge}" for physnet, bridge in self.spec.bridge_mappings.items()]
        command = [sys.executable, "-m", "patchbay", "agent", f"--host={self.name}"]
        command += agent_options(self.topology, self.name, self.lab, self.space)
        command += [f"--tunnel-ip={self.spec.tunnel_ip}", f"--datapath-type={self.datapath_type}", *mappings, *extra]
        self.space.spawn(command, log=AGENT_LOG, pidfile=AGENT_PID)

    def agent_stop(self, number: int = signal.SIGTERM) -> None:
        """Stop the agent and wait until it is gone."""
        self.kill("agent", number)

    def is_running(self, process: str) -> bool:
        """Whether ``ovs-vswitchd``, ``ovsdb-server`` or ``agent`` runs."""
        return self.space.signal_by_file(PIDFILES[process], 0)

    def tunnel_neighbours(self) -> set[str]:
        """Addresses of hosts whose MAC the userspace tunnels know."""
        shown = self.run(["ovs-appctl", "tnl/neigh/show"]).stdout.splitlines()[2:]
        return {line.split()[0] for line in shown}

    def log(self, process: str, lines: int = 20) -> str:
        """The last lines of a process's log."""
        return last_lines(self.space.path(LOGS[process]), lines)

    def _script(self, script: str) -> None:
        self.space.run(["sh", "-e"], text=script)


def inside(instance: str, arguments: Sequence[str]) -> list[str]:
    """The command on a host that runs ``arguments`` in an instance ("": on the host itself)."""
    return [*(["ip", "netns", "exec", instance] if instance else []), *arguments]


def boot_script(topology: Topology, name: str, datapath_type: str, cards: Sequence[str]) -> str:
    """What runs when the host boots, as a person would type it."""
    lines = ["ip -batch - <<END", "link set lo up"]
    # A card in a bridge of the userspace datapath is heard by the host's own stack too, which must not answer there.
    arp = " arp off" if datapath_type == "netdev" else ""
    for card in ("eth0", *cards):
        lines += [f"link set {card} addrgenmode none", f"link set {card} up{arp}"]
    lines += ["END", START_OVSDB + START_VSWITCHD.rstrip()]
    bridges = []
    if datapath_type == "netdev":
        # The userspace datapath completes no checksums, and its tunnels leave through a bridge of its own.
        lines += [f"ethtool -K {card} tx off >/dev/null" for card in ("eth0", *cards)]
        address = card_address(name, "br-phy")
        bridges.append(f"add-br br-phy -- set bridge br-phy datapath_type=netdev 'other_config:hwaddr=\"{address}\"'")
        bridges.append("add-port br-phy eth0")
    for bridge, card in zip(topology.hosts[name].bridge_mappings.values(), cards, strict=True):
        bridges.append(
            f"add-br {bridge} -- set bridge {bridge} datapath_type={datapath_type} -- add-port {bridge} {card}"
        )
    if bridges:
        lines.append("ovs-vsctl -- " + " -- ".join(bridges))
    return "\n".join(lines) + "\n" + address_script(topology, name, datapath_type)


def address_script(topology: Topology, name: str, datapath_type: str) -> str:
    """Give the underlay device the host's tunnel address."""
    device = underlay_device(datapath_type)
    block = underlay_block(topology.underlay, topology.hosts.values())
    address = ipaddress.ip_address(topology.hosts[name].tunnel_ip)
    length = block.prefixlen if block is not None else address.max_prefixlen
    nodad = " nodad" if address.version == 6 else ""
    return f"ip address replace {address}/{length} dev {device}{nodad}\nip link set {device} up\n"


def underlay_device(datapath_type: str) -> str:
    """The device that holds a host's tunnel address."""
    return "br-phy" if datapath_type == "netdev" else "eth0"


def resolve_datapath(wanted: str) -> str:
    """What ``auto`` means here: the kernel's datapath when its module is loaded, else userspace."""
    if wanted != "auto":
        return wanted
    return "system" if Path("/sys/module/openvswitch").exists() else "netdev"


def last_lines(path: Path, lines: int) -> str:
    """The end of a text file; "" when there is none."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
