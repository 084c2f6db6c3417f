"""``patchbay apply -f topology.yaml``: networks, routers, instances … of a file, brought about on a service.

Called by ``main``. Promises: applying a file twice changes nothing; nothing is ever deleted; hosts, machines outside
and expectations of the file are read and checked, but it is the running service that knows its hosts.
"""

from pathlib import Path

import click

from patchbay.cli.endpoint import Endpoint
from patchbay.cli.output import FORMATS, print_data, print_table
from patchbay.cli.resources import endpoint_option


@click.command()
@click.option(
    "-f",
    "--file",
    "path",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Topology file (docs/topology.md).",
)
@endpoint_option
@click.option("--format", "style", type=click.Choice(FORMATS[:3]), default="table", show_default=True)
def apply(path: Path, endpoint: str, style: str) -> None:
    """Bring networks, routers, instances and floating IPs of a topology file about on a running service."""
    from patchbay.lab.apply import apply_topology  # noqa: PLC0415  # only when called: help answers at once
    from patchbay.lab.reading import load_topology  # noqa: PLC0415  # as above

    done = apply_topology(Endpoint(endpoint), load_topology(path))
    if style != "table":
        print_data(done, style)
        return
    rows = [[verb, *one] for verb, some in (("created", done.created), ("updated", done.updated)) for one in some]
    if rows:
        print_table(rows, ["done", "kind", "name"])
    click.echo(f"{len(done.created)} created, {len(done.updated)} updated, {done.unchanged} unchanged.", err=True)
