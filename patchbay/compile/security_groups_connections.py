"""Connections and the rules that allow them: what a rule set notes in a connection, and asks of it.

A connection's label holds two numbers: the version of the egress rules of who began it, and of the ingress rules of who
was asked. The zone is the network's on this host, so ports of one network share it, and each of the two judges its own
half. A packet whose connection holds the rules' present version passes. If not (a new one, or rules or members have
changed since) they are asked anew, for both directions about its first packet: so a connection ends with the rule or
member that allowed it, at once and by itself, and all others get the new version.
"""

from collections.abc import Iterator

from patchbay.compile.leg import flow
from patchbay.compile.names import rule_set_number
from patchbay.compile.pipeline import (
    ACCEPT_INGRESS,
    ACCEPT_OR_INGRESS,
    BASE_EGRESS,
    BASE_INGRESS,
    RULES_EGRESS,
    RULES_INGRESS,
    TRACKED_EGRESS,
    TRACKED_INGRESS,
)
from patchbay.compile.security_groups import EGRESS, INGRESS
from patchbay.compile.security_groups_rules import ALLOW
from patchbay.compile.view import HostView
from patchbay.hoststate import Flow

FIRST, REPLY = "ct_state=-rpl-inv+trk", "ct_state=+rpl-inv+trk"
_BEGUN, _ASKED = ("[0..63]", 0, "2"), ("[64..127]", 64, "4")
"""Halves of the label: their bits, as text and number, and the bit of reg5 that says that they must be written."""
_LOW = (1 << 64) - 1


def compile_connections(view: HostView, key: str) -> Iterator[Flow]:
    """What is asked of the connections of ports with these groups."""
    rule_set = f"metadata={rule_set_number(key):#x}"
    if not view.security.is_here(key):
        return
    if view.security.is_stateless(key):
        for table, rules, verdict in (
            (BASE_EGRESS, RULES_EGRESS, ACCEPT_OR_INGRESS),
            (BASE_INGRESS, RULES_INGRESS, ACCEPT_INGRESS),
        ):
            actions = f"load:0->NXM_NX_REG5[2..4],ct_clear,resubmit(,{rules}),resubmit(,{verdict})"
            yield from (flow(table, 15, f"{version},{rule_set}", actions) for version in ("ip", "ipv6"))
        return
    egress, ingress = view.security.version(key, EGRESS), view.security.version(key, INGRESS)
    for table, verdict, is_sender in (
        (TRACKED_EGRESS, ACCEPT_OR_INGRESS, True),
        (TRACKED_INGRESS, ACCEPT_INGRESS, False),
    ):
        begun, asked = (FIRST, REPLY) if is_sender else (REPLY, FIRST)
        yield from _judged(table, verdict, begun, rule_set, (egress, _BEGUN, RULES_EGRESS))
        yield from _judged(table, verdict, asked, rule_set, (ingress, _ASKED, RULES_INGRESS))


def _judged(
    table: int, verdict: int, state: str, rule_set: str, half: tuple[int, tuple[str, int, str], int]
) -> Iterator[Flow]:
    """Packets that one half of the label decides about: as noted, or as the rules say now."""
    version, (bits, shift, flag), rules = half
    label = f"ct_label={version << shift:#x}/{_LOW << shift:#x}"
    yield flow(table, 5, f"{state},{label},{rule_set}", f"{ALLOW},resubmit(,{verdict})")
    note = f"load:{version:#x}->NXM_NX_XXREG2{bits},load:0x1->NXM_NX_REG5[{flag}]"
    yield flow(table, 1, f"{state},{rule_set}", f"{note},resubmit(,{rules}),resubmit(,{verdict})")
