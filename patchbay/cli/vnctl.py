"""``vnctl`` without Ruby: every command of OpenVNet's client, from the data in ``vnctl_nouns``.

Called as the script ``vnctl`` and as ``patchbay vnctl``. Promises: commands are called as OpenVNet's vnctl of today has
them (``vnctl datapaths networks add``) and as that of 2013 had (``vnctl datapath networks add``, which speaks to the
API as it was then); options are written with dashes or underscores, flags as thor takes them; what is printed is the
body of the answer as it came or, on a terminal, a table.
"""

import shlex
import sys
from typing import Any, TextIO
from urllib.parse import quote

import click
import msgspec

from patchbay.cli.main import run
from patchbay.cli.output import FORMATS
from patchbay.cli.vnctl_login import PASSWORD, TOKEN, USER, user_named
from patchbay.cli.vnctl_nouns import COMMANDS, NOUNS
from patchbay.cli.vnctl_output import print_bodies
from patchbay.cli.vnctl_webapi import Settings, WebApi, settings, settings_of
from patchbay.cli.vnctl_words import Command, Option
from patchbay.errors import PatchbayError, ServiceUnavailable

SINGULAR = {noun.singular: noun.name for noun in NOUNS}
"""Nouns as vnctl called them in 2013, and as it calls them today."""
TRUE, FALSE = frozenset({"true", "TRUE", "t", "T"}), frozenset({"false", "FALSE", "f", "F"})
WHO = f"Who asks, where the WebAPI wants to know: {USER} otherwise. The password is {PASSWORD}'s, or is asked for."
KINDS = {"text": click.STRING, "number": click.INT}


class Tree(click.Group):
    """The commands that begin with certain words. They are made when they are asked for: there are many."""

    def __init__(self, name: str, words: tuple[str, ...] = (), *, is_of_2013: bool = False, **settings: Any) -> None:
        super().__init__(name, **settings)
        self.words = words
        self.is_of_2013 = is_of_2013

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """``help datapaths add``, as thor has it, is ``datapaths add --help``."""
        return super().parse_args(ctx, [*args[1:], "--help"] if args[:1] == ["help"] else args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        depth = len(self.words)
        below = (command.words for command in COMMANDS if command.words[:depth] == self.words)
        return [*dict.fromkeys(words[depth] for words in below), *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = cmd_name.replace("-", "_")
        words = (*self.words, name if self.words else SINGULAR.get(name, name))
        is_of_2013 = self.is_of_2013 or (not self.words and name in SINGULAR)
        for command in COMMANDS:
            if command.words == words:
                return click_command(command, is_of_2013=is_of_2013)
        if any(command.words[: len(words)] == words for command in COMMANDS):
            return Tree(name, words, is_of_2013=is_of_2013, help=summary_of(words))
        return super().get_command(ctx, name)


def summary_of(words: tuple[str, ...]) -> str:
    """What the help says of a group of commands."""
    noun = next(noun for noun in NOUNS if noun.name == words[0])
    said = next((one.help for one in noun.relations if one.name == words[-1]), "") if words[1:] else noun.help
    return f"{said[0].upper()}{said[1:].rstrip('.')}."


class ThorCommand(click.Command):
    """A command whose options are written as thor's, the Ruby library of OpenVNet's vnctl, may be."""

    flags: frozenset[str] = frozenset()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words after what ``as_click`` makes of them."""
        return super().parse_args(ctx, as_click(args, self.flags))


def as_click(words: list[str], flags: frozenset[str]) -> list[str]:
    """Options as click has them: names with dashes; ``--static false`` and ``--skip-static`` as ``--no-static``."""
    found: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        name = name.replace("_", "-")
        positive = name.removeprefix("no-").removeprefix("skip-")
        if word == "--":
            return [*found, word, *rest]
        if not word.startswith("--"):
            found.append(word)
        elif positive not in flags:
            found.append(f"--{name}{equals}{value}")
        else:
            if not equals and rest and rest[0] in TRUE | FALSE:
                value = rest.pop(0)
            found.append(f"--{positive}" if (value not in FALSE) == (name == positive) else f"--no-{positive}")
    return found


def click_command(command: Command, *, is_of_2013: bool) -> click.Command:
    """The click command of one command of the data."""

    @click.pass_context
    def callback(context: click.Context, /, **given: Any) -> int:
        where = chosen(context.obj, given.pop("webapi"), given.pop("webapi_user"))
        style = given.pop("style") or ("table" if sys.stdout.isatty() else "")
        columns = given.pop("columns")
        arguments = [given.pop(f"argument{number}") for number in range(len(command.arguments))]
        prefix = "/api" if is_of_2013 else f"/api/{where.webapi_version}"
        suffix = ".yml" if where.output_format == "yml" and not style else ""
        paths = [f"{prefix}/{path}{suffix}" for path in paths_of(command, arguments)]
        parameters = {name: written(value) for name, value in given.items() if value is not None}
        bodies, refused = answers(WebApi(where), command.method, paths, parameters)
        print_bodies(bodies, style, columns)
        return report(refused)

    made = ThorCommand(command.words[-1], callback=callback, help=command.help, params=parameters_of(command))
    made.flags = frozenset(option.name.replace("_", "-") for option in command.options if option.kind == "flag")
    return made


def chosen(outer: Settings | None, webapi: str | None, user: str | None) -> Settings:
    """The settings of one command: its own options, else those of the batch that it is in, else the usual ones."""
    where = outer or settings()
    if webapi:
        where = msgspec.structs.replace(settings_of(webapi), webapi_user=where.webapi_user)
    return where if user is None else msgspec.structs.replace(where, webapi_user=user_named(user))


def parameters_of(command: Command) -> list[click.Parameter]:
    """Arguments and options of a command, and the options that every command has."""
    last = len(command.arguments) - 1
    arguments: list[click.Parameter] = [
        click.Argument(
            [f"argument{number}"],
            metavar=f"[{label}]…" if command.collection else f"{label}…" if is_many else label,
            nargs=-1 if is_many else 1,
            required=not command.collection,
        )
        for number, label in enumerate(command.arguments)
        for is_many in (command.repeats and number == last,)
    ]
    return [
        *arguments,
        *(option_of(option) for option in command.options),
        click.Option(["--webapi"], metavar="ADDRESS:PORT", help="The WebAPI; VNET_WEBAPI or ~/.vnctlrc otherwise."),
        click.Option(["--user", "webapi_user"], metavar="NAME", help=WHO),
        click.Option(
            ["-f", "--format", "style"],
            type=click.Choice(FORMATS),
            help="How to print: json is the answer as it came, which is also what is printed where no terminal is.",
        ),
        click.Option(["-c", "--column", "columns"], multiple=True, metavar="COLUMN", help="Show only this column."),
    ]


def option_of(option: Option) -> click.Option:
    """One option of the API."""
    name = option.name.replace("_", "-")
    if option.kind == "flag":
        return click.Option([f"--{name}/--no-{name}", option.name], default=None, help=option.help)
    return click.Option([f"--{name}", option.name], type=KINDS[option.kind], help=option.help)


def paths_of(command: Command, arguments: list[Any]) -> list[str]:
    """The paths to ask for, below the API's prefix: one, or one for each object that is named."""
    if not command.repeats:
        return [command.path.format(*(quote(one, safe="") for one in arguments))]
    *fixed, several = arguments
    if not several:
        return [command.collection]
    return [command.path.format(*(quote(one, safe="") for one in (*fixed, each))) for each in several]


def written(value: Any) -> str:
    """A value as the API takes it in a form."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def answers(
    api: WebApi, method: str, paths: list[str], parameters: dict[str, str]
) -> tuple[list[bytes], list[PatchbayError]]:
    """Bodies of the requests that were carried out, and the errors of those that were refused; all are tried."""
    bodies, refused = [], []
    for path in paths:
        try:
            bodies.append(api.request(method, path, parameters))
        except ServiceUnavailable:
            raise
        except PatchbayError as error:
            refused.append(error)
    return bodies, refused


def report(refused: list[PatchbayError]) -> int:
    """Show what was refused, a line each; the exit code."""
    for error in refused:
        click.echo(f"vnctl: {error}", err=True)
    return 1 if refused else 0


@click.command("batch", help="Run the commands in FILE, or in standard input, a line each; # begins a comment line.")
@click.argument("file", type=click.File(encoding="utf-8"), default="-", metavar="[FILE]")
@click.option("--webapi", metavar="ADDRESS:PORT", help="The WebAPI; VNET_WEBAPI or ~/.vnctlrc otherwise.")
@click.option("--user", metavar="NAME", help=WHO)
def batch(file: TextIO, webapi: str | None, user: str | None) -> int:
    """Run lines as ``vnctl`` would, one after the other, whatever becomes of them; 1 if one failed."""
    where = chosen(None, webapi, user)
    failed = 0
    for number, line in enumerate(file, 1):
        try:
            words = shlex.split(line, comments=False)
        except ValueError as error:
            raise click.UsageError(f"Line {number} of {file.name}: {error}.") from error
        if words[:1] == ["vnctl"]:
            words = words[1:]
        if not words or words[0].startswith("#"):
            continue
        click.secho(f"> {line.strip()}", err=True, fg="green")
        if words[0] == "batch":
            raise click.UsageError(f"Line {number} of {file.name}: a batch cannot run another.")
        failed |= run(vnctl, words, name="vnctl", obj=where)
    return 1 if failed else 0


vnctl = Tree(
    "vnctl",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    commands={"batch": batch},
    help="OpenVNet's API: what its own client, vnctl, does.\n\n"
    "The names of 2013 (datapath, network …) are understood too, and mean the API as it was then, under /api. "
    "Options may have dashes or underscores. The WebAPI is at VNET_WEBAPI=ADDRESS:PORT, else where the first of "
    "~/.vnctlrc, ~/.vnctl.conf and /etc/openvnet/vnctl.conf says, else at 127.0.0.1:9090; https://ADDRESS:PORT "
    "has TLS. "
    f"Where it wants to know who asks: --user NAME or {USER}, and {PASSWORD} or a terminal; or a token in {TOKEN}.",
)


def main() -> None:
    """The script ``vnctl``."""
    sys.exit(run(vnctl, name="vnctl"))
