"""Private hosts: a scenario runs in a child with its own network, mounts, host name and processes, and dies as one."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

NEW_NAMESPACES = 0x00020000 | 0x04000000 | 0x20000000 | 0x40000000  # mount, UTS, PID, network
Scenario = Callable[["PrivateHost"], Awaitable[None]]


class PrivateHost:
    """What a scenario sees of the host that it runs on."""

    def sh(self, script: str) -> str:
        """Run shell lines; returns what they print. Raises with their words when one fails."""
        done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=False)
        if done.returncode:
            raise AssertionError(f"{script}\n{done.stdout}{done.stderr}")
        return done.stdout

    def start_ovsdb(self) -> None:
        """Start ovsdb-server with the database of this host."""
        self.sh(
            "ls /etc/openvswitch/conf.db >/dev/null 2>&1"
            " || ovsdb-tool create /etc/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema\n"
            "rm -f /run/openvswitch/ovsdb-server.pid\n"
            "ovsdb-server --remote=punix:/run/openvswitch/db.sock --pidfile --detach --no-chdir"
            " --log-file=/run/ovsdb.log /etc/openvswitch/conf.db 2>/dev/null"
        )

    def start_vswitchd(self) -> None:
        """Start ovs-vswitchd."""
        self.sh(
            "rm -f /run/openvswitch/ovs-vswitchd.pid\n"
            "ovs-vsctl --no-wait init\n"
            "ovs-vswitchd --pidfile --detach --no-chdir --log-file=/run/vswitchd.log 2>/dev/null"
        )

    def start_ovs(self) -> None:
        """Start both, as the seeds' hosts have them."""
        self.start_ovsdb()
        self.start_vswitchd()

    def kill(self, daemon: str) -> None:
        """kill -9 of ``ovsdb-server`` or ``ovs-vswitchd``, by the id in its pidfile."""
        os.kill(int(Path(f"/run/openvswitch/{daemon}.pid").read_text()), signal.SIGKILL)

    async def until(self, condition: Callable[[], object], what: str, deadline_s: float = 10.0) -> None:
        """Wait until ``condition`` holds; fails saying ``what`` was missing."""
        end = time.monotonic() + deadline_s
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"after {deadline_s} s still not: {what}")
            await asyncio.sleep(0.01)


@pytest.fixture
def on_private_host() -> Callable[[Scenario], None]:
    """Run a scenario on a host of its own; what it raises fails the test."""
    return run_on_private_host


def run_on_private_host(scenario: Scenario) -> None:
    """Fork into new namespaces, run, and pass a failure on as text."""
    if os.geteuid() != 0:
        pytest.fail("functional tests need root: they make network namespaces")
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        _become_private_host(scenario, write_end)
    os.close(write_end)
    with os.fdopen(read_end, "r") as pipe:
        words = pipe.read()
    os.waitpid(child, 0)
    if words != "ok":
        pytest.fail(words or "the private host died without a word", pytrace=False)


def _become_private_host(scenario: Scenario, write_end: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(1, signal.SIGKILL)
    if libc.unshare(NEW_NAMESPACES):
        os.write(write_end, b"unshare failed")
        os._exit(1)
    first = os.fork()
    if first:
        os.waitpid(first, 0)
        os._exit(0)
    libc.prctl(1, signal.SIGKILL)
    words = "ok"
    try:
        subprocess.run(
            "mount --make-rprivate / && mount -t proc proc /proc && mount -t tmpfs tmpfs /run"
            " && mkdir -p /run/netns /run/openvswitch /etc/openvswitch && mount -t tmpfs tmpfs /etc/openvswitch"
            " && hostname private && ip link set lo up",
            shell=True,
            check=True,
        )
        asyncio.run(asyncio.wait_for(scenario(PrivateHost()), 100))
    except BaseException:
        words = traceback.format_exc()
        for log in sorted(Path("/run").glob("*.log")):
            words += f"\n--- {log.name}\n" + "\n".join(log.read_text().splitlines()[-15:])
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(write_end, words.encode())
    os._exit(0)
