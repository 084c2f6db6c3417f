"""Flows from ovs-ofctl text (hoststate.Flow) to OpenFlow 1.4 flow_mod messages.

Called by ``openflow`` and by tests. Pure. Every function gives the body of a message, that is everything after the
eight bytes of version, type, length and transaction id, which the connection puts in front.
"""

import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec

from patchbay.host.flow_actions import encode_actions, port_of
from patchbay.host.flow_errors import FlowTextError
from patchbay.host.flow_fields import PORTS
from patchbay.host.flow_match import encode_match, encode_words, matches_vlan, words_of
from patchbay.host.flow_wire import number, split_terms
from patchbay.hoststate import Flow
from patchbay.hoststate.flow import LEARN_COOKIE

ALL_TABLES = 255
_ADD, _DELETE = 0, 3
_NO_BUFFER = 0xFFFFFFFF
_ANY = PORTS["ANY"]
_APPLY_ACTIONS, _METER = 4, 6
_FLOW_MOD = struct.Struct(">QQBBHHHIIIHH")
_INSTRUCTION = struct.Struct(">HH4x")
_METER_INSTRUCTION = struct.Struct(">HHI")
_ALL_BITS = (1 << 64) - 1


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which flows to delete: all that are at least as specific as ``match`` in ``table`` and carry this cookie.

    ``cookie_mask`` says which bits of the cookie count (0: none). ``out_port``, when given, keeps flows that do not
    output to that OpenFlow port.
    """

    table: int = ALL_TABLES
    cookie: int = 0
    cookie_mask: int = 0
    match: str = ""
    out_port: int | None = None


def by_cookie(table: int, cookie: int) -> Selection:
    """The one flow of ours of which only table and cookie are known."""
    return Selection(table=table, cookie=cookie, cookie_mask=_ALL_BITS)


def learned_on(local_vlan: int | None, table: int = 20) -> Selection:
    """The flows that learn() made for one local VLAN (seed 002: they match the VLAN id's twelve bits only), or (None)
    for any."""
    match = "" if local_vlan is None else f"vlan_tci=0x{local_vlan:04x}/0x0fff"
    return Selection(table=table, cookie=LEARN_COOKIE, cookie_mask=_ALL_BITS, match=match)


def learned_towards(out_port: int, table: int = 20) -> Selection:
    """The flows that learn() made for what came in by one port, for instance a tunnel that goes away."""
    return Selection(table=table, cookie=LEARN_COOKIE, cookie_mask=_ALL_BITS, out_port=out_port)


def encode_add(flow: Flow, ports: Mapping[str, int]) -> bytes:
    """The flow_mod body that adds a flow, or replaces one with the same table, priority and match.

    ``ports`` maps port names to OpenFlow numbers; numbers in the text need no entry. The switch replaces atomically
    and keeps the packet counters. Raises FlowTextError that names the flow; UnknownPort when a port is missing.
    """
    try:
        words, protocol = words_of(flow.match)
        match = encode_words(words, protocol, ports)
        has_vlan = "vlan" in flow.actions and matches_vlan(words)
        meter, text = _split_meter(flow.actions)
        actions = encode_actions(text, protocol, has_vlan, ports)
    except FlowTextError as error:
        error.message = f"Flow '{flow.text}' of {flow.bridge}: {error.message}"
        error.flow = flow
        raise
    head = _FLOW_MOD.pack(flow.cookie, 0, flow.table, _ADD, 0, 0, flow.priority, _NO_BUFFER, _ANY, _ANY, 0, 0)
    if not actions:
        return head + match
    return b"".join((head, match, meter, _INSTRUCTION.pack(_APPLY_ACTIONS, 8 + len(actions)), actions))


def _split_meter(actions: str) -> tuple[bytes, str]:
    """The instruction that sends packets through a meter, which is none of OpenFlow 1.4's actions, and the rest."""
    if not actions.startswith("meter:"):
        return b"", actions
    text, _, rest = actions[6:].partition(",")
    return _METER_INSTRUCTION.pack(_METER, _METER_INSTRUCTION.size, number(text, 32, "meter")), rest


def encode_delete(what: Flow | Selection) -> bytes:
    """The flow_mod body that deletes a flow of ours by table and cookie, or a selection.

    A flow is deleted by its cookie and not by its match: so the deletion cannot hit the flow that replaced it, and
    needs no port to be known. Raises FlowTextError.
    """
    if isinstance(what, Flow):
        what = by_cookie(what.table, what.cookie)
    port = _ANY if what.out_port is None else what.out_port
    fields = (what.cookie, what.cookie_mask, what.table, _DELETE, 0, 0, 0, _NO_BUFFER, port, _ANY, 0, 0)
    return _FLOW_MOD.pack(*fields) + encode_match(what.match, {})


def ports_named(flow: Flow) -> frozenset[str]:
    """The port names that must have an OpenFlow number before this flow can be sent."""
    return _match_port(flow.match) | _action_ports(flow.actions)


def can_encode(flow: Flow, ports: Mapping[str, int] | Iterable[str]) -> bool:
    """Whether every port that the flow names has a number."""
    return ports_named(flow) <= set(ports)


@lru_cache(maxsize=1024)
def _action_ports(actions: str) -> frozenset[str]:
    if actions == "drop":
        return frozenset()
    return frozenset(name for word in split_terms(_split_meter(actions)[1]) if (name := port_of(word)))


def _match_port(match: str) -> frozenset[str]:
    start = match.find("in_port=")
    if start < 0:
        return frozenset()
    name = match[start + 8 :].partition(",")[0]
    return frozenset() if name.isdigit() or name.upper() in PORTS else frozenset((name,))
