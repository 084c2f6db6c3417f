"""What a caller asks for: the attributes of one object, each set or left out.

``UNSET`` means that the caller said nothing: the default on create, no change on update. The API has checked the types;
the service checks everything else.
"""

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, UnsetType

from patchbay.model import AllocationPool, HostRoute


class NetworkSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A network as asked for; see ``patchbay.model.Network``. ``mtu`` 0 asks for the largest possible."""

    project_id: str = ""
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    shared: bool | UnsetType = UNSET
    external: bool | UnsetType = UNSET
    mtu: int | UnsetType = UNSET
    network_type: str | UnsetType = UNSET
    physical_network: str | UnsetType = UNSET
    segmentation_id: int | UnsetType = UNSET
    dns_domain: str | UnsetType = UNSET
    is_default: bool | UnsetType = UNSET
    port_security_enabled: bool | UnsetType = UNSET


class SubnetSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A subnet as asked for; what has no ``UNSET`` counts on create only. ``prefixlen`` is for subnets from a pool."""

    project_id: str = ""
    network_id: str = ""
    ip_version: int = 4
    cidr: str | None = None
    subnetpool_id: str | None = None
    use_default_subnetpool: bool = False
    prefixlen: int | None = None
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    gateway_ip: str | UnsetType | None = UNSET
    allocation_pools: tuple[AllocationPool, ...] | UnsetType = UNSET
    enable_dhcp: bool | UnsetType = UNSET
    dns_nameservers: tuple[str, ...] | UnsetType = UNSET
    host_routes: tuple[HostRoute, ...] | UnsetType = UNSET
    ipv6_ra_mode: str | UnsetType = UNSET
    ipv6_address_mode: str | UnsetType = UNSET
    service_types: tuple[str, ...] | UnsetType = UNSET
    dhcp_ranges: tuple[AllocationPool, ...] | UnsetType = UNSET


class SubnetPoolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A subnet pool as asked for. ``shared`` counts on create only."""

    project_id: str = ""
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    prefixes: tuple[str, ...] | UnsetType = UNSET
    default_prefixlen: int | UnsetType = UNSET
    min_prefixlen: int | UnsetType = UNSET
    max_prefixlen: int | UnsetType = UNSET
    default_quota: int | UnsetType = UNSET
    address_scope_id: str | UnsetType | None = UNSET
    shared: bool | UnsetType = UNSET
    is_default: bool | UnsetType = UNSET


class AddressScopeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An address scope as asked for. ``ip_version`` counts on create only."""

    project_id: str = ""
    name: str | UnsetType = UNSET
    ip_version: int = 4
    shared: bool | UnsetType = UNSET


class WantedIP(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a port's ``fixed_ips`` as asked for: a subnet, an address, or both."""

    subnet_id: str | None = None
    ip_address: str | None = None


class WantedPair(msgspec.Struct, frozen=True, kw_only=True):
    """One allowed address pair as asked for; without ``mac_address`` it is the port's own."""

    ip_address: str
    mac_address: str | None = None


class WantedOption(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of ``extra_dhcp_opts`` as asked for; without ``value`` the option of that name goes."""

    name: str
    value: str | None = None
    ip_version: int = 4


class PortSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A port as asked for. ``network_id`` and ``tags`` count on create only; ``profile`` is JSON text."""

    project_id: str = ""
    network_id: str = ""
    tags: tuple[str, ...] = ()
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    mac_address: str | UnsetType = UNSET
    fixed_ips: tuple[WantedIP, ...] | UnsetType = UNSET
    device_id: str | UnsetType = UNSET
    device_owner: str | UnsetType = UNSET
    host: str | UnsetType = UNSET
    vnic_type: str | UnsetType = UNSET
    profile: str | UnsetType = UNSET
    allowed_address_pairs: tuple[WantedPair, ...] | UnsetType = UNSET
    dns_name: str | UnsetType = UNSET
    dns_domain: str | UnsetType = UNSET
    extra_dhcp_opts: tuple[WantedOption, ...] | UnsetType = UNSET
    port_security_enabled: bool | UnsetType = UNSET
    security_groups: tuple[str, ...] | UnsetType = UNSET


class InstanceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An instance as asked for. ``interfaces`` maps device names inside it to port ids."""

    project_id: str = ""
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    host: str | UnsetType = UNSET
    plugging: str | UnsetType = UNSET
    interfaces: Mapping[str, str] | UnsetType = UNSET
    addressing: str | UnsetType = UNSET
    public_keys: tuple[str, ...] | UnsetType = UNSET
    user_data: str | UnsetType = UNSET
    metadata: Mapping[str, str] | UnsetType = UNSET


class AgentSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What may be changed of an agent."""

    admin_state_up: bool | UnsetType = UNSET
    description: str | UnsetType = UNSET
