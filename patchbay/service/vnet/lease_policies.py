"""Lease policies: they hand out addresses of ranges (``vnet/node_api/lease_policy.rb``).

The address comes from the first base network with a free one. Addresses of ports, of leases that are nobody's, of the
subnet's gateway and of its DHCP ranges are in use.
"""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network

import msgspec

from patchbay.intent.database import Update, Write
from patchbay.model import Subnet, VnetObject
from patchbay.service.access import Attempt, carry_out, touched
from patchbay.service.context import RequestContext
from patchbay.service.errors import IpAddressAlreadyAllocated
from patchbay.service.service import Service
from patchbay.service.vnet import containers, kept
from patchbay.service.vnet.errors import ArgumentError
from patchbay.service.vnet.ip_ranges import ranges_of
from patchbay.service.vnet.kinds import (
    INTERFACE,
    IP_LEASE,
    IP_LEASE_CONTAINER,
    IP_RANGE_GROUP,
    IP_RETENTION_CONTAINER,
    LEASE_POLICY,
    NETWORK,
    Kind,
)
from patchbay.service.vnet.lease_changes import planned_ip_lease
from patchbay.service.vnet.leases import IpLease, get_ip_lease, mac_leases_of
from patchbay.service.vnet.objects import Face, data_of, find, get, new_uuid
from patchbay.service.vnet.ranges import Range, choose, within
from patchbay.service.vnet.relation_kinds import (
    LEASE_POLICY_BASE_INTERFACE,
    LEASE_POLICY_BASE_NETWORK,
    LEASE_POLICY_IP_LEASE_CONTAINER,
    LEASE_POLICY_IP_RETENTION_CONTAINER,
)
from patchbay.service.vnet.room import in_use

SIMPLE = "simple"
MODES = (SIMPLE,)
IMMEDIATE, DHCP = "immediate", "dhcp"
TIMINGS = (IMMEDIATE, DHCP)


class Source(msgspec.Struct, frozen=True):
    """A network that a policy hands out addresses of, and how."""

    network: str
    subnet: Subnet
    ranges: Sequence[Range]
    allocation_type: str


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A lease as asked for.

    ``uuid`` "" makes one up; ``interface`` None makes it nobody's; ``label`` chooses the containers that have it.
    """

    uuid: str = ""
    interface: str | None = None
    label: str | None = None


async def allocate(service: Service, context: RequestContext, policy: str, wish: Wish) -> IpLease:
    """A new IP lease of the policy.

    With an interface, that is the policy's from now on. Addresses that were kept long enough are free first.
    Raises UnknownUUIDResource, DuplicateUUID, RelationAlreadyExists, or ArgumentError when there is no network, range
    or free address, when the interface has no MAC, or when the policy's timing is another than immediate.
    """
    uuid = wish.uuid or new_uuid(IP_LEASE)
    await containers.reclaim(service)

    def plan(attempt: Attempt) -> tuple[None, list[Write]]:
        kept.row_of(service, LEASE_POLICY, policy)
        writes: list[Write] = []
        ends = {"uuid": uuid}
        if wish.interface is not None:
            writes += _joining(service, context, policy, wish)
            ends["mac_lease_uuid"] = _first_mac_lease(service, wish.interface)
        writes += _leased(service, context, attempt, policy, ends)
        writes += _contained(service, context, policy, uuid, wish.label)
        return None, [*writes, *kept.holding(service, {LEASE_POLICY: policy})]

    await carry_out(service, f"lease policy {policy}", plan)
    return get_ip_lease(service, uuid)


def _joining(service: Service, context: RequestContext, policy: str, wish: Wish) -> list[Write]:
    interface = wish.interface or ""
    get(service, INTERFACE, interface, "interface_uuid")
    timing = data_of(kept.row_of(service, LEASE_POLICY, policy))["timing"]
    if timing != IMMEDIATE:
        raise ArgumentError(
            f"Cannot allocate ip to interface({interface}) because the timing of lease_policy({policy}) is not "
            f"'{IMMEDIATE}'.",
            f"PUT lease_policies/{policy} with timing={IMMEDIATE}.",
        )
    ends = {LEASE_POLICY: policy, INTERFACE: interface}
    row = kept.new_relation(context, LEASE_POLICY_BASE_INTERFACE, ends, {"label": wish.label})
    return kept.relating(service, LEASE_POLICY_BASE_INTERFACE, row)


def _first_mac_lease(service: Service, interface: str) -> str:
    leases = mac_leases_of(service, get(service, INTERFACE, interface, "interface_uuid"))
    if not leases:
        raise ArgumentError(
            f"Cannot create IP lease because interface {interface} does not have a MAC lease.",
            "POST mac_leases for it first.",
        )
    return leases[0].uuid


def _leased(
    service: Service, context: RequestContext, attempt: Attempt, policy: str, ends: dict[str, str]
) -> list[Write]:
    """The writes of a lease with an address that nobody has, also no other request that is under way."""
    tried: set[int] = set()
    while True:
        source, address = _free_address(service, policy, tried)
        values = {**ends, "network_uuid": source.network, "ipv4_address": str(IPv4Address(address))}
        network = service.db.networks[source.subnet.network_id]
        try:
            writes = planned_ip_lease(service, context, attempt, values)
        except IpAddressAlreadyAllocated:
            tried.add(address)
            continue
        noted: list[Write] = [] if "mac_lease_uuid" in ends else [Update(network, touched(network))]
        return [*writes, *noted]


def sources(service: Service, policy: str) -> list[Source]:
    """What a policy hands out addresses of, in the order in which it was said."""
    found = []
    for relation in kept.related(service, LEASE_POLICY, policy, LEASE_POLICY_BASE_NETWORK):
        data = data_of(relation)
        network = find(service, NETWORK, data["network_uuid"])
        group = kept.row_of(service, IP_RANGE_GROUP, data["ip_range_group_uuid"])
        if network is not None:
            subnet = service.db.subnets[network.object_id]
            ranges = within(ranges_of(service, group.uuid), _hosts(IPv4Network(subnet.cidr)))
            found.append(Source(network.uuid, subnet, ranges, data_of(group)["allocation_type"]))
    return found


def _hosts(prefix: IPv4Network) -> Range:
    """The first and last address that a host may have."""
    first, last = int(prefix.network_address), int(prefix.broadcast_address)
    return (first + 1, last - 1) if prefix.prefixlen < 31 else (first, last)


def _free_address(service: Service, policy: str, tried: set[int]) -> tuple[Source, int]:
    found = sources(service, policy)
    if not found:
        raise ArgumentError(
            "No network associated with lease policy.",
            f"POST lease_policies/{policy}/networks/… with ip_range_group_uuid.",
        )
    for source in found:
        address = choose(source.ranges, _not_to_lease(service, source.subnet) | tried, source.allocation_type)
        if address is not None:
            return source, address
    names = ", ".join(f"{source.network}, {source.subnet.cidr}" for source in found)
    raise ArgumentError(
        f"Run out of dynamic IP addresses from the network segment: {names}.",
        "Add ranges to the IP range group, or delete leases.",
    )


def _not_to_lease(service: Service, subnet: Subnet) -> set[int]:
    used = in_use(service, subnet)
    if subnet.gateway_ip is not None:
        used.add(int(IPv4Address(subnet.gateway_ip)))
    for lent in subnet.dhcp_ranges:
        used |= set(range(int(IPv4Address(lent.start)), int(IPv4Address(lent.end)) + 1))
    return used


def _contained(service: Service, context: RequestContext, policy: str, lease: str, label: str | None) -> list[Write]:
    """Puts the lease into the policy's containers; a label chooses those that have it."""
    writes: list[Write] = []
    for row in kept.related(service, LEASE_POLICY, policy, LEASE_POLICY_IP_LEASE_CONTAINER):
        if label is None or data_of(row).get("label") == label:
            writes.append(containers.contained(context, data_of(row)["ip_lease_container_uuid"], lease))
    for row in kept.related(service, LEASE_POLICY, policy, LEASE_POLICY_IP_RETENTION_CONTAINER):
        writes.append(containers.retained(context, data_of(row)["ip_retention_container_uuid"], lease))
    return writes


async def add_network(service: Service, context: RequestContext, ends: Mapping[Kind, str], group: str) -> VnetObject:
    """The policy hands out addresses of the network (the ``ends``) that are in the ranges of the group.

    Raises InvalidUUID, UnknownUUIDResource, RelationAlreadyExists.
    """

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        kept.check_ends(service, ends)
        get(service, IP_RANGE_GROUP, group, "ip_range_group_uuid")
        row = kept.new_relation(context, LEASE_POLICY_BASE_NETWORK, ends, {"ip_range_group_uuid": group})
        held = kept.holding(service, {**ends, IP_RANGE_GROUP: group})
        return row, [*kept.relating(service, LEASE_POLICY_BASE_NETWORK, row), *held]

    return await carry_out(service, f"lease policy {ends[LEASE_POLICY]}", plan)


def networks(service: Service, policy: str) -> list[Face]:
    """The networks of a policy. Raises InvalidUUID or UnknownUUIDResource."""
    found = kept.related(service, LEASE_POLICY, policy, LEASE_POLICY_BASE_NETWORK)
    return [get(service, NETWORK, data_of(row)["network_uuid"]) for row in found]


def interfaces(service: Service, policy: str) -> list[Face]:
    """The interfaces of a policy. Raises InvalidUUID or UnknownUUIDResource."""
    found = kept.related(service, LEASE_POLICY, policy, LEASE_POLICY_BASE_INTERFACE)
    return [get(service, INTERFACE, data_of(row)["interface_uuid"]) for row in found]


def lease_containers(service: Service, policy: str) -> list[VnetObject]:
    """The containers of IP leases of a policy. Raises InvalidUUID or UnknownUUIDResource."""
    found = kept.related(service, LEASE_POLICY, policy, LEASE_POLICY_IP_LEASE_CONTAINER)
    return [kept.row_of(service, IP_LEASE_CONTAINER, data_of(row)["ip_lease_container_uuid"]) for row in found]


def retention_containers(service: Service, policy: str) -> list[VnetObject]:
    """The containers of retentions of a policy. Raises InvalidUUID or UnknownUUIDResource."""
    found = kept.related(service, LEASE_POLICY, policy, LEASE_POLICY_IP_RETENTION_CONTAINER)
    return [kept.row_of(service, IP_RETENTION_CONTAINER, data_of(row)["ip_retention_container_uuid"]) for row in found]
