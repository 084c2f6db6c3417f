"""The DHCP server of a network: ``qdhcp-<id>`` with its port and dnsmasq (seed 001).

``dhcp_hosts`` and ``dhcp_options`` write its files, ``dhcp_command`` its command line.
"""

from collections.abc import Iterable, Iterator

from patchbay.compile import names
from patchbay.compile.br_int import drop_if_dead, other_config, port_tag
from patchbay.compile.dhcp_command import Server, dnsmasq_command, forwarders
from patchbay.compile.dhcp_hosts import HostTexts, Served, bare_domain
from patchbay.compile.dhcp_options import METADATA_ADDRESS, ServedSubnet, subnet_options
from patchbay.compile.instance import addressed_subnets, default_route
from patchbay.compile.view import HostView
from patchbay.hoststate import Address, BridgePort, Daemon, Link, Namespace, Resource, Route, Sysctl
from patchbay.hoststate.ingress import OWN_DHCP, ingress
from patchbay.model import Network, Port, Subnet


def compile_dhcp(view: HostView, network_id: str) -> Iterable[Resource]:
    """Everything of a network's DHCP server on this host; nothing while the network or the port is not known."""
    network, port = view.networks.get(network_id), view.dhcp_port(network_id)
    if network is None or port is None:
        view.dhcp_texts.pop(network_id, None)
        return ()
    return (
        *_compile_port(view, network, port),
        *_compile_addresses(view, port),
        *_compile_dnsmasq(view, network, port),
    )


def _compile_port(view: HostView, network: Network, port: Port) -> Iterator[Resource]:
    """The namespace and the internal port of br-int, with the external_ids that Neutron's agent writes."""
    namespace, tap, tag = names.dhcp_namespace(network.id), names.device("tap", port.id), port_tag(view, port)
    has_ipv6 = any(":" in fixed.ip_address for fixed in port.fixed_ips)
    yield Namespace(name=namespace, alias=names.alias(network.id))
    yield BridgePort(
        name=tap,
        bridge=names.BR_INT,
        type="internal",
        external_ids=(("attached-mac", port.mac_address), ("iface-id", port.id), ("iface-status", "active")),
        other_config=other_config(view, port),
        tag=tag,
        owner=port.id,
    )
    yield Link(
        name=tap,
        namespace=namespace,
        kind="internal",
        mac=port.mac_address,
        mtu=network.mtu,
        ipv6=has_ipv6,
        tx_checksum=view.facts.datapath_type != "netdev",
        alias=names.alias(port.id),
    )
    if has_ipv6:
        # Its addresses are the intent's; one of its own making would be one that no other host knows.
        yield Sysctl(namespace=namespace, name=f"net.ipv6.conf.{tap}.accept_ra", value="0")
        yield Sysctl(namespace=namespace, name="net.ipv6.conf.default.accept_dad", value="0")
    # Nobody gives back, or asks for, the lease of another.
    yield Sysctl(namespace=namespace, name=ingress(tap), value=OWN_DHCP)
    yield from drop_if_dead(tap, tag)


def _compile_addresses(view: HostView, port: Port) -> Iterator[Resource]:
    """Addresses of the port; default routes, so that names can be asked of servers beyond the router."""
    namespace, tap = names.dhcp_namespace(port.network_id), names.device("tap", port.id)
    routes: dict[tuple[str, ...], Route] = {}
    for own, subnet in addressed_subnets(view, port):
        if own is not None:
            yield Address(namespace=namespace, link=tap, address=str(own))
            for route in default_route(namespace, tap, own, subnet.gateway_ip):
                routes.setdefault(route.key, route)
    if view.needs_metadata(port.network_id):
        yield Address(namespace=namespace, link=tap, address=f"{METADATA_ADDRESS}/32")
    yield from routes.values()


def _compile_dnsmasq(view: HostView, network: Network, port: Port) -> Iterator[Resource]:
    """dnsmasq and its files, if a subnet is to be served."""
    subnets = list(served_subnets(view, port))
    if not subnets:
        return
    domain = bare_domain(network.dns_domain)
    ports = (view.ports[port_id] for port_id in sorted(view.ports_of(network.id)))
    served = Served({each.subnet.id: each.subnet for each in subnets}, domain)
    texts = view.dhcp_texts.setdefault(network.id, HostTexts()).refresh(ports, served)
    neighbours = [subnet for subnet in view.subnets_of(network.id) if subnet.ip_version == 4]
    options = [f"{line}\n" for each in subnets for line in subnet_options(each, neighbours, domain)]
    directory = f"{view.facts.run_dir}/dhcp/{network.id}"
    servers = [server.id for server in view.dhcp_servers(network.id)]
    server = Server(
        directory=directory,
        tap=names.device("tap", port.id),
        domain=domain,
        mtu=network.mtu,
        share=(servers.index(port.id), len(servers)),
    )
    yield Daemon(
        kind="dhcp",
        owner=network.id,
        namespace=names.dhcp_namespace(network.id),
        command=dnsmasq_command(server, subnets),
        pidfile=f"{directory}/pid",
        files=(
            (f"{directory}/addn_hosts", "".join(text.names for text in texts)),
            (f"{directory}/host", "".join(text.hosts for text in texts)),
            (f"{directory}/opts", "".join([*options, *(text.options for text in texts)])),
            (f"{directory}/servers", "".join(f"server={address}\n" for address in forwarders(subnets))),
        ),
        reload="HUP",
        link=server.tap,
    )


def served_subnets(view: HostView, port: Port) -> Iterator[ServedSubnet]:
    """The subnets with DHCP, the oldest first, tagged in this order."""
    isolated = {subnet.id for subnet in view.isolated_subnets(port.network_id)}
    others = [other for other in view.dhcp_servers(port.network_id) if other.id != port.id]
    served = (subnet for subnet in view.subnets_of(port.network_id) if subnet.enable_dhcp)
    for number, subnet in enumerate(served):
        yield ServedSubnet(
            tag=f"tag{number}",
            subnet=subnet,
            own=_addresses_in(subnet, port),
            others=tuple(address for other in others for address in _addresses_in(subnet, other)),
            is_isolated=subnet.id in isolated,
        )


def _addresses_in(subnet: Subnet, port: Port) -> tuple[str, ...]:
    return tuple(fixed.ip_address for fixed in port.fixed_ips if fixed.subnet_id == subnet.id)
