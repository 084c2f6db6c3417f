"""Options that several commands share, and the words that their values are written in.

Called by ``services`` and ``plan``. Promises: a value that is not understood is an error that says how to write it;
what ``patchbay agent`` and ``patchbay plan`` are told of a host is the same, under the same names in the environment.
"""

import re
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from patchbay.compile.facts import CONNECTIONS_PER_NETWORK, NEW_CONNECTIONS_PER_S
from patchbay.errors import BadRequest

if TYPE_CHECKING:
    from patchbay.agent import AgentSettings

Command = TypeVar("Command", bound=Callable[..., Any])


def agent_options(function: Command) -> Command:
    """What an agent is told about its host. In the environment: PATCHBAY_AGENT_HOST, PATCHBAY_AGENT_INTENT …"""
    for name, settings in reversed(AGENT_OPTIONS.items()):
        variable = f"PATCHBAY_AGENT_{name.upper().replace('-', '_')}"
        function = click.option(f"--{name}", envvar=variable, **settings)(function)
    return function


AGENT_OPTIONS: dict[str, dict[str, Any]] = {
    "host": {
        "metavar": "NAME",
        "default": socket.gethostname,
        "show_default": "this host's name",
        "help": "Name of this host: ports are bound to it.",
    },
    "intent": {
        "metavar": "REMOTE",
        "multiple": True,
        "default": ("unix:/var/lib/patchbay/intent.sock",),
        "show_default": True,
        "help": "Intent database: unix:PATH, tcp:ADDRESS:PORT or ssl:ADDRESS:PORT; servers of a cluster by commas.",
    },
    "credentials": {
        "metavar": "DIR",
        "default": "/etc/patchbay",
        "show_default": True,
        "help": "What `patchbay host join` wrote: this host's key and certificate, for ssl: remotes.",
    },
    "tunnel-ip": {
        "metavar": "ADDRESS",
        "default": "auto",
        "show_default": True,
        "help": "This host's end of tunnels; auto: the address that the default route leaves from; empty: no tunnels.",
    },
    "bridge-mapping": {
        "metavar": "PHYSNET:BRIDGE",
        "multiple": True,
        "help": "Bridge of a physical network, for flat and vlan networks; may be repeated.",
    },
    "datapath-type": {
        "type": click.Choice(["auto", "netdev", "system"]),
        "default": "auto",
        "show_default": True,
        "help": "Userspace (netdev) or kernel (system) datapath; auto: the kernel's where it has one.",
    },
    "run-dir": {
        "metavar": "DIR",
        "default": "/run/patchbay",
        "show_default": True,
        "help": "Where the agent's control socket is.",
    },
    "ovs": {
        "metavar": "REMOTE",
        "default": "unix:/run/openvswitch/db.sock",
        "show_default": True,
        "help": "Database of this host's Open vSwitch.",
    },
    "ovs-rundir": {
        "metavar": "DIR",
        "default": "/run/openvswitch",
        "show_default": True,
        "help": "Where ovs-vswitchd keeps its sockets.",
    },
    "connections-per-network": {
        "metavar": "N",
        "type": click.IntRange(0, 4_000_000_000),
        "default": CONNECTIONS_PER_NETWORK,
        "show_default": True,
        "help": "Connections of a network that Open vSwitch tracks on this host; 0: no limit.",
    },
    "new-connections-per-second": {
        "metavar": "N",
        "type": click.IntRange(0, 1_000_000),
        "default": NEW_CONNECTIONS_PER_S,
        "show_default": True,
        "help": "What a port with port security may begin, and what others may begin with it; 0: no limit.",
    },
}


def agent_settings(given: Mapping[str, Any]) -> "AgentSettings":
    """The settings that ``agent_options`` gave."""
    from patchbay.agent import AgentSettings  # noqa: PLC0415  # only when a command runs: help answers at once

    return AgentSettings(
        host=given["host"],
        intent=remotes_of(given["intent"]),
        tunnel_ip=given["tunnel_ip"],
        bridge_mappings=mappings_of(given["bridge_mapping"]),
        datapath_type=given["datapath_type"],
        run_dir=given["run_dir"],
        ovs=given["ovs"],
        ovs_rundir=given["ovs_rundir"],
        credentials=given["credentials"],
        connections_per_network=given["connections_per_network"],
        new_connections_per_s=given["new_connections_per_second"],
    )


def remotes_of(written: tuple[str, ...]) -> tuple[str, ...]:
    """``unix:/a,tcp:1.2.3.4:6641`` (and repeats) as remotes."""
    remotes = tuple(part.strip() for one in written for part in one.split(",") if part.strip())
    for remote in remotes:
        if not remote.startswith(("unix:", "tcp:", "ssl:")):
            raise BadRequest(
                f"Intent remote {remote}: not understood.",
                "Write unix:PATH, tcp:ADDRESS:PORT or ssl:ADDRESS:PORT.",
            )
    return remotes


def passive_remotes_of(written: tuple[str, ...]) -> tuple[str, ...]:
    """``ptcp:6641:192.0.2.10`` (and repeats, and commas): where the intent database listens besides its own socket."""
    remotes = tuple(part.strip() for one in written for part in one.split(",") if part.strip())
    for remote in remotes:
        if not re.fullmatch(r"p(tcp|ssl):[0-9]{1,5}(:[0-9a-fA-F.:\[\]]+)?|punix:/.+", remote):
            raise BadRequest(
                f"Intent listener {remote}: not understood.",
                "Write pssl:PORT:ADDRESS, ptcp:PORT:ADDRESS or punix:PATH.",
            )
    return remotes


def mappings_of(written: tuple[str, ...]) -> dict[str, str]:
    """``physnet1:br-ex`` (and repeats, and commas) as a mapping."""
    mappings: dict[str, str] = {}
    for part in (part.strip() for one in written for part in one.split(",") if part.strip()):
        physical_network, colon, bridge = part.partition(":")
        if not colon or not physical_network or not bridge:
            raise BadRequest(f"Bridge mapping {part}: not understood.", "Write PHYSICAL_NETWORK:BRIDGE.")
        if physical_network in mappings:
            raise BadRequest(f"Bridge mapping {part}: {physical_network} is mapped already.", "Map it once.")
        mappings[physical_network] = bridge
    return mappings


def range_of(written: str) -> tuple[int, int]:
    """``100:199`` as a pair, both ends included."""
    first, _, last = written.partition(":")
    try:
        found = int(first), int(last)
    except ValueError:
        raise BadRequest(f"Range {written}: not understood.", "Write FIRST:LAST.") from None
    if found[0] > found[1]:
        raise BadRequest(f"Range {written}: the first is larger than the last.", "Write FIRST:LAST.")
    return found


def vlan_ranges_of(written: tuple[str, ...]) -> dict[str, tuple[tuple[int, int], ...]]:
    """``physnet1:100:199`` (and repeats) as ranges by physical network."""
    ranges: dict[str, tuple[tuple[int, int], ...]] = {}
    for one in written:
        physical_network, _, numbers = one.partition(":")
        ranges[physical_network] = (*ranges.get(physical_network, ()), range_of(numbers))
    return ranges
