"""How frames reach ports with port security: by flows of the port and its network here, never by ordinary switching.

What switching has for them comes out of ``patch-secured`` and in again at ``patch-switch``, with the local VLAN as its
tag. Unicast goes to the port that may use the MAC, multicast and broadcast to each port of the network, all by way of
BASE_INGRESS; what nobody here may use is dropped, so nothing is flooded to them. From one such port to another it goes
without switching. Of a MAC that several ports may use, switching learns where it is now.
"""

from collections.abc import Iterator

from patchbay.compile import names
from patchbay.compile.br_tun import MULTICAST
from patchbay.compile.connection_limits import compile_connection_limit
from patchbay.compile.leg import flow
from patchbay.compile.pipeline import (
    ACCEPT_OR_INGRESS,
    BASE_INGRESS,
    LOCAL_SWITCHING,
    PORT,
    TO_PORTS,
    TRACKED_INGRESS,
    TRANSIENT,
)
from patchbay.compile.port_security import allowed
from patchbay.compile.security_groups import key_of
from patchbay.compile.view import HostView
from patchbay.hoststate import Flow, Resource
from patchbay.model import Port


def compile_local_ports(view: HostView, network_id: str) -> Iterator[Resource]:
    """The flows that lead to all of this network's ports with port security here, and the limit of their connections.

    They change with each port, so no more than what must name all ports is here.
    """
    devices, local_vlan = view.secured_devices(network_id), view.local_vlan(network_id)
    if not devices or local_vlan is None:
        return
    yield from compile_connection_limit(view, local_vlan)
    network, secured = f"reg6={local_vlan:#x}", "reg5=0x20/0x20"
    enter = f"load:{local_vlan:#x}->NXM_NX_REG6[],strip_vlan,resubmit(,{TO_PORTS})"
    yield flow(LOCAL_SWITCHING, 5, f"in_port={names.PATCH_SWITCH},dl_vlan={local_vlan}", enter)
    switch = f"mod_vlan_vid:{local_vlan},output:{names.PATCH_SWITCH}"
    yield flow(TRANSIENT, 1, f"{secured},{network}", switch)
    yield flow(TRANSIENT, 2, f"{secured},{network},{MULTICAST}", f"resubmit(,{TO_PORTS}),{switch}")
    # Requests for addresses need no rule: one output each, for they are most of what is broadcast.
    yield flow(TO_PORTS, 7, f"arp,{network},{MULTICAST}", ",".join(f"output:{device}" for device in devices))
    yield flow(TO_PORTS, 5, f"{network},{MULTICAST}", ",".join(map(judged, devices)))


def compile_delivery(view: HostView, port: Port) -> Iterator[Flow]:
    """The flows that lead to one port here with port security; of a MAC that several may use, the first has them."""
    device, local_vlan = view.secured_device(port), view.local_vlan(port.network_id)
    if device is None or local_vlan is None:
        return
    for mac in allowed(port):
        users = view.secured_users(port.network_id, mac)
        destination = f"reg6={local_vlan:#x},dl_dst={mac}"
        if min(users, default="") == port.id:
            yield flow(TO_PORTS, 4, destination, ",".join(judged(users[user]) for user in sorted(users)))
        if view.is_sole("mac", port, mac):
            yield from _at_once(view, port, device, destination)


def _at_once(view: HostView, port: Port, device: str, destination: str) -> Iterator[Flow]:
    """From another port with port security. What is tracked already is not tracked again: the zone is the same."""
    yield flow(TRANSIENT, 3, f"reg5=0x20/0x20,{destination}", judged(device))
    if not view.security.is_stateless(key_of(port)):
        actions = f"load:0->NXM_NX_REG5[3],resubmit({device},{PORT}),resubmit(,{TRACKED_INGRESS})"
        yield flow(ACCEPT_OR_INGRESS, 5, f"ct_state=+trk,{destination}", actions)


def judged(device: str) -> str:
    """The actions that deliver to a port of br-int if its rules allow it."""
    return f"resubmit({device},{PORT}),resubmit(,{BASE_INGRESS})"
