"""Subnets from subnet pools: which pool, and which part of it (Neutron's ``ipam/subnet_alloc``).

Two requests never get overlapping parts: the pool's revision is bumped in the transaction that makes the subnets, so
one of them is refused and tried again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from weakref import WeakValueDictionary

import msgspec
from msgspec import UNSET

from patchbay.model import Network, Subnet, SubnetPool
from patchbay.service.access import is_visible
from patchbay.service.addresses import Network as Prefix
from patchbay.service.addresses import parse_address, parse_cidr
from patchbay.service.context import RequestContext
from patchbay.service.errors import (
    BadRequestFor,
    MaxPrefixSubnetAllocationError,
    MinPrefixSubnetAllocationError,
    NetworkAddressScopeAffinityError,
    NetworkSubnetPoolAffinityError,
    SubnetAllocationError,
    SubnetPoolQuotaExceeded,
)
from patchbay.service.prefixes import first_block, has_room, left_over
from patchbay.service.service import Service
from patchbay.service.specs import SubnetSpec
from patchbay.service.subnetpools import get_subnetpool

QUOTA_UNIT = {4: 32, 6: 64}
"""The prefix length that a pool's quota counts, by IP version."""


def pool_of(service: Service, context: RequestContext, spec: SubnetSpec) -> SubnetPool | None:
    """The pool that the subnet comes from, if any. Raises BadRequestFor or SubnetPoolNotFound."""
    if spec.cidr and spec.prefixlen is not None:
        raise BadRequestFor("subnets", "cidr and prefixlen must not be supplied together")
    if spec.use_default_subnetpool and spec.subnetpool_id:
        raise BadRequestFor("subnets", "subnetpool_id and use_default_subnetpool cannot both be specified")
    pool: SubnetPool | None = None
    if spec.use_default_subnetpool:
        pools = (each for each in service.db.subnetpools.values() if is_visible(context, each))
        pool = next((each for each in pools if each.is_default and each.ip_version == spec.ip_version), None)
        if pool is None:
            raise BadRequestFor("subnets", f"No default subnetpool found for IPv{spec.ip_version}")
    elif spec.subnetpool_id:
        pool = get_subnetpool(service, context, spec.subnetpool_id)
    if pool is None and not spec.cidr:
        raise BadRequestFor("subnets", "a subnetpool must be specified in the absence of a cidr")
    if pool is not None and not spec.cidr and spec.allocation_pools is not UNSET:
        raise BadRequestFor("subnets", "allocation_pools allowed only for specific subnet requests.")
    if pool is not None and pool.ip_version != spec.ip_version:
        raise BadRequestFor(
            "subnets", f"Cannot allocate IPv{spec.ip_version} subnet from IPv{pool.ip_version} subnet pool"
        )
    return pool


def check_affinity(
    service: Service, network: Network, pool: SubnetPool | None, ip_version: int, siblings: Iterable[Subnet]
) -> None:
    """A network's subnets of one IP version come from one pool, or from pools of one address scope, or from none.

    Raises NetworkAddressScopeAffinityError or NetworkSubnetPoolAffinityError.
    """
    db = service.db
    existing = [db.subnets[id_] for id_ in db.subnets_by_network.get(network.id, ())]
    pools = {subnet.subnetpool_id for subnet in (*existing, *siblings) if subnet.ip_version == ip_version}
    scopes = {db.subnetpools[id_].address_scope_id for id_ in pools if id_ is not None} - {None}
    if pool is not None and scopes and pool.address_scope_id not in scopes:
        raise NetworkAddressScopeAffinityError
    if pool is None and pools - {None}:
        raise NetworkSubnetPoolAffinityError
    if pool is not None and not scopes and pools - {pool.id}:
        raise NetworkSubnetPoolAffinityError


def from_pool(
    service: Service, context: RequestContext, pool: SubnetPool, spec: SubnetSpec, siblings: Sequence[Subnet]
) -> SubnetSpec:
    """The subnet as asked for, with a CIDR from the pool. Raises as ``_allocated``."""
    cidr = _allocated(service, pool, spec, spec.project_id or context.project_id, siblings)
    return msgspec.structs.replace(spec, cidr=cidr, subnetpool_id=pool.id)


def _allocated(
    service: Service, pool: SubnetPool, spec: SubnetSpec, project_id: str, siblings: Sequence[Subnet]
) -> str:
    """The CIDR that the subnet gets from the pool: the one named, the one around its gateway, or the first free one.

    Raises MinPrefixSubnetAllocationError, MaxPrefixSubnetAllocationError, SubnetPoolQuotaExceeded or
    SubnetAllocationError.
    """
    wanted = _wanted(pool, spec)
    prefixlen = (
        (pool.default_prefixlen if spec.prefixlen is None else spec.prefixlen) if wanted is None else wanted.prefixlen
    )
    if prefixlen > pool.max_prefixlen:
        raise MaxPrefixSubnetAllocationError(prefixlen, pool.max_prefixlen)
    if prefixlen < pool.min_prefixlen:
        raise MinPrefixSubnetAllocationError(prefixlen, pool.min_prefixlen)
    db = service.db
    subnets = [db.subnets[id_] for id_ in db.subnets_by_pool.get(pool.id, ())]
    subnets += [subnet for subnet in siblings if subnet.subnetpool_id == pool.id]
    _check_quota(pool, [subnet for subnet in subnets if subnet.project_id == project_id], prefixlen)
    free = left_over(pool.prefixes, [subnet.cidr for subnet in subnets])
    if wanted is None:
        block = first_block(free, prefixlen)
        if block is None:
            raise SubnetAllocationError(f"Insufficient prefix space to allocate subnet size /{prefixlen}")
        return str(block)
    if wanted.version != pool.ip_version or not has_room(free, wanted):
        raise SubnetAllocationError("Cannot allocate requested subnet from the available set of prefixes")
    return str(wanted)


def _wanted(pool: SubnetPool, spec: SubnetSpec) -> Prefix | None:
    if spec.cidr:
        return parse_cidr(spec.cidr)
    if spec.gateway_ip is UNSET or spec.gateway_ip is None:
        return None
    prefixlen = pool.default_prefixlen if spec.prefixlen is None else spec.prefixlen
    return parse_cidr(f"{parse_address(spec.gateway_ip)}/{prefixlen}")


def _check_quota(pool: SubnetPool, subnets: Iterable[Subnet], prefixlen: int) -> None:
    if not pool.default_quota:
        return
    unit = QUOTA_UNIT[pool.ip_version]
    lengths = [prefixlen, *(parse_cidr(subnet.cidr).prefixlen for subnet in subnets)]
    if sum(2.0 ** (unit - length) for length in lengths) > pool.default_quota:
        raise SubnetPoolQuotaExceeded


_turns: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()


@contextlib.asynccontextmanager
async def turns(service: Service, specs: Iterable[SubnetSpec]) -> AsyncIterator[None]:
    """Requests to this service that allocate from one pool go one after the other.

    The guard of the pool's revision would refuse all but one of them each time.
    """
    async with contextlib.AsyncExitStack() as stack:
        for key in sorted({_key(spec) for spec in specs} - {""}):
            await stack.enter_async_context(_turns.setdefault((id(service), key), asyncio.Lock()))
        yield


def _key(spec: SubnetSpec) -> str:
    return f"default of IPv{spec.ip_version}" if spec.use_default_subnetpool else spec.subnetpool_id or ""
