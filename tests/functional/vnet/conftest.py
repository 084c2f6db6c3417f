"""A real intent database and OpenVNet's WebAPI on it, asked without a socket in between. Needs no root."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from patchbay.intent.database import IntentDatabase
from patchbay.intent.server import EmbeddedServer
from tests.functional.vnet.webapi import WebApi


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def remote(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Where the intent database listens."""
    server = await EmbeddedServer.start(tmp_path_factory.mktemp("state"))
    yield server.remote
    await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def webapi(remote: str) -> AsyncIterator[WebApi]:
    """The application on an empty database."""
    database = await IntentDatabase.open([remote], timeout_s=20)
    api = WebApi(database)
    yield api
    await api.empty()
    await api.close()
    await database.close()
