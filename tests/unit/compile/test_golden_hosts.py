"""Whole hosts: for each case, the commands that make each host from nothing."""

from pathlib import Path

import pytest

from tests.unit.compile.golden import CASES, compile_host, expected, read, render

HOSTS = [
    (case.parent, host, path) for case in sorted(CASES.glob("*/intent.yaml")) for host, path in expected(case.parent)
]


@pytest.mark.parametrize(("case", "host", "path"), HOSTS, ids=[f"{case.name}-{host}" for case, host, _ in HOSTS])
def test_a_host_is_made_by_these_commands(case: Path, host: str, path: Path) -> None:
    assert render(compile_host(read(case), host)) == path.read_text()
