"""The fragment engine: which function compiles which fragment, all of them, and only the dirty ones.

A fragment is the part of a HostState that one thing causes. Its resources follow from the view alone, never from what
was compiled before, and no two fragments give resources of the same key. So compiling the dirty fragments again gives
what compiling all of them would: a property test holds that.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from patchbay.compile.br_int import compile_foreign_port, compile_integration_bridge
from patchbay.compile.br_tun import compile_known_port, compile_tunnel, compile_tunnel_bridge, compile_vxlan_network
from patchbay.compile.connection_limits import compile_meters
from patchbay.compile.datapath import compile_attached_port, compile_datapath
from patchbay.compile.dhcp import compile_dhcp
from patchbay.compile.distributed import compile_routing_tables
from patchbay.compile.distributed_interface import compile_interface
from patchbay.compile.distributed_neighbour import compile_neighbour
from patchbay.compile.instance import compile_instance
from patchbay.compile.metadata import compile_metadata
from patchbay.compile.port_delivery import compile_delivery, compile_local_ports
from patchbay.compile.port_security import compile_secured_port
from patchbay.compile.provider import compile_provider, compile_provider_network
from patchbay.compile.router import compile_router
from patchbay.compile.security_groups_connections import compile_connections
from patchbay.compile.security_groups_rules import compile_conjunction, compile_remote, compile_rule_set
from patchbay.compile.security_groups_tables import compile_security_tables
from patchbay.compile.view import Fragment, HostView
from patchbay.hoststate import HostState, Key, Resource
from patchbay.model.network import FLAT, VLAN, VXLAN


def compile_fragment(view: HostView, fragment: Fragment) -> tuple[Resource, ...]:
    """The resources that this fragment causes now; none if what it is named after is not there."""
    return tuple(COMPILE[fragment[0]](view, *fragment[1:]))


def _compile_host(view: HostView) -> Iterable[Resource]:
    bridges = (*compile_integration_bridge(view.facts), *compile_tunnel_bridge(view.facts))
    return (*bridges, *compile_routing_tables(view), *compile_security_tables(view))


def _compile_network(view: HostView, network_id: str) -> Iterable[Resource]:
    network = view.networks.get(network_id)
    if network is None:
        return ()
    if network.network_type == VXLAN:
        return compile_vxlan_network(view, network)
    return compile_provider_network(view, network) if network.network_type in (VLAN, FLAT) else ()


def _compile_port(view: HostView, port_id: str) -> Iterator[Resource]:
    yield from compile_foreign_port(view, port_id)
    if port_id in view.ports:
        yield from compile_attached_port(view, view.ports[port_id])
        yield from compile_known_port(view, view.ports[port_id])
        yield from compile_secured_port(view, view.ports[port_id])
        yield from compile_delivery(view, view.ports[port_id])
        yield from compile_meters(view, view.ports[port_id])
        yield from compile_neighbour(view, view.ports[port_id])
        yield from compile_interface(view, view.ports[port_id])


def _compile_instance(view: HostView, instance_id: str) -> Iterable[Resource]:
    instance = view.instances.get(instance_id)
    return compile_instance(view, instance) if instance else ()


COMPILE: Mapping[str, Callable[..., Iterable[Resource]]] = {
    "host": _compile_host,
    "tunnel": compile_tunnel,
    "provider": compile_provider,
    "datapath": compile_datapath,
    "network": _compile_network,
    "port": _compile_port,
    "instance": _compile_instance,
    "dhcp": compile_dhcp,
    "router": compile_router,
    "metadata": compile_metadata,
    "local-ports": compile_local_ports,
    "ruleset": compile_rule_set,
    "connections": compile_connections,
    "conjunction": compile_conjunction,
    "remote": compile_remote,
}
"""The first word of a fragment, and the function that compiles it; the other words are its arguments."""


def compile_all(view: HostView) -> HostState:
    """Everything that this host should have."""
    compiled = Compiled(view)
    compiled.refresh(view.fragments())
    return compiled.state


class Compiled:
    """The desired state of a host, kept up to date fragment by fragment."""

    def __init__(self, view: HostView) -> None:
        self.view = view
        self.state: dict[Key, Resource] = {}
        self._keys: dict[Fragment, tuple[Key, ...]] = {}

    def refresh(self, dirty: Iterable[Fragment]) -> set[Key]:
        """Compile these fragments again. Returns the keys of resources that are new, different or gone."""
        changed: set[Key] = set()
        removed: set[Key] = set()
        fresh = {fragment: compile_fragment(self.view, fragment) for fragment in dirty}
        for fragment in fresh:
            removed.update(self._keys.pop(fragment, ()))
        for fragment, resources in fresh.items():
            keys = []
            for resource in resources:
                key = resource.key
                keys.append(key)
                removed.discard(key)
                known = self.state.get(key)
                if known is not resource and known != resource:
                    self.state[key] = resource
                    changed.add(key)
            if keys:
                self._keys[fragment] = tuple(keys)
        for key in removed:
            self.state.pop(key, None)
        return changed | removed

    def resources(self, fragment: Fragment) -> Iterator[Resource]:
        """What this fragment causes now."""
        return (self.state[key] for key in self._keys.get(fragment, ()))
