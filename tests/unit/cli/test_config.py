"""Options from a file: it gives defaults, the command line and the environment win, mistakes are named."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from patchbay.cli.config import config_option
from patchbay.cli.options import mappings_of, remotes_of
from patchbay.errors import BadRequest


@click.command(context_settings={"auto_envvar_prefix": "TEST"})
@click.option("--listen", default="127.0.0.1:9696")
@click.option("--count", type=int, default=1)
@click.option("--bridge-mapping", "mappings", multiple=True)
@config_option("listen: …")
def command(listen: str, count: int, mappings: tuple[str, ...]) -> None:
    click.echo(f"{listen} {count} {','.join(mappings)}")


def run(tmp_path: Path, text: str, *arguments: str, **environment: str) -> str:
    path = tmp_path / "options.yaml"
    path.write_text(text)
    result = CliRunner().invoke(command, ["--config", str(path), *arguments], env=environment)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output.strip()


def test_a_file_gives_defaults(tmp_path: Path) -> None:
    assert run(tmp_path, "listen: 10.0.0.1:9696\ncount: 3\nbridge-mapping: [a:b, c:d]") == "10.0.0.1:9696 3 a:b,c:d"


def test_a_mapping_is_written_as_one(tmp_path: Path) -> None:
    assert run(tmp_path, "bridge-mapping: {physnet1: br-ex}") == "127.0.0.1:9696 1 physnet1:br-ex"


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    assert run(tmp_path, "count: 3", TEST_COUNT="4").split()[1] == "4"
    assert run(tmp_path, "count: 3", "--count", "5", TEST_COUNT="4").split()[1] == "5"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("lissten: x", r"lissten is not an option of this command\. Use bridge-mapping, count, listen"),
        ("- listen", "not a mapping"),
        ("listen: [", "expected the node content"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(BadRequest, match=complaint):
        run(tmp_path, text)


def test_a_value_of_the_wrong_kind_is_a_usage_error(tmp_path: Path) -> None:
    assert "is not a valid integer" in run(tmp_path, "count: many")


def test_intent_remotes_come_by_commas_and_repeats() -> None:
    assert remotes_of(("unix:/a,tcp:1.2.3.4:6641", "tcp:5.6.7.8:6641")) == (
        "unix:/a",
        "tcp:1.2.3.4:6641",
        "tcp:5.6.7.8:6641",
    )
    with pytest.raises(BadRequest, match=r"http://x: not understood\. Write unix:PATH"):
        remotes_of(("http://x",))


@pytest.mark.parametrize("wrong", ["physnet1", "physnet1:", ":br-ex"])
def test_a_bridge_mapping_without_its_halves_is_refused(wrong: str) -> None:
    with pytest.raises(BadRequest, match="Write PHYSICAL_NETWORK:BRIDGE"):
        mappings_of((wrong,))


def test_a_physical_network_is_mapped_once() -> None:
    assert mappings_of(("a:br-a,b:br-b",)) == {"a": "br-a", "b": "br-b"}
    with pytest.raises(BadRequest, match="a is mapped already"):
        mappings_of(("a:br-a", "a:br-b"))
