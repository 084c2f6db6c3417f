"""Two projects and their users, who log in at the built-in identity endpoint and then ask the API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from patchbay.api.app import create_app
from patchbay.api.authentication.builtin import builtin_authentication
from patchbay.intent.database import IntentDatabase
from patchbay.service.identity.file import WatchedFile, parse_identity
from patchbay.service.identity.login import Logins
from patchbay.service.identity.passwords import hash_password
from patchbay.service.identity.tokens import Tokens
from patchbay.service.service import Service
from patchbay.service.settings import NetworkSettings

Object = dict[str, Any]
USERS = {
    "admin": ("cloud", "admin"),
    "member": ("red", "member"),
    "reader": ("red", "reader"),
    "nobody": ("red", "guest"),
    "stranger": ("blue", "member"),
}
"""Each user's project and role; the password is the name."""
PASSWORDS = {name: hash_password(name, rounds=4) for name in USERS}


def identity_text() -> str:
    """The identity file of these users."""
    projects = {project: {} for project, _ in USERS.values()}
    users = {name: {"password": PASSWORDS[name], "roles": {project: [role]}} for name, (project, role) in USERS.items()}
    return yaml.safe_dump({"projects": projects, "users": users})


class Tenants:
    """The application with users, asked without a socket in between."""

    def __init__(self, db: IntentDatabase, directory: Path, settings: NetworkSettings | None = None) -> None:
        self.db = db
        self.service = Service(db, settings)
        self.file = directory / "identity.yaml"
        self.file.write_text(identity_text())
        logins = Logins(WatchedFile(self.file, parse_identity))
        self.identity = logins.identity
        self.tokens = Tokens(b"k" * 32, 3600, directory / "revoked")
        authentication = builtin_authentication(db, logins, self.tokens)
        app = create_app(self.service, 200_000, authentication)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api")  # type: ignore[arg-type]
        self.token: dict[str, str] = {}

    def project(self, name: str) -> str:
        """A project's id."""
        project = self.identity.project(name)
        assert project is not None
        return project.id

    async def log_in(self, name: str) -> httpx.Response:
        """The answer to a login of this user."""
        user = {"name": name, "domain": {"name": "Default"}, "password": name}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
        return await self.http.post("/v3/auth/tokens", json=body)

    async def ask(self, user: str, method: str, path: str, body: object = None) -> httpx.Response:
        """The raw answer to a user; "" is somebody without a token."""
        headers = {}
        if user:
            if user not in self.token:
                self.token[user] = (await self.log_in(user)).headers["x-subject-token"]
            headers["X-Auth-Token"] = self.token[user]
        return await self.http.request(method, f"/v2.0{path}", json=body, headers=headers)

    async def get(self, user: str, path: str) -> Any:
        """What a successful GET shows, without its wrapping."""
        answer = await self.ask(user, "GET", path)
        assert answer.status_code == 200, answer.text
        return next(iter(answer.json().values()))

    async def create(self, user: str, member: str, **attributes: Any) -> Object:
        """A new object; ``__`` in names stands for a colon."""
        item = {name.replace("__", ":"): value for name, value in attributes.items()}
        path = {"rbac_policy": "rbac-policies"}.get(member, f"{member.replace('_', '-')}s")
        answer = await self.ask(user, "POST", f"/{path}", {member: item})
        assert answer.status_code == 201, answer.text
        created: Object = answer.json()[member]
        return created

    async def error(self, user: str, method: str, path: str, body: object = None) -> tuple[int, str, str]:
        """Status, type and message of an answer that is an error."""
        answer = await self.ask(user, method, path, body)
        assert answer.status_code >= 400, answer.text
        error = answer.json()["NeutronError"]
        return answer.status_code, error["type"], error["message"]


@asynccontextmanager
async def tenants_of(
    db: IntentDatabase, directory: Path, settings: NetworkSettings | None = None
) -> AsyncIterator[Tenants]:
    """A world of tenants on the database."""
    world = Tenants(db, directory, settings)
    yield world
    await world.http.aclose()
