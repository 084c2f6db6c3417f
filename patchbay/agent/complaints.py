"""What an administrator must be told once: settings that cannot work, and interfaces that Open vSwitch refuses.

Called by the loop after each turn. Everything here is a warning with its remedy; nothing changes what is done.
"""

import asyncio
import logging

from patchbay.agent.limits import Excess
from patchbay.agent.settings import AgentSettings
from patchbay.compile import names
from patchbay.compile.security_groups import EGRESS, INGRESS
from patchbay.compile.view import HostView
from patchbay.host.ovs import Switch
from patchbay.model.network import VXLAN

logger = logging.getLogger(__name__)

ERROR_AGE_S = 2.0
"""An interface may be refused for a moment, until its device appears."""


class Complaints:
    """Remembers what was said, so that it is said once."""

    def __init__(self, settings: AgentSettings, view: HostView, switch: Switch) -> None:
        self._settings = settings
        self._view = view
        self._switch = switch
        self._said: set[tuple[str, str]] = set()
        self._pending: asyncio.TimerHandle | None = None

    def look(self) -> None:
        """Say what is new."""
        self._look_at_mappings()
        self._look_at_tunnel_ip()
        errors = {("interface", name) for name in self._switch.errors()}
        self._said -= {said for said in self._said if said[0] == "interface" and said not in errors}
        if errors - self._said and self._pending is None:
            self._pending = asyncio.get_running_loop().call_later(ERROR_AGE_S, self._look_at_interfaces)

    def note_excess(self, excess: Excess) -> None:
        """Who runs into a limit now. Said once, and again when it was over for a look."""
        numbers = {str(number) for number in excess.meters}
        zones = {str(zone) for zone in excess.zones}
        now = {*(("meter", one) for one in numbers), *(("zone", one) for one in zones)}
        self._said -= {said for said in self._said if said[0] in ("meter", "zone") and said not in now}
        if numbers:
            self._look_at_meters(numbers)
        for network_id in sorted(self._view.networks_here()) if zones else ():
            zone = str(self._view.local_vlan(network_id))
            if zone in zones and self._is_new("zone", zone):
                logger.warning(
                    "network %s has all the connections that it may have on this host: new ones are not followed",
                    network_id,
                    extra={"remedy": "Who has so many? If rightly: --connections-per-network N of the agent."},
                )

    def _look_at_meters(self, numbers: set[str]) -> None:
        secured = (port for port in self._view.ports.values() if port.is_secured and self._view.is_here(port))
        for port in secured:
            for direction, verb in ((EGRESS, "begins"), (INGRESS, "is sent")):
                number = str(names.meter_number(port.id, direction))
                if number in numbers and self._is_new("meter", number):
                    logger.warning(
                        "port %s %s more than %d new connections in a second: some are dropped",
                        port.id,
                        verb,
                        self._view.facts.new_connections_per_s,
                        extra={"remedy": "A flood? If not: --new-connections-per-second N of the agent."},
                    )

    def close(self) -> None:
        """Say no more."""
        if self._pending:
            self._pending.cancel()

    def _is_new(self, kind: str, name: str) -> bool:
        is_new = (kind, name) not in self._said
        self._said.add((kind, name))
        return is_new

    def _look_at_mappings(self) -> None:
        present = self._view.facts.bridges
        for physical_network, bridge in self._settings.bridge_mappings.items():
            if bridge in present:
                self._said.discard(("bridge", bridge))
            elif self._is_new("bridge", bridge):
                logger.warning(
                    "physical network %s has no bridge: there is no %s",
                    physical_network,
                    bridge,
                    extra={"remedy": f"Create it, with the interface that leads there: ovs-vsctl add-br {bridge}"},
                )

    def _look_at_tunnel_ip(self) -> None:
        if self._view.facts.tunnel_ip or not self._settings.tunnel_ip:
            return
        for network_id in self._view.networks_here():
            network = self._view.networks.get(network_id)
            if network and network.network_type == VXLAN and self._is_new("tunnel", network_id):
                logger.warning(
                    "VXLAN network %s does not leave this host: it has no tunnel address",
                    network.name or network.id,
                    extra={"remedy": "Give the agent --tunnel-ip ADDRESS."},
                )

    def _look_at_interfaces(self) -> None:
        self._pending = None
        for name, error in self._switch.errors().items():
            if self._is_new("interface", name):
                logger.warning(
                    "interface %s does not work: Open vSwitch says: %s",
                    name,
                    error,
                    extra={"remedy": "See ovs-vsctl show and the log of ovs-vswitchd."},
                )
