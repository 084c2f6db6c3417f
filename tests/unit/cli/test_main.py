"""The command line as a whole: help, errors, exit codes, speed of start."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from patchbay.cli.main import COMMANDS, load_command


def patchbay(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "patchbay", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATCHBAY_ENDPOINT": "http://127.0.0.1:9", **environment},
    )


def test_help_names_every_command_and_imports_none() -> None:
    result = patchbay("--help")
    assert result.returncode == 0
    assert all(f"\n  {name} " in result.stdout for name in COMMANDS)
    code = (
        "import sys; from patchbay.cli.main import run, patchbay; run(patchbay, ['--help']); "
        "print(sorted(m for m in sys.modules if m.split('.')[0] in "
        "('rich', 'yaml', 'starlette', 'uvicorn', 'asyncio', 'pyroute2', 'msgspec')), file=sys.stderr)"
    )
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    assert imported.strip() == "[]"


def test_help_takes_at_most_150_ms_of_a_processor() -> None:
    """Of its own time, however busy the machine is."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        patchbay("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(once() for _ in range(5)) < 0.150


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_loads_and_explains_itself(name: str) -> None:
    assert load_command(name).help


def test_a_service_that_is_not_there_is_one_sentence_and_a_remedy() -> None:
    result = patchbay("network", "list")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "The service at http://127.0.0.1:9 does not answer" in result.stderr
    assert "patchbay serve" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["network", "nonsense"], ["subnet", "create", "x"], ["port", "list", "-f", "xml"]]
)
def test_wrong_usage_exits_with_2_and_says_what_is_wrong(arguments: list[str]) -> None:
    result = patchbay(*arguments)
    assert result.returncode == 2
    assert "Error: " in result.stderr


def test_an_endpoint_that_is_not_http_is_refused_with_a_remedy() -> None:
    result = patchbay("network", "list", "--endpoint", "unix:/run/x")
    assert result.returncode == 1
    assert "only http://ADDRESS:PORT and https://ADDRESS:PORT" in result.stderr


def test_a_reader_that_leaves_early_is_no_error() -> None:
    shown = subprocess.run(
        f"{sys.executable} -m patchbay --help | true", shell=True, capture_output=True, text=True, check=False
    )
    assert shown.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--listen", "nonsense"], "Write ADDRESS:PORT"),
        (["--listen", "203.0.113.7:9696"], "Cannot listen on 203.0.113.7:9696"),
        (["--listen-fd", "77"], "Cannot listen on file descriptor 77"),
        (["--listen", "127.0.0.1:0", "--state-dir", "/proc/nowhere"], "cannot be used"),
        (["--intent-listen", "garbage"], "Write pssl:PORT:ADDRESS, ptcp:PORT:ADDRESS"),
        (["--intent", "http://x"], "Write unix:PATH, tcp:ADDRESS:PORT or ssl:ADDRESS:PORT."),
        (["--vni-range", "9:1"], "the first is larger than the last"),
        (["--vlan-range", "physnet1"], "Write FIRST:LAST."),
    ],
)
def test_a_service_that_cannot_start_says_why_in_one_line(arguments: list[str], words: str, tmp_path: Path) -> None:
    result = patchbay("serve", "--vnet-listen", "none", "--state-dir", str(tmp_path), *arguments)
    assert result.returncode == 1
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
