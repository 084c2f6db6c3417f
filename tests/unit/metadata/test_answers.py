"""What is remembered of those who asked, for how long, and who waits for whom."""

import asyncio

import pytest

from patchbay.intent.errors import Unavailable
from patchbay.metadata import answers as module
from patchbay.metadata.answers import TURNS, Answers
from patchbay.metadata.guest import Guest
from patchbay.metadata.limits import CONNECTIONS_OF_ADDRESS, CONNECTIONS_OF_PLACE, REMEMBERED, Limits
from patchbay.metadata.lookup import Place
from tests.unit.metadata.guests import web

RED, BLUE = Place(network_id="red"), Place(router_id="blue")


class Lookups:
    """Stands where the database is asked; ``gate`` holds lookups up."""

    def __init__(self) -> None:
        self.asked: list[tuple[Place, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.guest: Guest | None = web()
        self.trouble: Exception | None = None

    async def __call__(self, place: Place, address: str) -> Guest | None:
        self.asked.append((place, address))
        await self.gate.wait()
        if self.trouble:
            raise self.trouble
        return self.guest


async def test_many_who_ask_at_once_cause_one_lookup_and_later_ones_none() -> None:
    lookups = Lookups()
    known = Answers(lookups)
    found = await asyncio.gather(*(known.trees(RED, "10.0.0.5") for _ in range(9)))
    assert found[0] is not None
    assert all(trees is found[0] for trees in found)
    assert await known.trees(RED, "10.0.0.5") is found[0]
    assert lookups.asked == [(RED, "10.0.0.5")]


async def test_the_same_address_elsewhere_is_somebody_else() -> None:
    lookups = Lookups()
    known = Answers(lookups)
    await asyncio.gather(known.trees(RED, "10.0.0.5"), known.trees(BLUE, "10.0.0.5"), known.trees(RED, "10.0.0.6"))
    assert sorted(map(str, lookups.asked)) == sorted(
        map(str, [(RED, "10.0.0.5"), (BLUE, "10.0.0.5"), (RED, "10.0.0.6")])
    )


async def test_what_is_known_gets_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRESH_S", 0.0)
    lookups = Lookups()
    known = Answers(lookups)
    await known.trees(RED, "10.0.0.5")
    await known.trees(RED, "10.0.0.5")
    assert len(lookups.asked) == 2


async def test_a_failure_is_told_to_all_who_wait_and_not_remembered() -> None:
    lookups = Lookups()
    lookups.trouble = Unavailable("away")
    known = Answers(lookups)
    found = await asyncio.gather(*(known.trees(RED, "10.0.0.5") for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in found] == [Unavailable] * 3
    lookups.trouble = None
    assert await known.trees(RED, "10.0.0.5") is not None


async def test_one_who_stops_waiting_does_not_stop_the_others() -> None:
    lookups = Lookups()
    lookups.gate.clear()
    known = Answers(lookups)
    one, other = (asyncio.create_task(known.trees(RED, "10.0.0.5")) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.sleep(0)
    lookups.gate.set()
    assert await other is not None


async def test_a_place_that_asks_for_many_addresses_makes_no_other_place_wait() -> None:
    lookups = Lookups()
    lookups.gate.clear()
    known = Answers(lookups)
    flood = [asyncio.create_task(known.trees(RED, f"10.0.0.{number}")) for number in range(50)]
    await asyncio.sleep(0.01)
    assert len(lookups.asked) == TURNS
    other = asyncio.create_task(known.trees(BLUE, "10.0.0.5"))
    await asyncio.sleep(0.01)
    assert (BLUE, "10.0.0.5") in lookups.asked
    lookups.gate.set()
    await asyncio.gather(other, *flood)


async def test_no_more_is_remembered_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 10)
    known = Answers(Lookups())
    for number in range(50):
        await known.trees(RED, f"10.0.0.{number}")
    assert len(known._known) == 10


def test_connections_are_counted_for_an_address_and_for_a_place() -> None:
    limits = Limits()
    assert all(limits.admit(RED, "10.0.0.5") for _ in range(CONNECTIONS_OF_ADDRESS))
    assert not limits.admit(RED, "10.0.0.5")
    assert limits.admit(BLUE, "10.0.0.5")
    limits.release(RED, "10.0.0.5")
    assert limits.admit(RED, "10.0.0.5")
    others = sum(limits.admit(RED, f"10.0.1.{number}") for number in range(CONNECTIONS_OF_PLACE))
    assert others == CONNECTIONS_OF_PLACE - CONNECTIONS_OF_ADDRESS
    assert limits.admit(BLUE, "10.0.0.6")


def test_requests_are_counted_by_the_second() -> None:
    limits = Limits(requests_per_s=2)
    assert [limits.spend(RED, "10.0.0.5", 100.0 + tenth / 10) for tenth in range(4)] == [True, True, False, False]
    assert limits.spend(RED, "10.0.0.6", 100.3)
    assert limits.spend(RED, "10.0.0.5", 101.1)


def test_who_is_connected_is_not_forgotten_however_many_come() -> None:
    limits = Limits()
    for _ in range(CONNECTIONS_OF_ADDRESS):
        limits.admit(RED, "10.0.0.5")
    for number in range(3 * REMEMBERED):
        limits.spend(BLUE, f"10.{number >> 8}.{number & 255}.1", 1.0)
    assert not limits.admit(RED, "10.0.0.5")
    assert len(limits._counts) <= REMEMBERED + 1
