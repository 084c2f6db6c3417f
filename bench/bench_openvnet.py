#!/usr/bin/env python3
"""Seed 003's pings: the same scripts on the same bridge, OpenVNet's API in front of routers in flows.

``bench/bench_openvnet.py [-f json] [--rounds N]``. Needs root, Open vSwitch, curl and net-tools. In the seed
the first ping between net1 and net2 took 20 ms, and the later ones as long as inside net1.
"""

from collections.abc import Iterator

from comparing import End, Way, compared, first_ping, in_turn, later_pings, wait_for_answers
from measuring import Figure, parser_of, print_figures

from patchbay.lab.lab import Lab
from tests.functional.vnet import seed003
from tests.functional.vnet.scene import TOPOLOGY, Scene

ROUNDS = 9
INSIDE, ROUTED = "inside net1", "between net1 and net2"


def main() -> None:
    """Measure, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    print_figures(figures(arguments.rounds), arguments.format)


def figures(rounds: int) -> Iterator[Figure]:
    """Both pings, from one lab."""
    with Lab.up(TOPOLOGY) as lab:
        scene = Scene(lab)
        scene.sh(seed003.OVS_CREATE)
        scene.api(seed003.API)
        for space in seed003.SPACES:
            scene.sh(seed003.plug(space))
            scene.sh(seed003.route(space))
        scene.until_there(seed003.SPACES)
        ends = {space.name: End(scene.host.space, space.name, space.address) for space in seed003.SPACES}
        ways = {INSIDE: Way(ends["ns1"], ends["ns2"]), ROUTED: Way(ends["ns1"], ends["ns3"])}
        wait_for_answers(ways)
        yield from compared(ways, "first ping", "ms", rounds, in_turn(first_ping), INSIDE)
        yield from compared(ways, "later pings", "ms", rounds, later_pings, INSIDE)


if __name__ == "__main__":
    main()
