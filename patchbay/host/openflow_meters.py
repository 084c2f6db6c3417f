"""OpenFlow 1.4 messages about meters. Called by ``openflow``. Pure: bytes in, values out."""

import struct
from typing import NamedTuple

from patchbay.host import openflow_messages as messages
from patchbay.hoststate import Meter

METER_MOD = 29
METER_STATS, METER_CONFIG = 9, 10
ADD, MODIFY, DELETE = 0, 1, 2
EXISTS, UNKNOWN = (12, 1), (12, 3)
"""Errors: the meter to be added is there already; the meter to be changed or deleted is not."""
ALL_METERS = 0xFFFFFFFF

_PACKETS_WITH_BURST = 1 << 1 | 1 << 2
_DROP = 1
_MOD = struct.Struct(">HHI")
_BAND = struct.Struct(">HHII4x")
_CONFIG = struct.Struct(">HHI")
_STATS = struct.Struct(">IH6xIQQII")
_BAND_STATS = struct.Struct(">QQ")


class Metered(NamedTuple):
    """How many packets a meter has dropped."""

    number: int
    dropped: int


def meter_mod(command: int, meter: Meter) -> bytes:
    """The body of the message that adds, changes or deletes a meter."""
    if command == DELETE:
        return _MOD.pack(DELETE, 0, meter.number)
    head = _MOD.pack(command, _PACKETS_WITH_BURST, meter.number)
    return head + _BAND.pack(_DROP, _BAND.size, meter.rate, meter.burst)


def meters_request(kind: int, xid: int) -> bytes:
    """Ask for all meters (METER_CONFIG) or what they have dropped (METER_STATS)."""
    return messages.message(
        messages.MULTIPART_REQUEST, xid, struct.pack(">HH4x", kind, 0) + struct.pack(">I4x", ALL_METERS)
    )


def meters(frame: bytes, bridge: str) -> list[Meter]:
    """The meters in one part of a METER_CONFIG reply. One that is not as we make them has no rate."""
    found = []
    at, end = 16, len(frame)
    while at < end:
        length, flags, number = _CONFIG.unpack_from(frame, at)
        rate = burst = 0
        if length == _CONFIG.size + _BAND.size and flags & _PACKETS_WITH_BURST == _PACKETS_WITH_BURST:
            kind, _, *limits = _BAND.unpack_from(frame, at + _CONFIG.size)
            rate, burst = limits if kind == _DROP else (0, 0)
        found.append(Meter(bridge=bridge, number=number, rate=rate, burst=burst))
        at += length or end
    return found


def metered(frame: bytes) -> list[Metered]:
    """What the meters in one part of a METER_STATS reply have dropped."""
    found = []
    at, end = 16, len(frame)
    while at < end:
        number, length, *_ = _STATS.unpack_from(frame, at)
        bands = range(at + _STATS.size, at + length, _BAND_STATS.size)
        found.append(Metered(number, sum(_BAND_STATS.unpack_from(frame, band)[0] for band in bands)))
        at += length or end
    return found
