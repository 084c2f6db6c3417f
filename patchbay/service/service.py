"""The one living thing of the service layer: the intent database, the settings, and the pools of free numbers.

``api`` makes one per process; the functions of ``networks``, ``subnets``, ``ports``, … take it as first argument.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address

from patchbay.errors import IntentError
from patchbay.intent.database import Change, Duplicate, IntentDatabase, Refused, Stale, StillReferenced, Write
from patchbay.intent.index import Index
from patchbay.model import FloatingIP, Network, Port, Subnet
from patchbay.model.network import VLAN, VXLAN
from patchbay.ovsdb import OvsdbError
from patchbay.service.addresses import pool_ranges
from patchbay.service.errors import DatabaseUnavailable, InvalidInput
from patchbay.service.numbers import NumberPool
from patchbay.service.quotas import Claims, Quotas
from patchbay.service.settings import NetworkSettings
from patchbay.service.sharing import ended_policies

ATTEMPTS = 10
"""How often a change is tried again when another server, or another request, was quicker."""

CATCH_UP_PATIENCE_S = 1.0
"""How long ``catch_up`` waits for the database."""


class Service:
    """What the rules work on.

    ``db`` shows the intent as it is now; ``commit`` changes it. Pools are made when first asked for and follow the
    database's change feed, so that they are right with several servers on one database.
    """

    def __init__(self, db: IntentDatabase, settings: NetworkSettings | None = None) -> None:
        self.db = db
        self.settings = settings or NetworkSettings()
        self.quotas = Quotas(db, self.settings.quotas)
        self._address_pools: dict[str, NumberPool] = {}
        self._segment_pools: dict[tuple[str, str], NumberPool] = {}
        self._used_segments: dict[tuple[str, str], set[int]] = {}
        self.turn = asyncio.Lock()
        """Held by a change that others overtook, until it is through."""
        self.forwardings_by_port = Index()
        """Floating IPs by the ports that their port forwardings lead to."""
        for floatingip in db.floatingips.values():
            self._follow_floatingip(None, floatingip)
        for network in db.networks.values():
            self._add_segment(network)
        db.subscribe(self._follow)

    async def commit(self, *writes: Write) -> None:
        """Make the changes, all or none, durably.

        Raises Duplicate, StillReferenced or Stale of ``patchbay.intent`` for the caller to explain, OverQuota (see
        ``quotas.creating``), InvalidInput for a value that the database cannot hold, and DatabaseUnavailable for
        everything else.
        """
        writes = (*writes, *ended_policies(self.db, writes))
        wanted = self.quotas.claims(writes)
        if not wanted:
            await self._transact(writes)
            return
        if await self._commit_behind_others(wanted, writes):
            return
        async with self.quotas.turn(wanted):
            for _ in range(ATTEMPTS):
                guards = self.quotas.guards(wanted)
                try:
                    await self._transact((*guards, *writes))
                    return
                except (Duplicate, Stale):
                    if guards == self.quotas.guards(wanted):
                        raise
        raise Stale("Other servers create more for this project at the same time.")

    async def _commit_behind_others(self, wanted: Claims, writes: Sequence[Write]) -> bool:
        """Whether what is counted could be made without a turn of its own; otherwise nothing was."""
        guards = self.quotas.enter(wanted)
        if guards is None:
            return False
        failed = True
        try:
            await self._transact((*guards, *writes))
            failed = False
        except (Duplicate, Stale):
            return False
        finally:
            self.quotas.leave(wanted, failed=failed)
        return True

    async def _transact(self, writes: Sequence[Write]) -> None:
        try:
            await self.db.transact(*writes)
        except (Duplicate, StillReferenced, Stale):
            await self.catch_up()
            raise
        except Refused as error:
            raise InvalidInput(str(error).rstrip("."), "Leave out what it names.") from error
        except IntentError as error:
            raise DatabaseUnavailable(str(error)) from error

    async def catch_up(self) -> None:
        """Returns when everything shows here that other servers had written before the call.

        Without a server of the database it returns after a moment, with what was known.
        """
        with contextlib.suppress(OvsdbError, TimeoutError):
            async with asyncio.timeout(CATCH_UP_PATIENCE_S):
                await self.db.connection.transact([{"op": "comment", "comment": "catch up"}])

    def address_pool(self, subnet: Subnet) -> NumberPool:
        """Free addresses of a subnet's allocation pools, as integers."""
        pool = self._address_pools.get(subnet.id)
        if pool is None:
            pool = NumberPool(pool_ranges(subnet.allocation_pools), self.db.addresses(subnet.id))
            self._address_pools[subnet.id] = pool
        return pool

    def vni_pool(self) -> NumberPool:
        """Free VNIs."""
        return self._segment_pool((VXLAN, ""), self.settings.vni_ranges)

    def vlan_pool(self, physical_network: str) -> NumberPool:
        """Free VLAN ids of a physical network."""
        return self._segment_pool((VLAN, physical_network), self.settings.vlan_ranges.get(physical_network, ()))

    def _segment_pool(self, key: tuple[str, str], ranges: Sequence[tuple[int, int]]) -> NumberPool:
        pool = self._segment_pools.get(key)
        if pool is None:
            used = self._used_segments.setdefault(key, set())
            pool = self._segment_pools[key] = NumberPool(sorted(ranges), used)
        return pool

    def _add_segment(self, network: Network) -> None:
        if network.segmentation_id is not None:
            key = (network.network_type, network.physical_network or "")
            self._used_segments.setdefault(key, set()).add(network.segmentation_id)

    def _remove_segment(self, network: Network) -> None:
        if network.segmentation_id is not None:
            key = (network.network_type, network.physical_network or "")
            self._used_segments.setdefault(key, set()).discard(network.segmentation_id)
            if key in self._segment_pools:
                self._segment_pools[key].freed(network.segmentation_id)

    def _follow(self, changes: Iterable[Change]) -> None:
        for change in changes:
            old, new = change.old, change.new
            if isinstance(old, Port):
                self._follow_port(old, new if isinstance(new, Port) else None)
            elif isinstance(old, FloatingIP) or isinstance(new, FloatingIP):
                self._follow_floatingip(
                    old if isinstance(old, FloatingIP) else None, new if isinstance(new, FloatingIP) else None
                )
            elif isinstance(old, Subnet):
                if not isinstance(new, Subnet) or new.allocation_pools != old.allocation_pools:
                    self._address_pools.pop(old.id, None)
            elif isinstance(old, Network) or isinstance(new, Network):
                if isinstance(old, Network):
                    self._remove_segment(old)
                if isinstance(new, Network):
                    self._add_segment(new)

    def _follow_port(self, old: Port, new: Port | None) -> None:
        kept = new.fixed_ips if new is not None else ()
        for fixed_ip in old.fixed_ips:
            if fixed_ip not in kept and (pool := self._address_pools.get(fixed_ip.subnet_id)) is not None:
                pool.freed(int(ip_address(fixed_ip.ip_address)))

    def _follow_floatingip(self, old: FloatingIP | None, new: FloatingIP | None) -> None:
        for value, note in ((old, self.forwardings_by_port.discard), (new, self.forwardings_by_port.add)):
            for forwarding in value.port_forwardings if value is not None else ():
                note(forwarding.internal_port_id, value.id if value is not None else "")


class Reservations:
    """The numbers that one request took out of pools, until its transaction is over."""

    def __init__(self) -> None:
        self._taken: list[tuple[NumberPool, int]] = []

    def lowest(self, pool: NumberPool, spread: bool) -> int | None:
        """A free number of the pool: the lowest, or with ``spread`` a random one."""
        number = pool.take_random() if spread else pool.take_lowest()
        if number is not None:
            self._taken.append((pool, number))
        return number

    def named(self, pool: NumberPool, number: int) -> bool:
        """The very number; False when it is in use."""
        if not pool.take(number):
            return False
        self._taken.append((pool, number))
        return True

    def settle(self) -> None:
        """The transaction is over."""
        for pool, number in self._taken:
            pool.settle(number)
        self._taken.clear()


@contextmanager
def reservations() -> Iterator[Reservations]:
    """Reservations that end with the block."""
    taken = Reservations()
    try:
        yield taken
    finally:
        taken.settle()
