"""A real intent database and OpenVNet's WebAPI on it, asked without a socket in between. Needs no root."""

from collections.abc import AsyncIterator

import pytest_asyncio

from patchbay.intent.database import IntentDatabase
from tests.functional.intent_database import remote
from tests.functional.vnet.webapi import WebApi

__all__ = ["remote"]


@pytest_asyncio.fixture(loop_scope="session")
async def webapi(remote: str) -> AsyncIterator[WebApi]:
    """The application on an empty database."""
    database = await IntentDatabase.open([remote], timeout_s=20)
    api = WebApi(database)
    yield api
    await api.empty()
    await api.close()
    await database.close()
