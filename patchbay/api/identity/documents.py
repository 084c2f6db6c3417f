"""The documents of the Identity API v3 (Keystone API reference): tokens, catalogs, versions, and what lists hold."""

import datetime
from collections.abc import Iterable
from typing import Any

from patchbay.service.identity.model import (
    DOMAIN_ID,
    DOMAIN_NAME,
    Endpoint,
    Identity,
    Project,
    User,
    id_of,
)
from patchbay.service.identity.sessions import Session

Document = dict[str, Any]
DOMAIN = {"id": DOMAIN_ID, "name": DOMAIN_NAME}


def moment(seconds: int) -> str:
    """A moment as Keystone writes it."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


def version(base: str) -> Document:
    """The one version of the API; ``base`` is its URL."""
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{base}/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


def token(session: Session, identity: Identity, base_url: str, *, with_catalog: bool = True) -> Document:
    """The token's document, as a login and a validation show it."""
    user, project, read = session.user, session.project, session.token
    document: Document = {
        "methods": [read.method],
        "user": {"id": user.id, "name": user.name, "domain": DOMAIN, "password_expires_at": None},
        "audit_ids": [read.audit_id],
        "issued_at": moment(read.issued_at),
        "expires_at": moment(read.expires_at),
    }
    if project is None:
        return {"token": document}
    document["project"] = {"id": project.id, "name": project.name, "domain": DOMAIN}
    document["is_domain"] = False
    document["roles"] = [view_role(role) for role in sorted(session.roles)]
    if with_catalog:
        document["catalog"] = catalog(identity.catalog, base_url)
    if read.credential_id:
        document["application_credential"] = {"id": read.credential_id, "restricted": True}
    return {"token": document}


def catalog(entries: Iterable[Endpoint], base_url: str) -> list[Document]:
    """The services and where they answer."""
    return [
        {
            "id": id_of("service", f"{entry.type}:{entry.region}"),
            "type": entry.type,
            "name": entry.name or entry.type,
            "endpoints": [view_endpoint(entry, interface, base_url) for interface in entry.interfaces],
        }
        for entry in entries
    ]


def view_endpoint(entry: Endpoint, interface: str, base_url: str) -> Document:
    """One endpoint of a service."""
    return {
        "id": id_of("endpoint", f"{entry.type}:{entry.region}:{interface}"),
        "interface": interface,
        "region": entry.region,
        "region_id": entry.region,
        "url": entry.url.replace("{base}", base_url),
    }


def view_project(project: Project) -> Document:
    """A project."""
    return {
        "id": project.id,
        "name": project.name,
        "description": project.description,
        "enabled": project.enabled,
        "domain_id": DOMAIN_ID,
        "parent_id": DOMAIN_ID,
        "is_domain": False,
        "tags": [],
        "options": {},
    }


def view_user(user: User) -> Document:
    """A user, without anything of the password."""
    document: Document = {
        "id": user.id,
        "name": user.name,
        "enabled": user.enabled,
        "domain_id": DOMAIN_ID,
        "password_expires_at": None,
        "options": {},
    }
    if user.default_project_id:
        document["default_project_id"] = user.default_project_id
    return document


def view_role(name: str) -> Document:
    """A role."""
    return {"id": id_of("role", name), "name": name, "domain_id": None, "description": None, "options": {}}


def view_domain() -> Document:
    """The one domain."""
    return {**DOMAIN, "enabled": True, "description": "The default domain", "tags": [], "options": {}}


def assignments(identity: Identity, *, with_names: bool) -> list[Document]:
    """Who has which role where."""
    found = []
    for user in identity.users.values():
        for project_id, roles in user.roles.items():
            for role in sorted(roles):
                entry: Document = {
                    "role": {"id": id_of("role", role)},
                    "user": {"id": user.id},
                    "scope": {"project": {"id": project_id}},
                    "links": {},
                }
                if with_names:
                    entry["role"]["name"] = role
                    entry["user"] |= {"name": user.name, "domain": DOMAIN}
                    entry["scope"]["project"] |= {"name": identity.projects[project_id].name, "domain": DOMAIN}
                found.append(entry)
    return found
