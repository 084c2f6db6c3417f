"""HostView: what one host knows of the intent, and which fragments a change makes dirty.

The agent (and ``patchbay plan``) puts intent values and facts in; the compile modules ask it questions. Values may
come in any order, twice, or with what they refer to missing: every answer follows from what is there now. Indexes make
one more port among ten thousand cost what it costs among ten.

A port is *here* if it is bound to this host and has an interface of an instance here or an interface that somebody
else plugged; or if it is bound to no host and somebody plugged it here. It is *elsewhere* if it is bound to another
host, or bound to none and another host's agent says (``Plug``) that it is plugged there.
"""

from collections.abc import Callable, Iterable, Mapping

from patchbay.compile import names
from patchbay.compile.facts import Facts, Plugged
from patchbay.compile.index import Index, Trace
from patchbay.compile.instances import InstancesHere
from patchbay.compile.local_vlans import LocalVlans
from patchbay.compile.segment import provider_bridge, segment
from patchbay.compile.tunnels import Tunnels
from patchbay.model import Host, Instance, Network, Plug, Port, Subnet

Fragment = tuple[str, ...]
"""("host",), ("tunnel", remote tunnel IP), ("provider", bridge), ("network", id), ("port", id), ("instance", id)"""

Value = Network | Subnet | Port | Instance | Host | Plug

HOST: Fragment = ("host",)


class HostView:
    """Intent values and facts of one host, indexed. See the module for the meaning of here and elsewhere."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.networks: dict[str, Network] = {}
        self.subnets: dict[str, Subnet] = {}
        self.ports: dict[str, Port] = {}
        self.instances: dict[str, Instance] = {}
        self.hosts: dict[str, Host] = {}
        self.plugs: dict[str, Plug] = {}
        self._clear_indexes()

    def _clear_indexes(self) -> None:
        self._traces = Index()
        """Owners are ports: net, here, at, mac, ip."""
        self._reach = Index()
        """("hosts", network) → hosts where it is; ("networks", host) → networks there; ("here",) → networks here."""
        self._rows = Index()
        """Small tables: plugs by port, networks by segment."""
        self.tunnels = Tunnels(self.facts)
        self._instances_here = InstancesHere()
        self._local_vlans = LocalVlans(self.facts.local_vlans)

    # What changed

    def put(self, value: Value) -> set[Fragment]:
        """There is such a value, new or changed. Returns the fragments to compile again."""
        match value:
            case Port():
                return self._change_ports([value.id], lambda: self.ports.__setitem__(value.id, value))
            case Network():
                return self._change_network(value.id, value)
            case Subnet():
                old = self.subnets.get(value.id)
                self.subnets[value.id] = value
                return self._subnet_fragments(value) | (self._subnet_fragments(old) if old else set())
            case Instance():
                return self._change_instance(value.id, value)
            case Host():
                return self._change_host(value.id, value)
            case Plug():
                return self._change_plug(value.id, value)

    def remove(self, value: Value) -> set[Fragment]:
        """There is no such value any more. Returns the fragments to compile again."""
        match value:
            case Port():
                return self._change_ports([value.id], lambda: self.ports.pop(value.id, None))
            case Network():
                return self._change_network(value.id, None)
            case Subnet():
                old = self.subnets.pop(value.id, None)
                return self._subnet_fragments(old) if old else set()
            case Instance():
                return self._change_instance(value.id, None)
            case Host():
                return self._change_host(value.id, None)
            case Plug():
                return self._change_plug(value.id, None)

    def set_facts(self, facts: Facts) -> set[Fragment]:
        """The machine is like this now. Returns the fragments to compile again."""
        old = self.facts
        if (old.host, old.tunnel_ip, old.datapath_type) != (facts.host, facts.tunnel_ip, facts.datapath_type):
            before = set(self.fragments())
            self._rebuild(facts)
            return before | set(self.fragments())
        self._local_vlans.shown = facts.local_vlans
        dirty = self._mapping_fragments(old, facts)
        changed = [key for key in {*old.plugged, *facts.plugged} if old.plugged.get(key) != facts.plugged.get(key)]
        return dirty | self._change_ports(changed, lambda: setattr(self, "facts", facts))

    def _rebuild(self, facts: Facts) -> None:
        """Index everything again under new facts; networks keep their local VLANs."""
        given = self._local_vlans.given()
        self.facts = facts
        values: list[Value] = [*self.networks.values(), *self.instances.values(), *self.hosts.values()]
        values += [*self.plugs.values(), *self.ports.values()]
        for table in (self.networks, self.instances, self.hosts, self.plugs, self.ports):
            table.clear()
        self._clear_indexes()
        self._local_vlans = LocalVlans(facts.local_vlans, given)
        for value in values:
            self.put(value)

    # Questions of the compile modules

    def fragments(self) -> Iterable[Fragment]:
        """Every fragment that may cause a resource now."""
        yield HOST
        yield from (("tunnel", tunnel_ip) for tunnel_ip in self.tunnels.addresses())
        yield from {("provider", bridge) for bridge in self.facts.bridge_mappings.values()}
        yield from (("network", network_id) for network_id in self.networks)
        yield from (("port", port_id) for port_id in {*self.ports, *self.facts.plugged})
        yield from (("instance", instance.id) for instance in self.instances.values() if self.is_mine(instance))

    def is_mine(self, instance: Instance) -> bool:
        """The instance is to live on this host."""
        return instance.host == self.facts.host

    def tunnel_port(self, host_name: str) -> str | None:
        """The port of br-tun that leads to this host; None if there is none."""
        return self.tunnels.port_to(host_name)

    def hosts_of(self, network_id: str) -> list[str]:
        """Names of the other hosts where this network has ports that may talk."""
        return sorted(self._reach.owners(("hosts", network_id)))

    def networks_here(self) -> set[str]:
        """Ids of the networks of ports here, known or not: what the agent must watch."""
        return set(self._reach.owners(("here",)))

    def ports_here(self, network_id: str) -> Iterable[str]:
        """Ids of this network's ports that are here."""
        return self._traces.owners(("here", network_id))

    def is_here(self, port: Port) -> bool:
        """See the module."""
        foreign = self.foreign(port.id) is not None
        if port.host == self.facts.host:
            return foreign or self.interface_of(port.id) is not None
        return port.host == "" and foreign

    def elsewhere(self, port: Port) -> set[str]:
        """Names of other hosts that the port is on; see the module."""
        if port.host:
            return {port.host} - {self.facts.host}
        plugged = {self.plugs[plug_id].host for plug_id in self._rows.owners(("plugs", port.id))}
        return plugged - {self.facts.host}

    def foreign(self, port_id: str) -> Plugged | None:
        """The interface of br-int that somebody else plugged for this port."""
        plugged = self.facts.plugged.get(port_id)
        return plugged if plugged and not plugged.ours and plugged.bridge == names.BR_INT else None

    def interface_of(self, port_id: str) -> tuple[Instance, str] | None:
        """The instance here and the device in it that this port is for."""
        return self._instances_here.interface_of(port_id)

    def owns_namespace(self, instance: Instance) -> bool:
        """Of several instances here with one name, the oldest has the namespace."""
        return self._instances_here.owns_namespace(instance)

    def owns_segment(self, network: Network) -> bool:
        """Of several networks known here with one segment (a moment between two updates), the oldest has it."""
        rivals = (self.networks[item] for item in self._rows.owners(segment(network)))
        return min(((item.created_at, item.id) for item in rivals), default=("", "")) == (
            network.created_at,
            network.id,
        )

    def is_sole(self, kind: str, port: Port, what: str) -> bool:
        """No other port of its network claims this ``mac`` or ``ip``, as its own or as an allowed address pair."""
        return self._traces.is_sole((kind, port.network_id, what), port.id)

    def local_vlan(self, network_id: str) -> int | None:
        """The network's number on this host; None if it is not here."""
        return self._local_vlans.get(network_id)

    def local_vlans(self) -> Mapping[str, int]:
        """All local VLANs given so far, by network id."""
        return self._local_vlans.given()

    # Ports

    def _traces_of(self, port_id: str) -> set[Trace]:
        """What this port leaves in the indexes, given everything else as it is now."""
        port = self.ports.get(port_id)
        if port is None:
            return set()
        network_id = port.network_id
        traces: set[Trace] = {("net", network_id), ("mac", network_id, port.mac_address)}
        traces.update(("ip", network_id, fixed.ip_address) for fixed in port.fixed_ips)
        for pair in port.allowed_address_pairs:
            traces.add(("mac", network_id, pair.mac_address))
            traces.add(("ip", network_id, pair.ip_address.removesuffix("/32").removesuffix("/128")))
        if self.is_here(port):
            traces.add(("here", network_id))
        if port.admin_state_up:
            traces.update(("at", network_id, host) for host in self.elsewhere(port))
        return traces

    def _change_ports(self, port_ids: Iterable[str], change: Callable[[], object]) -> set[Fragment]:
        """Make a change that these ports depend on, and find what follows from it."""
        affected = list(dict.fromkeys(port_ids))
        before = {port_id: self._traces_of(port_id) for port_id in affected}
        dirty = {fragment for port_id in affected for fragment in self._port_fragments(port_id)}
        change()
        for port_id in affected:
            dirty |= self._port_fragments(port_id)
            after = self._traces_of(port_id)
            for trace in after - before[port_id]:
                dirty |= self._trace_added(trace, port_id)
        for port_id in affected:
            for trace in before[port_id] - self._traces_of(port_id):
                dirty |= self._trace_removed(trace, port_id)
        return dirty

    def _port_fragments(self, port_id: str) -> set[Fragment]:
        dirty: set[Fragment] = {("port", port_id)}
        dirty.update(("instance", instance_id) for instance_id in self._instances_here.using(port_id))
        return dirty

    def _trace_added(self, trace: Trace, port_id: str) -> set[Fragment]:
        is_first = trace not in self._traces
        dirty = self._rivals(trace)
        self._traces.add(trace, port_id)
        return dirty | (self._presence_changed(trace, True) if is_first else set())

    def _trace_removed(self, trace: Trace, port_id: str) -> set[Fragment]:
        self._traces.discard(trace, port_id)
        dirty = self._rivals(trace)
        return dirty | (self._presence_changed(trace, False) if trace not in self._traces else set())

    def _rivals(self, trace: Trace) -> set[Fragment]:
        """Other claimants of a MAC or an address: theirs is not the only claim any more, or is again."""
        return {("port", owner) for owner in self._traces.owners(trace)} if trace[0] in ("mac", "ip") else set()

    def _presence_changed(self, trace: Trace, is_there: bool) -> set[Fragment]:
        """The first port of a network came to a host, or the last one left."""
        edit = self._reach.add if is_there else self._reach.discard
        match trace:
            case ("at", network_id, host):
                edit(("hosts", network_id), host)
                edit(("networks", host), network_id)
                return {("network", network_id)}
            case ("here", network_id):
                edit(("here",), network_id)
                return self._settle_network(network_id)
        return set()

    # Networks

    def _settle_network(self, network_id: str) -> set[Fragment]:
        """Ask for a local VLAN or give it back, as the network is known and here, or not."""
        network = self.networks.get(network_id)
        dirty = self._network_fragments(network_id)
        if network is not None and ("here", network_id) in self._traces:
            self._local_vlans.want(network_id, network.created_at)
            return dirty
        for waiting in self._local_vlans.release(network_id):
            dirty |= self._network_fragments(waiting)
        return dirty

    def _network_fragments(self, network_id: str) -> set[Fragment]:
        """The network's own fragment and those of all its ports and their instances."""
        dirty: set[Fragment] = {("network", network_id)}
        dirty.update(("port", port_id) for port_id in self._traces.owners(("net", network_id)))
        return dirty | self._instance_fragments(network_id)

    def _instance_fragments(self, network_id: str) -> set[Fragment]:
        """Fragments of instances here with a port of this network."""
        ports = self._traces.owners(("here", network_id))
        return {("instance", item) for port_id in ports for item in self._instances_here.using(port_id)}

    def _change_network(self, network_id: str, new: Network | None) -> set[Fragment]:
        old = self.networks.pop(network_id, None)
        dirty: set[Fragment] = set()
        if old is not None:
            self._rows.discard(segment(old), network_id)
            dirty |= self._segment_rivals(old)
        if new is not None:
            dirty |= self._segment_rivals(new)
            self.networks[network_id] = new
            self._rows.add(segment(new), network_id)
        if old is None or new is None or old.created_at != new.created_at:
            return dirty | self._settle_network(network_id)
        if (segment(old), old.admin_state_up) != (segment(new), new.admin_state_up):
            return dirty | self._network_fragments(network_id)
        return self._instance_fragments(network_id) if old.mtu != new.mtu else set()

    def _segment_rivals(self, network: Network) -> set[Fragment]:
        """Fragments of other networks with the same segment, whose right to it may change."""
        rivals = [item for item in self._rows.owners(segment(network)) if item != network.id]
        return {fragment for rival in rivals for fragment in self._network_fragments(rival)}

    def _subnet_fragments(self, subnet: Subnet) -> set[Fragment]:
        return self._instance_fragments(subnet.network_id)

    def _mapping_fragments(self, old: Facts, new: Facts) -> set[Fragment]:
        """Provider bridges that came, went or changed their physical network, and the networks on them."""
        physical = {*old.bridge_mappings, *new.bridge_mappings}
        changed = {name for name in physical if provider_bridge(old, name) != provider_bridge(new, name)}
        bridges = {
            facts.bridge_mappings[name] for facts in (old, new) for name in changed if name in facts.bridge_mappings
        }
        dirty: set[Fragment] = {("provider", bridge) for bridge in bridges}
        if changed:
            networks = self.networks.values()
            dirty.update(("network", item.id) for item in networks if item.physical_network in changed)
        return dirty

    # Instances, hosts and plugs

    def _change_instance(self, instance_id: str, new: Instance | None) -> set[Fragment]:
        old = self.instances.get(instance_id)
        mine = [item for item in (old, new) if item is not None and self.is_mine(item)]
        rivals, ports = self._instances_here.affected_by(*mine)

        def change() -> None:
            self._instances_here.discard(instance_id)
            self.instances.pop(instance_id, None)
            if new is not None:
                self.instances[instance_id] = new
            if new is not None and self.is_mine(new):
                self._instances_here.put(new)

        dirty: set[Fragment] = {("instance", rival) for rival in {*rivals, instance_id}}
        return dirty | self._change_ports(sorted(ports), change)

    def _change_host(self, host_id: str, new: Host | None) -> set[Fragment]:
        old = self.hosts.pop(host_id, None)
        if new is not None:
            self.hosts[host_id] = new
        if old and new and (old.name, old.tunnel_ip) == (new.name, new.tunnel_ip):
            return set()
        self.tunnels.discard(host_id)
        if new is not None:
            self.tunnels.put(new)
        dirty: set[Fragment] = set()
        for item in (old, new):
            if item is not None:
                dirty.add(("tunnel", item.tunnel_ip))
                dirty |= self._fragments_at(item.name)
        return dirty

    def _fragments_at(self, host_name: str) -> set[Fragment]:
        """What depends on the tunnel to this host: the networks there and their ports there."""
        dirty: set[Fragment] = set()
        for network_id in self._reach.owners(("networks", host_name)):
            dirty.add(("network", network_id))
            dirty.update(("port", port_id) for port_id in self._traces.owners(("at", network_id, host_name)))
        return dirty

    def _change_plug(self, plug_id: str, new: Plug | None) -> set[Fragment]:
        old = self.plugs.get(plug_id)
        if old and new and (old.port_id, old.host) == (new.port_id, new.host):
            self.plugs[plug_id] = new
            return set()
        ports = [item.port_id for item in (old, new) if item is not None]

        def change() -> None:
            if old is not None:
                self._rows.discard(("plugs", old.port_id), plug_id)
                del self.plugs[plug_id]
            if new is not None:
                self._rows.add(("plugs", new.port_id), plug_id)
                self.plugs[plug_id] = new

        return self._change_ports(ports, change)
