"""Groups of ranges of MACs, and the MAC that a new interface gets from one (``models/mac_range``)."""

from collections.abc import Collection

from patchbay.model import VnetObject
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet.errors import ArgumentError
from patchbay.service.vnet.ip_ranges import add_numbers
from patchbay.service.vnet.kept import related, row_of
from patchbay.service.vnet.kinds import MAC_LEASE, MAC_RANGE, MAC_RANGE_GROUP
from patchbay.service.vnet.objects import data_of, rows
from patchbay.service.vnet.ranges import RANDOM, choose

BEGIN, END = "begin_mac_address", "end_mac_address"


def check_unicast(mac_address: str) -> None:
    """Raises OpenVNet's ArgumentError for a MAC that is a group's, or all zeros: no interface can have it."""
    number = mac_number(mac_address)
    if not number or number >> 40 & 1:
        raise ArgumentError(
            f"MAC address {mac_address} is not that of one interface",
            "Give one whose first two digits are an even number, such as 02:00:00:00:00:01.",
        )


def mac_number(mac_address: str) -> int:
    """The MAC as an integer."""
    return int(mac_address.replace(":", ""), 16)


def mac_text(number: int) -> str:
    """The integer as a MAC with colons."""
    return number.to_bytes(6, "big").hex(":")


async def add_range(
    service: Service, context: RequestContext, group: str, uuid: str, addresses: tuple[str, str]
) -> VnetObject:
    """A range of the group, from the first MAC to the second.

    Raises InvalidUUID, UnknownUUIDResource, DuplicateUUID, ArgumentError.
    """
    numbers = {BEGIN: mac_number(addresses[0]), END: mac_number(addresses[1])}
    for mac_address in addresses:
        check_unicast(mac_address)
    if numbers[BEGIN] >> 40 != numbers[END] >> 40:
        raise ArgumentError(
            f"{BEGIN} and {END} begin with different digits, so that there are MACs of groups between them.",
            "Give two that begin with the same two digits.",
        )
    return await add_numbers(service, context, (MAC_RANGE_GROUP, group), (MAC_RANGE, uuid), numbers)


def free_mac(service: Service, group: str, besides: Collection[str] = ()) -> str:
    """A MAC of the group that no port, no kept MAC lease and none of ``besides`` has.

    Raises InvalidUUID, UnknownUUIDResource (as ``mac_range_group_uuid``), or ArgumentError when all are in use.
    """
    row = row_of(service, MAC_RANGE_GROUP, group, "mac_range_group_uuid")
    found = [data_of(one) for one in related(service, MAC_RANGE_GROUP, group, MAC_RANGE)]
    used = {mac_number(port.mac_address) for port in service.db.ports.values()}
    kept = (data_of(one).get("mac_address") for one in rows(service, MAC_LEASE))
    used |= {mac_number(mac_address) for mac_address in (*kept, *besides) if mac_address}
    allocation_type = data_of(row).get("allocation_type") or RANDOM
    number = choose([(data[BEGIN], data[END]) for data in found], used, allocation_type)
    if number is None:
        raise ArgumentError(
            f"mac_range_group_uuid: {group} has no free MAC address.",
            f"Add a range (POST mac_range_groups/{group}/mac_ranges) or give mac_address.",
        )
    return mac_text(number)
