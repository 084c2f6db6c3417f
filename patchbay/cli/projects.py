"""Projects by name, as the identity service knows them that one has logged in at.

Called by ``endpoint``. Everybody may look among the projects in which they have a role, administrators among all.
"""

import http.client
import re
import ssl
from collections.abc import Callable, Iterator
from urllib.parse import urlencode, urlsplit

import msgspec

from patchbay.cli.login import TIMEOUT_S, Access
from patchbay.errors import BadRequest, NotFound
from patchbay.lab.client import exchange

ID = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\*|")
"""What is no name: an id, all projects, none."""
FORBIDDEN = 403


class _Project(msgspec.Struct):
    id: str
    name: str


class _Projects(msgspec.Struct):
    projects: tuple[_Project, ...]


def project_id(access: Access, name: str, trusted: Callable[[str], ssl.SSLContext]) -> str:
    """The id of a project by its name; as given if it is an id, or nobody is there to ask.

    Raises NotFound, and BadRequest for a caller who may not look among all.
    """
    if not access.identity or ID.fullmatch(name):
        return name
    parts = urlsplit(access.identity)
    connection = (
        http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT_S, context=trusted(access.cacert))
        if parts.scheme == "https"
        else http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_S)
    )
    try:
        for status, found in _lists(connection, access, parts.path, name):
            ids = [project.id for project in found if project.name == name]
            if len(ids) == 1:
                return ids[0]
            if status == FORBIDDEN:
                raise BadRequest(f"Project {name}: only administrators may look for others by name.", "Give its id.")
    finally:
        connection.close()
    raise NotFound(f"Project {name} does not exist.", "`openstack project list` shows what does.")


def _lists(
    connection: http.client.HTTPConnection, access: Access, prefix: str, name: str
) -> Iterator[tuple[int, tuple[_Project, ...]]]:
    """One's own projects, then all of this name."""
    for path in ("/auth/projects", f"/projects?{urlencode({'name': name})}"):
        status, content = exchange(connection, access.identity, "GET", prefix + path, more=access.headers)
        try:
            yield status, msgspec.json.decode(content, type=_Projects).projects
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield status, ()
