"""Subnet pools: create, change, delete, show (Neutron API reference, "Subnet pools").

Prefixes of two pools in one address scope never overlap: whoever changes a pool of a scope bumps the scope's revision.
"""

from collections.abc import Callable, Sequence

import msgspec
from msgspec import UNSET

from patchbay.intent.database import Delete, Insert, Update, Write
from patchbay.model import SubnetPool
from patchbay.service.access import Attempt, beginning, carry_out, check_revision, is_visible, revised, touched
from patchbay.service.context import RequestContext
from patchbay.service.errors import (
    IllegalSubnetPoolPrefixUpdate,
    SubnetPoolDeleteError,
    SubnetPoolNotFound,
)
from patchbay.service.prefixes import collapsed, contains_all, left_over, overlap
from patchbay.service.service import Service
from patchbay.service.specs import SubnetPoolSpec
from patchbay.service.subnetpool_rules import (
    DEFAULT_MIN,
    LONGEST,
    check_default,
    check_lengths,
    check_scope,
    version_of,
)


def get_subnetpool(service: Service, context: RequestContext, pool_id: str) -> SubnetPool:
    """The subnet pool, or SubnetPoolNotFound."""
    pool = service.db.subnetpools.get(pool_id)
    if pool is None or not is_visible(context, pool):
        raise SubnetPoolNotFound(pool_id)
    return pool


async def create_subnetpools(
    service: Service, context: RequestContext, specs: Sequence[SubnetPoolSpec]
) -> list[SubnetPool]:
    """New subnet pools, all or none. Raises the errors of ``subnetpool_rules``."""

    def plan(_attempt: Attempt) -> tuple[list[SubnetPool], Sequence[Write]]:
        pools: list[SubnetPool] = []
        for spec in specs:
            pool = _new_pool(context, spec)
            check_default(service.db, pool, pools)
            check_scope(service.db, context, pool, pools)
            pools.append(pool)
        return pools, [*map(Insert, pools), *_touched_scopes(service, pools)]

    return await carry_out(service, "the address scope of the subnet pool", plan)


def _new_pool(context: RequestContext, spec: SubnetPoolSpec) -> SubnetPool:
    prefixes = () if spec.prefixes is UNSET else spec.prefixes
    version = version_of(prefixes)
    min_prefixlen = DEFAULT_MIN[version] if spec.min_prefixlen is UNSET else spec.min_prefixlen
    pool = SubnetPool(
        **beginning(context, spec),
        ip_version=version,
        prefixes=collapsed(prefixes),
        default_prefixlen=min_prefixlen if spec.default_prefixlen is UNSET else spec.default_prefixlen,
        min_prefixlen=min_prefixlen,
        max_prefixlen=LONGEST[version] if spec.max_prefixlen is UNSET else spec.max_prefixlen,
        default_quota=None if spec.default_quota is UNSET else spec.default_quota,
        address_scope_id=None if spec.address_scope_id is UNSET else spec.address_scope_id,
        shared=False if spec.shared is UNSET else spec.shared,
        is_default=False if spec.is_default is UNSET else spec.is_default,
    )
    check_lengths(pool)
    return pool


def _touched_scopes(service: Service, pools: Sequence[SubnetPool]) -> list[Write]:
    """Updates that let no other pool come into the pools' address scopes at the same time."""
    scopes = {
        pool.address_scope_id: service.db.address_scopes[pool.address_scope_id]
        for pool in pools
        if pool.address_scope_id
    }
    return [Update(scope, touched(scope)) for scope in scopes.values()]


async def update_subnetpool(
    service: Service, context: RequestContext, pool_id: str, spec: SubnetPoolSpec, if_match: int | None = None
) -> SubnetPool:
    """The subnet pool as changed; its prefixes may grow, not shrink.

    Raises SubnetPoolNotFound, IllegalSubnetPoolPrefixUpdate, IllegalSubnetPoolUpdate, or the errors of
    ``subnetpool_rules``.
    """
    return await _update(service, context, pool_id, lambda old: _changed(old, spec), if_match)


async def add_prefixes(service: Service, context: RequestContext, pool_id: str, prefixes: Sequence[str]) -> SubnetPool:
    """The subnet pool with these prefixes besides those that it has. Raises as ``update_subnetpool``."""

    def grown(old: SubnetPool) -> SubnetPool:
        return _changed(old, SubnetPoolSpec(prefixes=(*old.prefixes, *prefixes)))

    return await _update(service, context, pool_id, grown)


async def remove_prefixes(
    service: Service, context: RequestContext, pool_id: str, prefixes: Sequence[str]
) -> SubnetPool:
    """The subnet pool without these addresses.

    Raises SubnetPoolNotFound, PrefixVersionMismatch, or IllegalSubnetPoolPrefixUpdate when a subnet has some of them.
    """

    def shrunk(old: SubnetPool) -> SubnetPool:
        version_of((*old.prefixes, *prefixes))
        used = [service.db.subnets[id_].cidr for id_ in service.db.subnets_by_pool.get(pool_id, ())]
        if overlap(used, prefixes):
            raise IllegalSubnetPoolPrefixUpdate("One or more the prefixes to be removed is in use by a subnet.")
        return msgspec.structs.replace(
            old, prefixes=collapsed(str(block) for block in left_over(old.prefixes, prefixes))
        )

    return await _update(service, context, pool_id, shrunk)


async def _update(
    service: Service,
    context: RequestContext,
    pool_id: str,
    change: Callable[[SubnetPool], SubnetPool],
    if_match: int | None = None,
) -> SubnetPool:
    def plan(_attempt: Attempt) -> tuple[SubnetPool, Sequence[Write]]:
        old = get_subnetpool(service, context, pool_id)
        check_revision(old, if_match)
        new = revised(old, change(old))
        if new is old:
            return old, []
        check_lengths(new)
        if not old.is_default:
            check_default(service.db, new)
        check_scope(service.db, context, new, old=old)
        return new, [Update(old, new), *_touched_scopes(service, [new])]

    return await carry_out(service, f"subnet pool {pool_id}", plan)


def _changed(old: SubnetPool, spec: SubnetPoolSpec) -> SubnetPool:
    prefixes = old.prefixes
    if spec.prefixes is not UNSET:
        version_of((*old.prefixes, *spec.prefixes))
        if not contains_all(spec.prefixes, old.prefixes):
            raise IllegalSubnetPoolPrefixUpdate("Existing prefixes must be a subset of the new prefixes")
        prefixes = collapsed(spec.prefixes)
    return msgspec.structs.replace(
        old,
        name=old.name if spec.name is UNSET else spec.name,
        description=old.description if spec.description is UNSET else spec.description,
        prefixes=prefixes,
        default_prefixlen=old.default_prefixlen if spec.default_prefixlen is UNSET else spec.default_prefixlen,
        min_prefixlen=old.min_prefixlen if spec.min_prefixlen is UNSET else spec.min_prefixlen,
        max_prefixlen=old.max_prefixlen if spec.max_prefixlen is UNSET else spec.max_prefixlen,
        default_quota=old.default_quota if spec.default_quota is UNSET else spec.default_quota,
        address_scope_id=old.address_scope_id if spec.address_scope_id is UNSET else spec.address_scope_id,
        is_default=old.is_default if spec.is_default is UNSET else spec.is_default,
    )


async def delete_subnetpool(
    service: Service, context: RequestContext, pool_id: str, if_match: int | None = None
) -> None:
    """The subnet pool goes. Raises SubnetPoolNotFound, or SubnetPoolDeleteError while a subnet is from it."""

    def plan(_attempt: Attempt) -> tuple[None, Sequence[Write]]:
        pool = get_subnetpool(service, context, pool_id)
        check_revision(pool, if_match)
        if service.db.subnets_by_pool.get(pool_id):
            raise SubnetPoolDeleteError("Subnet pool has existing allocations")
        return None, [Delete(pool)]

    await carry_out(service, f"subnet pool {pool_id}", plan)
