"""RBAC policies: share objects with other projects (Neutron API reference, "RBAC Policies").

The policy for all projects is, where an object has an attribute for it, that attribute (see ``sharing``): to create or
delete it changes the object.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from patchbay.errors import NotFound
from patchbay.intent.database import Delete, Insert, Update, Write
from patchbay.model import AddressScope, Network, RBACPolicy, SubnetPool
from patchbay.model.resource import Resource
from patchbay.service.access import Attempt, carry_out, new_id, touched
from patchbay.service.address_groups import get_address_group
from patchbay.service.address_scopes import get_address_scope
from patchbay.service.context import RequestContext
from patchbay.service.errors import InvalidInput
from patchbay.service.external_networks import check_may_be_internal
from patchbay.service.networks import get_network
from patchbay.service.policy_errors import (
    DuplicateRbacPolicy,
    InvalidActionForType,
    RbacPolicyInUse,
    RbacPolicyNotFound,
)
from patchbay.service.security_groups import get_security_group
from patchbay.service.service import Service
from patchbay.service.sharing import EVERYBODY, EXTERNAL, KINDS, SHARED, implied_policies, policies_of
from patchbay.service.sharing_uses import check_parts_visible, check_unused, is_last
from patchbay.service.subnetpools import get_subnetpool

Getter = Callable[[Service, RequestContext, str], Resource]
GETTERS: Mapping[str, Getter] = {
    "network": get_network,
    "security_group": get_security_group,
    "subnetpool": get_subnetpool,
    "address_scope": get_address_scope,
    "address_group": get_address_group,
}


class RBACPolicySpec(msgspec.Struct, frozen=True, kw_only=True):
    """A policy as asked for; only the target can change."""

    project_id: str = ""
    object_type: str = ""
    object_id: str = ""
    action: str = ""
    target_project: str = ""


def all_policies(service: Service) -> Iterator[RBACPolicy]:
    """All policies, those among them that are attributes of objects."""
    db = service.db
    yield from db.rbac_policies.values()
    tables: Sequence[Mapping[str, Resource]] = (db.networks, db.subnetpools, db.address_scopes)
    for table in tables:
        for value in table.values():
            yield from implied_policies(db, value)


def is_policy_visible(context: RequestContext, policy: RBACPolicy) -> bool:
    """Whether the caller sees the policy: it is of its project."""
    return context.is_admin or (policy.project_id == context.project_id and "reader" in context.roles)


def get_policy(service: Service, context: RequestContext, policy_id: str) -> RBACPolicy:
    """The policy, or RbacPolicyNotFound."""
    found = service.db.rbac_policies.get(policy_id)
    if found is None:
        found = next((policy for policy in all_policies(service) if policy.id == policy_id), None)
    if found is None or not is_policy_visible(context, found):
        raise RbacPolicyNotFound(policy_id)
    return found


def _object(service: Service, policy: RBACPolicy) -> Any:
    """The object; a policy whose object has gone counts as gone."""
    value = getattr(service.db, KINDS[policy.object_type]).get(policy.object_id)
    if value is None:
        raise RbacPolicyNotFound(policy.id)
    return value


async def create_policies(
    service: Service, context: RequestContext, specs: Sequence[RBACPolicySpec]
) -> list[RBACPolicy]:
    """New policies, all or none.

    Raises InvalidInput for objects of others, InvalidActionForType, DuplicateRbacPolicy, or the object's NotFound.
    """

    def plan(_attempt: Attempt) -> tuple[list[RBACPolicy], list[Write]]:
        made: list[RBACPolicy] = []
        writes: list[Write] = []
        for spec in specs:
            value = _checked_object(service, context, spec)
            if any(_key(policy) == _key(spec) for policy in (*made, *_policies_on(service, value))):
                raise DuplicateRbacPolicy
            policy = RBACPolicy(
                id=new_id(),
                project_id=spec.project_id or context.project_id,
                object_type=spec.object_type,
                object_id=spec.object_id,
                action=spec.action,
                target_project=spec.target_project,
            )
            check_parts_visible(service.db, value, policy)
            policy, added = _addition(service, value, policy)
            made.append(policy)
            writes += [write for write in added if write not in writes]
        return made, writes

    return await carry_out(service, "the shared object", plan)


def _key(policy: RBACPolicy | RBACPolicySpec) -> tuple[str, str, str]:
    return policy.object_id, policy.action, policy.target_project


def _policies_on(service: Service, value: Resource) -> list[RBACPolicy]:
    db = service.db
    rows = [policy for action in (SHARED, EXTERNAL) for policy in policies_of(db, value.id, action)]
    return [*rows, *implied_policies(db, value)]


def _checked_object(service: Service, context: RequestContext, spec: RBACPolicySpec) -> Resource:
    if spec.object_type not in KINDS:
        raise InvalidInput(f"'{spec.object_type}' is not a valid RBAC object type")
    valid = [SHARED, EXTERNAL] if spec.object_type == "network" else [SHARED]
    if spec.action not in valid:
        raise InvalidActionForType(spec.action, spec.object_type, valid)
    value = GETTERS[spec.object_type](service, context, spec.object_id)
    if not context.is_admin and value.project_id != context.project_id:
        raise InvalidInput("Only admins can manipulate policies on objects they do not own")
    return value


def _addition(service: Service, value: Any, policy: RBACPolicy) -> tuple[RBACPolicy, list[Write]]:
    """The policy as it will be shown, and what must be written for it."""
    if policy.target_project == EVERYBODY and policy.action == SHARED and hasattr(value, "shared"):
        shared = msgspec.structs.replace(touched(value), shared=True)
        implied = next(one for one in implied_policies(service.db, shared) if one.action == SHARED)
        return implied, [Update(value, shared)]
    if policy.action == EXTERNAL and not value.external:
        return policy, [Update(value, msgspec.structs.replace(touched(value), external=True)), Insert(policy)]
    along = [Insert(one) for one in implied_policies(service.db, value) if one.action == policy.action == EXTERNAL]
    # The object is written as it is: this fails when it is gone meanwhile.
    return policy, [Update(value, value), *along, Insert(policy)]


async def update_policy(service: Service, context: RequestContext, policy_id: str, target: str) -> RBACPolicy:
    """The policy for another project. Raises RbacPolicyNotFound, RbacPolicyInUse, DuplicateRbacPolicy."""

    def plan(_attempt: Attempt) -> tuple[tuple[Any, RBACPolicy, RBACPolicy], list[Write]]:
        old = get_policy(service, context, policy_id)
        value = _object(service, old)
        if target == old.target_project:
            return (value, old, old), []
        if not context.is_admin and value.project_id != context.project_id:
            raise InvalidInput("Only admins can manipulate policies on objects they do not own")
        new = msgspec.structs.replace(old, target_project=target)
        if any(_key(policy) == _key(new) for policy in _policies_on(service, value)):
            raise DuplicateRbacPolicy
        if target != EVERYBODY:
            check_unused(service, value, old, target)
        if old.id in service.db.rbac_policies and (target != EVERYBODY or not _is_attribute(value, old)):
            return (value, old, new), [Update(value, touched(value)), Update(old, new)]
        new, writes = _exchanged(service, value, old, new)
        return (value, old, new), writes

    before, old, new = await carry_out(service, f"RBAC policy {policy_id}", plan)
    if new is not old and target != EVERYBODY:
        await _keep_if_used(service, before, old, new)
    return new


def _is_attribute(value: Resource, policy: RBACPolicy) -> bool:
    """Whether the policy for all projects is an attribute of the object."""
    return policy.action == SHARED and isinstance(value, (Network, SubnetPool, AddressScope))


def _exchanged(service: Service, value: Any, old: RBACPolicy, new: RBACPolicy) -> tuple[RBACPolicy, list[Write]]:
    """A row becomes the object's attribute, or the attribute a row."""
    if old.id in service.db.rbac_policies:
        implied, writes = _addition(service, value, new)
        return implied, [Delete(old), *writes]
    if old.action == SHARED:
        unshared = msgspec.structs.replace(touched(value), shared=False)
        return new, [Update(value, unshared), Insert(new)]
    return new, [Update(value, touched(value)), Insert(new)]


async def delete_policy(service: Service, context: RequestContext, policy_id: str, _if_match: int | None) -> None:
    """The policy goes. Raises RbacPolicyNotFound, RbacPolicyInUse, or ExternalNetworkInUse for a network's last."""

    def plan(_attempt: Attempt) -> tuple[tuple[Any, RBACPolicy], list[Write]]:
        policy = get_policy(service, context, policy_id)
        rows: list[Write] = [Delete(policy)] if policy.id in service.db.rbac_policies else []
        try:
            value = _object(service, policy)
        except NotFound:
            return (None, policy), rows
        check_unused(service, value, policy)
        changed = touched(value)
        if policy.action == EXTERNAL and is_last(service, value, policy):
            check_may_be_internal(service, value)
            changed = msgspec.structs.replace(changed, external=False, is_default=False)
        elif not rows:
            changed = msgspec.structs.replace(changed, shared=False)
        return (value, policy), [Update(value, changed), *rows]

    await service.catch_up()
    before, policy = await carry_out(service, f"RBAC policy {policy_id}", plan)
    if before is not None:
        await _keep_if_used(service, before, policy, None)


async def _keep_if_used(service: Service, before: Any, old: RBACPolicy, new: RBACPolicy | None) -> None:
    """Puts a policy back that somebody began to use at the moment when it went, and raises RbacPolicyInUse.

    Who uses a shared object writes it as it is, which fails from then on. So all uses are seen now.
    ``before`` is the object as it was with the policy ``old``, in whose place is ``new`` now.
    """
    await service.catch_up()
    value = getattr(service.db, KINDS[old.object_type]).get(old.object_id)
    if value is None:
        return
    try:
        check_unused(service, value, old, new.target_project if new is not None else "")
    except RbacPolicyInUse:
        await carry_out(service, f"RBAC policy {old.id}", lambda _: (None, _restored(service, before, old, new)))
        raise


def _restored(service: Service, before: Any, old: RBACPolicy, new: RBACPolicy | None) -> list[Write]:
    """What makes the policy and its object's attributes as they were."""
    value = getattr(service.db, KINDS[old.object_type])[old.object_id]
    attributes = {name: getattr(before, name) for name in ("shared", "external", "is_default") if hasattr(before, name)}
    writes: list[Write] = [Update(value, msgspec.structs.replace(touched(value), **attributes))]
    was_row = not any(one.id == old.id for one in implied_policies(service.db, before))
    present = None if new is None else service.db.rbac_policies.get(new.id)
    if was_row and present is not None and present.id == old.id:
        return [*writes, Update(present, old)]
    gone: list[Write] = [] if present is None else [Delete(present)]
    return [*writes, *gone, *([Insert(old)] if was_row else [])]
