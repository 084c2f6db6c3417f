"""The OpenFlow session against a switch that answers as it is told: pieces, silence, refusals, loss."""

import asyncio
import contextlib
import struct

import pytest

from patchbay.host import openflow_messages as of
from patchbay.host import openflow_wire
from patchbay.host.flow_errors import BridgeUnreachable
from patchbay.host.openflow_wire import OpenFlowWire, SwitchRefused

HELLO_1_5 = bytes.fromhex("06000010 00000001 0001 0008 00000072")  # OpenFlow 1.0, 1.3, 1.4 and 1.5 … by bitmap
HELLO_1_0 = bytes.fromhex("01000008 00000001")


class Switch:
    """The other end of a unix socket. ``received`` are the messages that came: (kind, xid, body)."""

    def __init__(self, hello: bytes = HELLO_1_5, monitors: bool = True) -> None:
        self.hello = hello
        self.monitors = monitors
        self.received: asyncio.Queue[tuple[int, int, bytes]] = asyncio.Queue()
        self.sends: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sends = writer
        writer.write(self.hello)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                _, kind, length, xid = struct.unpack(">BBHI", await reader.readexactly(8))
                body = await reader.readexactly(length - 8)
                if kind == of.MULTIPART_REQUEST and body[:2] == b"\x00\x10" and self.monitors:
                    writer.write(multipart(of.FLOW_MONITOR, xid, b""))
                elif kind != of.HELLO:
                    self.received.put_nowait((kind, xid, body))

    def send(self, data: bytes) -> None:
        assert self.sends is not None
        self.sends.write(data)


def multipart(kind: int, xid: int, body: bytes, more: bool = False) -> bytes:
    return of.message(of.MULTIPART_REPLY, xid, struct.pack(">HH4x", kind, more) + body)


def flow_stats(table: int, cookie: int) -> bytes:
    return struct.pack(">HBxIIHHHHHxxQQQ", 56, table, 0, 0, 7, 0, 0, 0, 0, cookie, 0, 0) + of._MATCH_ALL


def removed(table: int, cookie: int) -> bytes:
    return struct.pack(">HHBBHHH4xQ", 32, of.REMOVED, table, 0, 0, 0, 5, cookie) + of._MATCH_ALL


@pytest.fixture
async def session(tmp_path):
    """A function that connects to a Switch and returns the session and the monitor events it hears."""
    closing = contextlib.AsyncExitStack()

    async def connect(switch: Switch) -> tuple[OpenFlowWire, list]:
        path = str(tmp_path / "mgmt")
        server = await asyncio.start_unix_server(switch.serve, path)
        closing.callback(server.close)
        events: list = []
        wire = OpenFlowWire("br-tun", events.extend)
        await asyncio.get_running_loop().create_unix_connection(lambda: wire, path)
        closing.callback(wire.close)
        return wire, events

    yield connect
    await closing.aclose()


async def test_an_answer_that_comes_byte_by_byte_and_in_parts_is_put_together(session):
    switch = Switch()
    wire, events = await session(switch)
    await wire.handshake()
    asked = asyncio.create_task(wire.request(lambda xid: of.flow_stats_request(of.FLOW_STATS, 0, 0, xid)))
    _, xid, _ = await switch.received.get()
    answer = (
        multipart(of.FLOW_STATS, xid, flow_stats(1, 11) + flow_stats(2, 22), more=True)
        + multipart(of.FLOW_MONITOR, 0, removed(20, 99))
        + of.message(of.ECHO_REQUEST, 77, b"are you there")
        + multipart(of.FLOW_STATS, xid, flow_stats(3, 33))
    )
    for at in range(len(answer)):
        switch.send(answer[at : at + 1])
        await asyncio.sleep(0)
    flows = [flow for frame in await asked for flow in of.flow_ids(frame)]
    assert flows == [(1, 11, 7), (2, 22, 7), (3, 33, 7)]
    assert events == [of.MonitorEvent(of.REMOVED, of.FlowId(20, 99, 5))]
    assert await switch.received.get() == (of.ECHO_REPLY, 77, b"are you there")


async def test_a_switch_that_does_not_speak_openflow_1_4_is_declined_with_a_remedy(session):
    wire, _ = await session(Switch(HELLO_1_0))
    with pytest.raises(BridgeUnreachable, match=r"OpenFlow 1\.4") as caught:
        await wire.handshake()
    assert "protocols" in caught.value.remedy


async def test_whoever_waits_hears_of_the_loss_and_so_does_whoever_writes_after_it(session):
    switch = Switch()
    wire, _ = await session(switch)
    await wire.handshake()
    asked = [asyncio.create_task(wire.request(of.port_description_request)) for _ in range(3)]
    await switch.received.get()
    assert switch.sends is not None
    switch.sends.close()
    for answer in await asyncio.gather(*asked, return_exceptions=True):
        assert isinstance(answer, BridgeUnreachable)
    assert wire.lost.is_set()
    with pytest.raises(BridgeUnreachable):
        await wire.request(of.port_description_request)


async def test_a_silent_switch_ends_the_session_because_its_state_is_unknown(session, monkeypatch):
    monkeypatch.setattr(openflow_wire, "_REPLY_S", 0.05)
    wire, _ = await session(Switch())
    await wire.handshake()
    with pytest.raises(BridgeUnreachable, match="br-tun does not answer"):
        await wire.request(of.port_description_request)
    await asyncio.wait_for(wire.lost.wait(), 5)


async def test_a_refused_request_raises_and_the_session_goes_on(session):
    switch = Switch()
    wire, _ = await session(switch)
    await wire.handshake()
    asked = asyncio.create_task(wire.request(of.port_description_request))
    _, xid, body = await switch.received.get()
    switch.send(of.message(of.ERROR, xid, struct.pack(">HH", 1, 5) + body))
    with pytest.raises(SwitchRefused, match="only read"):
        await asked
    asked = asyncio.create_task(wire.request(of.port_description_request))
    _, xid, _ = await switch.received.get()
    port = struct.pack(">IHxx6sxx16sII", 7, 40, bytes(6), b"vxlan-ac150ca3", 0, 0)
    switch.send(multipart(of.PORT_DESCRIPTION, xid, port))
    assert [of.port_numbers(frame) for frame in await asked] == [{"vxlan-ac150ca3": 7}]


async def test_an_error_that_answers_an_addition_is_known_by_its_place_and_the_bundle_is_discarded(session):
    switch = Switch()
    wire, _ = await session(switch)
    await wire.handshake()
    sending = asyncio.create_task(wire.bundle([[b"first"], [b"second", b"third"]], 3))
    seen = [await switch.received.get() for _ in range(5)]
    assert [kind for kind, _, _ in seen] == [of.BUNDLE_CONTROL, *[of.BUNDLE_ADD] * 3, of.BUNDLE_CONTROL]
    switch.send(of.message(of.ERROR, seen[2][1], struct.pack(">HH", 2, 10)))
    switch.send(of.message(of.BUNDLE_CONTROL, seen[4][1], bytes(8)))
    kind, xid, body = await switch.received.get()
    assert (kind, body[4:6]) == (of.BUNDLE_CONTROL, of.BUNDLE_DISCARD.to_bytes(2, "big"))
    switch.send(of.message(of.BUNDLE_CONTROL, xid, bytes(8)))
    assert await sending == {1: of.SwitchError(2, 10)}


async def test_a_frame_that_cannot_be_ends_the_session(session):
    switch = Switch()
    wire, _ = await session(switch)
    await wire.handshake()
    switch.send(struct.pack(">BBHI", 5, 2, 4, 0))
    await asyncio.wait_for(wire.lost.wait(), 5)


def test_malformed_lengths_do_not_hold_the_parsers_up():
    frame = multipart(of.FLOW_STATS, 1, bytes(64))
    assert len(of.flow_ids(frame)) == 1
    assert len(of.monitor_events(frame)) == 0
    assert len(of.port_numbers(frame)) == 1
