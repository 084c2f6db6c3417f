"""What can be wrong with a flow, on the way from text to the switch. Raised by flow_encoding and openflow."""

from patchbay.errors import HostError
from patchbay.hoststate import Flow, Meter


class FlowTextError(HostError):
    """The text of a flow is not what ovs-ofctl would accept, or is outside the subset that Patchbay writes.

    ``flow`` is the flow, where it is known.
    """

    flow: Flow | None = None


class UnknownPort(FlowTextError):
    """A flow names a port that has no OpenFlow number on the bridge (yet)."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Port '{name}' has no OpenFlow number.", "Plug it into the bridge first, or give its number.")
        self.name = name


class BridgeUnreachable(HostError):
    """The bridge's OpenFlow socket cannot be reached, or was lost before the switch acknowledged."""


class FlowRefused(HostError):
    """The switch refused one flow. ``flow`` is None when it refused a deletion."""

    def __init__(self, flow: Flow | None, reason: str, remedy: str = "") -> None:
        what = f"Flow '{flow.text}' of {flow.bridge}" if flow else "A deletion of flows"
        super().__init__(f"{what} was refused: {reason}.", remedy)
        self.flow = flow


class FlowsRefused(HostError):
    """Some flows of a batch were refused. All others are installed, except those ``held`` for want of a port number."""

    def __init__(self, refused: tuple[FlowRefused | FlowTextError, ...], held: tuple[Flow, ...] = ()) -> None:
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        super().__init__(refused[0].message + more, refused[0].remedy)
        self.refused = refused
        self.held = held


class MeterRefused(HostError):
    """The switch refused a meter."""

    def __init__(self, meter: Meter, reason: str, remedy: str = "") -> None:
        super().__init__(f"Meter {meter.number} of {meter.bridge} was refused: {reason}.", remedy)
