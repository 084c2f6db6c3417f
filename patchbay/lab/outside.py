"""Machines that are not Patchbay's: routers, servers and computers on the other side of a provider network.

Called by ``lab``. Each has namespaces of its own inside the lab, as a host has, and one card on the wire of its
physical network. A VLAN is taken off by an Open vSwitch of its own: that works on every kernel that can run a lab.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from patchbay.errors import LabError
from patchbay.lab.namespaces import Space, start_space
from patchbay.lab.topology import Outside, Topology
from patchbay.lab.underlay import card_address, run_ip, segment_bridges
from patchbay.lab.vhost import START_OVSDB, START_VSWITCHD, resolve_datapath

WEBSERVER = Path(__file__).with_name("webserver.py")
CARD = "eth0"


def boot_outside(name: str, topology: Topology, lab: Space) -> Space:
    """Start a machine: namespaces, card, addresses, routes, and what it serves."""
    machine = topology.outside[name]
    space = start_space("host", name, within=lab)
    try:
        _wire(lab, space, topology, name)
        space.run(["sh", "-e"], text=boot_script(name, machine))
        if machine.dns is not None:
            space.spawn(dns_command(machine.dns), log="/run/dns.log", pidfile="/run/dns.pid")
        if machine.http:
            command = [sys.executable, "-I", "-S", str(WEBSERVER)]
            space.spawn(command, log="/run/http.log", pidfile="/run/http.pid")
    except LabError as error:
        raise LabError(f"Outside machine {name}: {error.message}", error.remedy) from error
    return space


def _wire(lab: Space, space: Space, topology: Topology, name: str) -> None:
    machine = topology.outside[name]
    bridge = segment_bridges(topology)[machine.physical_network]
    near, mtu, address = f"o{space.pid}-0", topology.underlay.mtu, card_address(name, CARD)
    far = CARD if machine.vlan is None else "card"
    run_ip(
        lab,
        [
            f"link add {near} mtu {mtu} type veth peer name {far} address {address} mtu {mtu} netns {space.pid}",
            f"link set {near} addrgenmode none",
            f"link set {near} master {bridge} up",
        ],
    )


def boot_script(name: str, machine: Outside) -> str:
    """What runs when the machine boots, as a person would type it."""
    forwarding = [f"net.ipv{version}.conf.all.forwarding=1" for version in (4, 6)]
    quiet = [f"net.ipv4.conf.{which}.{what}=0" for which in ("all", "default") for what in _NOT_DONE]
    lines = ["ip link set lo up", f"sysctl -qw {' '.join(forwarding + quiet)}"]
    if machine.vlan is not None:
        datapath, address = resolve_datapath("auto"), card_address(name, CARD)
        lines += ["ip link set card addrgenmode none", "ip link set card up arp off"]
        lines += ["ethtool -K card tx off >/dev/null", (START_OVSDB + START_VSWITCHD).rstrip()]
        lines.append(
            f"ovs-vsctl -- add-br lan -- set bridge lan datapath_type={datapath} -- add-port lan card"
            f" -- add-port lan {CARD} tag={machine.vlan}"
            f" -- set interface {CARD} type=internal 'mac=\"{address}\"'"
        )
    lines += [f"ip link set {CARD} addrgenmode none", f"ip link set {CARD} up"]
    # The userspace datapath on the way completes no checksums.
    lines.append(f"ethtool -K {CARD} tx off >/dev/null")
    lines += [f"ip address add {each} dev {CARD}{' nodad' if ':' in each else ''}" for each in machine.addresses]
    lines += [f"ip route replace {each.destination} via {each.nexthop}" for each in machine.routes]
    return "\n".join(lines) + "\n"


# Redirects would teach instances ways around their router; strict reverse paths would drop what comes another way.
_NOT_DONE = ("send_redirects", "accept_redirects", "rp_filter")


def dns_command(names: Mapping[str, str]) -> list[str]:
    """A name server that knows these names, and says of every other that it does not exist."""
    command = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--user=root"]
    command += ["--pid-file=", "--local=/#/", "--log-facility=-"]
    return [*command, *(f"--host-record={name},{address}" for name, address in names.items())]
