"""Labs for the tests of the lab itself: their registry is a folder of their own, and nothing of them may be left."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.lab.machine import processes_of


@pytest.fixture(scope="module", autouse=True)
def lab_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The registry of a module's tests; its path in their environment marks every process that they start.

    Not longer than the module: what other modules start must not carry the mark.
    """
    folder = tmp_path_factory.mktemp("labs")
    os.environ["PATCHBAY_LAB_DIR"] = str(folder)
    yield folder
    del os.environ["PATCHBAY_LAB_DIR"]
    assert processes_of(folder) - {os.getpid()} == set()
