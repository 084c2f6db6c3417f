"""Where an OVSDB server listens, as ovsdb(7) writes it: ``unix:PATH``, ``tcp:ADDRESS:PORT`` or ``ssl:ADDRESS:PORT``."""

import contextlib
import os
from collections.abc import Iterator

import msgspec

from patchbay.ovsdb.errors import OvsdbError

DEFAULT_PORT = 6640
UNIX_PATH_BYTES = 108


class Remote(msgspec.Struct, frozen=True):
    """``address`` is an IP address or name, or with ``port`` 0 the path of a Unix socket. ``is_tls``: ``ssl:``."""

    address: str
    port: int
    is_tls: bool = False

    def __str__(self) -> str:
        if not self.port:
            return f"unix:{self.address}"
        kind = "ssl" if self.is_tls else "tcp"
        return f"{kind}:[{self.address}]:{self.port}" if ":" in self.address else f"{kind}:{self.address}:{self.port}"


def parse_remote(text: str) -> Remote:
    """The remote that ``text`` names; without a port that of OVSDB, 6640. Raises OvsdbError."""
    kind, _, rest = text.partition(":")
    if kind == "unix" and rest:
        return Remote(rest, 0)
    if kind in ("tcp", "ssl") and rest:
        is_tls = kind == "ssl"
        address, colon, port = rest.rpartition(":")
        if not colon or rest.endswith("]"):
            return Remote(rest.strip("[]"), DEFAULT_PORT, is_tls)
        if address and port.isdecimal() and 0 < int(port) < 65536:
            return Remote(address.strip("[]"), int(port), is_tls)
    raise OvsdbError(f"{text!r} is not an OVSDB remote.", "Write unix:PATH, tcp:ADDRESS:PORT or ssl:ADDRESS:PORT.")


@contextlib.contextmanager
def short_path(path: str) -> Iterator[str]:
    """Another name of a Unix socket whose path is too long for the kernel (unix(7): 108 bytes)."""
    if len(os.fsencode(path)) < UNIX_PATH_BYTES:
        yield path
        return
    directory, _, name = path.rpartition("/")
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
