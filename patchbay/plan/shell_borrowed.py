"""The shell lines of borrowed columns: ovs-vsctl on somebody else's bridges and ports.

Called by ``plan.operations`` only.
"""

from collections.abc import Iterable

import msgspec

from patchbay.hoststate import Borrowed
from patchbay.hoststate.switch import BEFORE, Columns
from patchbay.plan.shell import quote, value

CONTROLLER, DATAPATH_TYPE = "controller", "datapath_type"


def borrow(old: Borrowed | None, new: Borrowed) -> list[str]:
    """The note and the columns that differ, in one transaction; columns not wanted any more get back what they held."""
    have = dict(old.columns) if old else {}
    kept = dict(new.columns)
    back = [(column, held) for column, held in (old.before if old else ()) if column not in kept]
    wanted = [(column, held) for column, held in new.columns if have.get(column) != held]
    note = quote(f"external_ids:{BEFORE}={value(note_text(new.before))}")
    return _vsctl(f"set {new.table.lower()} {new.name} {note}", *_clauses(new, (*back, *wanted)))


def give_back(old: Borrowed) -> list[str]:
    """What was there before, and no note."""
    return _vsctl(f"remove {old.table.lower()} {old.name} external_ids {BEFORE}", *_clauses(old, old.before))


def note_text(before: Columns) -> str:
    """What is written into ``external_ids``."""
    return msgspec.json.encode(dict(before)).decode()


def say(columns: Columns) -> str:
    """``trunks 4095, tag none``."""
    return ", ".join(f"{column} {' '.join(held) or 'none'}" for column, held in columns)


def _vsctl(*clauses: str) -> list[str]:
    return [f"ovs-vsctl {' -- '.join(clauses)}"]


def _clauses(item: Borrowed, columns: Iterable[tuple[str, tuple[str, ...]]]) -> Iterable[str]:
    table = item.table.lower()
    for column, held in columns:
        if column == CONTROLLER:
            yield " ".join(["set-controller" if held else "del-controller", item.name, *held])
        elif held or column == DATAPATH_TYPE:
            yield f"set {table} {item.name} {quote(column + '=' + (','.join(map(value, held)) or value('')))}"
        else:
            yield f"clear {table} {item.name} {column}"
