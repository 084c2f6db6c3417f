"""Announcements are what the RFCs say, byte for byte."""

from patchbay.host.announce import announcement

MAC = bytes.fromhex("fa163e000001")


def test_an_arp_announcement_asks_everybody_for_its_own_address() -> None:
    frame = announcement(MAC, "192.168.10.11")
    assert frame[:6] == b"\xff" * 6
    assert frame[6:14] == MAC + b"\x08\x06"
    assert frame[14:22] == bytes.fromhex("0001080006040001")
    assert frame[22:32] == MAC + bytes([192, 168, 10, 11])
    assert frame[32:] == bytes(6) + bytes([192, 168, 10, 11])


def test_an_unsolicited_advertisement_tells_all_nodes_and_overrides_with_a_right_checksum() -> None:
    frame = announcement(MAC, "fd00:10::11")
    assert frame[:14] == bytes.fromhex("333300000001") + MAC + b"\x86\xdd"
    header, body = frame[14:54], frame[54:]
    assert (header[0] >> 4, header[4:6], header[6], header[7]) == (6, b"\x00\x20", 58, 255)
    assert (body[0], body[1], body[4]) == (136, 0, 0x20)
    assert body[24:] == b"\x02\x01" + MAC
    words = header[8:] + len(body).to_bytes(4, "big") + (58).to_bytes(4, "big") + body
    total = sum(int.from_bytes(words[at : at + 2], "big") for at in range(0, len(words), 2))
    assert total % 0xFFFF == 0
