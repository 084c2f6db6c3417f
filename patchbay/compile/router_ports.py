"""The ports of one router: their devices on br-int and in the router's namespace, and the addresses on them.

Called by ``compile_router``; the other parts of a router (routes, rules, advertisements) start from ``RouterPort``.
"""

import functools
import ipaddress
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from patchbay.compile import names
from patchbay.compile.br_int import drop_if_dead, other_config, port_tag
from patchbay.compile.floating import floatingips_living_here
from patchbay.compile.instance import Interface, addressed_subnets
from patchbay.compile.knowledge import SERVICE_DEVICES
from patchbay.compile.view import HostView
from patchbay.hoststate import Address, BridgePort, Link, Resource, Sysctl
from patchbay.model import FloatingIP, Network, Port, Router, Subnet
from patchbay.model.router import FLOATING_GATEWAY, ROUTER_GATEWAY, ROUTER_INTERFACE_DISTRIBUTED

SEARCH = (("mcast_solicit", "1"), ("retrans_time_ms", "100"), ("ucast_solicit", "30"))
"""How long a router looks for a neighbour before its entry may be reused: it asks once, for 0.1 s (the kernel by
itself three times, 3 s). All namespaces of a host share one table of neighbours, of 1,024 entries: with the kernel's
values an instance that sends to 350 addresses in a second that nobody has leaves no room for neighbours of other
routers. Who answers later is found all the same. One that it knows it asks for 3 s, as the kernel does: a switch that
is away for a moment is no reason to forget it."""


class RouterPort(msgspec.Struct, frozen=True, kw_only=True):
    """A port that can be plugged: its device (qr-XXX, qg-XXX, fg-XXX) and its addresses, each with its subnet.

    ``mac`` is that of the device: an interface of a distributed router has another on each host. ``is_gateway``: it
    leads outside. A distributed router has a floating gateway for that where it is not at home.
    """

    port: Port
    network: Network
    device: str
    mac: str
    is_gateway: bool
    addresses: tuple[tuple[Interface, Subnet], ...]

    def own(self, version: int) -> list[Interface]:
        """Its addresses of one IP version, in the order of its fixed IPs."""
        return [address for address, _ in self.addresses if address.version == version]


def ports_of_router(view: HostView, router: Router) -> list[RouterPort]:
    """Its ports that are plugged here and whose network is known, the gateway last."""
    found = []
    for port in view.router_ports(router.id):
        is_gateway = port.device_owner in (ROUTER_GATEWAY, FLOATING_GATEWAY)
        network = view.networks.get(port.network_id)
        if network is None:
            continue
        device = names.device(SERVICE_DEVICES[port.device_owner][0], port.id)
        addresses = tuple((own, subnet) for own, subnet in addressed_subnets(view, port) if own is not None)
        is_shared = port.device_owner == ROUTER_INTERFACE_DISTRIBUTED
        found.append(
            RouterPort(
                port=port,
                network=network,
                device=device,
                mac=names.router_mac(view.facts.host, port.id) if is_shared else port.mac_address,
                is_gateway=is_gateway,
                addresses=addresses,
            )
        )
    return sorted(found, key=lambda port: port.is_gateway)


def gateway(ports: Sequence[RouterPort]) -> RouterPort | None:
    """The port on the external network."""
    return ports[-1] if ports and ports[-1].is_gateway else None


def compile_port(view: HostView, namespace: str, port: RouterPort) -> Iterator[Resource]:
    """An internal port of br-int, as Neutron's interface driver makes it, with its device and addresses."""
    tag = port_tag(view, port.port)
    yield BridgePort(
        name=port.device,
        bridge=names.BR_INT,
        type="internal",
        external_ids=(
            ("attached-mac", port.mac),
            ("iface-id", port.port.id),
            ("iface-status", "active"),
        ),
        other_config=other_config(view, port.port),
        tag=tag,
        owner=port.port.id,
    )
    yield from drop_if_dead(port.device, tag)
    yield Link(
        name=port.device,
        namespace=namespace,
        kind="internal",
        mac=port.mac,
        mtu=port.network.mtu,
        ipv6=True,
        tx_checksum=view.facts.datapath_type != "netdev",
        alias=names.alias(port.port.id),
    )
    for version in ("ipv4", "ipv6"):
        for name, value in SEARCH:
            yield Sysctl(namespace=namespace, name=f"net.{version}.neigh.{port.device}.{name}", value=value)
    for own, _ in port.addresses:
        yield Address(namespace=namespace, link=port.device, address=str(own))


def floatingips(view: HostView, router: Router, ports: Sequence[RouterPort]) -> list[FloatingIP]:
    """The router's floating IPs that its gateway here can carry, lowest address first: IPv4, and of its network."""
    outside = gateway(ports)
    if outside is None:
        return []
    found = [
        (number, item.id, item)
        for item in floatingips_living_here(view, router)
        if item.floating_network_id == outside.network.id and (number := ipv4_number(item.floating_ip_address))
    ]
    return [item for _, _, item in sorted(found)]


def floating_addresses(
    namespace: str, ports: Sequence[RouterPort], carried: Iterable[FloatingIP]
) -> Iterator[Resource]:
    """Floating IPs are addresses of the gateway's device, so that the kernel answers ARP for them."""
    outside = gateway(ports)
    if outside is not None:
        for floatingip in carried:
            yield Address(namespace=namespace, link=outside.device, address=f"{floatingip.floating_ip_address}/32")


@functools.lru_cache(maxsize=8192)
def ipv4_number(text: str) -> int:
    """An IPv4 address as a number, 0 if it is none; remembered, for a router asks for all its floating IPs again when
    one changes."""
    try:
        return int(ipaddress.IPv4Address(text))
    except ValueError:
        return 0
