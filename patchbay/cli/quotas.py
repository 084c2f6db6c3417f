"""``patchbay quota``: how many of each resource a project may have, and has.

Called by ``main``. Promises: options are named as the ``openstack`` client names them; a project is named by its id.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import click

from patchbay.cli.endpoint import Endpoint, Object
from patchbay.cli.output import output_options, print_list, print_one
from patchbay.cli.resources import endpoint_option

OPTIONS: Mapping[str, str] = {
    "networks": "network",
    "subnets": "subnet",
    "ports": "port",
    "routers": "router",
    "floating-ips": "floatingip",
    "secgroups": "security_group",
    "secgroup-rules": "security_group_rule",
    "subnetpools": "subnetpool",
    "rbac-policies": "rbac_policy",
    "address-groups": "address_group",
    "address-scopes": "address_scope",
    "instances": "instance",
}
"""Options of ``quota set``, and the resources that they are about."""


@click.group()
def quota() -> None:
    """Quotas: how many of each resource a project may have; -1 is any number.

    \b
    patchbay quota show --usage
    patchbay quota set 3f2c… --ports 1000 --floating-ips 5
    """


@quota.command()
@click.argument("project", default="")
@click.option("--default", "part", flag_value="default", help="What projects have for which nobody has said anything.")
@click.option("--usage", "part", flag_value="details", help="What there is as well.")
@endpoint_option
@output_options
def show(endpoint: str, style: str, columns: tuple[str, ...], project: str, part: str | None) -> None:
    """Show the limits of PROJECT, or of one's own."""
    service = Endpoint(endpoint)
    found = service.request("GET", path_of(service, project) + (f"/{part}" if part else ""))["quota"]
    if part != "details":
        print_one(found, style, columns)
        return
    rows = [{"resource": name, **numbers} for name, numbers in found.items()]
    print_list(rows, ("resource", "limit", "used"), style, columns)


@quota.command("list")
@endpoint_option
@output_options
def list_all(endpoint: str, style: str, columns: tuple[str, ...]) -> None:
    """List the projects for which limits of their own are set (administrators)."""
    rows: list[Object] = Endpoint(endpoint).request("GET", "/v2.0/quotas")["quotas"]
    print_list(rows, ("project_id", *OPTIONS.values()), style, columns)


def limits(function: Callable[..., None]) -> Callable[..., None]:
    """An option for each resource."""
    for name, resource in reversed(list(OPTIONS.items())):
        words = f"Limit of {resource.replace('_', ' ')}s." if resource != "rbac_policy" else "Limit of RBAC policies."
        function = click.option(f"--{name}", resource, type=click.IntRange(min=-1), metavar="N", help=words)(function)
    return function


@quota.command("set")
@click.argument("project")
@limits
@click.option("--force", is_flag=True, help="Also below what the project has.")
@endpoint_option
def set_limits(*, endpoint: str, project: str, force: bool, **given: Any) -> None:
    """Change limits of PROJECT; those that are not named stay as they are (administrators)."""
    body: Object = {name: number for name, number in given.items() if number is not None}
    if not body:
        raise click.UsageError("Nothing to set: give at least one option (see --help).")
    service = Endpoint(endpoint)
    service.request("PUT", path_of(service, project), {"quota": body | ({"force": True} if force else {})})


@quota.command()
@click.argument("project")
@endpoint_option
def delete(endpoint: str, project: str) -> None:
    """Let the defaults hold for PROJECT again (administrators)."""
    service = Endpoint(endpoint)
    service.request("DELETE", path_of(service, project))


def path_of(service: Endpoint, project: str) -> str:
    """The path of a project's limits; "" is the project that asks."""
    return f"/v2.0/quotas/{quote(service.project(project) or own_project(service), safe='')}"


def own_project(service: Endpoint) -> str:
    """The id of the project that asks, as the service knows it."""
    return str(service.request("GET", "/v2.0/quotas/project")["project"]["project_id"])
