"""Security groups of a topology file: who reaches whom is what the file says, also after it has changed; and why."""

import json

import msgspec
from click.testing import CliRunner

from patchbay.cli.main import patchbay
from patchbay.lab.apply import apply_topology
from patchbay.lab.check import check
from patchbay.lab.lab import Lab
from patchbay.lab.reading import load_topology, parse_topology
from patchbay.lab.topology import Connect, Reach
from tests.functional.lab.machine import EXAMPLES

PATH = EXAMPLES / "security-groups.yaml"


def test_the_groups_of_the_example_do_what_the_file_expects() -> None:
    topology = msgspec.structs.replace(load_topology(PATH), name="s1-groups")
    with Lab.up(topology) as lab:
        assert [str(outcome) for outcome in lab.check() if not outcome.is_met] == []
        rules_say_what_packets_found(lab)
        what_is_expected_wrongly_is_not_met(lab)
        again = apply_topology(lab.client(), topology)
        assert (again.created, again.updated) == ((), ())
        text = PATH.read_text().replace("192.168.20.21, 192.168.20.32/28", "192.168.20.22")
        text = text.replace("{from: guest, to: safe, reach: yes}", "{from: probe, to: safe, reach: yes}")
        text = text.replace("{from: [probe, web1], to: safe", "{from: [guest, web1], to: safe")
        changed = msgspec.structs.replace(parse_topology(text, PATH), name="s1-groups")
        assert [kind for kind, _ in apply_topology(lab.client(), changed).updated] == ["address group"]
        lab.topology = changed
        assert [str(outcome) for outcome in lab.check() if not outcome.is_met] == []


def rules_say_what_packets_found(lab: Lab) -> None:
    """``patchbay why`` knows each expectation of the file, without a packet."""
    for each in lab.topology.expect:
        assert isinstance(each, Reach | Connect)
        what = f"{each.protocol}/{each.port}" if isinstance(each, Connect) else "icmp"
        for source in each.sources:
            for target in each.targets:
                asked = ["why", source, target, what, "--endpoint", lab.endpoint, "-f", "json"]
                done = CliRunner().invoke(patchbay, asked, standalone_mode=False)
                assert done.exception is None, done.output
                (found,) = json.loads(done.output)
                assert (found["allowed"], done.return_value) == (each.reach, 0 if each.reach else 1), done.output
                assert any(rule["allows"] for step in found["steps"] for rule in step["rules"]) or not each.reach


def what_is_expected_wrongly_is_not_met(lab: Lab) -> None:
    """The opposite of what the file says of ports is found wrong, every time."""
    said = [each for each in lab.topology.expect if isinstance(each, Connect)]
    opposite = tuple(msgspec.structs.replace(each, reach=not each.reach) for each in said)
    turned = msgspec.structs.replace(lab.topology, expect=opposite)
    outcomes = check(turned, lab.places(), patience_s=0.0)
    assert [(str(one), one.is_met, one.found is one.pair.expected) for one in outcomes] == [
        (str(one), False, False) for one in outcomes
    ]
    assert len(outcomes) == sum(len(each.sources) * len(each.targets) for each in said)
