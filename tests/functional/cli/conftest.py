"""A running service with its own intent database, and the commands run against it in the tests' process."""

import contextlib
import io
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from patchbay.cli.main import patchbay as root
from patchbay.cli.main import run

Run = Callable[..., "Done"]


@pytest.fixture
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory of the service; its database listens on ``intent.sock``."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture
def endpoint(state: Path) -> Iterator[str]:
    """A service on a socket that it inherits, as from a service manager."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    arguments = [
        "serve",
        "--state-dir",
        str(state),
        "--listen-fd",
        str(listener.fileno()),
        "--vnet-listen",
        "none",
        "--log-format",
        "json",
    ]
    with (state / "log").open("w") as log:
        service = subprocess.Popen(
            [sys.executable, "-m", "patchbay", *arguments], pass_fds=[listener.fileno()], stderr=log
        )
    listener.close()
    wait_until_served(url, service, state / "log")
    yield url
    service.send_signal(signal.SIGTERM)
    assert service.wait(timeout=10) == 0, (state / "log").read_text()
    for line in (state / "log").read_text().splitlines():
        assert {"time", "level", "at", "msg"} <= msgspec.json.decode(line).keys()


def wait_until_served(url: str, service: subprocess.Popen[bytes], log: Path, deadline_s: float = 15) -> None:
    end = time.monotonic() + deadline_s
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (OSError, urllib.error.URLError):
            if service.poll() is not None or time.monotonic() > end:
                pytest.fail(f"the service does not answer\n{log.read_text()}")
        else:
            return


class Done(msgspec.Struct):
    """What a command line printed."""

    stdout: str
    stderr: str


@pytest.fixture
def patchbay(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line in this process; it must exit with ``code``."""
    monkeypatch.setenv("PATCHBAY_ENDPOINT", endpoint)

    def call(*arguments: str, code: int = 0) -> Done:
        stdout, stderr = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            exited = run(root, list(arguments))
        assert exited == code, stdout.getvalue() + stderr.getvalue()
        return Done(stdout.getvalue(), stderr.getvalue())

    return call
