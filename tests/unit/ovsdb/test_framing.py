"""A stream of JSON objects is cut into the same messages wherever the network cut it."""

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchbay.ovsdb.errors import OvsdbError
from patchbay.ovsdb.framing import Framer

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.sampled_from(['{"', '"}{', "\\", '\\"{']),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
messages = st.dictionaries(st.text(max_size=5), values, max_size=4)


@given(st.lists(messages, max_size=6), st.data())
def test_messages_arrive_whole_however_the_stream_is_cut(sent: list[dict[str, object]], data: st.DataObject) -> None:
    gaps = data.draw(st.lists(st.sampled_from([b"", b"\n", b" \r\n\t"]), min_size=len(sent), max_size=len(sent)))
    stream = b"".join(msgspec.json.encode(message) + gap for message, gap in zip(sent, gaps, strict=True))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    framer = Framer()
    received = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += framer.feed(stream[start:end])
    assert [msgspec.json.decode(message) for message in received] == sent


@given(messages)
def test_a_message_arrives_byte_by_byte(message: dict[str, object]) -> None:
    text = msgspec.json.encode(message)
    framer = Framer()
    received = [found for index in range(len(text)) for found in framer.feed(text[index : index + 1])]
    assert received == [text]


@pytest.mark.parametrize("stream", [b"]", b"}", b'{"id":1}}', b'{"id":1}x{', b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_what_is_no_json_object_ends_the_stream(stream: bytes) -> None:
    with pytest.raises(OvsdbError):
        Framer().feed(stream)


@pytest.mark.parametrize("piece", [1 << 12, 1 << 18])
def test_ten_megabytes_cost_a_few_times_one_megabyte(piece: int) -> None:
    def seconds(rows: int) -> float:
        message = msgspec.json.encode({str(n): {"initial": {"name": 'braces } and " quotes \\'}} for n in range(rows)})
        framer, started = Framer(), time.perf_counter()
        received = [m for at in range(0, len(message), piece) for m in framer.feed(message[at : at + piece])]
        assert received == [message]
        return time.perf_counter() - started

    seconds(1000)
    assert seconds(150_000) < 40 * min(seconds(15_000) for _ in range(3))


def test_a_string_of_many_megabytes_is_looked_at_once() -> None:
    message = msgspec.json.encode({"schema": '\\"' * 2_000_000})
    framer, started = Framer(), time.perf_counter()
    received = [m for at in range(0, len(message), 4096) for m in framer.feed(message[at : at + 4096])]
    assert received == [message]
    assert time.perf_counter() - started < 3
