"""Hosts: machines with an agent, and where ports are plugged on them."""

from collections.abc import Mapping

import msgspec


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """A machine with an agent; Neutron's API shows it as an "Open vSwitch agent".

    ``tunnel_ip`` is the local end of its VXLAN tunnels ("" when it has none). ``bridge_mappings`` maps physical
    network names to bridges. ``started_at`` and ``heartbeat_at`` are Unix seconds.
    """

    id: str
    name: str
    tunnel_ip: str = ""
    bridge_mappings: Mapping[str, str] = {}
    datapath_type: str = ""
    admin_state_up: bool = True
    description: str = ""
    version: str = ""
    started_at: int = 0
    heartbeat_at: int = 0


class Plug(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's word that the interface of a port is on its host. ``up``: the data plane for it is complete."""

    id: str
    port_id: str
    network_id: str
    host: str
    up: bool = False
