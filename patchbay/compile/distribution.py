"""Which distributed routers are on a host: those that reach something there.

A distributed router forwards wherever one of its networks has an ordinary port. What it forwards may next meet another
distributed router, which must then be there too. So networks and distributed routers, joined by interfaces, form
components, and a router is here if its component has a network with an ordinary port here, or a router whose home
(where its gateway is) is this host. Called by ``HostView``; a change costs as much as the component that it is in.
"""

from collections.abc import Callable, Iterable

from patchbay.compile.index import Trace
from patchbay.model import Port

NETWORK, ROUTER = "network", "router"
Node = tuple[str, str]
"""(NETWORK, id) or (ROUTER, id)"""


def claims_of(port: Port) -> set[Trace]:
    """What an interface of a distributed router answers for on its network: its MAC and its addresses."""
    addresses = {("link-ip", port.network_id, fixed.ip_address) for fixed in port.fixed_ips}
    return {("link-mac", port.network_id, port.mac_address), *addresses}


class Distribution:
    """``neighbours`` gives the nodes that a node is joined to now, ``anchors`` whether one is to be reached here."""

    def __init__(self, neighbours: Callable[[Node], Iterable[Node]], anchors: Callable[[Node], bool]) -> None:
        self._neighbours = neighbours
        self._anchors = anchors
        self._here: set[str] = set()
        self._on: dict[str, frozenset[str]] = {}
        self._unsettled: set[Node] = set()

    @property
    def here(self) -> frozenset[str]:
        """Ids of the distributed routers here."""
        return frozenset(self._here)

    def __contains__(self, router_id: str) -> bool:
        return router_id in self._here

    def on(self, network_id: str) -> frozenset[str]:
        """Ids of the distributed routers here that join this network."""
        return self._on.get(network_id, frozenset())

    def note(self, *nodes: Node) -> None:
        """Something about these has changed: their neighbours, or what they anchor."""
        self._unsettled.update(nodes)

    def take_turned(self) -> tuple[set[str], set[Node]]:
        """Routers that came here or left, and all nodes that were looked at, since the last call."""
        noted, self._unsettled = self._unsettled, set()
        turned: set[str] = set()
        seen: set[Node] = set()
        for node in noted:
            if node in seen:
                continue
            component = self._component(node)
            seen |= component
            is_here = any(self._anchors(each) for each in component)
            for kind, router_id in component:
                is_joined = is_here and kind == ROUTER and any(self._neighbours((kind, router_id)))
                if kind == ROUTER and (router_id in self._here) != is_joined:
                    turned.add(router_id)
        return turned, seen

    def turn(self, router_ids: Iterable[str]) -> None:
        """These came, if they were not here, or left."""
        self._here.symmetric_difference_update(router_ids)

    def settle(self, nodes: Iterable[Node]) -> set[str]:
        """Ids of those networks among the nodes that other routers join now than when last asked."""
        changed = set()
        for kind, network_id in nodes:
            if kind != NETWORK:
                continue
            found = (each for kind, each in self._neighbours((NETWORK, network_id)) if kind == ROUTER)
            joined = frozenset(each for each in found if each in self._here)
            if joined != self.on(network_id):
                changed.add(network_id)
                self._on.pop(network_id, None)
                if joined:
                    self._on[network_id] = joined
        return changed

    def _component(self, start: Node) -> set[Node]:
        found, waiting = {start}, [start]
        while waiting:
            for node in self._neighbours(waiting.pop()):
                if node not in found:
                    found.add(node)
                    waiting.append(node)
        return found


__all__ = ["NETWORK", "ROUTER", "Distribution", "Node", "claims_of"]
