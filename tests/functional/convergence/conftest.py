"""Labs for the convergence tests: one for each module, made anew when a test has left it broken."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from patchbay.errors import PatchbayError
from patchbay.lab.lab import Lab
from patchbay.lab.reading import load_topology
from patchbay.lab.topology import Topology
from tests.functional.convergence.scene import LOSSES, converged, unfinished

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
EXAMPLE = "seed002.yaml"


@pytest.fixture(scope="module", autouse=True)
def lab_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A registry of labs for each module, so that nobody else's command sees them."""
    before = os.environ.get("PATCHBAY_LAB_DIR")
    folder = tmp_path_factory.mktemp("labs")
    os.environ["PATCHBAY_LAB_DIR"] = str(folder)
    yield folder
    if before is None:
        del os.environ["PATCHBAY_LAB_DIR"]
    else:
        os.environ["PATCHBAY_LAB_DIR"] = before


def with_macs(topology: Topology) -> Topology:
    """Every interface gets a MAC, so that neighbours know an instance that was deleted and made again."""
    instances = {}
    for number, (name, spec) in enumerate(topology.instances.items()):
        interfaces = {
            device: msgspec.structs.replace(interface, mac=f"fa:16:3e:00:{place:02x}:{number:02x}")
            for place, (device, interface) in enumerate(spec.interfaces.items())
        }
        instances[name] = msgspec.structs.replace(spec, interfaces=interfaces)
    return msgspec.structs.replace(topology, instances=instances)


class Labs:
    """The lab of a module: kept while it is whole."""

    def __init__(self, example: str) -> None:
        self.example = example
        self.running: Lab | None = None

    def get(self) -> Lab:
        """A lab of the example in which all is as it should be."""
        if self.running is not None and not self._is_whole(self.running):
            self.end()
        if self.running is None:
            self.running = Lab.up(with_macs(load_topology(EXAMPLES / self.example)))
            converged(self.running)
        return self.running

    @staticmethod
    def _is_whole(lab: Lab) -> bool:
        try:
            return lab.is_serving() and not any(unfinished(host) for host in lab.hosts.values())
        except PatchbayError:
            return False

    def end(self) -> None:
        """No lab any more."""
        if self.running is not None:
            self.running.down()
            self.running = None


@pytest.fixture(scope="module")
def labs(request: pytest.FixtureRequest, lab_folder: Path) -> Iterator[Labs]:
    """The module's labs; a module says ``EXAMPLE = …`` when it wants another than the seed's."""
    kept = Labs(getattr(request.module, "EXAMPLE", EXAMPLE))
    yield kept
    kept.end()


@pytest.fixture
def lab(labs: Labs, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A running lab in which all is well; after a failed test the next one gets a new lab."""
    failed = request.session.testsfailed
    yield labs.get()
    if request.session.testsfailed > failed:
        labs.end()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What each event cost, in one table."""
    if not LOSSES:
        return
    terminalreporter.section("packets lost")
    width = max(len(loss.event) for loss in LOSSES)
    for loss in LOSSES:
        figures = f"lost {loss.lost:4} of {loss.sent:5}  longest {loss.longest_ms:6.0f} ms"
        terminalreporter.write_line(f"{loss.event:{width}}  {loss.stream:21}  {figures}")
