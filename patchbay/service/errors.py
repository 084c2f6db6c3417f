"""The rules' errors, under the names and with the messages that Neutron gives them.

The class name is what API clients see as ``NeutronError.type`` (neutron-lib ``exceptions``, neutron
``ipam/exceptions.py``), the base class decides the HTTP status, and ``remedy`` is shown as the error's detail.
"""

from patchbay.errors import BadRequest, Conflict, NotFound, PreconditionFailed, ServiceUnavailable


class NetworkNotFound(NotFound):
    def __init__(self, network_id: str) -> None:
        super().__init__(f"Network {network_id} could not be found.")


class SubnetNotFound(NotFound):
    def __init__(self, subnet_id: str) -> None:
        super().__init__(f"Subnet {subnet_id} could not be found.")


class PortNotFound(NotFound):
    def __init__(self, port_id: str) -> None:
        super().__init__(f"Port {port_id} could not be found.")


class AgentNotFound(NotFound):
    def __init__(self, agent_id: str) -> None:
        super().__init__(f"Agent {agent_id} could not be found.")


class InstanceNotFound(NotFound):
    def __init__(self, instance_id: str) -> None:
        super().__init__(f"Instance {instance_id} could not be found.")


class RouterNotFound(NotFound):
    def __init__(self, router_id: str) -> None:
        super().__init__(f"Router {router_id} could not be found")


class TagNotFound(NotFound):
    def __init__(self, tag: str) -> None:
        super().__init__(f"Tag {tag} could not be found.")


class SubnetPoolNotFound(NotFound):
    def __init__(self, subnetpool_id: str) -> None:
        super().__init__(f"Subnet pool {subnetpool_id} could not be found.")


class AddressScopeNotFound(NotFound):
    def __init__(self, address_scope_id: str) -> None:
        super().__init__(f"Address scope {address_scope_id} could not be found.")


class InvalidInput(BadRequest):
    def __init__(self, error_message: str, remedy: str = "") -> None:
        super().__init__(f"Invalid input for operation: {error_message}.", remedy)


class BadRequestFor(BadRequest):
    """Neutron's ``BadRequest``: a request that is wrong for a kind of resource."""

    def __init__(self, resource: str, reason: str) -> None:
        super().__init__(f"Bad {resource} request: {reason}.")


class InvalidIpForNetwork(BadRequest):
    def __init__(self, ip_address: str) -> None:
        super().__init__(
            f"IP address {ip_address} is not a valid IP for any of the subnets on the specified network.",
            "Choose an address inside one of the network's subnets, other than its network and broadcast address.",
        )


class InvalidIpForSubnet(BadRequest):
    def __init__(self, ip_address: str) -> None:
        super().__init__(
            f"IP address {ip_address} is not a valid IP for the specified subnet.",
            "Choose an address inside the subnet, other than its network and broadcast address.",
        )


class IpAddressInDhcpRange(BadRequest):
    def __init__(self, ip_address: str, subnet_id: str) -> None:
        super().__init__(
            f"IP address {ip_address} is in a DHCP range of subnet {subnet_id}, which ports get no addresses from.",
            "Choose an address outside the subnet's dhcp_ranges.",
        )


class AllocationOnAutoAddressSubnet(BadRequest):
    def __init__(self, ip_address: str, subnet_id: str) -> None:
        super().__init__(
            f"IPv6 address {ip_address} cannot be directly assigned to a port on subnet {subnet_id} as the "
            "subnet is configured for automatic addresses",
        )


class InvalidAllocationPool(BadRequest):
    def __init__(self, pool: str) -> None:
        super().__init__(f"The allocation pool {pool} is not valid.")


class OutOfBoundsAllocationPool(BadRequest):
    def __init__(self, pool: str, subnet_cidr: str) -> None:
        super().__init__(f"The allocation pool {pool} spans beyond the subnet cidr {subnet_cidr}.")


class DNSNameServersExhausted(BadRequest):
    def __init__(self, subnet_id: str, quota: int) -> None:
        super().__init__(
            f"Unable to complete operation for {subnet_id}. The number of DNS nameservers exceeds the limit {quota}."
        )


class HostRoutesExhausted(BadRequest):
    def __init__(self, subnet_id: str, quota: int) -> None:
        super().__init__(
            f"Unable to complete operation for {subnet_id}. The number of host routes exceeds the limit {quota}."
        )


class AllowedAddressPairExhausted(BadRequest):
    def __init__(self, quota: int) -> None:
        super().__init__(f"The number of allowed address pair exceeds the maximum {quota}.")


class AllowedAddressPairsMissingIP(BadRequest):
    def __init__(self) -> None:
        super().__init__("AllowedAddressPair must contain ip_address")


class DuplicateAddressPairInRequest(BadRequest):
    def __init__(self, mac_address: str, ip_address: str) -> None:
        super().__init__(
            f"Request contains duplicate address pair: mac_address {mac_address} ip_address {ip_address}.",
        )


class InvalidInputSubnetServiceType(BadRequest):
    def __init__(self, service_type: object) -> None:
        super().__init__(f"Subnet service type {service_type} is not a string.")


class InvalidSubnetServiceType(BadRequest):
    def __init__(self, service_type: str) -> None:
        super().__init__(f"Subnet service type {service_type} does not correspond to a valid device owner.")


class IpAddressGenerationFailure(Conflict):
    def __init__(self, network_id: str) -> None:
        super().__init__(
            f"No more IP addresses available on network {network_id}.", "Delete ports, widen the pools or add a subnet."
        )


class IpAddressGenerationFailureNoMatchingSubnet(Conflict):
    def __init__(self, network_id: str, service_type: str) -> None:
        super().__init__(
            f"No valid service subnet for the given device owner, network {network_id}, service type {service_type}."
        )


class IpAddressAlreadyAllocated(Conflict):
    def __init__(self, ip_address: str, subnet_id: str) -> None:
        super().__init__(f"IP address {ip_address} already allocated in subnet {subnet_id}")


class MacAddressInUse(Conflict):
    def __init__(self, network_id: str, mac_address: str) -> None:
        super().__init__(
            f"Unable to complete operation for network {network_id}. The mac address {mac_address} is in use."
        )


class NetworkInUse(Conflict):
    def __init__(self, network_id: str, reason: str) -> None:
        super().__init__(f"Unable to complete operation on network {network_id}. {reason}.")


class DefaultExternalNetworkExists(Conflict):
    def __init__(self, network_id: str) -> None:
        super().__init__(f"A default external network already exists: {network_id}.")


class SubnetInUse(Conflict):
    def __init__(self, subnet_id: str) -> None:
        super().__init__(
            f"Unable to complete operation on subnet {subnet_id}: "
            "One or more ports have an IP allocation from this subnet."
        )


class DhcpRangeInUse(Conflict):
    def __init__(self, subnet_id: str, ip_address: str, port_id: str) -> None:
        super().__init__(
            f"Unable to complete operation on subnet {subnet_id}: port {port_id} has address {ip_address} of a DHCP "
            "range.",
            "Give the port another address first, or choose another range.",
        )


class PortBound(Conflict):
    def __init__(self, port_id: str, vif_type: str, old_mac: str, new_mac: str) -> None:
        super().__init__(
            f"Unable to complete operation on port {port_id}, port is already bound, port type: {vif_type}, "
            f"old_mac {old_mac}, new_mac {new_mac}.",
            "Unbind the port (binding:host_id) first.",
        )


class PortInUse(Conflict):
    def __init__(self, port_id: str, network_id: str, device_id: str) -> None:
        super().__init__(
            f"Unable to complete operation on port {port_id} for network {network_id}. "
            f"Port already has an attached device {device_id}."
        )


class GatewayConflictWithAllocationPools(Conflict):
    def __init__(self, ip_address: str, pool: str) -> None:
        super().__init__(f"Gateway ip {ip_address} conflicts with allocation pool {pool}.")


class GatewayIpInUse(Conflict):
    def __init__(self, ip_address: str, port_id: str) -> None:
        super().__init__(f"Current gateway ip {ip_address} already in use by port {port_id}. Unable to update.")


class OverlappingAllocationPools(Conflict):
    def __init__(self, pool_1: str, pool_2: str, subnet_cidr: str) -> None:
        super().__init__(f"Found overlapping allocation pools: {pool_1} {pool_2} for subnet {subnet_cidr}.")


class NetworkMTUSubnetConflict(Conflict):
    def __init__(self, network_id: str, mtu: int) -> None:
        super().__init__(f"MTU of {network_id} is not valid, subnet requires a minimum of {mtu}")


class InvalidSharedSetting(Conflict):
    def __init__(self, network: str) -> None:
        super().__init__(
            f"Unable to reconfigure sharing settings for network {network}. Multiple projects are using it."
        )


class VlanIdInUse(Conflict):
    def __init__(self, vlan_id: int, physical_network: str) -> None:
        super().__init__(
            f"Unable to create the network. The VLAN {vlan_id} on physical network {physical_network} is in use."
        )


class TunnelIdInUse(Conflict):
    def __init__(self, tunnel_id: int) -> None:
        super().__init__(f"Unable to create the network. The tunnel ID {tunnel_id} is in use.")


class FlatNetworkInUse(Conflict):
    def __init__(self, physical_network: str) -> None:
        super().__init__(f"Unable to create the flat network. Physical network {physical_network} is in use.")


class NoNetworkAvailable(ServiceUnavailable):
    def __init__(self, remedy: str = "") -> None:
        super().__init__("Unable to create the network. No project network is available for allocation.", remedy)


class InstanceNameInUse(Conflict):
    def __init__(self, name: str, host: str) -> None:
        super().__init__(
            f"Instance name {name} is in use on host {host}.", "Names are those of namespaces; choose another."
        )


class RevisionNumberConstraintFailed(PreconditionFailed):
    def __init__(self, expected: int, current: int) -> None:
        super().__init__(f"Constrained to {expected}, but current revision is {current}")


class DatabaseUnavailable(ServiceUnavailable):
    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The intent database cannot be reached: {reason}.", "Whether the change was made is not known; ask."
        )


class TooMuchContention(Conflict):
    """Neutron answers 409 as well when its database retries are used up."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"Unable to complete operation on {what}: it was changed by others at the same time.", "Try again."
        )


class EmptySubnetPoolPrefixList(BadRequest):
    def __init__(self) -> None:
        super().__init__("Empty subnet pool prefix list.")


class PrefixVersionMismatch(BadRequest):
    def __init__(self) -> None:
        super().__init__("Cannot mix IPv4 and IPv6 prefixes in a subnet pool.")


class IllegalSubnetPoolPrefixBounds(BadRequest):
    def __init__(self, prefix_type: str, prefixlen: int, base_prefix_type: str, base_prefixlen: int) -> None:
        super().__init__(f"Illegal prefix bounds: {prefix_type}={prefixlen}, {base_prefix_type}={base_prefixlen}.")


class IllegalSubnetPoolPrefixUpdate(BadRequest):
    def __init__(self, reason: str) -> None:
        super().__init__(f"Illegal update to prefixes: {reason}.")


class IllegalSubnetPoolUpdate(BadRequest):
    def __init__(self, reason: str) -> None:
        super().__init__(f"Illegal subnetpool update : {reason}.")


class IllegalSubnetPoolIpVersionAssociationToAddressScope(BadRequest):
    def __init__(self, subnetpool_id: str, address_scope_id: str, ip_version: int) -> None:
        super().__init__(
            f"Illegal subnetpool association: subnetpool {subnetpool_id} cannot associate with address scope "
            f"{address_scope_id} because subnetpool ip_version is not {ip_version}."
        )


class AddressScopePrefixConflict(Conflict):
    def __init__(self) -> None:
        super().__init__(
            "Failed to associate address scope: subnetpools within an address scope must have unique prefixes."
        )


class AddressScopeInUse(Conflict):
    def __init__(self, address_scope_id: str) -> None:
        super().__init__(
            f"Unable to complete operation on address scope {address_scope_id}. There are one or more subnet pools in "
            "use on the address scope."
        )


class AddressScopeUpdateError(BadRequest):
    def __init__(self, address_scope_id: str, reason: str) -> None:
        super().__init__(f"Unable to update address scope {address_scope_id} : {reason}.")


class NetworkAddressScopeAffinityError(BadRequest):
    def __init__(self) -> None:
        super().__init__(
            "Subnets of the same address family hosted on the same network must all participate in the same address "
            "scope."
        )


class NetworkSubnetPoolAffinityError(BadRequest):
    def __init__(self) -> None:
        super().__init__("Subnets hosted on the same network must be allocated from the same subnet pool.")


class MinPrefixSubnetAllocationError(BadRequest):
    def __init__(self, prefixlen: int, min_prefixlen: int) -> None:
        super().__init__(
            f"Unable to allocate subnet with prefix length {prefixlen}, minimum allowed prefix is {min_prefixlen}."
        )


class MaxPrefixSubnetAllocationError(BadRequest):
    def __init__(self, prefixlen: int, max_prefixlen: int) -> None:
        super().__init__(
            f"Unable to allocate subnet with prefix length {prefixlen}, maximum allowed prefix is {max_prefixlen}."
        )


class SubnetAllocationError(Conflict):
    """Neutron answers 500 here, as if something were broken."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Failed to allocate subnet: {reason}.", "Add prefixes to the pool, or ask for less.")


class SubnetPoolQuotaExceeded(Conflict):
    def __init__(self) -> None:
        super().__init__("Per-project subnet pool prefix quota exceeded.")


class SubnetPoolDeleteError(BadRequest):
    def __init__(self, reason: str) -> None:
        super().__init__(f"Unable to delete subnet pool: {reason}.")
