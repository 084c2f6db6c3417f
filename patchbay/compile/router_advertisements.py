"""Router advertisements: one radvd for all interfaces of a router with a subnet that wants them (RFC 4861)."""

from collections.abc import Iterator, Sequence

from patchbay.compile.router_ports import RouterPort
from patchbay.compile.view import HostView
from patchbay.hoststate import Daemon
from patchbay.model import Router, Subnet

SLAAC, STATELESS, STATEFUL = "slaac", "dhcpv6-stateless", "dhcpv6-stateful"
SMALLEST_IPV6_MTU = 1280
MOST_NAME_SERVERS = 3
"""radvd takes no more in one RDNSS section, and neither does Neutron write more."""


def compile_advertisements(
    view: HostView, namespace: str, router: Router, ports: Sequence[RouterPort]
) -> Iterator[Daemon]:
    """radvd, when an interface has an IPv6 subnet with ``ipv6_ra_mode``."""
    sections = [section for port in ports if not port.is_gateway for section in _section(port)]
    if not sections:
        return
    folder = f"{view.facts.run_dir}/ra/{router.id}"
    configuration, pidfile = f"{folder}/radvd.conf", f"{folder}/pid"
    yield Daemon(
        kind="ra",
        owner=router.id,
        namespace=namespace,
        command=("radvd", "-C", configuration, "-p", pidfile, "-m", "syslog", "-u", "nobody"),
        pidfile=pidfile,
        files=((configuration, "".join(sections)),),
        reload="HUP",
        # Its farewell would take the default route off the instances, and a router that moves is there again at once.
        stop="KILL",
    )


def _section(port: RouterPort) -> Iterator[str]:
    """What is announced on one interface; nothing if none of its subnets is to be."""
    subnets = [subnet for own, subnet in port.addresses if own.version == 6 and subnet.ipv6_ra_mode]
    if not subnets:
        return
    modes = {subnet.ipv6_ra_mode for subnet in subnets}
    servers = [server for subnet in subnets for server in subnet.dns_nameservers if ":" in server]
    lines = ["AdvSendAdvert on;", "MinRtrAdvInterval 30;", "MaxRtrAdvInterval 100;"]
    if port.mac != port.port.mac_address:
        lines.append("AdvSourceLLAddress off;")  # Its neighbours shall use the MAC that is the same on every host.
    if port.network.mtu >= SMALLEST_IPV6_MTU:
        lines.append(f"AdvLinkMTU {port.network.mtu};")
    if STATEFUL in modes:
        lines.append("AdvManagedFlag on;")
    if STATELESS in modes:
        lines.append("AdvOtherConfigFlag on;")
    lines += (_prefix(subnet) for subnet in subnets)
    if servers:
        lines.append(f"RDNSS {' '.join(dict.fromkeys(servers[:MOST_NAME_SERVERS]))} {{ }};")
    body = "\n".join(f"    {line}" for line in lines)
    yield f"interface {port.device}\n{{\n{body}\n}};\n"


def _prefix(subnet: Subnet) -> str:
    autonomous = "off" if subnet.ipv6_ra_mode == STATEFUL else "on"
    return f"prefix {subnet.cidr} {{ AdvOnLink on; AdvAutonomous {autonomous}; }};"
