"""Frames that instances send, made with scapy, and sockets that send and see them."""

import contextlib
import select
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, GRE, Ether
from scapy.packet import Packet, Raw

from patchbay.host.netns import inside

_OUTGOING, _ETH_P_ALL, _RCVBUFFORCE, _AUXDATA_LEVEL = 4, 3, 33, 263
BROADCAST = "ff:ff:ff:ff:ff:ff"


class Wire:
    """An interface of an instance, seen from outside of it. ``seen`` are payloads and frames that came in."""

    def __init__(self, path: Path, device: str = "eth0") -> None:
        with inside(path):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
            self.socket.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, 4 << 20)
            self.socket.bind((device, _ETH_P_ALL))

    def send(self, frame: Packet | bytes) -> None:
        """Put a frame on the wire as if the instance had."""
        self.socket.send(bytes(frame))

    def frames(self, seconds: float, until: Callable[[bytes], bool] = lambda _frame: False) -> Iterator[bytes]:
        """What comes in, for so long, or until such a frame, which is the last."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                return
            with contextlib.suppress(BlockingIOError):
                frame, (_, _, kind, *_) = self.socket.recvfrom(65535)
                if kind != _OUTGOING:
                    yield frame
                    if until(frame):
                        return

    def drain(self) -> None:
        """Forget what has come."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.socket.recv(65535)

    def hears(self, word: bytes, seconds: float) -> bool:
        """Whether a frame with these bytes comes."""
        return any(word in frame for frame in self.frames(seconds, lambda frame: word in frame))

    def close(self) -> None:
        self.socket.close()


def ip(source: str, target: str) -> Packet:
    """The IP header between two addresses."""
    return IPv6(src=source, dst=target) if ":" in source else IP(src=source, dst=target)


def layer_four(protocol: int, first: int, second: int, number: int) -> Packet:
    """TCP, UDP, ICMP, ICMPv6 or something else; ``number`` tells connections apart."""
    port = 1024 + number % 60000
    match protocol:
        case 6:
            return TCP(sport=port, dport=second, flags="S", seq=number)
        case 17:
            return UDP(sport=port, dport=second)
        case 1:
            return ICMP(type=first, code=second, id=port)
        case 58:
            return ICMPv6EchoRequest(code=second, id=port) if first == 128 else ICMPv6EchoReply(id=port)
        case 47:
            return GRE(proto=0x6558)
    return Raw(b"")


def probe(source: str, target: str) -> Packet:
    """An ARP request that announces an address (RFC 5227): every port takes it."""
    return Ether(src=source, dst=BROADCAST) / ARP(op=1, hwsrc=source, psrc=target, pdst=target)
