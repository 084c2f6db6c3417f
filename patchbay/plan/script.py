"""A plan as text: a bash script that anybody can run, and sentences that anybody can read.

Called by ``patchbay plan``. The script, run on the host that the plan was made for, gives the state that the agent
would make: flows name their ports, so nothing in it depends on numbers that only exist later.
"""

from collections.abc import Iterable, Sequence

from patchbay.plan.operations import Operation

HEADER = """#!/bin/bash
# {count} for host {host}, made by Patchbay.
# Run as root on that host. It stops at the first command that fails.
set -eu
"""


def render_script(plan: Sequence[Operation], host: str) -> str:
    """The plan as a bash script: each operation's sentence as a comment above its commands."""
    count = "1 operation" if len(plan) == 1 else f"{len(plan)} operations"
    return "\n".join([HEADER.format(count=count, host=host), *_blocks(plan)])


def _blocks(plan: Iterable[Operation]) -> Iterable[str]:
    for operation in plan:
        yield "\n".join([f"# {operation.sentence()}", *operation.command(), ""])


def render_sentences(plan: Iterable[Operation]) -> list[str]:
    """One sentence an operation."""
    return [operation.sentence() for operation in plan]
