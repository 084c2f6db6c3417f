"""Programs on what comes in by a device (``patchbay.hoststate.ingress``): read and written over rtnetlink (tc(8)).

Used by ``patchbay.host.netlink_sysctls``. Each device has one at most, of ours or none that we know.
"""

import errno
import logging
import socket
import struct
from collections.abc import Iterator

from patchbay.host.netlink_view import NamespaceView, Refusal, Request
from patchbay.host.rtnetlink import CREATE, DUMP, NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST
from patchbay.hoststate.ingress import PROGRAMS, Instruction

logger = logging.getLogger(__name__)

_RTM_NEWQDISC, _RTM_NEWTFILTER, _RTM_GETTFILTER = 36, 44, 46
_TCMSG = struct.Struct("=BxHiIII")
_ATTRIBUTE = struct.Struct("=HH")
_INSTRUCTION = struct.Struct("=HBBI")
_HANDLE, _CLSACT, _INCOMING = 0xFFFF0000, 0xFFFFFFF1, 0xFFFFFFF2
_FIRST_OF_ALL = 1 << 16 | socket.htons(3)
"""Preference 1, all protocols."""
_TCA_KIND, _TCA_OPTIONS = 1, 2
_OPS_LEN, _OPS, _FLAGS = 4, 5, 8
_DIRECT_ACTION = 1
_TYPE = 0x3FFF
_UNKNOWN = frozenset({errno.ENOENT, errno.EOPNOTSUPP})


def read_ingress(view: NamespaceView, index: int) -> str:
    """Which of the programs a device has; "" for none or another."""
    question = _TCMSG.pack(socket.AF_UNSPEC, 0, index, 0, _INCOMING, 0)
    for body in view.ask(Request(_RTM_GETTFILTER, DUMP, question)):
        found = dict(_attributes(body[_TCMSG.size :]))
        code = dict(_attributes(found.get(_TCA_OPTIONS, b""))).get(_OPS)
        for value, program in PROGRAMS.items():
            if code == _packed(program):
                return value
    return ""


def write_ingress(view: NamespaceView, index: int, value: str) -> None:
    """Give a device a program in place of another. Raises OSError.

    A kernel without them leaves it: port security stands, but the host hears what it would not.
    """
    program = PROGRAMS[value]
    code = _attribute(_OPS_LEN, struct.pack("=H", len(program))) + _attribute(_OPS, _packed(program))
    code += _attribute(_FLAGS, struct.pack("=I", _DIRECT_ACTION))
    queue = _TCMSG.pack(socket.AF_UNSPEC, 0, index, _HANDLE, _CLSACT, 0) + _attribute(_TCA_KIND, b"clsact\0")
    place = _TCMSG.pack(socket.AF_UNSPEC, 0, index, 1, _INCOMING, _FIRST_OF_ALL)
    rule = place + _attribute(_TCA_KIND, b"bpf\0") + _attribute(_TCA_OPTIONS, code)
    requests = [
        Request(_RTM_NEWQDISC, CREATE, queue),
        Request(_RTM_NEWTFILTER, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, rule),
    ]
    refusals = [each for each in view.request(requests) if each and each.code != errno.EEXIST]
    if refusals and all(each.code in _UNKNOWN for each in refusals):
        _say_unknown(refusals[0])
    elif refusals:
        raise OSError(refusals[0].code, str(refusals[0]))


def _say_unknown(refusal: Refusal) -> None:
    logger.warning(
        "the kernel has no classifier bpf or no qdisc clsact (%s): instances may be heard by the host", refusal
    )


def _packed(program: tuple[Instruction, ...]) -> bytes:
    return b"".join(_INSTRUCTION.pack(*one) for one in program)


def _attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _TYPE, data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
