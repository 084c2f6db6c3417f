"""Two projects, their users and two hosts, whose service is asked anything, in process; and what must hold after it."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from patchbay.api.app import create_app
from patchbay.api.asgi import ASGIApp, Message
from patchbay.api.authentication.builtin import builtin_authentication
from patchbay.api.neutron.routes import COLLECTIONS
from patchbay.api.openvnet.app import create_vnet_app
from patchbay.intent.database import Insert, IntentDatabase
from patchbay.model import Host
from patchbay.service.identity.file import WatchedFile, parse_identity
from patchbay.service.identity.login import Logins
from patchbay.service.identity.passwords import hash_password
from patchbay.service.identity.tokens import Tokens
from patchbay.service.scheduler import Scheduler
from patchbay.service.service import Service
from patchbay.service.settings import NetworkSettings
from tests.functional.fuzz.requests import Request

USERS = {
    "admin": ("cloud", "admin"),
    "member": ("red", "member"),
    "reader": ("red", "reader"),
    "nobody": ("red", "guest"),
    "blue": ("blue", "member"),
}
"""Each user's project and role; the password is the name."""
PROMPT_S = 10.0
"""No request may take longer, however busy the machine is."""
SETTINGS = NetworkSettings(vlan_ranges={"physnet1": ((100, 109),)}, quotas={})
HOSTS = ("h1", "h2")
FULL = ("NoNetworkAvailable", "TooMuchContention")
"""Errors of a service that works: all numbers are given out, everybody writes the same."""


class Answer(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    def json(self) -> Any:
        """The decoded body."""
        return msgspec.json.decode(self.body)


class Complaints(logging.Handler):
    """Everything that the service logs as an error; a traceback is one, too."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or record.exc_info:
            self.said.append(logging.Formatter().format(record) + str(record.__dict__.get("error", "")))


class World:
    """The service with all its APIs on an empty database."""

    def __init__(self, db: IntentDatabase, directory: Path) -> None:
        self.db = db
        self.service = Service(db, SETTINGS)
        self.scheduler = Scheduler(self.service)
        file = directory / "identity.yaml"
        file.write_text(_identity())
        logins = Logins(WatchedFile(file, parse_identity))
        tokens = Tokens(b"k" * 32, 36000, directory / "revoked")
        authentication = builtin_authentication(db, logins, tokens)
        self.neutron = create_app(self.service, 200_000, authentication)
        self.openvnet = create_vnet_app(self.service, 200_000)
        self.projects = {name: project.id for name in ("red", "blue", "cloud") if (project := _project(logins, name))}
        self.tokens = {}
        for user, (project, _role) in USERS.items():
            found = logins.identity.user(user)
            assert found is not None
            text, _ = tokens.issue(found.id, self.projects[project], "password", found.password)
            self.tokens[user] = text
        self.complaints = Complaints()
        self.faults: list[Any] = []

    async def ask(self, request: Request) -> Answer:
        """The answer, which has come soon and is well formed."""
        headers = [*request.headers]
        if request.user:
            headers.append((b"x-auth-token", self.tokens.get(request.user, request.user).encode()))
        app = self.openvnet if request.path.startswith(b"/api") else self.neutron
        started = time.monotonic()
        answer = await asyncio.wait_for(call(app, request, headers), PROMPT_S)
        took = time.monotonic() - started
        assert took < PROMPT_S, f"{took:.1f} s"
        check(request, answer)
        if answer.status == 503:  # one of FULL, which is told in the log as well
            self.complaints.said.clear()
        assert not self.complaints.said, self.complaints.said
        assert not self.faults, self.faults
        return answer

    async def get(self, user: str, path: str) -> Any:
        """What a successful GET shows, without its wrapping."""
        answer = await self.ask(Request(user=user, method="GET", path=b"/v2.0/" + path.encode()))
        assert answer.status == 200, answer
        return next(iter(answer.json().values()))

    async def listing(self, user: str) -> dict[str, dict[str, Any]]:
        """All that a user sees, by collection and id."""
        found = {}
        for path in COLLECTIONS:
            shown = await self.get(user, path)
            found[path] = {item["id"]: item for item in shown}
            if path == "floatingips":
                for item in shown:
                    forwardings = await self.get(user, f"floatingips/{item['id']}/port_forwardings")
                    found.setdefault("port_forwardings", {}).update({one["id"]: one for one in forwardings})
        return found

    async def schedule(self, seconds: float = 0.2) -> None:
        """The scheduler works for a moment."""
        task = asyncio.create_task(self.scheduler.run())
        await asyncio.wait({task}, timeout=seconds)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _project(logins: Logins, name: str) -> Any:
    return logins.identity.project(name)


def _identity() -> str:
    users = {
        name: {"password": hash_password(name, rounds=4), "roles": {project: [role]}}
        for name, (project, role) in USERS.items()
    }
    return yaml.safe_dump({"projects": {project: {} for project, _ in USERS.values()}, "users": users})


async def call(app: ASGIApp, request: Request, headers: list[tuple[bytes, bytes]]) -> Answer:
    """Ask an application without a socket in between, with bytes that no client library would send."""
    sent: list[Message] = []
    path, _, query = request.path.partition(b"?")
    scope = {
        "type": "http",
        "method": request.method,
        "scheme": "http",
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "headers": [(b"host", b"api"), *headers],
        "client": ("127.0.0.1", 1),
    }
    half = len(request.body) // 2
    parts = [{"body": request.body[:half], "more_body": True}, {"body": request.body[half:], "more_body": False}]

    async def receive() -> Message:
        return {"type": "http.request", **parts.pop(0)} if parts else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return Answer(sent[0]["status"], dict(sent[0]["headers"]), body)


def check(request: Request, answer: Answer) -> None:
    """An answer has the form that clients of that API know, and is no failure."""
    status, body = answer.status, answer.body
    assert 200 <= status < 600, status
    if request.method == "HEAD" or status == 204:
        assert not body
        return
    assert int(answer.headers[b"content-length"]) == len(body)
    if b"yaml" in answer.headers.get(b"content-type", b""):
        assert status < 500, body
        assert isinstance(yaml.safe_load(body), (dict, list)), body
        return
    if not body:
        assert status < 300, (status, "without a body")
        return
    shown = msgspec.json.decode(body)
    if status < 400:
        return
    error = shown.get("NeutronError")
    if error is not None:
        assert set(error) == {"type", "message", "detail"}
        assert all(isinstance(text, str) for text in error.values())
        assert status < 500 or error["type"] in FULL, error
    elif request.path.startswith(b"/api"):
        assert status < 500, shown
        assert {"error", "message", "code"} <= set(shown), shown
    else:
        assert status < 500, shown
        assert set(shown["error"]) == {"code", "title", "message"}, shown


@contextlib.asynccontextmanager
async def world_on(db: IntentDatabase, directory: Path) -> AsyncIterator[World]:
    """A world with two hosts, whose log and event loop are listened to."""
    world = World(db, directory)
    loop = asyncio.get_running_loop()
    logger = logging.getLogger("patchbay")
    logger.addHandler(world.complaints)
    loop.set_exception_handler(lambda _loop, context: world.faults.append(context))
    try:
        await db.transact(*(Insert(host) for host in hosts()))
        yield world
    finally:
        logger.removeHandler(world.complaints)
        loop.set_exception_handler(None)


def hosts() -> list[Host]:
    """The hosts' rows; their hearts beat for a day."""
    return [
        Host(
            id=f"00000000-0000-4000-8000-00000000000{number}",
            name=name,
            tunnel_ip=f"172.21.12.{number}",
            bridge_mappings={"physnet1": "br-ex"},
            datapath_type="netdev",
            services=("dhcp", "l3", "metadata"),
            heartbeat_at=int(time.time()) + 86400,
            datapaths={f"000000000000000{number}": "br0"},
        )
        for number, name in enumerate(HOSTS, 1)
    ]
