"""OpenFlow 1.4 messages that are not flow_mods: bundles, multipart requests, and what the switch answers.

Called by ``openflow``. Pure: bytes in, values out. Numbers are those of the OpenFlow Switch Specification 1.4.0.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from patchbay.host.flow_encoding import ALL_TABLES
from patchbay.host.flow_fields import PORTS

VERSION = 0x05
HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, FLOW_MOD = 0, 1, 2, 3, 14
MULTIPART_REQUEST, MULTIPART_REPLY, BARRIER_REQUEST, BARRIER_REPLY = 18, 19, 20, 21
BUNDLE_CONTROL, BUNDLE_ADD = 33, 34
BUNDLE_OPEN, BUNDLE_CLOSE, BUNDLE_COMMIT, BUNDLE_DISCARD = 0, 2, 4, 6
FLOW_STATS, AGGREGATE, PORT_DESCRIPTION, FLOW_MONITOR = 1, 2, 13, 16
ADDED, REMOVED, MODIFIED = 1, 2, 3
"""Flow monitor events (OpenFlow 1.4, 7.3.5.18)."""

_ATOMIC_AND_ORDERED = 3
_MORE = 1
_MATCH_ALL = b"\x00\x01\x00\x04\x00\x00\x00\x00"
_MONITOR_FLAGS = 1 << 1 | 1 << 2 | 1 << 3  # added, removed, modified; own changes come abbreviated

_HEADER = struct.Struct(">BBHI")
_BUNDLE_ADD_HEADER = struct.Struct(">BBHIIHHBBHI")
_FLOW_STATS_ITEM = struct.Struct(">HB9xH10xQ")
_MONITOR_HEAD = struct.Struct(">HH")
_MONITOR_FULL = struct.Struct(">4xBx4xH4xQ")
_TLV = struct.Struct(">HH")
_IN_PORT_OXM = b"\x80\x00\x00\x04"
_WITH_ACTIONS = frozenset((3, 4))  # write_actions, apply_actions
_OUTPUT = 0
_EXPERIMENTER, _RESUBMIT_TABLE = 0xFFFF, struct.pack(">IH", 0x2320, 14)
"""A Nicira action, and the one that asks a table, perhaps as from another port."""
_FIRST_RESERVED = 0xFFFFFF00
_PORT = struct.Struct(">IHxx8x16s")


class FlowId(NamedTuple):
    """By what a flow on a switch is known: its table, cookie and priority."""

    table: int
    cookie: int
    priority: int


class MonitorEvent(NamedTuple):
    """One change that the flow monitor reports: ADDED, REMOVED or MODIFIED, and of which flow."""

    event: int
    flow: FlowId


class SwitchError(NamedTuple):
    """An error message: type and code, and in words."""

    kind: int
    code: int

    @property
    def reason(self) -> str:
        return _REASONS.get((self.kind, self.code), f"error type {self.kind}, code {self.code}")

    @property
    def remedy(self) -> str:
        return _REMEDIES.get((self.kind, self.code), "ovs-vswitchd.log says more.")


_REASONS = {
    (0, 0): "the switch does not speak OpenFlow 1.4",
    (1, 5): "the connection may only read",
    (2, 0): "unknown action",
    (2, 4): "an output port does not exist",
    (2, 5): "bad action argument",
    (2, 10): "an action is inconsistent with the match",
    (2, 13): "bad field in set_field",
    (4, 4): "the match lacks a prerequisite or is malformed",
    (4, 6): "unknown field in the match",
    (4, 7): "bad value in the match",
    (4, 8): "bad mask in the match",
    (4, 9): "a field of the match lacks its prerequisite",
    (4, 10): "a field occurs twice in the match",
    (5, 1): "the table is full",
    (5, 2): "the table does not exist",
    (5, 3): "an overlapping flow exists",
    (12, 2): "there is no such meter, or can be none",
    (12, 3): "there is no such meter",
    (12, 11): "there can be no more meters",
    (17, 6): "the bundle was timed out by the switch",
    (17, 13): "a message of the bundle failed",
}
_REMEDIES = {
    (0, 0): "Add OpenFlow14 to the bridge's protocols column, or clear it.",
    (2, 10): "Match what the action needs: dl_vlan for strip_vlan, the protocol for its fields.",
    (4, 9): "Match the protocol too.",
    (12, 2): "This datapath has no meters, or few: run the agent with --new-connections-per-second 0.",
    (5, 1): "Raise or clear flow_limit in the Flow_Table record.",
}


def message(kind: int, xid: int, body: bytes = b"") -> bytes:
    """A message with its header."""
    return _HEADER.pack(VERSION, kind, 8 + len(body), xid) + body


def hello(xid: int) -> bytes:
    """HELLO that offers OpenFlow 1.4 and nothing else."""
    return message(HELLO, xid, struct.pack(">HHI", 1, 8, 1 << VERSION))


def offers_our_version(frame: bytes) -> bool:
    """Whether a HELLO offers OpenFlow 1.4 (by its version bitmap, or by its version alone when it has none)."""
    if len(frame) >= 16 and frame[8:10] == b"\0\1":
        return bool(struct.unpack_from(">I", frame, 12)[0] >> VERSION & 1)
    return frame[0] >= VERSION


def bundle_control(xid: int, bundle_id: int, kind: int) -> bytes:
    """Open, close, commit or discard a bundle (atomic and ordered)."""
    return message(BUNDLE_CONTROL, xid, struct.pack(">IHH", bundle_id, kind, _ATOMIC_AND_ORDERED))


def bundled_flow_mods(first_xid: int, bundle_id: int, bodies: Iterable[bytes]) -> bytes:
    """flow_mods as messages of a bundle, with transaction ids counted up from ``first_xid``."""
    packed = []
    for xid, body in enumerate(bodies, first_xid):
        inner = 8 + len(body)
        packed.append(
            _BUNDLE_ADD_HEADER.pack(
                VERSION, BUNDLE_ADD, 16 + inner, xid, bundle_id, 0, _ATOMIC_AND_ORDERED, VERSION, FLOW_MOD, inner, xid
            )
        )
        packed.append(body)
    return b"".join(packed)


def flow_stats_request(kind: int, cookie: int, cookie_mask: int, xid: int) -> bytes:
    """Ask for all flows (FLOW_STATS) or their number (AGGREGATE) with this cookie under this mask."""
    body = struct.pack(">B3xII4xQQ", ALL_TABLES, PORTS["ANY"], PORTS["ANY"], cookie, cookie_mask)
    return message(MULTIPART_REQUEST, xid, struct.pack(">HH4x", kind, 0) + body + _MATCH_ALL)


def port_description_request(xid: int) -> bytes:
    """Ask for all ports of the bridge."""
    return message(MULTIPART_REQUEST, xid, struct.pack(">HH4x", PORT_DESCRIPTION, 0))


def flow_monitor_request(xid: int) -> bytes:
    """Ask to be told of every change of flows that others make from now on."""
    body = struct.pack(">IIIHBB", 1, PORTS["ANY"], PORTS["ANY"], _MONITOR_FLAGS, ALL_TABLES, 0)
    return message(MULTIPART_REQUEST, xid, struct.pack(">HH4x", FLOW_MONITOR, 0) + body + _MATCH_ALL)


def multipart_head(frame: bytes) -> tuple[int, bool]:
    """Kind of a multipart reply, and whether more parts follow."""
    kind, flags = struct.unpack_from(">HH", frame, 8)
    return kind, bool(flags & _MORE)


def flow_ids(frame: bytes) -> list[FlowId]:
    """The flows in one part of a FLOW_STATS reply. Skips match and instructions unread."""
    found: list[FlowId] = []
    append, unpack, make = found.append, _FLOW_STATS_ITEM.unpack_from, FlowId
    at, end = 16, len(frame)
    while at < end:
        length, table, priority, cookie = unpack(frame, at)
        append(make(table, cookie, priority))
        at += length or end  # a length of zero is malformed; do not stay here for ever
    return found


def flow_ports(frame: bytes) -> list[tuple[FlowId, frozenset[int]]]:
    """The flows in one part of a FLOW_STATS reply, with the port numbers that they match, output to or resubmit as."""
    found = []
    at, end = 16, len(frame)
    while at < end:
        length, table, priority, cookie = _FLOW_STATS_ITEM.unpack_from(frame, at)
        found.append((FlowId(table, cookie, priority), frozenset(_ports_in(frame, at + 48, at + length))))
        at += length or end
    return found


def _ports_in(frame: bytes, at: int, end: int) -> Iterable[int]:
    """Ports in the match that starts at ``at``, and in outputs and resubmits of the instructions behind it."""
    match_length = int.from_bytes(frame[at + 2 : at + 4], "big")
    field, match_end = at + 4, at + match_length
    while field < match_end:
        if frame[field : field + 4] == _IN_PORT_OXM:
            yield from _plain_port(frame, field + 4)
        field += 4 + frame[field + 3]
    at += match_length + -match_length % 8
    while at < end:
        kind, length = _TLV.unpack_from(frame, at)
        action = at + 8 if kind in _WITH_ACTIONS else at + length
        at += length or end
        while action < at:
            kind, length = _TLV.unpack_from(frame, action)
            if kind == _OUTPUT:
                yield from _plain_port(frame, action + 4)
            elif kind == _EXPERIMENTER and frame[action + 4 : action + 10] == _RESUBMIT_TABLE:
                port = int.from_bytes(frame[action + 10 : action + 12], "big")
                if port < _FIRST_RESERVED & 0xFFFF:
                    yield port
            action += length or end


def _plain_port(frame: bytes, at: int) -> Iterable[int]:
    port = int.from_bytes(frame[at : at + 4], "big")
    if port < _FIRST_RESERVED:
        yield port


def aggregate_count(frame: bytes) -> int:
    """The number of flows in an AGGREGATE reply."""
    return int(struct.unpack_from(">I", frame, 32)[0])


def port_numbers(frame: bytes) -> dict[str, int]:
    """Port names with their OpenFlow numbers, from one part of a PORT_DESCRIPTION reply."""
    ports = {}
    at = 16
    while at < len(frame):
        number, length, name = _PORT.unpack_from(frame, at)
        ports[name.rstrip(b"\0").decode()] = number
        at += length or len(frame)
    return ports


def monitor_events(frame: bytes) -> Sequence[MonitorEvent]:
    """What one flow monitor message reports. Abbreviated own changes, pause and resume are left out."""
    events = []
    at, end = 16, len(frame)
    while at < end:
        length, event = _MONITOR_HEAD.unpack_from(frame, at)
        if event in (ADDED, REMOVED, MODIFIED):
            table, priority, cookie = _MONITOR_FULL.unpack_from(frame, at)
            events.append(MonitorEvent(event, FlowId(table, cookie, priority)))
        at += length or end
    return events


def switch_error(frame: bytes) -> SwitchError:
    """Type and code of an ERROR message."""
    return SwitchError(*struct.unpack_from(">HH", frame, 8))
