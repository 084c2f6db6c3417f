"""The DHCP question that a check asks, and what it reads from answers."""

import struct

from patchbay.lab.dhcp_frames import MAGIC, Offer, discover, read_offer
from patchbay.lab.frames import checksum
from patchbay.lab.questions import describe_lease, differences
from patchbay.lab.topology import HostRoute, Lease

MAC = bytes.fromhex("fa163e5f1f58")
OFFER = Offer(
    "10.0.1.5",
    "10.0.1.2",
    "10.0.1.1",
    ("10.0.1.2",),
    "openstacklocal",
    1450,
    (
        HostRoute("169.254.169.254/32", "10.0.1.1"),
        HostRoute("10.20.0.0/15", "10.0.1.9"),
        HostRoute("0.0.0.0/0", "10.0.1.1"),
    ),
)


def answer(number: int = 7, kind: int = 2, options: bytes = b"") -> bytes:
    """A frame as a server sends it."""
    options = options or (
        bytes((54, 4, 10, 0, 1, 2, 3, 4, 10, 0, 1, 1, 0, 6, 4, 10, 0, 1, 2, 15, 14))
        + b"openstacklocal"
        + bytes((26, 2, 1450 >> 8, 1450 & 255))
        + bytes((121, 9 + 7 + 5, 32, 169, 254, 169, 254, 10, 0, 1, 1, 15, 10, 20, 10, 0, 1, 9, 0, 10, 0, 1, 1))
    )
    head = struct.pack("!BBBBIHH", 2, 1, 6, 0, number, 0, 0x8000) + bytes(4) + bytes((10, 0, 1, 5)) + bytes(8)
    message = head + MAC.ljust(16, b"\0") + bytes(192) + MAGIC + bytes((53, 1, kind)) + options + b"\xff"
    udp = struct.pack("!HHHH", 67, 68, 8 + len(message), 0) + message
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + bytes((10, 0, 1, 2)) + b"\xff" * 4
    return b"\xff" * 6 + bytes(6) + b"\x08\x00" + ip + udp


def test_everything_in_an_offer_is_read() -> None:
    assert read_offer(answer(), 7) == OFFER


def test_answers_to_others_and_other_answers_are_not_taken_for_it() -> None:
    assert read_offer(answer(), 8) is None
    assert read_offer(answer(kind=5), 7) is None
    assert read_offer(discover(MAC, 7), 7) is None


def test_a_cut_or_odd_answer_is_no_traceback() -> None:
    frame = answer()
    for length in range(len(frame)):
        read_offer(frame[:length], 7)
    odd = answer(options=bytes((121, 3, 24, 10, 0, 3, 3, 10, 0, 1, 6, 200, 1)))
    offer = read_offer(odd, 7)
    assert offer is not None
    assert (offer.routes, offer.router) == ((), "")


def test_a_discover_is_a_broadcast_with_a_right_header() -> None:
    frame = discover(MAC, 7)
    assert frame[:14] == b"\xff" * 6 + MAC + b"\x08\x00"
    assert checksum(frame[14:34]) == 0
    assert struct.unpack_from("!H", frame, 16)[0] == len(frame) - 14


def test_a_client_may_wish_to_keep_its_address() -> None:
    assert bytes((53, 1, 1, 50, 4, 10, 0, 1, 5, 55)) in discover(MAC, 7, "10.0.1.5")


def test_only_what_is_expected_is_compared() -> None:
    assert differences(Lease("vm1"), OFFER) == []
    right = Lease("vm1", address="10.0.1.2-10.0.1.9", router="10.0.1.1", dns=("10.0.1.2",), mtu=1450)
    assert differences(right, OFFER) == []
    routes = Lease("vm1", routes=(HostRoute("10.20.0.0/15", "10.0.1.9"),))
    assert differences(routes, OFFER) == []


def test_every_difference_is_told() -> None:
    wrong = Lease(
        "vm1",
        address="10.0.1.6",
        router="",
        server="10.0.1.3",
        mtu=1500,
        domain="x",
        routes=(HostRoute("1.0.0.0/8", "::1"),),
    )
    assert differences(wrong, OFFER) == [
        "router 10.0.1.1, expected none",
        "server 10.0.1.2, expected 10.0.1.3",
        "domain openstacklocal, expected x",
        "mtu 1450, expected 1500",
        "address 10.0.1.5, expected 10.0.1.6",
        "no route to 1.0.0.0/8 by ::1",
    ]
    assert describe_lease(wrong).startswith("10.0.1.6, router none, server 10.0.1.3, domain x, mtu 1500, 1.0.0.0/8 by")
