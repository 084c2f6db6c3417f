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
    also leaves meter (its number).
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
        network = self.networks.get(port.network_id)
        if network is None or not network.admin_state_up or self.local_vlan(network.id) is None:
            return None
        if not port.is_secured or not port.admin_state_up or not self.is_here(port):
            return None
        device = self.port_device(port.id)
        return device if device and names.PORT_NAME.fullmatch(device) else None

    def secured_ports(self, network_id: str) -> list[tuple[Port, str]]:
        """Those of a network, with their devices."""
        ports = (self.ports[port_id] for port_id in sorted(self._traces.owners(("secured", network_id))))
        return [(port, device) for port in ports if (device := self.secured_device(port))]

    def has_meter(self, port: Port) -> bool:
        """Whether this port here has the meters of its number, and no other with the same number."""
        return port.id == min(self._traces.owners(_meter(port)), default="")

    def _security_traces(self, port: Port) -> set[Trace]:
        traces: set[Trace] = {("member", group_id, address) for group_id, address in members_of(port)}
        traces.update(("group-on", group_id, port.network_id) for group_id in port.security_groups)
        if port.is_secured and self.is_here(port):
            traces |= {("secured", port.network_id), ("ruleset", key_of(port)), _meter(port)}
        return traces

    def _security_fragments(self, port: Port) -> set[Fragment]:
        """What delivers to this port here."""
        return {("local-ports", port.network_id)} if port.is_secured and self.is_here(port) else set()

    def _security_presence(self, trace: Trace, is_there: bool) -> set[Fragment]:
        """The first port left this trace, or the last one left it no more."""
        match trace:
            case ("secured", network_id):
                edit = self._reach.add if is_there else self._reach.discard
                edit(("secured",), network_id)
                return {("local-ports", network_id), HOST}
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
        ports = (self.ports[port_id] for key in keys for port_id in self._traces.owners(("ruleset", key)))
        return dirty | {("local-ports", port.network_id) for port in ports}


def _meter(port: Port) -> Trace:
    return "meter", str(names.meter_number(port.id, EGRESS))
