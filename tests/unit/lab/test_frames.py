"""Test frames are known again, and nothing else on the wire is taken for one."""

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from patchbay.lab.frames import (
    BROADCAST,
    RAW,
    REPLY,
    REQUEST,
    Marker,
    arp_request,
    checksum,
    echo_request,
    probe_frame,
)

MAC = bytes.fromhex("fa163e000001")
OTHER = bytes.fromhex("fa163e000002")


def ipv4(message: bytes, protocol: int = 1) -> bytes:
    header = bytes([0x45, 0]) + (20 + len(message)).to_bytes(2, "big") + bytes(5) + bytes([protocol, 0, 0])
    return header + ip_address("192.168.10.11").packed + ip_address("192.168.10.12").packed + message


def ipv6(message: bytes) -> bytes:
    header = bytes([0x60, 0, 0, 0]) + len(message).to_bytes(2, "big") + bytes([58, 64])
    return header + ip_address("fd00::1").packed + ip_address("fd00::2").packed + message


def frame(ether_type: int, body: bytes) -> bytes:
    return OTHER + MAC + ether_type.to_bytes(2, "big") + body


def test_an_echo_request_and_its_reply_carry_the_number_of_their_probe() -> None:
    marker = Marker()
    request = echo_request(4, 1, 1, marker.mark(7))
    sight = marker.read(frame(0x0800, ipv4(request)))
    assert sight is not None
    assert (sight.number, sight.kind, sight.source) == (7, REQUEST, MAC)
    assert sight.text == "IP 192.168.10.11 > 192.168.10.12"
    reply = marker.read(frame(0x0800, ipv4(b"\0" + request[1:])))
    assert reply is not None
    assert (reply.number, reply.kind) == (7, REPLY)


def test_echo_over_ipv6_likewise() -> None:
    marker = Marker()
    request = echo_request(6, 1, 1, marker.mark(8))
    sight = marker.read(frame(0x86DD, ipv6(request)))
    assert sight is not None
    assert (sight.number, sight.kind, sight.text) == (8, REQUEST, "IP6 fd00::1 > fd00::2")
    reply = marker.read(frame(0x86DD, ipv6(b"\x81" + request[1:])))
    assert reply is not None
    assert reply.kind == REPLY


def test_layer_2_frames_and_arp_carry_it_too() -> None:
    marker = Marker()
    plain = marker.read(probe_frame(MAC, BROADCAST, marker.mark(1)))
    asked = marker.read(arp_request(MAC, ip_address("10.0.0.1"), ip_address("10.0.0.2"), marker.mark(2)))
    assert plain is not None
    assert asked is not None
    assert (plain.number, plain.kind, plain.text) == (1, RAW, "ethertype 0x88b5")
    assert (asked.number, asked.kind, asked.text) == (2, RAW, "ARP who-has 10.0.0.2 tell 10.0.0.1")


def test_the_frames_of_another_run_have_no_number() -> None:
    sight = Marker().read(probe_frame(MAC, BROADCAST, Marker().mark(1)))
    assert sight is not None
    assert sight.number == -1


def test_an_icmp_message_with_its_checksum_sums_to_zero() -> None:
    assert checksum(echo_request(4, 0x1234, 1, b"payload of odd length")) == 0


@given(data=st.binary(max_size=200))
def test_whatever_comes_from_the_wire_is_read(data: bytes) -> None:
    marker = Marker()
    sight = marker.read(data)
    assert (sight is None) == (len(data) < 14)


@given(
    head=st.binary(min_size=12, max_size=12),
    kind=st.sampled_from([0x0800, 0x0806, 0x86DD, 0x88B5]),
    body=st.binary(max_size=80),
    cut=st.integers(0, 120),
)
def test_cut_and_garbled_frames_of_known_kinds_are_read(head: bytes, kind: int, body: bytes, cut: int) -> None:
    marker = Marker()
    marker.read((head + kind.to_bytes(2, "big") + body + marker.mark(3))[:cut])
