"""One network cannot take the metadata server from the others, however many addresses and connections it has."""

from patchbay.metadata.limits import (
    CONNECTIONS,
    CONNECTIONS_KEPT,
    CONNECTIONS_OF_ADDRESS,
    CONNECTIONS_OF_PLACE,
    OF_PLACE,
    Limits,
)
from patchbay.metadata.lookup import Place

HERE, THERE = Place(network_id="here"), Place(network_id="there")


def test_one_address_and_one_network_have_their_shares() -> None:
    limits = Limits()
    assert sum(limits.admit(HERE, "10.0.0.1") for _ in range(50)) == CONNECTIONS_OF_ADDRESS
    assert sum(limits.admit(HERE, f"10.0.1.{number}") for number in range(1000)) == (
        CONNECTIONS_OF_PLACE - CONNECTIONS_OF_ADDRESS
    )
    assert limits.admit(THERE, "10.0.0.1")
    limits.release(HERE, "10.0.0.1")
    assert limits.admit(HERE, "10.0.0.1")


def test_a_tenant_with_many_networks_leaves_some_connections_to_every_other() -> None:
    limits = Limits()
    admitted = sum(
        limits.admit(Place(network_id=f"n{network}"), f"10.0.0.{number}")
        for network in range(40)
        for number in range(CONNECTIONS_OF_PLACE)
    )
    assert CONNECTIONS <= admitted <= CONNECTIONS + 40 * CONNECTIONS_KEPT
    assert sum(limits.admit(THERE, "10.0.0.1") for _ in range(50)) == CONNECTIONS_KEPT


def test_many_addresses_of_one_network_ask_no_more_than_its_share() -> None:
    limits = Limits(requests_per_s=5)
    answered = sum(limits.spend(HERE, f"10.0.{number}.{each}", 7.0) for number in range(20) for each in range(20))
    assert answered == 5 * OF_PLACE
    assert limits.spend(THERE, "10.0.0.1", 7.0)
    assert limits.spend(HERE, "10.0.0.1", 8.1)


def test_one_instance_that_floods_does_not_use_up_its_neighbours_share() -> None:
    limits = Limits(requests_per_s=5)
    assert sum(limits.spend(HERE, "10.0.0.1", 7.0) for _ in range(1000)) == 5
    assert all(limits.spend(HERE, "10.0.0.2", 7.0) for _ in range(5))
