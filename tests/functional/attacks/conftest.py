"""The lab that is attacked, and the traffic of others that goes on beside every attack."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology
from tests.functional.attacks.scene import TOPOLOGY
from tests.functional.convergence.conversation import conversing
from tests.functional.security.frames import Wire
from tests.functional.security.town import Town, wait_for


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The lab, up for all tests of this folder."""
    if os.geteuid() != 0:
        pytest.fail("functional tests need root: they make network namespaces")
    with Lab.up(parse_topology(TOPOLOGY, Path("attacks.yaml"))) as lab:
        yield Town(lab)


@pytest.fixture
def beside(town: Town) -> Iterator[None]:
    """While a test runs, blue1 pings blue2 on the other host and they talk over TCP: nothing is lost."""
    with (
        conversing(town.lab, "blue1", "blue2", "10.0.2.12", "10.0.2.12", 0.02) as talk,
        town.lab.ping_stream("blue1", "blue2", 0.02) as pings,
    ):
        assert pings.wait_for_replies(3), "blue's instances do not reach each other before anything is done"
        yield
        assert pings.wait_for_replies(3), "blue's instances do not reach each other any more"
        report = pings.stop()
        returned = talk.returned
        wait_for(lambda: talk.returned > returned, "the TCP connection of blue goes on")
        talk.stop()
    assert report.lost == 0, f"{report}\n{last_words(town)}"
    assert talk.returned == talk.sent


def last_words(town: Town) -> str:
    """What the processes of both hosts have said lately, and where Open vSwitch has dropped packets."""
    logs = [(host, process) for host in town.lab.hosts for process in ("agent", "ovs-vswitchd")]
    words = [f"{process} on {host}:\n{town.lab.host(host).log(process, 6)}" for host, process in logs]
    drops = "ovs-appctl coverage/show | grep -E 'drop|limit'; ovs-appctl dpif-netdev/pmd-stats-show"
    return "\n".join([*words, *(town.on(host, f"{drops} || true") for host in town.lab.hosts)])


@pytest.fixture
def wires(town: Town) -> Iterator[Callable[[str], Wire]]:
    """Opens interfaces of instances, and closes them."""
    with town.wires() as open_wire:
        yield open_wire
