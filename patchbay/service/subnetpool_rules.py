"""What a subnet pool may look like, and with which others: Neutron's rules, as checks that raise."""

from collections.abc import Iterable, Sequence

from patchbay.intent.database import IntentDatabase
from patchbay.model import SubnetPool
from patchbay.service.access import is_visible
from patchbay.service.addresses import parse_cidr
from patchbay.service.context import RequestContext
from patchbay.service.errors import (
    AddressScopeNotFound,
    AddressScopePrefixConflict,
    EmptySubnetPoolPrefixList,
    IllegalSubnetPoolIpVersionAssociationToAddressScope,
    IllegalSubnetPoolPrefixBounds,
    IllegalSubnetPoolUpdate,
    InvalidInput,
    NetworkAddressScopeAffinityError,
    PrefixVersionMismatch,
)
from patchbay.service.prefixes import overlap

DEFAULT_MIN = {4: 8, 6: 64}
MOST_PREFIXES = 1000
LONGEST = {4: 32, 6: 128}
"""Prefix lengths of a pool that names none, by IP version."""


def version_of(prefixes: Sequence[str]) -> int:
    """The IP version of the prefixes. Raises EmptySubnetPoolPrefixList or PrefixVersionMismatch."""
    versions = {parse_cidr(prefix).version for prefix in prefixes}
    if not versions:
        raise EmptySubnetPoolPrefixList
    if len(versions) > 1:
        raise PrefixVersionMismatch
    return versions.pop()


def check_lengths(pool: SubnetPool) -> None:
    """Raises IllegalSubnetPoolPrefixBounds unless min <= default <= max <= what the IP version has.

    And IllegalSubnetPoolUpdate for more prefixes than a pool may have (Neutron has no bound).
    """
    if len(pool.prefixes) > MOST_PREFIXES:
        raise IllegalSubnetPoolUpdate(f"subnetpool {pool.id} would have more than {MOST_PREFIXES} prefixes")
    lengths = {
        "min_prefixlen": pool.min_prefixlen,
        "max_prefixlen": pool.max_prefixlen,
        "default_prefixlen": pool.default_prefixlen,
        "ip_version_max": LONGEST[pool.ip_version],
    }
    for wrong, smaller, larger in (
        ("min_prefixlen", "min_prefixlen", "max_prefixlen"),
        ("max_prefixlen", "max_prefixlen", "ip_version_max"),
        ("default_prefixlen", "min_prefixlen", "default_prefixlen"),
        ("default_prefixlen", "default_prefixlen", "max_prefixlen"),
    ):
        if lengths[smaller] > lengths[larger]:
            other = larger if wrong == smaller else smaller
            raise IllegalSubnetPoolPrefixBounds(wrong, lengths[wrong], other, lengths[other])


def check_default(db: IntentDatabase, pool: SubnetPool, siblings: Iterable[SubnetPool] = ()) -> None:
    """Raises InvalidInput when there is a default pool of the IP version already."""
    others = (*db.subnetpools.values(), *siblings) if pool.is_default else ()
    if any(other.is_default and other.ip_version == pool.ip_version and other.id != pool.id for other in others):
        raise InvalidInput(
            "A default subnetpool for this IP family has already been set. Only one default may exist per IP family"
        )


def check_scope(
    db: IntentDatabase,
    context: RequestContext,
    pool: SubnetPool,
    siblings: Iterable[SubnetPool] = (),
    old: SubnetPool | None = None,
) -> None:
    """Whether the pool may be in its address scope, with these prefixes.

    Raises AddressScopeNotFound, IllegalSubnetPoolUpdate, IllegalSubnetPoolIpVersionAssociationToAddressScope,
    NetworkAddressScopeAffinityError or AddressScopePrefixConflict.
    """
    if old is not None and old.address_scope_id is not None:
        former = db.address_scopes[old.address_scope_id]
        if not context.is_admin and former.project_id != context.project_id:
            raise IllegalSubnetPoolUpdate(
                f"subnetpool {pool.id} cannot be updated when associated with shared address scope {former.id}"
            )
    if old is not None and old.address_scope_id != pool.address_scope_id:
        _check_affinity(db, pool)
    if pool.address_scope_id is None:
        return
    scope = db.address_scopes.get(pool.address_scope_id)
    if scope is None or not is_visible(context, scope):
        raise AddressScopeNotFound(pool.address_scope_id)
    if scope.ip_version != pool.ip_version:
        raise IllegalSubnetPoolIpVersionAssociationToAddressScope(pool.id, scope.id, scope.ip_version)
    inside = [db.subnetpools[id_] for id_ in db.subnetpools_by_scope.get(scope.id, ()) if id_ != pool.id]
    inside += [sibling for sibling in siblings if sibling.address_scope_id == scope.id]
    if any(overlap(other.prefixes, pool.prefixes) for other in inside):
        raise AddressScopePrefixConflict


def _check_affinity(db: IntentDatabase, pool: SubnetPool) -> None:
    """A network's subnets of one IP version stay in one address scope."""
    moved = db.subnets_by_pool.get(pool.id, ())
    for network_id in {db.subnets[id_].network_id for id_ in moved}:
        for id_ in db.subnets_by_network.get(network_id, ()):
            if db.subnets[id_].ip_version == pool.ip_version and id_ not in moved:
                raise NetworkAddressScopeAffinityError
