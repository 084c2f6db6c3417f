"""Flows in plans: grouped by bridge, those of an earlier agent known by cookie, and what was learned by them.

Called by ``diff``.
"""

from collections import defaultdict
from collections.abc import Iterable

from patchbay.compile.br_tun import learned_vlan
from patchbay.compile.names import BR_INT, BR_TUN
from patchbay.compile.pipeline import RULES_EGRESS, RULES_INGRESS, VXLAN_TUN_TO_LV
from patchbay.hoststate import Bridge, Flow, Resource
from patchbay.plan import operations as op
from patchbay.plan.observed import ObservedFlow, Seen


def grouped_flows(make: type[op.AddFlows] | type[op.DelFlows], flows: list[Flow]) -> Iterable[op.Operation]:
    """One operation a bridge, flows in the order in which a switch prints them."""
    bridges: dict[str, list[Flow]] = defaultdict(list)
    for flow in flows:
        bridges[flow.bridge].append(flow)
    for bridge in sorted(bridges):
        ordered = sorted(bridges[bridge], key=lambda item: (item.table, -item.priority, item.match))
        yield make(bridge, tuple(ordered))


def split_leftover(removed: list[Seen], added: list[Resource]) -> tuple[list[ObservedFlow], list[ObservedFlow]]:
    """Flows known by cookie: those that an added flow succeeds under the same cookie must go first."""
    coming = {(item.bridge, item.table, item.cookie) for item in added if isinstance(item, Flow)}
    leftover = [item for item in removed if isinstance(item, ObservedFlow)]
    stale: list[ObservedFlow] = []
    others: list[ObservedFlow] = []
    for item in leftover:
        (stale if (item.bridge, item.table, item.cookie) in coming else others).append(item)
    return stale, others


def delete_flows(removed: list[Seen], leftover: list[ObservedFlow], *, of_rules: bool) -> Iterable[op.Operation]:
    """Flows that go, known by their match or by cookie: those of rules of security groups, or the others."""
    flows = [item for item in removed if isinstance(item, Flow) and _is_rule(item) == of_rules]
    yield from grouped_flows(op.DelFlows, flows)
    yield from delete_flows_by_cookie([item for item in leftover if _is_rule(item) == of_rules])


def _is_rule(flow: Flow | ObservedFlow) -> bool:
    return flow.bridge == BR_INT and flow.table in (RULES_EGRESS, RULES_INGRESS)


def delete_flows_by_cookie(flows: list[ObservedFlow]) -> Iterable[op.Operation]:
    """One operation a bridge."""
    bridges: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for flow in flows:
        bridges[flow.bridge].append((flow.table, flow.cookie))
    return (op.DelFlowsByCookie(bridge, tuple(sorted(bridges[bridge]))) for bridge in sorted(bridges))


def flush(changes: list[tuple[Seen | None, Resource | None]], unknown: list[ObservedFlow]) -> Iterable[op.Operation]:
    """Local VLANs that lead to another network than before, or to none; nothing is learned on a new bridge.

    Of a flow that an earlier agent left, nobody knows which it led into: it may be any network's, now or later, also
    one's that has no tunnels. So all is learned anew.
    """
    if any(have is None and isinstance(want, Bridge) for have, want in changes):
        return
    if any((flow.bridge, flow.table) == (BR_TUN, VXLAN_TUN_TO_LV) for flow in unknown):
        yield op.FlushLearned(BR_TUN, None)
        return
    flows = [item for change in changes for item in change if isinstance(item, Flow)]
    local_vlans = {(flow.bridge, local_vlan) for flow in flows if (local_vlan := learned_vlan(flow)) is not None}
    yield from (op.FlushLearned(bridge, local_vlan) for bridge, local_vlan in sorted(local_vlans))
