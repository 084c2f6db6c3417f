"""A router's namespace: ``qrouter-<id>`` with its ports, addresses, routes and rules (seed 001)."""

from collections.abc import Iterable

from patchbay.compile.view import HostView
from patchbay.hoststate import Resource


def compile_router(_view: HostView, _router_id: str) -> Iterable[Resource]:
    """Everything of a router that lives on this host."""
    return ()
