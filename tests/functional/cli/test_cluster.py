"""Three services with a Raft cluster between them, by configuration alone."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from patchbay.cli.endpoint import Endpoint
from patchbay.errors import PatchbayError

Member = tuple[subprocess.Popen[bytes], Endpoint, Path]


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def start(state: Path, raft_port: int, join: int | None) -> Member:
    listener = socket.create_server(("127.0.0.1", 0))
    options = ["--state-dir", str(state), "--listen-fd", str(listener.fileno())]
    options += ["--cluster-local", f"tcp:127.0.0.1:{raft_port}"]
    options += ["--cluster-join", f"tcp:127.0.0.1:{join}"] if join else []
    state.mkdir()
    with (state / "log").open("w") as log:
        command = [sys.executable, "-m", "patchbay", "serve", "--vnet-listen", "none", *options]
        process = subprocess.Popen(command, pass_fds=[listener.fileno()], stderr=log)
    endpoint = Endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=20)
    listener.close()
    return process, endpoint, state


def until(condition: Callable[[], object], what: str, deadline_s: float = 30) -> None:
    end = time.monotonic() + deadline_s
    while True:
        try:
            if condition():
                return
            missing = what
        except PatchbayError as error:
            missing = f"{what}: {error}"
        if time.monotonic() > end:
            pytest.fail(f"after {deadline_s} s still not: {missing}")
        time.sleep(0.05)


@pytest.fixture
def members(tmp_path: Path) -> Iterator[list[Member]]:
    ports = free_ports(3)
    running: list[Member] = []
    for number, port in enumerate(ports):
        running.append(start(tmp_path / str(number), port, ports[0] if number else None))
        endpoint = running[-1][1]
        until(lambda one=endpoint: one.list("networks") == [], f"member {number} answers")  # type: ignore[misc]
    yield running
    for process, _, _ in running:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=15) == 0


def names(endpoint: Endpoint) -> set[str]:
    return {network["name"] for network in endpoint.list("networks")}


def test_any_member_takes_writes_and_all_of_them_show_them(members: list[Member]) -> None:
    for number, (_, endpoint, _) in enumerate(members):
        endpoint.create("networks", {"name": f"by-{number}"})
    for number, (_, endpoint, _) in enumerate(members):
        until(lambda one=endpoint: names(one) == {"by-0", "by-1", "by-2"}, f"member {number} shows all three")  # type: ignore[misc]


def test_a_member_killed_with_its_database_takes_nothing_with_it(members: list[Member]) -> None:
    members[0][1].create("networks", {"name": "before"})
    process, _, _ = members[0]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for number in (1, 2):
        endpoint = members[number][1]
        until(
            lambda one=endpoint, name=f"after-{number}": name in names(one) or one.create("networks", {"name": name}),  # type: ignore[misc]
            f"member {number} takes a write without the first",
        )
    for number in (1, 2):
        endpoint = members[number][1]
        until(lambda one=endpoint: names(one) >= {"before", "after-1", "after-2"}, f"member {number} shows all")  # type: ignore[misc]
