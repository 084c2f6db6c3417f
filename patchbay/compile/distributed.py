"""Routing in flows: what a distributed router does in br-int on every host where it is here.

The fast path. A packet for the router's MAC comes to ROUTER_ADDRESSES with the router's number in metadata and the
local VLAN of its network in reg6, and leaves from NEIGHBOUR rewritten. What flows cannot do (errors, fragments, unknown
neighbours, translation) they hand unchanged to the router's namespace here, the slow path: SLOW_PATH. What has no
route but the default one goes from other hosts to the router's home, over the network that it came from.

The flows that a port needs are in ``distributed_interface`` and ``distributed_neighbour``.
"""

from collections.abc import Iterator, Sequence

from patchbay.compile import names
from patchbay.compile.distributed_floating import compile_ways_out
from patchbay.compile.distributed_interface import GUARD
from patchbay.compile.distributed_routes import compile_lookup
from patchbay.compile.leg import Leg, addresses, flow, leg_of
from patchbay.compile.pipeline import (
    ARP_SPOOF,
    DELIVERY,
    GATEWAY,
    L3_LOOKUP,
    LOCAL_SWITCHING,
    NEIGHBOUR,
    NEXT_HOP,
    ROUTED,
    ROUTED_OUT,
    ROUTER_ADDRESSES,
    ROUTER_ND,
    SLOW_PATH,
    TRANSIENT,
    UCAST_TO_TUN,
)
from patchbay.compile.provider import UNTAGGED
from patchbay.compile.responder import ECHO_REPLY, ECHO_REPLY_V6, link_local, load_ipv6
from patchbay.compile.router_ports import RouterPort
from patchbay.compile.view import HostView
from patchbay.hoststate import Flow, Resource
from patchbay.model import Router

_TO_SLOW_PATH = f"resubmit(,{SLOW_PATH})"
_LINK_LOCAL = ("ip,nw_dst=169.254.0.0/16", "ipv6,ipv6_dst=fe80::/10", "ipv6,ipv6_src=fe80::/10")
"""169.254.169.254 is the metadata server; nothing link-local is forwarded (RFC 3927, 7; RFC 4291, 2.5.6)."""
_MARTIAN = (
    *(
        f"ip,{field}={network}"
        for field in ("nw_src", "nw_dst")
        for network in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3")
    ),
    *(f"ipv6,{field}={network}" for field in ("ipv6_src", "ipv6_dst") for network in ("::/16", "ff00::/8")),
)
"""Addresses of nobody, of the machine itself, and of many: the kernel knows which of them it must not forward (RFC
1812, 5.3.7; RFC 4291, 2.5 and 2.7)."""


def compile_routing_tables(view: HostView) -> list[Resource]:
    """What all routers share, if a distributed one is here; each table drops what it knows nothing of."""
    if not view.distribution.here:
        return []
    lifeless = (f"{version},nw_ttl={ttl}" for version in ("ip", "ipv6") for ttl in (0, 1))
    return [
        flow(ARP_SPOOF, 0, "", f"resubmit(,{ROUTED})"),
        flow(ROUTED, 0, "", f"resubmit(,{TRANSIENT})" if view.has_secured_ports() else "NORMAL"),
        flow(DELIVERY, 0, "", "NORMAL"),
        *(flow(ROUTER_ADDRESSES, 10, match, _TO_SLOW_PATH) for match in (*_LINK_LOCAL, *_MARTIAN)),
        *(flow(ROUTER_ADDRESSES, 1, version, f"resubmit(,{L3_LOOKUP})") for version in ("ip", "ipv6")),
        flow(ROUTER_ADDRESSES, 0, "", _TO_SLOW_PATH),
        flow(L3_LOOKUP, 0, "", f"resubmit(,{GATEWAY})"),
        flow(NEIGHBOUR, 100, "reg5=0x1/0x1", _TO_SLOW_PATH),
        *(flow(NEIGHBOUR, 90, match, _TO_SLOW_PATH) for match in lifeless),
        flow(NEIGHBOUR, 0, "", _TO_SLOW_PATH),
        flow(GATEWAY, 0, "", _TO_SLOW_PATH),
        *(flow(table, 0, "", "drop") for table in (ROUTER_ND, NEXT_HOP, ROUTED_OUT, SLOW_PATH)),
    ]


def compile_distributed(view: HostView, router: Router, ports: Sequence[RouterPort]) -> list[Resource]:
    """The flows of one router here. Of two interfaces on one network the first of each IP version is the way for both:
    the kernel answers with an address of the device that was asked."""
    legs = [leg for port in ports if (leg := leg_of(view, port.port)) is not None]
    flows: dict[tuple[str, ...], Resource] = {}
    for item in _flows(view, router, legs, ports):
        flows.setdefault(item.key, item)
    return list(flows.values())


def _flows(view: HostView, router: Router, legs: Sequence[Leg], ports: Sequence[RouterPort]) -> Iterator[Flow]:
    number = f"metadata={names.router_number(router.id):#x}"
    for leg in legs:
        network = f"reg6={leg.local_vlan:#x},{number}"
        hand_over = f"mod_dl_dst:{leg.own_mac},output:{leg.device}"
        yield flow(SLOW_PATH, 1, network, hand_over)
        for version in leg.versions:
            yield flow(SLOW_PATH, 2, f"{version},{network}", hand_over)
            yield from _homeward(view, router, leg, f"{version},{network}")
        if leg.trunk is not None:
            actions = f"mod_dl_src:{leg.own_mac},mod_vlan_vid:{leg.local_vlan},output:{leg.trunk.name}"
            yield flow(ROUTED_OUT, 1, f"reg7={leg.local_vlan:#x},{number}", actions)
        yield from _device(leg)
        yield from _own_addresses(leg, number)
    yield from compile_lookup(view, router, legs, ports)
    yield from compile_ways_out(view, router)


def _own_addresses(leg: Leg, number: str) -> Iterator[Flow]:
    """Echo requests to any address of the router are answered where they come in. The kernel has what is fragmented,
    and what has come by way of another router, since the answer must be routed."""
    for address in [*addresses(leg.port), *([link_local(leg.mac)] if leg.has_ipv6 else [])]:
        ip, nw_dst, echo, icmp_type, reply = _ECHO[address.version]
        match = f"{echo},reg5=0/0x2,{number},{nw_dst}={address},nw_frag=no,icmp_type={icmp_type},icmp_code=0"
        yield flow(ROUTER_ADDRESSES, 20, match, f"{reply},IN_PORT")
        yield flow(ROUTER_ADDRESSES, 15, f"{ip},{number},{nw_dst}={address}", _TO_SLOW_PATH)


_ECHO = {4: ("ip", "nw_dst", "icmp", 8, ECHO_REPLY), 6: ("ipv6", "ipv6_dst", "icmp6", 128, ECHO_REPLY_V6)}


def _device(leg: Leg) -> Iterator[Flow]:
    """What the device in the namespace says and hears.

    It asks like one that has no address yet (RFC 5227, RFC 4861), so that no neighbour takes this host's own MAC for
    the router's; and it advertises the interface's MAC, which its neighbours shall use. What is for it comes to it,
    whoever else sends frames with its MAC.
    """
    own = f"in_port={leg.device}"
    yield flow(
        LOCAL_SWITCHING, 5, f"{own},{UNTAGGED}", f"load:{leg.local_vlan:#x}->NXM_NX_REG6[],resubmit(,{DELIVERY})"
    )
    for table in (ROUTED, DELIVERY):
        yield flow(table, 2, f"reg6={leg.local_vlan:#x},dl_dst={leg.own_mac}", f"output:{leg.device}")
    yield flow(LOCAL_SWITCHING, GUARD, f"arp,{own},arp_op=1", "load:0->NXM_OF_ARP_SPA[],NORMAL")
    if leg.trunk is not None:
        actions = f"{leg.trunk.untag}output:{leg.device}"
        yield flow(LOCAL_SWITCHING, GUARD, f"{leg.trunk.arriving},dl_dst={leg.own_mac}", actions)
    if not leg.has_ipv6:
        return
    advertised = f"mod_dl_src:{leg.mac},{load_ipv6('NXM_NX_IPV6_SRC', link_local(leg.mac))},NORMAL"
    yield flow(LOCAL_SWITCHING, GUARD, f"icmp6,{own},icmp_type=134", advertised)
    hidden = f"{load_ipv6('NXM_NX_IPV6_SRC', link_local(leg.own_mac))},NORMAL"
    for address in addresses(leg.port):
        if address.version == 6:
            yield flow(LOCAL_SWITCHING, GUARD, f"icmp6,{own},ipv6_src={address},icmp_type=135", hidden)


def _homeward(view: HostView, router: Router, leg: Leg, packets: str) -> Iterator[Flow]:
    """From another host to the router's home, if it has a gateway there: to the home's own MAC on the same network."""
    if leg.trunk is None or view.is_home(router) or not router.host or router.gateway_port_id is None:
        return
    home_mac = names.router_mac(router.host, leg.port.id)
    rewrite = f"mod_dl_src:{leg.own_mac},mod_dl_dst:{home_mac},mod_vlan_vid:{leg.local_vlan}"
    yield flow(GATEWAY, 1, packets, f"{rewrite},output:{leg.trunk.name}")
    tunnel = view.tunnel_port(router.host)
    if not leg.trunk.bridge and tunnel is not None:
        match = f"dl_vlan={leg.local_vlan},dl_dst={home_mac}"
        actions = f"strip_vlan,set_tunnel:{leg.network.segmentation_id:#x},output:{tunnel}"
        yield Flow(bridge=names.BR_TUN, table=UCAST_TO_TUN, priority=2, match=match, actions=actions)
