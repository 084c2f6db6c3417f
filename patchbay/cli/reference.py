"""Parts of the documentation that are written from data: flow tables, attributes of the API, commands and options.

Called by ``scripts/docs``, and by the test that holds the documents equal to what this gives. Pure but for imports.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

import click

from patchbay.api.neutron.attributes import NOT_VISIBLE
from patchbay.api.neutron.resource import Collection
from patchbay.api.neutron.routes import COLLECTIONS
from patchbay.cli.main import COMMANDS, load_command, patchbay
from patchbay.cli.vnctl_nouns import COMMANDS as VNCTL_COMMANDS
from patchbay.compile.pipeline import PROVIDER, TABLES, Table


def pipeline_reference() -> str:
    """Every flow table, bridge by bridge: number, name, who comes in, what is decided, where it may go."""
    lines: list[str] = []
    for bridge, tables in groupby(TABLES, key=lambda table: table.bridge):
        title = "Bridges of the administrator" if bridge == PROVIDER else bridge
        lines += [f"### {title}", "", *table_of(PIPELINE_HEADER, [pipeline_row(table) for table in tables]), ""]
    return "\n".join(lines).rstrip()


PIPELINE_HEADER = ("table", "name", "entered from", "decides", "goes on to")


def pipeline_row(table: Table) -> list[str]:
    """One flow table."""
    on = ", ".join(str(number) for number in table.goes_to) or "–"
    return [str(table.number), table.name, table.entered_from, table.decides, on]


def attribute_reference() -> str:
    """The attributes of every collection of the API and the requests that take them."""
    lines: list[str] = []
    for name, collection in COLLECTIONS.items():
        lines += [f"### {name}", "", verbs(collection), "", *table_of(ATTRIBUTE_HEADER, attribute_rows(collection)), ""]
    return "\n".join(lines).rstrip()


ATTRIBUTE_HEADER = ("attribute", "create", "update", "filter", "sort")


def verbs(collection: Collection) -> str:
    """The requests that a collection answers."""
    item = [verb for verb, does in (("PUT", collection.update), ("DELETE", collection.delete)) if does]
    listed = "GET, POST" if collection.create else "GET"
    methods = ", ".join(["GET", *item])
    return f"`/v2.0/{collection.path}`: {listed}. `/v2.0/{collection.path}/{{id}}`: {methods}."


def attribute_rows(collection: Collection) -> Iterator[list[str]]:
    """One row per attribute, in the order of the API's own data."""
    for name, attribute in collection.attributes.items():
        if name in NOT_VISIBLE:
            continue
        create = "required" if attribute.is_required else mark(attribute.post)
        yield [f"`{name}`", create, mark(attribute.put), mark(attribute.is_filter), mark(attribute.is_sort_key)]


def mark(does: bool) -> str:
    """A cell that says yes, or nothing."""
    return "yes" if does else ""


def command_reference() -> str:
    """Every command with its usage, its help and its options."""
    root = click.Context(patchbay, info_name="patchbay")
    lines: list[str] = []
    for name in COMMANDS:
        if name in ELSEWHERE:
            lines += [f"## patchbay {name}", "", ELSEWHERE[name], ""]
        else:
            lines += describe(load_command(name), name, root)
    return "\n".join(lines).rstrip()


ELSEWHERE = {"vnctl": "OpenVNet's client, also installed as `vnctl`; its commands are in [openvnet.md](openvnet.md)."}
"""Commands that a page of their own describes."""


def vnctl_reference() -> str:
    """Every command of ``vnctl``, the request that it makes, and its options."""
    rows = []
    for command in VNCTL_COMMANDS:
        arguments = [f"[{label}…]" if command.collection else label for label in command.arguments]
        words = " ".join(("vnctl", *command.words, *arguments)) + (
            "…" if command.repeats and arguments[-1][0] != "[" else ""
        )
        options = ", ".join(f"`--{option.name}`" for option in command.options)
        rows.append([f"`{words}`", f"{command.method} `{command.collection or command.path}`", options])
    return "\n".join(table_of(("command", "request", "options"), rows))


def describe(command: click.Command, name: str, parent: click.Context) -> list[str]:
    """A command, then, for a group, each of its own."""
    context = click.Context(command, parent=parent, info_name=name)
    level = "##" if parent.parent is None else "###"
    lines = [f"{level} {context.command_path}", "", (command.help or "").replace("\b\n", "").strip(), ""]
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found is not None and not found.hidden:
                lines += describe(found, inner, context)
        return lines
    usage = " ".join(command.collect_usage_pieces(context))
    lines += ["```", f"{context.command_path} {usage}", "```", ""]
    options = [option_row(one, context) for one in command.params if isinstance(one, click.Option)]
    return lines + ([*table_of(("option", "meaning"), options), ""] if options else [])


def option_row(option: click.Option, context: click.Context) -> list[str]:
    """One option: how it is written, what it means."""
    record = option.get_help_record(context)
    written, meaning = record if record else (", ".join(option.opts), option.help or "")
    return [f"`{' '.join(written.split())}`", " ".join(meaning.split())]


def table_of(header: Sequence[str], rows: Iterator[list[str]] | Sequence[list[str]]) -> list[str]:
    """A Markdown table."""
    body = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    return [f"| {' | '.join(header)} |", "|" + "---|" * len(header), *(f"| {row} |" for row in body)]
