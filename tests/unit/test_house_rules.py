"""The rules of this house, held by a test: sizes, docstrings, names, pins, and what text must not contain."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINES_OF_FILE, LINES_OF_FUNCTION = 400, 40
NOT_NAMES = re.compile(r"(Manager|Helper|Util|Utils|Base|Impl|Handler)$")
MACHINE_TEXT = re.compile(
    r"/(home|Users|work)/[a-z]|/root/|https?://[a-z.]*(pypi|pythonhosted|npmjs)[a-z.]*|--(extra-)?index-url|--find-links"
)


def tracked() -> list[Path]:
    """Files of the repository: tracked ones and new ones that are not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).is_file()]


FILES = tracked()
SOURCES = [path for path in FILES if path.suffix == ".py"]
MODULES = [path for path in SOURCES if path.is_relative_to(ROOT / "patchbay")]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def definitions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node


def test_no_source_file_is_longer_than_400_lines() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert not {name: length for name, length in lengths.items() if length > LINES_OF_FILE}


def test_every_module_says_what_it_is_for() -> None:
    assert not [name_of(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))]


def test_functions_fit_on_a_screen_and_names_are_nouns_of_the_field() -> None:
    wrong = []
    for path in MODULES:
        for node in definitions(ast.parse(path.read_text())):
            place = f"{name_of(path)}:{node.lineno}: {node.name}"
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if isinstance(node, ast.ClassDef):
                wrong += [f"{place} is not a noun of the field"] if NOT_NAMES.search(node.name) else []
            elif length > LINES_OF_FUNCTION:
                wrong.append(f"{place} has {length} lines")
    assert not wrong


def test_public_functions_and_classes_say_what_they_give() -> None:
    silent = [
        f"{name_of(path)}:{node.lineno}: {node.name}"
        for path in MODULES
        if path.name != "errors.py"  # there the message speaks for the class
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not silent


def test_every_package_that_is_needed_is_pinned_to_one_version() -> None:
    pins = {}
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text().splitlines():
            if line and not line.startswith(("#", "-r")):
                match = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.]*)", line)
                assert match, f"{name}: {line!r} is not NAME==VERSION"
                pins[match[1].lower().replace("_", "-")] = match[2]
    for name in ("requirements.in", "requirements-dev.in"):
        wanted = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
        assert not [line for line in wanted if line.lower().replace("_", "-") not in pins]


def test_what_patchbay_is_said_to_need_is_what_it_uses() -> None:
    text = "\n".join(path.read_text() for path in MODULES)
    wanted = [line for line in (ROOT / "requirements.in").read_text().splitlines() if line and not line.startswith("#")]
    module = {"PyYAML": "yaml"}
    assert not [name for name in wanted if not re.search(rf"\b{module.get(name, name)}\b", text)]


def test_no_file_names_a_machine_s_paths_or_a_package_registry() -> None:
    found = []
    for path in FILES:
        if path.suffix in {".png", ".ico"} or path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if MACHINE_TEXT.search(line):
                found.append(f"{name_of(path)}:{number}: {line.strip()[:100]}")
    assert not found


def test_scripts_that_make_calls_are_executable() -> None:
    scripts = [path for path in FILES if path.read_bytes().startswith(b"#!")]
    assert scripts
    assert not [name_of(path) for path in scripts if not path.stat().st_mode & 0o111]


def test_no_pattern_has_possessive_quantifiers_or_atomic_groups() -> None:
    """Python 3.11.2, which is Debian 12's, makes wrong matches with them."""
    broken = re.compile(r"re\.compile\(.*(?:[*+?}]\+|\(\?>)")
    wrong = [
        f"{name_of(path)}:{number}"
        for path in MODULES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if broken.search(line)
    ]
    assert not wrong
