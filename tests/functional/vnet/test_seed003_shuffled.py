"""Seed 003's commands in random orders on real Open vSwitch: whatever comes first, the network is there at the end."""

import itertools
import os
import random

import pytest

from patchbay.lab.lab import Lab
from tests.functional.vnet.scene import TOPOLOGY, Refused, Scene
from tests.functional.vnet.seed003 import API, OVS_CREATE, ROUTER, SPACES, plug, route

OVS, PLUG, ROUTE = "ovs", "plug", "route"
Step = tuple[str, int | str]


def shuffled(number: int) -> list[Step]:
    """All commands in a random order; a port comes after its bridge, a route after its interface."""
    chosen = random.Random(number)
    there: list[Step] = [(OVS, 0), *((PLUG, each) for each in chosen.sample(range(len(SPACES)), len(SPACES)))]
    for each in range(len(SPACES)):
        there.insert(chosen.randint(there.index((PLUG, each)) + 1, len(there)), (ROUTE, each))
    kinds = ["api"] * len(API) + ["there"] * len(there)
    chosen.shuffle(kinds)
    lines = iter(chosen.sample(API, len(API)))
    steps = iter(there)
    return [("api", next(lines)) if kind == "api" else next(steps) for kind in kinds]


def run(scene: Scene, steps: list[Step]) -> None:
    """Run the steps; a command that the API refuses is given again after the others, as a user would."""
    while steps:
        refused: list[Step] = []
        for kind, what in steps:
            if kind == "api":
                try:
                    scene.api([str(what)])
                except Refused:
                    refused.append((kind, what))
            elif kind == OVS:
                scene.sh(OVS_CREATE)
            else:
                scene.sh((plug if kind == PLUG else route)(SPACES[int(what)]))
        assert len(refused) < len(steps), f"refused again: {refused}"
        steps = refused


@pytest.mark.parametrize("number", range(1, 1 + int(os.environ.get("SEED003_ORDERS", "3"))))
def test_a_random_order_gives_the_network_of_the_seed(number: int) -> None:
    steps = shuffled(number)
    with Lab.up(TOPOLOGY, name=f"test-seed003-{number}") as lab:
        scene = Scene(lab)
        run(scene, steps)
        scene.until_there(SPACES)
        for one, other in itertools.permutations(SPACES, 2):
            if one.network == other.network or "net3" not in (one.network, other.network):
                assert scene.comes_to_reach(one, other.address), (one, other, steps)
        assert not scene.ping(SPACES[4], SPACES[2].address).received, "net3 is in no router"
        for space in SPACES[:4]:
            assert all(scene.comes_to_reach(space, address) for address, _ in ROUTER.values()), (space, steps)
        script = "ip netns exec ns1 ping -c 1 -W 2 172.16.1.2; ip netns exec ns5 ping -c 1 -W 2 172.16.1.2"
        heard = scene.captured(SPACES, script)
        for space in SPACES:
            assert scene.strangers(space, heard[space.name]) == set(), (space, steps)
