"""A lab leaves nothing: not when it goes down, not when any of it is killed at any moment."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from patchbay.errors import LabError
from patchbay.lab import registry
from patchbay.lab.lab import Lab
from patchbay.lab.namespaces import Space, started_at
from patchbay.lab.reading import load_topology
from tests.functional.lab.by_hand import wait_for
from tests.functional.lab.machine import EXAMPLES, processes_of, traces

SEED = load_topology(EXAMPLES / "seed002.yaml")


def ours(folder: Path) -> set[int]:
    return processes_of(folder) - {os.getpid()}


def commands(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "patchbay", "lab", *arguments]


def listed() -> list[dict[str, str]]:
    done = subprocess.run(commands("status", "-f", "json"), capture_output=True, text=True, check=True)
    rows: list[dict[str, str]] = json.loads(done.stdout)
    return rows


def test_a_lab_that_went_down_left_nothing(lab_folder: Path) -> None:
    before = traces()
    with Lab.up(SEED, is_bare=True) as lab:
        assert ours(lab_folder)
        assert traces() == before
        first = lab.space
    assert (traces(), ours(lab_folder), list(lab_folder.iterdir())) == (before, set(), [])
    assert not first.is_alive()


@pytest.mark.parametrize("delay_s", [0.03, 0.08, 0.15, 0.22, 0.3, 0.4, 0.55, 0.8, 1.1])
def test_killing_the_command_that_starts_a_lab_ends_the_lab(delay_s: float, lab_folder: Path) -> None:
    before = traces()
    starting = subprocess.Popen(
        commands("up", str(EXAMPLES / "seed002.yaml")), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with starting:
        time.sleep(delay_s)  # the moment of the blow is what is varied here; nothing is waited for
        starting.kill()
    if starting.returncode == 0:
        Lab.attach("seed002").down()
    wait_for(lambda: not ours(lab_folder), "all processes of the lab ended")
    assert listed() == []
    assert (traces(), list(lab_folder.iterdir())) == (before, [])


@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.3, 0.6])
def test_killing_the_first_process_ends_the_lab_and_the_command_says_so(delay_s: float, lab_folder: Path) -> None:
    before = traces()
    starting = subprocess.Popen(
        commands("up", "--no-check", str(EXAMPLES / "seed002.yaml")),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with starting:
        wait_for(lambda: registry.read_record("seed002") is not None, "the lab is in the registry")
        record = registry.read_record("seed002")
        assert record is not None
        time.sleep(delay_s)  # as above
        os.kill(record.space.pid, signal.SIGKILL)
        _, words = starting.communicate(timeout=60)
    assert "Traceback" not in words
    wait_for(lambda: not ours(lab_folder), "all processes of the lab ended")
    assert listed() == []
    assert (traces(), list(lab_folder.iterdir())) == (before, [])


def test_the_next_up_cleans_up_after_a_killed_lab(lab_folder: Path) -> None:
    lab = Lab.up(SEED, name="again", is_bare=True)
    os.kill(lab.space.pid, signal.SIGKILL)
    wait_for(lambda: not lab.space.is_alive(), "the first process is gone")
    with Lab.up(SEED, name="again", is_bare=True) as second:
        assert second.host("compute1").run(["hostname"]).stdout == "compute1\n"
    assert list(lab_folder.iterdir()) == []


def test_a_lab_ends_with_the_process_that_started_it_unless_it_was_let_go(lab_folder: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from patchbay.lab.lab import Lab;"
        "from patchbay.lab.reading import load_topology;"
        f"lab = Lab.up(load_topology(Path({str(EXAMPLES / 'seed002.yaml')!r})), name='kept', is_bare=True);"
        "sys.argv[1] == 'keep' and lab.detach(); sys.stdout.close(); import os; os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, "leave"], check=True)
    wait_for(lambda: not ours(lab_folder), "the lab ended with its starter")
    subprocess.run([sys.executable, "-c", script, "keep"], check=True)
    assert {row["lab"] for row in listed()} == {"kept"}
    Lab.attach().down()
    assert not ours(lab_folder)


def test_a_recycled_pid_is_not_taken_for_a_lab(lab_folder: Path) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        (lab_folder / "old").mkdir()
        stale = Space(bystander.pid, started_at(bystander.pid) - 1)
        registry.write_record(registry.Record("old", stale, SEED, {"compute1": stale}, is_ready=True))
        assert registry.living() == []
        stale.end()
        assert bystander.poll() is None
        assert list(lab_folder.iterdir()) == []
    finally:
        bystander.kill()
        bystander.wait()


def test_a_record_that_cannot_be_read_is_removed(lab_folder: Path) -> None:
    (lab_folder / "half").mkdir()
    (lab_folder / "half" / registry.RECORD).write_bytes(b'{"name": "ha')
    assert registry.living() == []
    assert list(lab_folder.iterdir()) == []


def test_two_labs_live_side_by_side_with_the_same_addresses() -> None:
    with Lab.up(SEED, name="left", is_bare=True) as left, Lab.up(SEED, name="right", is_bare=True) as right:
        for lab in (left, right):
            lab.host("compute1").run(["ping", "-c", "1", "-W", "5", "172.21.12.8"])
        with pytest.raises(LabError, match="Several labs run: left, right"):
            registry.find()
        assert registry.find("right").space == right.space
        left.host("compute1").run(["ip", "link", "set", "eth0", "down"])
        right.host("compute1").run(["ping", "-c", "1", "-W", "5", "172.21.12.8"])


def test_a_name_in_use_is_refused_and_the_running_lab_stays() -> None:
    with Lab.up(SEED, name="one", is_bare=True) as lab:
        with pytest.raises(LabError, match="Lab one: runs already"):
            Lab.up(SEED, name="one", is_bare=True)
        assert lab.space.is_alive()


def test_two_commands_do_not_start_the_same_lab_at_once() -> None:
    results: list[str] = []

    def start() -> None:
        try:
            results.append(Lab.up(SEED, name="both", is_bare=True).name)
        except LabError as error:
            results.append(error.message)

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    Lab.attach("both").down()
    assert results.count("both") == 1


def test_a_lab_that_cannot_start_says_why_and_leaves_nothing(lab_folder: Path) -> None:
    before = traces()
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(LabError, match=r"No port for the API .*in use"),
    ):
        Lab.up(SEED, ports=[taken.getsockname()[1]])
    impossible = msgspec.structs.replace(SEED, underlay=msgspec.structs.replace(SEED.underlay, mtu=7))
    with pytest.raises(LabError, match="ip -batch -: "):
        Lab.up(impossible, is_bare=True)
    assert (traces(), ours(lab_folder), list(lab_folder.iterdir())) == (before, set(), [])
