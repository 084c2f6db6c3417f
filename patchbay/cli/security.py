"""``patchbay security-group``, ``security-group-rule``, ``address-group``: commands made of nouns, and what is added.

Called by ``main``. Promises: as ``resources``.
"""

import click

from patchbay.cli.endpoint import Endpoint
from patchbay.cli.resources import endpoint_option, make_group
from patchbay.cli.security_nouns import ADDRESS_GROUPS, SECURITY_GROUP_RULES, SECURITY_GROUPS


def make_addresses(verb: str) -> click.Command:
    """``patchbay address-group add address``: leaves the others as they are."""
    does = {"add": "Add addresses to an address group", "remove": "Remove addresses from an address group"}[verb]

    @click.command("address", help=f"{does}; the others stay.")
    @click.argument("address_group", metavar="ADDRESS-GROUP")
    @click.argument("addresses", nargs=-1, required=True, metavar="CIDR…")
    @endpoint_option
    def command(endpoint: str, address_group: str, addresses: tuple[str, ...]) -> None:
        service = Endpoint(endpoint)
        found = service.find("address-groups", address_group)["id"]
        service.request("PUT", f"/v2.0/address-groups/{found}/{verb}_addresses", {"addresses": list(addresses)})

    return command


security_group = make_group(SECURITY_GROUPS)
security_group_rule = make_group(SECURITY_GROUP_RULES)
address_group = make_group(ADDRESS_GROUPS)
for _verb, _help in (("add", "Add addresses to an address group."), ("remove", "Remove what was added.")):
    _group = click.Group(_verb, help=_help)
    _group.add_command(make_addresses(_verb))
    address_group.add_command(_group)
