"""``patchbay plan``: what the agent would change on this host now, without changing it.

Called by ``main``. A running agent is asked, over its control socket. Without one, or when options say what an agent
would be told, the plan is made here: look, compile and compare, as an agent does before it starts to change.
"""

import asyncio
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from patchbay.cli.config import config_option
from patchbay.cli.options import AGENT_OPTIONS, agent_options, agent_settings
from patchbay.cli.output import FORMATS, print_data, print_table
from patchbay.errors import HostError
from patchbay.plan.operations import Operation
from patchbay.plan.script import render_script

if TYPE_CHECKING:
    from patchbay.agent import AgentSettings

WHERE_TO_ASK = frozenset({"run_dir"})
"""Options that do not say what the host should be, only where its agent is."""


class Told(Operation, frozen=True):
    """An operation in the words of the running agent."""

    kind: str
    words: str
    lines: list[str]

    def command(self) -> list[str]:
        return self.lines

    def sentence(self) -> str:
        return self.words


@click.command()
@click.option("--script", is_flag=True, help="Print a bash script that does it: ovs-vsctl, ip and ovs-ofctl lines.")
@click.option("-f", "--format", "style", type=click.Choice(FORMATS[:3]), default="table", show_default=True)
@agent_options
@config_option("tunnel-ip: 192.0.2.11")
def plan(script: bool, style: str, **given: Any) -> None:
    """What the agent would change on this host now: as operations, or as a script that a person can run.

    A running agent is asked. Without one, or with options that say what an agent would be told, the plan is made anew.
    """
    settings = agent_settings(given)
    operations = asyncio.run(make_plan(settings, is_new=is_told(click.get_current_context())))
    rows = [(kind_of(operation), operation.sentence()) for operation in operations]
    if script:
        click.echo(render_script(operations, settings.host))
    elif style != "table":
        steps = zip(rows, operations, strict=True)
        print_data(
            [{"operation": kind, "meaning": said, "commands": one.command()} for (kind, said), one in steps], style
        )
    elif not rows:
        click.echo("Nothing to do: this host is as it should be.")
    else:
        print_table([[str(step), *row] for step, row in enumerate(rows, 1)], ["step", "operation", "meaning"])


def is_told(context: click.Context) -> bool:
    """Whether anything but defaults says what an agent here would be told."""
    names = {name.replace("-", "_") for name in AGENT_OPTIONS} - WHERE_TO_ASK
    return any(context.get_parameter_source(name) is not ParameterSource.DEFAULT for name in names)


async def make_plan(settings: "AgentSettings", *, is_new: bool) -> list[Operation]:
    """The operations in their order."""
    from patchbay import agent  # noqa: PLC0415  # only when called: help answers at once
    from patchbay.agent.control import ask  # noqa: PLC0415  # as above

    if is_new:
        return await agent.plan(settings)
    try:
        answer = await ask(settings.run_dir, "plan")
    except OSError:
        click.echo(f"No agent answers in {settings.run_dir}: planned as one with the options given here.", err=True)
        return await agent.plan(settings)
    if "error" in answer:
        raise HostError(f"The agent here says: {answer['error']}")
    return [Told(one["kind"], one["sentence"], one["commands"]) for one in answer["operations"]]


def kind_of(operation: Operation) -> str:
    """The operation's name."""
    return operation.kind if isinstance(operation, Told) else type(operation).__name__
