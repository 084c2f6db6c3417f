"""Private namespaces by the pid of their first process: start them, run commands in them, end them.

Called by ``lab`` and ``vhost``. A ``Space`` can be written to a file and read back by another process: a pid is only
trusted together with the time that its process started at, so a recycled pid is never hit.
"""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from select import select

import msgspec

from patchbay.errors import LabError

INIT = Path(__file__).with_name("init.py")
ENTER = ("-n", "-m", "-u", "-p")

# One process that outlives the command that starts it, in a session of its own, with its pid and output in files.
# It belongs to the first process of its namespaces as soon as this shell has ended.
DETACH = 'log=$1 pid=$2; shift 2; setsid "$@" </dev/null >>"$log" 2>&1 & echo $! >"$pid"'


class Space(msgspec.Struct, frozen=True):
    """The namespaces of a first process: its ``pid`` on this machine, and ``started``, its start in clock ticks."""

    pid: int
    started: int

    def command(self, arguments: Sequence[str], options: Sequence[str] = ENTER) -> list[str]:
        """The command line that runs ``arguments`` in here."""
        return ["nsenter", "-t", str(self.pid), *options, "--", *arguments]

    def run(
        self,
        arguments: Sequence[str],
        *,
        text: str | None = None,
        check: bool = True,
        timeout_s: float = 60.0,
        options: Sequence[str] = ENTER,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in here and wait for it; ``text`` is its input.

        Errors: ``LabError`` with the command's own words when it fails and ``check`` is set, or takes too long.
        """
        try:
            done = subprocess.run(
                self.command(arguments, options),
                input=text,
                stdin=subprocess.DEVNULL if text is None else None,
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"{' '.join(arguments)}: did not end within {timeout_s:g} s.") from None
        if check and done.returncode:
            raise LabError(f"{' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")
        return done

    def spawn(self, arguments: Sequence[str], *, log: str, pidfile: str, descriptors: Sequence[int] = ()) -> None:
        """Start a process in here that stays; ``log`` and ``pidfile`` are paths in here."""
        command = self.command(["sh", "-c", DETACH, "sh", log, pidfile, *arguments])
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, pass_fds=descriptors
        )
        if done.returncode:
            raise LabError(f"{arguments[0]}: cannot be started: {done.stderr.strip()}")

    def signal_by_file(self, pidfile: str, number: int, *, wait: bool = True) -> bool:
        """Send a signal to the process whose pid is in ``pidfile``, and wait for its end. False: it was not running."""
        script = 'p=$(cat "$0") && kill -"$1" "$p" || exit 1; [ "$2" = 0 ] || while kill -0 "$p"; do sleep 0.01; done'
        waiting = wait and number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
        done = self.run(["sh", "-c", script, pidfile, str(number), str(int(waiting))], check=False)
        return done.returncode == 0

    def path(self, path: str) -> Path:
        """A path as seen in here, as a path out there."""
        return Path(f"/proc/{self.pid}/root{path}")

    def is_alive(self) -> bool:
        """Whether the first process still runs."""
        return started_at(self.pid) == self.started

    def end(self, timeout_s: float = 10.0) -> None:
        """Kill the first process, and with it all the others; returns when they are gone."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            # The handle is open: from here on the pid cannot come to mean another process.
            if self.is_alive():
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                if not select([handle], [], [], timeout_s)[0]:
                    raise LabError(f"Process {self.pid} does not end.", "Look at it with ps.")
        finally:
            os.close(handle)


def started_at(pid: int) -> int:
    """Start of a process in clock ticks since boot (proc_pid_stat(5)); 0 when there is none, or only a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


def start_space(kind: str, name: str, *, within: Space | None = None, lifeline: int = -1) -> Space:
    """Start the first process of a lab or, ``within`` a lab, of a host, and wait until its namespaces are ready."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        ours.settimeout(20.0)
        arguments = [sys.executable, "-I", "-S", str(INIT), kind, name, str(theirs.fileno()), str(lifeline)]
        command = arguments if within is None else within.command(arguments)
        passed = [theirs.fileno()] + ([lifeline] if lifeline >= 0 else [])
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=passed,
            check=False,
        )
        theirs.close()
        if done.returncode:
            raise LabError(f"{kind} {name}: cannot be started: {done.stderr.decode(errors='replace').strip()}")
        try:
            text, ancillary, _, _ = ours.recvmsg(4096, socket.CMSG_SPACE(12))
        except TimeoutError:
            raise LabError(f"{kind} {name}: its first process does not report.") from None
    if text != b"ready":
        reason = text.decode(errors="replace") or "its first process ended"
        raise LabError(f"{kind} {name}: {reason}.", "Labs need root and a kernel with namespaces.")
    pid = _credential(ancillary)
    return Space(pid, started_at(pid))


def _credential(ancillary: list[tuple[int, int, bytes]]) -> int:
    """The sender's pid as this process sees it: the kernel translates it between PID namespaces (unix(7))."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            return int(struct.unpack_from("i", data)[0])
    raise LabError("The lab's first process came without a credential.")
