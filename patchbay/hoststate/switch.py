"""Bridges and ports of Open vSwitch, as rows of its database (ovs-vswitchd.conf.db(5)).

Ownership: a Bridge or Port row that Patchbay made carries ``external_ids:patchbay=<what it belongs to>``.
"""

import msgspec

Pairs = tuple[tuple[str, str], ...]
"""A map column as sorted pairs, so that equal maps are equal values."""

OWNER = "patchbay"
"""The external_ids key that marks rows as ours."""


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
    ``external_ids`` are the interface's; ``other_config`` is the port's; ``tag`` the access VLAN; ``owner`` our mark
    on the Port row.
    """

    name: str
    bridge: str
    type: str = ""
    options: Pairs = ()
    external_ids: Pairs = ()
    other_config: Pairs = ()
    tag: int | None = None
    owner: str = "host"

    @property
    def key(self) -> tuple[str, ...]:
        return ("bridge-port", self.name)


class PortTag(msgspec.Struct, frozen=True, kw_only=True):
    """Tag and other_config of a port that somebody else plugged (libvirt, a CNI plugin, a person).

    Patchbay sets these two columns (other_config only the keys given) and nothing else of it.
    """

    name: str
    tag: int
    other_config: Pairs = ()

    @property
    def key(self) -> tuple[str, ...]:
        return ("port-tag", self.name)
