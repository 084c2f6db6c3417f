"""Users, strangers and crashes in random order, on two hosts with distributed routers and floating IPs of their own.

``PATCHBAY_SEEDS="5 6 7"`` in the environment runs these seeds and not the few that always run.
"""

import os

import pytest

from patchbay.lab.lab import Lab
from tests.functional.convergence.distributed_acts import DistributedActs
from tests.functional.convergence.random_acts import story
from tests.functional.convergence.scene import converged, settled

EXAMPLE = "distributed.yaml"
ROUNDS = 4
MOST_ACTS = 5
SEEDS = os.environ.get("PATCHBAY_SEEDS", "1 2 3").split()


@pytest.mark.parametrize("seed", SEEDS)
def test_any_mixture_of_users_strangers_and_crashes_ends_in_the_same_routes(lab: Lab, seed: str) -> None:
    acts = DistributedActs(lab, seed)
    try:
        for _ in range(ROUNDS):
            for _ in range(acts.dice.randint(1, MOST_ACTS)):
                acts.step()
        acts.end()
        settled(*lab.hosts.values(), timeout_s=40.0)
        acts.forget_neighbours()
        converged(lab, 40.0)
    except Exception as error:
        raise AssertionError(f"{error}\n{story(acts, seed)}") from error
