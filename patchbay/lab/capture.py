"""Sockets inside instances: captures of every frame, and senders, opened from outside and without a process.

Called by ``check`` and ``stream``. A socket belongs to the namespace that its thread was in when it was made and stays
there, so the calling thread steps into the instance for a moment only.
"""

import contextlib
import fcntl
import ipaddress
import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from patchbay.errors import LabError
from patchbay.host.netns import inside
from patchbay.lab.frames import REPLY, Address, Marker, Sight, arp_request, echo_request
from patchbay.lab.namespaces import Space
from patchbay.lab.places import Place, namespace_path

_ETH_P_ALL = 3
_PACKET_OUTGOING = 4
_SO_RCVBUFFORCE = 33
_SOL_PACKET, _PACKET_AUXDATA, _AUXDATA = 263, 8, struct.Struct("IIIHHHH")
_VLAN_VALID = 0x10
_SIOCGIFADDR = 0x8915
_SOL_RAW, _ICMP_FILTER, _ICMP6_FILTER = 255, 1, 1


class Tap:
    """A capture on one interface of an instance; also sends frames there. ``mac`` is the interface's.

    ``first``: when the first frame of each probe and kind came; ``senders``: by probe and kind, the IP address that the
    last one came from; ``marked``: by probe, a frame other than a reply; ``unmarked``: by source MAC, a frame that is
    not a test frame; ``is_broken``: the interface went down or away since. ``is_untagged``: a machine on a wire that
    carries VLANs, too, whose frames its card does not take.
    """

    def __init__(
        self, instance: str, device: str, network: str, opened: socket.socket, *, is_untagged: bool = False
    ) -> None:
        self.instance = instance
        self._is_untagged = is_untagged
        self.device = device
        self.network = network
        self.socket = opened
        self.mac = bytes(opened.getsockname()[4])
        self.first: dict[tuple[int, str], float] = {}
        self.senders: dict[tuple[int, str], Address] = {}
        self.marked: dict[int, Sight] = {}
        self.unmarked: dict[bytes, Sight] = {}
        self.is_broken = False

    def send(self, frame: bytes) -> None:
        """Put a frame on the wire as if the instance had."""
        with contextlib.suppress(OSError):  # link down: nothing leaves, which is what the check will find
            self.socket.send(frame)

    def drain(self, marker: Marker) -> None:
        """Take in what has arrived. Frames that the instance itself sent are not kept."""
        try:
            while True:
                frame, ancillary, _, (_, _, packet_type, _, _) = self.socket.recvmsg(65535, 64)
                if packet_type == _PACKET_OUTGOING or (self._is_untagged and _is_tagged(ancillary)):
                    continue
                if (sight := marker.read(frame)) is not None:
                    self._note(sight)
        except BlockingIOError:
            return
        except OSError:
            self.is_broken = True

    def renew(self, fresh: "Tap") -> None:
        """Go on with the socket of a fresh capture on the interface that has the same name now."""
        self.socket.close()
        self.socket, self.mac, self.is_broken = fresh.socket, fresh.mac, False

    def _note(self, sight: Sight) -> None:
        if sight.number < 0:
            self.unmarked.setdefault(sight.source, sight)
            return
        self.first.setdefault((sight.number, sight.kind), time.monotonic())
        if sight.sender is not None:
            self.senders[sight.number, sight.kind] = sight.sender
        if sight.kind != REPLY:
            self.marked.setdefault(sight.number, sight)


class Pinger:
    """Sends echo requests through an instance's own IP stack (its routes, ARP and neighbour discovery)."""

    def __init__(self, sockets: dict[int, socket.socket]) -> None:
        self._sockets = sockets

    def send(self, address: Address, identifier: int, sequence: int, payload: bytes) -> str:
        """Send one echo request; returns "" or why the instance's stack refused it."""
        try:
            message = echo_request(address.version, identifier, sequence, payload)
            self._sockets[address.version].sendto(message, (str(address), 0))
        except OSError as error:
            return (error.strerror or str(error)).lower()
        return ""

    def receive_socket(self, version: int) -> socket.socket:
        """The raw socket that also receives replies."""
        return self._sockets[version]

    def close(self) -> None:
        """Close the sockets."""
        for opened in self._sockets.values():
            opened.close()


def open_tap(place: Place, device: str, network: str) -> Tap:
    """Capture on an interface of an instance or of a machine outside. Raises ``LabError`` when it is not there."""
    try:
        with inside(place.path):
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
            try:
                opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 4 << 20)
                opened.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, not place.instance)
                opened.bind((device, _ETH_P_ALL))
            except OSError:
                opened.close()
                raise
    except OSError as error:
        raise LabError(f"Instance {place.name}: {device} is not there ({error.strerror}).") from None
    return Tap(place.name, device, network, opened, is_untagged=not place.instance)


def open_pinger(host: Space, instance: str, *, receive: bool = False) -> Pinger:
    """Open the senders of an instance ("": of the host itself). ``receive``: replies will be read from them, too."""
    sockets = {}
    try:
        with inside(namespace_path(host, instance)):
            for version, family, protocol in ((4, socket.AF_INET, 1), (6, socket.AF_INET6, 58)):
                opened = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
                opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 4 << 20)
                _filter(opened, version, keep_replies=receive)
                sockets[version] = opened
    except OSError as error:
        raise LabError(f"Instance {instance or host.pid}: is not there ({error.strerror}).") from None
    return Pinger(sockets)


def ask_for_neighbours(host: Space, device: str, own: str, others: Iterable[str]) -> None:
    """Send an ARP request (or an echo request, for IPv6) from a host to each of the addresses; answers are not read."""
    with (
        contextlib.closing(open_pinger(host, "")) as pinger,
        inside(namespace_path(host, "")),
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as opened,
    ):
        opened.bind((device, 0))
        mac = bytes(opened.getsockname()[4])
        for address in map(ipaddress.ip_address, others):
            if address.version == 4:
                opened.send(arp_request(mac, ipaddress.ip_address(own), address, b""))
            else:
                pinger.send(address, 1, 1, b"")


def read_addresses(place: Place, device: str) -> list[Address]:
    """The addresses of an interface: its primary IPv4 address and its global IPv6 addresses."""
    found: list[Address] = []
    with contextlib.suppress(OSError), inside(place.path):
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            answer = fcntl.ioctl(asked, _SIOCGIFADDR, struct.pack("256s", device.encode()))
            found.append(ipaddress.ip_address(answer[20:24]))
        for line in Path("/proc/thread-self/net/if_inet6").read_text().splitlines():
            digits, _, _, scope, _, name = line.split()
            if name == device and scope == "00":
                found.append(ipaddress.ip_address(bytes.fromhex(digits)))
    return found


def listen(taps: Iterable[Tap], marker: Marker, seconds: float, is_done: Callable[[], bool] = lambda: False) -> None:
    """Take in what all captures see, for so long, or until ``is_done``."""
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for tap in taps:
            selector.register(tap.socket, selectors.EVENT_READ, tap)
        while (left := deadline - time.monotonic()) > 0 and not is_done():
            for key, _ in selector.select(left):
                key.data.drain(marker)


def _is_tagged(ancillary: list[tuple[int, int, bytes]]) -> bool:
    """The kernel keeps a frame's VLAN tag beside the frame (packet(7), PACKET_AUXDATA)."""
    return any(
        (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA) and _AUXDATA.unpack_from(data)[0] & _VLAN_VALID
        for level, kind, data in ancillary
    )


def close_all(opened: Sequence[Tap | Pinger]) -> None:
    """Close captures and senders."""
    for each in opened:
        if isinstance(each, Tap):
            each.socket.close()
        else:
            each.close()


def _filter(opened: socket.socket, version: int, *, keep_replies: bool) -> None:
    """Let the kernel drop what will not be read: everything, or all but echo replies (raw(7), RFC 3542)."""
    if version == 4:
        keep = 1 << 0 if keep_replies else 0
        opened.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("I", 0xFFFFFFFF & ~keep))
    else:
        words = [0xFFFFFFFF] * 8
        if keep_replies:
            words[129 >> 5] &= ~(1 << (129 & 31))
        opened.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("8I", *words))
