"""Running processes of daemons, held by descriptors: found, looked at as a fresh agent would, ended.

Used by ``patchbay.host.daemons``, on threads: everything here waits.
"""

import contextlib
import os
from pathlib import Path

import msgspec

from patchbay.host import processes
from patchbay.hoststate import Daemon
from patchbay.plan.service_changes import NOT_RUNNING


class Process(msgspec.Struct, frozen=True):
    """A running process: its id, its pidfd, and when it was started (loop time; 0 by an agent before this one)."""

    number: int
    handle: int
    born: float = 0.0


def look(daemon: Daemon, folder: Path) -> tuple[Daemon, Process | None]:
    """A daemon as it is: not running, running with other files (reported without any), or as described."""
    process = open_process(daemon)
    is_there = process is not None and processes.is_in_namespace(process.number, daemon.namespace)
    if not is_there or not processes.is_on_device(folder, daemon):
        return msgspec.structs.replace(daemon, command=NOT_RUNNING), process
    return (daemon if processes.has_files(daemon) else msgspec.structs.replace(daemon, files=())), process


def look_again(daemon: Daemon, folder: Path) -> Daemon:
    """A running daemon as a fresh agent would see it; its description is written anew if it is missing."""
    seen, process = look(daemon, folder)
    if process:
        os.close(process.handle)
    if seen == daemon and processes.read_description(folder) is None:
        with contextlib.suppress(OSError):  # the folder is gone, or another look writes it, too
            processes.write_description(folder, daemon)
    return seen


def open_process(daemon: Daemon) -> Process | None:
    """The running process of a daemon, by a descriptor that cannot come to mean another."""
    number = processes.find_process(daemon)
    if number is None:
        return None
    try:
        handle = os.pidfd_open(number)
    except ProcessLookupError:
        return None
    if processes.find_process(daemon) == number:
        return Process(number, handle)
    os.close(handle)
    return None


def end_process(process: Process, daemon: Daemon) -> None:
    """End a process of a daemon and close its descriptor."""
    processes.end(process.handle, daemon.stop)
    os.close(process.handle)
