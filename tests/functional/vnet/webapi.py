"""OpenVNet's WebAPI in this process, given the seed's command lines."""

import shlex
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from patchbay.api.openvnet.app import create_vnet_app
from patchbay.cli.vnctl import SINGULAR
from patchbay.cli.vnctl_nouns import COMMANDS
from patchbay.intent.database import Change, IntentDatabase
from patchbay.service.service import Service


class Request(NamedTuple):
    """What a command line asks for."""

    method: str
    path: str
    parameters: dict[str, str]


class WebApi:
    """The application; ``db`` is its view of the database."""

    def __init__(self, db: IntentDatabase) -> None:
        self.db = db
        self.service = Service(db)
        self.hearer: Callable[[list[Change]], None] = lambda changes: None
        """Hears every change of the intent."""
        db.subscribe(self._tell)
        transport = httpx.ASGITransport(create_vnet_app(self.service))  # type: ignore[arg-type]
        self.http = httpx.AsyncClient(transport=transport, base_url="http://api")

    def _tell(self, changes: list[Change]) -> None:
        self.hearer(changes)

    async def ask(self, line: str) -> httpx.Response:
        """Carry out a command line of the seed."""
        method, path, parameters = request_of(line)
        return await self.http.request(method, path, data=parameters)

    async def close(self) -> None:
        """No more requests."""
        await self.http.aclose()


def request_of(line: str) -> Request:
    """The request that ``curl`` or ``vnctl`` makes of a line (tests of vnctl hold that it does)."""
    words = shlex.split(line)
    if words[0] == "curl":
        given = [words[number + 1] for number, word in enumerate(words) if word == "--data-urlencode"]
        return Request("POST", urlsplit(words[-1]).path, dict(each.split("=", 1) for each in given))
    named = [word for word in words[1:] if not word.startswith("--")]
    options, others = {}, iter(words[1:])
    for word in others:
        if word.startswith("--"):
            name, equals, value = word.removeprefix("--").partition("=")
            options[name.replace("-", "_")] = value if equals else (taken := next(others))
            if not equals:
                named.remove(taken)
    named[0] = SINGULAR[named[0]]
    command = next(one for one in COMMANDS if one.words == tuple(named[: len(one.words)]))
    return Request(command.method, "/api/" + command.path.format(*named[len(command.words) :]), options)
