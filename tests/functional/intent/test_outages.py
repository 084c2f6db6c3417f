"""The server of the intent database dies, restarts, or changes while nobody looks: nothing acknowledged is lost."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from patchbay.intent.database import AgentScope, Change, Delete, Insert, IntentDatabase, Unavailable, Update
from patchbay.intent.server import EmbeddedServer
from patchbay.model import Network, Port
from tests.functional.intent.intent_world import Open, new_network, new_port, new_subnet, until

WRITERS, KILLS = 8, 5


async def write_until(done: asyncio.Event, database: IntentDatabase, network: Network, written: list[Port]) -> None:
    """Ports one after the other; those acknowledged are in ``written``. Every third is changed, every fifth deleted."""
    for number in itertools.count(1):
        if done.is_set():
            return
        port = new_port(network)
        await database.transact(Insert(port))
        written.append(port)
        if number % 3 == 0:
            new = replace(port, name="changed", revision_number=2)
            await database.transact(Update(port, new))
            written[written.index(port)] = new
        elif number % 5 == 0:
            await database.transact(Delete(port))
            written.remove(port)


async def test_a_server_that_dies_during_writes_loses_no_acknowledged_one(
    server: EmbeddedServer, open_database: Open
) -> None:
    databases = [await open_database(server.remote) for _ in range(2)]
    network = new_network()
    await databases[0].transact(Insert(network))
    done, written = asyncio.Event(), [[] for _ in range(WRITERS)]
    tasks = [
        asyncio.create_task(write_until(done, databases[number % 2], network, written[number]))
        for number in range(WRITERS)
    ]
    for _ in range(KILLS):
        before = [len(ports) for ports in written]
        await until(lambda before=before: all(len(p) > b + 5 for p, b in zip(written, before, strict=True)), "writes")
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda pid=pid: server.pid not in (None, pid), "the server again")
    done.set()
    await asyncio.gather(*tasks)
    expected = {port.id: port for ports in written for port in ports}
    fresh = await open_database(server.remote)
    assert dict(fresh.ports) == expected
    for database in databases:
        await until(lambda database=database: dict(database.ports) == expected, "the same ports at every client")


async def test_after_an_outage_subscribers_hear_only_what_changed_meanwhile(
    tmp_path: Path, open_database: Open
) -> None:
    server = await EmbeddedServer.start(tmp_path)
    database, agent = await open_database(server.remote), await open_database(server.remote, AgentScope("compute1"))
    blue, red = new_network("blue"), new_network("red")
    subnet = new_subnet(blue)
    port = new_port(blue, (subnet, "10.0.0.9"))
    await database.transact(*map(Insert, (blue, red, subnet, port)))
    await agent.watch({blue.id})
    await until(lambda: agent.ports, "the port at the agent")
    heard: list[list[Change]] = []
    states: list[bool] = []
    for client in (database, agent):
        client.subscribe(heard.append)
        client.on_state(states.append)
    await server.stop()
    await until(lambda: states == [False, False], "both clients to notice")
    assert not database.in_sync.is_set()
    assert port.id in agent.ports, "an agent works on with what it knows"
    operations = [
        {"op": "update", "table": "Network", "where": [["name", "==", "blue"]], "row": {"mtu": 1400}},
        {"op": "delete", "table": "Network", "where": [["name", "==", "red"]]},
    ]
    command = ["ovsdb-tool", "transact", str(server.file), json.dumps(["Patchbay", *operations])]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: ASYNC221 - brief
    server = await EmbeddedServer.start(tmp_path)
    await until(lambda: database.in_sync.is_set() and agent.in_sync.is_set(), "both clients in sync")
    smaller = Change(blue, replace(blue, mtu=1400))
    both, one = (
        [smaller, Change(red, None)],
        [Change(replace(blue, revision_number=0), replace(blue, mtu=1400, revision_number=0))],
    )
    assert sorted(heard, key=len) == [one, both] or sorted(heard, key=len) == [one, both[::-1]]
    assert database.ports == {port.id: port}
    assert states == [False, False, True, True]
    await server.stop()


async def test_a_watch_during_an_outage_holds_after_it(tmp_path: Path, open_database: Open) -> None:
    server = await EmbeddedServer.start(tmp_path)
    service, agent = await open_database(server.remote), await open_database(server.remote, AgentScope("compute1"))
    blue, red = new_network("blue"), new_network("red")
    await service.transact(Insert(blue), Insert(red), Insert(new_port(blue)), Insert(new_port(red)))
    await agent.watch({blue.id})
    await server.stop()
    await until(lambda: not agent.is_connected, "the agent to notice")
    watching = asyncio.create_task(agent.watch({red.id}))
    server = await EmbeddedServer.start(tmp_path)
    await watching
    assert set(agent.networks) == {red.id}
    assert {port.network_id for port in agent.ports.values()} == {red.id}
    await server.stop()


async def test_without_a_server_a_write_says_so(
    server: EmbeddedServer, open_database: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await open_database(server.remote)
    await server.stop()
    monkeypatch.setattr("patchbay.intent.database.PATIENCE_S", 0.3)
    with pytest.raises(Unavailable, match="nothing was changed"):
        await database.transact(Insert(new_network()))
    with pytest.raises(Unavailable, match=r"patchbay serve"):
        await IntentDatabase.open([server.remote], timeout_s=0.2)


async def test_a_server_that_hangs_is_left_for_another(tmp_path: Path, open_database: Open) -> None:
    """A stopped process keeps its connections open; only the missing echo tells."""
    server = await EmbeddedServer.start(tmp_path)
    database = await open_database(server.remote)
    database.connection._probe_s = 0.2
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: server.pid not in (None, pid), "the server again")
    await until(database.in_sync.is_set, "a new session")
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    await until(lambda: not database.is_connected, "the silence to be noticed")
    os.kill(pid, signal.SIGCONT)
    await database.transact(Insert(new_network()))
    await server.stop()
