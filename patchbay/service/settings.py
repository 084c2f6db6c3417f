"""What the operator decides about networks: ranges, MTUs, limits (names and defaults as in Neutron's ml2_conf.ini)."""

from collections.abc import Mapping

import msgspec

NumberRange = tuple[int, int]
VXLAN_OVERHEAD_BYTES = {4: 50, 6: 70}
"""Outer Ethernet, IP, UDP and VXLAN headers that a tunnelled frame carries (RFC 7348)."""


class NetworkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the service.

    ``vnet_physical_network`` is where OpenVNet's networks of mode physical are ("": the first that a host has).

    ``vni_ranges`` and ``vlan_ranges`` (physical network → ranges, ends included) are what is given to networks whose
    request names no segmentation id; a named id need not be inside. ``flat_networks`` None allows flat networks on
    any physical network. MTUs count bytes of an IP packet: ``path_mtu`` is the underlay's, from which VXLAN's is
    computed; ``physical_network_mtus`` overrides ``global_physnet_mtu`` for one physical network. The other hosts are
    asked for one whose agent was not heard of for ``suspect_after_s`` (agents beat every 3 s). One of which nobody can
    say anything counts as gone after ``agent_down_time_s``. ``router_distributed``: what a router is whose request
    does not say. ``max_addresses_per_group`` bounds address groups: every host of a rule has a flow for each address
    (Neutron has no bound), ``max_port_forwardings`` those of one floating IP. ``quotas``: what each project may have at
    most, None for no limits.
    """

    project_network_types: tuple[str, ...] = ("vxlan",)
    vni_ranges: tuple[NumberRange, ...] = ((1, 65536),)
    vlan_ranges: Mapping[str, tuple[NumberRange, ...]] = {}
    flat_networks: tuple[str, ...] | None = None
    path_mtu: int = 1500
    global_physnet_mtu: int = 1500
    physical_network_mtus: Mapping[str, int] = {}
    overlay_ip_version: int = 4
    base_mac: str = "fa:16:3e"
    max_dns_nameservers: int = 5
    max_subnet_host_routes: int = 20
    max_allowed_address_pair: int = 10
    max_routes: int = 30
    max_addresses_per_group: int = 1000
    max_port_forwardings: int = 500
    suspect_after_s: float = 8.0
    agent_down_time_s: float = 75.0
    dhcp_agents_per_network: int = 1
    router_distributed: bool = False
    vnet_physical_network: str = ""
    quotas: Mapping[str, int] | None = None
