"""What commands print, in each format."""

import click
import msgspec
import pytest
import yaml
from click.testing import CliRunner

from patchbay.cli.output import aligned, output_options, print_list, print_one, text

NETWORKS = [
    {"id": "1", "name": "blue", "shared": False, "mtu": 1450, "subnets": ["a", "b"]},
    {"id": "22", "name": "网络", "shared": True, "mtu": None, "subnets": []},
]


@click.command()
@output_options
def networks(style: str, columns: tuple[str, ...]) -> None:
    print_list(NETWORKS, ("id", "name", "shared", "subnets"), style, columns)


@click.command()
@output_options
def network(style: str, columns: tuple[str, ...]) -> None:
    print_one(NETWORKS[0], style, columns)


def printed(command: click.Command, *arguments: str) -> str:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_list_is_an_aligned_table() -> None:
    assert printed(networks).splitlines() == [
        "id  name  shared  subnets",
        "1   blue  false   a, b",
        "22  网络  true",
    ]


def test_wide_characters_and_accents_keep_columns_aligned() -> None:
    assert aligned([["ab", "x"], ["网", "x"], ["e\u0301e", "x"]]) == ["ab  x", "网  x", "e\u0301e  x"]


def test_one_object_shows_a_field_to_a_line() -> None:
    assert printed(network).splitlines()[:3] == ["field    value", "id       1", "name     blue"]


def test_json_and_yaml_carry_the_values_not_their_looks() -> None:
    chosen = [{name: row[name] for name in ("id", "name", "shared", "subnets")} for row in NETWORKS]
    assert msgspec.json.decode(printed(networks, "-f", "json")) == chosen
    assert yaml.safe_load(printed(networks, "-f", "yaml")) == chosen


def test_value_prints_bare_values_for_scripts() -> None:
    assert printed(network, "-f", "value", "-c", "id") == "1\n"
    assert printed(networks, "-f", "value", "-c", "name", "-c", "id") == "blue 1\n网络 22\n"


def test_any_attribute_can_be_a_column() -> None:
    assert printed(networks, "-c", "mtu").splitlines() == ["mtu", "1450", ""]


def test_an_unknown_column_is_a_usage_error_that_lists_the_known_ones() -> None:
    result = CliRunner().invoke(networks, ["-c", "colour"])
    assert result.exit_code == 2
    assert "id, mtu, name, shared, subnets" in result.stderr


def test_an_empty_list_is_a_header_alone() -> None:
    @click.command()
    def empty() -> None:
        print_list([], ("id", "name"), "table", ())

    assert printed(empty) == "id  name\n"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (True, "true"),
        (["a", "b"], "a, b"),
        ({"a": 1, "b": None}, "a=1,b="),
        ([{"ip_address": "10.0.0.3", "subnet_id": "s"}], "ip_address=10.0.0.3,subnet_id=s"),
        ([{"a": 1}, {"a": 2}], "a=1; a=2"),
    ],
)
def test_a_value_as_a_cell(value: object, cell: str) -> None:
    assert text(value) == cell


def test_a_cell_cannot_break_the_table_or_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_one({"name": "vm\x1b[2J", "user_data": "#!/bin/sh\necho hello"}, "table", ())
    assert capsys.readouterr().out.splitlines() == [
        "field      value",
        r"name       vm\x1b[2J",
        r"user_data  #!/bin/sh\necho hello",
    ]
