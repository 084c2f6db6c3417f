"""What Open vSwitch remembers of what has changed.

Ordinary switching learned where the MAC of a port is: of one with port security, at ``patch-secured``. When a port gets
port security or loses it that is wrong, until the port sends something.

Each packet leaves an entry in the datapath's cache: what the flows of all tables came to for such packets. After a
change of flows ovs-vswitchd looks at the entries and writes new actions into those that are wrong. The userspace
datapath (3.1) finds the entry to write to by a packet, and takes any entry that fits: where two overlap it can be the
other one, and the wrong one goes on for as long as packets use it: what rules do not allow any more could pass. So the
cache is emptied after changes of the tables that judge. The kernel's datapath needs no such help.
"""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from patchbay.agent.flow_tables import FlowOperation
from patchbay.compile import names, pipeline
from patchbay.errors import HostError
from patchbay.host.switch_control import forget_cached_flows, forget_learned_macs
from patchbay.plan.operations import AddFlows, ClearPortTag, DelFlows, DelFlowsByCookie, Operation, SetPort, SetPortTag

logger = logging.getLogger(__name__)

USERSPACE = "netdev"
JUDGING = frozenset(
    (
        *(pipeline.ARP_SPOOF, pipeline.MAC_SPOOF, pipeline.TRANSIENT, pipeline.TO_PORTS, pipeline.PORT),
        *(pipeline.BASE_EGRESS, pipeline.RULES_EGRESS, pipeline.ACCEPT_OR_INGRESS, pipeline.TRACKED_EGRESS),
        *(pipeline.BASE_INGRESS, pipeline.RULES_INGRESS, pipeline.ACCEPT_INGRESS, pipeline.TRACKED_INGRESS),
    )
)
"""Tables of br-int that decide what ports with port security send and are sent."""


async def forget_cached(rundir: Path, datapath_type: str, operations: Sequence[FlowOperation]) -> None:
    """After these operations: no packet is treated as flows said that are no more."""
    if datapath_type != USERSPACE or JUDGING.isdisjoint(_tables(operations)):
        return
    try:
        await forget_cached_flows(rundir)
    except HostError as error:
        logger.warning(error.message, extra={"remedy": error.remedy})


async def forget_learned(rundir: Path, operations: Iterable[Operation]) -> None:
    """After these operations: no frame is lost where a port was before it got, or lost, port security."""
    if not any(map(_opens_or_closes, operations)):
        return
    try:
        await forget_learned_macs(rundir, names.BR_INT)
    except HostError as error:
        logger.warning(error.message, extra={"remedy": error.remedy})


def _opens_or_closes(operation: Operation) -> bool:
    match operation:
        case SetPort(old, new):
            return old.is_closed != new.is_closed
        case SetPortTag(new, old):
            return new.is_closed != (old is not None and old.is_closed)
        case ClearPortTag(tag):
            return tag.is_closed
    return False


def _tables(operations: Iterable[FlowOperation]) -> Iterable[int]:
    """The tables of br-int that change."""
    for operation in operations:
        if operation.bridge != names.BR_INT:
            continue
        match operation:
            case AddFlows(_, flows) | DelFlows(_, flows):
                yield from (flow.table for flow in flows)
            case DelFlowsByCookie(_, cookies):
                yield from (table for table, _ in cookies)
