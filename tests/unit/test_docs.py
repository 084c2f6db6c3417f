"""The documents say what the code does: parts written from data are current, links and named files exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)]*)?\)")
NAMED_FILE = re.compile(r"`((?:patchbay|tests|bench|scripts|packaging|examples|docs)/[\w./-]+\.\w+)`")


def test_flow_tables_attributes_and_commands_are_documented_as_they_are() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/docs", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"run scripts/docs; stale: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_named_files_exist(path: Path) -> None:
    text = path.read_text()
    links = [match[1] for match in LINK.finditer(text) if "://" not in match[1]]
    missing = [link for link in links if not (path.parent / link).exists()]
    missing += [name for name in NAMED_FILE.findall(text) if not (ROOT / name).exists()]
    assert not missing


def test_every_invariant_names_its_test() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    section = text.split("<!-- invariants: begin -->")[1].split("<!-- invariants: end -->")[0]
    invariants = re.split(r"\n(?=\d\. )", section.strip())
    assert len(invariants) == 5
    for invariant in invariants:
        tests = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", invariant)
        assert tests, f"no test is named: {invariant}"
        for name, function in tests:
            assert not function or f"def {function}(" in (ROOT / name).read_text(), f"{name} has no {function}"


def test_every_attack_names_its_test_and_all_tests_of_a_file_are_named() -> None:
    text = (ROOT / "docs/security.md").read_text().split("<!-- attacks: begin -->")[1].split("<!-- attacks: end -->")[0]
    rows = [line for line in text.splitlines() if line.startswith("|") and not line.startswith(("| attack ", "|---"))]
    assert len(rows) > 25
    assert not [row for row in rows if "`tests/" not in row]
    named = set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text))
    missing = [(name, test) for name, test in named if test and f"def {test}(" not in (ROOT / name).read_text()]
    assert not missing
    tests = {
        (f"tests/functional/attacks/{path.name}", test)
        for path in (ROOT / "tests/functional/attacks").glob("test_*.py")
        if path.name in text
        for test in re.findall(r"^(?:async )?def (test_\w+)\(", path.read_text(), re.MULTILINE)
    }
    assert len(tests) > 20
    assert tests - named == set()
