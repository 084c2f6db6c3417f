"""Packets through the rules of a router: connections go on while rules change, and end with their floating address."""

import socket

from patchbay.host import netns
from patchbay.host.services import Services
from patchbay.hoststate import Ruleset
from patchbay.plan.diff import diff
from patchbay.plan.observed import Observed

ROUTER = "qrouter-1"
CHAINS = (":PREROUTING ACCEPT", ":INPUT ACCEPT", ":OUTPUT ACCEPT", ":POSTROUTING ACCEPT")
WIRES = f"""
for name in {ROUTER} web internet; do ip netns add $name; ip -n $name link set lo up; done
ip link add qr-1 netns {ROUTER} type veth peer name eth0 netns web
ip link add qg-1 netns {ROUTER} type veth peer name eth0 netns internet
ip -n {ROUTER} addr add 10.0.0.1/24 dev qr-1; ip -n {ROUTER} addr add 203.0.113.2/24 dev qg-1
ip -n {ROUTER} addr add 203.0.113.5/32 dev qg-1
ip -n {ROUTER} link set qr-1 up; ip -n {ROUTER} link set qg-1 up
ip netns exec {ROUTER} sysctl -qw net.ipv4.ip_forward=1
ip -n web addr add 10.0.0.5/24 dev eth0; ip -n web link set eth0 up; ip -n web route add default via 10.0.0.1
ip -n internet addr add 203.0.113.9/24 dev eth0; ip -n internet link set eth0 up
"""


def rules(*floating: tuple[str, str]) -> Ruleset:
    lines = [f"-A PREROUTING -d {outer}/32 -j DNAT --to-destination {inner}" for outer, inner in floating]
    lines += [f"-A POSTROUTING -s {inner}/32 -o qg-1 -j SNAT --to-source {outer}" for outer, inner in floating]
    return Ruleset(namespace=ROUTER, tables=(("nat", (*CHAINS, *lines)),))


ONE = ("203.0.113.5", "10.0.0.5")
OTHER = ("203.0.113.6", "10.0.0.6")


def open_socket(namespace: str) -> socket.socket:
    with netns.inside(netns.NETNS_DIRECTORY / namespace):
        opened = socket.socket()
    opened.settimeout(5)
    return opened


class Conversation:
    """A TCP connection from the internet to the instance's floating address."""

    def __init__(self) -> None:
        self.listener = open_socket("web")
        self.listener.bind(("10.0.0.5", 8080))
        self.listener.listen()
        self.outside = open_socket("internet")
        self.outside.connect(("203.0.113.5", 8080))
        self.inside, _ = self.listener.accept()
        self.inside.settimeout(5)

    def goes_on(self, patience_s: float = 5.0) -> bool:
        self.inside.settimeout(patience_s)
        self.outside.send(b"x")
        try:
            return self.inside.recv(1) == b"x"
        except TimeoutError:
            return False

    def close(self) -> None:
        for one in (self.outside, self.inside, self.listener):
            one.close()


async def set_rules(services: Services, desired: dict, ruleset: Ruleset) -> list[str]:
    desired[ruleset.key] = ruleset
    plan = diff(Observed(services.resources.values()), desired)
    assert await services.apply(plan) == []
    return [type(operation).__name__ for operation in plan]


def test_a_connection_outlives_changes_of_rules_but_not_its_floating_address(on_private_host):
    async def scenario(host):
        host.sh(WIRES)
        desired: dict = {}
        services = Services("/run/patchbay")
        await services.load(desired)
        assert await set_rules(services, desired, rules(ONE)) == ["SetRuleset"]
        conversation = Conversation()
        assert conversation.goes_on()
        assert await set_rules(services, desired, rules(OTHER, ONE)) == ["SetRuleset"]
        assert conversation.goes_on()
        assert await set_rules(services, desired, rules(OTHER)) == ["SetRuleset", "FlushConntrack"]
        assert "203.0.113.5" not in host.sh(f"ip netns exec {ROUTER} conntrack -L -s 203.0.113.9 2>/dev/null")
        assert not conversation.goes_on(0.5)
        conversation.close()
        services.close()

    on_private_host(scenario)


def test_a_floating_address_given_to_another_instance_breaks_its_connections_off(on_private_host):
    async def scenario(host):
        host.sh(WIRES)
        desired: dict = {}
        services = Services("/run/patchbay")
        await services.load(desired)
        await set_rules(services, desired, rules(ONE))
        conversation = Conversation()
        moved = await set_rules(services, desired, rules(("203.0.113.5", "10.0.0.6")))
        assert moved == ["SetRuleset", "FlushConntrack"]
        assert not conversation.goes_on(0.5)
        conversation.close()
        services.close()

    on_private_host(scenario)
