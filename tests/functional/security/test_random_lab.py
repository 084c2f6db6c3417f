"""Random histories of security groups through the API and the agents of two hosts: packets pass as the model says.

``PATCHBAY_SEEDS="5 6 7"`` in the environment runs these and not the ones that always run, ``PATCHBAY_ROUNDS`` as many
rounds of each.
"""

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from patchbay.model.security import SecurityGroupRule
from tests.functional.convergence.scene import settled
from tests.functional.security import exchange as packets
from tests.functional.security import model
from tests.functional.security.exchange import Exchange, Shot
from tests.functional.security.village import EVERYWHERE, HOSTS, PREFIXES, PROJECT, Object, Village, village

ASKED = {"one": HOSTS[0], "two": HOSTS[1], "three": HOSTS[0]}
SPEAKERS = (*ASKED, "friend2", "stranger1")
GROUPS = ("red", "blue")
STATELESS = ("white",)
SEEDS = os.environ.get("PATCHBAY_SEEDS", "1 2").split()
ROUNDS = int(os.environ.get("PATCHBAY_ROUNDS", "7"))
SHOTS = 24
LISTED = ("10.0.1.0/30", "10.0.1.2", "10.0.7.2", "10.0.8.0/24", "fd00::1:2", "fd00::1:0/126", "fd00::/64")
SPARE = {4: "10.0.50.1", 6: "fd00::50:1"}
"""An address that ``three`` may have in an address pair."""
Both = tuple[Village, Exchange]


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    """The lab, and packets between its instances."""
    with village("random-lab", 64, ASKED) as opened:
        for name in GROUPS:
            opened[0].make_group(name)
        for name in STATELESS:
            opened[0].make_group(name, stateful=False)
        yield opened


class History:
    """What happens, and what the model is told of it."""

    def __init__(self, both: Both, seed: str) -> None:
        self.town, self.exchange = both
        self.dice = random.Random(seed)
        self.rules: dict[str, SecurityGroupRule] = {}
        self.stateful = dict.fromkeys(GROUPS, True) | dict.fromkeys(STATELESS, False)
        self.listed: frozenset[str] = frozenset()
        self.list_id = ""
        self.done: list[str] = []
        self.kept: list[tuple[str, str, model.Packet, int]] = []
        self.passed = self.stopped = 0

    def begin(self) -> None:
        """Ports in no group, groups without rules, an address group without addresses."""
        for name in ASKED:
            self._port(name, port_security_enabled=True, security_groups=[], allowed_address_pairs=[])
        body = {"name": "listed", "project_id": PROJECT, "addresses": []}
        made = self.town.client.request("POST", "/v2.0/address-groups", {"address_group": body})
        self.list_id = made["address_group"]["id"]

    def end(self) -> None:
        """What it made is deleted."""
        for rule_id in list(self.rules):
            self._drop_rule(rule_id)
        self.town.client.request("DELETE", f"/v2.0/address-groups/{self.list_id}")
        for name in ASKED:
            self._port(name, port_security_enabled=True, security_groups=[], allowed_address_pairs=[])
        for name, stateful in self.stateful.items():
            if stateful != (name in GROUPS):
                self._set_stateful(name, stateful=not stateful)

    def act(self) -> None:
        """A few changes."""
        acts = (self._make_rule, self._make_rule, self._forget_rule, self._change_groups, self._change_groups)
        rare = (self._change_list, self._toggle, self._change_pair, self._move, self._flip)
        for _ in range(self.dice.randint(1, 4)):
            self.dice.choice((*acts, *acts, *rare))()
        self.town.wait_until_in_force()

    @property
    def network(self) -> model.Network:
        """What the model is told."""
        told = self.town.network(list(self.rules.values()))
        return told._replace(lists={**told.lists, self.list_id: self.listed})

    def _port(self, name: str, **attributes: Any) -> None:
        self.done.append(f"port {name}: {attributes}")
        self.town.change_port(name, **attributes)

    def _make_rule(self) -> None:
        dice, version = self.dice, self.dice.choice((4, 6))
        kind = dice.choice(("any", "any", "prefix", "everywhere", "group", "group", "own", "list"))
        remote: Object = {}
        if kind in ("prefix", "everywhere"):
            remote = {"remote_ip_prefix": (PREFIXES if kind == "prefix" else EVERYWHERE)[version]}
        elif kind in ("group", "own"):
            remote = {"remote_group_id": self.town.groups["friends" if kind == "group" else dice.choice(GROUPS)]}
        elif kind == "list":
            remote = {"remote_address_group_id": self.list_id}
        protocol = dice.choice((None, None, "tcp", "tcp", "udp", "icmp", "sctp", "47"))
        body: Object = {"ethertype": f"IPv{version}", "direction": dice.choice(("ingress", "egress"))} | remote
        body["security_group_id"] = self.town.groups[dice.choice((*GROUPS, *STATELESS))]
        if protocol:
            body["protocol"] = protocol
        if protocol in ("tcp", "udp", "sctp") and dice.random() < 0.6:
            low = dice.randrange(78, 84)
            body |= {"port_range_min": low, "port_range_max": dice.randrange(low, 88)}
        if any(_content(body) == _content(rule) for rule in self.rules.values()):
            return
        self.done.append(f"rule {body}")
        for rule in self.town.make_rules([body]):
            self.rules[rule.id] = rule

    def _forget_rule(self) -> None:
        if len(self.rules) > 3:
            self._drop_rule(self.dice.choice(sorted(self.rules)))

    def _drop_rule(self, rule_id: str) -> None:
        self.done.append(f"no rule {rule_id}")
        self.town.client.request("DELETE", f"/v2.0/security-group-rules/{rule_id}")
        del self.rules[rule_id]

    def _secured(self) -> list[str]:
        return [name for name in ASKED if self.town.ports[name]["port_security_enabled"]]

    def _change_groups(self) -> None:
        if secured := self._secured():
            wanted = self.dice.random() < 0.8
            kind = [name for name, stateful in self.stateful.items() if stateful == wanted]
            chosen = self.dice.sample(kind, self.dice.randint(0, len(kind)))
            self._port(self.dice.choice(secured), security_groups=[self.town.groups[name] for name in chosen])

    def _change_list(self) -> None:
        wanted = frozenset(self.dice.sample(LISTED, self.dice.randrange(4)))
        path = f"/v2.0/address-groups/{self.list_id}"
        for action, addresses in (("add", wanted - self.listed), ("remove", self.listed - wanted)):
            if addresses:
                self.done.append(f"address group: {action} {addresses}")
                self.town.client.request("PUT", f"{path}/{action}_addresses", {"addresses": sorted(addresses)})
        self.listed = wanted

    def _toggle(self) -> None:
        name = self.dice.choice(("one", "two"))
        enabled = self.town.ports[name]["port_security_enabled"]
        self._port(name, port_security_enabled=not enabled, security_groups=[])
        self._forget_connections(name)

    def _change_pair(self) -> None:
        has = self.town.ports["three"]["allowed_address_pairs"]
        self._port("three", allowed_address_pairs=[] if has else [{"ip_address": one} for one in SPARE.values()])

    def _flip(self) -> None:
        """A group that nobody is in becomes stateless, or stateful."""
        used = {group for port in self.town.ports.values() for group in port["security_groups"]}
        if free := [name for name in self.stateful if self.town.groups[name] not in used]:
            name = self.dice.choice(free)
            self._set_stateful(name, stateful=not self.stateful[name])

    def _set_stateful(self, name: str, *, stateful: bool) -> None:
        self.done.append(f"group {name}: stateful {stateful}")
        path = f"/v2.0/security-groups/{self.town.groups[name]}"
        self.town.client.request("PUT", path, {"security_group": {"stateful": stateful}})
        self.stateful[name] = stateful

    def _move(self) -> None:
        """An instance goes to the other host, its port and its connections with it."""
        name = "three"
        self.done.append(f"{name} moves")
        self.town.move(name, self.exchange)
        self._forget_connections(name)

    def _forget_connections(self, name: str) -> None:
        self.kept = [each for each in self.kept if name not in each[:2]]

    # --- packets ------------------------------------------------------------------------------------------------------

    def look(self) -> list[str]:
        """What passes otherwise than the model says: what goes on of the connections before, new ones, and answers."""
        kept = [each for each in self.kept if all(self._follows(name, each[2]) for name in each[:2])]
        wrong = self._wrong([(*each, True) for each in kept], self._may_go_on)
        firsts = [(*self._packet(), self.exchange.number(), False) for _ in range(SHOTS)]
        wrong += self._wrong(firsts, self._may_begin)
        begun = [each[:4] for each in firsts if self._may_begin(*each[:3])]
        wrong += self._wrong([(*each, True) for each in begun], self._may_go_on)
        self.kept = [each for each in begun if all(self._follows(name, each[2]) for name in each[:2])]
        return wrong

    def _packet(self) -> tuple[str, str, model.Packet]:
        sender, receiver = self.dice.sample(SPEAKERS, 2)
        version = self.dice.choice((4, 6))
        content = self.dice.choice(
            ((6, 0, self.dice.randrange(77, 90)), (17, 0, self.dice.randrange(77, 90)), (132, 0, 80), (47, 0, 0))
            + ((((1, 8, 0) if version == 4 else (58, 128, 0)),) * 2)
        )
        ends = [self.town.address(name, version) for name in (sender, receiver)]
        if sender == "three" and self.town.ports["three"]["allowed_address_pairs"] and self.dice.random() < 0.5:
            ends[0] = SPARE[version]
        return sender, receiver, model.Packet(*ends, *content)

    def _may_begin(self, sender: str, receiver: str, packet: model.Packet) -> bool:
        return self._allows(sender, "egress", packet) and self._allows(receiver, "ingress", packet)

    def _may_go_on(self, sender: str, receiver: str, packet: model.Packet) -> bool:
        """Whether an answer passes: who follows connections looks at the first packet, the others at this one."""
        back = model.Packet(packet.target, packet.source, *_answer(packet))
        may_leave = self._allows(receiver, "ingress", packet)
        if not self._follows(receiver, packet):
            may_leave = self._allows(receiver, "egress", back)
        may_arrive = self._allows(sender, "egress", packet)
        if not self._follows(sender, packet):
            may_arrive = self._allows(sender, "ingress", back)
        return may_leave and may_arrive

    def _follows(self, name: str, packet: model.Packet) -> bool:
        names = {group_id: group for group, group_id in self.town.groups.items()}
        groups = [names[group_id] for group_id in self.town.ports[name]["security_groups"]]
        return model.is_tracked(packet) and (not groups or self.stateful.get(groups[0], True))

    def _allows(self, name: str, direction: str, packet: model.Packet) -> bool:
        if not self.town.ports[name]["port_security_enabled"]:
            return True
        if name in ("friend2", "stranger1"):
            return True  # In a group that allows all.
        return model.allows(self.network, name, direction, packet)

    def _wrong(self, chosen: list[tuple[str, str, model.Packet, int, bool]], may: Any) -> list[str]:
        shots, wanted = [], []
        for sender, receiver, packet, number, is_back in chosen:
            word = self.exchange.word()
            build, ends = (packets.reply, (receiver, sender)) if is_back else (packets.first, (sender, receiver))
            shots.append(self.exchange.shot(*ends, build(packet, number, word), word))
            wanted.append(may(sender, receiver, packet))
        arrived = self.exchange.arrived(shots, [shot for shot, is_it in zip(shots, wanted, strict=True) if is_it])
        self.passed, self.stopped = self.passed + len(arrived), self.stopped + len(shots) - len(arrived)
        return [
            self._said(each, shot, is_it)
            for each, shot, is_it in zip(chosen, shots, wanted, strict=True)
            if (shot in arrived) != is_it
        ]

    def _said(self, each: tuple[str, str, model.Packet, int, bool], shot: Shot, is_wanted: bool) -> str:
        what = "answers" if each[4] else "sends"
        return f"{shot.sender} {what} {shot.receiver} {each[2]}: {'does not pass' if is_wanted else 'passes'}"


def _answer(packet: model.Packet) -> tuple[int, int, int]:
    """Protocol and what tells of ports, of the answer."""
    if packet.protocol in (1, 58):
        return packet.protocol, {8: 0, 128: 129}[packet.first], 0
    return packet.protocol, 0, 1


def _content(rule: Object | SecurityGroupRule) -> tuple[Any, ...]:
    names = ("security_group_id", "direction", "ethertype", "protocol", "port_range_min", "port_range_max")
    remotes = ("remote_ip_prefix", "remote_group_id", "remote_address_group_id")
    if isinstance(rule, SecurityGroupRule):
        return tuple(getattr(rule, name) for name in (*names, *remotes))
    return tuple(rule.get(name) for name in (*names, *remotes))


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_packets_pass_as_rules_say(both: Both, seed: str) -> None:
    history = History(both, seed)
    history.begin()
    try:
        for _ in range(ROUNDS):
            history.act()
            wrong = history.look()
            rules = "\n".join(map(str, history.rules.values()))
            story = "\n".join(history.done[-20:])
            assert wrong == [], f"seed {seed}\n{rules}\n{history.listed}\n{story}"
        settled(*both[0].lab.hosts.values())
        assert min(history.passed, history.stopped) >= ROUNDS, "too few packets passed, or were stopped"
    finally:
        history.end()
