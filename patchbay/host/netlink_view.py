"""One network namespace over two netlink sockets that stay open: requests on one, change events on the other.

Used by ``patchbay.host.netlink``. ``links``, ``addresses`` and ``routes`` are the kernel's state as last read or told;
``read_events`` keeps them current. ``sysctls`` are settings by the index of their link, as last read or written.
Requests block for the kernel's work (tens of microseconds to a few milliseconds) and belong on the namespace thread.
"""

import errno
import fcntl
import os
import socket
import struct
from collections.abc import Sequence

import msgspec

from patchbay.host import rtnetlink
from patchbay.host.netns import open_netlink
from patchbay.host.rtnetlink import AddressState, LinkState, RouteState

_MESSAGES_PER_SEND = 100
"""Acknowledgements of one send must fit in the receive buffer (200 KiB, about 0.8 KiB each)."""
_RECEIVE_BYTES = 1 << 18
_SCOPE_LINK = 253
LOOPBACK = 1
"""The index of ``lo`` in every namespace."""
_IPV6_MIN_MTU = 1280
_SIOCGSKNS = 0x894C
_ATTRIBUTE = struct.Struct("=HH")


class Request(msgspec.Struct, frozen=True):
    """One message to send: type, flags, body."""

    kind: int
    flags: int
    body: bytes


class Refusal(msgspec.Struct, frozen=True):
    """The kernel's no: errno and, where it gives one, its own sentence."""

    code: int
    reason: str

    def __str__(self) -> str:
        return f"{os.strerror(self.code)} ({self.reason})" if self.reason else os.strerror(self.code)


class NamespaceView:
    """The sockets and the known state of one namespace. Made on a thread that is inside it."""

    def __init__(self, name: str, groups: tuple[int, ...] = rtnetlink.GROUPS) -> None:
        self.name = name
        self.inode = os.stat("/proc/thread-self/ns/net").st_ino  # noqa: PTH116 (one call, no Path needed)
        self.nsid: int | None = None
        self.links: dict[int, LinkState] = {}
        self.addresses: dict[int, frozenset[str]] = {}
        self.lent: set[tuple[int, str]] = set()
        self.taken: set[tuple[int, str]] = set()
        """Link and address: those that a DHCP client set, or the kernel by a router's advertisement."""
        self.routes: dict[tuple[str, int], RouteState] = {}
        self.sysctls: dict[int, dict[str, str]] = {}
        self.is_reading = False
        self.is_unsure = False
        self.due: set[int] = set()
        """Links that are to get settings for IPv6 in a moment."""
        self._has_routes = 7 in groups
        self._sequence = 0
        self.commands = open_netlink()
        self.events = open_netlink(groups)

    def close(self) -> None:
        """Close both sockets: the namespace may end."""
        self.commands.close()
        self.events.close()

    def open_namespace(self) -> int:
        """A descriptor of the namespace itself, to be closed by the caller (SIOCGSKNS)."""
        return fcntl.ioctl(self.commands, _SIOCGSKNS)

    def request(self, requests: Sequence[Request]) -> list[Refusal | None]:
        """Send all in as few calls as possible; per request None or the kernel's refusal, in order."""
        answers: list[Refusal | None] = []
        for start in range(0, len(requests), _MESSAGES_PER_SEND):
            answers += self._request_some(requests[start : start + _MESSAGES_PER_SEND])
        return answers

    def _request_some(self, requests: Sequence[Request]) -> list[Refusal | None]:
        first = self._sequence + 1
        self._sequence += len(requests)
        packed = (
            rtnetlink.pack_message(one.kind, one.flags, first + offset, one.body) for offset, one in enumerate(requests)
        )
        self.commands.send(b"".join(packed))
        answers: dict[int, Refusal | None] = {}
        while len(answers) < len(requests):
            for message in rtnetlink.iterate_messages(self.commands.recv(_RECEIVE_BYTES)):
                if message.kind == rtnetlink.NLMSG_ERROR and message.sequence >= first:
                    code = rtnetlink.read_error(message.body)
                    answers[message.sequence] = Refusal(code, _reason(message.body)) if code else None
        return [answers[first + offset] for offset in range(len(requests))]

    def ask(self, request: Request) -> list[bytes]:
        """Bodies of the answers to one question, a dump included. Raises OSError with the kernel's refusal."""
        self._sequence += 1
        sequence = self._sequence
        self.commands.send(rtnetlink.pack_message(request.kind, request.flags, sequence, request.body))
        bodies: list[bytes] = []
        while True:
            for message in rtnetlink.iterate_messages(self.commands.recv(_RECEIVE_BYTES)):
                if message.sequence != sequence:
                    continue
                if message.kind == rtnetlink.NLMSG_ERROR:
                    code = rtnetlink.read_error(message.body)
                    if code:
                        raise OSError(code, str(Refusal(code, _reason(message.body))))
                    return bodies
                if message.kind == rtnetlink.NLMSG_DONE:
                    return bodies
                bodies.append(message.body)
                if not request.flags & rtnetlink.NLM_F_DUMP:
                    return bodies

    def read_link(self, name: str) -> LinkState:
        """One link as it is now. Raises OSError (ENODEV) when it is gone."""
        question = Request(rtnetlink.RTM_GETLINK, rtnetlink.NLM_F_REQUEST, rtnetlink.pack_named_link(name))
        link = rtnetlink.parse_link(self.ask(question)[0])
        assert link is not None
        return link

    def read_all(self) -> None:
        """Read links, addresses and routes anew (one dump each)."""
        links: dict[int, LinkState] = {}
        routes: dict[tuple[str, int], RouteState] = {}
        addresses: list[AddressState] = []
        self.is_unsure = False
        for body in self.ask(Request(rtnetlink.RTM_GETLINK, rtnetlink.DUMP, rtnetlink.pack_dump_links())):
            link = rtnetlink.parse_link(body)
            if link:
                links[link.index] = link
        for body in self.ask(Request(rtnetlink.RTM_GETADDR, rtnetlink.DUMP, rtnetlink.pack_dump_addresses())):
            addresses.append(rtnetlink.parse_address(body))
        if self._has_routes:
            for family in (socket.AF_INET, socket.AF_INET6):
                dump = Request(rtnetlink.RTM_GETROUTE, rtnetlink.DUMP, rtnetlink.pack_dump_routes(family))
                for route in filter(None, map(rtnetlink.parse_route, self.ask(dump))):
                    routes[route.destination, route.metric] = route
        due = self.due | {
            index for index, link in self.links.items() if index in links and _is_risen(link, links[index])
        }
        self.due = {index for index in due if index in links and links[index].ipv6 is None}
        self.links, self.routes, self.addresses, self.lent = links, routes, {}, set()
        for address in addresses:
            self.note_address(address, is_there=True)

    def read_events(self) -> set[int] | None:
        """Apply pending events; returns the indexes of links touched, or None when the kernel dropped some."""
        touched: set[int] = set()
        while True:
            try:
                data = self.events.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                return touched
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    return None
                raise
            for message in rtnetlink.iterate_messages(data):
                touched |= self._note(message)

    def _note(self, message: rtnetlink.Message) -> set[int]:
        kind, body = message.kind, message.body
        if kind in (rtnetlink.RTM_NEWLINK, rtnetlink.RTM_DELLINK):
            return self.note_link(body, is_there=kind == rtnetlink.RTM_NEWLINK)
        if kind in (rtnetlink.RTM_NEWADDR, rtnetlink.RTM_DELADDR):
            return self.note_address(rtnetlink.parse_address(body), is_there=kind == rtnetlink.RTM_NEWADDR)
        if kind in (rtnetlink.RTM_NEWROUTE, rtnetlink.RTM_DELROUTE):
            route = rtnetlink.parse_route(body)
            if route is None:
                return set()
            if kind == rtnetlink.RTM_NEWROUTE:
                self.routes[route.destination, route.metric] = route
            else:
                self.routes.pop((route.destination, route.metric), None)
            return {route.index}
        return set()

    def note_link(self, body: bytes, *, is_there: bool) -> set[int]:
        """Take over one link message; returns the index of the link, if it tells of one."""
        link = rtnetlink.parse_link(body)
        if link is None:
            return set()
        if is_there:
            self._doubt_routes(is_doubtful=not link.is_up and self._was_up(link.index))
            self._doubt_ipv6(link)
            self.links[link.index] = link
        else:
            self.links.pop(link.index, None)
            self.lent -= {(link.index, address) for address in self.addresses.pop(link.index, ())}
            self.sysctls.pop(link.index, None)
            self.routes = {key: route for key, route in self.routes.items() if route.index != link.index}
        return {link.index}

    def note_address(self, told: AddressState, *, is_there: bool) -> set[int]:
        """Take over one address; returns the index of its link, unless it is an IPv4 address of the link only."""
        if told.scope == _SCOPE_LINK and ":" not in told.address:
            return set()
        self._doubt_routes(is_doubtful=not is_there)
        others = self.addresses.get(told.index, frozenset()) - {told.address}
        self.addresses[told.index] = others | {told.address} if is_there else others
        (self.lent.add if is_there and told.has_lifetime else self.lent.discard)((told.index, told.address))
        if not is_there:
            self.taken.add((told.index, told.address))
        return {told.index}

    def note_sysctl(self, index: int, name: str, value: str) -> None:
        """A setting of the link with this index, or with ``LOOPBACK`` of the namespace, has this value."""
        self.sysctls.setdefault(index, {})[name] = value

    def _doubt_routes(self, *, is_doubtful: bool) -> None:
        """IPv4 routes go without a word when their link goes down or loses an address: they must be read again."""
        self.is_unsure |= is_doubtful and self._has_routes

    def _doubt_ipv6(self, link: LinkState) -> None:
        """A link whose MTU suffices for IPv6 again gets new settings, just after the message that tells of the MTU."""
        before = self.links.get(link.index)
        is_told = link.ipv6 is not None or link.mtu < _IPV6_MIN_MTU
        if not is_told and before is not None and before.mtu < _IPV6_MIN_MTU:
            self.is_unsure = True
            self.due.add(link.index)

    def _was_up(self, index: int) -> bool:
        return index in self.links and self.links[index].is_up


def _is_risen(before: LinkState, now: LinkState) -> bool:
    """Whether a link, as it is read anew, is about to get settings for IPv6: no message will tell of them."""
    had_none = before.mtu < _IPV6_MIN_MTU or before.ipv6 is not None
    return now.ipv6 is None and now.mtu >= _IPV6_MIN_MTU and had_none


def _reason(body: bytes) -> str:
    """The kernel's sentence in an extended acknowledgement (NLMSGERR_ATTR_MSG)."""
    at = 20
    while at + 4 <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < 4:
            break
        if kind & 0x3FFF == 1:
            return body[at + 4 : at + length].rstrip(b"\0").decode(errors="replace")
        at += (length + 3) & ~3
    return ""
