"""What an administrator tells an agent. Made by ``patchbay agent`` and by the lab."""

from collections.abc import Mapping

import msgspec

from patchbay.compile.facts import CONNECTIONS_PER_NETWORK, NEW_CONNECTIONS_PER_S

AUTO = "auto"


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one agent.

    ``host`` is the name under which ports are bound to this host (``binding:host_id``). ``intent`` are the remotes of
    the intent database (``unix:PATH``, ``tcp:ADDRESS:PORT``, ``ssl:ADDRESS:PORT``); for the last, ``credentials`` is
    the folder with what ``patchbay host join`` wrote. ``tunnel_ip`` is the local end of VXLAN tunnels; ``auto`` takes
    the address that the default route leaves from; "" means no tunnels. ``bridge_mappings`` maps physical networks to
    bridges. ``datapath_type`` is netdev, system or ``auto`` (system where the kernel has it). ``ovs`` is the remote of
    the host's Open vSwitch database, ``ovs_rundir`` where ovs-vswitchd keeps its sockets. The control socket is
    ``<run_dir>/agent.ctl``. ``connections_per_network`` and ``new_connections_per_s`` (of a port) are limits; 0: none.
    """

    host: str
    intent: tuple[str, ...]
    tunnel_ip: str = AUTO
    bridge_mappings: Mapping[str, str] = {}
    datapath_type: str = AUTO
    run_dir: str = "/run/patchbay"
    ovs: str = "unix:/run/openvswitch/db.sock"
    ovs_rundir: str = "/run/openvswitch"
    credentials: str = "/etc/patchbay"
    connections_per_network: int = CONNECTIONS_PER_NETWORK
    new_connections_per_s: int = NEW_CONNECTIONS_PER_S

    @property
    def is_encrypted(self) -> bool:
        """Whether the way to the intent database is."""
        return any(remote.startswith("ssl:") for remote in self.intent)
