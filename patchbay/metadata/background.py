"""A process that goes on in the background once it is ready, with its id in a file, as daemon(7) has it.

The one who starts it waits until it is ready, and sees why when it never is.
"""

import fcntl
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from patchbay.errors import HostError, PatchbayError

READY, LOCK_PATIENCE_S, PAUSE_S = b"ready", 5.0, 0.05


def run_in_background(work: Callable[[Callable[[], None]], None], pid_file: Path) -> None:
    """Run ``work`` in a child of its own session; return when it is ready, or raise what it raised before that.

    It goes on in the root folder, so that no other is kept in use: paths that it needs later must be absolute.

    ``work`` is called with a function that it calls when it is ready; ``pid_file`` holds the child's id by then, and
    is locked as long as it lives. Must be called before there are threads.
    """
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            words = pipe.read()
        if words != READY:
            message, _, remedy = words.decode(errors="replace").partition("\n")
            raise HostError(message or "The metadata server ended before it was ready.", remedy)
        return
    os.close(reading)
    code = 1
    try:
        os.setsid()
        _live(work, pid_file, writing)
        code = 0
    except PatchbayError as error:
        _tell(writing, f"{error.message}\n{error.remedy}")
    except Exception as error:  # nobody is above to hear it
        _tell(writing, f"The metadata server failed: {error!r}.\n")
    finally:
        os._exit(code)


def _live(work: Callable[[Callable[[], None]], None], pid_file: Path, writing: int) -> None:
    descriptor = locked(pid_file)

    def ready() -> None:
        _detach_output()
        os.chdir("/")
        write_id(descriptor)
        os.write(writing, READY)
        os.close(writing)

    work(ready)


def locked(pid_file: Path) -> int:
    """A descriptor that holds the lock on the file. Raises HostError when another process keeps it."""
    try:
        pid_file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(pid_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise HostError(f"{pid_file}: {error.strerror}.", "Name another with --pid-file PATH.") from error
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise HostError(
                    "Another metadata server runs on this host.", f"Stop it first; it holds {pid_file}."
                ) from None
            time.sleep(PAUSE_S)


def write_id(descriptor: int) -> None:
    """The calling process's id is what the file says."""
    text = f"{os.getpid()}\n".encode()
    os.pwrite(descriptor, text, 0)
    os.ftruncate(descriptor, len(text))


def _detach_output() -> None:
    """The terminal, or whoever reads the starter's output, is not held on to."""
    sys.stdout.flush()
    sys.stderr.flush()
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.close(nothing)


def _tell(writing: int, words: str) -> None:
    try:
        os.write(writing, words.encode())
    except OSError:  # it was ready, and the starter has gone
        return
