"""``patchbay serve`` and ``patchbay agent``: from options to the two services.

Called by ``main``. Promises: every option can also stand in the environment (PATCHBAY_SERVE_…, PATCHBAY_AGENT_…) or in
the file that ``--config`` names; SIGTERM and SIGINT end the process cleanly. A service is imported when it is run,
so that help answers at once.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, TypeVar

import click

from patchbay.cli.config import config_option
from patchbay.cli.logs import FORMATS, LEVELS, start_logging
from patchbay.errors import BadRequest

Command = TypeVar("Command", bound=Callable[..., Any])


def log_options(function: Command) -> Command:
    """``--log-format`` and ``--log-level``."""
    function = click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)(function)
    return click.option(
        "--log-format", type=click.Choice(FORMATS), default="logfmt", show_default=True, help="Form of the log lines."
    )(function)


def remotes_of(written: tuple[str, ...]) -> tuple[str, ...]:
    """``unix:/a,tcp:1.2.3.4:6641`` (and repeats) as remotes."""
    remotes = tuple(part.strip() for one in written for part in one.split(",") if part.strip())
    for remote in remotes:
        if not remote.startswith(("unix:", "tcp:")):
            raise BadRequest(f"Intent remote {remote}: not understood.", "Write unix:PATH or tcp:ADDRESS:PORT.")
    return remotes


def mappings_of(written: tuple[str, ...]) -> dict[str, str]:
    """``physnet1:br-ex`` (and repeats, and commas) as a mapping."""
    mappings: dict[str, str] = {}
    for part in (part.strip() for one in written for part in one.split(",") if part.strip()):
        physical_network, colon, bridge = part.partition(":")
        if not colon or not physical_network or not bridge:
            raise BadRequest(f"Bridge mapping {part}: not understood.", "Write PHYSICAL_NETWORK:BRIDGE.")
        if physical_network in mappings:
            raise BadRequest(f"Bridge mapping {part}: {physical_network} is mapped already.", "Map it once.")
        mappings[physical_network] = bridge
    return mappings


@click.command()
@click.option(
    "--host",
    metavar="NAME",
    default=socket.gethostname,
    show_default="this host's name",
    help="Name of this host: ports are bound to it.",
)
@click.option(
    "--intent",
    metavar="REMOTE",
    multiple=True,
    default=("unix:/var/lib/patchbay/intent.sock",),
    show_default=True,
    help="Intent database: unix:PATH or tcp:ADDRESS:PORT; several servers of a cluster by commas or repeats.",
)
@click.option(
    "--tunnel-ip",
    metavar="ADDRESS",
    default="auto",
    show_default=True,
    help="This host's end of tunnels; auto: the address that the default route leaves from; empty: no tunnels.",
)
@click.option(
    "--bridge-mapping",
    "bridge_mappings",
    metavar="PHYSNET:BRIDGE",
    multiple=True,
    help="Bridge of a physical network, for flat and vlan networks; may be repeated.",
)
@click.option(
    "--datapath-type",
    type=click.Choice(["auto", "netdev", "system"]),
    default="auto",
    show_default=True,
    help="Userspace (netdev) or kernel (system) datapath.",
)
@click.option(
    "--run-dir", metavar="DIR", default="/run/patchbay", show_default=True, help="Where the control socket is."
)
@click.option(
    "--ovs",
    metavar="REMOTE",
    default="unix:/run/openvswitch/db.sock",
    show_default=True,
    help="Database of this host's Open vSwitch.",
)
@click.option(
    "--ovs-rundir",
    metavar="DIR",
    default="/run/openvswitch",
    show_default=True,
    help="Where ovs-vswitchd keeps its sockets.",
)
@log_options
@config_option("tunnel-ip: 192.0.2.11")
def agent(
    log_format: str, log_level: str, intent: tuple[str, ...], bridge_mappings: tuple[str, ...], **given: Any
) -> None:
    """Run the agent: make this host what the intent says, and keep it so."""
    start_logging(log_format, log_level)
    from patchbay.agent import AgentSettings, run_agent  # noqa: PLC0415  # see above

    settings = AgentSettings(intent=remotes_of(intent), bridge_mappings=mappings_of(bridge_mappings), **given)
    asyncio.run(run_agent(settings))
