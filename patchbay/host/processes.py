"""Processes that outlive the agent, on disk and in /proc: start one, find it again, end it.

Used by ``patchbay.host.daemons``, on threads: everything here waits. A daemon's folder, ``<run dir>/<kind>/<owner>``,
holds its files, ``daemon.json`` (what was started), ``log`` (what it says) and ``device`` (the kernel's number of the
device that it works on). A process is a daemon's own when its pid file names it, its command line is the daemon's, and
it is in the namespace, and works on the device, that have the daemon's names now.
"""

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import msgspec

from patchbay.errors import HostError
from patchbay.host import netns
from patchbay.host.programs import environment, find_program
from patchbay.hoststate import Daemon

DESCRIPTION, LOG, DEVICE = "daemon.json", "log", "device"
LOG_BYTES = 1 << 20
"""A log that has grown beyond is begun anew."""
START_PATIENCE_S = 10.0
LAST_WORDS_PATIENCE_S = 5.0
END_PATIENCE_S = 2.0
_ETC_NETNS = "/etc/netns/"


def folder_of(run_dir: Path, daemon: Daemon) -> Path:
    """Where a daemon has its files."""
    return run_dir / daemon.kind / daemon.owner


# --- files ------------------------------------------------------------------------------------------------------------


def write_files(folder: Path, daemon: Daemon) -> None:
    """Write the files of a daemon that differ, each at once. Raises HostError."""
    try:
        for one in (folder.parent, folder):
            _make_folder(one)
        for name, text in daemon.files:
            path = Path(name)
            if not path.parent.is_dir():
                _make_folder(path.parent)
            if read_text(path) != text:
                _write(path, text)
    except OSError as error:
        raise HostError(f"{error.filename or folder} cannot be written: {error.strerror}.") from None


def write_description(folder: Path, daemon: Daemon) -> None:
    """Write down what runs here, for an agent that comes after this one. After the files: it vouches for them."""
    _write(folder / DESCRIPTION, msgspec.json.format(msgspec.json.encode(daemon)).decode() + "\n")


def read_description(folder: Path) -> Daemon | None:
    """What was written down; None when there is nothing, or nothing that can be read."""
    try:
        return msgspec.json.decode((folder / DESCRIPTION).read_bytes(), type=Daemon)
    except (OSError, msgspec.DecodeError):
        return None


def read_text(path: Path) -> str | None:
    """The content of a file; None when there is none."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return None


def has_files(daemon: Daemon) -> bool:
    """Whether all its files are there as they should be."""
    return all(read_text(Path(path)) == text for path, text in daemon.files)


def remove_files(names: set[str]) -> None:
    """Remove files, and folders in /etc/netns that became empty."""
    for name in names:
        path = Path(name)
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            for folder in path.parents:
                if not str(folder).startswith(_ETC_NETNS):
                    break
                folder.rmdir()


def trim_log(folder: Path) -> None:
    """Begin a log anew that has grown too large: who writes to it appends."""
    with contextlib.suppress(OSError):
        log = folder / LOG
        if log.stat().st_size > LOG_BYTES:
            os.truncate(log, 0)


def _make_folder(folder: Path) -> None:
    """Readable for processes that give up being root, whatever the agent's umask is."""
    is_new = not folder.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    if is_new:
        folder.chmod(0o755)


def _write(path: Path, text: str) -> None:
    """Write by renaming; a file in /etc/netns in place, for it may be mounted over /etc/resolv.conf somewhere.

    A script (``#!``) is made ready to run.
    """
    mode = 0o755 if text.startswith("#!") else 0o644
    if str(path).startswith(_ETC_NETNS):
        path.write_text(text)
        path.chmod(mode)
        return
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.rename(path)


# --- finding ----------------------------------------------------------------------------------------------------------


def find_process(daemon: Daemon) -> int | None:
    """The id of a daemon's process, wherever it is; None when it does not run."""
    try:
        number = int(Path(daemon.pidfile).read_text())
    except (OSError, ValueError):
        return None
    return number if _runs(number, daemon.command) else None


def find_strays(daemon: Daemon) -> list[int]:
    """Ids of processes that no pid file tells of: somebody removed a daemon's folder, and it still holds its port."""
    numbers = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [one for one in numbers if _runs(one, daemon.command) and is_in_namespace(one, daemon.namespace)]


def _runs(number: int, command: tuple[str, ...]) -> bool:
    """Whether a process runs this command."""
    process = Path(f"/proc/{number}")
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
        return _is_command(words, command) and (process / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _is_command(words: list[str], command: tuple[str, ...]) -> bool:
    """Whether a command line is the command's; a script has its interpreter before it."""
    arguments = list(command[1:])
    name = Path(command[0]).name
    return words[len(words) - len(arguments) :] == arguments and any(Path(one).name == name for one in words[:2])


def is_in_namespace(number: int, name: str) -> bool:
    """Whether a process is in the namespace that has this name now ("" the host's own)."""
    wanted = netns.find_namespace(name) if name else Path("/proc/self/ns/net").stat().st_ino
    try:
        return Path(f"/proc/{number}/ns/net").stat().st_ino == wanted
    except PermissionError:  # without CAP_SYS_PTRACE it cannot be seen
        return wanted is not None
    except OSError:
        return False


def is_on_device(folder: Path, daemon: Daemon) -> bool:
    """Whether the device that a daemon was started for is still there. One made anew has another number."""
    if not daemon.link:
        return True
    number, noted = _device_number(daemon), read_text(folder / DEVICE)
    return number is not None and noted in (None, str(number))


def _device_number(daemon: Daemon) -> int | None:
    place = netns.NETNS_DIRECTORY / daemon.namespace if daemon.namespace else Path("/proc/self/ns/net")
    try:
        with netns.inside(place):
            return socket.if_nametoindex(daemon.link)
    except OSError:
        return None


# --- starting and ending ----------------------------------------------------------------------------------------------


def launch(folder: Path, daemon: Daemon) -> int:
    """Start a daemon's command; returns the id of its process when it has written its pid file. Raises HostError."""
    program = find_program(daemon.command[0])
    if daemon.namespace and not netns.find_namespace(daemon.namespace):
        raise HostError(f"Namespace {daemon.namespace} is not there for {describe(daemon)} to run in.")
    Path(daemon.pidfile).unlink(missing_ok=True)
    if daemon.link:
        (folder / DEVICE).write_text(str(_device_number(daemon) or ""))
    end = time.monotonic() + START_PATIENCE_S
    (folder / LOG).write_bytes(b"")
    with (folder / LOG).open("ab") as log:
        _run(daemon, log.fileno(), START_PATIENCE_S, folder)
    while not (number := find_process(daemon)):
        if time.monotonic() > end:
            raise HostError(
                f"{describe(daemon)} does not write {daemon.pidfile}: {last_line(folder)}.",
                f"{program} must put itself into the background. See {folder / LOG}.",
            )
        time.sleep(0.005)
    return number


def _run(daemon: Daemon, log: int, patience_s: float, folder: Path) -> None:
    try:
        done = subprocess.run(
            in_namespace(daemon, daemon.command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={**environment(), **dict(daemon.environment)},
            start_new_session=True,
            timeout=patience_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise HostError(
            f"{describe(daemon)} does not go into the background within {patience_s:g} s.", f"See {folder / LOG}."
        ) from None
    if done.returncode:
        raise HostError(
            f"{describe(daemon)} ends at once (status {done.returncode}): {last_line(folder)}.",
            f"See {folder / LOG}, and try it: {' '.join(in_namespace(daemon, daemon.command))}",
        )


def in_namespace(daemon: Daemon, command: tuple[str, ...]) -> list[str]:
    """The arguments that run a command of a daemon. ``ip netns exec`` gives it its own /etc/resolv.conf, too."""
    return ["ip", "netns", "exec", daemon.namespace, *command] if daemon.namespace else list(command)


def say_last_words(daemon: Daemon) -> None:
    """Run what is to run before a process ends; if it fails, that is no reason to keep the process."""
    run_beside(daemon, daemon.last_words)


def run_beside(daemon: Daemon, command: tuple[str, ...]) -> None:
    """Run a command where a daemon runs; nothing if there is no command or no such place, and failures do not count."""
    if not command or (daemon.namespace and not netns.find_namespace(daemon.namespace)):
        return
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            in_namespace(daemon, command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={**environment(), **dict(daemon.environment)},
            start_new_session=True,
            timeout=LAST_WORDS_PATIENCE_S,
            check=False,
        )


def end(handle: int, stop: str) -> None:
    """End the process of a descriptor: the signal of this name, and KILL when that does not help."""
    for name in dict.fromkeys((stop, "KILL")):
        try:
            signal.pidfd_send_signal(handle, signal.Signals[f"SIG{name}"])
        except ProcessLookupError:
            return
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if poll.poll(END_PATIENCE_S * 1000):
            return


def remove_folder(folder: Path, daemon: Daemon) -> None:
    """Remove what a daemon leaves on disk."""
    remove_files({path for path, _ in daemon.files})
    Path(daemon.pidfile).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def describe(daemon: Daemon) -> str:
    """``dnsmasq (dhcp of 5f3a…)``."""
    name = Path(daemon.command[0]).name if daemon.command else "The process"
    return f"{name} ({daemon.kind} of {daemon.owner})"


def last_line(folder: Path) -> str:
    """The last thing that a daemon said."""
    lines = [line for line in (read_text(folder / LOG) or "").splitlines() if line.strip()]
    return lines[-1].strip().rstrip(".") if lines else "it said nothing"
