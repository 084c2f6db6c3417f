"""HostView: the knowledge of one host, kept up to date, and which fragments a change makes dirty.

The agent (and ``patchbay plan``) puts intent values and facts in; the compile modules ask it questions. Values may
come in any order, twice, or with what they refer to missing: every answer follows from what is there now. Indexes make
one more port among ten thousand cost what it costs among ten.
"""

from collections.abc import Callable, Iterable
from typing import Any, cast

from patchbay.compile.attachments import find_attachments
from patchbay.compile.distribution import NETWORK, ROUTER, claims_of
from patchbay.compile.facts import Facts, identity
from patchbay.compile.index import Trace
from patchbay.compile.knowledge import (
    CLAIMS,
    HOST,
    METADATA,
    ROUTER_PORTS,
    SERVICE_PORTS,
    Fragment,
    Value,
    is_link,
)
from patchbay.compile.local_vlans import LocalVlans
from patchbay.compile.port_traces import plugging, traces_anywhere, traces_of_floatingip
from patchbay.compile.security_groups import Value as SecurityValue
from patchbay.compile.security_knowledge import SecurityKnowledge
from patchbay.compile.segment import provider_bridge, segment
from patchbay.model import (
    AddressGroup,
    FloatingIP,
    Host,
    Instance,
    Network,
    Plug,
    Port,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    VnetObject,
)
from patchbay.model.port import DHCP_SERVER
from patchbay.model.router import FLOATING_GATEWAY, ROUTER_INTERFACES
from patchbay.model.vnet import DATAPATH


class HostView(SecurityKnowledge):
    """What changed, and what follows from it."""

    def put(self, value: Value) -> set[Fragment]:
        """There is such a value, new or changed. Returns the fragments to compile again."""
        return self._change(value, value)

    def remove(self, value: Value) -> set[Fragment]:
        """There is no such value any more. Returns the fragments to compile again."""
        return self._change(value, None)

    def _change(self, value: Value, new: Value | None) -> set[Fragment]:
        match value:
            case Port(id=port_id):
                ports = [port_id, *self._namesakes(self.ports.get(port_id), cast(Port | None, new))]
                dirty = self._change_ports(ports, lambda: _store(self.ports, port_id, new))
            case Network(id=network_id):
                dirty = self._change_network(network_id, cast(Network | None, new))
            case Subnet(id=subnet_id):
                dirty = self._change_subnet(subnet_id, cast(Subnet | None, new))
            case Instance(id=instance_id):
                dirty = self._change_instance(instance_id, cast(Instance | None, new))
            case Host(id=host_id):
                dirty = self._change_host(host_id, cast(Host | None, new))
            case Plug(id=plug_id):
                dirty = self._change_plug(plug_id, cast(Plug | None, new))
            case Router(id=router_id):
                dirty = self._change_router(router_id, cast(Router | None, new))
            case FloatingIP(id=floatingip_id):
                dirty = self._change_floatingip(floatingip_id, cast(FloatingIP | None, new))
            case VnetObject(id=object_id):
                _store(self.datapaths, object_id, new if value.kind == DATAPATH else None)
                dirty = self._change_attachments()
            case SecurityGroup() | SecurityGroupRule() | AddressGroup():
                dirty = self._change_security(value, cast(SecurityValue | None, new))
        return dirty | self._settle_distribution()

    def set_facts(self, facts: Facts) -> set[Fragment]:
        """The machine is like this now. Returns the fragments to compile again."""
        old = self.facts
        if identity(old) != identity(facts):
            before = set(self.fragments())
            self._rebuild(facts)
            return before | set(self.fragments())
        self._local_vlans.shown = facts.local_vlans
        dirty = self._mapping_fragments(old, facts)
        changed = [key for key in {*old.plugged, *facts.plugged} if old.plugged.get(key) != facts.plugged.get(key)]
        dirty |= self._change_ports(changed, lambda: setattr(self, "facts", facts))
        dirty |= self._change_attachments()
        return dirty | self._settle_distribution()

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

    # Ports

    def _traces_of(self, port_id: str) -> set[Trace]:
        """What this port leaves in the indexes, given everything else as it is now."""
        port = self.ports.get(port_id)
        if port is None:
            return set()
        network_id = port.network_id
        traces = traces_anywhere(port) | self._security_traces(port)
        if attached := self.attached(port_id):
            traces.add(("attached", attached[0]))
        if self.is_here(port):
            traces.add(("here", network_id))
            if is_link(port):
                traces |= claims_of(port)
            elif port.device_owner != FLOATING_GATEWAY:
                traces.add(("base", network_id))
            if port.device_owner == DHCP_SERVER and port.host == self.facts.host:
                traces.add(("dhcp", network_id))
            elif self.is_of_router(port):
                traces.add(("router", port.device_id))
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
        port = self.ports.get(port_id)
        floating = (item.router_id for item in self.floatingips_to(port_id))
        dirty.update(("router", router_id) for router_id in floating if router_id and router_id in self.distribution)
        return dirty | self._service_fragments(port) | self._security_fragments(port) if port else dirty

    def _service_fragments(self, port: Port) -> set[Fragment]:
        """What serves this port here, and what it is a part of."""
        dirty: set[Fragment] = set()
        if ("dhcp", port.network_id) in self._traces:
            dirty.add(("dhcp", port.network_id))
            if port.device_owner in (DHCP_SERVER, *ROUTER_INTERFACES):
                dirty.add(METADATA)
        if port.device_owner in ROUTER_PORTS and (self.is_here(port) or port.device_owner == FLOATING_GATEWAY):
            dirty.add(("router", port.device_id))
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
        """Other claimants of a MAC or an address: theirs is not the only or first claim any more, or is again."""
        if trace[0] not in CLAIMS or trace not in self._traces:
            return set()
        return {("port", owner) for owner in self._traces.owners(trace)}

    def _presence_changed(self, trace: Trace, is_there: bool) -> set[Fragment]:
        """The first port of a network came to a host, or the last one left."""
        edit = self._reach.add if is_there else self._reach.discard
        if trace[0] in ("here", "joins"):
            self._needed = None
        match trace:
            case ("at", network_id, host):
                edit(("hosts", network_id), host)
                edit(("networks", host), network_id)
                return {("network", network_id)}
            case ("here", network_id):
                edit(("here",), network_id)
                return self._settle_network(network_id)
            case ("attached", bridge):
                return {("datapath", bridge)}
            case (("dhcp" | "router") as service, service_id):
                if service == "dhcp":
                    edit(("dhcp",), service_id)
                return {(service, service_id), METADATA}
            case ("base", network_id):
                self.distribution.note((NETWORK, network_id))
            case ("link", router_id, network_id):
                self.distribution.note((NETWORK, network_id), (ROUTER, router_id))
        return self._security_presence(trace, is_there)

    # Distributed routers

    def _settle_distribution(self) -> set[Fragment]:
        """Distributed routers come and leave, and with them their networks."""
        turned, looked_at = self.distribution.take_turned()
        ports = sorted({port_id for router_id in turned for port_id in self._traces.owners(("device", router_id))})
        dirty = self._change_ports(ports, lambda: self.distribution.turn(turned)) if turned else set()
        self._needed = None if turned else self._needed
        for network_id in self.distribution.settle(looked_at):
            dirty |= self._network_fragments(network_id)
        return dirty.union(*({("router", router_id), METADATA, HOST} for router_id in turned))

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
        dirty: set[Fragment] = {("network", network_id), ("local-ports", network_id)}
        dirty.update(("port", port_id) for port_id in self._traces.owners(("net", network_id)))
        return dirty | self._instance_fragments(network_id)

    def _instance_fragments(self, network_id: str) -> set[Fragment]:
        """Fragments of instances and services here with a port of this network."""
        ports = self._traces.owners(("here", network_id))
        dirty = {("instance", item) for port_id in ports for item in self._instances_here.using(port_id)}
        services = (port_id for port_id in ports if self.ports[port_id].device_owner in SERVICE_PORTS)
        return dirty.union(*(self._service_fragments(self.ports[port_id]) for port_id in services))

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
        return self._instance_fragments(network_id) if (old.mtu, old.dns_domain) != (new.mtu, new.dns_domain) else set()

    def _segment_rivals(self, network: Network) -> set[Fragment]:
        """Fragments of other networks with the same segment, whose right to it may change."""
        rivals = [item for item in self._rows.owners(segment(network)) if item != network.id]
        return {fragment for rival in rivals for fragment in self._network_fragments(rival)}

    def _change_subnet(self, subnet_id: str, new: Subnet | None) -> set[Fragment]:
        old = self.subnets.get(subnet_id)
        if old is not None:
            self._parts.discard(("subnets", old.network_id), subnet_id)
        _store(self.subnets, subnet_id, new)
        if new is not None:
            self._parts.add(("subnets", new.network_id), subnet_id)
        networks = {subnet.network_id for subnet in (old, new) if subnet is not None}
        return {fragment for network_id in networks for fragment in self._instance_fragments(network_id)}

    def _change_router(self, router_id: str, new: Router | None) -> set[Fragment]:
        """What is plugged here follows from the router, too."""
        old = self.routers.get(router_id)
        ports = list(self._traces.owners(("device", router_id)) if plugging(old) != plugging(new) else ())
        if ports:
            networks = (self.ports[port_id].network_id for port_id in ports)
            self.distribution.note((ROUTER, router_id), *((NETWORK, network_id) for network_id in networks))
        dirty = self._change_ports(sorted(ports), lambda: _store(self.routers, router_id, new))
        self._needed = None
        return {*dirty, ("router", router_id), METADATA}

    def _change_floatingip(self, floatingip_id: str, new: FloatingIP | None) -> set[Fragment]:
        old = self.floatingips.get(floatingip_id)
        for trace in traces_of_floatingip(old):
            self._parts.discard(trace, floatingip_id)
        _store(self.floatingips, floatingip_id, new)
        for trace in traces_of_floatingip(new):
            self._parts.add(trace, floatingip_id)
        return {("router", item.router_id) for item in (old, new) if item is not None and item.router_id}

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
            for item in networks:
                dirty |= self._network_fragments(item.id) if item.physical_network in changed else set()
        return dirty

    # Registered bridges

    def _namesakes(self, *ports: Port | None) -> set[str]:
        """Ids of the ports that name the interface of one of these: it may become theirs, or is theirs no more."""
        return {owner for port in ports if port for owner in self._traces.owners(("named", port.interface_name))}

    def _change_attachments(self) -> set[Fragment]:
        """Bridges were registered or came, or interfaces on them did, or not any more."""
        new = find_attachments(self.facts, self.datapaths.values())
        bridges, interfaces = self.attachments.differences(new)
        ports = {port_id for name in interfaces for port_id in self._traces.owners(("named", name))}
        dirty = self._change_ports(sorted(ports), lambda: setattr(self, "attachments", new))
        return dirty | {("datapath", bridge) for bridge in bridges}

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
        at_home = (router_id for router_id in self.distribution.here if self.routers[router_id].host == host_name)
        return dirty | {("router", router_id) for router_id in at_home}

    def _change_plug(self, plug_id: str, new: Plug | None) -> set[Fragment]:
        old = self.plugs.get(plug_id)
        if old and new and (old.port_id, old.host) == (new.port_id, new.host):
            self.plugs[plug_id] = new
            return set()
        ports = [item.port_id for item in (old, new) if item is not None]

        def change() -> None:
            if old is not None:
                self._rows.discard(("plugs", old.port_id), plug_id)
            if new is not None:
                self._rows.add(("plugs", new.port_id), plug_id)
            _store(self.plugs, plug_id, new)

        return self._change_ports(ports, change)


def _store(table: dict[str, Any], key: str, value: object) -> None:
    """Put it there, or take away what is there."""
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value


__all__ = ["HOST", "METADATA", "Fragment", "HostView", "Value"]
