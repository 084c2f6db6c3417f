"""HostState: everything Patchbay wants, or finds, on one host."""

from collections.abc import Mapping

from patchbay.hoststate.flow import Flow
from patchbay.hoststate.limits import ConnectionLimit, Meter
from patchbay.hoststate.netns import Address, Link, Namespace, Route
from patchbay.hoststate.services import Daemon, Ruleset, Sysctl
from patchbay.hoststate.switch import Borrowed, Bridge, BridgePort, PortTag

Resource = (Bridge | BridgePort | PortTag | Borrowed | Flow | Meter | ConnectionLimit) | (
    Namespace | Link | Address | Route | Sysctl | Ruleset | Daemon
)
Key = tuple[str, ...]
HostState = Mapping[Key, Resource]
