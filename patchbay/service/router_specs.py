"""What a caller asks for: routers, floating IPs and port forwardings; as in ``specs``, UNSET means left out."""

import msgspec
from msgspec import UNSET, UnsetType

from patchbay.model import HostRoute
from patchbay.service.specs import WantedIP


class GatewaySpec(msgspec.Struct, frozen=True, kw_only=True):
    """A router's gateway as asked for. Without ``external_fixed_ips`` it has, or is given, any."""

    network_id: str
    enable_snat: bool = True
    external_fixed_ips: tuple[WantedIP, ...] = ()


class RouterSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A router as asked for; ``gateway`` None clears it."""

    project_id: str = ""
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    distributed: bool | UnsetType = UNSET
    gateway: GatewaySpec | UnsetType | None = UNSET
    routes: tuple[HostRoute, ...] | UnsetType = UNSET


class FloatingIPSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A floating IP as asked for. The network, ``subnet_id``, its own address and its names count on create only.

    ``port_id`` None dissociates it.
    """

    project_id: str = ""
    description: str | UnsetType = UNSET
    floating_network_id: str = ""
    subnet_id: str | None = None
    floating_ip_address: str | None = None
    port_id: str | UnsetType | None = UNSET
    fixed_ip_address: str | None = None
    dns_name: str = ""
    dns_domain: str = ""


class PortForwardingSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A port forwarding as asked for; ports are first and last."""

    protocol: str | UnsetType = UNSET
    external_ports: tuple[int, int] | UnsetType = UNSET
    internal_ports: tuple[int, int] | UnsetType = UNSET
    internal_port_id: str | UnsetType = UNSET
    internal_ip_address: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
