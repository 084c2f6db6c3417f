"""Bridges and ports of Open vSwitch, as rows of its database (ovs-vswitchd.conf.db(5)).

Ownership: a Bridge or Port row that Patchbay made carries ``external_ids:patchbay=<what it belongs to>``.
"""

import msgspec

Pairs = tuple[tuple[str, str], ...]
"""A map column as sorted pairs, so that equal maps are equal values."""

Columns = tuple[tuple[str, tuple[str, ...]], ...]
"""Columns with the values that they hold, sorted, as text; an empty one holds none."""

OWNER = "patchbay"
"""The external_ids key that marks rows as ours."""

BEFORE = "patchbay-before"
"""The external_ids key under which a borrowed row says what it held before."""


CLOSED_MODE, CLOSED_VLAN = "dot1q-tunnel", 4095
"""``vlan_mode`` and ``cvlans`` of a closed port: a tunnel for frames that carry this VLAN, and there are none."""


class Bridge(msgspec.Struct, frozen=True, kw_only=True):
    """An Open vSwitch bridge. ``fail_mode`` is secure or standalone; ``owner`` is the value of our mark."""

    name: str
    datapath_type: str = ""
    fail_mode: str = ""
    owner: str = "host"

    @property
    def key(self) -> tuple[str, ...]:
        return ("bridge", self.name)


class BridgePort(msgspec.Struct, frozen=True, kw_only=True):
    """A port with its one interface that Patchbay plugs into a bridge.

    ``type`` is the interface's type ("" for a kernel device, internal, patch, vxlan); ``options``,
    ``external_ids`` are the interface's; ``other_config`` is the port's; ``tag`` the access VLAN; ``trunks`` the VLANs
    that it carries with their tags (none: all); ``owner`` our mark on the Port row. ``is_closed``: ordinary switching
    (NORMAL) neither takes frames from it nor gives it any, whatever its tag: see ``CLOSED``.
    """

    name: str
    bridge: str
    type: str = ""
    options: Pairs = ()
    external_ids: Pairs = ()
    other_config: Pairs = ()
    tag: int | None = None
    trunks: tuple[int, ...] = ()
    is_closed: bool = False
    owner: str = "host"

    @property
    def key(self) -> tuple[str, ...]:
        return ("bridge-port", self.name)


class PortTag(msgspec.Struct, frozen=True, kw_only=True):
    """Tag and other_config of a port that somebody else plugged (libvirt, a CNI plugin, a person).

    Patchbay sets these two columns (other_config only the keys given) and, if ``is_closed`` (see ``BridgePort``), its
    VLAN mode, and nothing else of it.
    """

    name: str
    tag: int
    other_config: Pairs = ()
    is_closed: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        return ("port-tag", self.name)


class Borrowed(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of somebody else's row that are Patchbay's for as long as it needs them.

    ``table`` is Bridge or Port. ``columns`` are what Patchbay wants, or found, in them; of ``controller``, the targets
    that the bridge connects to. ``before`` is what they held when they were borrowed: it is noted with the row and
    given back, and no part of the comparison.
    """

    table: str
    name: str
    columns: Columns
    before: Columns = ()

    @property
    def key(self) -> tuple[str, ...]:
        return ("borrowed", self.table, self.name)
