"""Groups of ranges of IPv4 addresses that lease policies hand out (``models/ip_range``, ``node_api/lease_policy``)."""

from ipaddress import IPv4Address
from typing import Any

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


async def add_range(
    service: Service, context: RequestContext, group: str, uuid: str, addresses: tuple[str, str]
) -> VnetObject:
    """A range of the group, from the first address to the second.

    Raises InvalidUUID, UnknownUUIDResource, DuplicateUUID, ArgumentError.
    """
    numbers = {BEGIN: int(IPv4Address(addresses[0])), END: int(IPv4Address(addresses[1]))}
    return await add_numbers(service, context, (IP_RANGE_GROUP, group), (IP_RANGE, uuid), numbers)


async def add_numbers(
    service: Service, context: RequestContext, owner: tuple[Kind, str], made: tuple[Kind, str], numbers: dict[str, int]
) -> VnetObject:
    """A range, as kind and uuid, of the owning group; ``numbers`` are its beginning and its end by their names.

    Raises InvalidUUID, UnknownUUIDResource, DuplicateUUID, ArgumentError.
    """
    group, name = owner[1], f"{owner[0].name}_uuid"

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        row_of(service, *owner, name)
        (begin, first), (end, last) = numbers.items()
        if first > last:
            raise ArgumentError(f"{begin} is behind {end}.", "Give the lower one as the beginning.")
        members: dict[str, Any] = {name: group, **numbers}
        row = new_row(context, *made, **members)
        return row, [*inserting(service, made[0], row), *holding(service, {owner[0]: group})]

    return await carry_out(service, f"{owner[0].words} {group}", plan)


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
