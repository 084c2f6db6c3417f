"""Remotes are read as ovsdb(7) writes them."""

import socket
from pathlib import Path

import pytest

from patchbay.ovsdb.errors import OvsdbError
from patchbay.ovsdb.remote import Remote, parse_remote, short_path


@pytest.mark.parametrize(
    ("text", "remote"),
    [
        ("unix:/run/openvswitch/db.sock", Remote("/run/openvswitch/db.sock", 0)),
        ("tcp:172.21.12.8:6641", Remote("172.21.12.8", 6641)),
        ("tcp:172.21.12.8", Remote("172.21.12.8", 6640)),
        ("tcp:[2001:db8::1]:6641", Remote("2001:db8::1", 6641)),
        ("tcp:[2001:db8::1]", Remote("2001:db8::1", 6640)),
        ("tcp:control.example:6641", Remote("control.example", 6641)),
        ("ssl:172.21.12.8:6641", Remote("172.21.12.8", 6641, is_tls=True)),
        ("ssl:[2001:db8::1]", Remote("2001:db8::1", 6640, is_tls=True)),
    ],
)
def test_a_remote_is_read(text: str, remote: Remote) -> None:
    assert parse_remote(text) == remote
    assert parse_remote(str(remote)) == remote


@pytest.mark.parametrize(
    "text", ["", "unix:", "tcp:", "tcp::6641", "tcp:host:port", "tcp:host:99999", "/run/db.sock", "ssl:"]
)
def test_what_is_no_remote_is_refused_with_what_would_be(text: str) -> None:
    with pytest.raises(OvsdbError, match="Write unix:PATH, tcp:ADDRESS:PORT or ssl:ADDRESS:PORT"):
        parse_remote(text)


def test_a_socket_with_a_long_path_can_be_reached(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        with short_path(str(deep / "sock")) as name:
            listener.bind(name)
        listener.listen()
        with short_path(str(deep / "sock")) as name:
            client.connect(name)
