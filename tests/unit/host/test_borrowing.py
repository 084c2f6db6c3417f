"""What a borrowed row holds, held, and gets back."""

import pytest

from patchbay.compile.facts import BridgeSettings
from patchbay.host import borrowing
from patchbay.hoststate import Borrowed
from patchbay.hoststate.switch import BEFORE
from patchbay.plan.shell_borrowed import note_text

PORT = {"name": "if-veth1", "tag": None, "trunks": frozenset(), "external_ids": {}}
BRIDGE = {
    "name": "br0",
    "datapath_type": "",
    "protocols": frozenset({"OpenFlow13", "OpenFlow10"}),
    "controller": frozenset({"c1", "c2"}),
    "datapath_id": "000002fdee8e0a44",
    "other_config": {},
    "external_ids": {"theirs": "1"},
}
CONTROLLERS = {"c1": {"target": "tcp:127.0.0.1:6633"}, "c2": {"target": "ptcp:6634"}}
WANTED = (("tag", ()), ("trunks", ("4095",)))


def lent(row, before, **held):
    """The row as it is while it is borrowed."""
    return {**row, **held, "external_ids": {**row["external_ids"], BEFORE: note_text(tuple(before.items()))}}


def test_what_is_not_borrowed_is_written_and_what_it_held_is_noted() -> None:
    row = {**PORT, "tag": 7}
    assert borrowing.borrowed("Port", row, {}) is None
    write, before = borrowing.change(row, WANTED, {})
    assert write == {"tag": (), "trunks": ("4095",)}
    assert before == {"tag": ("7",), "trunks": ()}
    borrowed = borrowing.borrowed("Port", lent(row, before, tag=None, trunks=frozenset({4095})), {})
    assert borrowed == Borrowed(table="Port", name="if-veth1", columns=WANTED, before=(("tag", ("7",)), ("trunks", ())))


def test_nothing_is_written_twice_and_the_first_note_stays() -> None:
    row = lent(PORT, {"tag": ("7",), "trunks": ()}, trunks=frozenset({4095}))
    assert borrowing.change(row, WANTED, {}) == ({}, {"tag": ("7",), "trunks": ()})


def test_what_somebody_sets_meanwhile_is_what_they_get_back() -> None:
    row = lent(PORT, {"tag": ("7",), "trunks": ()}, tag=9, trunks=frozenset({4095}))
    write, before = borrowing.change(row, WANTED, {})
    assert write == {"tag": ()}
    assert before == {"tag": ("9",), "trunks": ()}
    assert borrowing.change(lent(PORT, before, trunks=frozenset({4095})), (), {}) == ({"tag": ("9",), "trunks": ()}, {})


def test_a_column_that_is_needed_no_more_is_given_back_while_others_stay() -> None:
    row = lent(PORT, {"tag": ("7",), "trunks": ()}, trunks=frozenset({4095}))
    assert borrowing.change(row, WANTED[1:], {}) == ({"tag": ("7",)}, {"trunks": ()})


def test_controllers_are_those_that_the_bridge_connects_to() -> None:
    assert borrowing.held(BRIDGE, "controller", CONTROLLERS) == ("tcp:127.0.0.1:6633",)
    row = lent(BRIDGE, {"controller": ("tcp:127.0.0.1:6633",)}, controller=frozenset({"c2"}))
    expected = BridgeSettings(protocols=("OpenFlow10", "OpenFlow13"), controllers=("tcp:127.0.0.1:6633",))
    assert borrowing.settings(BRIDGE, CONTROLLERS) == borrowing.settings(row, CONTROLLERS) == expected


@pytest.mark.parametrize("note", ["", "{", "[]", '{"tag": 7}', '{"nonsense": ["1"]}'])
def test_a_note_that_nobody_of_us_wrote_is_none(note: str) -> None:
    row = {**PORT, "external_ids": {BEFORE: note}}
    assert borrowing.borrowed("Port", row, {}) is None


@pytest.mark.parametrize(
    ("shown", "asked", "expected"),
    [
        ("000002fdee8e0a44", None, "000002fdee8e0a44"),
        ("000002fdee8e0a44", "0000000000000001", "000002fdee8e0a44"),
        (None, "000002FDEE8E0A44", "000002fdee8e0a44"),
        (None, "0x2fdee8e0a44", "000002fdee8e0a44"),
        (None, "2fdee8e0a44", ""),
        (None, None, ""),
    ],
)
def test_the_datapath_id_of_a_bridge_that_the_switch_has_not_made_is_the_one_it_is_asked_to_have(
    shown: str | None, asked: str | None, expected: str
) -> None:
    config = {"datapath-id": asked} if asked else {}
    assert borrowing.datapath_id({"datapath_id": shown, "other_config": config}) == expected


def test_of_two_bridges_with_one_id_the_first_by_name_has_it() -> None:
    rows = [{**BRIDGE, "name": name} for name in ("br1", "br0", "br2")]
    assert borrowing.datapaths(rows) == {"000002fdee8e0a44": "br0"}
