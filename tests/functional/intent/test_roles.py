"""What a host's certificate lets its holder do with the intent database: seen with a real ovsdb-server over TLS."""

import asyncio
import datetime
import socket
import ssl
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from patchbay.intent.database import (
    AgentScope,
    Delete,
    Insert,
    IntentDatabase,
    NotPermitted,
    Unavailable,
    Update,
)
from patchbay.intent.roles import write_roles
from patchbay.intent.server import EmbeddedServer
from patchbay.model import Host, Plug
from patchbay.ovsdb import Connection, ConnectionLost, Credentials, TransactionError
from patchbay.ovsdb.errors import RemoteError
from patchbay.service.enrolment.authority import Authority
from patchbay.service.enrolment.certificates import agent_certificate, derived_key, key_pem, new_key, pem

from .intent_world import new_id, new_network, new_port, until


class World:
    """A server with TLS, the service's view of it, and the authority."""

    def __init__(self, authority: Authority, server: EmbeddedServer, service: IntentDatabase, remote: str) -> None:
        self.authority, self.server, self.service, self.remote = authority, server, service, remote

    def credentials(self, host: str, path: str = "") -> Credentials:
        key = new_key()
        file = Path(path or self.authority.folder / f"{host}-{uuid.uuid4()}.pem")
        file.write_bytes(key_pem(key) + pem(self.authority.issue(host, key.public_key())))
        return Credentials(str(file), str(self.authority.folder / "authority.pem"))

    async def agent(self, host: str, credentials: Credentials | None = None) -> IntentDatabase:
        given = credentials or self.credentials(host)
        return await IntentDatabase.open([self.remote], AgentScope(host), timeout_s=5, credentials=given)

    async def raw(self, host: str) -> Connection:
        given = self.credentials(host)
        return await Connection.open([self.remote], "Patchbay", timeout_s=5, credentials=given)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    authority = Authority.open(tmp_path / "state" / "pki", ["127.0.0.1"])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    authority.use(0)
    server = await EmbeddedServer.start(tmp_path / "state", files=authority.files)
    service = await IntentDatabase.open([server.remote], timeout_s=10)
    await write_roles(service.connection, [f"pssl:{port}:127.0.0.1"], is_alone=True)
    await server.open_connections()
    await service.transact(*(Insert(Host(id=new_id(), name=name)) for name in ("compute1", "compute2")))
    yield World(authority, server, service, f"ssl:127.0.0.1:{port}")
    await service.close()
    await server.stop()


def plug_of(host: str, port_id: str | None = None) -> Plug:
    return Plug(id=new_id(), port_id=port_id or new_id(), network_id=new_id(), host=host, up=True)


async def test_an_agent_writes_its_own_rows_and_no_other(world: World) -> None:
    agent = await world.agent("compute1")
    mine, theirs = agent.host_named("compute1"), agent.host_named("compute2")
    assert mine is not None
    assert theirs is not None
    plug = plug_of("compute1")
    told = Host(id=mine.id, name="compute1", tunnel_ip="192.0.2.1", neighbours={"compute2": "up"}, heartbeat_at=7)
    # At once, as it does: each transaction asks for its own sync, for the common counter is not an agent's to write.
    await asyncio.gather(agent.transact(Insert(plug)), agent.transact(Update(mine, told)))
    await agent.transact(Update(plug, Plug(**{**_fields(plug), "up": False, "trouble": "no cable"})))
    await until(lambda: world.service.hosts[mine.id].tunnel_ip == "192.0.2.1", "the status that the agent wrote")
    assert world.service.plugs[plug.id].trouble == "no cable"
    await agent.transact(Delete(world.service.plugs[plug.id]))
    for forbidden in (
        Insert(plug_of("compute2")),
        Update(theirs, Host(id=theirs.id, name="compute2", tunnel_ip="192.0.2.66")),
        Delete(theirs),
        Delete(mine),
        Insert(Host(id=new_id(), name="compute3")),
        Insert(Host(id=new_id(), name="compute1")),
        Insert(new_network("stolen")),
    ):
        with pytest.raises(NotPermitted, match=r'RBAC rules for client "compute1" role "agent" prohibit'):
            await agent.transact(forbidden)
    await agent.close()


async def test_an_administrator_s_columns_and_other_tables_are_refused_by_name(world: World) -> None:
    network = new_network()
    port = new_port(network, host="compute2")
    theirs = plug_of("compute2", port.id)
    await world.service.transact(Insert(network), Insert(port), Insert(theirs))
    agent = await world.raw("compute1")
    mine: Any = ["name", "==", "compute1"]
    attempts: list[dict[str, Any]] = [
        *(
            {"op": "update", "table": "Host", "where": [mine], "row": {column: value}}
            for column, value in {"admin_state_up": True, "name": "compute2", "suspected": True}.items()
        ),
        {"op": "mutate", "table": "Host", "where": [mine], "mutations": [["disabled_services", "delete", "l3"]]},
        {"op": "update", "table": "Plug", "where": [], "row": {"up": False}},
        {"op": "mutate", "table": "Patchbay", "where": [], "mutations": [["durable_sequence", "+=", 1]]},
        {"op": "update", "table": "Patchbay", "where": [], "row": {"authority": 99}},
        {"op": "update", "table": "Port", "where": [], "row": {"host": "compute1"}},
        {"op": "delete", "table": "Port", "where": []},
        {"op": "delete", "table": "Network", "where": []},
        {"op": "insert", "table": "Enrolment", "row": {"host": "compute9", "token_hash": "0" * 64}},
        {"op": "update", "table": "Connection", "where": [], "row": {"role": ""}},
        {"op": "delete", "table": "RBAC_Role", "where": []},
        {"op": "update", "table": "RBAC_Permission", "where": [], "row": {"insert_delete": True}},
    ]
    for attempt in attempts:
        with pytest.raises(TransactionError, match=rf'client "compute1" role "agent".*"{attempt["table"]}"'):
            await agent.transact([attempt])
    # A row of its own cannot be turned into another host's.
    own = {"op": "insert", "table": "Plug", "row": {"host": "compute1", "port": ["uuid", port.id]}}
    await agent.transact([own])
    where = [["host", "==", "compute1"]]
    with pytest.raises(TransactionError, match="permission error"):
        await agent.transact([{"op": "update", "table": "Plug", "where": where, "row": {"host": "compute2"}}])
    with pytest.raises(RemoteError, match="only the root role may convert"):
        await agent.request("convert", ["Patchbay", {"name": "Patchbay", "version": "9.0.0", "tables": {}}])
    operation = {"op": "update", "table": "Database", "where": [], "row": {"name": "x"}}
    reply = await agent.request("transact", ["_Server", operation])
    assert "error" in reply[0], reply
    assert world.service.plugs[theirs.id] == theirs
    await agent.close()


async def test_who_has_no_good_certificate_is_not_let_in(world: World, tmp_path: Path) -> None:
    key = new_key()
    other = Authority.open(tmp_path / "other", ["127.0.0.1"])
    text = key_pem(key)
    foreign = tmp_path / "foreign.pem"
    foreign.write_bytes(text + pem(other.issue("compute1", key.public_key())))
    authority = str(world.authority.folder / "authority.pem")
    with pytest.raises(Unavailable):
        await IntentDatabase.open(
            [world.remote], AgentScope("compute1"), timeout_s=1, credentials=Credentials(str(foreign), authority)
        )
    issuer = world.authority.issuer(0)
    expired = tmp_path / "expired.pem"
    life = datetime.timedelta(seconds=-60)
    expired.write_bytes(text + pem(agent_certificate(issuer, key.public_key(), "compute1", life)))
    with pytest.raises(Unavailable, match="expired"):
        await IntentDatabase.open(
            [world.remote], AgentScope("compute1"), timeout_s=1, credentials=Credentials(str(expired), authority)
        )
    # A host that meets the wrong server says nothing to it.
    credentials = world.credentials("compute1")
    wrong = Credentials(credentials.certificate, str(other.folder / "authority.pem"))
    with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        await world.agent("compute1", wrong)
    # An agent's certificate is none for a server.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(credentials.certificate)

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    impostor = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    port = impostor.sockets[0].getsockname()[1]
    trusting = tmp_path / "trusting.pem"
    trusting.write_bytes(world.authority.files.clients.read_bytes())
    with pytest.raises(ConnectionLost, match="purpose"):
        await Connection.open(
            [f"ssl:127.0.0.1:{port}"],
            "Patchbay",
            timeout_s=1,
            credentials=Credentials(credentials.certificate, str(trusting)),
        )
    impostor.close()
    # Nor does the server speak to anything older than TLS 1.2.
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    address = world.remote.split(":")
    with pytest.raises(ssl.SSLError):
        await asyncio.open_connection(address[1], int(address[2]), ssl=old)


async def test_a_new_number_of_the_authority_shuts_out_every_certificate_of_before(world: World) -> None:
    credentials = world.credentials("compute1")
    agent = await world.agent("compute1", credentials)
    lost = asyncio.Event()
    agent.on_state(lambda is_up: None if is_up else lost.set())
    world.authority.use(1)
    await world.server.end_sessions()
    async with asyncio.timeout(5):
        await lost.wait()
    with pytest.raises(Unavailable):
        await world.agent("compute1", credentials)
    assert not agent.is_connected
    # The file is read again for the next session: a new certificate is all that it needs.
    world.credentials("compute1", path=credentials.certificate)
    await until(lambda: agent.is_connected, "a session with the new certificate", deadline_s=5)
    await agent.close()


async def test_keys_are_for_the_service_alone_and_members_of_a_cluster_derive_the_same(world: World) -> None:
    folder = world.authority.folder
    for name in ("authority.key", "authority.pem", "agents.secret", "server.key", "server.pem", "clients.pem"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600, name
    secret = (folder / "agents.secret").read_bytes()
    assert derived_key(secret, "agents 1").private_numbers() == derived_key(secret, "agents 1").private_numbers()
    assert derived_key(secret, "agents 1").private_numbers() != derived_key(secret, "agents 2").private_numbers()


def _fields(plug: Plug) -> dict[str, Any]:
    return {name: getattr(plug, name) for name in plug.__struct_fields__}
