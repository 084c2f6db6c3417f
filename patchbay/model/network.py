"""Networks and their subnets (Neutron API reference: "Networks", "Subnets")."""

import msgspec

from patchbay.model.resource import Resource

LOCAL, FLAT, VLAN, VXLAN = "local", "flat", "vlan", "vxlan"


class Network(Resource, frozen=True, kw_only=True):
    """A layer-2 broadcast domain with one provider segment.

    ``network_type`` is local, flat, vlan or vxlan; ``physical_network`` is set for flat and vlan;
    ``segmentation_id`` is the VLAN id (vlan) or VNI (vxlan), else None. ``mtu`` counts bytes of the IP packet.
    ``external``: routers have their gateways here, and floating IPs come from here. ``dns_domain`` ends with a dot, or
    is "". ``port_security_enabled`` is what new ports have when nothing is said.
    """

    admin_state_up: bool = True
    shared: bool = False
    external: bool = False
    mtu: int = 1450
    network_type: str = VXLAN
    physical_network: str | None = None
    segmentation_id: int | None = None
    dns_domain: str = ""
    is_default: bool = False
    port_security_enabled: bool = True


class AllocationPool(msgspec.Struct, frozen=True):
    """Addresses from ``start`` to ``end``, both included, that the service may hand out."""

    start: str
    end: str


class HostRoute(msgspec.Struct, frozen=True):
    """A route announced to instances: ``destination`` is a CIDR, ``nexthop`` an address."""

    destination: str
    nexthop: str


class Subnet(Resource, frozen=True, kw_only=True):
    """A block of addresses on a network. ``gateway_ip`` None means: no gateway.

    ``dhcp_ranges`` are addresses that the DHCP server may lend to clients that are no ports (seed 000); the service
    gives none of them to a port by itself.
    """

    network_id: str
    ip_version: int
    cidr: str
    gateway_ip: str | None = None
    allocation_pools: tuple[AllocationPool, ...] = ()
    enable_dhcp: bool = True
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    ipv6_ra_mode: str | None = None
    ipv6_address_mode: str | None = None
    service_types: tuple[str, ...] = ()
    subnetpool_id: str | None = None
    dhcp_ranges: tuple[AllocationPool, ...] = ()
