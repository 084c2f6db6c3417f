"""Documents in folders, and the path of a request through them. Pure.

As Nova's service does: a folder is answered with the list of what is in it, folders ending in a slash; a slash at the
end of a path, and double ones, mean nothing; ``/ec2`` in front may be left out.
"""

import posixpath
from collections.abc import Mapping

import msgspec

TEXT, JSON = "text/plain; charset=UTF-8", "application/json; charset=UTF-8"


class Document(msgspec.Struct, frozen=True):
    """What is sent."""

    body: bytes
    media_type: str = TEXT


class Folder(msgspec.Struct, frozen=True):
    """Documents and folders by name. ``label`` is shown in the parent's list instead of the name and a slash.

    ``is_flat``: its list shows folders without a slash.
    """

    entries: Mapping[str, "Folder | Document"]
    label: str = ""
    is_flat: bool = False

    def listing(self) -> Document:
        """The list of what is in it."""
        return text("\n".join(self._line(name, self.entries[name]) for name in sorted(self.entries)))

    def _line(self, name: str, entry: "Folder | Document") -> str:
        if isinstance(entry, Document) or self.is_flat:
            return name
        return entry.label or f"{name}/"


class Trees(msgspec.Struct, frozen=True):
    """All that one guest may read."""

    ec2: Folder
    openstack: Folder


def text(content: str) -> Document:
    """A text."""
    return Document(content.encode("utf-8", "surrogateescape"))


def json(content: object) -> Document:
    """A JSON text."""
    return Document(msgspec.json.encode(content), JSON)


def find(trees: Trees, path: str) -> Document | None:
    """What is at an unquoted path; None if nothing is."""
    tokens = posixpath.normpath("/" + path.lstrip("/")).split("/")[1:]
    here: Folder | Document = trees.ec2
    if tokens[0] == "openstack":
        here = trees.openstack
    if tokens[0] in ("", "ec2", "openstack"):
        tokens = tokens[1:]
    for token in tokens:
        if isinstance(here, Document) or token not in here.entries:
            return None
        here = here.entries[token]
    return here.listing() if isinstance(here, Folder) else here
