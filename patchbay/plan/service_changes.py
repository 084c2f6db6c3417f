"""The share of ``diff`` that concerns services: rules before devices, processes after them, and back in reverse."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from patchbay.hoststate import Daemon, Resource, Ruleset
from patchbay.plan.connections import StaleConnections
from patchbay.plan.operations import Operation
from patchbay.plan.rules import find_untranslated
from patchbay.plan.service_operations import (
    ClearRuleset,
    FlushConntrack,
    ReloadDaemon,
    SetRuleset,
    StartDaemon,
    StopDaemon,
)

NOT_RUNNING: tuple[str, ...] = ()
"""The command that a daemon whose process is not there any more is reported with."""


def add_services(changes: Sequence[tuple[object, Resource]]) -> Iterable[Operation]:
    """Rules; processes that must be ended to be started anew; processes."""
    rules = [(have, want) for have, want in changes if isinstance(want, Ruleset)]
    daemons = [(have, want) for have, want in changes if isinstance(want, Daemon)]
    yield from (SetRuleset(have if isinstance(have, Ruleset) else None, want) for have, want in rules)
    fresh: list[Daemon] = []
    for before, daemon in daemons:
        if isinstance(before, Daemon) and is_reloadable(before, daemon):
            yield ReloadDaemon(before, daemon)
            continue
        if isinstance(before, Daemon) and before.command != NOT_RUNNING:
            yield StopDaemon(before)
        fresh.append(daemon)
    yield from map(StartDaemon, fresh)


def flush_untranslated(changes: Iterable[tuple[object, Resource]]) -> Iterable[Operation]:
    """Break off what new rules translate otherwise. Last of all: who goes on sending to a floating address that is no
    longer translated, but still on its device, begins a connection with the router itself, and would keep it."""
    for have, want in changes:
        gone = find_untranslated(have, want) if isinstance(have, Ruleset) and isinstance(want, Ruleset) else ()
        if gone and isinstance(want, Ruleset):
            yield FlushConntrack(want.namespace, want.version, gone)


def flush_stale(removed: Iterable[object]) -> Iterable[Operation]:
    """Break off connections that were found to be left from other rules."""
    for item in removed:
        if isinstance(item, StaleConnections):
            yield FlushConntrack(item.namespace, item.version, item.translations)


def remove_services(removed: Iterable[object]) -> Iterable[Operation]:
    """Processes first: their last words need the devices; then rules of namespaces that stay."""
    leaving = list(removed)
    yield from (StopDaemon(item) for item in leaving if isinstance(item, Daemon))
    yield from (ClearRuleset(item) for item in leaving if isinstance(item, Ruleset))


def is_reloadable(have: Daemon, want: Daemon) -> bool:
    """Whether nothing but the content of files differs."""
    return replace(have, files=()) == replace(want, files=())
