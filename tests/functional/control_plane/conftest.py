"""A lab whose hosts have joined their service over TLS."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from patchbay.lab.lab import Lab
from patchbay.lab.reading import load_topology

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The seed's two hosts with their own certificates."""
    before = os.environ.get("PATCHBAY_LAB_DIR")
    os.environ["PATCHBAY_LAB_DIR"] = str(tmp_path_factory.mktemp("labs"))
    topology = load_topology(EXAMPLES / "seed002.yaml")
    running = Lab.up(msgspec.structs.replace(topology, name="over-tls", control_plane="tls"))
    yield running
    running.down()
    if before is None:
        del os.environ["PATCHBAY_LAB_DIR"]
    else:
        os.environ["PATCHBAY_LAB_DIR"] = before
