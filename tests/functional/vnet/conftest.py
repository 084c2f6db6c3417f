"""A real intent database and OpenVNet's WebAPI on it, asked without a socket in between. Needs no root."""

from collections.abc import AsyncIterator

import pytest_asyncio

from patchbay.intent.database import IntentDatabase
from tests.functional.intent_database import db, remote
from tests.functional.vnet.webapi import WebApi

__all__ = ["db", "remote"]


@pytest_asyncio.fixture(loop_scope="session")
async def webapi(db: IntentDatabase) -> AsyncIterator[WebApi]:
    """The application on an empty database."""
    api = WebApi(db)
    yield api
    await api.close()
