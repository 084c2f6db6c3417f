"""Groups of ranges of IPv4 addresses that lease policies hand out (``models/ip_range``, ``node_api/lease_policy``)."""

from collections.abc import Mapping
from ipaddress import IPv4Address

from patchbay.intent.database import Write
from patchbay.model import VnetObject
from patchbay.service.access import Attempt, carry_out
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet.errors import ArgumentError, UnknownUUIDResource
from patchbay.service.vnet.kept import delete, holding, inserting, related, row_of
from patchbay.service.vnet.kinds import IP_RANGE, IP_RANGE_GROUP, Kind
from patchbay.service.vnet.objects import data_of, new_row
from patchbay.service.vnet.ranges import Range

BEGIN, END = "begin_ipv4_address", "end_ipv4_address"


def check_order(begin: str, end: str, numbers: Mapping[str, int]) -> None:
    """Raises ArgumentError when a range ends before it begins."""
    if numbers[begin] > numbers[end]:
        raise ArgumentError(f"{begin} is behind {end}.", "Give the lower one as the beginning.")


async def add_range(
    service: Service, context: RequestContext, group: str, uuid: str, addresses: tuple[str, str]
) -> VnetObject:
    """A range of the group, from the first address to the second.

    Raises InvalidUUID, UnknownUUIDResource, DuplicateUUID, ArgumentError.
    """
    numbers = {BEGIN: int(IPv4Address(addresses[0])), END: int(IPv4Address(addresses[1]))}

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        row_of(service, IP_RANGE_GROUP, group, "ip_range_group_uuid")
        check_order(BEGIN, END, numbers)
        row = new_row(
            context,
            IP_RANGE,
            uuid,
            ip_range_group_uuid=group,
            begin_ipv4_address=numbers[BEGIN],
            end_ipv4_address=numbers[END],
        )
        return row, [*inserting(service, IP_RANGE, row), *holding(service, {IP_RANGE_GROUP: group})]

    return await carry_out(service, f"IP range group {group}", plan)


async def remove_member(service: Service, owner: tuple[Kind, str], member: tuple[Kind, str]) -> None:
    """An object of another goes. Raises InvalidUUID, or UnknownUUIDResource also when it belongs to another one."""
    row_of(service, *owner)
    row = row_of(service, *member, f"{member[0].name}_uuid")
    if data_of(row)[f"{owner[0].name}_uuid"] != owner[1]:
        raise UnknownUUIDResource(member[0], member[1], f"{member[0].name}_uuid")
    await delete(service, *member)


def ranges_of(service: Service, group: str) -> list[Range]:
    """The ranges of a group as numbers, both ends included."""
    found = (data_of(row) for row in related(service, IP_RANGE_GROUP, group, IP_RANGE))
    return [(data[BEGIN], data[END]) for data in found]
