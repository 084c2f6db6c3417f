"""A server of OVSDB and a switch that say anything: who talks to them says so in a line, and goes on trying.

``PATCHBAY_FUZZ_SESSIONS`` and ``PATCHBAY_FUZZ_SEEDS`` make it longer.
"""

import asyncio
import contextlib
import json
import logging
import os
import random
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from patchbay.agent import control
from patchbay.errors import PatchbayError
from patchbay.host import openflow, openflow_wire
from patchbay.host import openflow_messages as of
from patchbay.host.openflow import OpenFlowConnection
from patchbay.hoststate import Flow
from patchbay.ovsdb import Connection, Replica, client

pytestmark = pytest.mark.timeout(100000)

SESSIONS = int(os.environ.get("PATCHBAY_FUZZ_SESSIONS", "40"))
SEED = os.environ.get("PATCHBAY_FUZZ_SEEDS", "0")
PATIENCE_S = 20.0
UUID = "00000000-0000-4000-8000-000000000001"
SCHEMA = {
    "name": "T",
    "version": "1.0.0",
    "tables": {
        "Row": {
            "columns": {
                "name": {"type": "string"},
                "number": {"type": {"key": "integer", "min": 0, "max": 1}},
                "words": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
                "pairs": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
                "other": {"type": {"key": {"type": "uuid"}, "min": 0, "max": 1}},
            }
        }
    },
}
SELF = {"Database": {UUID: {"initial": {"model": "standalone", "connected": True, "leader": True}}}}
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 10**30, "", "x", "\0", "ü", UUID, [], {}, [[]], ["set", []], ["set"], ["map", 1]),
    *(
        ["set", 7],
        ["set", [["uuid", UUID]]],
        ["uuid"],
        ["uuid", 5],
        ["map", [["a"]]],
        ["map", [["a", "b"]]],
        [None] * 3,
    ),
]


class Quiet:
    """Nothing is logged with a traceback, and the event loop has nothing to complain of."""

    def __init__(self) -> None:
        self.wrong: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.wrong.append(logging.Formatter().format(record))


@contextlib.asynccontextmanager
async def quiet() -> AsyncIterator[None]:
    """The block leaves no traceback anywhere."""
    found = Quiet()
    handler = logging.Handler()
    handler.emit = found.emit  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: found.wrong.append(repr(context)))
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        loop.set_exception_handler(None)
    assert not found.wrong, found.wrong[0]


async def promptly(work: Any) -> None:
    """It comes back soon, with a result or one of our errors."""
    with contextlib.suppress(PatchbayError):
        await asyncio.wait_for(work, PATIENCE_S)


class StrangeServer:
    """Says what an OVSDB server says, with something wrong in it."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.sessions = 0
        self.strangeness = 0.0

    def value(self, right: Any) -> Any:
        """``right``, or that with one thing changed, or another thing altogether."""
        if self.chance.random() > self.strangeness:
            return right
        if isinstance(right, dict) and right and self.chance.random() < 0.6:
            key = self.chance.choice(list(right))
            rest = {name: inner for name, inner in right.items() if name != key}
            return self.chance.choice([{**right, key: self.value(right[key])}, rest, {**rest, "strange": right[key]}])
        if isinstance(right, list) and right and self.chance.random() < 0.6:
            at = self.chance.randrange(len(right))
            return [*right[:at], self.value(right[at]), *right[at + 1 :]]
        return self.chance.choice(VALUES)

    def row(self) -> dict[str, Any]:
        """A row, some of it not of its columns' types."""
        return {name: self.chance.choice(VALUES) for name in SCHEMA["tables"]["Row"]["columns"]}  # type: ignore[index]

    def reply(self, method: str) -> Any:
        """The result of a request."""
        rows = {"Row": {UUID: {"initial": self.row()}}}
        results: dict[str, Any] = {
            "monitor_cond": SELF,
            "get_schema": SCHEMA,
            "monitor_cond_since": [self.chance.choice([True, False]), UUID, rows],
            "monitor_cond_change": {},
            "lock": {"locked": True},
            "transact": [{}, {"count": 1}],
        }
        return self.value(results.get(method, []))

    def notification(self) -> dict[str, Any]:
        """Something that nobody asked for."""
        updates = {"Row": {UUID: {self.chance.choice(["initial", "insert", "modify", "delete", "x"]): self.row()}}}
        method, params = self.chance.choice(
            [
                ("update3", [1, UUID, updates]),
                ("update2", ["_Server", SELF]),
                ("locked", ["a"]),
                ("stolen", ["a"]),
                ("monitor_canceled", [1]),
                ("echo", []),
                ("x", []),
            ]
        )
        id_ = self.chance.choice([None, "echo", {}, [1]]) if method == "echo" else None
        return {"method": self.value(method), "params": self.value(params), "id": id_}

    def text(self, message: Any) -> bytes:
        """The message as bytes, which may be torn."""
        data = json.dumps(message).encode()
        if self.chance.random() > self.strangeness / 4:
            return data
        at = self.chance.randrange(len(data))
        return self.chance.choice(
            [
                data[:at],
                data[:at] + b"\xff" + data[at:],
                b"}" + data,
                b'{"id":null,"method":"update3","params":' + b"[" * 3000 + b"]" * 3000 + b"}",
                b'{"id":1e400}',
                b'{"a":"' + b"\\" * 9,
                b"[1]",
                self.chance.randbytes(50),
                data + b"}}",
            ]
        )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One session."""
        self.sessions += 1
        self.strangeness = self.chance.choice([0.0, 0.1, 0.3, 0.8])
        decoder, rest = json.JSONDecoder(), ""
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                rest += data.decode()
                while rest:
                    try:
                        asked, end = decoder.raw_decode(rest)
                    except ValueError:
                        break
                    rest = rest[end:]
                    if "method" in asked:
                        id_ = asked["id"] if self.chance.random() > 0.02 else self.chance.choice([{}, [1], "x", 99])
                        error = self.chance.choice([None] * 9 + [self.chance.choice(VALUES)])
                        writer.write(self.text({"id": id_, "result": self.reply(asked["method"]), "error": error}))
                    if self.chance.random() < 0.5:
                        writer.write(self.text(self.notification()))
                if self.chance.random() < 0.03:
                    break
        writer.close()


async def test_an_ovsdb_server_that_says_anything_is_left_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("FIRST_PAUSE_S", 0.001), ("LONGEST_PAUSE_S", 0.002), ("ELECTION_PAUSE_S", 0.002)):
        monkeypatch.setattr(client, name, seconds)
    monkeypatch.setattr(client, "CONNECT_TIMEOUT_S", 0.3)
    strange = StrangeServer(random.Random(SEED))
    server = await asyncio.start_unix_server(strange.serve, tmp_path / "db.sock")
    async with quiet(), server:
        connection = Connection([f"unix:{tmp_path}/db.sock"], "T", leader_only=False, probe_s=0.2)
        connection._task = asyncio.create_task(connection._run())
        replica = None
        while strange.sessions < SESSIONS:
            if replica is None and connection.schema:
                with contextlib.suppress(KeyError):
                    columns = tuple(SCHEMA["tables"]["Row"]["columns"])  # type: ignore[index]
                    replica = Replica(connection, {"Row": columns})
                    starting = asyncio.create_task(promptly(replica.start()))
            await promptly(connection.transact([{"op": "comment"}], timeout_s=0.3))
            await promptly(connection.lock("a", lambda _has: None))
        await asyncio.wait_for(connection.close(), 5)
        if replica is not None:
            starting.cancel()


class StrangeSwitch:
    """Says what a switch says, with something wrong in it."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.sessions = 0

    def body(self, kind: int) -> bytes:
        """A body of a reply, mostly of the right kind."""
        head = struct.pack(
            ">HH4x", self.chance.choice([kind, of.FLOW_MONITOR, 99]), self.chance.choice([0, 0, 1, 0xFFFF])
        )
        flow = struct.pack(">HB9xH10xQ", self.chance.choice([0, 1, 8, 56, 0xFFFF]), 1, 1, 0x7062 << 48) + b"\0" * 20
        port = struct.pack(">IHxx8x16s", 1, self.chance.choice([0, 1, 72]), self.chance.choice([b"eth0", b"\xff\xfe"]))
        event = struct.pack(">HHBxHxxQ", self.chance.choice([0, 1, 3, 24]), self.chance.choice([1, 2, 9]), 1, 1, 1)
        parts = [flow, port, event, b"", self.chance.randbytes(self.chance.randint(0, 90)), b"\0" * 24]
        return head + b"".join(self.chance.choices(parts, k=self.chance.randint(0, 4)))

    def answers(self, kind: int, xid: int, body: bytes) -> bytes:
        """What follows a message."""
        usual = {
            of.HELLO: of.hello(xid),
            of.BARRIER_REQUEST: of.message(of.BARRIER_REPLY, xid),
            of.BUNDLE_CONTROL: of.message(of.BUNDLE_CONTROL, xid, body),
            of.MULTIPART_REQUEST: of.message(of.MULTIPART_REPLY, xid, self.body(int.from_bytes(body[:2], "big"))),
        }
        right = usual.get(kind, b"")
        if kind == of.MULTIPART_REQUEST and body[:2] == struct.pack(">H", of.FLOW_MONITOR):
            right = of.message(of.MULTIPART_REPLY, xid, struct.pack(">HH4x", of.FLOW_MONITOR, 0))
        if self.chance.random() < 0.75:
            return right
        kinds = [of.ERROR, of.ECHO_REQUEST, of.MULTIPART_REPLY, of.HELLO, of.BARRIER_REPLY, of.BUNDLE_CONTROL, 255]
        junk = of.message(
            self.chance.choice(kinds),
            self.chance.choice([xid, 0, 2**32 - 1]),
            self.chance.randbytes(self.chance.choice([0, 1, 3, 8, 40])),
        )
        short = struct.pack(">BBHI", 5, self.chance.choice(kinds), self.chance.choice([0, 7, 8, 9, 0xFFFF]), xid)
        return self.chance.choice([junk, junk + right, right + junk, short, right[:-1], self.chance.randbytes(30), b""])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One session."""
        self.sessions += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                _, kind, length, xid = struct.unpack(">BBHI", await reader.readexactly(8))
                body = await reader.readexactly(length - 8)
                writer.write(self.answers(kind, xid, body))
                if self.chance.random() < 0.03:
                    break
        writer.close()


async def test_a_switch_that_says_anything_is_left_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openflow, "_FIRST_RETRY_S", 0.001)
    monkeypatch.setattr(openflow, "_LAST_RETRY_S", 0.002)
    monkeypatch.setattr(openflow_wire, "_REPLY_S", 0.1)
    strange = StrangeSwitch(random.Random(SEED))
    server = await asyncio.start_unix_server(strange.serve, tmp_path / "br.mgmt")
    async with quiet(), server:
        connection = OpenFlowConnection("br", rundir=tmp_path, on_change=lambda _changes: None)
        flow = Flow(bridge="br", table=0, priority=1, match="in_port=1", actions="drop")
        asks: list[Callable[[], Any]] = [
            connection.observe,
            connection.observe_ports,
            connection.count,
            connection.ports,
        ]
        asks += [lambda: connection.apply([flow]), lambda: connection.apply([flow] * 3)]
        while strange.sessions < SESSIONS:
            await promptly(connection.open(0.2))
            await promptly(strange.chance.choice(asks)())
        await asyncio.wait_for(connection.close(), 5)


async def test_the_control_socket_answers_every_line_that_ends(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    server = await asyncio.start_unix_server(lambda r, w: control._answer(None, r, w), tmp_path / "agent.ctl")  # type: ignore[arg-type]
    lines = [
        b"",
        b"{}",
        b"[]",
        b"7",
        b"[" * 5000,
        b"\xff",
        b'{"command":{}}',
        b'{"command":"x"}',
        b'{"command":[1]}',
        b"\0",
    ]
    async with quiet(), server:
        for _ in range(SESSIONS):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "agent.ctl")
            line = chance.choice([*lines, chance.randbytes(30).replace(b"\n", b""), b"x" * 100_000])
            writer.write(line + b"\n")
            answer = await asyncio.wait_for(reader.readline(), PATIENCE_S)
            assert not answer or "error" in json.loads(answer), (line[:50], answer)
            assert answer or len(line) > 60_000, line[:50]
            writer.close()
