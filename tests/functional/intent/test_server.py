"""The embedded server: one per state directory, dies with its parent, upgrades older databases, refuses newer ones."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from patchbay.intent.database import AgentScope, Insert, SchemaMismatch
from patchbay.intent.server import ClusterMember, EmbeddedServer, ServerFailed, StateDirInUse
from tests.functional.intent.intent_world import Open, make_database, new_network, older_schema, until

PARENT = """
import asyncio, pathlib, sys
from patchbay.intent.server import EmbeddedServer
async def main():
    server = await EmbeddedServer.start(pathlib.Path(sys.argv[1]))
    print(server.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def is_alive(pid: int | None) -> bool:
    """Whether there is such a process."""
    return Path(f"/proc/{pid}").exists()


def names_in(directory: Path) -> set[str]:
    """Names of the files in a directory."""
    return {path.name for path in directory.iterdir()}


async def test_an_older_database_is_upgraded_with_nothing_lost(tmp_path: Path, open_database: Open) -> None:
    network_id = make_database(tmp_path, older_schema())
    server = await EmbeddedServer.start(tmp_path)
    database = await open_database(server.remote)
    network = database.networks[network_id]
    assert (network.name, network.mtu, network.segmentation_id, network.external) == ("old", 1442, 34, False)
    assert "intent.db.0.9.0" in names_in(tmp_path), "the older file is kept"
    await database.transact(Insert(new_network()))
    await server.stop()


async def test_a_running_older_database_is_upgraded_online(tmp_path: Path, open_database: Open) -> None:
    network_id = make_database(tmp_path, older_schema())
    socket = tmp_path / "old.sock"
    command = ["ovsdb-server", f"--remote=punix:{socket}", f"--unixctl={tmp_path / 'old.ctl'}", "-vconsole:off"]
    process = subprocess.Popen([*command, str(tmp_path / "intent.db")])  # noqa: ASYNC220 - does not wait
    try:
        await until(socket.exists, "the socket")
        with pytest.raises(SchemaMismatch, match="no table or column"):
            await open_database(f"unix:{socket}", AgentScope("compute1"))
        service = await open_database(f"unix:{socket}")
        assert service.networks[network_id].name == "old"
        agent = await open_database(f"unix:{socket}", AgentScope("compute1"))
        await agent.watch({network_id})
        assert agent.networks[network_id].mtu == 1442
    finally:
        process.kill()
        process.wait()


async def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    make_database(tmp_path, older_schema("99.0.0"))
    content = (tmp_path / "intent.db").read_bytes()
    with pytest.raises(SchemaMismatch, match=r"99\.0\.0.*Install the newer Patchbay"):
        await EmbeddedServer.start(tmp_path)
    assert (tmp_path / "intent.db").read_bytes() == content


async def test_a_state_directory_has_one_server(server: EmbeddedServer) -> None:
    with pytest.raises(StateDirInUse, match=f"pid {os.getpid()}"):
        await EmbeddedServer.start(server.state_dir)
    assert server.pid is not None


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "intent.db").write_text("something else")
    with pytest.raises(ServerFailed, match=r"intent\.db"):
        await EmbeddedServer.start(tmp_path)


async def test_the_server_dies_with_its_parent_and_the_next_one_takes_over(tmp_path: Path, open_database: Open) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:  # noqa: ASYNC220 - does not wait
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        database = await open_database(f"unix:{tmp_path / 'intent.sock'}")
        network = new_network()
        await database.transact(Insert(network))
        parent.send_signal(signal.SIGKILL)
    server = await EmbeddedServer.start(tmp_path)
    await until(lambda: not is_alive(pid), "the end of the orphan")
    await until(database.in_sync.is_set, "the client at the new server")
    assert dict(database.networks) == {network.id: network}
    await server.stop()


async def test_a_stopped_server_leaves_no_process_and_no_socket(tmp_path: Path) -> None:
    server = await EmbeddedServer.start(tmp_path)
    pid = server.pid
    await server.stop()
    assert not is_alive(pid)
    assert "intent.sock" not in names_in(tmp_path)


async def test_further_remotes_are_listened_on(
    tmp_path: Path, open_database: Open, free_port: Callable[[], int]
) -> None:
    port = free_port()
    server = await EmbeddedServer.start(tmp_path, listen=[f"ptcp:{port}:127.0.0.1"])
    database = await open_database(f"tcp:127.0.0.1:{port}")
    await database.transact(Insert(new_network()))
    await server.stop()


async def test_a_single_database_grows_into_a_cluster(
    tmp_path: Path, open_database: Open, free_port: Callable[[], int]
) -> None:
    server = await EmbeddedServer.start(tmp_path)
    database = await open_database(server.remote)
    network = new_network()
    await database.transact(Insert(network))
    await server.stop()
    server = await EmbeddedServer.start(tmp_path, cluster=ClusterMember(f"tcp:127.0.0.1:{free_port()}"))
    await until(database.in_sync.is_set, "the client at the cluster of one")
    assert database.connection.is_clustered
    assert dict(database.networks) == {network.id: network}
    await database.transact(Insert(new_network()))
    await server.stop()
