"""Whatever is written in a topology file, it is a topology or a complaint that names the line; never a traceback."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from patchbay.lab.reading import parse_topology
from patchbay.lab.yamlfile import TopologyError

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def complaints(text: str, name: str) -> list[str]:
    try:
        parse_topology(text, EXAMPLES / name)
    except TopologyError as error:
        return str(error).splitlines()
    return []


WORDS = [
    "red",
    "red1",
    "one",
    "eth0",
    "yes",
    "none",
    "vlan",
    "10.0.0.1",
    "192.168.10.0/24",
    "fd00::/64",
    "dynamic",
    "10.0.0.1-10.0.0.9",
    "vm1/eth0",
    "",
    7,
    -1,
    None,
    True,
]
VALUES = st.recursive(
    st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "red", "cidr", "host", "to", "address"]), inner)
    ),
    max_leaves=4,
)


@pytest.mark.parametrize("name", ["seed000.yaml", "seed001.yaml", "seed002.yaml", "security-groups.yaml"])
@settings(deadline=None)  # how long one file takes says more about the machine than about the file
@given(where=st.lists(st.integers(0, 40), max_size=5), value=VALUES)
def test_whatever_is_written_in_a_field_it_is_a_topology_or_a_complaint(
    name: str, where: list[int], value: object
) -> None:
    data = yaml.load((EXAMPLES / name).read_text(), Loader=yaml.BaseLoader)
    holder: object = data
    for step in where[:-1]:
        inner = list(holder.values()) if isinstance(holder, dict) else holder
        if isinstance(inner, list) and inner and isinstance(inner[step % len(inner)], dict | list):
            holder = inner[step % len(inner)]
    if isinstance(holder, dict):
        holder[list(holder)[(where or [0])[-1] % len(holder)]] = value
    elif isinstance(holder, list):
        holder[(where or [0])[-1] % len(holder)] = value
    assert all(line.startswith(f"{name}:") for line in complaints(yaml.safe_dump(data, sort_keys=False), name))
