"""Rules and processes of this host: what is there, what changes, and how to change it.

The agent opens one ``Services``. ``resources`` is then the current state of the packet filter rules that are wanted and
of every process that an agent of this run directory has started. ``patchbay.host.rulesets`` and
``patchbay.host.daemons`` do the work.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from itertools import groupby
from pathlib import Path

from patchbay.errors import HostError
from patchbay.host.daemons import Daemons
from patchbay.host.netlink_apply import Failure
from patchbay.host.rulesets import Rulesets
from patchbay.hoststate import Key, Resource
from patchbay.plan.observed import Seen
from patchbay.plan.operations import Operation
from patchbay.plan.service_operations import (
    ClearRuleset,
    FlushConntrack,
    ReloadDaemon,
    SetRuleset,
    StartDaemon,
    StopDaemon,
)

SERVICE_OPERATIONS = (SetRuleset, ClearRuleset, FlushConntrack, StartDaemon, ReloadDaemon, StopDaemon)
"""The kinds of operations that ``Services.apply`` takes."""

Listener = Callable[[set[Key]], None]


class Services:
    """Rules and processes, kept current after ``load``."""

    def __init__(self, run_dir: str, *, is_watching: bool = True) -> None:
        self._listeners: list[Listener] = []
        self._rulesets = Rulesets(self._tell, is_watching=is_watching)
        self._daemons = Daemons(Path(run_dir), self._tell, is_watching=is_watching)

    async def load(self, wanted: Mapping[Key, Resource]) -> None:
        """Read what is there. ``wanted`` is a living map of what should be. Changes nothing."""
        await asyncio.gather(self._rulesets.load(wanted), self._daemons.load(wanted))

    def close(self) -> None:
        """Close every descriptor; rules and processes stay as they are."""
        self._rulesets.close()
        self._daemons.close()

    @property
    def resources(self) -> dict[Key, Seen]:
        """All that is there, by key."""
        return {**self._rulesets.resources, **self._daemons.resources}

    def get(self, key: Key) -> Seen | None:
        """One of ``resources``."""
        return self._rulesets.resources.get(key) or self._daemons.resources.get(key)

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` with the keys of resources that came, changed or went."""
        self._listeners.append(listener)

    def note_namespaces(self, names: Iterable[str]) -> None:
        """Namespaces came, went or were made anew."""
        for name in names:
            self._rulesets.note_namespace(name)
            self._daemons.note_namespace(name)

    def note_links(self, links: Set[tuple[str, str]]) -> None:
        """Devices came, went or were made anew, each given by its namespace and name."""
        if links:
            self._daemons.note_links(links)

    async def apply(self, operations: Sequence[Operation]) -> list[Failure]:
        """Do operations in their order, those of one kind side by side. Returns what failed."""
        failures: list[Failure] = []
        for _, group in groupby(operations, type):
            failures += filter(None, await asyncio.gather(*map(self._try, group)))
        return failures

    async def _try(self, operation: Operation) -> Failure | None:
        try:
            await self._do(operation)
        except HostError as error:
            return Failure(operation, error)
        except OSError as error:
            return Failure(operation, HostError(f"{operation.sentence().rstrip('.')}: {error}."))
        return None

    async def _do(self, operation: Operation) -> None:
        match operation:
            case SetRuleset():
                await self._rulesets.set(operation)
            case ClearRuleset():
                await self._rulesets.clear(operation)
            case FlushConntrack():
                await self._rulesets.flush(operation)
            case StartDaemon():
                await self._daemons.start(operation)
            case ReloadDaemon():
                await self._daemons.reload(operation)
            case StopDaemon():
                await self._daemons.stop(operation)

    def _tell(self, keys: set[Key]) -> None:
        for listener in self._listeners:
            listener(keys)
