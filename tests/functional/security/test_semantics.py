"""Security groups mean what Neutron's mean: protocol × direction × remote × state × IP version × same or other host.

Rules that do not tell the same packets apart are tried together; each packet is sent and, of each connection, what
answers it and what is said of it (ICMP errors), and all of it again when the rules have gone.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest

from patchbay.model.security import SecurityGroupRule
from tests.functional.security import exchange as packets
from tests.functional.security import model
from tests.functional.security.cases import CASES, REMOTES, Case, Content
from tests.functional.security.exchange import Exchange, Shot
from tests.functional.security.village import Object, Village, peers, village, wait_until

ASKED = {f"asked-{remote}": "compute1" for remote in REMOTES}
SIGN = 220
"""Packets of protocols from here on tell that the rules of a round are there."""
Both = tuple[Village, Exchange]


class Cell(NamedTuple):
    """One packet of the table, and whether it passes."""

    case: Case
    remote: str
    sender: str
    receiver: str
    packet: model.Packet
    is_allowed: bool

    @property
    def is_tracked(self) -> bool:
        """Whether its answers need no rule of their own, in a stateful group."""
        return self.is_allowed and model.is_tracked(self.packet)


def rule_of(case: Case, version: int, direction: str, remote: Object, group: str) -> Object:
    """The rule as the API takes it."""
    ethertype = {"ethertype": f"IPv{version}"}
    return {"security_group_id": group, "direction": direction} | ethertype | case.fields | remote


def allows(case: Case, version: int, content: Content) -> bool:
    """Whether the reference model lets a packet of this content in for a rule of this case."""
    rule = SecurityGroupRule(id="r", **rule_of(case, version, "ingress", {}, "g"))
    source, target = ("10.0.0.1", "10.0.0.2") if version == 4 else ("fd00::1", "fd00::2")
    network = model.Network([rule], {"to": frozenset({"g"})}, {}, {})
    return model.allows(network, "to", "ingress", model.Packet(source, target, *content))


def are_apart(one: Case, other: Case) -> bool:
    """Neither says anything of the other's packets."""
    return not any(
        version in other.versions and allows(rule, version, content)
        for rule, packets_of in ((one, other), (other, one))
        for version in rule.versions
        if version in packets_of.versions
        for content in (*packets_of.allowed, *packets_of.dropped)
    )


def rounds() -> list[list[Case]]:
    """The cases in as few sets as come of it; those of a set are apart."""
    found: list[list[Case]] = []
    for case in CASES:
        for each in found:
            if all(are_apart(case, other) for other in each):
                each.append(case)
                break
        else:
            found.append([case])
    return found


ROUNDS = rounds()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_reference_model_says_what_the_table_says(case: Case) -> None:
    for version in case.versions:
        assert [content for content in case.allowed if not allows(case, version, content)] == []
        assert [content for content in case.dropped if allows(case, version, content)] == []


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    """The lab, and packets between its instances."""
    with village("semantics", 61, ASKED) as opened:
        yield opened


def cells(town: Village, cases: Sequence[Case], direction: str) -> Iterator[Cell]:
    """The part of the table that these cases are."""
    for case in cases:
        for version in case.versions:
            for content in (*case.allowed, *case.dropped):
                for remote in case.remotes:
                    met = REMOTES[remote]
                    for peer in peers():
                        sender, receiver = peer, f"asked-{remote}"
                        if direction == "egress":
                            sender, receiver = receiver, sender
                        ends = town.address(sender, version), town.address(receiver, version)
                        may = content in case.allowed and peer[:-1] in met
                        yield Cell(case, remote, sender, receiver, model.Packet(*ends, *content), may)


class Round:
    """Some cases in one direction, the rules of all of them in force."""

    def __init__(self, both: Both, number: int, direction: str, *, stateful: bool) -> None:
        self.town, self.exchange = both
        self.direction, self.stateful = direction, stateful
        self.sign = SIGN + number
        self.cases = ROUNDS[number]
        self.names = {remote: f"{remote} {direction} {number} {stateful}" for remote in REMOTES}
        self.cells = list(cells(self.town, self.cases, direction))
        self.numbers = [self.exchange.number() for _ in self.cells]

    def begin(self) -> None:
        """The rules are made, and the instances get them; the model agrees with what is written down."""
        self.rules: list[SecurityGroupRule] = []
        for remote, name in self.names.items():
            group = self.town.make_group(name, stateful=self.stateful)
            sign = {"security_group_id": group, "direction": "ingress", "ethertype": "IPv4", "protocol": str(self.sign)}
            bodies: list[Object] = [sign]
            for case in self.cases:
                for version in case.versions if remote in case.remotes else ():
                    named = self.town.remote(remote, version)
                    bodies.append(rule_of(case, version, self.direction, named, group))
            self.rules += self.town.make_rules(bodies)
        for remote, name in self.names.items():
            self.town.change_port(f"asked-{remote}", security_groups=[self.town.groups[name]])
        network = self.town.network(self.rules)
        for cell in self.cells:
            asked = cell.receiver if self.direction == "ingress" else cell.sender
            assert model.allows(network, asked, self.direction, cell.packet) == cell.is_allowed, cell
        wait_until(lambda: self._signs() == len(REMOTES), "the rules are in force")

    def end(self) -> None:
        """The instances are in no group again; what they had is deleted."""
        for remote in REMOTES:
            self.town.change_port(f"asked-{remote}", security_groups=[])
        wait_until(lambda: self._signs() == 0, "the rules are gone")
        for name in self.names.values():
            self.town.delete_group(name)

    def _signs(self) -> int:
        shots = []
        for remote in REMOTES:
            ends = self.town.address("stranger1", 4), self.town.address(f"asked-{remote}", 4)
            word = self.exchange.word()
            sign = packets.first(model.Packet(*ends, self.sign), 1, word)
            shots.append(self.exchange.shot("stranger1", f"asked-{remote}", sign, word))
        return len(self.exchange.arrived(shots))

    def wrong_firsts(self) -> list[str]:
        """What goes otherwise than the table says."""
        shots = [self._shot(cell, packets.first, number) for cell, number in zip(self.cells, self.numbers, strict=True)]
        may = [cell.is_allowed for cell in self.cells]
        return self._differences("sends", shots, may)

    def wrong_replies(self, *, is_over: bool = False) -> list[str]:
        """Answers to all of them, also to what did not arrive."""
        shots = [
            self._shot(cell, packets.reply, number, is_back=True)
            for cell, number in zip(self.cells, self.numbers, strict=True)
        ]
        may = [cell.is_tracked and self.stateful and not is_over for cell in self.cells]
        return self._differences("is answered", shots, may)

    def wrong_errors(self, *, is_over: bool = False) -> list[str]:
        """ICMP errors about those that are connections, and about as many that are none."""
        chosen = [
            (cell, number)
            for cell, number in zip(self.cells, self.numbers, strict=True)
            if model.is_tracked(cell.packet) and cell.packet.protocol in (6, 17)
        ]
        shots = []
        for place, (cell, number) in enumerate(chosen):
            word = self.exchange.word()
            data = packets.error(cell.packet, number, word, is_too_big=place % 2 == 0)
            shots.append(self.exchange.shot(cell.receiver, cell.sender, data, word))
        may = [cell.is_tracked and self.stateful and not is_over for cell, _ in chosen]
        return self._differences("is told of", shots, may, [cell for cell, _ in chosen])

    def _shot(self, cell: Cell, build, number: int, *, is_back: bool = False) -> Shot:
        word = self.exchange.word()
        ends = (cell.receiver, cell.sender) if is_back else (cell.sender, cell.receiver)
        return self.exchange.shot(*ends, build(cell.packet, number, word), word)

    def _differences(
        self, what: str, shots: Sequence[Shot], may: Sequence[bool], about: Sequence[Cell] | None = None
    ) -> list[str]:
        """Sentences about what arrived otherwise than it may."""
        arrived = self.exchange.arrived(shots, [shot for shot, is_wanted in zip(shots, may, strict=True) if is_wanted])
        return [
            f"{cell.case.name}: {cell.sender} {what} {cell.packet}: {'does not pass' if is_wanted else 'passes'}"
            for cell, shot, is_wanted in zip(about or self.cells, shots, may, strict=True)
            if (shot in arrived) != is_wanted
        ]


@pytest.mark.parametrize("stateful", [True, False], ids=["stateful", "stateless"])
@pytest.mark.parametrize("direction", ["ingress", "egress"])
@pytest.mark.parametrize("number", range(len(ROUNDS)))
def test_every_cell_of_the_table(both: Both, number: int, direction: str, stateful: bool) -> None:
    tried = Round(both, number, direction, stateful=stateful)
    tried.begin()
    try:
        assert tried.wrong_firsts() == []
        assert tried.wrong_replies() == []
        assert tried.wrong_errors() == []
    finally:
        tried.end()
    if stateful:
        assert tried.wrong_replies(is_over=True) == []
        assert tried.wrong_errors(is_over=True) == []
