"""What a noun of the API is to the commands: a collection, its columns, and the options that set its attributes.

``nouns`` and ``router_nouns`` are written with it; ``resources`` makes commands of them. Options are named as the
``openstack`` client names them; attributes as the Neutron API reference does.
"""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from patchbay.cli.endpoint import Endpoint, Object
from patchbay.errors import BadRequest

CREATE, SET, LIST, UNSET = "create", "set", "list", "unset"
EVERYWHERE = frozenset({CREATE, SET, LIST})
WRITTEN = frozenset({CREATE, SET})


Naming = Literal["required", "optional", "none"]


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """One option and the attribute that it gives.

    ``option`` is written as click takes it (``--share/--no-share`` for a boolean); without dashes it is an argument.
    ``reference`` names the collection in which the value is looked up by name or id. ``parse`` turns the text into the
    value; an option that is ``repeated`` gives a list. ``by_device``: the texts are ``[DEVICE=]HANDLE``, the value maps
    device names to ids.
    ``required``: create refuses to go without it. On ``unset`` the option is a switch that gives null to ``clears``,
    or to the attribute itself.
    """

    option: str
    name: str
    help: str
    metavar: str | None = None
    on: frozenset[str] = WRITTEN
    kind: type = str
    repeated: bool = False
    required: bool = False
    by_device: bool = False
    reference: str = ""
    clears: str = ""
    parse: Callable[[Any], Any] | None = None


Shape = Callable[[Endpoint, Object, Object], Object]


class Noun(msgspec.Struct, frozen=True, kw_only=True):
    """A collection of the API: its path, the verbs it has, the columns of its list, its attributes.

    ``spread`` names an attribute whose inner values are shown as columns of their own. ``naming`` says whether create
    takes a name. ``shape`` turns what the options gave into a body (see ``shapes``). ``parent`` is the noun whose
    objects the collection is inside of; its handle comes first on the command line.
    """

    name: str
    help: str
    collection: str
    columns: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    spread: str = ""
    naming: Naming = "optional"
    shape: Shape | None = None
    parent: "Noun | None" = None
    examples: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ("list", "show", "create", "set", "delete")


def pairs_of(**names: str) -> Callable[[str], dict[str, str]]:
    """A parser of ``subnet=…,ip-address=…`` whose keys become the attributes given (key with ``-`` as ``_``)."""
    keys = {key.replace("_", "-"): attribute for key, attribute in names.items()}

    def parse(written: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for part in written.split(","):
            key, equals, value = part.partition("=")
            if key.strip() not in keys or not equals or not value.strip():
                expected = ",".join(f"{name}=…" for name in keys)
                raise BadRequest(f"{written!r}: {part.strip()!r} is not understood.", f"Write {expected}.")
            found[keys[key.strip()]] = value.strip()
        return found

    return parse


def gateway(written: str) -> str | None:
    """``none`` means: no gateway."""
    return None if written.lower() == "none" else written


DESCRIPTION = Attribute(option="--description", name="description", metavar="TEXT", help="Anything that helps people.")
PROJECT = Attribute(
    option="--project",
    name="project_id",
    metavar="PROJECT",
    on=frozenset({CREATE, LIST}),
    help="Owner: a project, by id or name.",
)
TAG = Attribute(
    option="--tag", name="tags", metavar="TAG", on=EVERYWHERE, repeated=True, help="A tag; may be repeated."
)
NEW_NAME = Attribute(option="--name", name="name", metavar="NAME", on=frozenset({SET, LIST}), help="Name.")
ENABLED = Attribute(
    option="--enable/--disable", name="admin_state_up", kind=bool, on=EVERYWHERE, help="Administrative state."
)
NETWORK = Attribute(
    option="--network",
    name="network_id",
    metavar="NETWORK",
    on=frozenset({CREATE, LIST}),
    required=True,
    reference="networks",
    help="Network, by name or id.",
)
DNS_DOMAIN = Attribute(
    option="--dns-domain", name="dns_domain", metavar="DOMAIN.", help="Domain of names, with a dot at the end."
)
PORT_SECURITY = Attribute(
    option="--enable-port-security/--disable-port-security",
    name="port_security_enabled",
    kind=bool,
    on=EVERYWHERE,
    help="Ports send from their own addresses only and have security groups (default), or not.",
)
