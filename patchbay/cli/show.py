"""``patchbay show host``: what is on this host, drawn. Called by ``main``; changes nothing."""

import socket

import click

from patchbay.cli.picture import Picture, draw
from patchbay.cli.tools import ip_json, ovs_table, read


@click.group()
def show() -> None:
    """Draw what is on this host."""


@show.command()
def host() -> None:
    """Bridges and their ports, where each port leads, local VLANs, routers, namespaces."""
    version = read("ovs-vswitchd", "--version").split("\n", 1)[0].rsplit(" ", 1)[-1]
    click.secho(f"{socket.gethostname()}  Open vSwitch {version}\n", bold=True)
    for line in draw(read_picture()):
        click.echo(line)


def read_picture() -> Picture:
    """Ask Open vSwitch and the kernel what is here."""
    names = {row["name"]: row.get("id") for row in ip_json("netns", "list")}
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
    )
