"""The actions of a flow, from ovs-ofctl text to OpenFlow 1.4 and Nicira extension actions.

Called by ``flow_encoding``. Each action is sent in the form that ``ovs-ofctl dump-flows`` prints as the same text: so
``set_tunnel`` is Nicira's action and not a set_field, and ``mod_vlan_vid`` is a push and a set_field where the match
does not promise a tag (OpenFlow 1.4 has no action that does both). ovs-actions(7) is the reference.
"""

import re
import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from patchbay.host.flow_conntrack import encode_ct
from patchbay.host.flow_errors import FlowTextError, UnknownPort
from patchbay.host.flow_fields import FIELDS, PORTS, subfield, value_and_mask, value_of
from patchbay.host.flow_learn import encode_learn
from patchbay.host.flow_match import Protocol, field_for, oxm_field
from patchbay.host.flow_wire import nicira, number, padded, split_terms, standard

_OUTPUT, _PUSH_VLAN, _POP_VLAN, _SET_QUEUE, _DEC_TTL, _SET_FIELD = 0, 17, 18, 21, 24, 25
_RESUBMIT, _SET_TUNNEL, _POP_QUEUE, _REG_MOVE, _REG_LOAD, _SET_TUNNEL64 = 1, 2, 5, 6, 7, 9
_RESUBMIT_TABLE, _OUTPUT_REG, _EXIT, _REG_LOAD2, _CONJUNCTION, _CT_CLEAR = 14, 15, 17, 33, 34, 43
_RESUBMIT_TABLE_CT, _MULTIPATH, _CHECK_PKT_LARGER = 44, 10, 49
_MULTIPATH_HASHES = (
    "eth_src",
    "symmetric_l4",
    "symmetric_l3l4",
    "symmetric_l3l4+udp",
    "nw_src",
    "nw_dst",
    "symmetric_l3",
)
_MULTIPATH_ALGORITHMS = ("modulo_n", "hash_threshold", "hrw", "iter_hash")
_MAX_PORT = 0xFEFF
_PLAIN_PORT = re.compile(r"(?!\d+$)[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Action(NamedTuple):
    """One encoded action; with ``port`` set, ``packed`` is what follows once that name's number is known."""

    packed: bytes
    port: str = ""
    with_port: Callable[[int], bytes] | None = None


def encode_actions(text: str, protocol: Protocol, has_vlan: bool, ports: Mapping[str, int]) -> bytes:
    """The OpenFlow actions for ovs-ofctl text ("drop" and "" are none).

    ``protocol`` and ``has_vlan`` say what the flow's match promises. ``ports`` maps port names to OpenFlow numbers.
    Raises FlowTextError (UnknownPort when a name is missing).
    """
    if text in ("drop", ""):
        return b""
    packed = []
    for word in split_terms(text):
        action = _encode_action(word, protocol, has_vlan)
        if action.port:
            packed.append(_resolve(action, ports))
        else:
            packed.append(action.packed)
        has_vlan = _VLAN_AFTER.get(word[:9], has_vlan)
    return b"".join(packed)


_VLAN_AFTER = {"strip_vla": False, "pop_vlan": False, "push_vlan": True, "mod_vlan_": True}
"""Whether the packet carries a tag after this action (by the first nine letters of its name)."""


def port_of(word: str) -> str:
    """The port name in one action, "" when it names none."""
    verb, _, argument = word.partition(":")
    if verb == "output" and _is_name(argument):
        return argument
    if word.startswith("resubmit(") or (verb == "resubmit" and argument):
        name = argument or word[9:-1].split(",", maxsplit=1)[0]
        return name if _is_name(name) else ""
    return word if _is_name(word) and verb not in _VERBS and word not in _WORDS else ""


def _is_name(text: str) -> bool:
    return bool(_PLAIN_PORT.fullmatch(text)) and text.upper() not in PORTS


def _resolve(action: Action, ports: Mapping[str, int]) -> bytes:
    port = ports.get(action.port)
    if port is None or action.with_port is None:
        raise UnknownPort(action.port)
    return action.with_port(port)


@lru_cache(maxsize=1024)
def _encode_action(word: str, protocol: Protocol, has_vlan: bool) -> Action:
    if word in _WORDS:
        return Action(_WORDS[word])
    verb, _, argument = word.partition(":")
    if "(" in verb and (word.endswith(")") or ")->" in word):
        verb, _, argument = word.removesuffix(")").partition("(")
    if verb == "ct":
        nested = [_encode_action(inner, protocol, has_vlan).packed for inner in _nested(argument)]
        return Action(encode_ct(argument, b"".join(nested)))
    if verb == "mod_vlan_vid":
        return Action(_mod_vlan_vid(argument, has_vlan))
    if verb in _SET_BY_NAME:
        field = field_for(protocol, _SET_BY_NAME[verb])
        return Action(_set_field(oxm_field(field, value_of(field, argument), None)))
    if verb in _VERBS:
        return _VERBS[verb](argument)
    return _output(word)


def _nested(argument: str) -> list[str]:
    """The actions inside ct(exec(…))."""
    inner = [term[5:-1] for term in split_terms(argument) if term.startswith("exec(")]
    return split_terms(inner[0]) if inner else []


def _output(text: str) -> Action:
    port = _port_number(text)
    if port is not None:
        return Action(_output_to(port))
    if "[" in text:
        source = subfield(text)
        argument = struct.pack(">HIH6x", source.offset << 6 | source.bits - 1, source.header, 0xFFFF)
        return Action(nicira(_OUTPUT_REG, argument))
    if _is_name(text):
        return Action(b"", text, _output_to)
    raise FlowTextError(f"'{text}' is not an action that Patchbay writes.", "ovs-actions(7) lists the actions.")


def _output_to(port: int) -> bytes:
    return struct.pack(">HHIH6x", _OUTPUT, 16, port, 0xFFFF if port == PORTS["CONTROLLER"] else 0)


def _resubmit(argument: str) -> Action:
    parts = argument.split(",")
    table = number(parts[1], 8, "table") if len(parts) > 1 and parts[1] else 255
    if len(parts) > 1 and table == 255 and parts[1]:
        raise FlowTextError("resubmit cannot go to table 255.", "Tables are 0 to 254.")
    subtype = _RESUBMIT_TABLE_CT if parts[2:] == ["ct"] else _RESUBMIT_TABLE
    if len(parts) == 1 or not parts[1]:
        subtype = _RESUBMIT

    def with_port(port: int) -> bytes:
        return nicira(subtype, struct.pack(">HB3x", port & 0xFFFF, 0 if subtype == _RESUBMIT else table))

    if not parts[0]:
        return Action(with_port(PORTS["IN_PORT"]))
    port = _port_number(parts[0])
    return Action(with_port(port)) if port is not None else Action(b"", parts[0], with_port)


def _port_number(text: str) -> int | None:
    if text.isdigit():
        port = int(text)
        if port <= _MAX_PORT:
            return port
        if port in PORTS.values():
            return port
        raise FlowTextError(f"{text} is not an OpenFlow port.", f"Ports are 1 to {_MAX_PORT}.")
    return PORTS.get(text.upper())


def _mod_vlan_vid(argument: str, has_vlan: bool) -> bytes:
    packed = _set_field(oxm_field(FIELDS["vlan_vid"], 0x1000 | number(argument, 12, "VLAN id"), None))
    return packed if has_vlan else _push_vlan("0x8100").packed + packed


def _push_vlan(argument: str) -> Action:
    return Action(standard(_PUSH_VLAN, struct.pack(">H2x", number(argument, 16, "Ethernet type"))))


def _set_tunnel(argument: str) -> Action:
    tun_id = number(argument, 64, "tunnel id")
    if tun_id >> 32:
        return Action(nicira(_SET_TUNNEL64, struct.pack(">6xQ", tun_id)))
    return Action(nicira(_SET_TUNNEL, struct.pack(">2xI", tun_id)))


def _set_tunnel64(argument: str) -> Action:
    return Action(nicira(_SET_TUNNEL64, struct.pack(">6xQ", number(argument, 64, "tunnel id"))))


def _set_queue(argument: str) -> Action:
    return Action(standard(_SET_QUEUE, struct.pack(">I", number(argument, 32, "queue"))))


def _set_field(oxm: bytes) -> bytes:
    return standard(_SET_FIELD, padded(oxm, 4))


def _set_field_text(argument: str) -> Action:
    value_text, name = _arrow(argument)
    target = subfield(name)
    value, mask = value_and_mask(target.field, value_text)
    if mask is None:
        return Action(_set_field(oxm_field(target.field, value, None)))
    return Action(nicira(_REG_LOAD2, oxm_field(target.field, value, mask)))


def _load(argument: str) -> Action:
    value_text, name = _arrow(argument)
    target = subfield(name)
    value = number(value_text, min(target.bits, 64), name)
    return Action(nicira(_REG_LOAD, struct.pack(">HIQ", target.offset << 6 | target.bits - 1, target.header, value)))


def _move(argument: str) -> Action:
    source, target = map(subfield, _arrow(argument))
    if source.bits != target.bits:
        raise FlowTextError(f"'move:{argument}' has two widths.", f"{source.bits} bits go into {target.bits}.")
    packed = struct.pack(">HHHII", source.bits, source.offset, target.offset, source.header, target.header)
    return Action(nicira(_REG_MOVE, packed))


def _arrow(argument: str) -> tuple[str, str]:
    source, arrow, target = argument.partition("->")
    if not arrow:
        raise FlowTextError(f"'{argument}' has no target.", "Write VALUE->FIELD.")
    return source, target


def _conjunction(argument: str) -> Action:
    try:
        conj_id, fraction = argument.split(",")
        clause, clauses = map(int, fraction.split("/"))
    except ValueError:
        raise FlowTextError(f"'conjunction({argument})' is malformed.", "Write conjunction(id,k/n).") from None
    if not 1 <= clause <= clauses <= 64 or clauses < 2:
        raise FlowTextError(f"'conjunction({argument})' is out of range.", "1 <= k <= n and 2 <= n <= 64.")
    return Action(nicira(_CONJUNCTION, struct.pack(">BBI", clause - 1, clauses, number(conj_id, 32, "conj_id"))))


def _check_pkt_larger(argument: str) -> Action:
    """One bit that says whether the packet, with Ethernet header and VLAN tag, has more bytes than this.

    OVS works out the rest of the same list, and only that, for both answers: the table that asks for the bit is entered
    from there. Its flows count the packets of both.
    """
    size_text, name = _arrow(argument)
    target = subfield(name)
    if target.bits != 1:
        raise FlowTextError(f"check_pkt_larger cannot fill '{name}'.", "It gives one bit: write FIELD[bit].")
    size_bytes = number(size_text.removesuffix(")"), 16, "size")
    return Action(nicira(_CHECK_PKT_LARGER, struct.pack(">HHI", size_bytes, target.offset, target.header)))


def _multipath(argument: str) -> Action:
    """A number below ``links``, the same for all packets of one connection.

    symmetric_l4 does not know the ports of UDP, symmetric_l3l4+udp does.
    """
    parts = [part.strip() for part in argument.split(",")]
    if len(parts) != 6 or parts[0] not in _MULTIPATH_HASHES or parts[2] not in _MULTIPATH_ALGORITHMS:
        remedy = "Write multipath(symmetric_l4,basis,hrw,links,0,FIELD[]); ovs-actions(7) lists hashes and algorithms."
        raise FlowTextError(f"'multipath({argument})' is malformed.", remedy)
    target = subfield(parts[5])
    links = number(parts[3], 17, "links")
    if not 1 <= links <= 1 << min(target.bits, 16):
        raise FlowTextError(f"{parts[3]} links do not fit into {parts[5]}.", f"It has {target.bits} bits.")
    packed = struct.pack(
        ">HH2xHHI2xHI",
        _MULTIPATH_HASHES.index(parts[0]),
        number(parts[1], 16, "basis"),
        _MULTIPATH_ALGORITHMS.index(parts[2]),
        links - 1,
        number(parts[4], 32, "argument"),
        target.offset << 6 | target.bits - 1,
        target.header,
    )
    return Action(nicira(_MULTIPATH, packed))


_WORDS = {
    "strip_vlan": standard(_POP_VLAN, bytes(4)),
    "pop_vlan": standard(_POP_VLAN, bytes(4)),
    "dec_ttl": standard(_DEC_TTL, bytes(4)),
    "pop_queue": nicira(_POP_QUEUE, bytes(6)),
    "exit": nicira(_EXIT, bytes(6)),
    "ct_clear": nicira(_CT_CLEAR, bytes(6)),
}
"""Actions without an argument."""

_SET_BY_NAME = {
    "mod_vlan_pcp": "vlan_pcp",
    "mod_dl_src": "eth_src",
    "mod_dl_dst": "eth_dst",
    "mod_nw_src": "ip_src",
    "mod_nw_dst": "ip_dst",
    "mod_nw_ttl": "nw_ttl",
    "mod_tp_src": "tp_src",
    "mod_tp_dst": "tp_dst",
}
"""OpenFlow 1.0's modify actions: the same as set_field of this field."""

_VERBS: dict[str, Callable[[str], Action]] = {
    "output": _output,
    "resubmit": _resubmit,
    "push_vlan": _push_vlan,
    "set_tunnel": _set_tunnel,
    "set_tunnel64": _set_tunnel64,
    "set_queue": _set_queue,
    "set_field": _set_field_text,
    "load": _load,
    "move": _move,
    "conjunction": _conjunction,
    "multipath": _multipath,
    "check_pkt_larger": _check_pkt_larger,
    "learn": lambda argument: Action(encode_learn(argument)),
}
