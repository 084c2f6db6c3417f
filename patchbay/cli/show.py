"""``patchbay show``: what is on this host, and what a router connects, drawn. Called by ``main``; changes nothing."""

import socket

import click

from patchbay.cli.daemons import read_daemons, run_dir_option
from patchbay.cli.endpoint import Endpoint
from patchbay.cli.picture import Picture, draw
from patchbay.cli.resources import endpoint_option
from patchbay.cli.router_picture import draw_routers
from patchbay.cli.tools import ip_json, ovs_table, read


@click.group()
def show() -> None:
    """Draw what is on this host, or what a router connects."""


@show.command()
@run_dir_option
def host(run_dir: str) -> None:
    """Bridges and their ports, where each port leads, local VLANs, routers, namespaces and what runs in them."""
    version = read("ovs-vswitchd", "--version").split("\n", 1)[0].rsplit(" ", 1)[-1]
    click.secho(f"{socket.gethostname()}  Open vSwitch {version}\n", bold=True)
    for line in draw(read_picture(run_dir)):
        click.echo(line)


@show.command()
@click.argument("routers", metavar="[ROUTER]...", nargs=-1)
@endpoint_option
def router(endpoint: str, routers: tuple[str, ...]) -> None:
    """A router (every one if none is named) between its networks: addresses, floating IPs, who is behind it."""
    lines = list(draw_routers(Endpoint(endpoint), routers))
    click.echo("\n".join(lines) if lines else "There is no router. `patchbay router create NAME` makes one.")


def read_picture(run_dir: str) -> Picture:
    """Ask Open vSwitch and the kernel what is here."""
    names = {row["name"]: row.get("id") for row in ip_json("netns", "list")}
    processes: dict[str, list[str]] = {}
    for kept in read_daemons(run_dir):
        state = f"process {kept.number}" if kept.number is not None else f"does not run; see {kept.log}"
        processes.setdefault(kept.namespace, []).append(f"{kept.program}: {state}")
    return Picture(
        bridges=ovs_table("Bridge"),
        ports=ovs_table("Port"),
        interfaces=ovs_table("Interface"),
        links=ip_json("-d", "link", "show"),
        namespaces={name: ip_json("addr", "show", namespace=name) for name in names},
        namespace_ids={number: name for name, number in names.items() if number is not None},
        translations={
            name: read("ip", "netns", "exec", name, "iptables-save", "-t", "nat").splitlines()
            for name in names
            if name.startswith("qrouter-")
        },
        processes=processes,
    )
