"""The identity file: projects, users, roles and the catalog in YAML, read again when it changes."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from patchbay.service.identity.errors import BadIdentityFile
from patchbay.service.identity.model import Credential, Identity, Project, User, id_of
from patchbay.service.identity.written import WrittenProject, WrittenUser, read_written

log = logging.getLogger("patchbay.identity")

HASH = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")
"""A bcrypt hash."""


def parse_identity(text: str, path: object) -> Identity:
    """What the file says. Raises BadIdentityFile, which never quotes a hash."""
    written = read_written(text, path)
    projects = {project.id: project for project in (_project(name, given) for name, given in written.projects.items())}
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
    """A file that is read again when it has changed; while it is wrong or away, what it said before counts."""

    def __init__(self, path: Path, parse: Any) -> None:
        self._path = path
        self._parse = parse
        self._complaint = ""
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
            self._complaint = ""
        except BadIdentityFile as error:
            if str(error) != self._complaint:  # one that is away is looked for with each request
                log.error("kept what was read before", extra={"error": str(error)})
            self._complaint = str(error)
        return self._value
