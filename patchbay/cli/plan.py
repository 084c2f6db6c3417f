"""``patchbay plan``: what the agent would change on this host now, without changing it.

Called by ``main``. Takes the same options as ``patchbay agent``, from the same names in the environment.
"""

import asyncio
from typing import TYPE_CHECKING, Any

import click

from patchbay.cli.config import config_option
from patchbay.cli.options import agent_options, agent_settings
from patchbay.cli.output import FORMATS, print_data, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from patchbay.plan.operations import Operation


@click.command()
@click.option("--script", is_flag=True, help="Print a bash script that does it: ovs-vsctl, ip and ovs-ofctl lines.")
@click.option("-f", "--format", "style", type=click.Choice(FORMATS[:3]), default="table", show_default=True)
@agent_options
@config_option("tunnel-ip: 192.0.2.11")
def plan(script: bool, style: str, **given: Any) -> None:
    """What the agent would change on this host now: as operations, or as a script that a person can run."""
    from patchbay import agent  # noqa: PLC0415  # only when called: help answers at once
    from patchbay.plan.script import render_script  # noqa: PLC0415  # as above

    settings = agent_settings(given)
    operations = asyncio.run(agent.plan(settings))
    if script:
        click.echo(render_script(operations, settings.host))
    elif style != "table":
        print_data([as_row(operation) | {"commands": operation.command()} for operation in operations], style)
    else:
        show(operations)


def as_row(operation: "Operation") -> dict[str, Any]:
    """An operation by name, and what it means."""
    return {"operation": type(operation).__name__, "meaning": operation.sentence()}


def show(operations: "Sequence[Operation]") -> None:
    """The operations in their order, a line each."""
    if not operations:
        click.echo("Nothing to do: this host is as it should be.")
        return
    rows = [[str(number), *as_row(operation).values()] for number, operation in enumerate(operations, 1)]
    print_table(rows, ["step", "operation", "meaning"])
