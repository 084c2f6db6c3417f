"""Fragments that hide what they carry, overlap or never end: nothing gets past the rules, and large packets pass."""

from collections.abc import Callable

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from tests.functional.attacks.scene import ATTACKERS
from tests.functional.security.frames import Wire
from tests.functional.security.town import Town, wait_for

pytestmark = pytest.mark.usefixtures("beside")
MINE, MINE6 = ATTACKERS["mallory"]
WEB, WEB6 = "10.0.1.31", "fd00:1::31"
"""It lets in TCP port 80."""
SECRET, HONEST = b"[behind a fragment]", b"[as it should be]"
"""What must not be heard, and what else there is in packets for an open port."""
FIRST = 1368
"""Bytes of a fragment that Open vSwitch takes; what is smaller and not the last it does not."""
Cut = tuple[int, bytes, bool]
"""Where a fragment begins (bytes), what it carries, whether more follow."""


def tcp(version: int, port: int, word: bytes, size: int = 2600) -> bytes:
    """A TCP segment with a word at its end."""
    segment = TCP(sport=4000, dport=port, flags="S") / Raw(bytes(size) + word)
    return (
        bytes(IP(src=MINE, dst=WEB) / segment)[20:] if version == 4 else bytes(IPv6(src=MINE6, dst=WEB6) / segment)[40:]
    )


def udp() -> bytes:
    """A datagram with the secret; of IPv4, without a checksum."""
    return bytes(UDP(sport=4000, dport=53, len=1227, chksum=0)) + bytes(1200) + SECRET


def cut(payload: bytes, *ends: int) -> list[Cut]:
    """A payload in pieces that end there."""
    starts, stops = (0, *ends), (*ends, len(payload))
    return [(start, payload[start:end], end < len(payload)) for start, end in zip(starts, stops, strict=True)]


def tricks(version: int) -> dict[str, tuple[int, list[Cut]]]:
    """Each by its name: the protocol that it says, and its pieces."""
    to_open, shut = tcp(version, 80, HONEST), tcp(version, 81, SECRET)
    hidden = shut[: FIRST - 40] + SECRET
    head, tail = (0, to_open[:FIRST], True), (FIRST, to_open[FIRST:], False)
    return {
        "to a closed port": (6, cut(shut, FIRST)),
        "a tiny first fragment": (6, [*cut(shut, 8)[:1], (8, shut[8:FIRST], True), (FIRST, shut[FIRST:], False)]),
        "a tiny first fragment of an open port": (6, cut(tcp(version, 80, SECRET, 0), 8)),
        "two first fragments": (6, [head, (0, hidden, True), tail]),
        "the header in the second fragment alone": (17, [(FIRST, udp(), False)]),
        "the header in the second fragment, after one of none": (17, [(0, bytes(FIRST), True), (FIRST, udp(), False)]),
        "a last fragment over the ports of the first": (6, [head, (0, hidden, False)]),
        "a second fragment over the flags of the first": (6, [head, (8, hidden[8:], True), tail]),
        "the last fragment first, over what follows": (6, [(16, hidden[16:], False), head]),
        "a fragment inside another (teardrop)": (6, [head, (24, SECRET + bytes(13), False)]),
        "no first fragment": (6, [(FIRST, to_open[FIRST:] + SECRET, False)]),
        "a fragment beyond 65535 bytes (ping of death)": (1, [(65528, SECRET + bytes(1000), False)]),
        "another protocol in the second fragment": (6, [head, (FIRST, udp(), False)]),
    }


def pieces(version: int, name: str, number: int) -> list[Packet]:
    """The fragments of a trick, as packets; ``number`` tells one from the next."""
    protocol, cuts = tricks(version)[name]
    made: list[Packet] = []
    for start, data, more in cuts:
        said = 17 if name.startswith("another protocol") and start else protocol
        if version == 4:
            head = IP(src=MINE, dst=WEB, id=number, proto=said, frag=start // 8, flags="MF" if more else 0)
        else:
            fragment = IPv6ExtHdrFragment(id=number, nh=said, m=int(more), offset=start // 8)
            head = IPv6(src=MINE6, dst=WEB6) / fragment
        made.append(head / Raw(data))
    return made


@pytest.mark.parametrize("version", [4, 6])
def test_fragments_that_hide_or_overlap(town: Town, wires: Callable[[str], Wire], version: int) -> None:
    """Each twice, as after the first there may be a connection; none brings its secret to who lets in port 80 only."""
    mallory, web = wires("mallory"), wires("web")
    ether = Ether(src=town.port("mallory")["mac_address"], dst=town.port("web")["mac_address"])
    heard = []
    for place, name in enumerate(tricks(version)):
        for number in (2 * place + 1, 2 * place + 2):
            web.drain()
            for piece in pieces(version, name, number):
                mallory.send(ether / piece)
            if web.hears(SECRET, 0.1):
                heard.append(name)
    assert heard == []


@pytest.mark.parametrize("version", [4, 6])
def test_large_packets_to_an_open_port_pass(town: Town, wires: Callable[[str], Wire], version: int) -> None:
    """What the tricks are held against: honest fragments to the same port arrive."""
    mallory, web = wires("mallory"), wires("web")
    ether = Ether(src=town.port("mallory")["mac_address"], dst=town.port("web")["mac_address"])

    def arrives() -> bool:
        numbers[0] += 1
        for start, data, more in cut(tcp(version, 80, SECRET), FIRST):
            if version == 4:
                head = IP(src=MINE, dst=WEB, id=numbers[0], proto=6, frag=start // 8, flags="MF" if more else 0)
            else:
                fragment = IPv6ExtHdrFragment(id=numbers[0], nh=6, m=int(more), offset=start // 8)
                head = IPv6(src=MINE6, dst=WEB6) / fragment
            mallory.send(ether / head / Raw(data))
        return web.hears(SECRET, 0.3)

    numbers = [1000]
    wait_for(arrives, "a large packet for an open port arrives")


def test_fragments_that_never_end(town: Town, wires: Callable[[str], Wire]) -> None:
    """More beginnings than Open vSwitch keeps. All that is no fragment goes on, on this host, too; and fragments pass
    again as soon as those have grown old (15 s), with nothing to be mended."""
    mallory = wires("mallory")
    ether = Ether(src=town.port("mallory")["mac_address"], dst=town.port("neighbour")["mac_address"])
    body = bytes(UDP(sport=1, dport=2, len=3000)) + bytes(FIRST - 8)

    def large() -> bool:
        return " 0 received" not in town.within("blue1", "ping -n -c 1 -W 1 -s 4000 10.0.2.12")

    wait_for(large, "blue's large packets pass")
    for number in range(2000):
        head = IP(src=MINE, dst="10.0.1.12", id=number, proto=17, flags="MF", len=20 + len(body))
        mallory.send(bytes(ether / head) + body)
    assert town.reaches("blue1", "10.0.2.12")
    assert town.reaches("neighbour", "10.0.1.11")
    wait_for(large, "blue's large packets pass again", 30)
