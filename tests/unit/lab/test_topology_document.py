"""docs/topology.md shows a file that can be read, and a complaint that is made."""

import re
from pathlib import Path

import pytest

from patchbay.lab.reading import parse_topology
from patchbay.lab.topology import Host, Instance, Interface, Network, Outside, Router, Subnet
from patchbay.lab.yamlfile import TopologyError, field_names

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "topology.md").read_text()
EXAMPLE, COMPLAINT = re.findall(r"```(?:yaml)?\n(.*?)```", TEXT, re.DOTALL)[:2]


def test_the_example_can_be_read() -> None:
    topology = parse_topology(EXAMPLE, Path("two-tenants.yaml"))
    assert (topology.name, len(topology.expect)) == ("two-tenants", 4)


def test_the_complaint_is_made() -> None:
    with pytest.raises(TopologyError) as caught:
        parse_topology(EXAMPLE.replace("192.168.10.0/24", "192.168.10.0/33", 1), Path("two-tenants.yaml"))
    assert str(caught.value).splitlines()[0] == COMPLAINT.strip()


@pytest.mark.parametrize("kind", [Host, Network, Subnet, Router, Instance, Interface, Outside])
def test_every_field_is_documented(kind: type) -> None:
    fields = {name for name in field_names(kind) if name != "is_dynamic"}
    assert {name for name in fields if f"`{name}`" not in TEXT} == set()
