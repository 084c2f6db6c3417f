"""What compile may know of the host itself.

The agent reads these from the machine (``host/ovs.py``) and hands them to ``HostView``. Memory that must survive a
restart (the local VLAN of a network) is such a fact, so desired state follows from intent and facts alone.
"""

from collections.abc import Mapping

import msgspec

CONNECTIONS_PER_NETWORK = 400_000
NEW_CONNECTIONS_PER_S = 5_000
"""Limits unless the administrator says otherwise. One port alone does not fill its network: Open vSwitch forgets what
nobody answers within 60 s."""


class Plugged(msgspec.Struct, frozen=True, kw_only=True):
    """An interface of br-int that carries ``external_ids:iface-id``.

    ``ours``: Patchbay made it for an instance. Otherwise libvirt, a CNI plugin or a person did, and Patchbay sets only
    its tag. ``ofport`` is its OpenFlow port number, -1 while it has none.
    """

    name: str
    bridge: str = "br-int"
    ofport: int = -1
    ours: bool = False


class BridgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the administrator of a bridge set: its type ("" is the kernel's), the versions of OpenFlow that it speaks
    (none: all that Open vSwitch has on), and the controllers that it connects to."""

    datapath_type: str = ""
    protocols: tuple[str, ...] = ()
    controllers: tuple[str, ...] = ()


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The machine under one agent.

    ``host`` is its name. ``datapath_type`` is netdev or system. ``tunnel_ip`` is the local end of tunnels ("" when it
    has none). ``bridge_mappings`` maps physical networks to bridges, ``bridges`` names those that exist (a mapping to
    one that does not exist waits). ``local_vlans`` maps network ids to the local VLANs found on ports. ``plugged``
    maps iface-ids to interfaces. ``datapaths`` maps datapath ids (16 hexadecimal digits, lower case) to the bridges
    that are not Patchbay's own, ``bridge_ports`` those bridges to the names of the ports that somebody else
    plugged there, and ``bridge_settings`` to what their administrator set. ``run_dir`` holds what a reboot may forget.
    ``services`` names what this host can do besides switching. ``metadata_command`` starts its metadata server, to
    which the path of the list of its listeners is added. ``connections_per_network`` and ``new_connections_per_s`` (of
    a port) are limits (0: none).
    """

    host: str
    datapath_type: str = ""
    tunnel_ip: str = ""
    bridge_mappings: Mapping[str, str] = {}
    bridges: frozenset[str] = frozenset()
    local_vlans: Mapping[str, int] = {}
    plugged: Mapping[str, Plugged] = {}
    datapaths: Mapping[str, str] = {}
    bridge_ports: Mapping[str, frozenset[str]] = {}
    bridge_settings: Mapping[str, BridgeSettings] = {}
    run_dir: str = "/run/patchbay"
    services: tuple[str, ...] = ()
    metadata_command: tuple[str, ...] = ("patchbay", "metadata")
    connections_per_network: int = CONNECTIONS_PER_NETWORK
    new_connections_per_s: int = NEW_CONNECTIONS_PER_S


def identity(facts: Facts) -> Facts:
    """What concerns every fragment, and changes only when the agent is told something else."""
    plain = msgspec.structs.replace(facts, bridge_mappings={}, bridges=frozenset(), local_vlans={}, plugged={})
    return msgspec.structs.replace(plain, datapaths={}, bridge_ports={}, bridge_settings={})
