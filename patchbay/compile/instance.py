"""Instances: namespaces that stand in for virtual machines, plugged as Nova and os-vif plug one.

direct:  eth0 (in the instance) ─ tapXXX in br-int
hybrid:  eth0 (in the instance) ─ tapXXX on the Linux bridge qbrXXX ─ qvbXXX ─ qvoXXX in br-int   (seeds 001, 002)
"""

import ipaddress
from collections.abc import Iterator, Sequence

from patchbay.compile import names
from patchbay.compile.br_int import drop_if_dead, other_config, port_tag
from patchbay.compile.dhcp_client import compile_clients, is_leased, link_mtu
from patchbay.compile.view import HostView
from patchbay.hoststate import Address, BridgePort, Link, Namespace, Resource, Route, Sysctl
from patchbay.hoststate.ingress import EVERYTHING, NOTHING, NOTHING_RESERVED, ingress
from patchbay.model import Instance, Network, Port, Subnet
from patchbay.model.instance import DIRECT

IPV6_METRIC = 1024
"""What the kernel takes for an IPv6 route that names none (IP6_RT_PRIO_USER)."""

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def compile_instance(view: HostView, instance: Instance) -> list[Resource]:
    """Namespace, devices, addresses and routes of an instance on this host."""
    if not view.is_mine(instance) or not view.owns_namespace(instance):
        return []
    namespace = names.namespace(instance)
    resources: list[Resource] = [Namespace(name=namespace, alias=names.alias(instance.id))]
    routes: dict[tuple[str, ...], Route] = {}
    has_clients = False
    for device, port, network in interfaces(view, instance):
        resources += _compile_devices(view, instance, device, port, network)
        clients = list(compile_clients(view, instance, device, port, is_first=not has_clients))
        has_clients = has_clients or bool(clients)
        resources += [item for item in clients if item not in resources]
        subnets = [item for item in addressed_subnets(view, port) if not is_leased(instance, item[1])]
        resources += (
            Address(namespace=namespace, link=device, address=str(address)) for address, _ in subnets if address
        )
        for route in _compile_routes(namespace, device, subnets):
            routes.setdefault(route.key, route)
    return [*resources, *routes.values()]


def interfaces(view: HostView, instance: Instance) -> Iterator[tuple[str, Port, Network]]:
    """The interfaces that can be plugged: port bound here, network known. In the order of devices."""
    for device, port_id in sorted(instance.interfaces.items(), key=lambda item: (len(item[0]), item[0])):
        port = view.ports.get(port_id)
        network = view.networks.get(port.network_id) if port else None
        if port is None or network is None or port.host != view.facts.host:
            continue
        if view.interface_of(port_id) == (instance, device):
            yield device, port, network


def _compile_devices(
    view: HostView, instance: Instance, device: str, port: Port, network: Network
) -> Iterator[Resource]:
    """The cable from the instance to br-int, with or without a Linux bridge between."""
    namespace, alias, mtu = names.namespace(instance), names.alias(port.id), link_mtu(instance, port, network)
    checksum = view.facts.datapath_type != "netdev"
    tap, qbr, qvb, qvo = (names.device(prefix, port.id) for prefix in ("tap", "qbr", "qvb", "qvo"))
    is_direct = instance.plugging == DIRECT
    yield Link(
        name=device,
        namespace=namespace,
        kind="veth",
        peer=tap,
        mac=port.mac_address,
        mtu=mtu,
        # Without an IPv6 address it stays silent: hundreds of instances that appear at once and each solicit a router
        # from hundreds of others keep a userspace switch busy for a minute.
        ipv6=any(":" in fixed.ip_address for fixed in port.fixed_ips),
        tx_checksum=checksum,
        alias=alias,
    )
    yield Link(
        name=tap,
        kind="veth",
        peer=device,
        peer_namespace=namespace,
        master="" if is_direct else qbr,
        mtu=mtu,
        alias=alias,
    )
    if not is_direct:
        yield Link(name=qbr, kind="bridge", mtu=mtu, alias=alias)
        yield Link(name=qvb, kind="veth", peer=qvo, master=qbr, mtu=mtu, tx_checksum=checksum, alias=alias)
        yield Link(name=qvo, kind="veth", peer=qvb, mtu=mtu, alias=alias)
    yield from _deaf((tap,) if is_direct else (tap, qbr, qvb, qvo))
    yield from _taken(view, tap) if is_direct else _taken(view, qvo, qbr, (tap, qvb))
    yield from _compile_plug(view, instance, port, tap if is_direct else qvo)


def _deaf(devices: Sequence[str]) -> Iterator[Sysctl]:
    """The host itself takes nothing from these devices, and answers nothing there.

    With the userspace datapath the kernel sees what comes in by a device beside Open vSwitch, and with either what a
    Linux bridge is sent. No route leads back there, so strict reverse path filtering (RFC 3704) drops all of it.
    """
    for device in devices:
        yield Sysctl(namespace="", name=f"net.ipv4.conf.{device}.rp_filter", value="1")
        yield Sysctl(namespace="", name=f"net.ipv4.conf.{device}.arp_ignore", value="8")


def _taken(view: HostView, plugged: str, bridge: str = "", members: Sequence[str] = ()) -> Iterator[Sysctl]:
    """The rest: a broadcast from 0.0.0.0 to 255.255.255.255, as of DHCP clients, is asked no route about.

    ``plugged`` is in br-int. What a Linux bridge passes on must not be kept from its ``members``, nor anything from
    the kernel's datapath, which takes what comes in by its ports from the stack by itself.
    """
    taken = NOTHING if view.facts.datapath_type == "netdev" else EVERYTHING
    yield Sysctl(namespace="", name=ingress(plugged), value=taken)
    if bridge:
        yield Sysctl(namespace="", name=ingress(bridge), value=NOTHING)
        yield from (Sysctl(namespace="", name=ingress(member), value=NOTHING_RESERVED) for member in members)


def _compile_plug(view: HostView, instance: Instance, port: Port, name: str) -> Iterator[Resource]:
    """The port of br-int, with the external_ids that Nova and os-vif write."""
    tag = port_tag(view, port)
    external_ids = (
        ("attached-mac", port.mac_address),
        ("iface-id", port.id),
        ("iface-status", "active"),
        ("vm-uuid", instance.id),
    )
    yield BridgePort(
        name=name,
        bridge=names.BR_INT,
        external_ids=external_ids,
        other_config=other_config(view, port),
        tag=tag,
        is_closed=port.is_secured,
        owner=port.id,
    )
    yield from drop_if_dead(name, tag)


def addressed_subnets(view: HostView, port: Port) -> list[tuple[Interface | None, Subnet]]:
    """The subnets of a port in the order of its fixed_ips, each with the port's address and prefix length.

    A subnet that is not known yet, or not of the port's network, is left out.
    """
    found = ((view.subnets.get(fixed.subnet_id), fixed.ip_address) for fixed in port.fixed_ips)
    return [
        (_interface(address, subnet.cidr), subnet)
        for subnet, address in found
        if subnet is not None and subnet.network_id == port.network_id
    ]


def _interface(address: str, cidr: str) -> Interface | None:
    try:
        return ipaddress.ip_interface(f"{address}/{cidr.rpartition('/')[2]}")
    except ValueError:
        return None


def _compile_routes(namespace: str, device: str, subnets: list[tuple[Interface | None, Subnet]]) -> Iterator[Route]:
    """A default route for each family, by the first gateway; host routes whose next hop is on the link."""
    for own, subnet in subnets:
        if own is None:
            continue
        metric = IPV6_METRIC if own.version == 6 else 0
        for host_route in subnet.host_routes:
            if _is_on_link(own, host_route.nexthop) and _is_network(host_route.destination, own.version):
                yield Route(
                    namespace=namespace,
                    destination=host_route.destination,
                    gateway=host_route.nexthop,
                    link=device,
                    metric=metric,
                )
        yield from default_route(namespace, device, own, subnet.gateway_ip)


def default_route(namespace: str, device: str, own: Interface, gateway: str | None) -> Iterator[Route]:
    """By the gateway; one outside the subnet gets a route of its own first, as DHCP clients make it (RFC 3442)."""
    metric = IPV6_METRIC if own.version == 6 else 0
    if not gateway or not _is_address(gateway, own.version) or ipaddress.ip_address(gateway) == own.ip:
        return
    if not _is_on_link(own, gateway):
        host = f"{gateway}/{own.max_prefixlen}"
        yield Route(namespace=namespace, destination=host, gateway="", link=device, metric=metric)
    everything = "::/0" if own.version == 6 else "0.0.0.0/0"
    yield Route(namespace=namespace, destination=everything, gateway=gateway, link=device, metric=metric)


def _is_on_link(own: Interface, address: str) -> bool:
    if not _is_address(address, own.version):
        return False
    neighbour = ipaddress.ip_address(address)
    return neighbour in own.network or neighbour.is_link_local


def _is_address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def _is_network(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_network(text).version == version
    except ValueError:
        return False
