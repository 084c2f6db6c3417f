"""A real ovsdb-server in a directory of its own. Needs no root."""

import socket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from patchbay.intent.database import AgentScope, IntentDatabase
from patchbay.intent.server import EmbeddedServer
from tests.functional.intent.intent_world import Open


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A running server with an empty database."""
    running = await EmbeddedServer.start(tmp_path / "state")
    yield running
    await running.stop()


@pytest.fixture
async def open_database() -> AsyncIterator[Open]:
    """Opens databases, and closes them when the test is over."""
    opened: list[IntentDatabase] = []

    async def open_(
        remotes: str | Sequence[str], scope: AgentScope | None = None, *, leader_only: bool | None = None
    ) -> IntentDatabase:
        named = [remotes] if isinstance(remotes, str) else remotes
        opened.append(await IntentDatabase.open(named, scope, timeout_s=20, leader_only=leader_only))
        return opened[-1]

    yield open_
    for database in opened:
        await database.close()


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Gives TCP ports of the loopback interface that nobody listens on."""

    def free() -> int:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            return int(listener.getsockname()[1])

    return free
