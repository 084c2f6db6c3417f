"""The way out that instances with a floating IP have on their own host, away from the router's home.

What leaves by the gateway goes home, but for them: it goes to the namespace here, which has their floating IPs on its
floating gateway (``floating``) and routes by it, translates, and sends it out.
"""

from collections.abc import Iterator

from patchbay.compile import names
from patchbay.compile.floating import floatingips_living_here
from patchbay.compile.leg import flow
from patchbay.compile.pipeline import GATEWAY, SLOW_PATH
from patchbay.compile.router_ports import ipv4_number
from patchbay.compile.view import HostView
from patchbay.hoststate import Flow
from patchbay.model import Router


def compile_ways_out(view: HostView, router: Router) -> Iterator[Flow]:
    """A flow for each address here that has a floating IP here; none at home, where all have the same way out."""
    if view.is_home(router):
        return
    number = f"metadata={names.router_number(router.id):#x}"
    for floatingip in floatingips_living_here(view, router):
        port, fixed = view.ports.get(floatingip.port_id or ""), floatingip.fixed_ip_address or ""
        local_vlan = None if port is None else view.local_vlan(port.network_id)
        if local_vlan is not None and ipv4_number(fixed):
            match = f"ip,reg6={local_vlan:#x},{number},nw_src={fixed}"
            yield flow(GATEWAY, 2, match, f"resubmit(,{SLOW_PATH})")
