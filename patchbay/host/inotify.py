"""inotify(7): the kernel tells of files that come, go and change in watched folders.

Used by ``patchbay.host.netns`` and ``patchbay.host.daemons``, which wait on ``fileno``.
"""

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator
from pathlib import Path

CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE, DELETE, DELETE_SELF = 0x8, 0x40, 0x80, 0x100, 0x200, 0x400
_IGNORED = 0x8000
_EVENT = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Inotify:
    """Watches of folders; readable when there is something to read."""

    def __init__(self) -> None:
        self._descriptor: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1: no watch is possible")
        self._folders: dict[int, Path] = {}

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._descriptor

    def add(self, folder: Path, mask: int) -> None:
        """Watch a folder, until it is deleted. Raises OSError."""
        watch = _libc.inotify_add_watch(self._descriptor, os.fsencode(folder), mask)
        if watch < 0:
            code = ctypes.get_errno()
            raise OSError(code, f"inotify_add_watch: {os.strerror(code)}", str(folder))
        self._folders[watch] = folder

    def read(self) -> Iterator[tuple[Path, str]]:
        """What happened since the last call: a folder, and the name in it that came, went or changed ("": itself)."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._descriptor, 65536):
                yield from self._parse(data)

    def _parse(self, data: bytes) -> Iterator[tuple[Path, str]]:
        at = 0
        while at < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size + length
            folder = self._folders.pop(watch, None) if mask & _IGNORED else self._folders.get(watch)
            if folder is not None:
                yield folder, os.fsdecode(data[at - length : at].rstrip(b"\0"))

    def close(self) -> None:
        """Stop watching."""
        os.close(self._descriptor)
