"""``patchbay flows``: the flows of this host's bridges, table by table, with what each table is for.

Called by ``main``. Reads ``ovs-ofctl dump-flows``; names and explanations come from ``compile/pipeline``. Changes
nothing.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import click
import msgspec

from patchbay.cli.output import FORMATS, aligned, print_data
from patchbay.cli.tools import read
from patchbay.compile.pipeline import PORT, Table, find_table
from patchbay.hoststate.flow import COOKIE_MARK, COOKIE_MASK, DEFAULT_PRIORITY, LEARN_COOKIE

ABOUT_THE_FLOW = frozenset(
    ("cookie", "duration", "table", "n_packets", "n_bytes", "idle_age", "hard_age", "idle_timeout", "hard_timeout")
)
"""What dump-flows prints before priority and match (ovs-ofctl(8))."""

IN_PORT = re.compile(r'in_port="?([^",]+)')
RULE_SET = re.compile(r"load:(0x[0-9a-f]+)->OXM_OF_METADATA\[\]")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One flow as the switch has it. ``owner``: patchbay, learned (by table 10), or other (somebody else's)."""

    bridge: str
    table: int
    priority: int
    match: str
    actions: str
    packets: int
    bytes: int
    owner: str


@click.command()
@click.argument("bridges", nargs=-1, metavar="[BRIDGE]…")
@click.option("--table", "number", type=int, metavar="NUMBER", help="Only this table.")
@click.option("-f", "--format", "style", type=click.Choice(FORMATS[:3]), default="table", show_default=True)
def flows(bridges: tuple[str, ...], number: int | None, style: str) -> None:
    """Flows of bridges (all when none is named), with every table named and explained, and packet counters."""
    found = [
        entry
        for bridge in bridges or read("ovs-vsctl", "--timeout=5", "list-br").split()
        for entry in read_flows(bridge)
    ]
    entries = [entry for entry in found if number in (None, entry.table)]
    if style != "table":
        print_data(entries, style)
        return
    for bridge, of_bridge in groupby(entries, key=lambda entry: entry.bridge):
        click.secho(bridge, bold=True)
        for table, of_table in groupby(of_bridge, key=lambda entry: entry.table):
            for line in draw_table(find_table(bridge, table), table, list(of_table)):
                click.echo(line)
        for line in draw_rule_sets([entry for entry in found if entry.bridge == bridge]):
            click.echo(line)
        click.echo()


def read_flows(bridge: str) -> list[Entry]:
    """The flows of a bridge by table, highest priority first."""
    printed = read("ovs-ofctl", "--names", "dump-flows", bridge)
    entries = parse_flows(bridge, printed.splitlines())
    return sorted(entries, key=lambda entry: (entry.table, -entry.priority, entry.match))


def parse_flows(bridge: str, lines: Iterable[str]) -> Iterator[Entry]:
    """Lines of ``ovs-ofctl dump-flows`` as entries; its heading is passed over."""
    for line in lines:
        about, found, actions = line.strip().partition(" actions=")
        if not found:
            continue
        parts = about.split(", ")
        known = dict(part.split("=", 1) for part in parts if part.partition("=")[0] in ABOUT_THE_FLOW)
        rest = [part for part in parts if part.partition("=")[0] not in ABOUT_THE_FLOW]
        fields = ",".join(rest).split(",") if rest else []
        priority = next((int(field[9:]) for field in fields if field.startswith("priority=")), DEFAULT_PRIORITY)
        yield Entry(
            bridge=bridge,
            table=int(known.get("table", 0)),
            priority=priority,
            match=",".join(field for field in fields if field and not field.startswith("priority=")),
            actions=actions,
            packets=int(known["n_packets"]),
            bytes=int(known["n_bytes"]),
            owner=owner_of(int(known["cookie"], 16)),
        )


def owner_of(cookie: int) -> str:
    """Who made a flow, by its cookie."""
    if cookie == LEARN_COOKIE:
        return "learned"
    return "patchbay" if cookie & COOKIE_MASK == COOKIE_MARK else "other"


def draw_rule_sets(entries: Iterable[Entry]) -> list[str]:
    """Which ports have the rules of which number in ``metadata``; nothing without ports with port security."""
    ports: dict[str, set[str]] = {}
    for entry in entries:
        device, number = IN_PORT.search(entry.match), RULE_SET.search(entry.actions)
        if entry.table == PORT and device and number:
            ports.setdefault(number[1], set()).add(device[1])
    cells = [[f"    {number}", ", ".join(sorted(devices))] for number, devices in sorted(ports.items())]
    return ["  rule sets (metadata), and whose rules they are", *aligned(cells)] if cells else []


def draw_table(table: Table | None, number: int, entries: Sequence[Entry]) -> list[str]:
    """A table: its name, who comes in, what it decides, and its flows under that."""
    heading = f"  table {number}  {table.name}" if table else f"  table {number}  (not one of Patchbay's)"
    lines = [heading]
    if table:
        lines += [f"    entered from: {table.entered_from}", f"    decides: {table.decides}"]
    cells = [["packets", "priority", "match", "actions"]]
    for entry in entries:
        mark = "" if entry.owner == "patchbay" else f"  ({entry.owner})"
        cells.append([f"{entry.packets:>7}", f"{entry.priority:>8}", entry.match or "any", entry.actions + mark])
    return [*lines, *(f"    {line}" for line in aligned(cells))]
