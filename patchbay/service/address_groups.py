"""Address groups: create, change, delete, show (Neutron API reference, "Address groups")."""

from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_network

import msgspec
from msgspec import UNSET

from patchbay.intent.database import Delete, Insert, Write
from patchbay.model import AddressGroup
from patchbay.service.access import Attempt, beginning, carry_out, check_revision, is_visible, revise
from patchbay.service.context import RequestContext
from patchbay.service.errors import BadRequestFor
from patchbay.service.security_errors import (
    AddressesAlreadyExist,
    AddressesNotFound,
    AddressGroupInUse,
    AddressGroupNotFound,
)
from patchbay.service.security_specs import AddressGroupSpec
from patchbay.service.service import Service


def get_address_group(service: Service, context: RequestContext, group_id: str) -> AddressGroup:
    """The address group, or AddressGroupNotFound."""
    group = service.db.address_groups.get(group_id)
    if group is None or not is_visible(context, group):
        raise AddressGroupNotFound(group_id)
    return group


def as_blocks(addresses: Iterable[str]) -> tuple[str, ...]:
    """Addresses and CIDRs as different CIDRs without host bits, in the order of the database's sets."""
    return tuple(sorted({str(ip_network(address, strict=False)) for address in addresses}))


async def create_address_groups(
    service: Service, context: RequestContext, specs: Sequence[AddressGroupSpec]
) -> list[AddressGroup]:
    """New address groups, all or none. Raises BadRequest for more addresses than a group may have."""
    groups = [AddressGroup(**beginning(context, spec), addresses=as_blocks(spec.addresses)) for spec in specs]
    for group in groups:
        _check_number(service, group)
    await service.commit(*map(Insert, groups))
    return groups


def _check_number(service: Service, group: AddressGroup) -> None:
    most = service.settings.max_addresses_per_group
    if len(group.addresses) > most:
        raise BadRequestFor("address_group", f"Address group {group.id} would have more than {most} addresses")


async def update_address_group(
    service: Service, context: RequestContext, group_id: str, spec: AddressGroupSpec, if_match: int | None = None
) -> AddressGroup:
    """The address group with another name or description. Raises AddressGroupNotFound."""

    def change(old: AddressGroup) -> AddressGroup:
        return msgspec.structs.replace(
            old,
            name=old.name if spec.name is UNSET else spec.name,
            description=old.description if spec.description is UNSET else spec.description,
        )

    return await _revise(service, context, group_id, change, if_match)


async def _revise(
    service: Service,
    context: RequestContext,
    group_id: str,
    change: Callable[[AddressGroup], AddressGroup],
    if_match: int | None = None,
) -> AddressGroup:
    what = f"address group {group_id}"
    return await revise(service, what, lambda: get_address_group(service, context, group_id), change, if_match)


async def add_addresses(
    service: Service, context: RequestContext, group_id: str, addresses: Iterable[str]
) -> AddressGroup:
    """The group with these addresses more. Raises AddressGroupNotFound, AddressesAlreadyExist, or BadRequest."""
    wanted = as_blocks(addresses)

    def change(old: AddressGroup) -> AddressGroup:
        if there := sorted({*wanted} & {*old.addresses}):
            raise AddressesAlreadyExist(there, group_id)
        new = msgspec.structs.replace(old, addresses=as_blocks((*old.addresses, *wanted)))
        _check_number(service, new)
        return new

    return await _revise(service, context, group_id, change)


async def remove_addresses(
    service: Service, context: RequestContext, group_id: str, addresses: Iterable[str]
) -> AddressGroup:
    """The group without these addresses. Raises AddressGroupNotFound, AddressesNotFound."""
    unwanted = as_blocks(addresses)

    def change(old: AddressGroup) -> AddressGroup:
        if absent := sorted({*unwanted} - {*old.addresses}):
            raise AddressesNotFound(absent, group_id)
        return msgspec.structs.replace(old, addresses=tuple(sorted({*old.addresses} - {*unwanted})))

    return await _revise(service, context, group_id, change)


async def delete_address_group(
    service: Service, context: RequestContext, group_id: str, if_match: int | None = None
) -> None:
    """The address group goes. Raises AddressGroupNotFound, or AddressGroupInUse while a rule names it."""

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        group = get_address_group(service, context, group_id)
        check_revision(group, if_match)
        if service.db.rules_by_address_group.get(group_id):
            raise AddressGroupInUse(group_id)
        return None, [Delete(group)]

    await carry_out(service, f"address group {group_id}", plan)
