"""Namespaces, links, addresses and routes of the kernel.

Ownership: a Link carries our mark as its alias (IFLA_IFALIAS, ``ip link show``: "alias patchbay:…"); a Namespace
carries it as the alias of its ``lo``. Addresses and routes belong to the Link or Namespace that they are in.
``namespace`` is the name in /run/netns, "" for the host's own.
"""

import msgspec

ALIAS_PREFIX = "patchbay:"


class Namespace(msgspec.Struct, frozen=True, kw_only=True):
    """A named network namespace with ``lo`` up. ``alias`` is the mark on its ``lo``."""

    name: str
    alias: str

    @property
    def key(self) -> tuple[str, ...]:
        return ("netns", self.name)


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A kernel link: one end of a veth pair, a bridge, or the device of an internal port of Open vSwitch.

    ``kind`` is veth, bridge or internal. The switch makes an internal device, in the host's namespace, when a
    BridgePort of its name has type internal; Patchbay then moves it into ``namespace`` and configures it. A veth pair
    is two Links, each naming the other in ``peer`` and ``peer_namespace``.
    ``master`` is the bridge that it is a port of. ``mac`` "" means: whatever the kernel chose. ``mtu`` in bytes of
    the IP packet. ``ipv6`` False means disable_ipv6=1 on it. ``tx_checksum`` False means ``ethtool -K … tx off``,
    which the userspace datapath needs. Every Link we make is up; every bridge is made without multicast snooping,
    so that it sends no IGMP reports of its own into a tenant's network.
    """

    name: str
    namespace: str = ""
    kind: str
    peer: str = ""
    peer_namespace: str = ""
    master: str = ""
    mac: str = ""
    mtu: int = 1500
    ipv6: bool = False
    tx_checksum: bool = True
    alias: str

    @property
    def key(self) -> tuple[str, ...]:
        return ("link", self.namespace, self.name)


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """An address with prefix length (``192.168.10.11/24``) on a link."""

    namespace: str
    link: str
    address: str

    @property
    def key(self) -> tuple[str, ...]:
        return ("address", self.namespace, self.link, self.address)


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A route of the main table. ``destination`` is a CIDR (``0.0.0.0/0`` for the default)."""

    namespace: str
    destination: str
    gateway: str
    link: str
    metric: int = 0

    @property
    def key(self) -> tuple[str, ...]:
        return ("route", self.namespace, self.destination, str(self.metric))
