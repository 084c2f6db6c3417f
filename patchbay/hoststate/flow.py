"""OpenFlow flows, written as ovs-ofctl writes them (ovs-ofctl(8), ovs-fields(7), ovs-actions(7)).

Ports are written by *name* (``in_port=patch-int``, ``output:vxlan-ac150ca3``), as ovs-ofctl reads them too. So a flow
is known before its ports have numbers, a plan for an empty host can print it, and its cookie is the same in a plan,
in a script and in the switch. The switch layer puts the numbers in when it sends a flow, holds back a flow whose
ports have no number yet, and sends a flow again when a number that it holds has changed.
"""

import functools
import hashlib
import re

import msgspec


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """One flow of one bridge.

    ``match`` and ``actions`` are ovs-ofctl text in the order in which ``ovs-ofctl dump-flows`` prints them
    ("" matches everything; "drop" is the empty action list). Two flows with the same bridge, table, priority and
    match are the same flow in the switch, so these four are its key.
    """

    bridge: str
    table: int
    priority: int
    match: str
    actions: str

    @property
    def key(self) -> tuple[str, ...]:
        return ("flow", self.bridge, _text(self.table), _text(self.priority), self.match)

    @property
    def cookie(self) -> int:
        """64 bits: 0x7062 ("pb", our mark) and 48 bits of a hash of the whole flow.

        What the switch prints differs from what was written, so a flow is recognised by this number.
        """
        text = f"{self.table},{self.priority},{self.match} {self.actions}".encode()
        return COOKIE_MARK | int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "big")

    @property
    def ports(self) -> frozenset[str]:
        """Names of the ports that the match and the actions mention: the flow waits until all have a number."""
        return frozenset(PORT_NAMES.findall(f"{self.match} {self.actions}"))

    @property
    def text(self) -> str:
        """The flow as an argument of ``ovs-ofctl add-flow``, in the order and spelling of seed 002."""
        priority = "" if self.priority == DEFAULT_PRIORITY else f"priority={self.priority}"
        match = ",".join(part for part in (f"table={self.table}", priority, self.match) if part)
        return f"cookie={self.cookie:#x},{match} actions={self.actions}"


DEFAULT_PRIORITY = 0x8000
"""OpenFlow's priority of a flow that names none (seed 002 prints its table 22 so); ovs-ofctl does not print it."""

PORT_NAMES = re.compile(r"\b(?:in_port=|output:|resubmit\()(?!NXM_|OXM_|(?:\d+|LOCAL)\b(?![\w.-]))([\w.-]+)")
"""Port names in the text of a flow: not registers (``output:NXM_OF_IN_PORT[]``), not numbers, nor
the bridge itself (``LOCAL``)."""

COOKIE_MARK = 0x7062 << 48
COOKIE_MASK = 0xFFFF << 48
LEARN_COOKIE = 0xA9EB8F9011F7E038
"""The cookie of flows that learn() makes in table UCAST_TO_TUN (seed 002). Not compared; they expire by themselves."""


@functools.cache
def _text(number: int) -> str:
    """One string for each table and priority, however many flows name it."""
    return str(number)
