"""The WebAPI on a real intent database. Needs no root."""

from collections.abc import AsyncIterator

import pytest_asyncio

from patchbay.intent.database import IntentDatabase
from tests.functional.intent_database import db, remote
from tests.functional.vnet_api.vnet_world import VnetApi

__all__ = ["db", "remote"]


@pytest_asyncio.fixture(loop_scope="session")
async def vnet(db: IntentDatabase) -> AsyncIterator[VnetApi]:
    """Both APIs on an empty database."""
    made = VnetApi(db)
    yield made
    await made.close()
