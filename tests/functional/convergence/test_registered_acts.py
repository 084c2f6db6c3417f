"""Users, strangers and crashes in random order, on hosts with distributed routers and registered bridges.

``PATCHBAY_SEEDS="5 6 7"`` in the environment runs these seeds and not the few that always run.
"""

import os

import pytest

from patchbay.lab.lab import Lab
from tests.functional.convergence.random_acts import story
from tests.functional.convergence.registered_acts import RegisteredActs
from tests.functional.convergence.scene import converged, settled

EXAMPLE = "distributed.yaml"
ROUNDS = 4
MOST_ACTS = 5
SEEDS = os.environ.get("PATCHBAY_SEEDS", "1 2").split()


@pytest.mark.parametrize("seed", SEEDS)
def test_any_mixture_of_users_strangers_and_crashes_keeps_registered_bridges_joined(lab: Lab, seed: str) -> None:
    acts = RegisteredActs(lab, seed)
    try:
        acts.machines_are_reached()
        for _ in range(ROUNDS):
            for _ in range(acts.dice.randint(1, MOST_ACTS)):
                acts.step()
        acts.end()
        settled(*lab.hosts.values(), timeout_s=40.0)
        acts.forget_neighbours()
        converged(lab, 40.0)
        acts.machines_are_reached()
    except Exception as error:
        raise AssertionError(f"{error}\n{story(acts, seed)}") from error
