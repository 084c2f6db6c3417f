"""Kinds of relations that only lease policies, containers and topologies have (``vnet/models``)."""

from patchbay.service.vnet.kinds import (
    DATAPATH,
    MAC_RANGE_GROUP,
    NETWORK,
    ROUTE_LINK,
    SEGMENT,
    Kind,
)

LEASE_POLICY_BASE_NETWORK = Kind("lease_policy_base_network", "LeasePolicyBaseNetwork")
LEASE_POLICY_BASE_INTERFACE = Kind("lease_policy_base_interface", "LeasePolicyBaseInterface")
LEASE_POLICY_IP_LEASE_CONTAINER = Kind("lease_policy_ip_lease_container", "LeasePolicyIpLeaseContainer")
LEASE_POLICY_IP_RETENTION_CONTAINER = Kind("lease_policy_ip_retention_container", "LeasePolicyIpRetentionContainer")
IP_LEASE_CONTAINER_IP_LEASE = Kind("ip_lease_container_ip_lease", "IpLeaseContainerIpLease")

TOPOLOGY_DATAPATH = Kind("topology_datapath", "TopologyDatapath")
TOPOLOGY_NETWORK = Kind("topology_network", "TopologyNetwork")
TOPOLOGY_SEGMENT = Kind("topology_segment", "TopologySegment")
TOPOLOGY_ROUTE_LINK = Kind("topology_route_link", "TopologyRouteLink")
TOPOLOGY_MAC_RANGE_GROUP = Kind("topology_mac_range_group", "TopologyMacRangeGroup")
TOPOLOGY_LAYER = Kind("topology_layer", "TopologyLayer")

OF_TOPOLOGY: dict[Kind, Kind] = {
    DATAPATH: TOPOLOGY_DATAPATH,
    NETWORK: TOPOLOGY_NETWORK,
    SEGMENT: TOPOLOGY_SEGMENT,
    ROUTE_LINK: TOPOLOGY_ROUTE_LINK,
    MAC_RANGE_GROUP: TOPOLOGY_MAC_RANGE_GROUP,
}
"""What a topology can be related to, and the kind of that relation."""
