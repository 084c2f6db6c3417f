"""The metadata server of a host: one process with a listener in each namespace that needs it."""

from collections.abc import Iterable

from patchbay.compile.view import HostView
from patchbay.hoststate import Resource


def compile_metadata(_view: HostView) -> Iterable[Resource]:
    """The server, if a router or a DHCP server is here."""
    return ()
