"""The commands of the API's nouns: ``patchbay network list``, ``patchbay port create`` …

Made from the data in ``nouns``. Called by ``main``. Promises: objects are named by name or id; what is printed is what
the service answered.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from patchbay.cli.endpoint import DEFAULT_ENDPOINT, Endpoint, Object
from patchbay.cli.nouns import CREATE, HOSTS, INSTANCES, LIST, NETWORKS, PORTS, SET, SUBNETS, Attribute, Noun
from patchbay.cli.output import output_options, print_list, print_one
from patchbay.errors import BadRequest

Callback = Callable[..., None]

endpoint_option = click.option(
    "--endpoint",
    envvar=["PATCHBAY_ENDPOINT", "OS_ENDPOINT"],
    default=DEFAULT_ENDPOINT,
    show_default=True,
    metavar="URL",
    help="The service; PATCHBAY_ENDPOINT or OS_ENDPOINT in the environment.",
)


def make_group(noun: Noun) -> click.Group:
    """The group of a noun, with a command for each of its verbs."""
    group = click.Group(noun.name, help=noun.help)
    for verb in noun.verbs:
        group.add_command(MAKERS[verb](noun))
    return group


def make_list(noun: Noun) -> click.Command:
    """``patchbay port list``: every attribute option is a filter."""

    @click.command("list", help=f"List {noun.name}s; the options choose which.")
    @attribute_options(noun, LIST)
    @click.option(
        "--filter", "match", multiple=True, metavar="ATTRIBUTE=VALUE", help="Filter on any attribute; may be repeated."
    )
    @endpoint_option
    @output_options
    def command(endpoint: str, style: str, columns: tuple[str, ...], match: tuple[str, ...], **given: Any) -> None:
        service = Endpoint(endpoint)
        filters = [filter_of(name, value) for name, value in body_of(service, noun, LIST, given).items()]
        for written in match:
            name, equals, value = written.partition("=")
            if not equals:
                raise BadRequest(f"--filter {written}: no value.", "Write --filter ATTRIBUTE=VALUE.")
            filters.append((name, value))
        rows = service.list(noun.collection, filters)
        print_list([row | row.get(noun.spread, {}) for row in rows], noun.columns, style, columns)

    return command


def make_show(noun: Noun) -> click.Command:
    """``patchbay port show``."""

    @click.command("show", help=f"Show one {noun.name}.")
    @click.argument("handle", metavar=noun.name.upper())
    @endpoint_option
    @output_options
    def command(endpoint: str, style: str, columns: tuple[str, ...], handle: str) -> None:
        print_one(Endpoint(endpoint).find(noun.collection, handle), style, columns)

    return command


def make_create(noun: Noun) -> click.Command:
    """``patchbay port create``: prints the object as it was created."""

    @click.command("create", help=f"Create one {noun.name}.")
    @click.argument("name", required=noun is INSTANCES)
    @attribute_options(noun, CREATE)
    @endpoint_option
    @output_options
    def command(endpoint: str, style: str, columns: tuple[str, ...], name: str | None, **given: Any) -> None:
        service = Endpoint(endpoint)
        body = body_of(service, noun, CREATE, given)
        if name is not None:
            body["name"] = name
        if noun is SUBNETS and "ip_version" not in body:
            body["ip_version"] = 6 if ":" in body["cidr"] else 4
        tags = body.pop("tags", None)
        created = service.create(noun.collection, body)
        if tags is not None:  # Neutron takes tags with the creation of ports only
            service.set_tags(noun.collection, created["id"], tags)
            created["tags"] = tags
        print_one(created, style, columns)

    return command


def make_set(noun: Noun) -> click.Command:
    """``patchbay port set``: changes the attributes given and nothing else."""

    @click.command("set", help=f"Change one {noun.name}.")
    @click.argument("handle", metavar=noun.name.upper())
    @attribute_options(noun, SET)
    @endpoint_option
    def command(endpoint: str, handle: str, **given: Any) -> None:
        service = Endpoint(endpoint)
        body = body_of(service, noun, SET, given)
        if not body:
            raise click.UsageError("Nothing to set: give at least one option (see --help).")
        found = service.find(noun.collection, handle)
        tags = body.pop("tags", None)
        if body:
            service.update(noun.collection, found["id"], body)
        if tags is not None:
            service.set_tags(noun.collection, found["id"], tags)

    return command


def make_delete(noun: Noun) -> click.Command:
    """``patchbay port delete``: one or several, in the order given."""

    @click.command("delete", help=f"Delete {noun.name}s.")
    @click.argument("handles", nargs=-1, required=True, metavar=f"{noun.name.upper()}…")
    @endpoint_option
    def command(endpoint: str, handles: tuple[str, ...]) -> None:
        service = Endpoint(endpoint)
        for handle in handles:
            service.delete(noun.collection, service.find(noun.collection, handle)["id"])

    return command


MAKERS: Mapping[str, Callable[[Noun], click.Command]] = {
    "list": make_list,
    "show": make_show,
    "create": make_create,
    "set": make_set,
    "delete": make_delete,
}


def attribute_options(noun: Noun, verb: str) -> Callable[[Callback], Callback]:
    """A decorator with the options of a noun's attributes for that verb. Not given means: None, or an empty tuple."""

    def decorate(function: Callback) -> Callback:
        for attribute in reversed(noun.attributes):
            if verb not in attribute.on:
                continue
            # A switch that is not given must be told from one given as "no"; the others have no default at all.
            kind: dict[str, Any] = {"default": None} if attribute.kind is bool else {"type": attribute.kind}
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
