"""What a host is: one set of types for what should be (desired) and what is there (observed).

Every resource is a frozen value with a ``key`` that is the machine's own (a bridge's name, a route's namespace,
destination and metric …). A ``HostState`` maps keys to resources; two resources with the same key and different
values are a change of one thing.
"""

from patchbay.hoststate.flow import Flow
from patchbay.hoststate.limits import ConnectionLimit, Meter
from patchbay.hoststate.netns import Address, Link, Namespace, Route
from patchbay.hoststate.services import Daemon, Ruleset, Sysctl
from patchbay.hoststate.state import HostState, Key, Resource
from patchbay.hoststate.switch import Borrowed, Bridge, BridgePort, PortTag

__all__ = [
    "Address",
    "Borrowed",
    "Bridge",
    "BridgePort",
    "ConnectionLimit",
    "Daemon",
    "Flow",
    "HostState",
    "Key",
    "Link",
    "Meter",
    "Namespace",
    "PortTag",
    "Resource",
    "Route",
    "Ruleset",
    "Sysctl",
]
