"""The OVSDB client on a switch's own schema: operations, conditions, locks, and replicas that stay true."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from patchbay.ovsdb import (
    Connection,
    ConstraintViolation,
    DuplicateUUID,
    Inexpressible,
    OvsdbError,
    ReferentialIntegrityViolation,
    Replica,
    RowChange,
    TransactionError,
    UnknownOutcome,
    WaitFailed,
    named_uuid,
    ovs_map,
    ovs_set,
    uuid_ref,
)
from tests.functional.intent.intent_world import new_id, until

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
TABLES = {
    "Open_vSwitch": ["bridges", "external_ids"],
    "Bridge": ["name", "ports", "fail_mode", "other_config"],
    "Port": ["name", "tag", "trunks", "interfaces"],
    "Interface": ["name", "type", "options", "ofport", "mac_in_use"],
}
Operation = dict[str, Any]
OpenConnection = Callable[[], Awaitable[Connection]]


class Switch:
    """An ovsdb-server with the schema of Open vSwitch and no switch behind it."""

    def __init__(self, directory: Path) -> None:
        self.remote = f"unix:{directory / 'db.sock'}"
        self._file = directory / "conf.db"
        command = ["ovsdb-server", f"--remote=p{self.remote}", f"--unixctl={directory / 'ctl'}", "-vconsole:off"]
        self._command = [*command, str(self._file)]
        subprocess.run(["ovsdb-tool", "create", self._file, SCHEMA], check=True)
        self.start()

    def start(self) -> None:
        """Begin to serve."""
        self._process = subprocess.Popen(self._command)

    def kill(self) -> None:
        """kill -9."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


@pytest.fixture
async def switch(tmp_path: Path) -> AsyncIterator[Switch]:
    """A running one with its first row."""
    running = Switch(tmp_path)
    connection = await Connection.open([running.remote], "Open_vSwitch", timeout_s=10)
    await connection.transact([{"op": "insert", "table": "Open_vSwitch", "row": {}}])
    await connection.close()
    yield running
    running.kill()


@pytest.fixture
async def connect(switch: Switch) -> AsyncIterator[OpenConnection]:
    """Opens connections, and closes them when the test is over."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_() -> Connection:
            connection = await Connection.open([switch.remote], "Open_vSwitch", timeout_s=10)
            stack.push_async_callback(connection.close)
            return connection

        yield open_


def add_bridge(name: str) -> list[Operation]:
    """What ``ovs-vsctl add-br`` does."""
    return [
        {"op": "insert", "table": "Interface", "uuid-name": "i", "row": {"name": name, "type": "internal"}},
        {"op": "insert", "table": "Port", "uuid-name": "p", "row": {"name": name, "interfaces": named_uuid("i")}},
        {"op": "insert", "table": "Bridge", "uuid-name": "b", "row": {"name": name, "ports": named_uuid("p")}},
        {
            "op": "mutate",
            "table": "Open_vSwitch",
            "where": [],
            "mutations": [["bridges", "insert", ovs_set([named_uuid("b")])]],
        },
        {"op": "comment", "comment": f"add {name}"},
    ]


async def started(connection: Connection, conditions: dict[str, Any] | None = None) -> Replica:
    """A replica of the tables of this file."""
    replica = Replica(connection, TABLES, conditions)
    await replica.start()
    return replica


async def test_a_bridge_shows_as_soon_as_it_is_written(connect: OpenConnection) -> None:
    connection = await connect()
    replica = await started(connection)
    heard: list[list[RowChange]] = []
    replica.subscribe(heard.append)
    results = await connection.transact(add_bridge("br-int"))
    bridge_id = results[2]["uuid"][1]
    [port_id] = replica.rows("Bridge")[bridge_id]["ports"]
    port = replica.rows("Port")[port_id]
    assert (port["name"], port["tag"], port["trunks"]) == ("br-int", None, frozenset())
    assert len(heard) == 1, "one update message for one transaction"
    where = [["name", "==", "br-int"]]
    await connection.transact(
        [
            {"op": "update", "table": "Port", "where": where, "row": {"tag": 12, "trunks": ovs_set([1, 2])}},
            {"op": "mutate", "table": "Port", "where": where, "mutations": [["trunks", "delete", 1]]},
            {"op": "update", "table": "Interface", "where": where, "row": {"options": ovs_map({"key": "flow"})}},
        ]
    )
    assert (replica.rows("Port")[port_id]["tag"], replica.rows("Port")[port_id]["trunks"]) == (12, frozenset({2}))
    assert [row["options"] for row in replica.rows("Interface").values()] == [{"key": "flow"}]
    await connection.transact([{"op": "update", "table": "Open_vSwitch", "where": [], "row": {"bridges": ovs_set([])}}])
    assert not replica.rows("Bridge")
    assert not replica.rows("Interface"), "what nobody refers to is collected"


@pytest.mark.parametrize(
    ("error", "operation"),
    [
        (ConstraintViolation, {"op": "insert", "table": "Bridge", "row": {"fail_mode": "open"}}),
        (WaitFailed, {"op": "wait", "table": "Bridge", "timeout": 0, "where": [], "until": "==", "rows": []}),
        (TransactionError, {"op": "select", "table": "Bruecke", "where": []}),
        (Inexpressible, {"op": "comment", "comment": "nul \x00 character"}),
        (Inexpressible, {"op": "comment", "comment": object()}),
    ],
)
async def test_a_refused_transaction_says_why_and_changes_nothing(
    connect: OpenConnection, error: type[OvsdbError], operation: Operation
) -> None:
    connection = await connect()
    replica = await started(connection)
    with pytest.raises(error) as caught:
        await connection.transact([*add_bridge("br-int"), operation])
    if isinstance(caught.value, TransactionError):
        assert caught.value.operation == len(add_bridge("br-int"))
    assert not replica.rows("Bridge")
    await connection.transact(add_bridge("br-int"))


async def test_references_and_ids_are_guarded(connect: OpenConnection) -> None:
    connection = await connect()
    row_id = new_id()
    row = {"ports": uuid_ref(new_id())}
    with pytest.raises(ReferentialIntegrityViolation):
        await connection.transact([*add_bridge("br-tun"), {"op": "update", "table": "Bridge", "where": [], "row": row}])
    qos: Operation = {"op": "insert", "table": "QoS", "uuid": row_id, "row": {"type": "linux-htb"}}
    await connection.transact([qos])
    with pytest.raises(DuplicateUUID):
        await connection.transact([qos])


async def test_texts_with_backslashes_and_braces_pass(connect: OpenConnection) -> None:
    connection = await connect()
    replica = await started(connection)
    texts = {"\\": "\\\\u0000", '"}{': "{[", "\n\t\x01": "ü😀\u2028", "": ""}
    row = {"external_ids": ovs_map(texts)}
    await connection.transact([{"op": "update", "table": "Open_vSwitch", "where": [], "row": row}])
    assert [row["external_ids"] for row in replica.rows("Open_vSwitch").values()] == [texts]


async def test_a_condition_on_the_id_of_a_row_chooses_it(connect: OpenConnection) -> None:
    connection = await connect()
    ids = [(await connection.transact(add_bridge(name)))[2]["uuid"][1] for name in ("br-int", "br-tun", "br-ex")]
    replica = await started(connection, {"Bridge": [False]})
    assert not replica.rows("Bridge")
    assert len(replica.rows("Port")) == 3, "a table without conditions is watched whole"
    await replica.set_conditions({"Bridge": [["_uuid", "==", uuid_ref(ids[0])], ["name", "==", "br-ex"]]})
    assert set(replica.rows("Bridge")) == {ids[0], ids[2]}
    heard: list[list[RowChange]] = []
    replica.subscribe(heard.append)
    await asyncio.gather(
        replica.set_conditions({"Bridge": [["_uuid", "==", uuid_ref(ids[1])]]}),
        replica.set_conditions({"Bridge": [["_uuid", "==", uuid_ref(ids[2])]], "Port": [False]}),
    )
    assert set(replica.rows("Bridge")) == {ids[2]}
    assert not replica.rows("Port")
    await replica.set_conditions({})
    assert set(replica.rows("Bridge")) == set(ids)
    assert len(replica.rows("Port")) == 3


async def test_a_change_of_conditions_that_nobody_waits_for_any_more_counts(connect: OpenConnection) -> None:
    connection = await connect()
    for name in ("br-int", "br-tun"):
        await connection.transact(add_bridge(name))
    conditions = {name: {"Bridge": [["name", "==", name]]} for name in ("br-int", "br-tun")}
    replica = await started(connection, conditions["br-int"])
    for _ in range(5):
        task = asyncio.create_task(replica.set_conditions(conditions["br-tun"]))
        await asyncio.sleep(0)
        task.cancel()
        await replica.set_conditions(conditions["br-int"])
        assert [row["name"] for row in replica.rows("Bridge").values()] == ["br-int"]


async def test_a_lock_passes_to_the_next_when_its_owner_goes(connect: OpenConnection, switch: Switch) -> None:
    first, second = await connect(), await connect()
    has: dict[str, bool] = {}
    await first.lock("br_int", lambda had: has.update(first=had))
    await until(lambda: has.get("first"), "the first to have the lock")
    await second.lock("br_int", lambda had: has.update(second=had))
    await second.transact([{"op": "comment", "comment": "sent after the lock, answered after it"}])
    assert "second" not in has
    await first.unlock("br_int")
    await until(lambda: has.get("second"), "the second to have the lock")
    await second.transact([{"op": "assert", "lock": "br_int"}])
    switch.kill()
    await until(lambda: not has["second"], "the loss to be told")
    switch.start()
    await until(lambda: has["second"], "the lock again")


async def test_an_unknown_column_is_named(connect: OpenConnection) -> None:
    with pytest.raises(OvsdbError, match="colour"):
        await Replica(await connect(), {"Bridge": ["colour"]}).start()


async def test_after_any_history_a_replica_shows_what_a_new_one_shows(connect: OpenConnection, switch: Switch) -> None:
    seed = int(os.environ.get("HISTORY_SEED", random.randrange(1 << 32)))
    print("HISTORY_SEED", seed)
    chance = random.Random(seed)
    writer, watcher = await connect(), await connect()
    replica = await started(watcher)
    seen: dict[tuple[str, str], Any] = {
        (table, row_id): row for table in TABLES for row_id, row in replica.rows(table).items()
    }

    def follow(changes: list[RowChange]) -> None:
        for change in changes:
            assert seen.pop((change.table, change.uuid), None) == change.old
            assert change.old != change.new
            if change.new is not None:
                seen[change.table, change.uuid] = change.new

    replica.subscribe(follow)
    names = [f"br{number}" for number in range(12)]
    for step in range(300):
        if step % 60 == 59:
            switch.kill()
            switch.start()
        name = chance.choice(names)
        with contextlib.suppress(TransactionError, UnknownOutcome):
            await writer.transact(_change(chance, name), timeout_s=20)
    fresh = await started(await connect())
    await until(replica.in_sync.is_set, "the replica in sync")
    await watcher.transact([{"op": "comment", "comment": "what came before this has been told"}])
    for table in TABLES:
        assert dict(replica.rows(table)) == dict(fresh.rows(table))
    assert seen == {(table, row_id): row for table in TABLES for row_id, row in fresh.rows(table).items()}


def _change(chance: random.Random, name: str) -> list[Operation]:
    where = [["name", "==", name]]
    trunks = ovs_set(sorted({chance.randrange(6) for _ in range(chance.randrange(5))}))
    options = ovs_map({chance.choice("abc"): chance.choice("xyz") for _ in range(chance.randrange(4))})
    go = [["bridges", "delete", ovs_set([])]]
    match chance.randrange(7):
        case 0 | 1:
            return add_bridge(name)
        case 2:
            return [{"op": "update", "table": "Port", "where": where, "row": {"trunks": trunks}}]
        case 3:
            return [{"op": "update", "table": "Interface", "where": where, "row": {"options": options}}]
        case 4:
            tag = chance.choice([ovs_set([]), 12, 22])
            return [{"op": "update", "table": "Port", "where": where, "row": {"tag": tag}}]
        case 5:
            return [
                {"op": "mutate", "table": "Interface", "where": where, "mutations": [["options", "insert", options]]}
            ]
    return [{"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": go}]
