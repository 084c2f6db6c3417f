"""What a process that lives long does to itself: its memory and its limit of open files."""

import contextlib
import ctypes
import gc
import resource


def give_memory_back() -> None:
    """What was needed only to begin: garbage goes, what stays is not looked at by the collector again."""
    gc.collect()
    gc.freeze()
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def raise_file_limit() -> None:
    """As many open files as the hard limit allows: sockets in namespaces, listeners, connections."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
