"""What every benchmark needs: figures, progress, waiting, and how a script prints its result."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from patchbay.cli.output import print_list

Figure = dict[str, Any]


def figure(name: str, value: float, unit: str) -> Figure:
    """One line of the result."""
    return {"figure": name, "value": round(value, 3), "unit": unit}


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """A parser with ``-f json|table``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("-f", "--format", choices=["json", "table"], default="table")
    return parser


def print_figures(figures: Iterable[Figure], form: str, columns: Sequence[str] = ("figure", "value", "unit")) -> None:
    """All figures, or other rows with these columns, as JSON or as a table."""
    rows = list(figures)
    if form == "json":
        print(json.dumps(rows, indent=2))
    else:
        print_list(rows, columns, "table", ())


def milliseconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def ident(kind: int, number: int) -> str:
    """A UUID for an object of a simulated intent."""
    return f"{number:08x}-0000-4000-8000-00000000000{kind}"


def say(text: str) -> None:
    """Progress."""
    print(text, file=sys.stderr, flush=True)


def wait_until(is_so: Callable[[], object], what: str, *, timeout_s: float = 10.0, pause_s: float = 0.005) -> None:
    """Until it is so."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, f"not so in time: {what}"
        time.sleep(pause_s)
