"""Runs tempest in the world of ``tests.tempest.world`` and says what came out, suite by suite."""

import argparse
import csv
import io
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.tempest import world

SUITES = (r"tempest\.api\.network\.", r"neutron_tempest_plugin\.api\.")
DESCRIPTION = """\
Run the unmodified tempest against patchbay serve with --auth builtin, Open vSwitch and an agent, all in private
namespaces, and say how many tests passed, failed and were skipped. A regex chooses tests, for example test_quotas.
"""
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
WORDS = {"success": PASSED, "xfail": PASSED, "skip": SKIPPED}
Result = tuple[str, str]
"""The name of a test, or of the class whose set-up ended so, and how it ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 when nothing failed."""
    told = options(arguments)
    config = world.start()
    chosen = "|".join(f"(?:{one})" for one in told.regex or [""])
    regex = f"^(?={'|'.join(SUITES)})(?=.*(?:{chosen}))"
    command = [tool(told.bin, "tempest"), "run", "--config-file", str(config), "--regex", regex]
    command += ["--concurrency", str(told.concurrency)]
    environment = {**os.environ, "HOME": str(world.WORK)}
    subprocess.run(command, cwd=world.WORK, env=environment, check=False)
    found = results(told.bin)
    print(summary(found))
    if wrong := world.logs():
        print(f"\nErrors in the logs of the service and the agent:\n{wrong}")
    if told.keep:
        subprocess.run(["cp", "-r", f"{world.WORK}/.", told.keep], check=True)
    return int(not found or any(outcome == FAILED for _, outcome in found))


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="scripts/tempest", description=DESCRIPTION)
    parser.add_argument(
        "regex", nargs="*", help="which tests of tempest.api.network and of Neutron's plugin; by default all"
    )
    parser.add_argument("--concurrency", type=int, default=os.cpu_count() or 1, help="so many tests at once")
    parser.add_argument("--keep", metavar="DIR", default="", help="leave logs, configuration and results there")
    parser.add_argument("--bin", type=Path, required=True, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def tool(directory: Path, name: str) -> str:
    """A program of tempest's virtual environment."""
    return str(directory.resolve() / name)


def results(directory: Path) -> list[Result]:
    """How each test ended; a class whose set-up failed or was skipped stands for each of its tests."""
    stream = _output([tool(directory, "stestr"), "last", "--subunit"], b"")
    rows = _output([tool(directory, "subunit2csv"), "--no-passthrough"], stream)
    return [(row["test"], WORDS.get(row["status"], FAILED)) for row in csv.DictReader(io.StringIO(rows.decode()))]


def _output(command: list[str], given: bytes) -> bytes:
    return subprocess.run(command, cwd=world.WORK, input=given, stdout=subprocess.PIPE, check=False).stdout


def summary(found: Sequence[Result]) -> str:
    """What failed, and a table: passed, failed and skipped of each suite. A class that was skipped counts once."""
    counts: dict[str, Counter[str]] = {}
    for name, outcome in found:
        counts.setdefault(suite_of(name), Counter())[outcome] += 1
    counts["together"] = sum(counts.values(), Counter())
    width = max(map(len, counts))
    lines = [f"failed: {plain(name)}" for name, outcome in sorted(found) if outcome == FAILED]
    lines += ["", f"{'':{width}}  {PASSED:>8} {FAILED:>8} {SKIPPED:>8}"]
    for name, count in counts.items():
        lines.append(f"{name:{width}}  " + " ".join(f"{count[key]:8}" for key in (PASSED, FAILED, SKIPPED)))
    return "\n".join(lines)


def plain(name: str) -> str:
    """The name of a test without its ids, or of a class without what of it was done."""
    return name.removeprefix("setUpClass (").removeprefix("tearDownClass (").partition("[")[0].rstrip(")")


def suite_of(name: str) -> str:
    """``tempest.api.network`` of a test or class in it."""
    parts = plain(name).split(".")
    return ".".join(parts[: parts.index("api") + (1 if parts[0] != "tempest" else 2)] if "api" in parts else parts[:1])


if __name__ == "__main__":
    sys.exit(main())
