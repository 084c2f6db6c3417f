"""The DHCP server of a network: ``qdhcp-<id>`` with its port and dnsmasq (seed 001)."""

from collections.abc import Iterable

from patchbay.compile.view import HostView
from patchbay.hoststate import Resource


def compile_dhcp(_view: HostView, _network_id: str) -> Iterable[Resource]:
    """Everything of a network's DHCP server on this host."""
    return ()
