"""``patchbay router``: the commands of a noun, and what is added to a router and removed from it.

Called by ``main``. Promises: as ``resources``.
"""

import click

from patchbay.cli.endpoint import Endpoint
from patchbay.cli.noun import pairs_of
from patchbay.cli.output import output_options, print_one
from patchbay.cli.resources import endpoint_option, make_group
from patchbay.cli.router_nouns import ROUTERS

ROUTE = pairs_of(destination="destination", gateway="nexthop")


def make_interface(verb: str, kind: str) -> click.Command:
    """``patchbay router add subnet``: an interface with the subnet's gateway address; ``… port``: a port as it is."""
    helps = {
        ("add", "subnet"): "Give a router an interface on a subnet, with the address of the subnet's gateway.",
        ("add", "port"): "Make a port an interface of a router.",
        ("remove", "subnet"): "Take a router's interface on a subnet away.",
        ("remove", "port"): "Take an interface of a router away; its port goes with it.",
    }

    @click.command(kind, help=helps[verb, kind])
    @click.argument("router", metavar="ROUTER")
    @click.argument("handle", metavar=kind.upper())
    @endpoint_option
    @output_options
    def command(endpoint: str, style: str, columns: tuple[str, ...], router: str, handle: str) -> None:
        service = Endpoint(endpoint)
        router_id = service.find("routers", router)["id"]
        body = {f"{kind}_id": service.find(f"{kind}s", handle)["id"]}
        answer = service.request("PUT", f"/v2.0/routers/{router_id}/{verb}_router_interface", body)
        print_one(answer, style, columns)

    return command


def make_routes(verb: str) -> click.Command:
    """``patchbay router add route``: leaves other routes as they are."""
    does = {"add": "Add extra routes to a router", "remove": "Remove extra routes from a router"}[verb]

    @click.command("route", help=f"{does}; its other routes stay.")
    @click.argument("router", metavar="ROUTER")
    @click.argument("routes", nargs=-1, required=True, metavar="destination=CIDR,gateway=ADDRESS…")
    @endpoint_option
    def command(endpoint: str, router: str, routes: tuple[str, ...]) -> None:
        service = Endpoint(endpoint)
        body = {"router": {"routes": [ROUTE(written) for written in routes]}}
        service.request("PUT", f"/v2.0/routers/{service.find('routers', router)['id']}/{verb}_extraroutes", body)

    return command


router = make_group(ROUTERS)
for _verb, _help in (("add", "Add a subnet, a port or a route to a router."), ("remove", "Remove what was added.")):
    _group = click.Group(_verb, help=_help)
    for _command in (make_interface(_verb, "subnet"), make_interface(_verb, "port"), make_routes(_verb)):
        _group.add_command(_command)
    router.add_command(_group)
