"""The wires between virtual hosts: kernel bridges and veth pairs in the lab's own network namespace.

Called by ``vhost`` and ``lab``. ``eth0`` of every host is on the bridge ``underlay``; ``eth1`` and on, one for each of
the host's physical networks, are on a bridge of that physical network. No device is ever made in the
machine's own namespace: a pair is made inside the lab, its far end directly in the host.
"""

import hashlib
from collections.abc import Sequence

from patchbay.lab.control_plane import underlay_lines
from patchbay.lab.namespaces import Space
from patchbay.lab.topology import Topology

UNDERLAY = "underlay"
# Only the network namespace is entered, so that pids mean what they mean on the machine.
NETWORK_ONLY = ("-n",)


def segment_bridges(topology: Topology) -> dict[str, str]:
    """Physical network name → the lab's bridge for it, in order of first mention."""
    names = dict.fromkeys(name for host in topology.hosts.values() for name in host.bridge_mappings)
    return {name: f"segment{number}" for number, name in enumerate(names)}


def build_underlay(lab: Space, topology: Topology) -> None:
    """Make the bridges that hosts are wired to."""
    bridges = [UNDERLAY, *segment_bridges(topology).values()]
    lines = ["link set lo up"]
    for bridge in bridges:
        lines += [
            f"link add {bridge} mtu {topology.underlay.mtu} type bridge mcast_snooping 0",
            f"link set {bridge} addrgenmode none",
            f"link set {bridge} up",
        ]
    address = underlay_lines(topology, UNDERLAY)
    run_ip(lab, [*lines, *address])
    if address:  # the userspace datapath of a host completes no checksums of what comes from another stack
        lab.run(["ethtool", "-K", UNDERLAY, "tx", "off"], options=NETWORK_ONLY)


def wire_host(lab: Space, host: Space, topology: Topology, name: str) -> Sequence[str]:
    """Give a host its network cards; returns the names of those after eth0, one for each physical network."""
    physnets = topology.hosts[name].bridge_mappings
    bridges = segment_bridges(topology)
    cards = {"eth0": UNDERLAY} | {f"eth{number}": bridges[physnet] for number, physnet in enumerate(physnets, 1)}
    lines = []
    for card, bridge in cards.items():
        # The pid makes the name new: the pair of a host that was just killed may linger for a moment.
        near = f"h{host.pid}-{card.removeprefix('eth')}"
        mtu, address = topology.underlay.mtu, card_address(name, card)
        lines += [
            f"link add {near} mtu {mtu} type veth peer name {card} address {address} mtu {mtu} netns {host.pid}",
            f"link set {near} addrgenmode none",
            f"link set {near} master {bridge} up",
        ]
    run_ip(lab, lines)
    return [card for card in cards if card != "eth0"]


def card_address(host: str, device: str) -> str:
    """The MAC of a host's device: the same after every reboot, as a real one's, so that caches stay right."""
    digest = hashlib.sha256(f"{host} {device}".encode()).hexdigest()
    return "52:54:00:" + ":".join(digest[at : at + 2] for at in (0, 2, 4))


def run_ip(space: Space, lines: Sequence[str]) -> None:
    """Run lines of ``ip`` in the network namespace of a space, in one process."""
    space.run(["ip", "-batch", "-"], text="\n".join(lines) + "\n", options=NETWORK_ONLY)
