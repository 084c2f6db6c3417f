"""A hostile instance sends what it must not: nobody hears it, here or on another host, and its proper frames pass."""

from collections.abc import Callable

import pytest
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.l2 import Ether

from tests.functional.security.frames import Wire
from tests.functional.security.spoofing import MINE, OTHER_MAC, PROPER, WORD, WRONG, Scene, hears, udp
from tests.functional.security.town import Town


@pytest.mark.parametrize("receiver", ["victim1", "victim2", "open1", "open2"])
def test_nobody_hears_what_a_port_must_not_say(town: Town, wires: Callable[[str], Wire], receiver: str) -> None:
    fixed = [item["ip_address"] for item in town.port(receiver)["fixed_ips"]]
    address, address6 = sorted(fixed, key=lambda text: ":" in text)
    own = town.port("mallory")["mac_address"]
    scene = Scene(own, town.port(receiver)["mac_address"], address, address6)
    mallory, listener = wires("mallory"), wires(receiver)
    last = scene.frame() / IP(src=MINE, dst=address) / UDP(sport=5555, dport=7777)
    unheard = [name for name, make in PROPER.items() if not hears(mallory, listener, make(scene), last)]
    assert unheard == []
    heard = [name for name, make in WRONG.items() if hears(mallory, listener, make(scene), last)]
    assert heard == []


def test_fragments_pass_and_do_not_hide_what_they_carry(town: Town, wires: Callable[[str], Wire]) -> None:
    """Large ones, twice: the userspace datapath takes none of less than 1200 bytes, and knows the ports of later ones
    only from a connection that it has seen before."""
    own, web = town.port("mallory")["mac_address"], town.port("web1")["mac_address"]
    mallory, listener = wires("mallory"), wires("web1")
    for port, may in ((80, True), (81, False)):
        word = f"[fragments for {port}]".encode()
        found = False
        for number in (1, 2):
            header = IP(src=MINE, dst="10.0.1.31", id=2 * port + number)
            whole = header / TCP(sport=3333 + port, dport=port, flags="S") / (b"x" * 3000 + word)
            for piece in fragment(whole, fragsize=1376):
                mallory.send(Ether(src=own, dst=web) / piece)
            found = listener.hears(word, 0.5)
        assert found == may


def test_unicast_that_nobody_has_is_flooded_to_no_port_with_port_security(
    town: Town, wires: Callable[[str], Wire]
) -> None:
    sender, listener, open_listener = wires("open2"), wires("victim1"), wires("open1")
    frame = Ether(src=town.port("open2")["mac_address"], dst=OTHER_MAC) / IP(src="10.0.1.22", dst="10.0.1.200") / udp()
    sender.send(frame)
    assert open_listener.hears(WORD, 5), "it is flooded at all"
    assert not listener.hears(WORD, 0.3)
