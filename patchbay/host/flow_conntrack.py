"""The ct() action with nat() and exec() (ovs-actions(7), "The ct action")."""

import ipaddress
import re
import struct

from patchbay.host.flow_errors import FlowTextError
from patchbay.host.flow_fields import subfield
from patchbay.host.flow_wire import nicira, number, split_terms

_CT, _NAT = 35, 36
_CT_FLAGS = {"commit": 1, "force": 2}
_NAT_FLAGS = {"src": 1, "dst": 2, "persistent": 4, "hash": 8, "random": 16}
_ALGS = {"ftp": 21, "tftp": 69}
_NO_TABLE = 255
_RANGE = re.compile(
    r"(?P<first>\[[0-9a-fA-F:.]+\]|[0-9.]+|[0-9a-fA-F:]*::?[0-9a-fA-F:.]*)"
    r"(?:-(?P<last>\[[0-9a-fA-F:.]+\]|[0-9.]+|[0-9a-fA-F:]+))?"
    r"(?::(?P<low>\d+)(?:-(?P<high>\d+))?)?"
)


def encode_ct(argument: str, executed: bytes) -> bytes:
    """The action for the text between the parentheses of ct(). ``executed`` are the encoded actions of its exec()."""
    flags, zone_field, zone, table, alg = 0, 0, 0, _NO_TABLE, 0
    nat = b""
    for term in split_terms(argument) if argument else []:
        name, equals, value = term.partition("=")
        if term in _CT_FLAGS:
            flags |= _CT_FLAGS[term]
        elif name == "table" and equals:
            table = number(value, 8, "table")
        elif name == "zone" and equals:
            zone_field, zone = _zone(value)
        elif name == "alg" and equals:
            alg = _ALGS[value] if value in _ALGS else number(value, 16, "alg")
        elif term == "nat" or term.startswith("nat("):
            nat = _encode_nat(term[4:-1])
        elif not term.startswith("exec("):
            raise FlowTextError(f"'{term}' is not an argument of ct().", "ovs-actions(7) lists them.")
    if flags == _CT_FLAGS["force"]:
        raise FlowTextError(f"'ct({argument})' forces without commit.", "Write ct(commit,force,…).")
    return nicira(_CT, struct.pack(">HIHB3xH", flags, zone_field, zone, table, alg) + nat + executed)


def _zone(text: str) -> tuple[int, int]:
    if text[:1].isdigit():
        return 0, number(text, 16, "zone")
    source = subfield(text)
    return source.header, source.offset << 6 | source.bits - 1


def _encode_nat(argument: str) -> bytes:
    flags, present, values = 0, 0, b""
    for term in split_terms(argument) if argument else []:
        name, _, value = term.partition("=")
        if name not in _NAT_FLAGS:
            raise FlowTextError(f"'{term}' is not an argument of nat().", "src, dst, persistent, hash or random.")
        flags |= _NAT_FLAGS[name]
        if value:
            present, values = _nat_range(value)
    if flags & 3 == 3 or (flags and not flags & 3) or flags & 24 == 24:
        raise FlowTextError(
            f"'nat({argument})' contradicts itself.", "Give one of src and dst, one of hash and random."
        )
    return nicira(_NAT, struct.pack(">2xHH", flags, present) + values)


def _nat_range(text: str) -> tuple[int, bytes]:
    """Bits saying which parts are present, and the parts: first and last address, first and last port."""
    found = _RANGE.fullmatch(text)
    if found is None:
        raise FlowTextError(f"'{text}' is not a NAT range.", "Write address[-address][:port[-port]].")
    present, values = 0, b""
    for position, name in enumerate(("first", "last")):
        if found[name]:
            try:
                address = ipaddress.ip_address(found[name].strip("[]"))
            except ValueError:
                raise FlowTextError(f"'{found[name]}' is not an address.", "Put IPv6 addresses in brackets.") from None
            present |= 1 << position + (0 if address.version == 4 else 2)
            values += address.packed
    for position, name in ((4, "low"), (5, "high")):
        if found[name]:
            present |= 1 << position
            values += struct.pack(">H", number(found[name], 16, "port"))
    return present, values
