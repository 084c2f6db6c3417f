"""L3_LOOKUP and NEXT_HOP: the routes of a distributed router as flows, the longest prefix first.

The priority of a flow in L3_LOOKUP is 2 and twice the prefix length, and 1 more if the network is connected. The
default route has none: the table's last flow (0) leads to GATEWAY.
"""

import ipaddress
from collections.abc import Iterator, Sequence

import msgspec

from patchbay.compile import names
from patchbay.compile.leg import Leg, flow
from patchbay.compile.pipeline import GATEWAY, L3_LOOKUP, NEIGHBOUR, NEXT_HOP
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
        actions = _onward(Hop(leg, None), network.version, largest)
        yield flow(L3_LOOKUP, _priority(network) + 1, _destination(number, network), actions)
    outside = gateway(ports)
    if outside is not None and view.is_home(router):
        for own, _ in outside.addresses:
            match = _destination(number, own.network)
            yield flow(L3_LOOKUP, _priority(own.network) + 1, match, f"resubmit(,{GATEWAY})")
    for index, (destination, hops) in enumerate(sorted(_extra(router, legs, ports).items(), key=str)):
        match = _destination(number, destination)
        if not hops:
            if router.gateway_port_id is not None:
                yield flow(L3_LOOKUP, _priority(destination), match, f"resubmit(,{GATEWAY})")
        elif len(hops) == 1:
            yield flow(L3_LOOKUP, _priority(destination), match, _onward(hops[0], destination.version, largest))
        else:
            yield flow(L3_LOOKUP, _priority(destination), match, _choose(index, len(hops)))
            for choice, hop in enumerate(hops):
                chosen = f"{_keyword(destination)},reg4={index << 16 | choice:#x},{number}"
                yield flow(NEXT_HOP, 1, chosen, _onward(hop, destination.version, largest))


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
    return 2 + 2 * network.prefixlen


def _keyword(network: Network) -> str:
    return "ip" if network.version == 4 else "ipv6"


def _destination(number: str, network: Network) -> str:
    """The match of a destination, as Open vSwitch prints it."""
    keyword, field = ("ip", "nw_dst") if network.version == 4 else ("ipv6", "ipv6_dst")
    if not network.prefixlen:
        return f"{keyword},{number}"
    whole = network.prefixlen == network.max_prefixlen
    return f"{keyword},{number},{field}={network.network_address if whole else network}"
