"""A lab whose hosts have joined their service over TLS."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from patchbay.lab.lab import Lab
from patchbay.lab.reading import load_topology

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@contextlib.contextmanager
def running(example: str, name: str, folder: Path) -> Iterator[Lab]:
    """A lab of an example over TLS, which nobody else's command sees."""
    before = os.environ.get("PATCHBAY_LAB_DIR")
    os.environ["PATCHBAY_LAB_DIR"] = str(folder)
    topology = load_topology(EXAMPLES / example)
    with Lab.up(msgspec.structs.replace(topology, name=name, control_plane="tls")) as lab:
        yield lab
    if before is None:
        del os.environ["PATCHBAY_LAB_DIR"]
    else:
        os.environ["PATCHBAY_LAB_DIR"] = before


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The seed's two hosts with their own certificates."""
    with running("seed002.yaml", "over-tls", tmp_path_factory.mktemp("labs")) as lab:
        yield lab


@pytest.fixture
def routed_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Seed 001, with routers, DHCP servers and metadata."""
    with running("seed001.yaml", "routed-over-tls", tmp_path_factory.mktemp("labs")) as lab:
        yield lab
