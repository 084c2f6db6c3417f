"""Which ports of a host have port security, with what rules: the part of ``HostView`` that knows of it."""

from collections.abc import Iterable

from patchbay.compile import names
from patchbay.compile.facts import Facts
from patchbay.compile.index import Trace
from patchbay.compile.knowledge import HOST, Fragment, HostKnowledge
from patchbay.compile.security_groups import EGRESS, SecurityGroups, Value, key_of, members_of
from patchbay.model import Port, SecurityGroup


class SecurityKnowledge(HostKnowledge):
    """What ``HostKnowledge`` knows, and ``security``: groups, rules and whom they name.

    Traces of ports: secured (port here with port security, of this network), ruleset (its rule set), and wherever it
    is, member (of this group, with this address) and group-on (of this group, on this network). A secured port here
    also leaves meter (its number), and talks (on this network, with this port of br-int) if it is up.
    """

    def __init__(self, facts: Facts) -> None:
        self.security = SecurityGroups()
        super().__init__(facts)

    def _clear_indexes(self) -> None:
        super()._clear_indexes()
        self.security.clear()

    def fragments(self) -> Iterable[Fragment]:
        """Every fragment that may cause a resource now."""
        yield from super().fragments()
        yield from (("local-ports", network_id) for network_id in self._reach.owners(("secured",)))
        yield from self.security.fragments()

    def has_secured_ports(self) -> bool:
        """A port with port security is here."""
        return ("secured",) in self._reach

    def secured_device(self, port: Port) -> str | None:
        """The port of br-int of a port here with port security that may talk; None for others."""
        return self._device_if_up(port) if self._may_talk(port.network_id) else None

    def secured_devices(self, network_id: str) -> list[str]:
        """Those of a network. There may be many, and this is asked whenever one comes or goes."""
        return sorted(self._reach.owners(("devices", network_id))) if self._may_talk(network_id) else []

    def _may_talk(self, network_id: str) -> bool:
        network = self.networks.get(network_id)
        return network is not None and network.admin_state_up and self.local_vlan(network_id) is not None

    def _device_if_up(self, port: Port) -> str | None:
        if not port.is_secured or not port.admin_state_up or not self.is_here(port):
            return None
        device = self.port_device(port.id)
        return device if device and names.PORT_NAME.fullmatch(device) else None

    def secured_users(self, network_id: str, mac: str) -> dict[str, str]:
        """Devices, by id, of the ports here with port security that may use a MAC."""
        ports = (self.ports[port_id] for port_id in self._traces.owners(("mac", network_id, mac)))
        return {port.id: device for port in ports if (device := self.secured_device(port))}

    def has_meter(self, port: Port) -> bool:
        """Whether this port here has the meters of its number, and no other with the same number."""
        return port.id == min(self._traces.owners(_meter(port)), default="")

    def _security_traces(self, port: Port) -> set[Trace]:
        traces: set[Trace] = {("member", group_id, address) for group_id, address in members_of(port)}
        traces.update(("group-on", group_id, port.network_id) for group_id in port.security_groups)
        if port.is_secured and self.is_here(port):
            traces |= {("secured", port.network_id), ("ruleset", key_of(port)), _meter(port)}
        if device := self._device_if_up(port):
            traces.add(("talks", port.network_id, device))
        return traces

    def _security_fragments(self, port: Port) -> set[Fragment]:
        """What delivers to this port here, and to others that may use the same MAC."""
        if not port.is_secured or not self.is_here(port):
            return set()
        macs = {port.mac_address, *(pair.mac_address for pair in port.allowed_address_pairs)}
        users = {user for mac in macs for user in self._traces.owners(("mac", port.network_id, mac))}
        return {("local-ports", port.network_id), *(("port", user) for user in users)}

    def _security_presence(self, trace: Trace, is_there: bool) -> set[Fragment]:
        """The first port left this trace, or the last one left it no more."""
        match trace:
            case ("secured", network_id):
                edit = self._reach.add if is_there else self._reach.discard
                edit(("secured",), network_id)
                return {("local-ports", network_id), HOST}
            case ("talks", network_id, device):
                edit = self._reach.add if is_there else self._reach.discard
                edit(("devices", network_id), device)
            case ("ruleset", key):
                return self.security.note_set(key, is_there)
            case ("member", group_id, address):
                return self.security.note_member(group_id, address, is_there)
            case ("group-on", group_id, network_id):
                self.security.note_network(group_id, network_id, is_there)
        return set()

    def _change_security(self, value: Value, new: Value | None) -> set[Fragment]:
        dirty = self.security.change(value, new)
        if not isinstance(value, SecurityGroup):
            return dirty
        # Whether it is stateless decides how its ports are delivered to.
        keys = {fragment[1] for fragment in dirty if fragment[0] == "ruleset"}
        return dirty | {("port", port_id) for key in keys for port_id in self._traces.owners(("ruleset", key))}


def _meter(port: Port) -> Trace:
    return "meter", str(names.meter_number(port.id, EGRESS))
