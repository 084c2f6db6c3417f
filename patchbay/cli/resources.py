"""The commands of the API's nouns: ``patchbay network list``, ``patchbay port create`` …

Made from the data in ``nouns``. Called by ``main``. Promises: objects are named by name or id; what is printed is what
the service answered.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from patchbay.cli.endpoint import DEFAULT_ENDPOINT, Endpoint, Object
from patchbay.cli.noun import CREATE, LIST, SET, UNSET, Attribute, Noun
from patchbay.cli.nouns import HOSTS, INSTANCES, NETWORKS, PORTS, SUBNETS
from patchbay.cli.output import output_options, print_list, print_one
from patchbay.cli.router_nouns import ADDRESS_SCOPES, FLOATING_IPS, PORT_FORWARDINGS, SUBNET_POOLS
from patchbay.errors import BadRequest

Callback = Callable[..., None]

endpoint_option = click.option(
    "--endpoint",
    envvar=["PATCHBAY_ENDPOINT", "OS_ENDPOINT"],
    default="",
    show_default=f"where OS_CLOUD or OS_AUTH_URL lead, else {DEFAULT_ENDPOINT}",
    metavar="URL",
    help="The service; PATCHBAY_ENDPOINT or OS_ENDPOINT in the environment.",
)


def make_group(noun: Noun) -> click.Group:
    """The group of a noun, with a command for each of its verbs."""
    examples = "".join(f"\n    {line}" for line in noun.examples)
    group = click.Group(noun.name, help=noun.help + (f"\n\n\b{examples}" if examples else ""))
    for verb in noun.verbs:
        group.add_command(MAKERS[verb](noun))
    return group


def parent_argument(noun: Noun) -> Callable[[Callback], Callback]:
    """A decorator with the argument that names the object which the noun's objects are inside of, if there is one."""
    if noun.parent is None:
        return lambda function: function
    return click.argument("parent", metavar=noun.parent.name.upper())


def collection_of(service: Endpoint, noun: Noun, parent: str | None) -> str:
    """The path of the collection, inside its parent's where there is one."""
    if noun.parent is None or parent is None:
        return noun.collection
    return f"{noun.parent.collection}/{service.find(noun.parent.collection, parent)['id']}/{noun.collection}"


def make_list(noun: Noun) -> click.Command:
    """``patchbay port list``: every attribute option is a filter."""

    @click.command("list", help=f"List {noun.name}s; the options choose which.")
    @parent_argument(noun)
    @attribute_options(noun, LIST)
    @click.option(
        "--filter", "match", multiple=True, metavar="ATTRIBUTE=VALUE", help="Filter on any attribute; may be repeated."
    )
    @endpoint_option
    @output_options
    def command(
        *,
        endpoint: str,
        style: str,
        columns: tuple[str, ...],
        match: tuple[str, ...],
        parent: str | None = None,
        **given: Any,
    ) -> None:
        service = Endpoint(endpoint)
        filters = [filter_of(name, value) for name, value in body_of(service, noun, LIST, given).items()]
        for written in match:
            name, equals, value = written.partition("=")
            if not equals:
                raise BadRequest(f"--filter {written}: no value.", "Write --filter ATTRIBUTE=VALUE.")
            filters.append((name, value))
        rows = service.list(collection_of(service, noun, parent), filters)
        print_list([row | row.get(noun.spread, {}) for row in rows], noun.columns, style, columns)

    return command


def make_show(noun: Noun) -> click.Command:
    """``patchbay port show``."""

    @click.command("show", help=f"Show one {noun.name}.")
    @parent_argument(noun)
    @click.argument("handle", metavar=noun.name.upper())
    @endpoint_option
    @output_options
    def command(endpoint: str, style: str, columns: tuple[str, ...], handle: str, parent: str | None = None) -> None:
        service = Endpoint(endpoint)
        print_one(service.find(collection_of(service, noun, parent), handle), style, columns)

    return command


def make_create(noun: Noun) -> click.Command:
    """``patchbay port create``: prints the object as it was created."""

    @click.command("create", help=f"Create one {noun.name}.")
    @parent_argument(noun)
    @name_argument(noun)
    @attribute_options(noun, CREATE)
    @endpoint_option
    @output_options
    def command(
        *,
        endpoint: str,
        style: str,
        columns: tuple[str, ...],
        name: str | None = None,
        parent: str | None = None,
        **given: Any,
    ) -> None:
        service = Endpoint(endpoint)
        body = body_of(service, noun, CREATE, given)
        if name is not None:
            body["name"] = name
        if noun.shape is not None:
            body = noun.shape(service, body, {})
        tags = body.pop("tags", None)
        created = service.create(collection_of(service, noun, parent), body)
        if tags is not None:  # Neutron takes tags with the creation of ports only
            service.set_tags(noun.collection, created["id"], tags)
            created["tags"] = tags
        print_one(created, style, columns)

    return command


def name_argument(noun: Noun) -> Callable[[Callback], Callback]:
    """A decorator with the name of a new object, unless objects of the noun have none."""
    if noun.naming == "none":
        return lambda function: function
    return click.argument("name", required=noun.naming == "required")


def make_set(noun: Noun) -> click.Command:
    """``patchbay port set``: changes the attributes given and nothing else."""

    @click.command("set", help=f"Change one {noun.name}.")
    @parent_argument(noun)
    @click.argument("handle", metavar=noun.name.upper())
    @attribute_options(noun, SET)
    @endpoint_option
    def command(*, endpoint: str, handle: str, parent: str | None = None, **given: Any) -> None:
        service = Endpoint(endpoint)
        body = body_of(service, noun, SET, given)
        if not body:
            raise click.UsageError("Nothing to set: give at least one option (see --help).")
        collection = collection_of(service, noun, parent)
        found = service.find(collection, handle)
        if noun.shape is not None:
            body = noun.shape(service, body, found)
        tags = body.pop("tags", None)
        if body:
            service.update(collection, found["id"], body)
        if tags is not None:
            service.set_tags(noun.collection, found["id"], tags)

    return command


def make_unset(noun: Noun) -> click.Command:
    """``patchbay router unset``: takes away what the switches name."""
    attributes = [attribute for attribute in noun.attributes if UNSET in attribute.on]

    @click.command("unset", help=f"Take something away from one {noun.name}.")
    @click.argument("handle", metavar=noun.name.upper())
    @endpoint_option
    def command(*, endpoint: str, handle: str, **given: bool) -> None:
        service = Endpoint(endpoint)
        body = {each.clears or each.name: None for each in attributes if given[parameter_of(each)]}
        if not body:
            raise click.UsageError("Nothing to unset: give at least one option (see --help).")
        service.update(noun.collection, service.find(noun.collection, handle)["id"], body)

    for each in reversed(attributes):
        command = click.option(each.option, parameter_of(each), is_flag=True, help=f"Not any more: {each.help}")(
            command
        )
    return command


def make_delete(noun: Noun) -> click.Command:
    """``patchbay port delete``: one or several, in the order given."""

    @click.command("delete", help=f"Delete {noun.name}s.")
    @parent_argument(noun)
    @click.argument("handles", nargs=-1, required=True, metavar=f"{noun.name.upper()}…")
    @endpoint_option
    def command(endpoint: str, handles: tuple[str, ...], parent: str | None = None) -> None:
        service = Endpoint(endpoint)
        collection = collection_of(service, noun, parent)
        for handle in handles:
            service.delete(collection, service.find(collection, handle)["id"])

    return command


MAKERS: Mapping[str, Callable[[Noun], click.Command]] = {
    "list": make_list,
    "show": make_show,
    "create": make_create,
    "set": make_set,
    "unset": make_unset,
    "delete": make_delete,
}


def attribute_options(noun: Noun, verb: str) -> Callable[[Callback], Callback]:
    """A decorator with the options of a noun's attributes for that verb. Not given means: None, or an empty tuple."""

    def decorate(function: Callback) -> Callback:
        for attribute in reversed(noun.attributes):
            if verb not in attribute.on:
                continue
            if not attribute.option.startswith("-"):
                function = click.argument(parameter_of(attribute), metavar=attribute.metavar, required=verb == CREATE)(
                    function
                )
                continue
            # A switch that is not given must be told from one given as "no"; the others have no default at all.
            kind: dict[str, Any] = (
                {"default": None, "is_flag": True} if attribute.kind is bool else {"type": attribute.kind}
            )
            function = click.option(
                attribute.option,
                parameter_of(attribute),
                multiple=attribute.repeated,
                metavar=attribute.metavar,
                required=attribute.required and verb == CREATE,
                help=attribute.help,
                **kind,
            )(function)
        return function

    return decorate


def parameter_of(attribute: Attribute) -> str:
    """The name under which click hands an attribute's value over."""
    return attribute.name.replace(":", "_")


def body_of(service: Endpoint, noun: Noun, verb: str, given: Mapping[str, Any]) -> Object:
    """The attributes that options gave, as the API wants them; names of other objects become their ids."""
    body: Object = {}
    for attribute in noun.attributes:
        value = given.get(parameter_of(attribute))
        if verb not in attribute.on or value is None or value == ():
            continue
        if attribute.by_device:
            body[attribute.name] = by_device(service, attribute, value)
        elif attribute.repeated:
            body[attribute.name] = [value_of(service, attribute, one) for one in value]
        else:
            body[attribute.name] = value_of(service, attribute, value)
    return body


def value_of(service: Endpoint, attribute: Attribute, given: Any) -> Any:
    """One value as the API wants it."""
    if attribute.metavar == "PROJECT":
        return service.project(given)
    if attribute.reference:
        return service.find(attribute.reference, given)["id"]
    value = attribute.parse(given) if attribute.parse else given
    if isinstance(value, dict) and "subnet_id" in value:
        value["subnet_id"] = service.find("subnets", value["subnet_id"])["id"]
    return value


def by_device(service: Endpoint, attribute: Attribute, given: Sequence[str]) -> dict[str, str]:
    """``--port web --port eth7=backup`` as ``{"eth0": <id of web>, "eth7": <id of backup>}``."""
    devices: dict[str, str] = {}
    for number, written in enumerate(given):
        device, equals, handle = written.rpartition("=")
        devices[device if equals else f"eth{number}"] = service.find(attribute.reference, handle)["id"]
    return devices


def filter_of(name: str, value: Any) -> tuple[str, Any]:
    """An attribute as a query parameter: ``fixed_ips`` as ``subnet_id=…`` pairs, tags joined by commas (Neutron)."""
    if name == "fixed_ips":
        return name, [f"{key}={inner}" for one in value for key, inner in one.items()]
    if name == "tags":
        return name, ",".join(value)
    return name, value


network = make_group(NETWORKS)
subnet = make_group(SUBNETS)
port = make_group(PORTS)
instance = make_group(INSTANCES)
host = make_group(HOSTS)
floating_ip = make_group(FLOATING_IPS)
port_forwarding = make_group(PORT_FORWARDINGS)
subnet_pool = make_group(SUBNET_POOLS)
address_scope = make_group(ADDRESS_SCOPES)
