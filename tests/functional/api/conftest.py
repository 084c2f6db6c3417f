"""The API on a real intent database, in this process or served by another. Needs no root."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from patchbay.intent.database import IntentDatabase
from tests.functional.api.api_world import Api
from tests.functional.api.cloud_world import SETTINGS, Cloud, scheduling
from tests.functional.intent_database import db, remote

__all__ = ["db", "remote"]

ROOT = Path(__file__).resolve().parents[3]


@pytest_asyncio.fixture(loop_scope="session")
async def api(db: IntentDatabase) -> AsyncIterator[Api]:
    """The application on an empty database."""
    world = Api(db)
    yield world
    await world.http.aclose()


@pytest_asyncio.fixture(loop_scope="session")
async def cloud(db: IntentDatabase) -> AsyncIterator[Cloud]:
    """An empty cloud."""
    api = Api(db, SETTINGS)
    found = Cloud(api)
    async with scheduling(api):
        yield found
    await found.end()
    await api.http.aclose()


class Serving:
    """``patchbay serve`` as a child process."""

    def __init__(self, process: subprocess.Popen[str], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log
        self.url = f"http://127.0.0.1:{port}"

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


Start = Callable[..., Serving]


@pytest.fixture
def start_serve(tmp_path: Path) -> Iterator[Start]:
    """Starts ``patchbay serve`` with more options; what still runs when the test is over is stopped."""
    started: list[Serving] = []

    def start(*options: str, state_dir: Path = tmp_path / "state", pass_fds: tuple[int, ...] = ()) -> Serving:
        log = tmp_path / f"serve{len(started)}.log"
        command = [sys.executable, "-m", "patchbay", "serve", "--state-dir", str(state_dir)]
        if not pass_fds:
            command += ["--listen", "127.0.0.1:0"]
        if not any(option.startswith("--vnet-listen") for option in options):
            command += ["--vnet-listen", "none"]
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [*command, *options],
                cwd=ROOT,
                stderr=stderr,
                text=True,
                pass_fds=pass_fds,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        serving = Serving(process, _port(process, log), log)
        started.append(serving)
        return serving

    yield start
    for serving in started:
        if serving.process.poll() is None:
            serving.stop()


def _port(process: subprocess.Popen[str], log: Path) -> int:
    """The port that the log names, once it does."""
    end = time.monotonic() + 20
    while not (found := re.search(r"listening.*port=(\d+)", log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, f"patchbay serve does not listen: {log.read_text()}"
        time.sleep(0.02)
    return int(found[1])
