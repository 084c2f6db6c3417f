"""What a device lets the kernel's own stack have of what comes in: small programs, as tc(8) takes them.

They run after Open vSwitch with the userspace datapath has seen a frame (it looks at all of them, as tcpdump does), and
before the kernel's network stack, a Linux bridge and the kernel's datapath. Written as a setting of the device, see
``Sysctl``: it goes with the device.
"""

from collections.abc import Mapping

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand: classic BPF (linux/filter.h)."""

EVERYTHING = "everything"
NOTHING = "nothing"
NOTHING_RESERVED = "nothing-reserved"
OWN_DHCP = "own-dhcp"
_PASS, _DROP = (0x06, 0, 0, 0), (0x06, 0, 0, 2)

PROGRAMS: Mapping[str, tuple[Instruction, ...]] = {
    # As without a program.
    EVERYTHING: (_PASS,),
    # The stack gets nothing: the device is for Open vSwitch alone.
    NOTHING: (_DROP,),
    # No frame for 01:80:c2:00:00:00 to :0f, which a Linux bridge does not pass on, but gives to the host.
    NOTHING_RESERVED: (
        (0x20, 0, 0, 0),  # the first four bytes of the destination
        (0x15, 0, 4, 0x0180C200),
        (0x28, 0, 0, 4),  # the last two
        (0x54, 0, 0, 0xFFF0),
        (0x15, 0, 1, 0),
        _DROP,
        _PASS,
    ),
    # Of what DHCP clients say (UDP port 67) only what is from the client that it speaks of: its hardware address
    # (chaddr) is the frame's sender. No fragments of it, whose later part would not be looked at.
    OWN_DHCP: (
        (0x28, 0, 0, 12),  # Ethernet type
        (0x15, 0, 20, 0x0800),
        (0x30, 0, 0, 23),  # protocol
        (0x15, 0, 18, 17),
        (0x28, 0, 0, 20),  # a later part of a packet
        (0x45, 16, 0, 0x1FFF),
        (0xB1, 0, 0, 14),  # X: length of the IP header
        (0x48, 0, 0, 16),  # port
        (0x15, 0, 13, 67),
        (0x28, 0, 0, 20),  # a first part, more follow
        (0x45, 10, 0, 0x2000),
        (0x48, 0, 0, 54),  # the last two bytes of chaddr, and of the sender
        (0x02, 0, 0, 0),
        (0x40, 0, 0, 50),  # the first four of both
        (0x02, 0, 0, 1),
        (0x28, 0, 0, 10),
        (0x61, 0, 0, 0),
        (0x1D, 0, 3, 0),
        (0x20, 0, 0, 6),
        (0x61, 0, 0, 1),
        (0x1D, 1, 0, 0),
        _DROP,
        _PASS,
    ),
}


def ingress(device: str) -> str:
    """The name of the setting of a device."""
    return f"tc/{device}/ingress"


def is_ingress(name: str) -> bool:
    """Whether this is the name of such a setting."""
    return name.startswith("tc/")


def bytecode(value: str) -> str:
    """A program as tc(8) reads it: the number of instructions, then each."""
    program = PROGRAMS[value]
    return ",".join([str(len(program)), *(" ".join(map(str, one)) for one in program)])
