"""Address scopes: create, change, delete, show (Neutron API reference, "Address scopes")."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from patchbay.intent.database import Delete, Insert, Write
from patchbay.model import AddressScope
from patchbay.service.access import (
    FIRST_REVISION,
    Attempt,
    carry_out,
    check_revision,
    is_visible,
    new_id,
    now,
    revise,
)
from patchbay.service.context import RequestContext
from patchbay.service.errors import (
    AddressScopeInUse,
    AddressScopeNotFound,
    AddressScopeUpdateError,
)
from patchbay.service.service import Service
from patchbay.service.specs import AddressScopeSpec


def get_address_scope(service: Service, context: RequestContext, scope_id: str) -> AddressScope:
    """The address scope, or AddressScopeNotFound."""
    scope = service.db.address_scopes.get(scope_id)
    if scope is None or not is_visible(context, scope):
        raise AddressScopeNotFound(scope_id)
    return scope


async def create_address_scopes(
    service: Service, context: RequestContext, specs: Sequence[AddressScopeSpec]
) -> list[AddressScope]:
    """New address scopes, all or none."""
    moment = now()
    scopes = [
        AddressScope(
            id=new_id(),
            project_id=spec.project_id or context.project_id,
            name="" if spec.name is UNSET else spec.name,
            revision_number=FIRST_REVISION,
            created_at=moment,
            updated_at=moment,
            ip_version=spec.ip_version,
            shared=False if spec.shared is UNSET else spec.shared,
        )
        for spec in specs
    ]
    await service.commit(*map(Insert, scopes))
    return scopes


async def update_address_scope(
    service: Service, context: RequestContext, scope_id: str, spec: AddressScopeSpec, if_match: int | None = None
) -> AddressScope:
    """The address scope as changed. Raises AddressScopeNotFound, or AddressScopeUpdateError for one to be unshared."""

    def change(old: AddressScope) -> AddressScope:
        if old.shared and spec.shared is False:
            raise AddressScopeUpdateError(scope_id, "Shared address scope can't be unshared")
        return msgspec.structs.replace(
            old,
            name=old.name if spec.name is UNSET else spec.name,
            shared=old.shared if spec.shared is UNSET else spec.shared,
        )

    what = f"address scope {scope_id}"
    return await revise(service, what, lambda: get_address_scope(service, context, scope_id), change, if_match)


async def delete_address_scope(
    service: Service, context: RequestContext, scope_id: str, if_match: int | None = None
) -> None:
    """The address scope goes. Raises AddressScopeNotFound, or AddressScopeInUse while a subnet pool is in it."""

    def plan(_attempt: Attempt) -> tuple[None, Sequence[Write]]:
        scope = get_address_scope(service, context, scope_id)
        check_revision(scope, if_match)
        if service.db.subnetpools_by_scope.get(scope_id):
            raise AddressScopeInUse(scope_id)
        return None, [Delete(scope)]

    await carry_out(service, f"address scope {scope_id}", plan)
