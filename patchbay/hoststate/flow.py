"""OpenFlow flows, written as ovs-ofctl writes them (ovs-ofctl(8), ovs-fields(7), ovs-actions(7))."""

import hashlib

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
        return ("flow", self.bridge, str(self.table), str(self.priority), self.match)

    @property
    def cookie(self) -> int:
        """64 bits: 0x7062 ("pb", our mark) and 48 bits of a hash of the whole flow.

        What the switch prints differs from what was written, so a flow is recognised by this number.
        """
        text = f"{self.table},{self.priority},{self.match} {self.actions}".encode()
        return COOKIE_MARK | int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "big")


COOKIE_MARK = 0x7062 << 48
COOKIE_MASK = 0xFFFF << 48
LEARN_COOKIE = 0xA9EB8F9011F7E038
"""The cookie of flows that learn() makes in table UCAST_TO_TUN (seed 002). Not compared; they expire by themselves."""
