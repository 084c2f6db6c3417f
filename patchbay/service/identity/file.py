"""The identity file: projects, users, roles and the catalog in YAML, read again when it changes."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from patchbay.service.identity.errors import BadIdentityFile
from patchbay.service.identity.model import DEFAULT_CATALOG, Credential, Endpoint, Identity, Project, User, id_of

log = logging.getLogger("patchbay.identity")

HASH = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")
"""A bcrypt hash."""


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

    projects: dict[str, WrittenProject | None] = {}
    users: dict[str, WrittenUser] = {}
    catalog: tuple[Endpoint, ...] = DEFAULT_CATALOG


def parse_identity(text: str, path: object) -> Identity:
    """What the file says. Raises BadIdentityFile, which never quotes a hash."""
    try:
        written = msgspec.convert(yaml.safe_load(text) or {}, Written)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise BadIdentityFile(path, "is not YAML" + (f" (line {mark.line + 1})" if mark else "")) from None
    except msgspec.ValidationError as error:
        raise BadIdentityFile(path, str(error)) from None
    projects = {
        project.id: project
        for project in (_project(name, given or WrittenProject()) for name, given in written.projects.items())
    }
    by_name = {project.name: project.id for project in projects.values()}
    users = {user.id: user for user in (_user(name, given, by_name, path) for name, given in written.users.items())}
    return Identity(projects=projects, users=users, catalog=written.catalog)


def _project(name: str, given: WrittenProject) -> Project:
    return Project(
        id=given.id or id_of("project", name), name=name, description=given.description, enabled=given.enabled
    )


def _user(name: str, given: WrittenUser, projects: Mapping[str, str], path: object) -> User:
    for one in (*given.roles, *(credential.project for credential in given.application_credentials.values())):
        if one not in projects:
            raise BadIdentityFile(path, f"user {name} has roles in project {one}, which is not among the projects")
    secrets = [given.password, *(credential.secret for credential in given.application_credentials.values())]
    if any(secret and not HASH.fullmatch(secret) for secret in secrets):
        raise BadIdentityFile(
            path,
            f"a password or secret of user {name} is not a bcrypt hash",
            "`patchbay identity hash` reads a password and prints its hash.",
        )
    roles = {projects[project]: frozenset(one) for project, one in given.roles.items()}
    if given.default_project and given.default_project not in given.roles:
        raise BadIdentityFile(path, f"user {name} has no role in its default project {given.default_project}")
    default = given.default_project or (next(iter(given.roles)) if len(given.roles) == 1 else "")
    return User(
        id=given.id or id_of("user", name),
        name=name,
        password=given.password,
        roles=roles,
        default_project_id=projects.get(default, ""),
        enabled=given.enabled,
        credentials=tuple(
            Credential(
                id=one.id or id_of("credential", f"{name}:{label}"),
                name=label,
                secret=one.secret,
                project_id=projects[one.project],
                roles=frozenset(one.roles) or roles.get(projects[one.project], frozenset()),
            )
            for label, one in given.application_credentials.items()
        ),
    )


class WatchedFile:
    """A file that is read again when it has changed; while it is wrong, what it said before counts."""

    def __init__(self, path: Path, parse: Any) -> None:
        self._path = path
        self._parse = parse
        self._stamp = self._now()
        self._value = self._read()

    def _now(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except OSError as error:
            raise BadIdentityFile(self._path, str(error.strerror), "Name a file that the service may read.") from None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> Any:
        try:
            return self._parse(self._path.read_text(encoding="utf-8"), self._path)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is not UTF-8 text"
            raise BadIdentityFile(self._path, reason, "Name a file that the service may read.") from None

    def current(self) -> Any:
        """What the file says now."""
        try:
            stamp = self._now()
            if stamp != self._stamp:
                self._stamp = stamp
                self._value = self._read()
                log.info("read again", extra={"path": str(self._path)})
        except BadIdentityFile as error:
            log.error("kept what was read before", extra={"error": str(error)})
        return self._value
