"""The identity file as it is written: YAML whose mistakes are named by user, project or entry."""

import re
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec
import yaml

from patchbay.service.identity.errors import BadIdentityFile
from patchbay.service.identity.model import DEFAULT_CATALOG, Endpoint
from patchbay.service.yaml_text import read_yaml

T = TypeVar("T")


class WrittenProject(msgspec.Struct, forbid_unknown_fields=True):
    """A project as written."""

    id: str = ""
    description: str = ""
    enabled: bool = True


class WrittenCredential(msgspec.Struct, forbid_unknown_fields=True):
    """An application credential as written; ``roles`` by default all of the user's in the project."""

    secret: str
    project: str
    id: str = ""
    roles: tuple[str, ...] = ()


class WrittenUser(msgspec.Struct, forbid_unknown_fields=True):
    """A user as written: roles by the project's name."""

    password: str = ""
    id: str = ""
    roles: dict[str, tuple[str, ...]] = {}
    default_project: str = ""
    enabled: bool = True
    application_credentials: dict[str, WrittenCredential] = {}


class Written(msgspec.Struct, forbid_unknown_fields=True):
    """The file as written."""

    projects: dict[str, WrittenProject] = {}
    users: dict[str, WrittenUser] = {}
    catalog: tuple[Endpoint, ...] = DEFAULT_CATALOG


class _Loader(yaml.SafeLoader):
    """Refuses what is said twice: of two users of one name YAML would forget the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in keys:
                    raise yaml.MarkedYAMLError(problem=f"{key.value} is there twice", problem_mark=key.start_mark)
                keys.add(key.value)
        return super().construct_mapping(node, deep=deep)


def read_written(text: str, path: object) -> Written:
    """What the text says, as it says it. Raises BadIdentityFile, which never quotes a hash."""
    try:
        found = read_yaml(text, _Loader)
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), str(getattr(error, "problem", None) or "is not YAML")
        reason = problem if problem.endswith("twice") else "is not YAML"
        raise BadIdentityFile(path, reason + (f" (line {mark.line + 1})" if mark else "")) from None
    parts = {} if found is None else found
    known = Written.__struct_fields__
    if not isinstance(parts, dict) or not set(parts) <= set(known):
        strange = ", ".join(str(name) for name in parts if name not in known) if isinstance(parts, dict) else "this"
        raise BadIdentityFile(path, f"{strange} is none of {', '.join(known)}")
    users, projects = (_mapping(parts.get(name), path, name) for name in ("users", "projects"))
    catalog = parts.get("catalog")
    return Written(
        projects={name: _convert(given or {}, WrittenProject, path, f"project {name}") for name, given in projects},
        users={name: _convert(given or {}, WrittenUser, path, f"user {name}") for name, given in users},
        catalog=DEFAULT_CATALOG if catalog is None else _convert(catalog, tuple[Endpoint, ...], path, "catalog"),
    )


def _mapping(value: object, path: object, what: str) -> Iterator[tuple[str, object]]:
    if value is not None and not isinstance(value, Mapping):
        raise BadIdentityFile(path, f"{what} are not given by their names ({what}: {{NAME: …}})")
    for name, given in (value or {}).items():
        if not isinstance(name, str):
            raise BadIdentityFile(path, f"{what} {name!r} needs quotes: it is not read as text")
        yield name, given


def _convert(value: object, kind: type[T], path: object, what: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        said, _, where = str(error).partition(" - at `$")
        said = re.sub(
            r"Object (contains|missing)", lambda found: {"contains": "has", "missing": "lacks"}[found[1]], said
        )
        said = (
            said.replace("Expected", "expected")
            .replace("`object`", "fields")
            .replace("`array`", "a list")
            .replace("`str`", "text")
        )
        place = where.strip(".`").replace("[...].", " ").replace("[...]", " ")
        raise BadIdentityFile(path, f"{what}{f', {place.strip()}' if place.strip() else ''}: {said}") from None
