"""Packets through the rules of a router: connections go on while rules change, and end with their floating address."""

import socket

from msgspec.structs import replace

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


def plan_of(services: Services, desired: dict) -> list[str]:
    return [type(operation).__name__ for operation in diff(Observed(services.resources.values()), desired)]


async def open_services(desired: dict) -> Services:
    services = Services("/run/patchbay")
    await services.load(desired)
    return services


def tracked(host, words: str) -> str:
    return host.sh(f"ip netns exec {ROUTER} conntrack -L {words} 2>/dev/null")


def test_an_agent_that_dies_between_rules_and_connections_leaves_its_successor_to_break_them_off(on_private_host):
    async def scenario(host):
        host.sh(WIRES)
        desired: dict = {}
        services = await open_services(desired)
        await set_rules(services, desired, rules(ONE))
        conversation = Conversation()
        assert conversation.goes_on()
        desired[rules().key] = rules(OTHER)
        plan = diff(Observed(services.resources.values()), desired)
        assert [type(one).__name__ for one in plan] == ["SetRuleset", "FlushConntrack"]
        await services.apply(plan[:1])
        services.close()  # as a kill would: nothing is done any more
        fresh = await open_services(desired)
        assert plan_of(fresh, desired) == ["FlushConntrack"]
        assert await fresh.apply(diff(Observed(fresh.resources.values()), desired)) == []
        assert plan_of(fresh, desired) == []
        assert "203.0.113.5" not in tracked(host, "-s 203.0.113.9")
        assert not conversation.goes_on(0.5)
        conversation.close()
        fresh.close()

    on_private_host(scenario)


def test_a_fresh_agent_breaks_off_nothing_that_its_rules_would_make(on_private_host):
    async def scenario(host):
        host.sh(WIRES)
        desired: dict = {}
        services = await open_services(desired)
        await set_rules(services, desired, rules(ONE))
        conversation = Conversation()
        services.close()
        fresh = await open_services(desired)
        assert plan_of(fresh, desired) == []
        assert conversation.goes_on()
        conversation.close()
        fresh.close()

    on_private_host(scenario)


def test_what_conntrack_refuses_is_tried_again(on_private_host, monkeypatch):
    async def scenario(host):
        host.sh(WIRES)
        desired: dict = {}
        services = await open_services(desired)
        await set_rules(services, desired, rules(ONE))
        conversation = Conversation()
        desired[rules().key] = rules()
        with monkeypatch.context() as patch:
            patch.setattr("patchbay.host.rulesets.conntrack", lambda *_: [["conntrack", "--no-such-option"]])
            refused = await services.apply(diff(Observed(services.resources.values()), desired))
        assert len(refused) == 1
        assert plan_of(services, desired) == ["FlushConntrack"]
        assert await services.apply(diff(Observed(services.resources.values()), desired)) == []
        assert plan_of(services, desired) == []
        assert not conversation.goes_on(0.5)
        conversation.close()
        services.close()

    on_private_host(scenario)


def test_what_went_out_untranslated_while_a_stranger_had_flushed_the_rules_is_translated_again(on_private_host):
    async def scenario(host):
        host.sh(WIRES)
        desired: dict = {}
        services = await open_services(desired)
        filters = (":INPUT ACCEPT", ":FORWARD ACCEPT", ":OUTPUT ACCEPT")
        tracking = ("filter", (*filters, "-A FORWARD -m conntrack --ctstate INVALID -j DROP"))
        await set_rules(services, desired, replace(rules(ONE), tables=(tracking, *rules(ONE).tables)))
        host.sh(f"ip netns exec {ROUTER} iptables -t nat -F; ip -n internet route add 10.0.0.0/24 via 203.0.113.2")
        host.sh("ip netns exec web ping -c1 -W1 -e 77 203.0.113.9")
        assert "dst=10.0.0.5" in tracked(host, "-s 10.0.0.5")
        await host.until(lambda: plan_of(services, desired) == ["SetRuleset"], "the flush is noticed")
        await services.apply(diff(Observed(services.resources.values()), desired))
        assert plan_of(services, desired) == ["FlushConntrack"]
        await services.apply(diff(Observed(services.resources.values()), desired))
        assert plan_of(services, desired) == []
        host.sh("ip netns exec web ping -c1 -W1 -e 77 203.0.113.9")
        assert "dst=203.0.113.5" in tracked(host, "-s 10.0.0.5")
        services.close()

    on_private_host(scenario)
