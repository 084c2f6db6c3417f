"""``patchbay nic``: an administrator moves a network card onto a provider bridge, and back."""

import os
from pathlib import Path

import click

from patchbay.errors import HostError
from patchbay.host import nic as cards
from patchbay.host.probe import choose_datapath_type
from patchbay.plan.nic import NicState, Step, off_bridge, onto_bridge

JOURNAL = Path("/run/patchbay/nic.undo")

_check = click.option(
    "--check",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    default=10.0,
    show_default=True,
    help="Take everything back unless the gateway, if it answers now, answers again within so long; 0: do not ask.",
)
_dry = click.option("--dry-run", is_flag=True, help="Print the commands and change nothing.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def nic() -> None:
    """Move this host's network card onto a bridge, and back, with its addresses and routes.

    A router's way out is a provider bridge with the card in it (br-ex). A card that holds the host's own address must
    hand it to the bridge. Either all of it happens or nothing: a command that fails, or a gateway that does not answer
    any more, takes everything back. What is moved lasts until the next boot; put it into the host's own network
    configuration as well.
    """


@nic.command("to-bridge")
@click.argument("card", metavar="NIC")
@click.argument("bridge", metavar="BRIDGE")
@click.option(
    "--datapath-type",
    type=click.Choice(["auto", "netdev", "system"]),
    default="auto",
    show_default=True,
    help="Datapath of a bridge that is not there yet.",
)
@_check
@_dry
def to_bridge(card: str, bridge: str, datapath_type: str, check: float, dry_run: bool) -> None:
    """Make NIC a port of BRIDGE; its addresses and routes go to the bridge's own device.

    \b
    Example: patchbay nic to-bridge eth0 br-ex
    """
    _prepare(dry_run)
    chosen = choose_datapath_type() if datapath_type == "auto" else datapath_type
    old = cards.look(card)
    _move(onto_bridge(old, cards.look(bridge), chosen), old, bridge, check, dry_run)


@nic.command("from-bridge")
@click.argument("card", metavar="NIC")
@click.argument("bridge", metavar="BRIDGE")
@_check
@_dry
def from_bridge(card: str, bridge: str, check: float, dry_run: bool) -> None:
    """Take NIC out of BRIDGE; addresses and routes of the bridge's device go to the card.

    \b
    Example: patchbay nic from-bridge eth0 br-ex
    """
    _prepare(dry_run)
    old = cards.look(bridge)
    _move(off_bridge(old, cards.look(card)), old, card, check, dry_run)


def _prepare(dry_run: bool) -> None:
    if dry_run:
        return
    if os.geteuid() != 0:
        raise HostError("Only root can move a network card.", "Run it with sudo.")
    if cards.take_back(JOURNAL):
        click.echo("An earlier move did not come to its end: it was taken back first.", err=True)


def _move(steps: list[Step], old: NicState, new: str, check: float, dry_run: bool) -> None:
    if dry_run:
        for step in steps:
            click.echo(" ".join(step.command))
        return
    known = [gateway for gateway in old.gateways if check and cards.answers(gateway, old.name, 2.0)]
    silent = [gateway for gateway in old.gateways if gateway not in known]
    if check and silent:
        click.echo(f"{', '.join(silent)} does not answer before the move, so nobody asks afterwards.", err=True)
    cards.move(steps, JOURNAL, lambda: all(cards.answers(gateway, new, check) for gateway in known))
    for step in steps:
        click.echo(" ".join(step.command))
    moved = ", ".join(old.addresses) or "no address"
    click.echo(f"{moved} and {len(old.routes)} routes are on {new} now.", err=True)
