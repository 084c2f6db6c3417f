"""What a command of ``vnctl`` is: the words that call it, the request that it makes, the options that it takes.

``vnctl_nouns`` is written with it; ``vnctl`` makes click commands of it; the documentation makes a table. Pure.
"""

from typing import Literal

import msgspec

Kind = Literal["text", "number", "flag"]


class Option(msgspec.Struct, frozen=True):
    """One option and the parameter of the same name that it gives. A flag is written ``--name`` or ``--no-name``."""

    name: str
    help: str
    kind: Kind = "text"


class Relation(msgspec.Struct, frozen=True, kw_only=True):
    """What objects of a noun have to do with others: ``datapaths networks add dp-1 nw-1``.

    ``names_other``: the uuid of the other stands in the path of ``add``. ``del`` names the others by uuid, or, with
    ``found_by_options``, by the options of ``add``. ``help`` says what the others are to the object.
    """

    name: str
    help: str
    options: tuple[Option, ...] = ()
    names_other: bool = True
    found_by_options: bool = False
    verbs: tuple[str, ...] = ("add", "show", "del")


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """Something else that is done with one object: ``ip_leases attach il-1``."""

    name: str
    help: str
    method: str
    options: tuple[Option, ...] = ()


class Noun(msgspec.Struct, frozen=True, kw_only=True):
    """A collection of the API. ``once`` are options of ``add``, ``often`` those of ``add`` and ``modify``."""

    name: str
    singular: str
    help: str
    once: tuple[Option, ...] = ()
    often: tuple[Option, ...] = ()
    has_modify: bool = True
    relations: tuple[Relation, ...] = ()
    actions: tuple[Action, ...] = ()

    @property
    def label(self) -> str:
        """The argument that names one object: ``DATAPATH_UUID``."""
        return f"{self.singular.upper()}_UUID"


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One command: ``vnctl datapaths networks add DATAPATH_UUID NETWORK_UUID``.

    ``words`` call it. ``path`` has ``{}`` where each of ``arguments`` stands. ``repeats``: the last argument may be
    given several times, a request for each. ``collection``: what is asked for when no argument is given.
    """

    words: tuple[str, ...]
    method: str
    path: str
    help: str
    arguments: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    repeats: bool = False
    collection: str = ""


UUID = Option("uuid", "Its uuid; the service chooses one when it is not given.")
PAGE = (
    Option("limit", "Show so many at most.", "number"),
    Option("offset", "Leave so many out at the beginning.", "number"),
)


def commands_of(noun: Noun) -> tuple[Command, ...]:
    """Every command of a noun, in the order of its help."""
    path = f"{noun.name}/{{}}"
    one = (noun.label,)

    def command(verb: str, method: str, help_: str, **more: object) -> Command:
        return msgspec.convert(
            {"words": (noun.name, verb), "method": method, "path": path, "arguments": one, "help": help_} | more,
            Command,
        )

    created = (UUID, *noun.once, *noun.often)
    found = [command("add", "POST", f"Create one: {noun.help}", path=noun.name, arguments=(), options=created)]
    if noun.has_modify:
        found.append(command("modify", "PUT", "Change one.", options=noun.often))
    found += [
        command("show", "GET", "Show all, or those named.", repeats=True, collection=noun.name, options=PAGE),
        command("del", "DELETE", "Delete those named.", repeats=True),
    ]
    for each in noun.actions:
        found.append(command(each.name, each.method, each.help, path=f"{path}/{each.name}", options=each.options))
    return (*found, *(command for relation in noun.relations for command in commands_of_relation(noun, relation)))


def commands_of_relation(noun: Noun, relation: Relation) -> list[Command]:
    """The commands of one relation of a noun's objects."""
    path = f"{noun.name}/{{}}/{relation.name}"
    other = (f"{path}/{{}}", (noun.label, f"{relation.name.removesuffix('s').upper()}_UUID"))
    whole = (path, (noun.label,))
    verbs = {
        "add": ("POST", other if relation.names_other else whole, relation.options, f"Add {relation.help}."),
        "modify": ("PUT", other, relation.options, f"Change {relation.help}."),
        "show": ("GET", whole, PAGE, f"Show {relation.help}."),
        "del": ("DELETE", other, (), f"Take away {relation.help}."),
    }
    if relation.found_by_options:
        verbs["del"] = ("DELETE", whole, relation.options, f"Take away {relation.help}: all that the options fit.")
    return [
        Command(
            words=(noun.name, relation.name, verb),
            method=method,
            path=where[0],
            arguments=where[1],
            options=options,
            help=words,
            repeats=verb == "del" and not relation.found_by_options,
        )
        for verb, (method, where, options, words) in verbs.items()
        if verb in relation.verbs
    ]
