"""A router's namespace: ``qrouter-<id>`` with its ports, addresses, routes, rules and advertisements (seed 001).

qr-XXX (interface) and qg-XXX (gateway) are internal ports of br-int in the local VLANs of their networks. In seed 001
qg- is in br-ex itself; here, as in Neutron since, int-br-ex and phy-br-ex carry the external network to br-ex.
"""

from patchbay.compile import names
from patchbay.compile.distributed import compile_distributed
from patchbay.compile.floating import floatingips_away
from patchbay.compile.router_advertisements import compile_advertisements
from patchbay.compile.router_ports import compile_port, floating_addresses, floatingips, ports_of_router
from patchbay.compile.router_routes import compile_routes
from patchbay.compile.router_rules import compile_rules
from patchbay.compile.view import HostView
from patchbay.hoststate import Namespace, Resource, Sysctl

SYSCTLS = (
    ("net.ipv4.ip_forward", "1"),
    ("net.ipv4.conf.all.arp_announce", "2"),
    ("net.ipv4.conf.all.arp_ignore", "1"),
    ("net.ipv6.conf.all.forwarding", "1"),
    ("net.ipv6.conf.all.accept_ra", "0"),
)
"""What Neutron sets in a router's namespace: it forwards, answers ARP only for addresses of the link that was asked on,
asks with an address of that link, and believes no other router."""

REDIRECTS = tuple(f"net.ipv4.conf.{which}.send_redirects" for which in ("all", "default"))
"""Whether it tells a sender of a shorter way. A distributed router never does: it is the way on every host."""

UNFILTERED = tuple((f"net.ipv4.conf.{which}.rp_filter", "0") for which in ("all", "default"))
"""A distributed router's namespace gets all of a network by one device, also what is routed back by another one. The
machine's own setting, which new namespaces begin with, may drop that (RFC 3704, strict). Every router has it, for any
may become distributed, and its devices take it when they are made."""


def compile_router(view: HostView, router_id: str) -> list[Resource]:
    """Everything of a router that is on this host; nothing of one that is down, as in Neutron."""
    router = view.routers.get(router_id)
    is_here = router is not None and (view.is_home(router) or router_id in view.distribution)
    if router is None or not is_here or not router.admin_state_up:
        return []
    namespace = names.router_namespace(router_id)
    ports = ports_of_router(view, router)
    resources: list[Resource] = [Namespace(name=namespace, alias=names.alias(router_id))]
    settings = (*SYSCTLS, *UNFILTERED, *((name, "0" if router.distributed else "1") for name in REDIRECTS))
    resources += (Sysctl(namespace=namespace, name=name, value=value) for name, value in settings)
    for port in ports:
        resources += compile_port(view, namespace, port)
    carried = floatingips(view, router, ports)
    resources += floating_addresses(namespace, ports, carried)
    resources += compile_routes(view, namespace, router, ports)
    resources += compile_rules(namespace, router, ports, carried, floatingips_away(view, router))
    resources += compile_advertisements(view, namespace, router, ports)
    resources += compile_distributed(view, router, ports) if router_id in view.distribution else []
    return resources
