"""The trees of those who asked lately: a boot asks thirty times in a second, and the database is asked once.

Bounded in time (what was changed shows after ``FRESH_S``) and in number. Each place has its turns at the database, so
that a guest which asks under many addresses makes its own network wait and no other, and cannot keep the database busy.
"""

import asyncio
import os
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from patchbay.metadata.ec2 import ec2_tree
from patchbay.metadata.guest import Guest
from patchbay.metadata.lookup import Place
from patchbay.metadata.openstack import openstack_tree
from patchbay.metadata.tree import Trees

FRESH_S, UNKNOWN_FRESH_S = 2.0, 0.5
REMEMBERED = 512
SEED_BYTES = 512
TURNS = 2

FindGuest = Callable[[Place, str], Awaitable[Guest | None]]
_Key = tuple[Place, str]


class Answers:
    """What each asker may read. ``find_guest`` looks one up and raises Unavailable when it cannot."""

    def __init__(self, find_guest: FindGuest) -> None:
        self._find_guest = find_guest
        self._known: OrderedDict[_Key, tuple[float, Trees | None]] = OrderedDict()
        self._asked: dict[_Key, asyncio.Task[Trees | None]] = {}
        self._turns: weakref.WeakValueDictionary[Place, asyncio.Semaphore] = weakref.WeakValueDictionary()

    async def trees(self, place: Place, address: str) -> Trees | None:
        """The trees of who has this address there; None if nobody has. Raises Unavailable."""
        key = (place, address)
        until, trees = self._known.get(key, (0.0, None))
        if asyncio.get_running_loop().time() < until:
            self._known.move_to_end(key)
            return trees
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.create_task(self._ask(key))
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    async def _ask(self, key: _Key) -> Trees | None:
        async with self._turns.setdefault(key[0], asyncio.Semaphore(TURNS)):
            guest = await self._find_guest(*key)
        trees = None if guest is None else Trees(ec2_tree(guest), openstack_tree(guest, os.urandom(SEED_BYTES)))
        fresh_s = UNKNOWN_FRESH_S if trees is None else FRESH_S
        self._known[key] = (asyncio.get_running_loop().time() + fresh_s, trees)
        self._known.move_to_end(key)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return trees

    def _forget(self, key: _Key, done: asyncio.Task[Trees | None]) -> None:
        self._asked.pop(key, None)
        if not done.cancelled():
            done.exception()  # whoever waited has heard it
