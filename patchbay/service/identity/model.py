"""Projects, users and the catalog, as the identity file gives them."""

import uuid
from collections.abc import Mapping

import msgspec

from patchbay.service.context import with_implied

NAMESPACE = uuid.UUID("5a0d3ac1-98d7-4a1b-94f6-6a29d6a6a5f7")
"""Ids that the file does not give follow from names in this namespace, so that they are the same on every server."""
DOMAIN_ID, DOMAIN_NAME = "default", "Default"


def id_of(kind: str, name: str) -> str:
    """The id of something that the file gives no id: 32 hexadecimal digits, as Keystone's."""
    return uuid.uuid5(NAMESPACE, f"{kind}:{name}").hex


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project (tenant)."""

    id: str
    name: str
    description: str = ""
    enabled: bool = True


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """An application credential: a secret of its own for one project, with some of the user's roles."""

    id: str
    name: str
    secret: str
    project_id: str
    roles: frozenset[str]


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user. ``password`` is a bcrypt hash ("": none works); ``roles`` are by project id, without what they imply."""

    id: str
    name: str
    password: str = ""
    roles: Mapping[str, frozenset[str]] = {}
    default_project_id: str = ""
    enabled: bool = True
    credentials: tuple[Credential, ...] = ()

    def roles_in(self, project_id: str) -> frozenset[str]:
        """The user's roles in a project, with those that they imply."""
        return with_implied(self.roles.get(project_id, frozenset()))


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the catalog. ``url`` may hold ``{base}``: where the client reached this service."""

    type: str
    url: str
    name: str = ""
    region: str = "RegionOne"
    interfaces: tuple[str, ...] = ("public", "internal", "admin")


DEFAULT_CATALOG = (
    Endpoint(type="network", name="neutron", url="{base}"),
    Endpoint(type="identity", name="keystone", url="{base}/v3"),
)


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, by id."""

    projects: Mapping[str, Project] = {}
    users: Mapping[str, User] = {}
    catalog: tuple[Endpoint, ...] = DEFAULT_CATALOG

    def project(self, handle: str) -> Project | None:
        """The project of this id, or else of this name."""
        return self.projects.get(handle) or next((one for one in self.projects.values() if one.name == handle), None)

    def user(self, handle: str) -> User | None:
        """The user of this id, or else of this name."""
        return self.users.get(handle) or next((one for one in self.users.values() if one.name == handle), None)

    def credential(self, handle: str, user: User | None = None) -> tuple[User, Credential] | None:
        """The application credential of this id, or of this name of the user's."""
        for owner in self.users.values() if user is None else (user,):
            for one in owner.credentials:
                if one.id == handle or (user is not None and one.name == handle):
                    return owner, one
        return None
