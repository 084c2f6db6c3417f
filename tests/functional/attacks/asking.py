"""Questions that an instance asks of the services of its network, in the forms that attackers give them."""

import contextlib
import re
import socket
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from patchbay.host import netns
from tests.functional.security.frames import BROADCAST, Wire
from tests.functional.security.town import Town

T = TypeVar("T")
ANY = "0.0.0.0"
"""The sender of who has no address yet."""


def inside(town: Town, instance: str, work: Callable[[], T]) -> T:
    """What ``work`` gives, done in the network namespace of an instance."""

    def step_in() -> T:
        with netns.inside(town.lab.places()[instance].path):
            return work()

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(step_in).result()


def say_tcp(
    town: Town,
    instance: str,
    address: str,
    port: int,
    said: bytes,
    source: str = "",
    is_whole: Callable[[bytes], bool] = lambda _answer: False,
) -> bytes:
    """All that is answered within half a second to these bytes, or until it ``is_whole``; b"" when nothing is."""

    def talk() -> bytes:
        answer = b""
        with contextlib.suppress(OSError):
            opened = socket.create_connection((address, port), 0.5, (source, 0) if source else None)
            with opened:
                opened.sendall(said)
                while not is_whole(answer) and (data := opened.recv(65535)):
                    answer += data
        return answer

    return inside(town, instance, talk)


def ask_name(
    town: Town, instance: str, server: str, name: str, kind: str = "A", of: str = "IN", *, tcp: bool = False
) -> DNS | None:
    """What a name server answers; None: nothing."""
    question = bytes(DNS(id=7, rd=1, qd=DNSQR(qname=name, qtype=kind, qclass=of)))

    def ask() -> bytes:
        with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as opened:
            opened.settimeout(0.3)
            opened.sendto(question, (server, 53))
            return opened.recv(65535)
        return b""

    if tcp:
        asked = len(question).to_bytes(2, "big") + question
        answer = say_tcp(town, instance, server, 53, asked, is_whole=lambda said: len(said) > 12)[2:]
    else:
        answer = inside(town, instance, ask)
    return DNS(answer) if answer else None


def texts(answer: DNS | None) -> list[str]:
    """What the answers and further records of a reply say."""
    if answer is None:
        return []
    counted = ((answer.an, answer.ancount), (answer.ns, answer.nscount), (answer.ar, answer.arcount))
    return [str(getattr(part[at], "rdata", "")) for part, count in counted for at in range(count)]


def dhcp_frame(sender: str, client: str, kind: str, source: str = ANY, **options: Any) -> Packet:
    """A broadcast by ``sender`` to DHCP servers that says that it is from ``client``."""
    listed = [("message-type", kind), *options.items(), "end"]
    number = zlib.crc32(f"{sender} {client} {kind}".encode())
    message = BOOTP(op=1, xid=number, flags=0x8000, chaddr=mac_bytes(client), ciaddr=source) / DHCP(options=listed)
    head = Ether(src=sender, dst=BROADCAST) / IP(src=source, dst="255.255.255.255") / UDP(sport=68, dport=67)
    return head / message


def dhcp(wire: Wire, sender: str, client: str, kind: str, source: str = ANY, **options: Any) -> Packet | None:
    """What a DHCP server answers to ``dhcp_frame``; None: nothing."""
    packet = dhcp_frame(sender, client, kind, source, **options)
    wire.drain()
    wire.send(packet)
    for frame in wire.frames(0.5):
        heard = Ether(frame)
        if BOOTP in heard and heard[BOOTP].op == 2 and heard[BOOTP].xid == packet[BOOTP].xid:
            return heard
    return None


def said(answer: Packet | None) -> tuple[str, str]:
    """The kind of a DHCP answer and the address that it lends; ("", "") of none."""
    if answer is None:
        return "", ""
    kinds = {2: "offer", 5: "ack", 6: "nak"}
    options = dict(option[:2] for option in answer[DHCP].options if isinstance(option, tuple))
    return kinds.get(options["message-type"], "?"), answer[BOOTP].yiaddr


def lease(wire: Wire, mac: str) -> tuple[str, str]:
    """What an honest client gets that asks from the beginning."""
    offer = dhcp(wire, mac, mac, "discover")
    if offer is None:
        return "", ""
    options = dict(option[:2] for option in offer[DHCP].options if isinstance(option, tuple))
    server = options["server_id"]
    return said(dhcp(wire, mac, mac, "request", server_id=server, requested_addr=offer[BOOTP].yiaddr))


def mac_bytes(text: str) -> bytes:
    return bytes.fromhex(re.sub(":", "", text))
