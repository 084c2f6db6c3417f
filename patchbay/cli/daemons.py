"""The processes that the agent keeps running on this host, as it has written them down: dnsmasq, radvd, DHCP clients.

Called by ``show`` and ``doctor``. Changes nothing.
"""

from pathlib import Path

import click
import msgspec

from patchbay.host.processes import DESCRIPTION, LOG, find_process, is_in_namespace, read_description

RUN_DIR = "/run/patchbay"

run_dir_option = click.option(
    "--run-dir",
    metavar="DIR",
    default=RUN_DIR,
    show_default=True,
    envvar="PATCHBAY_AGENT_RUN_DIR",
    help="Where the agent keeps the files of its processes.",
)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A process that there is to be. ``number`` is its id, None when it does not run in its namespace ("": the host's).

    ``kind`` (dhcp, ra, dhclient, metadata …) and ``owner`` (the id of what it serves) are those of its Daemon.
    """

    kind: str
    owner: str
    program: str
    namespace: str
    log: str
    number: int | None


def read_daemons(run_dir: str) -> list[Kept]:
    """Every process that an agent has written down below its run directory, in the order of their folders."""
    found = []
    for path in sorted(Path(run_dir).glob(f"*/*/{DESCRIPTION}")):
        if (daemon := read_description(path.parent)) is None:
            continue
        number = find_process(daemon)
        found.append(
            Kept(
                kind=daemon.kind,
                owner=daemon.owner,
                program=Path(daemon.command[0]).name if daemon.kind != "metadata" else "patchbay metadata",
                namespace=daemon.namespace,
                log=str(path.parent / LOG),
                number=number if number is not None and is_in_namespace(number, daemon.namespace) else None,
            )
        )
    return found
