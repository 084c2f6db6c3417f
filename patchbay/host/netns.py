"""Named network namespaces, made and removed as ``ip netns`` does (ip-netns(8)), and threads that step into them.

Used by ``patchbay.host.netlink``. ``setns`` changes the calling thread only, so every function here that steps into a
namespace must run on a thread of its own (``NamespaceThread``), never on the event loop's.
"""

import asyncio
import contextlib
import ctypes
import errno
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from patchbay.host import inotify

NETNS_DIRECTORY = Path("/run/netns")

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000
_MS_BIND, _MS_REC, _MS_SHARED, _MNT_DETACH = 4096, 16384, 1 << 20, 2
_libc = ctypes.CDLL(None, use_errno=True)


class NamespaceThread:
    """One thread that may step into other namespaces and is back in the host's between two calls."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="netns")

    async def run(self, work: Callable[[], T]) -> T:
        """Run ``work`` on the thread and wait for its result."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def later(self, work: Callable[[], object]) -> None:
        """Run ``work`` on the thread after what it is doing now; nobody waits for it."""
        self._executor.submit(work)

    def close(self) -> None:
        """End the thread when its current work is done."""
        self._executor.shutdown(wait=False)


def list_namespaces() -> list[str]:
    """Names of all namespaces in /run/netns; a name that is only an empty file is not listed."""
    try:
        return [path.name for path in NETNS_DIRECTORY.iterdir() if find_namespace(path.name)]
    except FileNotFoundError:
        return []


def find_namespace(name: str) -> int | None:
    """The inode of a named namespace; None when there is none, or only an empty file."""
    with contextlib.suppress(OSError):
        status = (NETNS_DIRECTORY / name).stat()
        if status.st_dev == Path("/proc/self/ns/net").stat().st_dev:
            return status.st_ino
    return None


@contextlib.contextmanager
def inside(where: Path | int) -> Iterator[None]:
    """Step the calling thread into the namespace at a path or of a descriptor, and back. Raises OSError."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(where, os.O_RDONLY | os.O_CLOEXEC) if isinstance(where, Path) else os.dup(where)
        try:
            _setns(target)
        finally:
            os.close(target)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


@contextlib.contextmanager
def new_namespace(name: str) -> Iterator[None]:
    """Make a namespace; the body runs inside it, then it gets its name in /run/netns: seen by others only when ready.

    Raises FileExistsError when the name is taken by a namespace (an empty file left by a crash is reused).
    """
    path = NETNS_DIRECTORY / name
    if not NETNS_DIRECTORY.is_mount():
        prepare_directory()
    if find_namespace(name):
        raise FileExistsError(errno.EEXIST, "a namespace of this name exists", str(path))
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.unshare(_CLONE_NEWNET), "unshare", "")
        try:
            yield
            path.unlink(missing_ok=True)
            os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
            _mount("/proc/thread-self/ns/net", path, _MS_BIND)
        finally:
            _setns(home)
    finally:
        os.close(home)


def delete_namespace(name: str) -> None:
    """Take the name away, as ``ip netns delete``: the namespace ends with its last process and socket."""
    path = NETNS_DIRECTORY / name
    if _libc.umount2(os.fsencode(path), _MNT_DETACH):
        code = ctypes.get_errno()
        if code not in (errno.EINVAL, errno.ENOENT):
            raise OSError(code, os.strerror(code), str(path))
    path.unlink(missing_ok=True)


def prepare_directory() -> None:
    """Make /run/netns a shared mount, so that names made here are seen in other mount namespaces and back."""
    NETNS_DIRECTORY.mkdir(mode=0o755, exist_ok=True)
    if _libc.mount(b"", os.fsencode(NETNS_DIRECTORY), b"none", _MS_SHARED | _MS_REC, None) == 0:
        return
    _mount(str(NETNS_DIRECTORY), NETNS_DIRECTORY, _MS_BIND | _MS_REC)
    _mount("", NETNS_DIRECTORY, _MS_SHARED | _MS_REC)


def write_disable_ipv6(link: str, *, is_disabled: bool) -> None:
    """Set disable_ipv6 of a link of the namespace that the calling thread is in; no IPv6 in the kernel is fine."""
    path = Path("/proc/sys/net/ipv6/conf") / link / "disable_ipv6"
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, b"1" if is_disabled else b"0")
        finally:
            os.close(descriptor)


class NamespaceWatch:
    """Tells which names in /run/netns came or went (inotify(7)); readable when there is something to read."""

    def __init__(self) -> None:
        prepare_directory()
        self._inotify = inotify.Inotify()
        mask = inotify.CREATE | inotify.DELETE | inotify.MOVED_FROM | inotify.MOVED_TO
        self._inotify.add(NETNS_DIRECTORY, mask)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._inotify.fileno()

    def read(self) -> set[str]:
        """The names that came or went since the last call."""
        return {name for _, name in self._inotify.read()}

    def close(self) -> None:
        """Stop watching."""
        self._inotify.close()


def open_netlink(groups: tuple[int, ...] = ()) -> socket.socket:
    """An rtnetlink socket in the namespace of the calling thread, subscribed to multicast groups."""
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    opened.bind((0, 0))
    for option in (_NETLINK_CAP_ACK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK):
        opened.setsockopt(_SOL_NETLINK, option, 1)
    for group in groups:
        opened.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)
    if groups:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 8 << 20)
        opened.setblocking(False)
    return opened


_SOL_NETLINK, _SO_RCVBUFFORCE = 270, 33
_NETLINK_ADD_MEMBERSHIP, _NETLINK_CAP_ACK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK = 1, 10, 11, 12


def _setns(descriptor: int) -> None:
    _check(_libc.setns(descriptor, _CLONE_NEWNET), "setns", "")


def _mount(source: str, target: Path, flags: int) -> None:
    _check(_libc.mount(source.encode(), os.fsencode(target), b"none", flags, None), "mount", str(target))


def _check(result: int, call: str, path: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{call}: {os.strerror(code)}", path or None)
    return result
