"""The learn() action: a flow that makes flows (ovs-actions(7), "The learn action"; seed 002, table 10)."""

import struct

from patchbay.host.flow_errors import FlowTextError
from patchbay.host.flow_fields import SYMBOLS, Subfield, field_named, subfield, value_of
from patchbay.host.flow_wire import nicira, number, split_terms

_LEARN = 16
_DEFAULT_PRIORITY = 0x8000
_FLAGS = {"send_flow_rem": 1, "delete_learned": 2}
_SETTINGS = {
    "idle_timeout": 16,
    "hard_timeout": 16,
    "fin_idle_timeout": 16,
    "fin_hard_timeout": 16,
    "priority": 16,
    "cookie": 64,
    "table": 8,
}
_FROM_VALUE, _TO_LOAD, _TO_OUTPUT = 1 << 13, 1 << 11, 2 << 11


def encode_learn(argument: str) -> bytes:
    """The action for the text between the parentheses of learn(). Raises FlowTextError."""
    settings = {"priority": _DEFAULT_PRIORITY, "table": 1}
    flags = 0
    specs = []
    for term in split_terms(argument):
        name, equals, value = term.partition("=")
        if name in _FLAGS:
            flags |= _FLAGS[name]
        elif equals and name in _SETTINGS:
            settings[name] = number(value, _SETTINGS[name], name)
        else:
            specs.append(_spec(term))
    head = struct.pack(
        ">HHHQHBxHH",
        settings.get("idle_timeout", 0),
        settings.get("hard_timeout", 0),
        settings["priority"],
        settings.get("cookie", 0),
        flags,
        settings["table"],
        settings.get("fin_idle_timeout", 0),
        settings.get("fin_hard_timeout", 0),
    )
    return nicira(_LEARN, head + b"".join(specs))


def _spec(term: str) -> bytes:
    """One specification: what the learned flow matches, loads, or outputs to."""
    verb, colon, rest = term.partition(":")
    if colon and verb == "output":
        source = subfield(rest)
        return struct.pack(">H", _TO_OUTPUT | source.bits) + _reference(source)
    if colon and verb == "load":
        source_text, arrow, target_text = rest.partition("->")
        if not arrow:
            raise FlowTextError(f"'{term}' in learn() has no target.", "Write load:VALUE->FIELD[].")
        return _from_to(source_text, subfield(target_text), _TO_LOAD, term)
    target_text, equals, source_text = term.partition("=")
    return _from_to(source_text if equals else target_text, subfield(target_text), 0, term)


def _from_to(source_text: str, target: Subfield, kind: int, term: str) -> bytes:
    if _is_field(source_text):
        source = subfield(source_text)
        if source.bits != target.bits:
            raise FlowTextError(f"'{term}' in learn() has two widths.", f"{source.bits} and {target.bits} bits.")
        return struct.pack(">H", kind | target.bits) + _reference(source) + _reference(target)
    whole = target.bits == target.field.bits
    value = value_of(target.field, source_text) if whole else number(source_text, target.bits, term)
    size_bytes = 2 * -(-target.bits // 16)
    return struct.pack(">H", kind | _FROM_VALUE | target.bits) + value.to_bytes(size_bytes, "big") + _reference(target)


def _is_field(text: str) -> bool:
    name = text.partition("[")[0]
    if "[" in text or name in SYMBOLS:
        return True
    try:
        field_named(name)
    except FlowTextError:
        return False
    return True


def _reference(part: Subfield) -> bytes:
    return struct.pack(">IH", part.header, part.offset)
