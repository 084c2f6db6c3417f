"""The rtnetlink messages that Patchbay sends and reads, as bytes (rtnetlink(7), linux/if_link.h).

Used only by ``patchbay.host.netlink``. Pure packing and parsing: no sockets. A library's message classes were the
limit here: they take 0.3–0.6 ms to decode one link, and a host with 400 instances has 1,600 of them.
"""

import ipaddress
import socket
import struct
from collections.abc import Iterator

import msgspec

from patchbay.hoststate import Link, Route

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWNSID, RTM_GETNSID = 88, 90
NLMSG_ERROR, NLMSG_DONE, NLMSG_OVERRUN = 2, 3, 4

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400
CREATE = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL
REPLACE = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE
CHANGE = NLM_F_REQUEST | NLM_F_ACK
DUMP = NLM_F_REQUEST | NLM_F_DUMP

GROUPS = (1, 5, 7, 9, 11)
"""Multicast groups of the change feed: link, IPv4 address, IPv4 route, IPv6 address, IPv6 route."""

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK, _IFLA_MASTER, _IFLA_LINKINFO = 1, 3, 4, 5, 10, 18
_IFLA_IFALIAS, _IFLA_AF_SPEC, _IFLA_NET_NS_FD, _IFLA_EXT_MASK, _IFLA_LINK_NETNSID = 20, 26, 28, 29, 37
_INFO_KIND, _INFO_DATA, _VETH_INFO_PEER, _INET6_CONF = 1, 2, 1, 2
_IFLA_BR_MCAST_SNOOPING = 23
_DEVCONF_DISABLE_IPV6 = 26
_SKIP_STATISTICS = 1 << 3
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS, _IFA_F_NODAD, _IFA_F_PERMANENT = 1, 2, 8, 2, 0x80
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_TABLE = 1, 4, 5, 6, 15
_NETNSA_NSID, _NETNSA_FD = 1, 3
_RT_TABLE_MAIN, _RTPROT_STATIC, _SCOPE_UNIVERSE, _SCOPE_LINK, _RTN_UNICAST = 254, 4, 0, 253, 1
_RTM_F_CLONED = 0x200
_OF_PERSONS = (3, 4)  # RTPROT_BOOT, RTPROT_STATIC
_IFF_PROMISC = 0x100
_IFF_UP = 1
_NESTED = 0x8000
_TYPE_MASK = 0x3FFF

_HEADER = struct.Struct("=LHHLL")
_ATTRIBUTE = struct.Struct("=HH")
_IFINFO = struct.Struct("=BxHiII")
_IFADDR = struct.Struct("=BBBBI")
_RTMSG = struct.Struct("=BBBBBBBBI")
_U32 = struct.Struct("=I")
_I32 = struct.Struct("=i")


class LinkState(msgspec.Struct, frozen=True):
    """One link as the kernel tells it. ``ipv6`` None: the kernel keeps no IPv6 settings for it (MTU below 1280)."""

    index: int
    name: str
    is_up: bool
    kind: str = ""
    alias: str = ""
    mac: str = ""
    mtu: int = 0
    master: int = 0
    peer_index: int = 0
    peer_nsid: int | None = None
    ipv6: bool | None = None
    is_promiscuous: bool = False


SWITCH_KINDS = frozenset({"openvswitch", "tun"})
"""What the device of an internal port is to the kernel: with the kernel's datapath, with the userspace datapath."""


def kind_of(link: LinkState) -> str:
    """The kind of link as a Link names it: veth, bridge, internal …"""
    return "internal" if link.kind in SWITCH_KINDS else link.kind


def is_adoptable(link: LinkState) -> bool:
    """Whether this device of an internal port may be moved to another namespace.

    The userspace datapath makes its device promiscuous before the port counts as added. If the device is gone then, the
    port is given up and the device deleted.
    """
    return link.kind == "openvswitch" or (link.kind == "tun" and link.is_promiscuous)


class AddressState(msgspec.Struct, frozen=True):
    """One address with prefix length on the link with this index. ``has_lifetime``: lent, not set by a person or us."""

    index: int
    address: str
    scope: int
    has_lifetime: bool = False


class RouteState(msgspec.Struct, frozen=True):
    """One unicast route of the main table through a gateway or a link. ``is_static``: ``proto static``, as ours."""

    index: int
    destination: str
    gateway: str
    metric: int
    is_static: bool = True


class Message(msgspec.Struct, frozen=True):
    """One received message: its type, sequence number and body."""

    kind: int
    sequence: int
    body: bytes


def pack_message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """One netlink message, padded so that others may follow it in the same send."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, 0) + body + bytes(-len(body) % 4)


def iterate_messages(data: bytes) -> Iterator[Message]:
    """The messages of one received datagram."""
    at = 0
    while at + 16 <= len(data):
        length, kind, _flags, sequence, _pid = _HEADER.unpack_from(data, at)
        yield Message(kind, sequence, data[at + 16 : at + length])
        at += (length + 3) & ~3


def read_error(body: bytes) -> int:
    """The errno of an NLMSG_ERROR body: 0 for an acknowledgement."""
    return -int(_I32.unpack_from(body)[0])


def _attribute(kind: int, data: bytes) -> bytes:
    return _ATTRIBUTE.pack(4 + len(data), kind) + data + bytes(-len(data) % 4)


def _text(kind: int, text: str) -> bytes:
    return _attribute(kind, text.encode() + b"\0")


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, _U32.pack(value))


def _attributes(data: bytes, at: int) -> dict[int, bytes]:
    found = {}
    end = len(data)
    while at + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < 4:
            break
        found[kind & _TYPE_MASK] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


# --- links ------------------------------------------------------------------------------------------------------------


def pack_new_veth(end: Link, other: Link, other_fd: int | None) -> bytes:
    """Body of RTM_NEWLINK for a pair, both down; the other in the namespace of ``other_fd`` (None: in this one)."""
    peer = _IFINFO.pack(0, 0, 0, 0, 0) + _new_link(other)
    if other_fd is not None:
        peer += _number(_IFLA_NET_NS_FD, other_fd)
    info = _text(_INFO_KIND, "veth") + _attribute(_INFO_DATA | _NESTED, _attribute(_VETH_INFO_PEER | _NESTED, peer))
    return _IFINFO.pack(0, 0, 0, 0, 0) + _new_link(end) + _attribute(_IFLA_LINKINFO | _NESTED, info)


def _new_link(link: Link) -> bytes:
    return _text(_IFLA_IFNAME, link.name) + _number(_IFLA_MTU, link.mtu) + _mac(link.mac)


def pack_new_bridge(link: Link) -> bytes:
    """Body of RTM_NEWLINK for a Linux bridge, down.

    Without multicast snooping, as os-vif makes it: a bridge that snoops reports its own memberships by IGMP, and a
    tenant's network would hear from a device of the host.
    """
    silent = _attribute(_INFO_DATA | _NESTED, _attribute(_IFLA_BR_MCAST_SNOOPING, b"\0"))
    info = _attribute(_IFLA_LINKINFO | _NESTED, _text(_INFO_KIND, "bridge") + silent)
    return _IFINFO.pack(0, 0, 0, 0, 0) + _new_link(link) + info


def pack_set_link(
    name: str,
    *,
    up: bool | None = None,
    promiscuous: bool = False,
    alias: str | None = None,
    mtu: int | None = None,
    mac: str | None = None,
    master: int | None = None,
) -> bytes:
    """Body of RTM_SETLINK: only what is given is changed. ``master`` 0 takes it out of its bridge."""
    flags, change = (_IFF_UP if up else 0, _IFF_UP) if up is not None else (0, 0)
    if promiscuous:
        flags, change = flags | _IFF_PROMISC, change | _IFF_PROMISC
    body = _IFINFO.pack(0, 0, 0, flags, change) + _text(_IFLA_IFNAME, name)
    if alias is not None:
        body += _attribute(_IFLA_IFALIAS, alias.encode())
    if mtu is not None:
        body += _number(_IFLA_MTU, mtu)
    if mac:
        body += _mac(mac)
    if master is not None:
        body += _number(_IFLA_MASTER, master)
    return body


def pack_move_link(name: str, descriptor: int, alias: str) -> bytes:
    """Body of RTM_SETLINK that moves a link into the namespace of a descriptor, and marks it there."""
    body = _IFINFO.pack(0, 0, 0, 0, 0) + _text(_IFLA_IFNAME, name) + _attribute(_IFLA_IFALIAS, alias.encode())
    return body + _number(_IFLA_NET_NS_FD, descriptor)


def pack_named_link(name: str) -> bytes:
    """Body of RTM_DELLINK or RTM_GETLINK for one link."""
    return _IFINFO.pack(0, 0, 0, 0, 0) + _text(_IFLA_IFNAME, name) + _number(_IFLA_EXT_MASK, _SKIP_STATISTICS)


def pack_dump_links() -> bytes:
    """Body of RTM_GETLINK for all links, without statistics."""
    return _IFINFO.pack(0, 0, 0, 0, 0) + _number(_IFLA_EXT_MASK, _SKIP_STATISTICS)


def _mac(mac: str) -> bytes:
    return _attribute(_IFLA_ADDRESS, bytes.fromhex(mac.replace(":", ""))) if mac else b""


def parse_link(body: bytes) -> LinkState | None:
    """A link from the body of RTM_NEWLINK or RTM_DELLINK; None for messages that only tell of bridge ports or IPv6."""
    family, _type, index, flags, _change = _IFINFO.unpack_from(body)
    if family != socket.AF_UNSPEC:
        return None
    found = _attributes(body, 16)
    info = _attributes(found.get(_IFLA_LINKINFO, b""), 0)
    return LinkState(
        index=index,
        name=found[_IFLA_IFNAME].rstrip(b"\0").decode(errors="replace"),
        is_up=bool(flags & _IFF_UP),
        kind=info.get(_INFO_KIND, b"").rstrip(b"\0").decode(),
        alias=found.get(_IFLA_IFALIAS, b"").rstrip(b"\0").decode(errors="replace"),
        mac=found.get(_IFLA_ADDRESS, b"").hex(":"),
        mtu=_read_number(found.get(_IFLA_MTU)),
        master=_read_number(found.get(_IFLA_MASTER)),
        peer_index=_read_number(found.get(_IFLA_LINK)),
        peer_nsid=_I32.unpack(found[_IFLA_LINK_NETNSID])[0] if _IFLA_LINK_NETNSID in found else None,
        ipv6=_read_ipv6(found.get(_IFLA_AF_SPEC, b"")),
        is_promiscuous=bool(flags & _IFF_PROMISC),
    )


def _read_number(data: bytes | None) -> int:
    return int(_U32.unpack(data)[0]) if data else 0


def _read_ipv6(families: bytes) -> bool | None:
    settings = _attributes(_attributes(families, 0).get(socket.AF_INET6, b""), 0).get(_INET6_CONF, b"")
    at = 4 * _DEVCONF_DISABLE_IPV6
    return None if len(settings) < at + 4 else _I32.unpack_from(settings, at)[0] == 0


# --- addresses --------------------------------------------------------------------------------------------------------


def pack_address(index: int, address: str) -> bytes:
    """Body of RTM_NEWADDR or RTM_DELADDR. IPv6 addresses skip duplicate detection: the service allocates them."""
    interface = ipaddress.ip_interface(address)
    local = interface.ip.packed
    if interface.version == 4:
        body = _IFADDR.pack(socket.AF_INET, interface.network.prefixlen, 0, _SCOPE_UNIVERSE, index)
        return body + _attribute(_IFA_LOCAL, local) + _attribute(_IFA_ADDRESS, local)
    body = _IFADDR.pack(socket.AF_INET6, interface.network.prefixlen, _IFA_F_NODAD, _SCOPE_UNIVERSE, index)
    return body + _attribute(_IFA_ADDRESS, local) + _number(_IFA_FLAGS, _IFA_F_NODAD)


def pack_dump_addresses() -> bytes:
    """Body of RTM_GETADDR for all addresses of both families."""
    return _IFADDR.pack(socket.AF_UNSPEC, 0, 0, 0, 0)


def parse_address(body: bytes) -> AddressState:
    """An address from the body of RTM_NEWADDR or RTM_DELADDR, written as ``ip address`` does."""
    family, prefix, flags, scope, index = _IFADDR.unpack_from(body)
    found = _attributes(body, 8)
    address = f"{_ip(family, found.get(_IFA_LOCAL) or found[_IFA_ADDRESS])}/{prefix}"
    return AddressState(index, address, scope, not flags & _IFA_F_PERMANENT)


def _ip(family: int, packed: bytes) -> str:
    return socket.inet_ntop(family, packed)


# --- routes -----------------------------------------------------------------------------------------------------------


def pack_route(index: int, route: Route, *, is_new: bool) -> bytes:
    """Body of RTM_NEWROUTE or RTM_DELROUTE in the main table, through the link with this index."""
    network = ipaddress.ip_network(route.destination)
    is_v4 = network.version == 4
    scope = _SCOPE_LINK if is_v4 and not route.gateway else _SCOPE_UNIVERSE
    family = socket.AF_INET if is_v4 else socket.AF_INET6
    protocol = _RTPROT_STATIC if is_new else 0
    body = _RTMSG.pack(family, network.prefixlen, 0, 0, _RT_TABLE_MAIN, protocol, scope, _RTN_UNICAST, 0)
    if network.prefixlen:
        body += _attribute(_RTA_DST, network.network_address.packed)
    if route.gateway:
        body += _attribute(_RTA_GATEWAY, ipaddress.ip_address(route.gateway).packed)
    if route.metric:
        body += _number(_RTA_PRIORITY, route.metric)
    return body + (_number(_RTA_OIF, index) if index else b"")


def pack_dump_routes(family: int) -> bytes:
    """Body of RTM_GETROUTE for all routes of a family (both when AF_UNSPEC)."""
    return _RTMSG.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)


def parse_route(body: bytes) -> RouteState | None:
    """A unicast route of the main table that was set by ``ip route``; None for others (the kernel's, a daemon's)."""
    family, prefix, _src, _tos, table, protocol, _scope, kind, flags = _RTMSG.unpack_from(body)
    found = _attributes(body, 12)
    table = _read_number(found.get(_RTA_TABLE)) or table
    if table != _RT_TABLE_MAIN or kind != _RTN_UNICAST or flags & _RTM_F_CLONED or protocol not in _OF_PERSONS:
        return None
    if family not in (socket.AF_INET, socket.AF_INET6):
        return None
    any_address = bytes(4 if family == socket.AF_INET else 16)
    return RouteState(
        index=_read_number(found.get(_RTA_OIF)),
        destination=f"{_ip(family, found.get(_RTA_DST, any_address))}/{prefix}",
        gateway=_ip(family, found[_RTA_GATEWAY]) if _RTA_GATEWAY in found else "",
        is_static=protocol == _RTPROT_STATIC,
        metric=_read_number(found.get(_RTA_PRIORITY)),
    )


# --- namespace ids ----------------------------------------------------------------------------------------------------


def pack_nsid(fd: int, nsid: int | None) -> bytes:
    """Body of RTM_NEWNSID (``nsid`` -1: the kernel chooses) or RTM_GETNSID (None) for the namespace of ``fd``."""
    return bytes(4) + _number(_NETNSA_FD, fd) + (b"" if nsid is None else _attribute(_NETNSA_NSID, _I32.pack(nsid)))


def parse_nsid(body: bytes) -> int | None:
    """The number in the answer to RTM_GETNSID; None when it has none."""
    found = _attributes(body, 4)
    value = int(_I32.unpack(found[_NETNSA_NSID])[0]) if _NETNSA_NSID in found else -1
    return value if value >= 0 else None
