"""Whether another host answers: ICMP echo (RFC 792, RFC 4443) from this host's own tunnel address."""

import asyncio
import itertools
import os
import socket
import struct

TRIES, PAUSE_S = 4, 0.25
_numbers = itertools.count(os.getpid())


async def answers(source: str, target: str) -> bool:
    """Whether ``target`` answers one of ``TRIES`` echo requests from ``source``. Needs root (CAP_NET_RAW)."""
    number = next(_numbers) & 0xFFFF
    is_v6 = ":" in target
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if is_v6 else (socket.AF_INET, socket.IPPROTO_ICMP)
    try:
        with socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol) as opened:
            opened.bind((source, 0))
            for sequence in range(TRIES):
                if await _ask(opened, target, number, sequence):
                    return True
    except OSError:
        return False
    return False


async def _ask(opened: socket.socket, target: str, number: int, sequence: int) -> bool:
    """One request; whether its answer, or that of an earlier one, came in time."""
    is_v6 = ":" in target
    request, reply = (128, 129) if is_v6 else (8, 0)
    loop = asyncio.get_running_loop()
    try:
        opened.sendto(_echo(request, number, sequence), (target, 0))
    except OSError:  # no route, or nobody answers ARP: the next one may get through
        await asyncio.sleep(PAUSE_S)
        return False
    try:
        async with asyncio.timeout(PAUSE_S):
            while True:
                data, sender = await loop.sock_recvfrom(opened, 2048)
                head = data if is_v6 else data[(data[0] & 15) * 4 :]
                if sender[0] == target and head[:1] == bytes((reply,)) and head[4:6] == struct.pack("!H", number):
                    return True
    except TimeoutError:
        return False


def _echo(kind: int, number: int, sequence: int) -> bytes:
    """An echo request; the kernel writes the checksum of IPv6."""
    body = b"patchbay"
    total = (kind << 8) + number + sequence + sum(struct.unpack("!4H", body))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    checksum = 0 if kind == 128 else ~total & 0xFFFF
    return struct.pack("!BBHHH", kind, 0, checksum, number, sequence) + body
