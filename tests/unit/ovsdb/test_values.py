"""OVSDB's notation becomes Python's, and differences are applied to what was there before."""

import json
from typing import Any

import pytest

from patchbay.ovsdb.values import columns_of, parse_schema

SCHEMA = json.loads("""{"name": "Test", "version": "1.2.3", "tables": {"Port": {"columns": {
  "name": {"type": "string"}, "up": {"type": "boolean"}, "network": {"type": "uuid"},
  "tag": {"type": {"key": "integer", "min": 0, "max": 1}},
  "trunks": {"type": {"key": "integer", "min": 0, "max": 4096}},
  "fixed_ips": {"type": {"key": {"type": "uuid", "refTable": "Port"}, "min": 0, "max": "unlimited"}},
  "options": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}
}}}}""")
COLUMNS = columns_of(parse_schema(SCHEMA)["Port"])
ONE, TWO = "6a1e1b0e-0000-4000-8000-000000000001", "6a1e1b0e-0000-4000-8000-000000000002"


@pytest.mark.parametrize(
    ("column", "notation", "value"),
    [
        ("name", "eth0", "eth0"),
        ("up", True, True),
        ("network", ["uuid", ONE], ONE),
        ("tag", 12, 12),
        ("tag", ["set", []], None),
        ("tag", ["set", [12]], 12),
        ("trunks", 12, frozenset({12})),
        ("trunks", ["set", [12, 22]], frozenset({12, 22})),
        ("trunks", ["set", []], frozenset()),
        ("fixed_ips", ["uuid", ONE], frozenset({ONE})),
        ("fixed_ips", ["set", [["uuid", ONE], ["uuid", TWO]]], frozenset({ONE, TWO})),
        ("options", ["map", [["key", "flow"]]], {"key": "flow"}),
        ("options", ["map", []], {}),
    ],
)
def test_a_value_is_read(column: str, notation: Any, value: Any) -> None:
    assert COLUMNS[column].decode(notation) == value


@pytest.mark.parametrize(
    ("column", "old", "difference", "new"),
    [
        ("name", "eth0", "eth1", "eth1"),
        ("tag", 12, ["set", []], None),
        ("tag", None, 22, 22),
        ("trunks", frozenset({1, 2}), ["set", [2, 3]], frozenset({1, 3})),
        ("trunks", frozenset({1}), 1, frozenset()),
        ("fixed_ips", frozenset({ONE}), ["set", [["uuid", ONE], ["uuid", TWO]]], frozenset({TWO})),
        ("options", {"a": "1", "b": "2"}, ["map", [["a", "1"], ["b", "3"], ["c", "4"]]], {"b": "3", "c": "4"}),
    ],
)
def test_an_update_is_applied(column: str, old: Any, difference: Any, new: Any) -> None:
    assert COLUMNS[column].update(old, difference) == new


def test_a_row_begins_with_the_values_that_the_server_leaves_out() -> None:
    assert {name: column.default for name, column in COLUMNS.items()} == {
        "name": "",
        "up": False,
        "network": "00000000-0000-0000-0000-000000000000",
        "tag": None,
        "trunks": frozenset(),
        "fixed_ips": frozenset(),
        "options": {},
    }


def test_equal_strings_of_a_column_are_kept_once() -> None:
    decode = COLUMNS["network"].decode
    assert decode(["uuid", "".join(ONE)]) is decode(["uuid", f"{ONE[:4]}{ONE[4:]}"])
