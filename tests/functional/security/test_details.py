"""What else Neutron's security groups mean: ports in no group or in several, without port security, and multicast."""

from collections.abc import Iterator

import pytest

from tests.functional.security import exchange as packets
from tests.functional.security.exchange import Exchange, Shot
from tests.functional.security.model import Packet
from tests.functional.security.village import HOSTS, Village, village

CONTENTS = ((6, 0, 80), (17, 0, 53), (1, 8, 0), (58, 128, 0), (132, 0, 5000), (47, 0, 0))
ASKED = {"one": HOSTS[0], "two": HOSTS[1]}
Both = tuple[Village, Exchange]
MULTICAST = {"224.0.0.251": "01:00:5e:00:00:fb", "10.0.255.255": "ff:ff:ff:ff:ff:ff", "ff02::fb": "33:33:00:00:00:fb"}


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    """The lab, and packets between its instances."""
    with village("details", 65, ASKED) as opened:
        yield opened


def one_of_each(both: Both, sender: str, receiver: str) -> list[Shot]:
    """A packet of each protocol, of each version of IP that has it."""
    town, exchange = both
    shots = []
    for content in CONTENTS:
        for version in {1: (4,), 58: (6,)}.get(content[0], (4, 6)):
            ends, word = (town.address(sender, version), town.address(receiver, version)), exchange.word()
            data = packets.first(Packet(*ends, *content), exchange.number(), word)
            shots.append(exchange.shot(sender, receiver, data, word))
    return shots


def test_a_port_in_no_group_sends_and_hears_nothing(both: Both) -> None:
    for sender, receiver in (("one", "friend1"), ("two", "friend1"), ("friend1", "one"), ("friend1", "two")):
        assert both[1].arrived(one_of_each(both, sender, receiver)) == set(), (sender, receiver)


def test_a_port_without_port_security_sends_and_hears_everything(both: Both) -> None:
    town, exchange = both
    for name in ASKED:
        town.change_port(name, port_security_enabled=False)
    town.wait_until_in_force()
    try:
        for sender, receiver in (("one", "friend2"), ("friend2", "one"), ("one", "two"), ("two", "stranger2")):
            shots = one_of_each(both, sender, receiver)
            assert exchange.arrived(shots, shots) == set(shots), (sender, receiver)
    finally:
        for name in ASKED:
            town.change_port(name, port_security_enabled=True)
        town.wait_until_in_force()
    test_a_port_in_no_group_sends_and_hears_nothing(both)


def test_a_port_in_two_groups_has_the_rules_of_both(both: Both) -> None:
    town, exchange = both
    for name, protocol in (("tcp", "tcp"), ("udp", "udp")):
        group = town.make_group(name)
        rule = {"security_group_id": group, "direction": "ingress", "protocol": protocol}
        town.make_rules([rule | {"ethertype": f"IPv{version}"} for version in (4, 6)])
    for groups, numbers in ((["tcp"], {6}), (["tcp", "udp"], {6, 17}), (["udp"], {17}), ([], set())):
        town.change_port("two", security_groups=[town.groups[name] for name in groups])
        town.wait_until_in_force()
        for sender in ("friend1", "stranger2"):
            shots = one_of_each(both, sender, "two")
            wanted = [shot for shot in shots if _protocol(shot) in numbers]
            assert exchange.arrived(shots, wanted) == set(wanted), (groups, sender)
    for name in ("tcp", "udp"):
        town.delete_group(name)


def _protocol(shot: Shot) -> int:
    """Of the IP packet in the frame."""
    return shot.frame[14 + (6 if shot.frame[14] >> 4 == 6 else 9)]


def test_multicast_and_broadcast_need_a_rule_as_all_else(both: Both) -> None:
    town, exchange = both
    group = town.make_group("cast")
    rule = {"security_group_id": group, "direction": "ingress", "protocol": "udp", "port_range_min": 5353}
    town.make_rules([rule | {"port_range_max": 5353, "ethertype": f"IPv{version}"} for version in (4, 6)])
    for is_in_group in (True, False):
        for name in ASKED:
            town.change_port(name, security_groups=[group] if is_in_group else [])
        town.wait_until_in_force()
        for sender in ("friend1", "stranger2"):
            for port in (5353, 5354):
                shots = _casts(both, sender, port)
                wanted = shots if is_in_group and port == 5353 else []
                assert exchange.arrived(shots, wanted) == set(wanted), (is_in_group, sender, port)
    town.delete_group("cast")


def _casts(both: Both, sender: str, port: int) -> list[Shot]:
    """One packet for all, looked for at each who is asked."""
    town, exchange = both
    shots = []
    for address, mac in MULTICAST.items():
        source = town.address(sender, 6 if ":" in address else 4)
        for receiver in ASKED:
            word = exchange.word()
            data = packets.first(Packet(source, address, 17, 0, port), exchange.number(), word)
            shot = exchange.shot(sender, receiver, data, word)
            shots.append(shot._replace(frame=bytes.fromhex(mac.replace(":", "")) + shot.frame[6:]))
    return shots
