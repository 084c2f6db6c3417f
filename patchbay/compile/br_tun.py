"""The tunnel bridge: tables 0, 2, 3, 4, 6, 10, 20 and 22 of seed 002, and what intent adds to them.

The seed learns where everybody is by flooding. Here table 20 also knows the ports of other hosts from intent
(priority 2, above what is learned at 1), table 21 answers for their addresses, and table 22 floods only to hosts that
have the network. Allowed address pairs are left to flooding and learning: only the instance knows whether it uses
them now. A MAC or address that two ports of a network claim is not known either.

The texts of matches and actions are those of ``ovs-ofctl dump-flows``.
"""

import ipaddress
import re

from patchbay.compile import names
from patchbay.compile.facts import Facts
from patchbay.compile.pipeline import (
    ARP_RESPONDER,
    FLOOD_TO_TUN,
    GENEVE_TUN_TO_LV,
    GRE_TUN_TO_LV,
    LEARN_FROM_TUN,
    LOCAL_SWITCHING,
    ND_RESPONDER,
    PATCH_LV_TO_TUN,
    UCAST_TO_TUN,
    VXLAN_TUN_TO_LV,
)
from patchbay.compile.responder import OVERRIDE, SOLICITED, advertisement, arp_reply, turned_solicitation
from patchbay.compile.view import HostView
from patchbay.hoststate import Bridge, BridgePort, Flow, Resource
from patchbay.hoststate.flow import DEFAULT_PRIORITY, LEARN_COOKIE
from patchbay.model import Network, Port
from patchbay.model.network import VXLAN

VXLAN_UDP_PORT = "4789"

LEARN = (
    f"learn(table={UCAST_TO_TUN},hard_timeout=300,priority=1,cookie={LEARN_COOKIE:#x},NXM_OF_VLAN_TCI[0..11],"
    "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],"
    "output:NXM_OF_IN_PORT[])"
)
UNICAST = "dl_dst=00:00:00:00:00:00/01:00:00:00:00:00"
MULTICAST = "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"
ARP_BROADCAST = "arp,dl_dst=ff:ff:ff:ff:ff:ff"
SOLICITATION_MULTICAST = "icmp6,dl_dst=33:33:00:00:00:00/ff:ff:00:00:00:00,icmp_type=135"
"""Not a unicast one: neighbour unreachability detection (RFC 4861) asks whether the neighbour itself is alive."""


def compile_tunnel_bridge(facts: Facts) -> list[Resource]:
    """br-tun itself, its patch port to br-int, and the flows that every host has."""
    patch = f"in_port={names.PATCH_INT}"
    return [
        Bridge(name=names.BR_TUN, datapath_type=facts.datapath_type, fail_mode="secure"),
        BridgePort(
            name=names.PATCH_INT, bridge=names.BR_TUN, type="patch", options=(("peer", names.PATCH_TUN),), owner="host"
        ),
        _flow(LOCAL_SWITCHING, 1, patch, f"resubmit(,{PATCH_LV_TO_TUN})"),
        _flow(LOCAL_SWITCHING, 0, "", "drop"),
        _flow(PATCH_LV_TO_TUN, 1, ARP_BROADCAST, f"resubmit(,{ARP_RESPONDER})"),
        _flow(PATCH_LV_TO_TUN, 1, SOLICITATION_MULTICAST, f"resubmit(,{ARP_RESPONDER})"),
        _flow(PATCH_LV_TO_TUN, 0, UNICAST, f"resubmit(,{UCAST_TO_TUN})"),
        _flow(PATCH_LV_TO_TUN, 0, MULTICAST, f"resubmit(,{FLOOD_TO_TUN})"),
        _flow(GRE_TUN_TO_LV, 0, "", "drop"),
        _flow(VXLAN_TUN_TO_LV, 0, "", "drop"),
        _flow(GENEVE_TUN_TO_LV, 0, "", "drop"),
        _flow(LEARN_FROM_TUN, 1, "", f"{LEARN},output:{names.PATCH_INT}"),
        _flow(UCAST_TO_TUN, 0, "", f"resubmit(,{FLOOD_TO_TUN})"),
        # Duplicate address detection asks from the unspecified address: the owner must answer, not we (RFC 4862, 5.4).
        _flow(ARP_RESPONDER, 2, "icmp6,ipv6_src=::,icmp_type=135", f"resubmit(,{FLOOD_TO_TUN})"),
        _flow(ARP_RESPONDER, 0, "", f"resubmit(,{FLOOD_TO_TUN})"),
        _flow(FLOOD_TO_TUN, 0, "", "drop"),
    ]


def compile_tunnel(view: HostView, tunnel_ip: str) -> list[Resource]:
    """The VXLAN port to another host, with the seed's options, and its way in."""
    name = names.tunnel_port(tunnel_ip)
    if name is None or not view.tunnels.leads_to(tunnel_ip):
        return []
    options = {
        "df_default": "true",
        "dst_port": VXLAN_UDP_PORT,
        "in_key": "flow",
        "local_ip": view.facts.tunnel_ip,
        "out_key": "flow",
        "remote_ip": tunnel_ip,
    }
    return [
        BridgePort(name=name, bridge=names.BR_TUN, type="vxlan", options=tuple(options.items()), owner="tunnel"),
        _flow(LOCAL_SWITCHING, 1, f"in_port={name}", f"resubmit(,{VXLAN_TUN_TO_LV})"),
    ]


def compile_vxlan_network(view: HostView, network: Network) -> list[Resource]:
    """Table 4, VNI to local VLAN; table 22, one flow with a copy for each host that has the network."""
    local_vlan, vni = _on_the_wire(view, network)
    if local_vlan is None or vni is None:
        return []
    ports = sorted({port for host in view.hosts_of(network.id) if (port := view.tunnel_port(host))})
    flows: list[Resource] = [
        _flow(VXLAN_TUN_TO_LV, 1, f"tun_id={vni:#x}", f"mod_vlan_vid:{local_vlan},resubmit(,{LEARN_FROM_TUN})")
    ]
    if ports:
        outputs = ",".join(f"output:{port}" for port in ports)
        actions = f"strip_vlan,set_tunnel:{vni:#x},{outputs}"
        flows.append(_flow(FLOOD_TO_TUN, DEFAULT_PRIORITY, f"dl_vlan={local_vlan}", actions))
    return flows


def compile_known_port(view: HostView, port: Port) -> list[Resource]:
    """What br-tun knows of a port: the way to another host's, and that a frame for one of this host stays here.

    Table 20 sends frames for a port elsewhere to its host, and drops those for a port here: br-int floods what is for
    an instance that has not spoken yet, also to br-tun, and other hosts have no business with it. Table 21 answers for
    the addresses of ports elsewhere.
    """
    network = view.networks.get(port.network_id)
    if network is None or not port.admin_state_up:
        return []
    local_vlan, vni = _on_the_wire(view, network)
    if local_vlan is None or vni is None or not view.is_sole("mac", port, port.mac_address):
        return []
    known = f"dl_vlan={local_vlan},dl_dst={port.mac_address}"
    if view.is_here(port):
        return [_flow(UCAST_TO_TUN, 2, known, "drop")]
    hosts = view.elsewhere(port)
    tunnel = view.tunnel_port(next(iter(hosts))) if len(hosts) == 1 else None
    if tunnel is None:
        return []
    flows: list[Resource] = [_flow(UCAST_TO_TUN, 2, known, f"strip_vlan,set_tunnel:{vni:#x},output:{tunnel}")]
    for fixed in port.fixed_ips:
        if view.is_sole("ip", port, fixed.ip_address):
            flows += compile_responder(local_vlan, port.mac_address, fixed.ip_address)
    return flows


def compile_responder(local_vlan: int, mac: str, ip_address: str) -> list[Resource]:
    """The answer to an ARP request or a neighbour solicitation for one address, sent back to br-int.

    Nothing for text that is no address: one bad row must not stop a host.
    """
    try:
        address = ipaddress.ip_address(ip_address)
    except ValueError:
        return []
    if address.version == 6:
        return _neighbour_advertisement(local_vlan, mac, address)
    match = f"arp,dl_vlan={local_vlan},arp_tpa={ip_address},arp_op=1"
    return [_flow(ARP_RESPONDER, 1, match, f"{arp_reply(mac, address)},IN_PORT")]


def _neighbour_advertisement(local_vlan: int, mac: str, address: ipaddress.IPv6Address) -> list[Resource]:
    """In two steps, see ``responder``."""
    turn = f"{turned_solicitation(SOLICITED | OVERRIDE)},resubmit(,{ND_RESPONDER})"
    target = f"nd_target={address}"
    return [
        _flow(ARP_RESPONDER, 1, f"icmp6,dl_vlan={local_vlan},icmp_type=135,{target}", turn),
        _flow(
            ND_RESPONDER,
            1,
            f"icmp6,dl_vlan={local_vlan},icmp_type=136,{target}",
            f"{advertisement(mac, address)},IN_PORT",
        ),
    ]


def learned_vlan(flow: Flow) -> int | None:
    """The local VLAN that a table 4 flow leads into: what is learned for it lives and dies with this flow."""
    if flow.bridge != names.BR_TUN or flow.table != VXLAN_TUN_TO_LV:
        return None
    found = re.match(r"mod_vlan_vid:(\d+)", flow.actions)
    return int(found[1]) if found else None


def _on_the_wire(view: HostView, network: Network) -> tuple[int | None, int | None]:
    """Local VLAN and VNI of a network that may use tunnels here; (None, None) if it may not."""
    may = network.network_type == VXLAN and network.admin_state_up and view.owns_segment(network)
    return (view.local_vlan(network.id), network.segmentation_id) if may else (None, None)


def _flow(table: int, priority: int, match: str, actions: str) -> Flow:
    return Flow(bridge=names.BR_TUN, table=table, priority=priority, match=match, actions=actions)
