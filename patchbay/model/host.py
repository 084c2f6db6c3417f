"""Hosts: machines with an agent, and where ports are plugged on them."""

from collections.abc import Mapping

import msgspec

UP, DOWN = "up", "down"


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """A machine with an agent; Neutron's API shows it as an "Open vSwitch agent".

    ``tunnel_ip`` is the local end of its VXLAN tunnels ("" when it has none). ``bridge_mappings`` maps physical
    network names to bridges. ``services`` names what its agent can do besides switching (``dhcp``, ``l3``,
    ``metadata``); an administrator keeps those in ``disabled_services`` from getting new work. ``started_at`` and
    ``heartbeat_at`` are Unix seconds.

    ``suspected``: nothing was heard of its agent for some seconds, so the other hosts are asked whether they can reach
    it; ``neighbours`` is what this host found: name of a suspected host → ``up`` or ``down``. An agent that is stopped
    takes no traffic along, so what lives on a host moves only when the host itself does not answer either.
    ``datapaths``: the bridges there are, besides Patchbay's own: datapath id (16 hexadecimal digits) → name.
    """

    id: str
    name: str
    tunnel_ip: str = ""
    bridge_mappings: Mapping[str, str] = {}
    datapath_type: str = ""
    services: tuple[str, ...] = ()
    disabled_services: tuple[str, ...] = ()
    admin_state_up: bool = True
    description: str = ""
    version: str = ""
    started_at: int = 0
    heartbeat_at: int = 0
    suspected: bool = False
    neighbours: Mapping[str, str] = {}
    datapaths: Mapping[str, str] = {}


class Plug(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's word that the interface of a port is on its host. ``up``: the data plane for it is complete.

    The agent of a router's host writes one for the port of each of its floating IPs, too. ``trouble`` says why it
    cannot be made complete ("" when nothing is known to be wrong).
    """

    id: str
    port_id: str
    network_id: str
    host: str
    up: bool = False
    trouble: str = ""
