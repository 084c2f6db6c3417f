"""Without flows a port with port security is cut off, not open: right after it is plugged, and after a restart."""

import random
from collections.abc import Iterator

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from patchbay.host.openflow import OpenFlowConnection
from patchbay.model.security import SecurityGroupRule
from tests.functional.security.frames import BROADCAST
from tests.functional.security.test_rules_at_random import NAMES, World, address, mac, port


def everything() -> Iterator[SecurityGroupRule]:
    for direction in ("ingress", "egress"):
        yield SecurityGroupRule(id=direction, security_group_id="group-1", direction=direction)


def test_a_restart_of_ovs_vswitchd_opens_no_port_with_port_security(on_private_host) -> None:
    async def scenario(host) -> None:
        host.start_ovs()
        world = World(random.Random(1))
        for rule in everything():
            world.put(rule)
        for name in ("a", "b"):
            world.put(port(name, frozenset({"group-1"})))
        world.build(host)

        def reaches(sender: str, receiver: str, to: str) -> bool:
            word = f"[{sender} to {receiver} {to}]".encode()
            packet = IP(src=address(sender, 4), dst=address(receiver, 4)) / UDP(sport=1, dport=9) / Raw(word)
            world.wires[receiver].drain()
            world.wires[sender].send(Ether(src=mac(sender), dst=to) / packet)
            return world.wires[receiver].hears(word, 0.3)

        ways = [("a", "b"), ("a", "free"), ("free", "a")]
        assert all(reaches(one, other, to) for one, other in ways for to in (mac(other), BROADCAST))
        host.kill("ovs-vswitchd")
        host.start_vswitchd()
        connection = OpenFlowConnection("br-int")
        await connection.open()
        assert await connection.count() == 0
        assert len(await connection.ports()) > len(NAMES)
        assert not [
            (one, other, to) for one, other in ways for to in (mac(other), BROADCAST) if reaches(one, other, to)
        ]

    on_private_host(scenario)
