"""L3_LOOKUP and NEXT_HOP: the routes of a distributed router as flows, the longest prefix first.

The priority of a flow in L3_LOOKUP is 4 and four times the prefix length, 2 more if the network is connected, and 1
more for fragments where they go another way. The default route has none: the table's last flow (0) leads to GATEWAY.
"""

import ipaddress
from collections.abc import Iterator, Sequence

import msgspec

from patchbay.compile import names
from patchbay.compile.leg import Leg, flow
from patchbay.compile.pipeline import GATEWAY, L3_LOOKUP, NEIGHBOUR, NEXT_HOP, SLOW_PATH
from patchbay.compile.responder import load_ipv6
from patchbay.compile.router_ports import RouterPort, gateway
from patchbay.compile.view import HostView
from patchbay.hoststate import Flow
from patchbay.model import Router

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

ETHERNET_BYTES = 14
MOST_PATHS = 64
"""Paths of one destination beyond these are left out."""


class Hop(msgspec.Struct, frozen=True):
    """Out by this leg, to the next hop, or (None) to the destination itself."""

    leg: Leg
    next_hop: Address | None


def compile_lookup(view: HostView, router: Router, legs: Sequence[Leg], ports: Sequence[RouterPort]) -> Iterator[Flow]:
    """The flows of both tables for one router."""
    number = f"metadata={names.router_number(router.id):#x}"
    largest = max((leg.network.mtu for leg in legs), default=0)
    for leg, network in _connected(legs, ports):
        yield from _route(number, network, [Hop(leg, None)], largest, priority=_priority(network) + 2)
    outside = gateway(ports)
    if outside is not None and view.is_home(router):
        for own, _ in outside.addresses:
            match = _destination(number, own.network)
            yield flow(L3_LOOKUP, _priority(own.network) + 2, match, f"resubmit(,{GATEWAY})")
    for index, (destination, hops) in enumerate(sorted(_extra(router, legs, ports).items(), key=str), 1):
        priority = _priority(destination)
        if hops:
            yield from _route(number, destination, hops, largest, priority=priority, index=index)
        elif router.gateway_port_id is not None:
            yield flow(L3_LOOKUP, priority, _destination(number, destination), f"resubmit(,{GATEWAY})")


def _route(
    number: str, destination: Network, hops: Sequence[Hop], largest_mtu: int, *, priority: int, index: int = 0
) -> Iterator[Flow]:
    """One route. Where a packet may be too large for the network, all fragments go to the kernel, which puts them
    together: it must not miss those that are small enough."""
    match = _destination(number, destination)
    if any(hop.leg.network.mtu < largest_mtu for hop in hops):
        yield flow(L3_LOOKUP, priority + 1, f"{match},nw_frag=yes", f"resubmit(,{SLOW_PATH})")
    if len(hops) == 1:
        yield flow(L3_LOOKUP, priority, match, _onward(hops[0], destination.version, largest_mtu))
        return
    yield flow(L3_LOOKUP, priority, match, _choose(index, len(hops)))
    for choice, hop in enumerate(hops):
        chosen = f"{_keyword(destination)},reg4={index << 16 | choice:#x},{number}"
        yield flow(NEXT_HOP, 1, chosen, _onward(hop, destination.version, largest_mtu))


def _connected(legs: Sequence[Leg], ports: Sequence[RouterPort]) -> Iterator[tuple[Leg, Network]]:
    """The legs with their subnets."""
    by_port = {port.port.id: port for port in ports}
    for leg in legs:
        for own, _ in by_port[leg.port.id].addresses:
            yield leg, own.network


def _extra(router: Router, legs: Sequence[Leg], ports: Sequence[RouterPort]) -> dict[Network, list[Hop]]:
    """The extra routes by destination, each with the next hops on connected networks.

    One without any may work at home, where the external network is connected, too. A next hop that is the router's own
    address leads straight onto its network.
    """
    connected = list(_connected(legs, ports))
    own = {str(own.ip) for port in ports for own, _ in port.addresses}
    found: dict[Network, list[Hop]] = {}
    for route in sorted(router.routes, key=lambda route: (route.destination, route.nexthop)):
        try:
            destination, next_hop = ipaddress.ip_network(route.destination), ipaddress.ip_address(route.nexthop)
        except ValueError:
            continue
        if destination.version != next_hop.version:
            continue
        hops = found.setdefault(destination, [])
        leg = next((leg for leg, network in connected if next_hop in network), None)
        if leg is not None and len(hops) < MOST_PATHS:
            hops.append(Hop(leg, None if str(next_hop) in own else next_hop))
    return found


def _onward(hop: Hop, version: int, largest_mtu: int) -> str:
    """Registers for NEIGHBOUR; what may be too large for the network is measured."""
    leg = hop.leg
    parts = [f"load:{leg.local_vlan:#x}->NXM_NX_REG7[]", f"mod_dl_src:{leg.mac}"]
    if hop.next_hop is None:
        field, register = ("NXM_OF_IP_DST", "NXM_NX_REG0") if version == 4 else ("NXM_NX_IPV6_DST", "NXM_NX_XXREG0")
        parts.append(f"move:{field}[]->{register}[]")
    elif isinstance(hop.next_hop, ipaddress.IPv6Address):
        parts.append(load_ipv6("NXM_NX_XXREG0", hop.next_hop))
    else:
        parts.append(f"load:{int(hop.next_hop):#x}->NXM_NX_REG0[]")
    if leg.network.mtu < largest_mtu:
        parts.append(f"check_pkt_larger({leg.network.mtu + ETHERNET_BYTES})->NXM_NX_REG5[0]")
    return ",".join([*parts, f"resubmit(,{NEIGHBOUR})"])


def _choose(index: int, paths: int) -> str:
    """The route's number into the upper half of reg4, and a path, the same for all packets of a connection."""
    return (
        f"load:{index:#x}->NXM_NX_REG4[16..31],multipath(symmetric_l3l4+udp,0,hrw,{paths},0,NXM_NX_REG4[0..15]),"
        f"resubmit(,{NEXT_HOP})"
    )


def _priority(network: Network) -> int:
    return 4 + 4 * network.prefixlen


def _keyword(network: Network) -> str:
    return "ip" if network.version == 4 else "ipv6"


def _destination(number: str, network: Network) -> str:
    """The match of a destination, as Open vSwitch prints it."""
    keyword, field = ("ip", "nw_dst") if network.version == 4 else ("ipv6", "ipv6_dst")
    if not network.prefixlen:
        return f"{keyword},{number}"
    whole = network.prefixlen == network.max_prefixlen
    return f"{keyword},{number},{field}={network.network_address if whole else network}"
