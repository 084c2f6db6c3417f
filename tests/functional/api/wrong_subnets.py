"""Wrong subnets."""

from tests.functional.api.wrong import BAD, INVALID, NOWHERE, Row, put, subnet

SUBNET_ROWS: list[Row] = [
    # subnets
    subnet(400, BAD, "Required attribute 'network_id' not specified", network_id="leave out"),
    subnet(400, BAD, "Required attribute 'ip_version' not specified", ip_version="leave out"),
    subnet(400, BAD, "Invalid input for network_id. Reason: 'blue' is not a valid UUID.", network_id="blue"),
    subnet(404, "NetworkNotFound", NOWHERE, network_id=NOWHERE),
    subnet(400, BAD, "5 is not in [4, 6]", ip_version=5),
    subnet(400, INVALID, "10.1.0.0/33 is not in a CIDR format", cidr="10.1.0.0/33"),
    subnet(400, INVALID, "10.1.0.0 is not in a CIDR format", cidr="10.1.0.0"),
    subnet(400, INVALID, "blue/24 is not in a CIDR format", cidr="blue/24"),
    subnet(400, INVALID, "10.1.0.0/255.255.255.0 is not in a CIDR format", cidr="10.1.0.0/255.255.255.0"),
    subnet(400, "BadRequest", "a subnetpool must be specified in the absence of a cidr", cidr="leave out"),
    subnet(400, "BadRequest", "must not be supplied together", prefixlen=24),
    subnet(404, "SubnetPoolNotFound", NOWHERE, subnetpool_id=NOWHERE),
    subnet(400, INVALID, "0 is not allowed as CIDR prefix length", cidr="0.0.0.0/0", enable_dhcp=False),
    subnet(400, INVALID, "cidr '10.1.0.0/24' does not match the ip_version '6'", ip_version=6),
    subnet(400, INVALID, "incompatible with DHCP", cidr="10.1.0.0/31"),
    subnet(400, INVALID, "Multicast IP subnet", cidr="224.0.0.0/24"),
    subnet(400, INVALID, "Loopback IP subnet", cidr="127.0.0.0/24"),
    subnet(400, INVALID, "IPv6 subnet '::' is not supported", cidr="::/64", ip_version=6),
    subnet(400, INVALID, "overlaps with another subnet", network_id="{net}", cidr="10.0.0.0/24"),
    subnet(400, INVALID, "overlaps with another subnet", network_id="{net}", cidr="10.0.0.128/25"),
    subnet(400, INVALID, "overlaps with another subnet", network_id="{net}", cidr="10.0.0.0/8"),
    subnet(400, INVALID, "overlaps with another subnet", network_id="{net}", cidr="fd00::/48", ip_version=6),
    subnet(400, INVALID, "ipv6_ra_mode is not valid when ip_version is 4", ipv6_ra_mode="slaac"),
    subnet(400, BAD, "Invalid input for ipv6_ra_mode. Reason: magic is not in", ipv6_ra_mode="magic"),
    subnet(
        400, INVALID, "which requires the prefix to be /64", ip_version=6, cidr="fd01::/56", ipv6_address_mode="slaac"
    ),
    subnet(
        400,
        INVALID,
        "they must be the same value",
        ip_version=6,
        cidr="fd01::/64",
        ipv6_ra_mode="slaac",
        ipv6_address_mode="dhcpv6-stateful",
    ),
    subnet(
        400,
        INVALID,
        "when enable_dhcp is set to False",
        ip_version=6,
        cidr="fd01::/64",
        ipv6_ra_mode="slaac",
        enable_dhcp=False,
    ),
    subnet(400, BAD, "Invalid input for gateway_ip. Reason: 'blue' is not a valid IP address.", gateway_ip="blue"),
    subnet(400, INVALID, "Gateway is not valid on subnet", gateway_ip="10.1.0.0"),
    subnet(400, INVALID, "Gateway is not valid on subnet", gateway_ip="10.1.0.255"),
    subnet(400, INVALID, "gateway_ip 'fd00::1' does not match the ip_version '4'", gateway_ip="fd00::1"),
    subnet(
        409,
        "GatewayConflictWithAllocationPools",
        "Gateway ip 10.1.0.1 conflicts with allocation pool 10.1.0.1-10.1.0.9",
        allocation_pools=[{"start": "10.1.0.1", "end": "10.1.0.9"}],
    ),
    subnet(
        400, "OutOfBoundsAllocationPool", "spans beyond", allocation_pools=[{"start": "10.1.0.9", "end": "10.2.0.9"}]
    ),
    subnet(
        400, "InvalidAllocationPool", "10.1.0.9-10.1.0.5", allocation_pools=[{"start": "10.1.0.9", "end": "10.1.0.5"}]
    ),
    subnet(
        409,
        "OverlappingAllocationPools",
        "Found overlapping allocation pools: 10.1.0.5-10.1.0.9 10.1.0.9-10.1.0.12",
        allocation_pools=[{"start": "10.1.0.9", "end": "10.1.0.12"}, {"start": "10.1.0.5", "end": "10.1.0.9"}],
    ),
    subnet(400, BAD, "Validation of dictionary's keys failed", allocation_pools=[{"start": "10.1.0.9"}]),
    subnet(400, INVALID, "Invalid data format for allocation pools", allocation_pools=["10.1.0.9"]),
    subnet(400, BAD, "'blue' is not a valid IP address", allocation_pools=[{"start": "blue", "end": "10.1.0.9"}]),
    subnet(400, BAD, "Duplicate nameserver '8.8.8.8'", dns_nameservers=["8.8.8.8", "8.8.8.8"]),
    subnet(400, BAD, "'blue' is not a valid nameserver", dns_nameservers=["blue"]),
    subnet(400, INVALID, "dns_nameserver '2001:db8::53' does not match", dns_nameservers=["2001:db8::53"]),
    subnet(400, "DNSNameServersExhausted", "exceeds the limit 5", dns_nameservers=[f"8.8.8.{n}" for n in range(6)]),
    subnet(400, BAD, "is not a valid CIDR", host_routes=[{"destination": "10.0.0.1/8", "nexthop": "10.1.0.2"}]),
    subnet(400, BAD, "Provided keys", host_routes=[{"destination": "10.0.0.0/8"}]),
    subnet(
        400,
        INVALID,
        "nexthop 'fd00::1' does not match",
        host_routes=[{"destination": "192.0.2.0/24", "nexthop": "fd00::1"}],
    ),
    subnet(400, "InvalidSubnetServiceType", "does not correspond to a valid device owner", service_types=["blue"]),
    subnet(400, "InvalidInputSubnetServiceType", "is not a string", service_types=[7]),
    put("/subnets/{sub}", 400, BAD, "Cannot update read-only attribute cidr", cidr="10.2.0.0/24"),
    put("/subnets/{sub}", 400, INVALID, "Gateway is not valid on subnet", gateway_ip="10.0.0.0"),
    put("/subnets/{sub}", 409, "GatewayConflictWithAllocationPools", "Gateway ip 10.0.0.9", gateway_ip="10.0.0.9"),
    put("/subnets/{auto}", 400, INVALID, "Cannot disable enable_dhcp", enable_dhcp=False),
    Row(
        "POST",
        "/subnets",
        {
            "subnets": [
                {"network_id": "{bare}", "ip_version": 4, "cidr": cidr} for cidr in ("10.7.0.0/24", "10.7.0.0/25")
            ]
        },
        400,
        INVALID,
        "overlaps with another subnet",
    ),
]
