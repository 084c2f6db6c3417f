"""What a subnet may look like: Neutron's ``_validate_subnet`` and its neighbours, as checks that raise."""

from collections.abc import Iterable

from patchbay.intent.database import IntentDatabase
from patchbay.model import Network, Subnet
from patchbay.service.addresses import (
    ROUTER_OWNERS,
    is_automatic,
    parse_address,
    parse_cidr,
)
from patchbay.service.addresses import (
    Network as Prefix,
)
from patchbay.service.errors import (
    DNSNameServersExhausted,
    GatewayIpInUse,
    HostRoutesExhausted,
    InvalidInput,
    InvalidSubnetServiceType,
    NetworkMTUSubnetConflict,
)
from patchbay.service.settings import NetworkSettings

MIN_MTU = {4: 68, 6: 1280}
"""The smallest MTU of a network with subnets of an IP version, in bytes (RFC 791, RFC 8200)."""

OWNER_PREFIXES = ("network:", "compute:", "baremetal:", "trunk:")
"""What the device owners begin with that a subnet may be meant for."""


def check_new_subnet(settings: NetworkSettings, subnet: Subnet, network: Network) -> None:
    """Everything but overlap with other subnets."""
    prefix = parse_cidr(subnet.cidr)
    if prefix.prefixlen == 0:
        raise InvalidInput("0 is not allowed as CIDR prefix length")
    if network.mtu < MIN_MTU[subnet.ip_version]:
        raise NetworkMTUSubnetConflict(network.id, MIN_MTU[subnet.ip_version])
    check_options(settings, subnet, None)
    if subnet.ip_version == 6:
        _check_modes(subnet, prefix)
    elif subnet.ipv6_ra_mode is not None:
        raise InvalidInput("ipv6_ra_mode is not valid when ip_version is 4")
    elif subnet.ipv6_address_mode is not None:
        raise InvalidInput("ipv6_address_mode is not valid when ip_version is 4")


def check_options(settings: NetworkSettings, subnet: Subnet, old: Subnet | None) -> None:
    """What an update may change as well: DHCP, gateway, name servers, routes, service types."""
    prefix = parse_cidr(subnet.cidr)
    _check_version(prefix.version, subnet, "cidr", subnet.cidr)
    if prefix.version == 6 and int(prefix.network_address) == 0:
        raise InvalidInput("IPv6 subnet '::' is not supported")
    if subnet.enable_dhcp and not (old is not None and old.enable_dhcp):
        _check_dhcp(prefix)
    if old is not None and old.enable_dhcp and not subnet.enable_dhcp and (old.ipv6_ra_mode or old.ipv6_address_mode):
        raise InvalidInput("Cannot disable enable_dhcp with ipv6 attributes set")
    if subnet.gateway_ip is not None:
        _check_gateway(subnet, prefix)
    _check_name_servers(settings, subnet, old)
    _check_routes(settings, subnet, old)
    for service_type in subnet.service_types:
        if not service_type.startswith(OWNER_PREFIXES):
            raise InvalidSubnetServiceType(service_type)


def _check_version(version: int, subnet: Subnet, name: str, text: str) -> None:
    if version != subnet.ip_version:
        raise InvalidInput(f"{name} '{text}' does not match the ip_version '{subnet.ip_version}'")


def _check_dhcp(prefix: Prefix) -> None:
    if prefix.prefixlen > (30 if prefix.version == 4 else 126):
        raise InvalidInput("Subnet has a prefix length that is incompatible with DHCP service enabled")
    if prefix.is_multicast:
        raise InvalidInput("Multicast IP subnet is not supported if enable_dhcp is True")
    if prefix.is_loopback:
        raise InvalidInput("Loopback IP subnet is not supported if enable_dhcp is True")
    if prefix.version == 4 and int(prefix.network_address) == 0:
        raise InvalidInput("First IP '0.0.0.0' of network is not supported if enable_dhcp is True.")


def _check_gateway(subnet: Subnet, prefix: Prefix) -> None:
    gateway = parse_address(subnet.gateway_ip or "")
    _check_version(gateway.version, subnet, "gateway_ip", str(gateway))
    ends = (prefix.network_address, prefix.broadcast_address)
    if prefix.version == 4 and prefix.prefixlen <= 30 and gateway in ends:
        raise InvalidInput("Gateway is not valid on subnet")


def _check_name_servers(settings: NetworkSettings, subnet: Subnet, old: Subnet | None) -> None:
    if len(subnet.dns_nameservers) > settings.max_dns_nameservers:
        raise DNSNameServersExhausted("new subnet" if old is None else old.id, settings.max_dns_nameservers)
    for server in subnet.dns_nameservers:
        _check_version(parse_address(server).version, subnet, "dns_nameserver", server)


def _check_routes(settings: NetworkSettings, subnet: Subnet, old: Subnet | None) -> None:
    if len(subnet.host_routes) > settings.max_subnet_host_routes:
        raise HostRoutesExhausted("new subnet" if old is None else old.id, settings.max_subnet_host_routes)
    for route in subnet.host_routes:
        _check_version(parse_address(route.nexthop).version, subnet, "nexthop", route.nexthop)
        _check_version(parse_cidr(route.destination).version, subnet, "destination", route.destination)


def _check_modes(subnet: Subnet, prefix: Prefix) -> None:
    ra_mode, address_mode = subnet.ipv6_ra_mode, subnet.ipv6_address_mode
    if (ra_mode or address_mode) and not subnet.enable_dhcp:
        raise InvalidInput("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
    if ra_mode and address_mode and ra_mode != address_mode:
        raise InvalidInput(
            f"ipv6_ra_mode set to '{ra_mode}' with ipv6_address_mode set to '{address_mode}' is not valid. "
            "If both attributes are set, they must be the same value"
        )
    if is_automatic(subnet) and prefix.prefixlen != 64:
        raise InvalidInput(
            f"Invalid CIDR {subnet.cidr} for IPv6 address mode. OpenStack uses the EUI-64 address format, "
            "which requires the prefix to be /64"
        )


def check_cidr(subnet: Subnet, others: Iterable[Subnet]) -> None:
    """Raises InvalidInput when the subnet overlaps with another of its network."""
    prefix = parse_cidr(subnet.cidr)
    for other in others:
        if other.ip_version == subnet.ip_version and prefix.overlaps(parse_cidr(other.cidr)):
            raise InvalidInput(
                f"Requested subnet with cidr: {subnet.cidr} for network: {subnet.network_id} "
                "overlaps with another subnet"
            )


def check_gateway_change(db: IntentDatabase, old: Subnet, new: Subnet) -> None:
    """Raises GatewayIpInUse when a router has the gateway address that would change."""
    if old.gateway_ip is None or new.gateway_ip == old.gateway_ip:
        return
    port_id = db.addresses(old.id).get(int(parse_address(old.gateway_ip)))
    if port_id is not None and db.ports[port_id].device_owner in ROUTER_OWNERS:
        raise GatewayIpInUse(old.gateway_ip, port_id)
