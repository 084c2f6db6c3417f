"""Which function answers which path of the Identity API; /identity/v3 is the same as /v3."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import msgspec

from patchbay.api.authentication.strategy import identity_error, refused
from patchbay.api.errors import HTTPBadRequest
from patchbay.api.http import Request, Response, json_response
from patchbay.api.identity import documents
from patchbay.api.identity.login import log_in
from patchbay.service.identity.errors import TooManyFailures, Unauthorized
from patchbay.service.identity.model import DOMAIN_ID, Identity, Project, id_of
from patchbay.service.identity.sessions import Session, Sessions

SUBJECT = b"x-subject-token"
VARY = (b"vary", b"X-Auth-Token")
ROLES = ("admin", "manager", "member", "reader")
CHALLENGE = 'Keystone uri="{base}/v3"'


class IdentityEndpoint:
    """The answers for one set of sessions."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def answer(self, request: Request) -> Response | None:
        """The answer; None for a path that is not of this API."""
        parts = [unquote(part) for part in request.path.strip("/").split("/")]
        if parts[0] not in ("identity", "v3"):
            return None
        prefix = "/identity" if parts[0] == "identity" else ""
        parts = parts[1:] if prefix else parts
        base = f"{request.base_url}{prefix}/v3"
        try:
            return await self._answer(request, parts, base)
        except (Unauthorized, TooManyFailures) as error:
            return refused(error, CHALLENGE, request)
        except _Forbidden:
            return _forbidden()
        except HTTPBadRequest as error:
            return identity_error(400, "Bad Request", error.message)

    async def _answer(self, request: Request, parts: Sequence[str], base: str) -> Response:
        if not parts:
            return json_response({"versions": {"values": [documents.version(base)]}}, 300)
        if parts == ["v3"]:
            return json_response({"version": documents.version(base)})
        return await self._answer_v3(request, parts[1:] if parts[0] == "v3" else [], base)

    async def _answer_v3(self, request: Request, parts: Sequence[str], base: str) -> Response:
        if parts == ["auth", "tokens"]:
            if request.method == "POST":
                session = await log_in(self._sessions, request.client, request.body)
                return self._shown(request, session, 201)
            return self._token(request)
        session = self._session(request, "x-auth-token")
        if request.method != "GET":
            return identity_error(405, "Method Not Allowed", "The identity file is changed with an editor.")
        found = self._read(request, session, parts, base)
        if found is None:
            return identity_error(404, "Not Found", f"Could not find: {'/'.join(parts)}.")
        return json_response(found)

    def _session(self, request: Request, header: str) -> Session:
        session = self._sessions.read(request.headers.get(header, ""))
        if session is None:
            raise Unauthorized
        return session

    def _token(self, request: Request) -> Response:
        """GET and DELETE of a token: one's own, or as an administrator or a service that of others."""
        asker = self._session(request, "x-auth-token")
        subject = self._sessions.read(request.headers.get("x-subject-token", ""))
        if subject is not None and subject.user.id != asker.user.id and not {"admin", "service"} & asker.roles:
            return _forbidden()
        if subject is None:
            return identity_error(404, "Not Found", "Could not find token.")
        if request.method == "DELETE":
            self._sessions.end(subject)
            return Response(status=204)
        if request.method != "GET":
            return identity_error(405, "Method Not Allowed", "Tokens are made, shown and revoked.")
        return self._shown(request, subject, 200)

    def _shown(self, request: Request, session: Session, status: int) -> Response:
        with_catalog = all(key != "nocatalog" for key, _ in request.query)
        document = documents.token(session, self._sessions.identity, request.base_url, with_catalog=with_catalog)
        response = json_response(document, status)
        return msgspec.structs.replace(response, headers=((SUBJECT, session.text.encode()), VARY))

    def _read(self, request: Request, session: Session, parts: Sequence[str], base: str) -> object | None:
        """What a GET shows: to everybody what is its own, all else to administrators."""
        identity = self._sessions.identity
        if parts and parts[0] == "domains":
            domain = documents.view_domain()
            return _list("domains", [domain], base) if len(parts) == 1 else {"domain": domain}
        if parts and parts[0] == "auth":
            return self._of_token(request, session, parts[1:], base)
        own = own_projects(session, identity)
        match parts:
            case ["users", id_, "projects"] if id_ == session.user.id:
                return _list("projects", map(documents.view_project, own), base)
            case ["users", id_] if id_ == session.user.id:
                return {"user": documents.view_user(session.user)}
            case ["projects", id_] if (project := _of(own, id_)) is not None:
                return {"project": documents.view_project(project)}
        if "admin" not in session.roles:
            raise _Forbidden
        return self._read_all(request, parts, base)

    def _of_token(self, request: Request, session: Session, parts: Sequence[str], base: str) -> object | None:
        """What a token leads to: projects, domains, the catalog."""
        identity = self._sessions.identity
        match parts:
            case ["projects"]:
                return _list("projects", map(documents.view_project, own_projects(session, identity)), base)
            case ["catalog"]:
                return {"catalog": documents.catalog(identity.catalog, request.base_url), "links": {}}
            case ["domains"]:
                return _list("domains", [documents.view_domain()], base)
            case ["system"]:
                return {"system": [], "links": {}}
        return None

    def _read_all(self, request: Request, parts: Sequence[str], base: str) -> object | None:
        identity, query = self._sessions.identity, dict(request.query)
        endpoints = [(entry, interface) for entry in identity.catalog for interface in entry.interfaces]
        lists: Mapping[str, Iterable[Any]] = {
            "projects": map(documents.view_project, identity.projects.values()),
            "users": map(documents.view_user, identity.users.values()),
            "roles": map(documents.view_role, ROLES),
            "services": documents.catalog(identity.catalog, request.base_url),
            "endpoints": (
                documents.view_endpoint(entry, interface, request.base_url)
                | {"service_id": id_of("service", f"{entry.type}:{entry.region}"), "enabled": True}
                for entry, interface in endpoints
            ),
            "regions": ({"id": name} for name in dict.fromkeys(entry.region for entry in identity.catalog)),
            "role_assignments": documents.assignments(identity, with_names="include_names" in query),
        }
        if not parts or parts[0] not in lists:
            return None
        if len(parts) == 1:
            wanted = {key: value for key, value in query.items() if key in ("name", "id", "type", "interface")}
            if query.get("domain_id", DOMAIN_ID) != DOMAIN_ID:
                return _list(parts[0], (), base)
            found = (one for one in lists[parts[0]] if all(one.get(key) == wanted[key] for key in wanted))
            return _list(parts[0], found, base)
        one = next((one for one in lists[parts[0]] if one.get("id") == parts[1]), None)
        return None if one is None or len(parts) > 2 else {parts[0].removesuffix("s"): one}


def own_projects(session: Session, identity: Identity) -> list[Project]:
    """The projects in which the token's user has a role."""
    return [identity.projects[id_] for id_ in session.user.roles if id_ in identity.projects]


def _of(projects: Iterable[Project], id_: str) -> Project | None:
    return next((project for project in projects if project.id == id_), None)


def _list(name: str, items: Iterable[Any], base: str) -> dict[str, object]:
    return {name: list(items), "links": {"self": f"{base}/{name}", "previous": None, "next": None}}


class _Forbidden(Exception):
    """Only administrators may see this."""


def _forbidden() -> Response:
    return identity_error(403, "Forbidden", "You are not authorized to perform the requested action.")
