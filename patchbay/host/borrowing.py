"""Rows of Open vSwitch's database that belong to somebody else, and of which Patchbay borrows columns.

Used by ``patchbay.host.ovs`` and ``ovs_write``. Values of columns are tuples of text here, as in ``Borrowed``. What
a row held before is noted in its ``external_ids``, so that whichever agent ends the use can give it back.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from patchbay.compile.facts import BridgeSettings
from patchbay.hoststate import Borrowed
from patchbay.hoststate.switch import BEFORE, Columns
from patchbay.ovsdb.values import Row, ovs_set

Rows = Mapping[str, Row]
Held = tuple[str, ...]

FACT_COLUMNS = ("datapath_type", "datapath_id", "other_config", "protocols", "controller")
BRIDGE_COLUMNS = FACT_COLUMNS[1:]
"""Columns of bridges that are looked at; the others are watched anyway."""

_DPID = re.compile(r"[0-9a-f]{16}|0x[0-9a-f]{1,16}")
_PASSIVE = ("ptcp:", "pssl:", "punix:")
_notes = msgspec.json.Decoder(dict[str, Held])


def held(row: Row, column: str, controllers: Rows) -> Held:
    """What a column holds. Of ``controller``: the targets that the bridge connects to, not those it listens on."""
    found = row[column]
    if column == "controller":
        rows = (controllers.get(uuid) for uuid in found)
        return tuple(sorted(row["target"] for row in rows if row is not None and is_connecting(row)))
    if isinstance(found, frozenset):
        return tuple(str(one) for one in sorted(found))
    return () if found in (None, "") else (str(found),)


def is_connecting(controller: Row | None) -> bool:
    """The bridge connects to it; otherwise it listens for it, and does not wait."""
    return controller is not None and not controller["target"].startswith(_PASSIVE)


def written(column: str, values: Held) -> Any:
    """What a transaction writes into a column that is not ``controller``."""
    if column == "datapath_type":
        return values[0] if values else ""
    return ovs_set(int(one) for one in values) if column in ("tag", "trunks") else ovs_set(values)


def note_of(row: Row) -> dict[str, Held]:
    """What the row held before, by column; {} if it is not borrowed."""
    try:
        return _notes.decode(row["external_ids"].get(BEFORE, "{}"))
    except msgspec.MsgspecError:
        return {}


def borrowed(table: str, row: Row, controllers: Rows) -> Borrowed | None:
    """What of the row is borrowed, if anything is."""
    note = {column: before for column, before in note_of(row).items() if column in row}
    if not note:
        return None
    columns = tuple((column, held(row, column, controllers)) for column in sorted(note))
    return Borrowed(table=table, name=row["name"], columns=columns, before=tuple(sorted(note.items())))


def change(row: Row, wanted: Columns, controllers: Rows) -> tuple[dict[str, Held], dict[str, Held]]:
    """What to write so that the row holds ``wanted`` and nothing else is borrowed; and what to note then.

    What somebody changed while it was borrowed is what they get back.
    """
    note, kept = note_of(row), dict(wanted)
    write = {column: before for column, before in note.items() if column not in kept and column in row}
    now = {column: held(row, column, controllers) for column in kept}
    write |= {column: values for column, values in kept.items() if now[column] != values}
    before = {column: note[column] if column in note and column not in write else now[column] for column in kept}
    return write, before


def settings(row: Row, controllers: Rows) -> BridgeSettings:
    """The bridge as its administrator set it, whatever is borrowed now."""
    note = note_of(row)

    def before(column: str) -> Held:
        now = held(row, column, controllers)
        return note[column] if column in note and not (column == "controller" and now) else now

    return BridgeSettings(
        datapath_type="".join(before("datapath_type")), protocols=before("protocols"), controllers=before("controller")
    )


def datapath_id(row: Row) -> str:
    """16 digits, lower case; while the switch has not made the bridge, those that it is asked to have; else ""."""
    for found in (row["datapath_id"], row["other_config"].get("datapath-id")):
        text = (found or "").lower()
        if _DPID.fullmatch(text):
            return text.removeprefix("0x").zfill(16)
    return ""


def datapaths(rows: Iterable[Row]) -> dict[str, str]:
    """Datapath id → bridge; of two with one id the first by name."""
    found: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: str(row["name"]), reverse=True):
        if number := datapath_id(row):
            found[number] = row["name"]
    return found
