"""One real ovsdb-server with the intent database, for all tests of a process; each gets it empty. Needs no root.

A conftest imports the fixtures ``remote`` and ``db``.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from patchbay.intent.database import Delete, IntentDatabase
from patchbay.intent.server import EmbeddedServer


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def remote(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Where the intent database listens."""
    server = await EmbeddedServer.start(tmp_path_factory.mktemp("state"))
    yield server.remote
    await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def db(remote: str) -> AsyncIterator[IntentDatabase]:
    """A connection to the database, which is emptied afterwards."""
    database = await IntentDatabase.open([remote], timeout_s=20)
    yield database
    await empty(database)
    await database.close()


async def empty(db: IntentDatabase) -> None:
    """Delete everything, also what another server wrote a moment ago."""
    await db.connection.transact([{"op": "comment", "comment": "what was written before this shows now"}])
    values = (*db.instances.values(), *db.plugs.values(), *db.hosts.values(), *db.vnet_objects.values())
    await db.transact(*map(Delete, values))
    rest = (*db.ports.values(), *db.subnets.values(), *db.networks.values())
    routed = (*db.floatingips.values(), *db.routers.values(), *db.subnetpools.values(), *db.address_scopes.values())
    policies = (*db.rbac_policies.values(), *db.quotas.values(), *db.default_security_group_rules.values())
    secured = (*db.security_group_rules.values(), *db.security_groups.values(), *db.address_groups.values())
    await db.transact(*map(Delete, (*rest, *routed, *secured, *policies)))
