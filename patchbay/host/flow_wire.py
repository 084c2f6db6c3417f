"""Small pieces that the action encoders share: action headers, padding, splitting text at top-level commas."""

import re
import struct

from patchbay.host.flow_errors import FlowTextError

NICIRA = 0x00002320
"""The experimenter id of the Nicira extensions (OpenFlow 1.4 action type 0xffff)."""

_EXPERIMENTER = 0xFFFF
_HEADER = struct.Struct(">HH")
_NICIRA_HEADER = struct.Struct(">HHIH")
_TERM = re.compile(r"(?:[^,()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))+")


def standard(kind: int, body: bytes) -> bytes:
    """A standard action: type, length, body. The body brings the length to a multiple of 8."""
    return _HEADER.pack(kind, 4 + len(body)) + body


def nicira(subtype: int, body: bytes) -> bytes:
    """A Nicira extension action, padded to a multiple of 8 bytes."""
    length = 10 + len(body)
    return _NICIRA_HEADER.pack(_EXPERIMENTER, length + -length % 8, NICIRA, subtype) + body + bytes(-length % 8)


def padded(body: bytes, before: int) -> bytes:
    """``body`` with zeros, so that it ends on a multiple of 8 when ``before`` bytes precede it."""
    return body + bytes(-(before + len(body)) % 8)


def split_terms(text: str) -> list[str]:
    """The terms between commas that are not inside parentheses (three levels deep, enough for ct(exec(…)))."""
    if "(" not in text:
        return text.split(",")
    return _TERM.findall(text)


def number(text: str, bits: int, what: str) -> int:
    """A decimal or 0x number of at most ``bits`` bits. Raises FlowTextError."""
    try:
        value = int(text, 0)
    except ValueError:
        raise FlowTextError(f"'{text}' is not a {what}.", "Write a number, decimal or 0x….") from None
    if value < 0 or value >> bits:
        raise FlowTextError(f"{what} {text} is out of range.", f"It has {bits} bits.")
    return value
