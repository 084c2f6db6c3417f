"""What ``vnctl`` prints of the answers of the WebAPI.

Called by ``vnctl``. Promises: without a style, or with ``json``, every body as it came, a line end after each;
otherwise tables, values or YAML of what is in them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec

from patchbay.cli.output import print_data, print_list, print_one

NOT_SHOWN = frozenset({"id", "class_name", "created_at", "updated_at", "deleted_at", "is_deleted"})
"""Attributes that a list leaves out unless they are asked for: numbers of rows, names of classes, times."""


def print_bodies(bodies: Sequence[bytes], style: str, columns: Sequence[str]) -> None:
    """Print the answers of one command."""
    if style in ("", "json"):
        for body in bodies:
            click.echo(body.decode().rstrip("\n"))
        return
    found = [msgspec.json.decode(body) for body in bodies if body]
    if style == "yaml":
        for each in found:
            print_data(each, style)
        return
    if len(found) == 1 and is_object(found[0]):
        print_one(found[0], style, columns)
        return
    items = [item for answer in found for item in items_of(answer)]
    rows = [item if isinstance(item, Mapping) else {"uuid": item} for item in items]
    if rows:
        print_list(rows, columns_of(rows), style, columns)
    for answer in found:
        tell_the_rest(answer)


def is_object(answer: Any) -> bool:
    """Whether an answer is one object, not a page of several."""
    return isinstance(answer, Mapping) and "items" not in answer


def items_of(answer: Any) -> list[Any]:
    """The objects in an answer: of a page (``{"total_count", "offset", "limit", "items"}``), a list, or itself."""
    if isinstance(answer, Mapping):
        return list(answer.get("items", [answer]))
    return list(answer) if isinstance(answer, list) else [answer]


def columns_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a list shows of its objects: uuid and names first; no numbers of rows, times, or lists inside."""
    names = dict.fromkeys(name for row in rows for name in row if name not in NOT_SHOWN and not name.endswith("_id"))
    flat = [name for name in names if not any(isinstance(row.get(name), list | Mapping) for row in rows)]
    return sorted(
        flat, key=lambda name: ("uuid", "display_name").index(name) if name in ("uuid", "display_name") else 2
    )


def tell_the_rest(answer: Any) -> None:
    """Say on standard error that there is more than the page shows."""
    if not isinstance(answer, Mapping) or "items" not in answer:
        return
    end, total = answer.get("offset", 0) + len(answer["items"]), answer.get("total_count", 0)
    if end < total:
        click.echo(f"{len(answer['items'])} of {total}; --offset {end} shows what follows.", err=True)
