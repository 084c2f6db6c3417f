"""What a check tries, and what it found: statements of a topology as pairs of places, and their outcomes.

Called by ``check`` and ``questions``; shown by the lab's commands.
"""

import ipaddress
from collections.abc import Mapping

import msgspec

from patchbay.lab.capture import read_addresses
from patchbay.lab.frames import Address
from patchbay.lab.places import Place
from patchbay.lab.topology import Reach, Topology


class Pair(msgspec.Struct, frozen=True):
    """What is tried: a ping from ``source`` to an ``address`` of ``target``; ``line`` is where it is expected.

    ``seen_as``: the address that the target must see it come from ("": any). For a question ``target`` is the question
    and ``wanted`` the answer.
    """

    source: str
    target: str
    address: Address | None
    expected: bool
    line: int = 0
    seen_as: str = ""
    wanted: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What was found. ``rtt_ms`` is None without a reply; ``detail`` says who else was involved.

    ``answer``: the answer to a question; of a ping, the address that it was seen as when that was asked for.
    """

    pair: Pair
    found: bool
    is_met: bool
    rtt_ms: float | None
    detail: str
    answer: str = ""


def expected_pairs(topology: Topology, places: Mapping[str, Place]) -> list[Pair]:
    """Each statement about packets as pairs, one for each address of the target; nothing twice."""
    lines: dict[tuple[str, str, bool, str], int] = {}
    for expectation in topology.expect:
        if isinstance(expectation, Reach):
            for source in expectation.sources:
                for target in expectation.targets:
                    if source != target:
                        key = (source, target, expectation.reach, expectation.seen_as)
                        lines.setdefault(key, expectation.line)
    known = {target for _, target, _, _ in lines if target in places}
    addresses = {target: addresses_of(topology, places, target) for target in known}
    pairs = []
    for (source, target, is_expected, seen_as), line in lines.items():
        if target in known:
            tried = [(target, address) for address in addresses[target] or (None,)]
        else:
            tried = [(topology.place_of(target) or target, ipaddress.ip_address(target))]
        pairs += [Pair(source, owner, address, is_expected, line, seen_as) for owner, address in tried]
    return pairs


def addresses_of(topology: Topology, places: Mapping[str, Place], name: str) -> list[Address]:
    """The addresses of a place: those of the file, else those that its interfaces have."""
    if name in topology.outside:
        return [ipaddress.ip_interface(text).ip for text in topology.outside[name].addresses]
    found: list[Address] = []
    for device, interface in topology.instances[name].interfaces.items():
        given = [ipaddress.ip_address(text) for text in interface.addresses]
        found += given or read_addresses(places[name], device)
    return found


def networks_with(topology: Topology, address: Address | None) -> set[str]:
    """The networks with a subnet that holds an address."""
    return {
        name
        for name, network in topology.networks.items()
        for subnet in network.subnets.values()
        if address is not None and address in ipaddress.ip_network(subnet.cidr)
    }
