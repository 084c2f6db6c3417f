"""Who answers is alive; who does not answer twice in a row is not."""

import asyncio

from patchbay.ovsdb.session import Session


class Wire(asyncio.Transport):
    """The session's side of a stream; keeps what was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def abort(self) -> None:
        self.sent.append(b"aborted")


def probed_session() -> tuple[Session, Wire]:
    """A session whose probes are always due."""
    session, wire = Session(lambda _method, _params: None, lambda: None, probe_s=0.0), Wire()
    session.connection_made(wire)
    return session, wire


async def test_a_server_that_answers_every_probe_late_but_always_is_kept() -> None:
    session, wire = probed_session()
    for number in range(1, 5):
        session._probe_peer()
        assert b'"echo"' in wire.sent[-1]
        session.data_received(b'{"id":%d,"result":[],"error":null}' % number)
    assert not session.closed.done()


async def test_a_server_that_leaves_a_probe_unanswered_is_given_up() -> None:
    session, wire = probed_session()
    session._probe_peer()
    session._probe_peer()
    assert session.closed.done()
    assert wire.sent[-1] == b"aborted"
