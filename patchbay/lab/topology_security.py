"""What a topology file says of security groups; part of ``topology``."""

from typing import Literal

import msgspec

DEFAULT = "default"
"""The group that every project has; a file may give it further rules."""


class SecurityRule(msgspec.Struct, frozen=True):
    """A rule: what comes from ``remote`` or goes to it (a CIDR, a group, an address group; "": everybody).

    ``first`` and ``last`` are the ends of a range of ports, or ICMP type and code.
    """

    direction: Literal["ingress", "egress"] = "ingress"
    ethertype: str = "IPv4"
    protocol: str | None = None
    first: int | None = None
    last: int | None = None
    remote: str = ""


class SecurityGroup(msgspec.Struct, frozen=True):
    """A security group. Like every new group it lets everything out, besides what its ``rules`` say."""

    project: str = ""
    stateful: bool = True
    rules: tuple[SecurityRule, ...] = ()
