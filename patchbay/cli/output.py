"""What commands print: aligned tables, JSON, YAML, or bare values.

Called by every command that shows objects. Promises: the same columns in every format; colour only on a terminal;
nothing is imported for a format that was not asked for.
"""

import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import click
import msgspec

FORMATS = ("table", "json", "yaml", "value")

Row = Mapping[str, Any]
Command = TypeVar("Command", bound=Callable[..., Any])


def output_options(function: Command) -> Command:
    """Add ``-f/--format`` and ``-c/--column`` to a command; it receives ``style`` and ``columns``."""
    function = click.option(
        "-c", "--column", "columns", multiple=True, metavar="COLUMN", help="Show only this column; may be repeated."
    )(function)
    return click.option(
        "-f", "--format", "style", type=click.Choice(FORMATS), default="table", show_default=True, help="How to print."
    )(function)


def print_list(rows: Sequence[Row], shown: Sequence[str], style: str, columns: Sequence[str]) -> None:
    """Print objects one to a line, with the columns ``shown`` unless ``columns`` chooses others."""
    chosen = choose(columns, shown, set().union(*rows))
    picked = [{name: row.get(name) for name in chosen} for row in rows]
    if style == "table":
        print_table([[text(value) for value in row.values()] for row in picked], chosen)
    elif style == "value":
        for row in picked:
            click.echo(" ".join(text(value) for value in row.values()))
    else:
        print_data(picked, style)


def print_one(row: Row, style: str, columns: Sequence[str]) -> None:
    """Print one object, an attribute to a line."""
    picked = {name: row.get(name) for name in choose(columns, list(row), row)}
    if style == "table":
        lines = [[name, line] for name, value in picked.items() for line in lines_of(value)]
        first = [
            [name if number == 0 or lines[number - 1][0] != name else "", line]
            for number, (name, line) in enumerate(lines)
        ]
        print_table(first, ["field", "value"])
    elif style == "value":
        for value in picked.values():
            click.echo(text(value))
    else:
        print_data(picked, style)


def lines_of(value: Any) -> list[str]:
    """A value as lines: whole objects inside of an object (rules of a group) each on its own, without what is empty and
    what every object has."""
    if not isinstance(value, list) or not value or not all(isinstance(one, Mapping) and "id" in one for one in value):
        return [text(value)]
    return [
        text({name: inner for name, inner in one.items() if name not in STANDARD and inner not in (None, "")})
        for one in value
    ]


STANDARD = frozenset(("tenant_id", "project_id", "created_at", "updated_at", "revision_number"))


def choose(columns: Sequence[str], shown: Sequence[str], known: Iterable[str]) -> list[str]:
    """The columns to print; an unknown name is a usage error that lists the known ones."""
    names = {*known, *shown}
    unknown = [name for name in columns if name not in names]
    if unknown:
        raise click.UsageError(f"Column {unknown[0]!r} does not exist. Choose from: {', '.join(sorted(names))}.")
    return list(columns or shown)


def print_table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> None:
    """Print rows in aligned columns under a header; bold on a terminal. A row is one line whatever its cells hold."""
    cells = [[cell if cell.isprintable() else visible(cell) for cell in row] for row in rows]
    for number, line in enumerate(aligned([list(header), *cells])):
        click.secho(line, bold=number == 0)


def aligned(rows: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """Rows as lines whose columns begin at the same place; the last column is not padded."""
    widths = [max(width(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        gap.join(cell + " " * (size - width(cell)) for cell, size in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def visible(cell: str) -> str:
    """Line ends and control characters as escapes: they would break the table, or reach the terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in cell)


def width(cell: str) -> int:
    """Columns of a terminal that a text takes: East Asian wide characters take two, combining marks none."""
    if cell.isascii():
        return len(cell)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in cell
    )


def text(value: Any) -> str:
    """A value as one cell: lists joined by commas, maps as ``key=value``, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return ",".join(f"{name}={text(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        separator = "; " if any(isinstance(inner, Mapping) for inner in value) else ", "
        return separator.join(text(inner) for inner in value)
    return str(value)


def print_data(data: Any, style: str) -> None:
    """Print data as JSON or YAML."""
    if style == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(data), indent=2).decode())
        return
    import yaml  # noqa: PLC0415  # only when asked for: it takes longer to import than the command to run

    yaml.safe_dump(msgspec.to_builtins(data), sys.stdout, sort_keys=False, allow_unicode=True)
