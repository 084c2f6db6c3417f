"""Operations on what network services are made of: packet filter rules, tracked connections and processes.

Applied by ``host/services.py``. See ``plan.operations``.
"""

from patchbay.hoststate import Daemon, Ruleset
from patchbay.plan import service_shell
from patchbay.plan.operations import Operation, count
from patchbay.plan.rules import Translation


class SetRuleset(Operation, frozen=True):
    """Replace all rules of a namespace, each table at once. Established connections stay."""

    old: Ruleset | None
    new: Ruleset

    def command(self) -> list[str]:
        before = self.old.tables if self.old else ()
        return service_shell.restore(self.new.namespace, self.new.version, before, self.new.tables)

    def sentence(self) -> str:
        tables = " and ".join(name for name, _ in self.new.tables) or "no table"
        return f"Set {_rules(self.new)} of {self.new.namespace} ({tables})."


class ClearRuleset(Operation, frozen=True):
    """Take all rules out of a namespace that stays."""

    ruleset: Ruleset

    def command(self) -> list[str]:
        return service_shell.restore(self.ruleset.namespace, self.ruleset.version, self.ruleset.tables, ())

    def sentence(self) -> str:
        return f"Take {_rules(self.ruleset)} out of {self.ruleset.namespace}."


class FlushConntrack(Operation, frozen=True):
    """Break off connections to, and translated to, addresses that are not translated any more, or differently."""

    namespace: str
    version: int
    addresses: tuple[Translation, ...]

    def command(self) -> list[str]:
        return service_shell.flush(self.namespace, self.version, self.addresses)

    def sentence(self) -> str:
        return f"Break off connections of {', '.join(map(str, self.addresses))} in {self.namespace}."


class StartDaemon(Operation, frozen=True):
    """Write the files of a process and start it. What is left of one before it ends first."""

    daemon: Daemon

    def command(self) -> list[str]:
        return service_shell.start(self.daemon)

    def sentence(self) -> str:
        return f"Start {_process(self.daemon)}."


class ReloadDaemon(Operation, frozen=True):
    """Write the files of a process that differ, and tell it to read them again."""

    old: Daemon
    new: Daemon

    def command(self) -> list[str]:
        return service_shell.reload(self.old, self.new)

    def sentence(self) -> str:
        before, after = dict(self.old.files), dict(self.new.files)
        changed = sum(before.get(path) != after.get(path) for path in before.keys() | after.keys())
        return f"Write {count(changed, 'file')} of {_process(self.new)}."


class StopDaemon(Operation, frozen=True):
    """End a process and remove its folder."""

    daemon: Daemon

    def command(self) -> list[str]:
        return service_shell.stop(self.daemon)

    def sentence(self) -> str:
        return f"Stop {_process(self.daemon)}."


def _rules(ruleset: Ruleset) -> str:
    number = sum(line.startswith("-A") for _, lines in ruleset.tables for line in lines)
    return count(number, "iptables rule" if ruleset.version == 4 else "ip6tables rule")


def _process(daemon: Daemon) -> str:
    name = daemon.command[0].rpartition("/")[2] if daemon.command else "a process"
    return f"{name} ({daemon.kind} of {daemon.owner}) in {daemon.namespace or 'the host'}"
