"""Security groups of a topology file: who reaches whom is what the file says, also after it has changed."""

import msgspec

from patchbay.lab.apply import apply_topology
from patchbay.lab.lab import Lab
from patchbay.lab.reading import load_topology, parse_topology
from tests.functional.lab.machine import EXAMPLES

PATH = EXAMPLES / "security-groups.yaml"


def test_the_groups_of_the_example_do_what_the_file_expects() -> None:
    topology = msgspec.structs.replace(load_topology(PATH), name="s1-groups")
    with Lab.up(topology) as lab:
        assert [str(outcome) for outcome in lab.check() if not outcome.is_met] == []
        again = apply_topology(lab.client(), topology)
        assert (again.created, again.updated) == ((), ())
        text = PATH.read_text().replace("192.168.20.21, 192.168.20.32/28", "192.168.20.22")
        text = text.replace("{from: guest, to: safe, reach: yes}", "{from: probe, to: safe, reach: yes}")
        text = text.replace("{from: [probe, web1], to: safe", "{from: [guest, web1], to: safe")
        changed = msgspec.structs.replace(parse_topology(text, PATH), name="s1-groups")
        assert [kind for kind, _ in apply_topology(lab.client(), changed).updated] == ["address group"]
        lab.topology = changed
        assert [str(outcome) for outcome in lab.check() if not outcome.is_met] == []
